"""Where to cut a network into stages: the cheapest cuts whose peak of live bytes stays within a limit, or the least peak.

One simulation of the whole network as a single stream gives the order in which rows are made. Inside any stage the
operators' rows come in that same order (nearly so where a stage has several sinks), so the live bytes of all stages
follow from sums over the one simulation.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from patch_scheduler.demand import stream
from patch_scheduler.geometry import Access, Int, Network
from patch_scheduler.lives import expand, replaceable, timeline
from patch_scheduler.schedule import Stage

Float = NDArray[np.float64]
FAR = np.iinfo(np.int64).max // 4


class StagePeaks:
    """The most bytes that live during a stage, for every stage of a network: `peak[first, last]` of operators [first, last)."""

    def __init__(self, network: Network, block: Sequence[int] | None = None) -> None:
        self.network = network
        count = len(network.operators)
        self.block = tuple(block or [1] * count)
        events = stream(network, [(0, count)], self.block)
        self.length = len(events)
        time = timeline(network, events)
        self.step_event = time.events
        found = [np.unique(moments, return_counts=True) for moments in time.events]
        self.when, self.steps = [when for when, _ in found], [steps for _, steps in found]
        self.writer = {write.tensor: index for index, op in enumerate(network.operators) for write in op.writes}
        self.readers = [sorted({i for i, op in enumerate(network.operators) for read in op.reads if read.tensor == t})
                        for t in range(len(network.tensors))]  # fmt: skip
        self.birth = [self._birth(tensor) for tensor in range(len(network.tensors))]
        self.read = {(tensor, i): self._last_read(tensor, i) for tensor, found in enumerate(self.readers) for i in found}
        self.known: dict[tuple[int, bool, int, int], tuple[Int, Int]] = {}
        self.replaceable = [replaceable(op) for op in network.operators]
        self.born = [self._born(index) for index in range(count)]
        self.peak = np.full((count + 1, count + 1), FAR)
        for first in range(count):
            _Growing(self, first).run()

    def _moments(self, access: Access, operator: int) -> tuple[Int, Int]:
        rows, owner = expand(access.ranges.low, access.ranges.high)
        return rows, self.step_event[operator][owner]

    def _birth(self, tensor: int) -> Int:
        """The event that writes each row."""
        birth = np.full(self.network.tensors[tensor].rows, self.length)
        if tensor in self.writer:
            for write in self.network.operators[self.writer[tensor]].writes:
                if write.tensor == tensor:
                    np.minimum.at(birth, *self._moments(write, self.writer[tensor]))
        return np.minimum(birth, self.length - 1)

    def _last_read(self, tensor: int, reader: int) -> Int:
        """The event of the reader's last use of each row, -1 where there is none."""
        death = np.full(self.network.tensors[tensor].rows, -1)
        for read in self.network.operators[reader].reads:
            if read.tensor == tensor:
                np.maximum.at(death, *self._moments(read, reader))
        return death

    def _born(self, index: int) -> Int:
        """Bytes that an operator writes in each of its events, where it may write in place."""
        size = np.zeros(self.length, np.int64)
        if self.replaceable[index]:
            for write in self.network.operators[index].writes:
                np.add.at(size, self.birth[write.tensor], self.network.tensors[write.tensor].row_bytes)
        return size[self.when[index]]

    def share(self, tensor: int, first: int, last: int) -> tuple[Int, Int]:
        """The tensor's bytes during the events of a stage, and the deaths of its rows (FAR where they outlive it)."""
        readers = self.readers[tensor]
        key = tensor, self.writer.get(tensor, -1) >= first, bisect_left(readers, first), bisect_left(readers, last)
        found = self.known.get(key)
        if found is None:
            found = self.known[key] = self._share(*key)
        return found

    def _share(self, tensor: int, made: bool, first: int, last: int) -> tuple[Int, Int]:
        """The readers [first, last) are in the stage, those from `last` on come after it."""
        what, readers = self.network.tensors[tensor], self.readers[tensor]
        birth = self.birth[tensor] if made else np.full(what.rows, -1)
        death = np.max([birth, *(self.read[tensor, reader] for reader in readers[first:last])], axis=0)
        if tensor in self.network.outputs:
            death[:] = FAR
        for reader in readers[last:]:
            death[self.read[tensor, reader] >= 0] = FAR
        change = np.bincount(np.maximum(birth, 0), minlength=self.length + 1)
        change -= np.bincount(death[death < FAR] + 1, minlength=self.length + 1)
        return np.cumsum(change)[:-1] * what.row_bytes, death


