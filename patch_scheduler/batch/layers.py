"""The least peak of layer-by-layer schedules, for many networks at once: every operator row by row, in its better direction."""

from __future__ import annotations

import numpy as np

from patch_scheduler.batch.blocks import Group, Slot
from patch_scheduler.geometry import Int


def block_peaks(group: Group) -> Int:
    """[slot, network]; the last row is the head."""
    return np.array([*(_block(slot) for slot in group.slots), _head(group)])


def _block(slot: Slot) -> Int:
    """Inputs die row by row while outputs are born; where input and output are linear in the steps, one of the ends is worst."""
    kept = np.where(slot.adds, slot.x * slot.height, 0)
    expansion = np.where(slot.adds, kept + slot.e * slot.height, _linear(slot.x, slot.e, slot.height)) * slot.expands
    projection = (kept + _linear(slot.d, slot.y, slot.steps)) * slot.projects
    window = kept + slot.d * slot.steps  # the map that the window reads is added later
    dies = ~slot.adds | slot.expands
    window = np.where(dies, np.minimum(_window(slot, False), _window(slot, True)) + kept, window) + slot.scratch
    total = slot.x * slot.height + slot.y * slot.steps  # the sum lies over one of its terms
    return np.asarray(np.maximum.reduce([expansion, window, projection, total * slot.adds]) * slot.real)


def _linear(read: Int, written: Int, rows: int) -> Int:
    return np.maximum(read * rows + written, read + written * rows)


def _window(slot: Slot, reverse: bool) -> Int:
    done = np.arange(slot.steps)[:, None]
    if reverse:
        return np.asarray((slot.e * slot.need[1:] + slot.d * (slot.steps - done)).max(axis=0))
    return np.asarray((slot.e * (slot.height - slot.gone[:-1]) + slot.d * (done + 1)).max(axis=0))


def _head(group: Group) -> Int:
    if not group.has_head:
        return group.heights[-1] * group.rows[-1]
    rows, state = group.heights[-1], 4 * group.features
    widen = _linear(group.rows[-1], group.head, rows) * group.widens
    mean = np.maximum(group.head * rows, group.head + group.features) + state
    return np.maximum.reduce([widen, mean, group.features + group.classes])
