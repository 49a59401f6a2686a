"""Schedules that stream: cuts and blocks chosen for the least arena, or for the least time within a limit."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache, cached_property

import numpy as np

from patch_scheduler.cost import Cost, least_cost, total_cost
from patch_scheduler.cuts import Float, StagePeaks, cheapest, least_peak
from patch_scheduler.demand import streamed
from patch_scheduler.geometry import Int, Network
from patch_scheduler.lengthen import isolated, lengthen, shorten, stage_peak
from patch_scheduler.peaks import Peaks, blocks
from patch_scheduler.plan import Plan
from patch_scheduler.rows import FORMS, PLACEMENTS, fit_rows, plan_rows
from patch_scheduler.schedule import Schedule, Stage

Found = tuple[Schedule, Plan]
ATTEMPTS = 6  # lower and lower peaks, until the rows fit
STEP = 0.98  # to the next of them, at most
GAPS = (0.06, 0.08, 0.12, 0.2)  # parts of the limit that rows may leave empty, where it takes more than a moment to place them
MAX_EVENTS = 4000  # networks of images stay below; signals of many thousand rows come in larger blocks
CLOSE = 1.02  # an arena this near to its bound is not worth another search
WIDE = 1.05  # where the arena is as far above, higher peaks are worth a search
MOMENT = 600  # rows whose places can be looked for again
WALKS = (1, 2, 3, 4)
FASTER = 2  # paces that are tried with leads and shorter blocks
GAIN = 0.98  # what these must save at least: more events than the cost model knows begin and end them
HIGHER = (0.5, 0.75)  # on the way from the least peak to the least arena found


@dataclass(frozen=True)
class _Cuts:
    """Stages, the steps per event of every operator, and for how many it asks rows at a time; `leading` stages have leads."""

    stages: tuple[Stage, ...]
    block: tuple[int, ...]
    pace: tuple[int, ...]
    leading: frozenset[Stage] = frozenset()

    def with_stage(self, stage: Stage, block: Sequence[int], pace: Sequence[int], lead: bool = False) -> _Cuts:
        """One stage in other blocks, or at another pace."""
        first, last = stage
        replaced = [(*old[:first], *new[first:last], *old[last:]) for old, new in ((self.block, block), (self.pace, pace))]
        return _Cuts(self.stages, replaced[0], replaced[1], self.leading | {stage} if lead else self.leading - {stage})

    def schedule(self, network: Network) -> Schedule:
        """The events."""
        return streamed(network, self.stages, self.block, self.pace, self.leading)


@dataclass(frozen=True, eq=False)
class _Pace:
    """Blocks with which all operators go through the image together, and peak and cost of every stage with them."""

    block: tuple[int, ...]
    peak: Int
    cost: Float
    exact: set[Stage] = field(default_factory=set)

    def settle(self, stage: Stage, part: Callable[[Stage], Network]) -> bool:
        """Whether the stage's peak is what its own events say, which from now on it is."""
        old = self.peak[stage]
        if stage[1] - stage[0] > 1 and stage not in self.exact:
            self.peak[stage] = stage_peak(part(stage), self.block[slice(*stage)])
            self.exact.add(stage)
        return bool(old == self.peak[stage])


