"""MCUNetV2's schedules for many networks at once: the first blocks patch by patch, overlaps computed again, then layer by layer.

The image (whole, or the band of its rows that a row of patches needs, where it is pulled) and the map after the patches are
there throughout; a patch goes through its blocks operator by operator, with rows that die as they are read.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from patch_scheduler.batch.blocks import Group, Slot
from patch_scheduler.batch.layers import block_peaks
from patch_scheduler.geometry import Int

GRIDS = (2, 3, 4, 5, 6)
"""Patches per axis."""
FIRST = np.cumsum([0, *GRIDS[:-1]])
FAR = np.iinfo(np.int64).max // 4


@dataclass(frozen=True)
class Patches:
    """[depth, grid, network]: peaks with the image whole and pulled, and MACs, of the first 1, 2, ... slots in patches."""

    whole: Int
    pulled: Int
    macs: Int

    def best(self, peak: Int) -> tuple[Int, Int, Int, Int]:
        """The least peak of every network, then the fewest MACs: (peak, MACs, slots in patches, index of the grid)."""
        count = peak.shape[-1]
        flat, macs = peak.reshape(-1, count), self.macs.reshape(-1, count)
        choice = np.where(flat == flat.min(axis=0), macs, FAR).argmin(axis=0)
        depth, grid = np.divmod(choice, len(GRIDS))
        column = np.arange(count)
        return flat[choice, column], macs[choice, column], depth + 1, grid


def patches(group: Group) -> Patches:
    """Every depth and every grid."""
    slots, heights = group.slots, np.array(group.heights[1:])
    shape = len(slots), len(GRIDS), len(group.members)
    inside, macs, band = np.zeros(shape, np.int64), np.zeros(shape, np.int64), np.zeros(shape, np.int64)
    for index, peak, work, image in _by_slot(group):
        inside[index:] = np.maximum(inside[index:], peak)
        macs[index:] += work
        band[index:] = image
    rest = np.maximum.accumulate(block_peaks(group)[::-1], axis=0)[-2::-1, None]
    after = (group.macs - np.cumsum([slot.macs.sum(0) for slot in slots], axis=0))[:, None]
    maps = (heights[:, None] * group.rows[1:])[:, None]
    possible = heights[:, None, None] >= np.array(GRIDS)[:, None]
    inside = np.where(possible, inside + maps, FAR)
    whole, pulled = (np.maximum(inside + image, rest) for image in (group.heights[0] * group.rows[0], band))
    return Patches(whole, pulled, macs + after)


def peaks_by_slot(group: Group, depth: int, grid: int) -> Int:
    """[slot, network]: bytes while each slot runs, the first `depth` in patches with GRIDS[grid] per axis, the image pulled."""
    peaks = block_peaks(group)
    kept = group.heights[depth] * group.rows[depth]
    for index, peak, _, image in _by_slot(group):
        if index < depth:
            peaks[index] = peak[depth - 1 - index, grid] + kept
            band = image[depth - 1 - index, grid]
    peaks[:depth] += band
    return peaks


def _by_slot(group: Group) -> Iterator[tuple[int, Int, Int, Int]]:
    """From the last slot to the first, for all depths that reach it: (slot, peaks, MACs, bytes of the rows of the input)."""
    slots, count = group.slots, len(group.members)
    low, high = np.zeros((2, 0, sum(GRIDS), count), np.int64)
    left, right = low, high
    square = slots[0].height == slots[0].width
    for index in range(len(slots) - 1, -1, -1):
        slot = slots[index]
        low, high = _grow(low, _edges(slot.steps, 0, count)), _grow(high, _edges(slot.steps, 1, count))
        columns = -(-slot.width // slot.stride)
        left, right = _grow(left, _edges(columns, 0, count)), _grow(right, _edges(columns, 1, count))
        rows = high - low
        low, high = _at(slot.gone, low), _at(slot.need, high)
        above = high - low
        if square:
            across, wide, left, right = rows, above, low, high
        else:
            across = right - left
            left, right = _at(slot.gone_columns, left), _at(slot.need_columns, right)
            wide = right - left
        most_above, most_rows = _most(above), _most(rows)
        most_wide, most_across = (most_above, most_rows) if square else (_most(wide), _most(across))
        total_above, total_rows = _sum(above), _sum(rows)
        total_wide, total_across = (total_above, total_rows) if square else (_sum(wide), _sum(across))
        macs = slot.macs[0] // (slot.height * slot.width) * (total_above * total_wide)
        macs += slot.macs[1] // (slot.steps * columns) * (total_rows * total_across)
        yield index, _peak(slot, index == 0, most_above, most_wide, most_rows, most_across), macs, most_above * slot.x


def _edges(size: int, end: int, count: int) -> Int:
    """Where the patches of every grid begin, or end."""
    edges = [(index + end) * size // grid for grid in GRIDS for index in range(grid)]
    return np.broadcast_to(np.array(edges)[None, :, None], (1, len(edges), count))


def _grow(deeper: Int, new: Int) -> Int:
    return np.concatenate((new, deeper))


def _at(table: Int, index: Int) -> Int:
    count = table.shape[1]
    return table.ravel().take(index * count + np.arange(count), mode="clip")


def _most(tiles: Int) -> Int:
    return np.maximum.reduceat(tiles, FIRST, axis=1)


def _sum(tiles: Int) -> Int:
    return np.add.reduceat(tiles, FIRST, axis=1)


def _peak(slot: Slot, first: bool, above: Int, wide: Int, rows: Int, across: Int) -> Int:
    """The most bytes of one patch in this block; what is there throughout is counted elsewhere."""
    columns = -(-slot.width // slot.stride)
    x, e = wide * (slot.x // slot.width), wide * (slot.e // slot.width)
    d, y = across * (slot.d // columns), across * (slot.y // columns)
    if first:
        x = e = np.zeros_like(wide)
    # The last block writes into the map after the patches.
    y, d = y.copy(), d.copy()
    y[0] = 0
    d[0] = np.where(slot.projects, d[0], 0)
    kept = np.where(slot.adds, above * x, 0)
    expansion = np.where(slot.adds, kept + above * e, np.maximum(above * x + e, x + above * e)) * slot.expands
    held = kept * slot.expands
    scratch = slot.scratch - slot.scratch_columns * (slot.width - wide)
    window = held + np.maximum(above * e + d, np.minimum(slot.reach, above) * e + rows * d) + scratch
    window = np.where(slot.adds & ~slot.expands, above * e + rows * d + scratch, window)
    projection = (kept + np.maximum(rows * d + y, d + rows * y)) * slot.projects
    return np.asarray(np.maximum.reduce([expansion, window, projection]) * slot.real)
