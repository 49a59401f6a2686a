"""Operators of one 8-bit value are tables: composes them, and folds those that only clamp into what computes their input."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from tflm_mcunet.graph import Array, Graph
from tflm_mcunet.operators.base import Clamped, Operator
from tflm_mcunet.operators.dequantize import Dequantize
from tflm_mcunet.operators.quantize import Quantize
from tflm_mcunet.operators.unary import Lookup, Unary, domain


def compose_tables(graph: Graph) -> Graph:
    """A table of a table is one table, and so is a QUANTIZE of a DEQUANTIZE, where nobody else reads the value between them."""
    for before, op in _pairs(graph):
        values = _composed(before, op)
        if values is not None:
            return graph.exchange({before: None, op: Lookup(before.inputs[:1], op.outputs, index=op.index, values=values)})
    return graph


def _composed(before: Operator, op: Unary) -> Array | None:
    """The outputs of both, one after the other, for all 8-bit inputs in ascending order; None where they are no table."""
    source = before.inputs[0]
    if source is None or source.dtype.itemsize != 1:
        return None
    both_tables = isinstance(before, Unary) and before.tabular and op.tabular
    through_float = isinstance(before, Dequantize) and isinstance(op, Quantize)
    if not both_tables and not through_float:
        return None
    between = before.evaluate((domain(source).astype(source.dtype),))
    after = None if between is None else op.evaluate(between)
    return None if after is None else after[0]


def fold_clamps(graph: Graph) -> Graph:
    """A table that only clamps narrows the limits of the operator before it."""
    for before, op in _pairs(graph):
        source, target = op.input(0), op.output
        same = (source.shape, source.dtype, source.quantization) == (target.shape, target.dtype, target.quantization)
        limits = clamp_limits(op.table()) if same and source.dtype == np.int8 else None
        if isinstance(before, Clamped) and limits is not None:
            low, high = (min(max(bound, limits[0]), limits[1]) for bound in before.clamp)
            return graph.exchange({before: replace(before, clamp=(low, high)), op: None}).substitute({target: source})
    return graph


def clamp_limits(table: Array) -> tuple[int, int] | None:
    """(low, high) where the table is clamp(x, low, high) for every int8 x, None where it is something else."""
    low, high = int(table[0]), int(table[-1])
    return (low, high) if low <= high and np.array_equal(table, np.clip(np.arange(-128, 128), low, high)) else None


def _pairs(graph: Graph) -> Iterator[tuple[Operator, Unary]]:
    """Tables, and QUANTIZE, after the operator whose single output they alone read."""
    producers, consumers = graph.producers(), graph.consumers()
    for op in graph.operators:
        if isinstance(op, Unary):
            source = op.input(0)
            before = producers.get(source)
            if before is not None and len(before.outputs) == 1 and source not in graph.outputs and len(consumers[source]) == 1:
                yield before, op
