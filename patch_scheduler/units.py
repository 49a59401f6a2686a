"""What is placed when rows may lie anywhere: units, rigid blocks of byte pieces with lives.

A tensor is a ring of as many rows as live at once, which is the whole tensor where all do; or every row is a unit of
its own, consecutive rows of one life staying together. An operator's scratch (the same address in all its events) and
its state are one unit each.
"""

from __future__ import annotations

from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from patch_scheduler.conflicts import Buffer, buffers
from patch_scheduler.geometry import Access, Int, Network
from patch_scheduler.lives import Lives, expand, lagging, overwritable
from patch_scheduler.schedule import Event, Schedule


@dataclass(frozen=True)
class Unit:
    """Bytes [low[p], high[p]) of the unit live from birth[p] to death[p].

    Of tensors it holds `rows` rows from `first` on, row r at (r - first) % height * stride; piece p starts with row starts[p].
    """

    buffer: Buffer
    first: int
    rows: int
    height: int
    starts: Int
    size: int
    alignment: int
    low: Int
    high: Int
    birth: Int
    death: Int

    @property
    def stride(self) -> int:
        """Bytes from one row to the next."""
        return self.size // self.height


@dataclass(frozen=True)
class InPlace:
    """Piece `target` (unit, piece) may overlap piece `source` if it starts at most `above` bytes above it, or `exact`ly there."""

    source: tuple[int, int]
    target: tuple[int, int]
    above: int
    exact: bool = False


def dense_tensors(network: Network) -> frozenset[int]:
    """Tensors that must be one block: what the application sees, and what kernels address as one."""
    accesses = (access for op in network.operators for access in (*op.reads, *op.writes))
    return frozenset({*network.inputs, *network.outputs, *(access.tensor for access in accesses if access.dense)})


def units(network: Network, schedule: Schedule, life: Lives, scattered: Container[int], single: bool = False) -> list[Unit]:
    """Everything that needs a place; the tensors in `scattered` in rows, but for those that must be dense.

    Rows of one life stay together, unless each is to be `single`.
    """
    dense = dense_tensors(network)
    found: list[Unit] = []
    for buffer in buffers(network, schedule, life):
        if buffer.kind != "tensor":
            found.append(_rigid(buffer, 1, buffer.size))
        elif buffer.index in dense:
            found.append(_dense(network, buffer))
        elif buffer.index in scattered:
            found += _rows(network, life, buffer, single)
        else:
            found.append(_ring(network, life, buffer))
    return [unit for unit in found if unit.size]


def _rigid(buffer: Buffer, rows: int, row_bytes: int) -> Unit:
    starts = buffer.low // max(row_bytes, 1)
    life = buffer.low, buffer.high, buffer.birth, buffer.death
    return Unit(buffer, 0, rows, max(rows, 1), starts, buffer.size, buffer.alignment, *life)


def _dense(network: Network, buffer: Buffer) -> Unit:
    return _rigid(buffer, network.tensors[buffer.index].rows, network.tensors[buffer.index].row_bytes)


def _rows(network: Network, life: Lives, buffer: Buffer, single: bool) -> Iterator[Unit]:
    """Rows of one life in one piece, which suits kernels, unless each is to be single, or would be unaligned."""
    tensor, birth, death = network.tensors[buffer.index], life.birth[buffer.index], life.death[buffer.index]
    single |= bool(tensor.row_bytes % tensor.alignment)
    first = np.flatnonzero(_changes(birth, death) | single)
    for start, rows in zip(first.tolist(), np.diff([*first, len(birth)]).tolist(), strict=True):
        size = rows * tensor.row_bytes
        piece = (np.array([value], np.int64) for value in (0, size, birth[start], death[start]))
        yield Unit(buffer, start, rows, rows, np.array([start]), size, tensor.alignment, *piece)


