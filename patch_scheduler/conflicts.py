"""What has to be placed in the arena, and which pairs of offsets are forbidden.

A buffer is a list of byte pieces with lives. Two buffers exclude an open interval of offset differences: the convex
hull over their pieces that live at the same time. Since rows live and die one by one, an output may lie diagonally
over rows of its input that are dead by the time they are overwritten.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from patch_scheduler.geometry import Int, Network
from patch_scheduler.lives import Lives, lives, overwritable, scratch_bytes, touched
from patch_scheduler.schedule import Schedule

Kind = Literal["tensor", "scratch", "state"]
Span = tuple[int, int]
MANY_PAIRS = 1 << 18  # of pieces; beyond them the hull of two tensors is found by bisection
WORK_ALIGNMENT = 8  # scratch and state hold int32 accumulators and pointers


@dataclass(frozen=True)
class Buffer:
    """One dense block of memory; its bytes [low[p], high[p]) live from moment birth[p] to death[p], both included."""

    kind: Kind
    index: int  # of the tensor, or of the operator whose scratch or state it is
    size: int
    alignment: int
    low: Int
    high: Int
    birth: Int
    death: Int


@dataclass(frozen=True)
class Conflict:
    """offset[second] - offset[first] must not lie strictly between low and high.

    `operator` is the one that touches both buffers, hence the only one whose direction shapes the interval (-1: none).
    """

    first: int
    second: int
    operator: int
    low: int
    high: int


def tensor_buffer(network: Network, life: Lives, index: int) -> Buffer:
    """Consecutive rows of one life make one piece."""
    tensor, birth, death = network.tensors[index], life.birth[index], life.death[index]
    changes = np.flatnonzero((np.diff(birth) != 0) | (np.diff(death) != 0)) + 1
    begin = np.concatenate(([0], changes)).astype(np.int64)
    end = np.concatenate((changes, [tensor.rows])).astype(np.int64)
    size = tensor.row_bytes
    return Buffer("tensor", index, tensor.size, tensor.alignment, begin * size, end * size, birth[begin], death[begin])


def _scratch_buffer(size: int, index: int, events: Int) -> Buffer:
    """The same bytes during every event of the operator; between its events others may use them."""
    moments = np.unique(events)
    breaks = np.flatnonzero(np.diff(moments) != 1)
    birth = moments[np.concatenate(([0], breaks + 1))]
    death = moments[np.concatenate((breaks, [len(moments) - 1]))]
    low = np.zeros(len(birth), np.int64)
    return Buffer("scratch", index, size, WORK_ALIGNMENT, low, low + size, birth, death)


def _state_buffer(size: int, index: int, first: int, last: int) -> Buffer:
    low, high, birth, death = (np.array([value], np.int64) for value in (0, size, first, last))
    return Buffer("state", index, size, WORK_ALIGNMENT, low, high, birth, death)


def buffers(network: Network, schedule: Schedule, life: Lives | None = None) -> list[Buffer]:
    """All tensors in their order (buffer t is tensor t), then scratch and state of the operators that need them."""
    life = life or lives(network, schedule.events)
    time = life.timeline
    found = [tensor_buffer(network, life, index) for index in range(len(network.tensors))]
    for index, operator in enumerate(network.operators):
        scratch = scratch_bytes(operator, schedule.block[index])
        if scratch and len(time.events[index]):
            found.append(_scratch_buffer(scratch, index, time.events[index]))
        if operator.state and len(time.events[index]):
            found.append(_state_buffer(operator.state, index, time.first(index), time.last(index)))
    return found


def _hull(first: Buffer, second: Buffer, in_place: Int) -> Span | None:
    """Hull over the pieces of both that meet, but for a piece that dies in the event that writes the other in its place."""
    if len(first.low) * len(second.low) > MANY_PAIRS:
        order = _order(first)
        return (-second.size, first.size) if order is None else _hull_of_runs(first, second, in_place, order)
    meet = (first.birth[:, None] <= second.death) & (second.birth <= first.death[:, None])
    if len(in_place):
        touch = first.death[:, None] == second.birth
        meet &= ~(touch & np.isin(first.death, in_place)[:, None])
    one, two = np.nonzero(meet)
    if not len(one):
        return None
    return int((first.low[one] - second.high[two]).min()), int((first.high[one] - second.low[two]).max())


def _order(buffer: Buffer) -> slice | None:
    """How to read the pieces so that none is born or dies before the one it follows; None where neither direction does."""
    steps = np.diff(buffer.birth), np.diff(buffer.death)
    if all((step >= 0).all() for step in steps):
        return slice(None)
    return slice(None, None, -1) if all((step <= 0).all() for step in steps) else None


def _hull_of_runs(first: Buffer, second: Buffer, in_place: Int, order: slice) -> Span | None:
    """The same for long buffers: the pieces of `first`, in `order`, that meet a piece of `second` are one run."""
    birth, death, low, high = first.birth[order], first.death[order], first.low[order], first.high[order]
    begin = np.searchsorted(death, second.birth, "left")
    gone = np.searchsorted(death, second.birth, "right")
    begin = np.where(np.isin(second.birth, in_place), gone, begin)
    end = np.searchsorted(birth, second.death, "right")
    meet = begin < end
    if not meet.any():
        return None
    begin, last = begin[meet], end[meet] - 1
    lowest, highest = np.minimum(low[begin], low[last]), np.maximum(high[begin], high[last])
    return int((lowest - second.high[meet]).min()), int((highest - second.low[meet]).max())


def _ascending(network: Network, life: Lives, operator: int, source: int) -> Span | None:
    """Differences (output - input) that break the rule that a block's output starts at or below its input, or past it."""
    what, time = network.operators[operator], life.timeline
    steps, events = time.steps[operator], time.events[operator]
    length, far = time.length, np.iinfo(np.int64).max
    start, end = np.full(length, far), np.full(length, -1)
    for access in what.reads:
        if access.tensor == source:
            rows, when = touched(access, steps, events)
            np.minimum.at(start, when, rows)
            np.maximum.at(end, when, rows + 1)
    rows, when = touched(what.writes[0], steps, events)
    target = np.full(length, far)
    np.minimum.at(target, when, rows)
    busy = (end >= 0) & (target < far)
    if not busy.any():
        return None
    size, written = network.tensors[source].row_bytes, network.tensors[what.writes[0].tensor].row_bytes
    target = target[busy] * written
    return int((start[busy] * size - target).min()), int((end[busy] * size - target).max())


