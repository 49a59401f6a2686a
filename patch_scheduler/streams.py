"""Schedules that stream: cuts and blocks chosen for the least arena, or for the least time within a limit."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from patch_scheduler.cost import Cost
from patch_scheduler.cuts import StagePeaks, cheapest, least_peak
from patch_scheduler.demand import streamed
from patch_scheduler.geometry import Network
from patch_scheduler.peaks import Peaks, blocks
from patch_scheduler.plan import Plan
from patch_scheduler.rows import plan_rows
from patch_scheduler.schedule import Schedule, Stage

Found = tuple[Schedule, Plan]
ATTEMPTS = 4  # lower and lower peaks, until the rows fit


class Streams:
    """The streaming schedules of one network; nothing is computed twice."""

    def __init__(self, network: Network, cost: Cost) -> None:
        self.network, self.cost = network, cost
        self.peaks = StagePeaks(network)
        self.layers = Peaks(network)
        self.least = max(least_peak(self.peaks.peak), self.layers.edges)

    def smallest(self) -> Found:
        """The least arena found; of equal ones the fastest."""
        best: Found | None = None
        for stages in self._tight():
            found = self._plan(stages, self.least, 0)
            if best is None or found[1].arena < best[1].arena:
                best = found
            if best[1].arena <= self.least:
                break
        assert best is not None
        faster = self._plan(self._cheapest(best[1].arena), best[1].arena, best[1].arena)
        return faster if faster[1].arena <= best[1].arena else best

    def fastest(self, limit: int) -> Found:
        """The cheapest schedule whose rows were found to fit, or the smallest where none does."""
        target = limit
        for _ in range(ATTEMPTS):
            if target < self.least:
                break
            found = self._plan(self._cheapest(target), target, limit)
            if found[1].arena <= limit:
                return found
            target = min(target - (found[1].arena - limit), found[1].lower_bound - 1)
        return self.smallest()

    def _tight(self) -> Iterator[tuple[Stage, ...]]:
        """Cuts of the least peak: other stages as small as they get too, which leaves room to place rows, or few fused."""
        peak, least = self.peaks.peak, self.least
        yield cheapest(peak, lambda stage: (int(peak[stage]) / max(least, 1)) ** 4 * (stage[1] - stage[0]), least)
        yield cheapest(peak, lambda stage: (stage[1] - stage[0]) * (stage[1] - stage[0] > 1), least)

    def _cheapest(self, target: int) -> tuple[Stage, ...]:
        fused = [0.0]
        for index in range(len(self.network.operators)):
            fused.append(fused[-1] + self.cost(index, 1, True))
        single = [self.cost(index, self._longest(index, target), False) for index in range(len(self.network.operators))]

        def cost(stage: Stage) -> float:
            first, last = stage
            return single[first] if last == first + 1 else fused[last] - fused[first]

        return cheapest(self.peaks.peak, cost, target)

    def _longest(self, index: int, target: int) -> int:
        """The longest block with which an operator alone stays within the target."""
        fits: Callable[[int], bool] = lambda block: self.layers.of(index, block, False) <= target  # noqa: E731
        return next(filter(fits, blocks(self.network.operators[index].steps)), 1)

    def _plan(self, stages: tuple[Stage, ...], target: int, enough: int) -> Found:
        block = [1] * len(self.network.operators)
        for first, last in stages:
            if last == first + 1:
                block[first] = self._longest(first, target)
        schedule = streamed(self.network, stages, block)
        return schedule, plan_rows(self.network, schedule, enough)
