"""What is placed when rows may lie anywhere: units, rigid blocks of byte pieces with lives.

A row of a tensor that need not be dense is a unit of its own; consecutive rows of one life stay together. A dense
tensor, an operator's scratch (the same address in all its events) and its state are one unit each.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from math import gcd

import numpy as np

from patch_scheduler.conflicts import Buffer, buffers
from patch_scheduler.geometry import Access, Int, Network
from patch_scheduler.lives import Lives, expand, overwritable
from patch_scheduler.schedule import Event, Schedule


@dataclass(frozen=True)
class Unit:
    """Bytes from `start` of a buffer on; bytes [low[p], high[p]) of the unit live from birth[p] to death[p]."""

    buffer: Buffer
    start: int
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


def units(network: Network, schedule: Schedule, life: Lives, dense: Iterable[int]) -> list[Unit]:
    """Everything that needs a place; tensors in `dense` in one piece."""
    whole = set(dense)
    found: list[Unit] = []
    for buffer in buffers(network, schedule, life):
        if buffer.kind != "tensor" or buffer.index in whole:
            found.append(Unit(buffer, 0, buffer.size, buffer.alignment, buffer.low, buffer.high, buffer.birth, buffer.death))
        else:
            found += _rows(network, buffer)
    return [unit for unit in found if unit.size]


def _rows(network: Network, buffer: Buffer) -> Iterator[Unit]:
    """One unit for each piece: consecutive rows that live and die together."""
    for low, high, birth, death in zip(buffer.low, buffer.high, buffer.birth, buffer.death, strict=True):
        align = row_alignment(network, buffer.index) if low else buffer.alignment
        piece = (np.array([value], np.int64) for value in (0, high - low, birth, death))
        yield Unit(buffer, int(low), int(high - low), align, *piece)


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
            for piece, (when, low) in enumerate(zip(getattr(unit, moment).tolist(), unit.low.tolist(), strict=True)):
                result.setdefault((unit.buffer.index, when), []).append(((index, piece), unit.start + low))
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
