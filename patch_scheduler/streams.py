"""Schedules that stream: cuts and blocks chosen for the least arena, or for the least time within a limit."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from patch_scheduler.cost import Cost
from patch_scheduler.cuts import FAR, Float, StagePeaks, cheapest, least_peak
from patch_scheduler.demand import streamed
from patch_scheduler.geometry import Int, Network
from patch_scheduler.peaks import Peaks, blocks
from patch_scheduler.plan import Plan
from patch_scheduler.rows import plan_rows
from patch_scheduler.schedule import Schedule, Stage

Found = tuple[Schedule, Plan]
ATTEMPTS = 4  # lower and lower peaks, until the rows fit
CLOSE = 1.01  # an arena this near to its bound is not worth another search


@dataclass(frozen=True)
class _Cuts:
    """Stages, and the steps per event of every operator."""

    stages: tuple[Stage, ...]
    block: tuple[int, ...]


@dataclass(frozen=True)
class _Pace:
    """Blocks with which all operators go through the image together, and peak and cost of every stage with them."""

    block: tuple[int, ...]
    peak: Int
    cost: Float


class Streams:
    """The streaming schedules of one network; nothing is computed twice."""

    def __init__(self, network: Network, cost: Cost) -> None:
        self.network, self.cost = network, cost
        self.layers = Peaks(network)
        self.single = self._pace(tuple(1 for _ in network.operators))
        self.least = max(least_peak(self.single.peak), self.layers.edges)

    def smallest(self) -> Found:
        """The least arena found; of equal ones the fastest."""
        best: Found | None = None
        for cuts in self._tight():
            found = self._plan(cuts, 0)
            if best is None or found[1].arena < best[1].arena:
                best = found
            if best[1].arena <= CLOSE * self.least:
                break
        assert best is not None
        faster = self._plan(self._cheapest(best[1].arena), best[1].arena)
        return faster if faster[1].arena <= best[1].arena else best

    def fastest(self, limit: int) -> Found:
        """The cheapest schedule whose rows were found to fit, or the smallest where none does."""
        target = limit
        for _ in range(ATTEMPTS):
            if target < self.least:
                break
            found = self._plan(self._cheapest(target), limit)
            if found[1].arena <= limit:
                return found
            target = min(target - (found[1].arena - limit), found[1].lower_bound - 1)
        return self.smallest()

    def _tight(self) -> Iterator[_Cuts]:
        """Cuts of the least peak: other stages as small as they get too, which leaves room to place rows, or few fused."""
        peak, least = self.single.peak, self.least
        length = np.subtract.outer(-np.arange(len(peak)), -np.arange(len(peak))).astype(np.float64)
        found = set()
        for cost in ((np.minimum(peak, FAR) / max(least, 1)) ** 4 * length, length * (length > 1)):
            stages = cheapest(peak, cost, least)
            if stages not in found:
                found.add(stages)
                yield self._long_layers(stages, self.single.block, least)

    @cached_property
    def _paces(self) -> list[_Pace]:
        """From one row at a time to all operators in two halves."""
        highest = max(operator.steps for operator in self.network.operators)
        beats, vectors = highest, [self.single.block]
        while beats > 2:
            beats = max(beats * 2 // 3, 2)
            vectors.append(tuple(-(-operator.steps // beats) for operator in self.network.operators))
        return [self.single, *(self._pace(block) for block in dict.fromkeys(vectors[1:]))]

    def _pace(self, block: tuple[int, ...]) -> _Pace:
        fused = [self.cost(index, steps, True) for index, steps in enumerate(block)]
        total = np.concatenate(([0.0], np.cumsum(fused)))
        return _Pace(block, StagePeaks(self.network, block).peak, total - total[:, None])

    def _cheapest(self, target: int) -> _Cuts:
        """The cheapest cuts, every stage at the pace that suits it, with peaks within the target."""
        costs = np.array([np.where(pace.peak <= target, pace.cost, np.inf) for pace in self._paces])
        choice = costs.argmin(axis=0)
        cost = costs.min(axis=0)
        for index in range(len(self.network.operators)):
            if self.single.peak[index, index + 1] <= target:
                cost[index, index + 1] = self.cost(index, self._longest(index, target), False)
        stages = cheapest(np.where(np.isfinite(cost), 0, FAR), cost, target)
        block = list(self.single.block)
        for first, last in stages:
            block[first:last] = self._paces[choice[first, last]].block[first:last]
        return self._long_layers(stages, tuple(block), target)

    def _long_layers(self, stages: tuple[Stage, ...], block: tuple[int, ...], target: int) -> _Cuts:
        """Stages of one operator get the longest block within the target."""
        alone = {first for first, last in stages if last == first + 1}
        return _Cuts(stages, tuple(self._longest(i, target) if i in alone else steps for i, steps in enumerate(block)))

    def _longest(self, index: int, target: int) -> int:
        """The longest block with which an operator alone stays within the target."""
        steps = self.network.operators[index].steps
        return next((block for block in blocks(steps) if self.layers.of(index, block, False) <= target), 1)

    def _plan(self, cuts: _Cuts, enough: int) -> Found:
        schedule = streamed(self.network, cuts.stages, cuts.block)
        return schedule, plan_rows(self.network, schedule, enough)
