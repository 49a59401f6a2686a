"""Chooses what is computed again instead of kept: maps before squeeze-and-excite gates, and the rows that bottlenecks expand."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from patch_scheduler.cuts import StagePeaks, cheapest, least_peak
from tflm_mcunet.codegen.lower import lower
from tflm_mcunet.graph import Graph
from tflm_mcunet.operators.base import Operator
from tflm_mcunet.operators.inverted_bottleneck import InvertedBottleneck
from tflm_mcunet.passes.bottlenecks import bottlenecks, flatten, fuse
from tflm_mcunet.passes.recompute import recompute, reductions, regions

STEEP = 16
"""Power with which a stage's peak counts: the highest decide, and of several equal ones each that gets lower is a gain."""


def recomputed_maps(graph: Graph, most_macs: float) -> Iterator[tuple[int, Graph]]:
    """Lower and lower peaks, and graphs for them of more and more work, in which maps or rows of them are computed again.

    Always a map that is made or used in the stage of the highest peak, where the peaks of all stages fall most for the work.

    Args:
        most_macs: multiply-accumulates that a graph may have.
    """
    now = _Cut(graph)
    least, scale = now.peak, now.peak
    while True:
        before = now
        trials = [_Cut(graph) for graph in now.changed() if graph.macs <= most_macs]
        now = max(trials, key=lambda trial: before.gain(trial, scale), default=now)
        if before.gain(now, scale) <= 0:
            return
        if now.peak < least:
            least = now.peak
            yield least, now.graph


class _Cut:
    """A graph and the peaks of its possible stages."""

    def __init__(self, graph: Graph) -> None:
        self.graph, self.lowered = graph, lower(graph)
        self.stages = StagePeaks(self.lowered.network)
        self.peak = least_peak(self.stages.peak)
        cost = (self.stages.peak / self.peak) ** STEEP
        index = np.cumsum([0, *map(_layers, self.lowered.operators)])
        self.cost = cost * (index - index[:, None])
        self.cuts = cheapest(self.stages.peak, self.cost, int(self.stages.peak.max()))

    def score(self, scale: int) -> float:
        """What the best cuts' stages amount to, high peaks above all; comparable for one scale."""
        return math.fsum(self.cost[stage] for stage in self.cuts) * (self.peak / scale) ** STEEP

    def gain(self, other: _Cut, scale: int) -> float:
        """By how much another graph's score is lower, per multiply-accumulate that it has more."""
        return (self.score(scale) - other.score(scale)) / max(other.graph.macs - self.graph.macs, 1)

    def changed(self) -> Iterator[Graph]:
        """Graphs that compute something again which lives during the stage of the highest peak."""
        first, last = max(self.cuts, key=lambda stage: self.stages.peak[stage])
        for op in reductions(self.graph):
            if self.stages.readers[self.lowered.buffer[op.input(0)]][-1] >= first:
                for region in regions(self.graph, op):
                    if self._made(region[0]) < last:
                        yield recompute(self.graph, op, region)
        for parts in bottlenecks(self.graph):
            if self._made(parts[0]) < last and self._made(parts[-1]) >= first:
                yield from fuse(self.graph, parts)
        for op in self.graph.operators:
            if isinstance(op, InvertedBottleneck) and first <= self._made(op) < last:
                yield from flatten(self.graph, op)

    def _made(self, op: Operator) -> int:
        """The operator's number."""
        return self.stages.writer[self.lowered.buffer[op.output]]


def _layers(op: Operator) -> int:
    """Operators of the model that one stands for."""
    return len(op.parts) if isinstance(op, InvertedBottleneck) else 1
