"""Moves a TRANSPOSE into the constants or axes of the operator after it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from tflm_mcunet.graph import Graph, Tensor
from tflm_mcunet.operators.base import Operator
from tflm_mcunet.operators.fully_connected import FullyConnected
from tflm_mcunet.operators.mean import Mean
from tflm_mcunet.operators.reshape import Reshape
from tflm_mcunet.operators.transpose import Transpose


def absorb_transpose(graph: Graph) -> Graph:
    """FULLY_CONNECTED reads the untransposed tensor with its weights in another order; MEAN averages other axes of it."""
    producers = graph.producers()
    absorbed = {op: new for op in graph.operators if (new := _absorbed(op, producers)) is not None}
    return graph.exchange(absorbed) if absorbed else graph


def _absorbed(op: Operator, producers: Mapping[Tensor, Operator]) -> Operator | None:
    if isinstance(op, FullyConnected):
        before = producers.get(op.input(0))
        while isinstance(before, Reshape):
            before = producers.get(before.input(0))
        if isinstance(before, Transpose) and before.output.elements == op.weights.shape[1]:
            return _with_permuted_weights(op, before)
    if isinstance(op, Mean):
        before = producers.get(op.input(0))
        if isinstance(before, Transpose):
            return _over_other_axes(op, before)
    return None


def _with_permuted_weights(op: FullyConnected, transpose: Transpose) -> Operator | None:
    """Weight [o, j] belongs to element j of the transposed tensor; moves it to where that element lies before."""
    source = transpose.input(0)
    if source.quantization != op.input(0).quantization:
        return None
    places = np.arange(source.elements).reshape(source.shape).transpose(transpose.permutation).reshape(-1)
    weights = np.empty_like(op.weights)
    weights[:, places] = op.weights
    return replace(op, inputs=(source, replace(op.input(1), data=weights), *op.inputs[2:]))


def _over_other_axes(op: Mean, transpose: Transpose) -> Operator | None:
    """Sums do not depend on order; what is left must come out in the same order."""
    source, permutation = transpose.input(0), transpose.permutation
    left = [axis for axis in permutation if axis not in {permutation[a] for a in op.axes} and source.shape[axis] > 1]
    if left != sorted(left) or source.quantization != op.input(0).quantization:
        return None
    axes = np.array(sorted(permutation[a] for a in op.axes), np.int32)
    operand = replace(op.input(1), data=axes, shape=axes.shape)
    return replace(op, inputs=(source, operand))