class Streams:
    """The streaming schedules of one network; nothing is computed twice."""

    def __init__(self, network: Network, cost: Cost) -> None:
        self.network, self.cost = network, cost
        self.part = cache(lambda stage: isolated(network, stage))
        self.layers = Peaks(network)
        self.quick = sum(operator.steps for operator in network.operators) <= MOMENT
        self.beats = _beats([operator.steps for operator in network.operators])
        self.single = self._pace(self._blocks(self.beats))
        while True:
            least = least_peak(self.single.peak)
            stages = cheapest(self.single.peak, _length(self.single.peak), least)
            if all(self.single.settle(stage, self.part) for stage in stages):
                break
        self.least = max(least, self.layers.edges)
        self.tried: set[tuple[Stage, ...]] = set()
        self.known: dict[tuple[_Cuts, int], Found | None] = {}

    def smallest(self) -> Found:
        """The least arena found; within it the fastest schedule, where another can be clearly faster, or the fewest tables."""
        schedule, plan = self.tightest()
        tries = [(schedule, FORMS[:2])]
        if GAIN * total_cost(schedule, self.cost) > least_cost(self.network, self.cost):
            tries.insert(0, (self._cheapest(plan.arena).schedule(self.network), FORMS))
        for events, forms in tries:
            found = fit_rows(self.network, events, plan.arena, PLACEMENTS // 4, forms, hurry=not self.quick)
            if found is not None:
                return events, found
        return schedule, plan

    def tightest(self) -> Found:
        """The least arena found."""
        return self._polished(*self._least())

    def _least(self) -> Found:
        """Cuts of the least peak leave gaps between their rows: where these are wide, cuts of higher peaks may need less."""
        best: Found | None = None
        for cuts in self._tight(self.least):
            best = self._smaller(best, cuts)
            if best[1].arena <= CLOSE * self.least:
                return best
        assert best is not None
        for part in HIGHER if best[1].arena > WIDE * self.least else ():
            for cuts in self._tight(round(self.least + part * (best[1].arena - self.least))):
                best = self._smaller(best, cuts)
        return best

    def _polished(self, schedule: Schedule, plan: Plan) -> Found:
        """The best of several walks to a plan, where each is a matter of a moment; of one more, where gaps are wide."""
        walks = WALKS if self.quick else WALKS[: plan.arena > WIDE * self.least]
        for walk in walks:
            if not plan.optimal:
                other = plan_rows(self.network, schedule, forms=FORMS[1:], walk=walk)
                plan = min(plan, other, key=lambda each: each.arena)
        return schedule, plan

    def _smaller(self, best: Found | None, cuts: _Cuts) -> Found:
        """The better plan of what was found and of other cuts, unless these were tried."""
        if best is not None and cuts.stages in self.tried:
            return best
        self.tried.add(cuts.stages)
        schedule = cuts.schedule(self.network)
        if best is None or self.quick:
            plan = plan_rows(self.network, schedule, forms=FORMS[1:])
            return (schedule, plan) if best is None or plan.arena < best[1].arena else best
        smaller = fit_rows(self.network, schedule, best[1].arena - 1, forms=FORMS[1:])
        return (schedule, smaller) if smaller else best

    def fastest(self, limit: int) -> Found:
        """The cheapest schedule whose rows were found to fit, or the smallest where none does."""
        return self.within(limit) or self.smallest()

    def within(self, limit: int) -> Found | None:
        """The cheapest schedule whose rows were found to fit."""
        return self.loose(limit) or self.lean(limit)

    def loose(self, limit: int) -> Found | None:
        """Cheap cuts whose rows fit: the first, or the cheapest where a search is a matter of a moment."""
        found = self._loose(limit)
        return min(found, key=lambda each: total_cost(each[0], self.cost), default=None) if self.quick else next(found, None)

    def _loose(self, limit: int) -> Iterator[Found]:
        """Peaks further and further below the limit leave room for gaps."""
        for target in self._rungs(limit) if limit >= self.least else ():
            found = self._fitting(self._cheapest(target), limit)
            if found is not None:
                yield found
            elif self.lean(limit) is None:  # so that others are not worth a search
                return

    def _rungs(self, limit: int) -> Iterator[int]:
        """Peaks to try, down to the least."""
        step = min((self.least / max(limit, 1)) ** (1 / ATTEMPTS), STEP)
        parts = [step**attempt for attempt in range(ATTEMPTS)] if self.quick else [1 - gap for gap in GAPS]
        yield from (target for target in (round(limit * part) for part in parts) if target > self.least)
        yield self.least

    def lean(self, limit: int) -> Found | None:
        """Cuts of the least peak, if their rows fit."""
        return self._fitting(next(self._tight(self.least)), limit) if limit >= self.least else None

    def _fitting(self, cuts: _Cuts, limit: int) -> Found | None:
        """The events, if their rows are found to fit."""
        if (cuts, limit) not in self.known:
            schedule = cuts.schedule(self.network)
            plan = fit_rows(self.network, schedule, limit, PLACEMENTS // 2)
            self.known[cuts, limit] = (schedule, plan) if plan else None
        return self.known[cuts, limit]

    def tight(self) -> Schedule:
        """Events of the least peak; no places were looked for."""
        return next(self._tight(self.least)).schedule(self.network)

    def _tight(self, target: int) -> Iterator[_Cuts]:
        """Cuts within a peak: other stages as small as they get too, which leaves room to place rows, or few fused."""
        length, weight = _length(self.single.peak), 4 if target == self.least else 1
        yield self._settled((self.single.peak / max(self.least, 1)) ** weight * length, target)
        yield self._settled(length * (length > 1), target)

    def _settled(self, cost: Float, target: int) -> _Cuts:
        """The cheapest cuts of one row at a time with peaks within the target."""
        stages = cheapest(self.single.peak, cost, target)
        while not all(self.single.settle(stage, self.part) for stage in stages):
            stages = cheapest(self.single.peak, cost, target)
        return self._long_layers(stages, self.single.block, target)

    @cached_property
    def _paces(self) -> list[_Pace]:
        """From one row at a time, or nearly so, to all operators in two halves."""
        beats, vectors = self.beats, [self.single.block]
        while beats > 2:
            beats = max(beats // 2, 2)
            vectors.append(self._blocks(beats))
        return [self.single, *(self._pace(block) for block in dict.fromkeys(vectors) if block != self.single.block)]

    def _blocks(self, beats: int) -> tuple[int, ...]:
        return tuple(-(-operator.steps // beats) for operator in self.network.operators)

    def _pace(self, block: tuple[int, ...]) -> _Pace:
        fused = [self.cost(index, steps, True) for index, steps in enumerate(block)]
        total = np.concatenate(([0.0], np.cumsum(fused)))
        return _Pace(block, StagePeaks(self.network, block).peak, total - total[:, None])

    def _cheapest(self, target: int) -> _Cuts:
        """The cheapest cuts, every stage at the pace that suits it, with peaks within the target."""
        while True:
            stages, paces = self._cheapest_so_far(target)
            if all(pace.settle(stage, self.part) for stage, pace in zip(stages, paces, strict=True)):
                break
        block = list(self.single.block)
        for (first, last), pace in zip(stages, paces, strict=True):
            block[first:last] = pace.block[first:last]
        cuts = self._long_layers(stages, tuple(block), target)
        for stage, pace in zip(stages, paces, strict=True):
            if stage[1] - stage[0] > 1:
                cuts = self._best_blocks(cuts, stage, pace, target)
        return cuts

    def _best_blocks(self, cuts: _Cuts, stage: Stage, pace: _Pace, target: int) -> _Cuts:
        """The stage at its pace with some longer blocks, or at a faster pace with some shorter ones."""
        longer = lengthen(self.network, self.part(stage), stage, cuts.block, target, self.cost)
        best = cuts.with_stage(stage, longer, longer)
        price = GAIN * self._price(best, stage)
        number = self._paces.index(pace)
        for faster in self._paces[number + 1 : number + 1 + FASTER]:
            shorter = shorten(self.part(stage), stage, faster.block, target)
            if shorter is not None:
                other = cuts.with_stage(stage, shorter, faster.block, lead=True)
                if self._price(other, stage) < price:
                    best, price = other, self._price(other, stage)
        return best

    def _price(self, cuts: _Cuts, stage: Stage) -> float:
        """The stage's time by its events."""
        how = streamed(self.network, [stage], cuts.block, cuts.pace, cuts.leading)
        events = Counter(event.operator for event in how.events)
        return sum(self._price_of(index, events[index]) for index in range(*stage))

    def _price_of(self, index: int, events: int) -> float:
        """The time of an operator in so many events, if need be between those of two blocks."""
        steps = self.network.operators[index].steps
        block = -(-steps // events)
        few = -(-steps // block)
        price = self.cost(index, block, True)
        if few == events:
            return price
        many = -(-steps // (block - 1))
        return price + (self.cost(index, block - 1, True) - price) * (events - few) / (many - few)

    def _cheapest_so_far(self, target: int) -> tuple[tuple[Stage, ...], list[_Pace]]:
        """As far as the stages' peaks are known by now."""
        costs = np.array([np.where(pace.peak <= target, pace.cost, np.inf) for pace in self._paces])
        choice, cost = costs.argmin(axis=0), costs.min(axis=0)
        for index in range(len(self.network.operators)):
            if self.single.peak[index, index + 1] <= target:
                cost[index, index + 1] = self.cost(index, self._longest(index, target), False)
        stages = cheapest(np.zeros_like(self.single.peak), cost, target)
        return stages, [self._paces[choice[stage]] for stage in stages]

    def _long_layers(self, stages: tuple[Stage, ...], block: tuple[int, ...], target: int) -> _Cuts:
        """Stages of one operator get the longest block within the target."""
        alone = {first for first, last in stages if last == first + 1}
        longest = tuple(self._longest(i, target) if i in alone else steps for i, steps in enumerate(block))
        return _Cuts(stages, longest, longest)

    def _longest(self, index: int, target: int) -> int:
        """The longest block with which an operator alone stays within the target."""
        steps = self.network.operators[index].steps
        return next((block for block in blocks(steps) if self.layers.of(index, block, False) <= target), 1)


def _beats(steps: Sequence[int]) -> int:
    """As many events for the highest map as leave a number of events that can be searched."""
    beats = max(steps)
    while sum(min(count, beats) for count in steps) > MAX_EVENTS:
        beats = beats * 3 // 4
    return max(beats, 1)


def _length(peak: Int) -> Float:
    """Operators per stage."""
    index = np.arange(len(peak), dtype=np.float64)
    return index - index[:, None]