def _deciders(network: Network) -> dict[Span, int]:
    """For a pair of tensors (lower index first) the operator that writes one of them while it touches the other."""
    found = {}
    for index, operator in enumerate(network.operators):
        for output in operator.writes:
            for other in (*operator.reads, *operator.writes):
                if other.tensor != output.tensor:
                    found[min(other.tensor, output.tensor), max(other.tensor, output.tensor)] = index
    return found


def _in_place_pairs(network: Network) -> dict[Span, int]:
    """(input, output) -> the operator that may write the output over the input."""
    return {
        (source, operator.writes[0].tensor): index
        for index, operator in enumerate(network.operators)
        for source in overwritable(operator)
    }


def _join(spans: list[Span | None]) -> Span | None:
    real = [span for span in spans if span is not None]
    return (min(span[0] for span in real), max(span[1] for span in real)) if real else None


def _tensor_pair(network: Network, life: Lives, first: Buffer, second: Buffer, writer: int) -> Span | None:
    """The hull, and the rule of ascending elements where `writer` writes the second over the first in place."""
    if writer < 0:
        return _hull(first, second, np.empty(0, np.int64))
    events = np.unique(life.timeline.events[writer])
    return _join([_hull(first, second, events), _ascending(network, life, writer, first.index)])


def conflicts(network: Network, schedule: Schedule, found: list[Buffer], life: Lives | None = None) -> list[Conflict]:
    """All pairs of the buffers `found` that exclude each other from some offsets."""
    life = life or lives(network, schedule.events)
    birth = np.array([(b.birth.min(), b.birth.max()) for b in found], np.int64).reshape(-1, 2)
    death = np.array([(b.death.min(), b.death.max()) for b in found], np.int64).reshape(-1, 2)
    size = np.array([b.size for b in found], np.int64)
    # Where the last birth of any piece precedes the first death of any, all pieces meet and the hull is everything.
    meets = (birth[:, 0, None] <= death[:, 1]) & (birth[:, 0] <= death[:, 1, None])
    fully = (birth[:, 1, None] <= death[:, 0]) & (birth[:, 1] <= death[:, 0, None])
    meets &= (size > 0) & (size[:, None] > 0)
    deciders, in_place = _deciders(network), _in_place_pairs(network)
    result = []
    for one, two in zip(*np.nonzero(np.triu(meets, 1)), strict=True):
        a, b = found[one], found[two]
        decider = deciders.get((a.index, b.index), -1) if a.kind == b.kind == "tensor" else -1
        span: Span | None
        if decider >= 0 and (a.index, b.index) in in_place:
            span = _tensor_pair(network, life, a, b, in_place[a.index, b.index])
        elif decider >= 0 and (b.index, a.index) in in_place:
            turned = _tensor_pair(network, life, b, a, in_place[b.index, a.index])
            span = turned and (-turned[1], -turned[0])
        elif fully[one, two]:
            span = (-b.size, a.size)
        else:
            span = _hull(a, b, np.empty(0, np.int64))
        if span is not None and span[1] - span[0] > 1:
            result.append(Conflict(int(one), int(two), decider, *span))
    return result
