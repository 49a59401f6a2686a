"""The most bytes that live while one operator of a layer-by-layer schedule runs, by its block and direction.

Only the operator's own choice matters: everything that others wrote or still need is either there during all of its
events or dies by its own reads. Layers are planned as whole tensors: outputs lie over inputs in place, but not exactly over rows
further up (`Access.lag`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from patch_scheduler.geometry import Int, Network, Operator
from patch_scheduler.lives import Lives, lives, moment_bytes, overwritable, touched
from patch_scheduler.schedule import Schedule, layer_by_layer


@dataclass(frozen=True)
class _Profile:
    """Bytes by step: inputs that die, those of them that may be overwritten in place (both by direction), and outputs."""

    kept: int  # lives before, during and after
    dying: tuple[Int, Int]
    in_place: tuple[Int, Int]
    born: Int
    unread: Int


def blocks(steps: int) -> Iterator[int]:
    """The distinct numbers of steps per event, from the whole operator down to one."""
    block, events = steps, 1
    while True:
        yield block
        if block == 1:
            return
        # The least number of events that makes blocks shorter than this one.
        events = -(-steps // (block - 1))
        block = -(-steps // events)


class Peaks:
    """Live bytes at the worst event of every operator."""

    def __init__(self, network: Network) -> None:
        self.network = network
        whole = tuple(operator.steps for operator in network.operators)
        schedule = layer_by_layer(network, whole, tuple(False for _ in whole))
        life = lives(network, schedule.events)
        moments = moment_bytes(network, schedule, life)
        self.edges = int(max(moments[0], moments[-1]))
        kept = _kept(network, life)
        self.profiles = [_profile(network, life, index, kept[index]) for index in range(len(network.operators))]
        self.memory: dict[tuple[int, int, bool], int] = {}

    def of(self, index: int, block: int, reverse: bool) -> int:
        """The peak with this block and direction."""
        key = index, block, reverse
        if key not in self.memory:
            self.memory[key] = _peak(self.network.operators[index], self.profiles[index], block, reverse)
        return self.memory[key]

    def peak(self, schedule: Schedule) -> int:
        """The peak of a layer-by-layer schedule."""
        operators = enumerate(zip(schedule.block, schedule.reverse, strict=True))
        return max([self.edges, *(self.of(index, *how) for index, how in operators)])

    def best(self, index: int, block: int) -> int:
        """The peak in the better direction."""
        ahead = self.of(index, block, False)
        return min(ahead, self.of(index, block, True)) if self.network.operators[index].reversible else ahead

    def least(self, block: tuple[int, ...]) -> int:
        """No layer-by-layer schedule with these blocks has a lower peak."""
        return max([self.edges, *(self.best(index, size) for index, size in enumerate(block))])

    def longest(self, target: int) -> tuple[int, ...]:
        """Per operator the longest block whose peak stays within the target (one step where none does)."""
        return tuple(
            next((block for block in blocks(operator.steps) if self.best(index, block) <= target), 1)
            for index, operator in enumerate(self.network.operators)
        )


def _kept(network: Network, life: Lives) -> Int:
    """Per operator, the bytes of rows written before it and still needed after it, one event being one operator."""
    count = len(network.operators)
    change = np.zeros(count + 3, np.int64)
    for tensor, birth, death in zip(network.tensors, life.birth, life.death, strict=True):
        inner = death - birth > 1
        np.add.at(change, birth[inner] + 2, tensor.row_bytes)
        np.subtract.at(change, death[inner] + 1, tensor.row_bytes)
    return np.cumsum(change)[1 : count + 1]


def _profile(network: Network, life: Lives, index: int, kept: int) -> _Profile:
    operator = network.operators[index]
    steps = np.arange(operator.steps)
    dying, in_place = np.zeros((2, operator.steps), np.int64), np.zeros((2, operator.steps), np.int64)
    shareable = overwritable(operator)
    for tensor in {access.tensor for access in operator.reads}:
        what = network.tensors[tensor]
        first, last = np.full(what.rows, operator.steps), np.full(what.rows, -1)
        for access in operator.reads:
            if access.tensor == tensor:
                rows, when = touched(access, steps, steps)
                np.minimum.at(first, rows, when)
                np.maximum.at(last, rows, when)
        dies = life.death[tensor] == index
        for direction, final in enumerate((last[dies], first[dies])):
            bytes_ = np.bincount(final, minlength=operator.steps) * what.row_bytes
            dying[direction] += bytes_
            in_place[direction] += bytes_ * (tensor in shareable)
    born, unread = np.zeros(operator.steps, np.int64), np.zeros(operator.steps, np.int64)
    for access in operator.writes:
        what = network.tensors[access.tensor]
        rows, when = touched(access, steps, steps)
        born += np.bincount(when, minlength=operator.steps) * what.row_bytes
        never = life.death[access.tensor][rows] == index
        unread += np.bincount(when[never], minlength=operator.steps) * what.row_bytes
    return _Profile(int(kept), (dying[0], dying[1]), (in_place[0], in_place[1]), born, unread)


def _peak(operator: Operator, profile: _Profile, block: int, reverse: bool) -> int:
    """Inputs not yet dead, outputs already born, and work memory, at the worst event."""
    starts = np.arange(0, operator.steps, block)
    order = slice(None, None, -1 if reverse else 1)
    length = np.minimum(starts + block, operator.steps) - starts

    def events(by_step: Int) -> Int:
        return np.add.reduceat(by_step, starts)[order]

    dying, born, unread = events(profile.dying[reverse]), events(profile.born), events(profile.unread)
    left = dying[::-1].cumsum()[::-1]
    made = born.cumsum() - unread.cumsum() + unread
    shared = np.minimum(events(profile.in_place[reverse]), born)
    scratch = operator.scratch_per_step * length[order]
    return profile.kept + operator.scratch + operator.state + int((left + made - shared + scratch).max())
