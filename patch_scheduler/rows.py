"""Places rows one by one: first fit in several orders, then again with those rows first that ended too high.

The schedule is static, so every row has its own life and may lie wherever its bytes are free for so long: line buffers
need not be rings of fixed height, and memory moves freely between tensors whose peaks come at different moments.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from random import Random
from typing import Literal

import numpy as np

from patch_scheduler.geometry import Int, Network
from patch_scheduler.lives import Lives, lives, moment_bytes
from patch_scheduler.plan import Plan
from patch_scheduler.schedule import Schedule
from patch_scheduler.units import InPlace, Unit, dense_tensors, in_place, ring_height, units

Form = Literal["rings", "mixed", "rows"]
"""Every tensor a ring, which takes no table; row by row those that are never whole; row by row all that need not be dense."""
ROUNDS = 40  # further attempts for one set of units, fewer where these are many
WORK = 10000  # units placed in such attempts: a count, not a time, so that plans are reproducible
STARTS = 4
HOPELESS = 1.1  # times what is wanted: better a less regular form than many rounds
FORMS: tuple[Form, ...] = ("rings", "mixed", "rows")
Offsets = list[int]
Order = list[int]


def plan_rows(network: Network, schedule: Schedule, enough: int = 0, rounds: int = ROUNDS, forms: Sequence[Form] = FORMS) -> Plan:
    """The smallest arena found, or the first of at most `enough` bytes, with the most regular of the `forms` of tensors."""
    life = lives(network, schedule.events)
    moments = moment_bytes(network, schedule, life)
    bound = int(moments.max(initial=0))
    plans: list[Plan] = []
    tried: list[set[int]] = []
    for form in forms:
        scattered = _scattered(network, life, form)
        if scattered not in tried:
            tried.append(scattered)
            found = units(network, schedule, life, scattered)
            field = _Field(found, in_place(network, schedule, found))
            least = form == forms[-1]
            offsets = _search(field, moments, max(bound, enough), rounds if least else rounds // 2, least)
            plans.append(_plan(network, found, offsets, bound))
        if plans[-1].arena <= max(bound, enough):
            return plans[-1]
    return min(plans, key=lambda plan: plan.arena)


def _scattered(network: Network, life: Lives, form: Form) -> set[int]:
    """The tensors that are placed row by row."""
    if form == "rings":
        return set()
    dense = dense_tensors(network)
    heights = [ring_height(birth, death) for birth, death in zip(life.birth, life.death, strict=True)]
    return {t for t, height in enumerate(heights) if t not in dense and (form == "rows" or height < network.tensors[t].rows)}


class _Field:
    """Places units one after the other at the lowest address where they are free."""

    def __init__(self, found: Sequence[Unit], shared: Sequence[InPlace]) -> None:
        self.units = found
        pieces = sum(len(unit.low) for unit in found)
        self.low, self.high, self.birth, self.death = (np.zeros(pieces, np.int64) for _ in range(4))
        self.partners: list[list[tuple[int, int, int, int, bool]]] = [[] for _ in found]
        for pair in shared:
            (source, below), (target, above) = pair.source, pair.target
            self.partners[target].append((above, source, below, pair.above, True))
            self.partners[source].append((below, target, above, pair.above, False))

    def fill(self, order: Order) -> tuple[Offsets, int]:
        """Offsets and the bytes they need."""
        self.count = 0
        self.first = [-1] * len(self.units)
        offsets, top = [0] * len(self.units), 0
        for index in order:
            unit = self.units[index]
            offset = self._lowest(index, unit)
            top = max(top, offset + unit.size)
            offsets[index] = offset
            end = self.count + len(unit.low)
            here = slice(self.count, end)
            self.low[here], self.high[here] = unit.low + offset, unit.high + offset
            self.birth[here], self.death[here] = unit.birth, unit.death
            self.first[index], self.count = self.count, end
        return offsets, top

    def _lowest(self, index: int, unit: Unit) -> int:
        birth, death = self.birth[: self.count], self.death[: self.count]
        if len(unit.low) == 1:
            other = np.flatnonzero((birth <= unit.death[0]) & (death >= unit.birth[0]))
            mine = np.zeros(len(other), np.int64)
        else:
            mine, other = np.nonzero((birth <= unit.death[:, None]) & (death >= unit.birth[:, None]))
        # The unit must not lie strictly between below and above.
        below, above = self.low[other] - unit.high[mine], self.high[other] - unit.low[mine]
        if self.partners[index]:
            self._share(index, unit, mine, other, below, above)
        order = np.argsort(below)
        ends = np.maximum.accumulate(np.concatenate(([0], above[order])))
        ends = -(-ends // unit.alignment) * unit.alignment
        free = ends[:-1] <= below[order]
        return int(ends[free.argmax()] if free.any() else ends[-1])

    def _share(self, index: int, unit: Unit, mine: Int, other: Int, below: Int, above: Int) -> None:
        """Opens the addresses at which a row may be written over one that its operator reads for the last time."""
        for piece, partner, its, most, target in self.partners[index]:
            if self.first[partner] < 0:
                continue
            where = self.first[partner] + its
            at = np.flatnonzero((other == where) & (mine == piece))
            if target:
                below[at] = np.maximum(below[at], self.low[where] + most - unit.low[piece])
            else:
                above[at] = np.minimum(above[at], self.low[where] - most - unit.low[piece])


def _search(field: _Field, moments: Int, enough: int, rounds: int, least: bool) -> Offsets:
    """The best of several orders, the better ones improved by moving forward, at random, what ended too high.

    Unless the `least` is wanted it gives up early what is far above `enough`.
    """
    random = Random(0)
    tried: list[tuple[int, Offsets, Order]] = []

    def attempt(order: Order) -> bool:
        offsets, top = field.fill(order)
        tried.append((top, offsets, order))
        return top <= enough

    for order in _orders(field.units, moments):
        if attempt(order):
            return tried[-1][1]
    if not least and min(tried)[0] > HOPELESS * enough:
        return min(tried)[1]
    rounds = min(rounds, WORK // max(len(field.low), 1))
    for _, offsets, order in sorted(tried)[:STARTS]:
        for _ in range(rounds // STARTS):
            order = _forward(order, field.units, offsets, enough, random)
            done = attempt(order)
            offsets = tried[-1][1]
            if done:
                return offsets
    return min(tried)[1]


def _forward(order: Order, found: Sequence[Unit], offsets: Offsets, enough: int, random: Random) -> Order:
    """Units that end above `enough` come earlier, each by a random part of the order."""
    rank = {
        index: place - (0.4 * len(order) * random.random() + 0.5) * (offsets[index] + found[index].size > enough)
        for place, index in enumerate(order)
    }
    return sorted(order, key=rank.__getitem__)


def _orders(found: Sequence[Unit], moments: Int) -> Iterator[Order]:
    """Rigid blocks first; rows by size, by time, by the bytes that live with them at their worst moment, and by life."""
    birth = [int(unit.birth.min()) for unit in found]
    life = [int(unit.death.max()) - start for unit, start in zip(found, birth, strict=True)]
    worst = [int(moments[start + 1 : start + length + 2].max()) for start, length in zip(birth, life, strict=True)]
    single = [unit.buffer.kind == "tensor" and len(unit.low) == 1 and unit.size < unit.buffer.size for unit in found]
    keys: list[Callable[[int], tuple[int, ...]]] = [
        lambda i: (-found[i].size, birth[i]),
        lambda i: (-worst[i], birth[i]),
        lambda i: (birth[i], -found[i].size),
        lambda i: (-worst[i], -life[i]),
        lambda i: (-life[i], -found[i].size),
        lambda i: (-life[i] * found[i].size, birth[i]),
    ]
    for key in keys:
        yield sorted(range(len(found)), key=lambda i: (single[i], *key(i), i))


def _plan(network: Network, found: Sequence[Unit], offsets: Offsets, bound: int) -> Plan:
    """Names the offsets."""
    size = [tensor.row_bytes for tensor in network.tensors]
    rows = [np.zeros(tensor.rows, np.int64) for tensor in network.tensors]
    work: dict[str, dict[int, int]] = {"scratch": {}, "state": {}}
    for unit, offset in zip(found, offsets, strict=True):
        index = unit.buffer.index
        if unit.buffer.kind == "tensor":
            rows[index][unit.first : unit.first + unit.rows] = offset + np.arange(unit.rows) % unit.height * unit.stride
        else:
            work[unit.buffer.kind][index] = offset
    arena = max((offset + unit.size for unit, offset in zip(found, offsets, strict=True)), default=0)
    scattered = {index: tuple(where.tolist()) for index, where in enumerate(rows) if (np.diff(where) != size[index]).any()}
    first = tuple(int(where[0]) if len(where) else 0 for where in rows)
    return Plan(first, work["scratch"], work["state"], arena, bound, arena == bound, scattered)
