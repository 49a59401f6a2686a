"""Places rows one by one: first fit in several orders, then again with those rows first that ended too high.

The schedule is static, so every row has its own life and may lie wherever its bytes are free for so long: line buffers
need not be rings of fixed height, and memory moves freely between tensors whose peaks come at different moments.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
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
LIFTED = 2
MANY = 5000  # units that are placed one by one in seconds
HOPELESS = 1.1  # times what is wanted: better a less regular form than many rounds
FORMS: tuple[Form, ...] = ("rings", "mixed", "rows")
UNPLACED = 1 << 40  # an address above all others
Offsets = list[int]
Order = list[int]


def plan_rows(network: Network, schedule: Schedule, enough: int = 0, rounds: int = ROUNDS, forms: Sequence[Form] = FORMS) -> Plan:
    """The smallest arena found, or the first of at most `enough` bytes, with the most regular of the `forms` of tensors."""
    life = lives(network, schedule.events)
    moments = moment_bytes(network, schedule, life)
    bound = int(moments.max(initial=0))
    enough = max(bound, enough)
    plans: list[Plan] = []
    choices = _choices(network, schedule, life, forms)
    for number, found in enumerate(choices, 1):
        field = _Field(found, in_place(network, schedule, found))
        spare = number < len(choices)
        offsets = _search(field, moments, enough, rounds // 2 if spare else rounds, spare)
        if offsets is not None:
            plans.append(_plan(network, found, offsets, bound))
            if plans[-1].arena <= enough:
                break
    return min(plans, key=lambda plan: plan.arena)


def _choices(network: Network, schedule: Schedule, life: Lives, forms: Sequence[Form]) -> list[list[Unit]]:
    """The units of every form, without repetitions and without more units than can be placed."""
    sets = [_scattered(network, life, form) for form in forms]
    different = [scattered for index, scattered in enumerate(sets) if scattered not in sets[:index]]
    found = [units(network, schedule, life, scattered) for scattered in different]
    return [choice for choice in found if len(choice) <= MANY] or [units(network, schedule, life, set())]


def _scattered(network: Network, life: Lives, form: Form) -> set[int]:
    """The tensors that are placed row by row."""
    if form == "rings":
        return set()
    dense = dense_tensors(network)
    heights = [ring_height(birth, death) for birth, death in zip(life.birth, life.death, strict=True)]
    return {t for t, height in enumerate(heights) if t not in dense and (form == "rows" or height < network.tensors[t].rows)}


@dataclass(frozen=True)
class _Near:
    """The pieces that a unit's pieces meet: whose they are, the differences of offsets that they exclude, and exceptions."""

    owner: Int
    below: Int
    above: Int
    opened: list[tuple[Int, int, int, bool]]


