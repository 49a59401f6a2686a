"""What is placed when rows may lie anywhere: units, rigid blocks of byte pieces with lives.

A tensor is a ring of as many rows as live at once, which is the whole tensor where all do; or every row is a unit of
its own, consecutive rows of one life staying together. An operator's scratch (the same address in all its events) and
its state are one unit each.
"""

from __future__ import annotations

from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass
from math import gcd

import numpy as np

from patch_scheduler.conflicts import Buffer, buffers
from patch_scheduler.geometry import Access, Int, Network
from patch_scheduler.lives import Lives, expand, overwritable
from patch_scheduler.schedule import Event, Schedule


@dataclass(frozen=True)
class Unit:
    """Bytes [low[p], high[p]) of the unit live from birth[p] to death[p].

    Of tensors it holds the rows `first` to `last` - 1, row r at (r - first) % height * row_bytes.
    """

    buffer: Buffer
    first: int
    last: int
    height: int
    size: int
    alignment: int
    low: Int
    high: Int
    birth: Int
    death: Int


@dataclass(frozen=True)
class InPlace:
    """Piece `target` (unit, piece) may overlap piece `source` if it starts at most `above` bytes above it."""

    source: tuple[int, int]
    target: tuple[int, int]
    above: int


def dense_tensors(network: Network) -> frozenset[int]:
    """Tensors that must be one block: what the application sees, and what kernels address as one."""
    accesses = (access for op in network.operators for access in (*op.reads, *op.writes))
    return frozenset({*network.inputs, *network.outputs, *(access.tensor for access in accesses if access.dense)})


def row_alignment(network: Network, tensor: int) -> int:
    """What a dense tensor would give to all its rows."""
    what = network.tensors[tensor]
    return gcd(what.alignment, what.row_bytes)


def units(network: Network, schedule: Schedule, life: Lives, scattered: Container[int]) -> list[Unit]:
    """Everything that needs a place; the tensors in `scattered` in single rows, but for those that must be dense."""
    dense = dense_tensors(network)
    found: list[Unit] = []
    for buffer in buffers(network, schedule, life):
        if buffer.kind != "tensor":
            found.append(_rigid(buffer, 1))
        elif buffer.index in dense:
            found.append(_rigid(buffer, network.tensors[buffer.index].rows))
        elif buffer.index in scattered:
            found += _rows(network, buffer)
        else:
            found.append(_ring(network, life, buffer))
    return [unit for unit in found if unit.size]


def _rigid(buffer: Buffer, rows: int) -> Unit:
    return Unit(
        buffer, 0, rows, rows, buffer.size, buffer.alignment, buffer.low, buffer.high, buffer.birth, buffer.death
    )  # fmt: skip


def _rows(network: Network, buffer: Buffer) -> Iterator[Unit]:
    """One unit for each piece: consecutive rows that live and die together."""
    size = max(network.tensors[buffer.index].row_bytes, 1)
    for low, high, birth, death in zip(buffer.low, buffer.high, buffer.birth, buffer.death, strict=True):
        align = row_alignment(network, buffer.index) if low else buffer.alignment
        piece = (np.array([value], np.int64) for value in (0, high - low, birth, death))
        first, last = int(low) // size, int(high) // size
        yield Unit(buffer, first, last, last - first, int(high - low), align, *piece)


def _ring(network: Network, life: Lives, buffer: Buffer) -> Unit:
    """Row r where row r - height was; a tensor in one piece where all of it lives at once."""
    birth, death = life.birth[buffer.index], life.death[buffer.index]
    rows, size, height = len(birth), network.tensors[buffer.index].row_bytes, ring_height(birth, death)
    if height >= rows:
        return _rigid(buffer, rows)
    low = np.arange(rows) % height * size
    return Unit(buffer, 0, rows, height, height * size, buffer.alignment, low, low + size, birth, death)


def ring_height(birth: Int, death: Int) -> int:
    """The least height at which row r + height comes after row r is dead."""
    if (np.diff(birth) < 0).any():
        return len(birth)
    return int((np.searchsorted(birth, death, side="right") - np.arange(len(birth))).max(initial=1))


def in_place(network: Network, schedule: Schedule, found: Sequence[Unit]) -> list[InPlace]:
    """Pairs of pieces, one dying in the event that writes the other in its place."""
    dying, born = _pieces(found, "death"), _pieces(found, "birth")
    result = []
    for moment, event in enumerate(schedule.events):
        operator = network.operators[event.operator]
        for tensor in overwritable(operator):
            sources, targets = dying.get((tensor, moment)), born.get((operator.writes[0].tensor, moment))
            if not sources or not targets:
                continue
            reads = [_elements(network, access, event) for access in operator.reads if access.tensor == tensor]
            writes = _elements(network, operator.writes[0], event)
            if any(read[1] < writes[1] for read in reads):
                continue
            for source, byte in sources:
                element = max(_element(read, byte, network, tensor) for read in reads)
                for target, to in targets:
                    above = _element(writes, to, network, operator.writes[0].tensor) - element
                    result.append(InPlace(source, target, above))
    return result


def _pieces(found: Sequence[Unit], moment: str) -> dict[tuple[int, int], list[tuple[tuple[int, int], int]]]:
    """(tensor, moment) -> the pieces born (or dying) then, and their first bytes in the tensor."""
    result: dict[tuple[int, int], list[tuple[tuple[int, int], int]]] = {}
    for index, unit in enumerate(found):
        if unit.buffer.kind == "tensor":
            rows = unit.last - unit.first
            size = unit.size // unit.height
            starts = unit.low.tolist() if unit.height == rows else range(0, rows * size, size)
            for piece, (when, low) in enumerate(zip(getattr(unit, moment).tolist(), starts, strict=True)):
                result.setdefault((unit.buffer.index, when), []).append(((index, piece), unit.first * size + low))
    return result


def _elements(network: Network, access: Access, event: Event) -> tuple[Int, int]:
    """The rows that an event touches, in order, and their bytes."""
    steps = slice(event.first, event.last)
    rows = np.unique(expand(access.ranges.low[steps], access.ranges.high[steps])[0])
    return rows, len(rows) * network.tensors[access.tensor].row_bytes


def _element(touched: tuple[Int, int], byte: int, network: Network, tensor: int) -> int:
    """Where a byte of the tensor comes among those that an event touches."""
    size = network.tensors[tensor].row_bytes
    return int(np.searchsorted(touched[0], byte // size)) * size
