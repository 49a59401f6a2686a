"""Chooses which maps before squeeze-and-excite gates are computed twice instead of kept, and from where on."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from patch_scheduler.cuts import StagePeaks, cheapest, least_peak
from tflm_mcunet.codegen.lower import lower
from tflm_mcunet.graph import Graph
from tflm_mcunet.operators.base import Operator
from tflm_mcunet.passes.recompute import Region, recompute, reductions, regions

STEEP = 16
"""Power with which a stage's peak counts: the highest decide, and of several equal ones each that gets lower is a gain."""


def recomputed_maps(graph: Graph, most_macs: float) -> Iterator[tuple[int, Graph]]:
    """Lower and lower peaks, and graphs for them of more and more work, in which maps are computed twice.

    Always a map that is made or used in the stage of the highest peak, from where the peaks of all stages get lowest.

    Args:
        most_macs: multiply-accumulates that a graph may have.
    """
    now = _Cut(graph)
    least, scale = now.peak, now.peak
    while True:
        graphs = [recompute(now.graph, op, region) for op, region in now.highest()]
        trials = [_Cut(graph) for graph in graphs if graph.macs <= most_macs]
        best = min(trials, key=lambda trial: trial.score(scale), default=now)
        if best.score(scale) >= now.score(scale):
            return
        now = best
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
        index = np.arange(len(cost))
        self.cost = cost * (index - index[:, None])
        self.cuts = cheapest(self.stages.peak, self.cost, int(self.stages.peak.max()))

    def score(self, scale: int) -> float:
        """What the best cuts' stages amount to, high peaks above all; comparable for one scale."""
        return math.fsum(self.cost[stage] for stage in self.cuts) * (self.peak / scale) ** STEEP

    def highest(self) -> Iterator[tuple[Operator, Region]]:
        """Reductions with the regions from which to the last use of their maps the stage of the highest peak comes."""
        first, last = max(self.cuts, key=lambda stage: self.stages.peak[stage])
        for op in reductions(self.graph):
            if self.stages.readers[self.lowered.buffer[op.input(0)]][-1] >= first:
                for region in regions(self.graph, op):
                    if self.stages.writer[self.lowered.buffer[region[0].output]] < last:
                        yield op, region
