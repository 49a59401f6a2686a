"""Folds a PAD into the convolution that follows it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from tflm_mcunet.graph import Graph, Tensor
from tflm_mcunet.operators.base import Operator
from tflm_mcunet.operators.convolution import Convolution
from tflm_mcunet.operators.fully_connected import FullyConnected
from tflm_mcunet.operators.pad import Pad


def fold_pad(graph: Graph) -> Graph:
    """A convolution pads for itself where a PAD put zero points around height and width; remove_dead drops the PAD."""
    producers = graph.producers()
    folded = {op: _folded(op, producers) for op in graph.operators if _foldable(op, producers)}
    return graph.exchange(folded) if folded else graph


def _foldable(op: Operator, producers: Mapping[Tensor, Operator]) -> bool:
    if not isinstance(op, Convolution) or isinstance(op, FullyConnected):
        return False
    padded = op.input(0)
    pad = producers.get(padded)
    return (
        isinstance(pad, Pad)
        and pad.spatial is not None
        and pad.value == padded.zero_point
        and pad.input(0).quantization == padded.quantization
        and not pad.input(0).constant
    )


def _folded(op: Operator, producers: Mapping[Tensor, Operator]) -> Operator:
    assert isinstance(op, Convolution)
    pad = producers[op.input(0)]
    assert isinstance(pad, Pad)
    assert pad.spatial is not None
    (top, bottom), (left, right) = pad.spatial
    (before_h, after_h), (before_w, after_w) = op.extra
    extra = ((top + before_h, after_h + bottom), (left + before_w, after_w + right))
    return replace(op, inputs=(pad.input(0), *op.inputs[1:]), extra=extra)
