"""Unary int8 operators are tables of 256 values: composes them, and folds those that only clamp into what computes their input."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from tflm_mcunet.graph import Array, Graph
from tflm_mcunet.operators.base import Clamped, Operator
from tflm_mcunet.operators.unary import Lookup, Unary


def compose_tables(graph: Graph) -> Graph:
    """A table of a table is one table, where nobody else reads the value between them."""
    for before, op in _pairs(graph):
        if isinstance(before, Unary):
            values = op.table()[before.table().astype(np.int64) + 128]
            return graph.exchange({before: None, op: Lookup(before.inputs[:1], op.outputs, index=op.index, values=values)})
    return graph


def fold_clamps(graph: Graph) -> Graph:
    """A table that only clamps narrows the limits of the operator before it."""
    for before, op in _pairs(graph):
        source, target = op.input(0), op.output
        limits = clamp_limits(op.table())
        same = (source.shape, source.dtype, source.quantization) == (target.shape, target.dtype, target.quantization)
        if isinstance(before, Clamped) and limits is not None and same:
            low, high = (min(max(bound, limits[0]), limits[1]) for bound in before.clamp)
            return graph.exchange({before: replace(before, clamp=(low, high)), op: None}).substitute({target: source})
    return graph


def clamp_limits(table: Array) -> tuple[int, int] | None:
    """(low, high) where the table is clamp(x, low, high) for every int8 x, None where it is something else."""
    low, high = int(table[0]), int(table[-1])
    if table.dtype == np.int8 and low <= high and np.array_equal(table, np.clip(np.arange(-128, 128), low, high)):
        return low, high
    return None


def _pairs(graph: Graph) -> Iterator[tuple[Operator, Unary]]:
    """Unary operators after the operator whose single output they alone read."""
    producers, consumers = graph.producers(), graph.consumers()
    for op in graph.operators:
        if isinstance(op, Unary):
            source = op.input(0)
            before = producers.get(source)
            if before is not None and len(before.outputs) == 1 and source not in graph.outputs and len(consumers[source]) == 1:
                yield before, op
