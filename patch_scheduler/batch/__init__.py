"""Peak SRAM and MACs of thousands of candidate architectures per second: what a search asks, without schedules or plans.

    found = estimate([Architecture(...), ...])     # arrays, one element per architecture
    found.stream, found.stream_pulled              # the least peak of streamed schedules, image whole or pulled
    found.stream_arena, found.stream_pulled_arena  # the arena that the planner is expected to find for them
    found.layer, found.patch, found.macs, ...

The peaks are the most bytes that live at one moment of the best schedule whose cuts lie between blocks: exact to the byte
where no window is smaller than its stride. No arena of these schedules is smaller, and the planner's is a little larger,
since rows leave gaps (benchmarks/planning). What windows need is remembered by height, kernel and stride; everything else is
arithmetic on arrays with one column per network.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from patch_scheduler.architecture import Architecture
from patch_scheduler.batch.blocks import groups
from patch_scheduler.batch.layers import block_peaks
from patch_scheduler.batch.patches import GRIDS, patches
from patch_scheduler.batch.streams import least_peaks
from patch_scheduler.geometry import Int

GAPS = 1.02  # arenas of streamed schedules next to their peaks, on average
LARGEST = 128  # networks side by side: tables of more do not stay in the caches


@dataclass(frozen=True)
class Estimates:
    """Bytes of SRAM, multiply-accumulates and bytes of weights, per architecture.

    `patch` is MCUNetV2's schedule with its best grid (`patch_grid` patches per axis) and depth (`patch_blocks` bottlenecks,
    after the first convolution), and `patch_macs` what it executes, with the overlaps; `_pulled`: the image is supplied
    row by row.
    """

    layer: Int
    stream: Int
    stream_pulled: Int
    patch: Int
    patch_pulled: Int
    patch_grid: Int
    patch_blocks: Int
    patch_macs: Int
    patch_pulled_macs: Int
    macs: Int
    weights: Int

    @property
    def stream_arena(self) -> Int:
        """Expected of the planner, image whole."""
        return np.rint(self.stream * GAPS).astype(np.int64)

    @property
    def stream_pulled_arena(self) -> Int:
        """Expected of the planner, image pulled."""
        return np.rint(self.stream_pulled * GAPS).astype(np.int64)

    @property
    def least(self) -> Int:
        """The smaller of layer-by-layer and streamed, as `schedule(minimize="sram")` chooses."""
        return np.minimum(self.layer, self.stream)


def estimate(architectures: Sequence[Architecture]) -> Estimates:
    """All of them, those of one image size and the same strides at once."""
    names = list(Estimates.__dataclass_fields__)
    result = np.zeros((len(names), len(architectures)), np.int64)
    for group in groups(architectures, LARGEST):
        whole, pulled = least_peaks(group)
        found = patches(group)
        patch, patch_macs, depth, grid = found.best(found.whole)
        patch_pulled, patch_pulled_macs, _, _ = found.best(found.pulled)
        real = np.cumsum([slot.real for slot in group.slots], axis=0) - 1
        blocks = real[depth - 1, np.arange(len(depth))]
        values = (
            block_peaks(group).max(axis=0), whole, pulled, patch, patch_pulled, np.array(GRIDS)[grid], blocks,
            patch_macs, patch_pulled_macs, group.macs, group.weights,
        )  # fmt: skip
        result[:, group.members] = np.array(values)
    return Estimates(*result)
