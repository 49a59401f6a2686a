"""Chooses which maps before squeeze-and-excite gates are computed twice instead of kept, and from where on."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from patch_scheduler.cuts import StagePeaks, cheapest, least_peak
from patch_scheduler.geometry import Int
from tflm_mcunet.codegen.lower import lower
from tflm_mcunet.graph import Graph, Tensor
from tflm_mcunet.passes.recompute import recompute, reductions, regions

STEEP = 16
"""Power with which a stage's peak counts: the highest decide, and of several equal ones each that gets lower is a gain."""

Choice = Mapping[Tensor, int]
"""By the result of a reduction, how many operators make its map a second time."""


def recomputed_maps(graph: Graph, most_macs: float, enough: Sequence[int]) -> Iterator[tuple[int, Graph]]:
    """Least peaks, and graphs for them, with some maps computed twice; none where that lowers no peak.

    Largest maps first, each from where the stages' peaks get lowest; what does not count in the end is left out.

    Args:
        most_macs: multiply-accumulates of the whole graph.
        enough: for each of these, in bytes, the least work for a peak of no more, or for the least peak.
    """
    choice: dict[Tensor, int] = {}
    before = _stage_peaks(graph)
    scale = least_peak(before)
    least = _score(before, scale)
    for result in [op.output for op in sorted(reductions(graph), key=lambda op: -op.input(0).bytes)]:
        trials = {size: _rewritten(graph, {**choice, result: size}) for size in _sizes(_rewritten(graph, choice), result)}
        scores = {size: _score(_stage_peaks(trial), scale) for size, trial in trials.items() if macs(trial) <= most_macs}
        best = min(scores, key=scores.__getitem__, default=0)
        if best and scores[best] < least:
            choice[result], least = best, scores[best]
    for size in enough:
        found = _pruned(graph, choice, size)
        if found:
            yield _least(graph, found), _rewritten(graph, found)


def macs(graph: Graph) -> int:
    """Multiply-accumulates of one inference."""
    return sum(op.macs for op in graph.operators)


def _sizes(graph: Graph, result: Tensor) -> list[int]:
    return [len(region) for region in regions(graph, graph.producers()[result])]


def _rewritten(graph: Graph, choice: Choice) -> Graph:
    """The graph with all these maps computed twice."""
    for result, size in choice.items():
        reduction = graph.producers()[result]
        region = next((region for region in regions(graph, reduction) if len(region) >= size), None)
        if region is not None:
            graph = recompute(graph, reduction, region)
    return graph


def _pruned(graph: Graph, choice: Choice, enough: int) -> Choice:
    """Without the maps, the most expensive first, that the peak does not need."""
    goal = max(_least(graph, choice), enough)
    for result in sorted(choice, key=lambda result: macs(_rewritten(graph, _without(choice, result)))):
        if _least(graph, _without(choice, result)) <= goal:
            choice = _without(choice, result)
    return choice


def _without(choice: Choice, result: Tensor) -> Choice:
    return {other: size for other, size in choice.items() if other is not result}


def _least(graph: Graph, choice: Choice) -> int:
    return least_peak(_stage_peaks(_rewritten(graph, choice)))


def _stage_peaks(graph: Graph) -> Int:
    return StagePeaks(lower(graph).network).peak


def _score(peak: Int, scale: int) -> float:
    """What the best cuts' stages amount to, high peaks above all."""
    index = np.arange(len(peak))
    cost = (peak / scale) ** STEEP * (index - index[:, None])
    return math.fsum(cost[stage] for stage in cheapest(peak, cost, int(peak.max())))
