"""Computes maps twice across squeeze-and-excite: the gates of a map's channels follow from the mean of all its rows, so that the
map is there whole until they are known. Instead the operators that make it run once for the mean alone, and again, row by row,
for the rows that are scaled; only what these operators read has to be kept."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from tflm_mcunet.graph import Graph, Tensor
from tflm_mcunet.operators.base import Operator
from tflm_mcunet.operators.source import Source

Region = tuple[Operator, ...]
"""Operators that make a map, in the graph's order."""


@dataclass(frozen=True)
class _Gate:
    """Operator number `user` is the first to read what follows from a reduction, by `makers`, and what else is made of rows."""

    user: int
    makers: frozenset[Operator]


def reductions(graph: Graph) -> Iterator[Operator]:
    """The operators that accumulate a map which is needed again once their result is known."""
    for op in graph.operators:
        if op.state and len(op.outputs) == 1 and _gate(graph, op, {op.input(0)}) is not None:
            yield op


def regions(graph: Graph, reduction: Operator) -> Iterator[Region]:
    """Larger and larger regions that make the reduction's map, each reading fewer bytes than the map and the regions before."""
    needed, found = {reduction.input(0)}, list[Operator]()
    least = reduction.input(0).bytes
    for op in reversed(graph.operators[: graph.operators.index(reduction)]):
        if needed.isdisjoint(op.outputs):
            continue
        if op.state or isinstance(op, Source):
            return
        found.append(op)
        needed = needed.difference(op.outputs) | _read(op)
        size = sum(tensor.bytes for tensor in needed)
        if size < least:
            least = size
            yield tuple(reversed(found))


def recompute(graph: Graph, reduction: Operator, region: Region) -> Graph:
    """The graph in which copies of the region feed the reduction, and the region itself comes when its map is needed again."""
    made = {tensor for op in region for tensor in op.outputs}
    gate = _gate(graph, reduction, made)
    if gate is None:
        raise ValueError(f"{reduction.label} reads nothing of the region that is needed again")
    copies = {tensor: replace(tensor, name=f"{tensor.name}/{reduction.index}", index=None) for tensor in made}
    first, second, delayed = list[Operator](), list[Operator](), set[Tensor]()
    for op in graph.operators[: gate.user]:
        if op in gate.makers:
            first.append(_exchanged(op, copies))
        if op in region or (op not in gate.makers and not delayed.isdisjoint(op.present_inputs)):
            second.append(op)
            delayed.update(op.outputs)
        elif op not in gate.makers:
            first.append(op)
    return replace(graph, operators=(*first, *second, *graph.operators[gate.user :]))


def _gate(graph: Graph, reduction: Operator, made: set[Tensor]) -> _Gate | None:
    """Where the reduction's result meets what else follows, row by row, from the tensors made; None where it does not."""
    known, others = set(reduction.outputs), set(made)
    for number, op in enumerate(graph.operators):
        results, rows = known.intersection(op.present_inputs), others.intersection(op.present_inputs)
        if results and rows:
            return _Gate(number, frozenset(_ancestors(graph.operators[:number], results)))
        if results:
            known.update(op.outputs)
        elif rows and not op.state:
            others.update(op.outputs)
    return None


def _ancestors(operators: tuple[Operator, ...], tensors: Iterable[Tensor]) -> Iterator[Operator]:
    """The operators that are needed for some tensors, last first."""
    needed = set(tensors)
    for op in reversed(operators):
        if not needed.isdisjoint(op.outputs):
            needed |= _read(op)
            yield op


def _read(op: Operator) -> set[Tensor]:
    return {tensor for tensor in op.present_inputs if not tensor.constant}


def _exchanged(op: Operator, copies: dict[Tensor, Tensor]) -> Operator:
    """The operator with copies of tensors, where it touches any of these."""
    if copies.keys().isdisjoint((*op.present_inputs, *op.outputs)):
        return op
    inputs = tuple(tensor if tensor is None else copies.get(tensor, tensor) for tensor in op.inputs)
    return replace(op, inputs=inputs, outputs=tuple(copies.get(tensor, tensor) for tensor in op.outputs))
