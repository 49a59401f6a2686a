"""Graph -> geometry: which tensors share a buffer, and which rows of it each step of an operator touches."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from patch_scheduler import geometry
from tflm_mcunet.graph import Graph, Tensor
from tflm_mcunet.operators.base import Operator
from tflm_mcunet.operators.reshape import Reshape
from tflm_mcunet.operators.source import Source

WORD = 8
"""Rows are aligned to what divides their size, up to this."""


@dataclass(frozen=True)
class Lowered:
    """The network as the scheduler sees it; `buffer[tensor]` is the geometry tensor that holds a graph tensor."""

    network: geometry.Network
    buffer: dict[Tensor, int]
    operators: tuple[Operator, ...]
    """The operators that do work, in the order of `network.operators`; reshapes are views of one buffer."""


def lower(graph: Graph, *, keep_inputs: bool = False, input_alignment: int = 1, output_alignment: int = 1) -> Lowered:
    """Merges views into buffers and restates every operator's rows in the rows of those buffers.

    `keep_inputs`: they are still there after the last operator. `input_alignment`, `output_alignment`: of their addresses.
    """
    groups = list(_views(graph))
    total = sum(group[0].bytes for group in groups)
    finest = next(unit for unit in (1, 4, WORD) if total <= unit << 16 or unit == WORD)  # 16-bit tables of places count in it
    buffer = {tensor: index for index, group in enumerate(groups) for tensor in group}
    edges = {**dict.fromkeys(graph.outputs, output_alignment), **dict.fromkeys(graph.inputs, input_alignment)}
    tensors = tuple(_buffer(group, max(finest, *(edges.get(tensor, 1) for tensor in group))) for group in groups)
    shared = {index for index, group in enumerate(groups) if len({tensor.row_bytes for tensor in group}) > 1}
    operators = tuple(op for op in graph.operators if not isinstance(op, Reshape))
    pulled = {op.output for op in operators if isinstance(op, Source)}
    inputs = tuple(dict.fromkeys(buffer[t] for t in graph.inputs if t not in pulled))
    network = geometry.Network(
        tensors=tensors,
        operators=tuple(_operator(op, tensors, buffer, shared) for op in operators),
        inputs=inputs,
        outputs=tuple(dict.fromkeys([*(buffer[t] for t in graph.outputs if t in buffer), *(inputs if keep_inputs else ())])),
    )
    return Lowered(network, buffer, operators)


def _views(graph: Graph) -> Iterator[list[Tensor]]:
    """Groups of tensors that are the same bytes in different shapes; constants live in flash and are left out."""
    source = {op.output: op.input(0) for op in graph.operators if isinstance(op, Reshape)}
    groups: dict[Tensor, list[Tensor]] = {}
    for tensor in graph.tensors():
        if tensor.constant:
            continue
        root = tensor
        while root in source:
            root = source[root]
        groups.setdefault(root, []).append(tensor)
    yield from groups.values()


def _buffer(group: list[Tensor], finest: int) -> geometry.Tensor:
    """One buffer whose rows divide the rows of all its views."""
    row_bytes = math.gcd(*(tensor.row_bytes for tensor in group))
    alignment = max(math.gcd(row_bytes, WORD), *(tensor.dtype.itemsize for tensor in group), finest)
    return geometry.Tensor(group[0].name, group[0].bytes // row_bytes, row_bytes, alignment)


def _operator(
    op: Operator, tensors: tuple[geometry.Tensor, ...], buffer: dict[Tensor, int], shared: set[int]
) -> geometry.Operator:
    """`shared` buffers have views with rows of different sizes, none of which may be torn apart."""

    def access(tensor: Tensor, ranges: geometry.Ranges, in_place: bool = False, lag: int | None = None) -> geometry.Access:
        index = buffer[tensor]
        dense = index in shared or not op.row_pointers
        finer = tensor.row_bytes // tensors[index].row_bytes
        if lag is not None:
            lag = lag * finer if tensors[index].row_bytes == tensors[buffer[op.output]].row_bytes else None
        return geometry.Access(index, ranges.scaled(finer), in_place, dense, lag)

    return geometry.Operator(
        name=op.name,
        reads=tuple(
            access(t, op.reads(i), op.in_place(i), op.lag(i)) for i, t in enumerate(op.inputs) if t is not None and not t.constant
        ),
        writes=tuple(access(t, op.writes(i)) for i, t in enumerate(op.outputs)),
        steps=op.steps,
        scratch=op.scratch,
        scratch_per_step=op.scratch_per_step,
        state=op.state,
        macs=op.macs,
        weight_bytes=sum(t.bytes for t in op.present_inputs if t.constant),
        reversible=op.reversible,
    )
