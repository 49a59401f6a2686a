"""Searches for orders in which first fit needs little memory.

Two kinds of orders: rows one by one, or all rows of a tensor together, so that what suits one period of a stream suits all.
The best of some rules are improved by moving forward, at random, what ended too high. Units that only live when little else
does find a place anyway: they come last, and only once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from random import Random

from patch_scheduler.field import Field, Order
from patch_scheduler.geometry import Int
from patch_scheduler.units import InPlace, Unit

HARD = 0.8  # of the bound: what lives with more is placed first
FIRST = 3  # orders, one of which must come near what is wanted
NEARLY = 1.04  # times what is wanted: from as far above rounds may get there
STARTS = 4
LIFTED = 2
FINISHED = 3
EASY = 1.1  # times the bound: an arena above it shows that what was taken for easy was not
WORSE = 0.2  # how often a worse order is taken too; walks from 1 on take any

Things = list[Order]
"""Units that stay together in an order."""


@dataclass(frozen=True)
class _Tried:
    top: int
    number: int
    offsets: Int
    things: Things
    lift: int


def search(
    found: Sequence[Unit], shared: Sequence[InPlace], moments: Int, enough: int, effort: int, limit: float, walk: int, hurry: bool
) -> tuple[Int, int] | None:
    """The lowest offsets found, or the first that end at `enough` or below, in about `effort` placements; and where they end.

    Orders that end above `limit` are given up, and None where all do. Every `walk` from 1 on is random in its own way and goes
    on from any order, however much worse. In a `hurry` what will not end at `enough` is soon given up.
    """
    bound = int(moments.max(initial=0))
    alive = [_Alive(unit, moments) for unit in found]
    hard = [index for index, unit in enumerate(alive) if unit.worst > HARD * bound]
    best = _Search(Field(found, shared, set(hard)), alive, hard, enough, effort, limit, walk, hurry).run()
    if best is None or best[1] <= max(enough, EASY * bound) or (hurry and best[1] > NEARLY * enough):
        return best
    everything = list(range(len(found)))
    other = _Search(Field(found, shared, set(everything)), alive, everything, enough, effort // 2, limit, walk, hurry).run()
    return min(best, other, key=lambda each: each[1]) if other else best


class _Alive:
    """When a unit lives, and the most bytes that live with it."""

    def __init__(self, unit: Unit, moments: Int) -> None:
        self.birth, death = int(unit.birth.min()), int(unit.death.max())
        self.length = death - self.birth
        self.worst = int(moments[self.birth + 1 : death + 2].max())


class _Search:
    def __init__(
        self,
        field: Field,
        alive: Sequence[_Alive],
        hard: Order,
        enough: int,
        effort: int,
        limit: float,
        walk: int,
        hurry: bool,
    ) -> None:
        self.field, self.alive, self.hard, self.enough, self.left, self.limit = field, alive, hard, enough, effort, limit
        self.random, self.worse = Random(max(walk - 1, 0)), 1.0 if walk else WORSE
        self.easy = sorted(set(range(len(alive))) - set(hard), key=lambda i: (-field.units[i].size, alive[i].birth, i))
        self.largest = max(hard, key=lambda i: field.units[i].size, default=0)
        self.hurry, self.tried = hurry, list[_Tried]()
        self.found: tuple[Int, int] | None = None

    def run(self) -> tuple[Int, int] | None:
        """Those that were enough, or the best of the few lowest with all units placed."""
        self._try()
        if self.found is not None or not self.tried:
            return self.found
        whole = [self.field.fill(self.easy, placed=tried.offsets) for tried in self._lowest(FINISHED)]
        return min((found for found in whole if found), key=lambda found: found[1])

    def _try(self) -> None:
        """Orders, until one is enough or no effort is left."""
        for number, things in enumerate(self._orders(), 1):
            if self._attempt(things, 0) or (self.hurry and number == FIRST and not self.tried):
                return
        if self.hurry and (not self.tried or self._lowest(1)[0].top > NEARLY * self.enough):
            return
        lift = self._lift()
        if any(self._attempt(start.things, lift) for start in self._lowest(LIFTED * (lift > 0))):
            return
        share = self.left // STARTS
        any(self._improve(start, share) for start in self._lowest(STARTS))

    def _lowest(self, count: int) -> list[_Tried]:
        return sorted(self.tried, key=lambda tried: (tried.top, tried.number))[:count]

    def _attempt(self, things: Things, lift: int) -> bool:
        """Whether all units of an order end low enough; the largest lies at `lift`, where that is not 0."""
        order = [index for thing in things for index in thing]
        placed = None
        if lift:
            order.remove(self.largest)
            placed = self.field.nowhere()
            placed[self.largest] = lift
        self.left -= len(order)
        found = self.field.fill(order, self.limit, placed)
        if found is None:
            return False
        self.tried.append(_Tried(found[1], len(self.tried), found[0], things, lift))
        if found[1] <= self.enough:
            self.found = self.field.fill(self.easy, self.enough, found[0])
        return self.found is not None

    def _improve(self, now: _Tried, effort: int) -> bool:
        """A walk from order to order; whether it got there."""
        stop = self.left - effort
        while self.left > stop and self.hard:
            count = len(self.tried)
            if self._attempt(self._forward(now), now.lift):
                return True
            if len(self.tried) > count and (self.tried[-1].top <= now.top or self.random.random() < self.worse):
                now = self.tried[-1]
        return False

    def _forward(self, now: _Tried) -> Things:
        """Things that end too high come earlier, each by a random part of the order."""
        allowed, count = max(self.enough, now.top - 1) if len(now.things) < len(self.hard) else self.enough, len(now.things)
        high = [any(now.offsets[i] + self.field.units[i].size > allowed for i in thing) for thing in now.things]
        rank = [place - (0.4 * count * self.random.random() + 0.5) * late for place, late in enumerate(high)]
        if len(now.things) < len(self.hard) and self.random.random() < self.worse:
            rank[self.random.randrange(count)] = self.random.random() * count
        return [now.things[place] for place in sorted(range(count), key=rank.__getitem__)]

    def _lift(self) -> int:
        """With the largest unit, often the input, at the upper end, what takes the place of its dead rows may start below."""
        if not self.hard:
            return 0
        unit = self.field.units[self.largest]
        return max((self.enough - unit.size) // unit.alignment * unit.alignment, 0)

    def _orders(self) -> Iterator[Things]:
        """Rigid blocks first; rows by size, time, the bytes that live with them at their worst moment, life; then by tensor."""
        found, alive = self.field.units, self.alive
        single = [unit.buffer.kind == "tensor" and len(unit.low) == 1 and unit.size < unit.buffer.size for unit in found]
        keys: list[Callable[[int], tuple[int, ...]]] = [
            lambda i: (-found[i].size, alive[i].birth),
            lambda i: (-alive[i].worst, alive[i].birth),
            lambda i: (alive[i].birth, -found[i].size),
            lambda i: (-alive[i].worst, -alive[i].length),
            lambda i: (-alive[i].length, -found[i].size),
            lambda i: (-alive[i].length * found[i].size, alive[i].birth),
        ]
        for key in keys:
            yield [[i] for i in sorted(self.hard, key=lambda i: (single[i], *key(i), i))]
        yield from self._by_tensor()

    def _by_tensor(self) -> Iterator[Things]:
        """Tensors with the largest rows first, those with the most bytes, those that come first."""
        groups: dict[tuple[str, int], Order] = {}
        for index in sorted(self.hard, key=lambda i: (self.alive[i].birth, i)):
            buffer = self.field.units[index].buffer
            groups.setdefault((buffer.kind, buffer.index), []).append(index)
        things, size = list(groups.values()), [unit.size for unit in self.field.units]
        yield sorted(things, key=lambda thing: -max(size[i] for i in thing))
        yield sorted(things, key=lambda thing: -sum(size[i] for i in thing))
        yield things