class _Field:
    """Places units one after the other at the lowest address where they are free.

    Lives are fixed, so which pieces meet, and how their offsets exclude each other, is worked out once.
    """

    def __init__(self, found: Sequence[Unit], shared: Sequence[InPlace]) -> None:
        self.units = found
        self.largest = max(range(len(found)), key=lambda index: found[index].size, default=0)
        count = np.array([len(unit.low) for unit in found], np.int64)
        self.first = np.cumsum(count) - count
        self.low, self.high, self.birth, self.death = (
            np.concatenate([getattr(unit, name) for unit in found]) if len(found) else np.zeros(0, np.int64)
            for name in ("low", "high", "birth", "death")
        )
        owner = np.repeat(np.arange(len(found)), count)
        partners: list[list[tuple[int, int, int, int, bool]]] = [[] for _ in found]
        for pair in shared:
            (source, below), (target, above) = pair.source, pair.target
            partners[target].append((above, source, below, pair.above, True))
            partners[source].append((below, target, above, pair.above, False))
        self.near = [self._near(unit, owner, partners[index]) for index, unit in enumerate(found)]

    def _near(self, unit: Unit, owner: Int, partners: Sequence[tuple[int, int, int, int, bool]]) -> _Near:
        """All pieces that live at the same time as one of the unit's."""
        mine, other = np.nonzero((self.birth <= unit.death[:, None]) & (self.death >= unit.birth[:, None]))
        opened = []
        for piece, partner, its, most, target in partners:
            where = int(self.first[partner]) + its
            at = np.flatnonzero((other == where) & (mine == piece))
            shift = int(self.low[where]) + (most if target else -most) - int(unit.low[piece])
            opened.append((at, partner, shift, target))
        return _Near(owner[other], self.low[other] - unit.high[mine], self.high[other] - unit.low[mine], opened)

    def fill(self, order: Order, lift: int, limit: float) -> tuple[Offsets, int] | None:
        """Offsets and the bytes they need, None above the limit; the largest unit lies at `lift`, where that is not 0."""
        offsets, top = np.full(len(self.units), UNPLACED, np.int64), 0
        if lift:
            order = sorted(order, key=lambda index: index != self.largest)
        for place, index in enumerate(order):
            unit = self.units[index]
            offset = lift if lift and not place else self._lowest(index, unit.alignment, offsets)
            top = max(top, offset + unit.size)
            if top > limit:
                return None
            offsets[index] = offset
        return offsets.tolist(), top

    def _lowest(self, index: int, alignment: int, offsets: Int) -> int:
        near = self.near[index]
        # The unit must not lie strictly between below and above.
        where = offsets[near.owner]
        below, above = near.below + where, near.above + where
        for at, partner, shift, target in near.opened:
            self._open(below if target else above, at, int(offsets[partner]), shift, target)
        order = np.argsort(below)
        ends = np.zeros(len(order) + 1, np.int64)
        np.maximum.accumulate(above[order], out=ends[1:])
        np.maximum(ends, 0, out=ends)
        if alignment > 1:
            ends = -(-ends // alignment) * alignment
        free = ends[:-1] <= below[order]
        return int(ends[free.argmax()] if free.any() else ends[-1])

    @staticmethod
    def _open(side: Int, at: Int, partner: int, shift: int, target: bool) -> None:
        """Opens the addresses at which a row may be written over one that its operator reads for the last time."""
        if partner != UNPLACED:
            side[at] = np.maximum(side[at], partner + shift) if target else np.minimum(side[at], partner + shift)


def _search(field: _Field, moments: Int, enough: int, rounds: int, spare: bool) -> Offsets | None:
    """The best of several orders, the better ones improved by moving forward, at random, what ended too high.

    Where there is another form to `spare`, None as soon as the arena is far above `enough`.
    """
    random = Random(0)
    tried: list[tuple[int, Offsets, Order, int]] = []

    def attempt(order: Order, lift: int) -> bool:
        found = field.fill(order, lift, HOPELESS * enough if spare else np.inf)
        if found:
            tried.append((found[1], found[0], order, lift))
        return found is not None and found[1] <= enough

    for order in _orders(field.units, moments):
        if attempt(order, 0):
            return tried[-1][1]
    lift = _lift(field, enough)
    for _, _, order, _ in sorted(tried)[: LIFTED * (lift > 0)]:
        if attempt(order, lift):
            return tried[-1][1]
    if not tried:
        return None
    rounds = min(rounds, WORK // max(len(field.low), 1))
    for _, offsets, order, lift in sorted(tried)[:STARTS]:
        for _ in range(rounds // STARTS):
            order = _forward(order, field.units, offsets, enough, random)
            if attempt(order, lift):
                return tried[-1][1]
            offsets = tried[-1][1] if tried[-1][2] is order else offsets
    return min(tried)[1]


def _lift(field: _Field, enough: int) -> int:
    """With the largest unit, often the input, at the upper end, what takes the place of its dead rows may start below it."""
    if not field.units:
        return 0
    largest = field.units[field.largest]
    return (enough - largest.size) // largest.alignment * largest.alignment


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
