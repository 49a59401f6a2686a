"""Evaluates operators whose inputs are all known."""

from __future__ import annotations

from dataclasses import replace

from tflm_mcunet.graph import Array, Graph, Tensor
from tflm_mcunet.operators.base import Operator


def fold_constants(graph: Graph) -> Graph:
    """Operators that can be evaluated offline become constants."""
    known: dict[Tensor, Tensor] = {}
    kept = []
    for op in graph.operators:
        current = replace(op, inputs=tuple(known.get(t, t) if t else None for t in op.inputs)) if known else op
        values = _values(current)
        if values is None:
            kept.append(current)
        else:
            known |= {t: replace(t, data=value.reshape(t.shape)) for t, value in zip(op.outputs, values, strict=True)}
    return replace(graph, operators=tuple(kept)).substitute(known) if known else graph


def _values(op: Operator) -> tuple[Array, ...] | None:
    if not all(tensor.constant for tensor in op.present_inputs):
        return None
    return op.evaluate(tuple(None if tensor is None else tensor.data for tensor in op.inputs))
