"""When every row of every tensor is born and dies under an event list, and how many bytes live at each moment.

A moment is an event's index; -1 is the time before the first event (inputs are full) and len(events) the time after
the last one (outputs are read).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from patch_scheduler.geometry import Access, Int, Network, Operator
from patch_scheduler.schedule import Event, Schedule


@dataclass(frozen=True)
class Timeline:
    """The steps that every operator runs, `steps[i][n]` in the event `events[i][n]`; `first` and `last` are events."""

    steps: tuple[Int, ...]
    events: tuple[Int, ...]
    length: int

    def first(self, operator: int) -> int:
        """The operator's first event."""
        return int(self.events[operator].min(initial=self.length))

    def last(self, operator: int) -> int:
        """The operator's last event."""
        return int(self.events[operator].max(initial=-1))


@dataclass(frozen=True)
class Lives:
    """`birth[t][r]` and `death[t][r]`: the first and the last moment at which row r of tensor t must be kept."""

    birth: tuple[Int, ...]
    death: tuple[Int, ...]
    timeline: Timeline


def expand(low: Int, high: Int) -> tuple[Int, Int]:
    """All integers of all ranges [low, high), and for each the index of the range it came from."""
    length = high - low
    owner = np.repeat(np.arange(len(low)), length)
    start = np.cumsum(length) - length
    return (low - start)[owner] + np.arange(len(owner)), owner


def timeline(network: Network, events: Sequence[Event]) -> Timeline:
    """Sorts the event list by operator; a step that runs again (recomputation) appears again."""
    table = np.array([(event.operator, event.first, event.last) for event in events], np.int64).reshape(-1, 3)
    order = np.argsort(table[:, 0], kind="stable")
    bounds = np.searchsorted(table[order, 0], np.arange(len(network.operators) + 1))
    steps, when = [], []
    for begin, end in pairwise(bounds):
        index = order[begin:end]
        step, owner = expand(table[index, 1], table[index, 2])
        steps.append(step)
        when.append(index[owner])
    return Timeline(tuple(steps), tuple(when), len(table))


def touched(access: Access, steps: Int, events: Int) -> tuple[Int, Int]:
    """Every (row, event) at which the access touches a row, given the operator's steps and their events."""
    rows, owner = expand(access.ranges.low[steps], access.ranges.high[steps])
    return rows, events[owner]


def lives(network: Network, events: Sequence[Event]) -> Lives:
    """First write to last read of every row; a row that nobody reads dies in the event that writes it."""
    time = timeline(network, events)
    birth = [np.full(tensor.rows, time.length, np.int64) for tensor in network.tensors]
    death = [np.full(tensor.rows, -1, np.int64) for tensor in network.tensors]
    for operator, steps, when in zip(network.operators, time.steps, time.events, strict=True):
        for access in operator.writes:
            rows, moments = touched(access, steps, when)
            np.minimum.at(birth[access.tensor], rows, moments)
        for access in operator.reads:
            rows, moments = touched(access, steps, when)
            np.maximum.at(death[access.tensor], rows, moments)
    for tensor in network.inputs:
        birth[tensor][:] = -1
    for tensor in network.outputs:
        death[tensor][:] = time.length
    return Lives(tuple(birth), tuple(np.maximum(b, d) for b, d in zip(birth, death, strict=True)), time)


def overwritable(operator: Operator) -> tuple[int, ...]:
    """The inputs that the operator's only output may overwrite in place: those that it reads in place and not otherwise."""
    if len(operator.writes) != 1:
        return ()
    strict = {access.tensor for access in operator.reads if not access.in_place}
    return tuple(sorted({access.tensor for access in operator.reads} - strict))


def lagging(operator: Operator) -> dict[int, int]:
    """The inputs over whose rows the operator's only output may lie exactly, and by how many rows these come before its own."""
    if len(operator.writes) != 1:
        return {}
    others = {access.tensor for access in operator.reads if access.lag is None}
    return {access.tensor: access.lag for access in operator.reads if access.lag is not None and access.tensor not in others}


def replaceable(operator: Operator) -> tuple[int, ...]:
    """The inputs whose dying rows can be under the output's, in either way."""
    return tuple(sorted({*overwritable(operator), *lagging(operator)}))


def scratch_bytes(operator: Operator, block: int) -> int:
    """Scratch that the operator's longest event needs; its address is the same in all its events."""
    return operator.scratch + operator.scratch_per_step * min(block, operator.steps)


def _shared(network: Network, life: Lives, index: int) -> Int:
    """Per moment, the bytes that the operator's output may share with inputs which it reads in place and which die."""
    operator, length = network.operators[index], life.timeline.length
    dying = np.zeros(length + 2, np.int64)
    born = np.zeros(length + 2, np.int64)
    mine = np.zeros(length + 2, bool)
    mine[life.timeline.events[index] + 1] = True
    for tensor in replaceable(operator):
        np.add.at(dying, life.death[tensor] + 1, network.tensors[tensor].row_bytes)
    for access in operator.writes:
        np.add.at(born, life.birth[access.tensor] + 1, network.tensors[access.tensor].row_bytes)
    return np.minimum(dying, born) * mine


def moment_bytes(network: Network, schedule: Schedule, life: Lives | None = None) -> Int:
    """Live bytes at every moment, from the one before the first event to the one after the last."""
    life = life or lives(network, schedule.events)
    length = life.timeline.length
    change = np.zeros(length + 3, np.int64)
    for tensor, birth, death in zip(network.tensors, life.birth, life.death, strict=True):
        np.add.at(change, birth + 1, tensor.row_bytes)
        np.subtract.at(change, death + 2, tensor.row_bytes)
    for index, operator in enumerate(network.operators):
        change[life.timeline.first(index) + 1] += operator.state
        change[life.timeline.last(index) + 2] -= operator.state
    total = np.cumsum(change)[:-1]
    for index, operator in enumerate(network.operators):
        count = np.bincount(life.timeline.events[index], minlength=length)
        total[1:-1] += operator.scratch * (count > 0) + operator.scratch_per_step * count
        if replaceable(operator):
            total -= _shared(network, life, index)
    return total


def live_bytes(network: Network, schedule: Schedule, life: Lives | None = None) -> Int:
    """Bytes that must exist during every event: rows kept, read or written, scratch and state."""
    return moment_bytes(network, schedule, life)[1:-1]


def lower_bound(network: Network, schedule: Schedule, life: Lives | None = None) -> int:
    """No arena can be smaller: the most bytes that live at any moment."""
    return int(moment_bytes(network, schedule, life).max(initial=0))