class _Growing:
    """The stages that begin with one operator: live bytes by event, brought up to date as operators join."""

    def __init__(self, peaks: StagePeaks, first: int) -> None:
        self.peaks, self.network, self.first = peaks, peaks.network, first
        self.live = np.zeros(peaks.length, np.int64)
        self.work = np.full(peaks.length, -FAR)  # scratch during the stage's events, which are the only ones that count
        self.shares: dict[int, Int] = {}
        self.deaths: dict[int, Int] = {}
        self.shared: dict[int, Int] = {}
        self.heirs: dict[int, list[int]] = {}
        for tensor in range(len(self.network.tensors)):
            if peaks.writer.get(tensor, -1) < first:
                self._update(tensor, first)

    def run(self) -> None:
        for last in range(self.first + 1, len(self.network.operators) + 1):
            self._join(last - 1)
            self.peaks.peak[self.first, last] = (self.live + self.work).max(initial=0)

    def _join(self, index: int) -> None:
        operator, when = self.network.operators[index], self.peaks.when[index]
        self.work[when] = operator.scratch + operator.scratch_per_step * self.peaks.steps[index]
        self.live[when[0] : when[-1] + 1] += operator.state
        touched = {access.tensor for access in (*operator.reads, *operator.writes)}
        for tensor in touched:
            self._update(tensor, index + 1)
        for tensor in self.peaks.replaceable[index]:
            self.heirs.setdefault(tensor, []).append(index)
        for heir in {heir for tensor in touched for heir in self.heirs.get(tensor, ())}:
            self._inherit(heir)

    def _update(self, tensor: int, last: int) -> None:
        share, self.deaths[tensor] = self.peaks.share(tensor, self.first, last)
        old = self.shares.get(tensor)
        if share is not old:
            if old is not None:
                self.live -= old
            self.live += share
            self.shares[tensor] = share

    def _inherit(self, index: int) -> None:
        """An output in place counts only what the rows that die under it do not give."""
        when, dying = self.peaks.when[index], np.zeros(self.peaks.length + 1, np.int64)
        for tensor in self.peaks.replaceable[index]:
            death = self.deaths[tensor]
            ends = death[(death >= 0) & (death < FAR)]
            dying += np.bincount(ends, minlength=len(dying)) * self.network.tensors[tensor].row_bytes
        new = np.minimum(dying[when], self.peaks.born[index])
        self.live[when] += self.shared.get(index, 0) - new
        self.shared[index] = new


def least_peak(peak: Int) -> int:
    """The least peak of all ways to cut: a bottleneck shortest path over the cuts."""
    best = np.full(len(peak), FAR)
    best[0] = 0
    for last in range(1, len(peak)):
        best[last] = np.maximum(best[:last], peak[:last, last]).min()
    return int(best[-1])


def cheapest(peak: Int, cost: Float, limit: int) -> tuple[Stage, ...]:
    """The stages of the least total cost whose peaks stay within a limit that some cuts can meet."""
    price = np.where(peak <= limit, cost, np.inf)
    best = np.full(len(peak), np.inf)
    best[0] = 0
    before = [0] * len(peak)
    for last in range(1, len(peak)):
        total = best[:last] + price[:last, last]
        before[last] = int(total.argmin())
        best[last] = total[before[last]]
    stages, last = [], len(peak) - 1
    while last:
        stages.append((before[last], last))
        last = before[last]
    return tuple(reversed(stages))