def _ring(network: Network, life: Lives, buffer: Buffer) -> Unit:
    """Row r where row r - height was; a tensor in one piece where all of it lives at once."""
    tensor, birth, death = network.tensors[buffer.index], life.birth[buffer.index], life.death[buffer.index]
    height = ring_height(birth, death)
    if height >= tensor.rows:
        return _dense(network, buffer)
    stride = -(-tensor.row_bytes // tensor.alignment) * tensor.alignment
    place = np.arange(tensor.rows) % height
    starts = np.flatnonzero(_changes(birth, death) | (place == 0) | (stride > tensor.row_bytes))
    low = place[starts] * stride
    high = low + np.diff([*starts, tensor.rows]) * stride
    return Unit(
        buffer, 0, tensor.rows, height, starts, height * stride, tensor.alignment, low, high, birth[starts], death[starts]
    )


def _changes(birth: Int, death: Int) -> NDArray[np.bool_]:
    """Whether a row lives otherwise than the one before it."""
    change = np.ones(len(birth), bool)
    change[1:] = (np.diff(birth) != 0) | (np.diff(death) != 0)
    return change


def ring_height(birth: Int, death: Int) -> int:
    """The least height at which row r + height comes after row r is dead."""
    if (np.diff(birth) < 0).any():
        return len(birth)
    return int((np.searchsorted(birth, death, side="right") - np.arange(len(birth))).max(initial=1))


def in_place(network: Network, schedule: Schedule, found: Sequence[Unit]) -> list[InPlace]:
    """Pairs of pieces, one dying in the event that writes the other in its place."""
    dying, born = _pieces(found, "death"), _pieces(found, "birth")
    over, behind = [overwritable(op) for op in network.operators], [lagging(op) for op in network.operators]
    result = []
    for moment, event in enumerate(schedule.events):
        operator = network.operators[event.operator]
        for tensor in over[event.operator]:
            sources, targets = dying.get((tensor, moment)), born.get((operator.writes[0].tensor, moment))
            if not sources or not targets:
                continue
            reads = [_Touched(network, access, event) for access in operator.reads if access.tensor == tensor]
            write = _Touched(network, operator.writes[0], event)
            if any(read.size < write.size for read in reads):
                continue
            for source, row in sources:
                element = max(read.element(row) for read in reads)
                result += [InPlace(source, target, write.element(to) - element) for target, to in targets]
        for tensor, lag in behind[event.operator].items():
            sources, targets = dying.get((tensor, moment), []), born.get((operator.writes[0].tensor, moment), [])
            size = network.tensors[tensor].row_bytes
            result += [InPlace(a, b, (to - lag - row) * size, exact=True) for a, row in sources for b, to in targets]
    return result


def _pieces(found: Sequence[Unit], moment: str) -> dict[tuple[int, int], list[tuple[tuple[int, int], int]]]:
    """(tensor, moment) -> the pieces born (or dying) then, and their first rows."""
    result: dict[tuple[int, int], list[tuple[tuple[int, int], int]]] = {}
    for index, unit in enumerate(found):
        if unit.buffer.kind == "tensor":
            for piece, (when, row) in enumerate(zip(getattr(unit, moment).tolist(), unit.starts.tolist(), strict=True)):
                result.setdefault((unit.buffer.index, when), []).append(((index, piece), row))
    return result


class _Touched:
    """The rows that an event handles through one access, in order, and the bytes of them all."""

    def __init__(self, network: Network, access: Access, event: Event) -> None:
        low, high = access.ranges.low[event.first : event.last], access.ranges.high[event.first : event.last]
        self.row_bytes = network.tensors[access.tensor].row_bytes
        self.first, self.rows = int(low[0]), None
        if len(low) == 1 or (low[1:] == high[:-1]).all():
            self.size = (int(high[-1]) - self.first) * self.row_bytes
        else:
            self.rows = np.unique(expand(low, high)[0])
            self.size = len(self.rows) * self.row_bytes

    def element(self, row: int) -> int:
        """The bytes handled before a row."""
        before = row - self.first if self.rows is None else int(np.searchsorted(self.rows, row))
        return before * self.row_bytes
