"""The least peak of streamed schedules, for many networks at once.

In a chain of blocks the progress of everything follows from one number: when the map before a block has n rows, the blocks
above have run as far as that needs, and those below as far as it permits. So the bytes alive above a block are a table by n,
those below a table by the block's own steps; both grow block by block, by look-ups, for all stages together. The peak of
a stage is the largest sum of the two and of the block's own bytes, at any of its events. The cuts are those of the
shortest bottleneck path over block boundaries. A cut within a block pays only where it expands so little that its output is
larger than the maps inside.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from patch_scheduler.batch.blocks import Group, Slot
from patch_scheduler.geometry import Int

Kind = type[np.int32] | type[np.int64]
Table = NDArray[np.integer[Any]]
ROUTES = 2  # stages that begin with the image come first: pulled row by row, then whole


def least_peaks(group: Group) -> Int:
    """Per network (second axis): with the image whole, and pulled."""
    peaks = stage_peaks(group)
    floor = (group.features + group.classes) * group.has_head
    return np.array([_bottleneck(np.concatenate((peaks[first : first + 1], peaks[ROUTES:]))) for first in (1, 0)]).clip(floor)


def stage_peaks(group: Group) -> Table:
    """[first, last, network]: of the stages from slot `first` - 1 (0 and 1: the image pulled, and whole) to before slot `last`.

    The head counts as one more slot; stages that there are not have peak 0.
    """
    slots, count = group.slots, len(group.members)
    kind: Kind = np.int32 if _most(group) < 2**30 else np.int64
    below = _below(group, kind)
    peaks = np.zeros((len(slots) + ROUTES, len(slots) + 1 + group.has_head, count), kind)
    above = np.zeros((1, group.heights[0] + 1, count), kind)
    for index, slot in enumerate(slots):
        above = np.concatenate((above, _waiting(group, index, kind)))
        needed, arrivals = _rows(above, slot.need), _arrivals(slot)
        ahead = np.concatenate((above[:, 1 : arrivals + 1], needed[:, 1:]), axis=1)
        behind = np.concatenate((_rows(below[index], slot.ready[:arrivals]), below[index][:, :-1]), axis=1)
        behind += np.concatenate((_expanding(slot, arrivals), _stepping(slot))).astype(kind)
        for first, start in enumerate(ahead):
            peaks[first, index + 1 :] = np.maximum(peaks[first, index + 1 :], (behind + start).max(axis=1))
        above = needed + _made(slot).astype(kind)
    if group.has_head:
        above = np.concatenate((above, _waiting(group, len(slots), kind)))
        peaks[:, -1] = np.maximum(peaks[:, -1], (above[:, 1:] + _head(group).astype(kind)).max(axis=1))
    return peaks


def _most(group: Group) -> int:
    """No sum of live bytes is larger."""
    maps = sum(height * rows for height, rows in zip(group.heights, group.rows, strict=True))
    return int((maps + sum(slot.height * slot.e + slot.d + slot.y for slot in group.slots) + 8 * group.head).max())


def _waiting(group: Group, index: int, kind: Kind) -> Table:
    """Rows of a whole input that would not have been made yet."""
    rest = np.arange(group.heights[index], -1, -1).astype(kind)
    return (rest[:, None] * group.rows[index].astype(kind))[None]


def _rows(table: Table, at: Int) -> Table:
    """table[:, at[s, n], n]"""
    count = table.shape[2]
    flat = (at * count + np.arange(count)).ravel()
    return table.reshape(len(table), -1).take(flat, axis=1, mode="clip").reshape(len(table), *at.shape)


def _own(slot: Slot) -> Int:
    """Bytes of a row of the input that waits to be added, apart from what the window keeps of it."""
    return np.where(slot.adds & slot.expands, slot.x, 0)


def _made(slot: Slot) -> Int:
    """Bytes that stay in the block between n steps and the next, by n."""
    steps = np.arange(slot.steps + 1)[:, None]
    return slot.e * np.maximum(slot.need - slot.gone, 0) + _own(slot) * (slot.need - steps)


def _held(slot: Slot) -> Int:
    """The same by rows of the input, of which there may be more than the steps so far need."""
    rows = np.arange(slot.height + 1)[:, None]
    kept = np.maximum(rows - np.take_along_axis(slot.gone, slot.ready, 0), 0)
    return slot.e * kept + _own(slot) * (rows - slot.ready)


def _arrivals(slot: Slot) -> int:
    """Rows of the input whose arrival is an event to look at; others set off a step that takes more, all else being equal."""
    return slot.height if slot.stride > 1 else int(slot.need[1].max())


def _expanding(slot: Slot, arrivals: int) -> Int:
    """The block's bytes when a row of the input arrives."""
    ready, rows = slot.ready[:arrivals], np.arange(1, arrivals + 1)[:, None]
    kept = np.maximum(rows - np.take_along_axis(slot.gone, ready, 0), 0)
    return np.where(slot.expands & ~slot.adds, slot.x, 0) + slot.e * kept + _own(slot) * (rows - ready)


def _stepping(slot: Slot) -> Int:
    """The block's bytes when the window moves, and when its output is projected."""
    steps, need = np.arange(slot.steps)[:, None], slot.need[1:]
    left = np.where(slot.adds & ~slot.expands, np.minimum(slot.gone[1:], steps), slot.gone[1:])
    own = _own(slot) * (need - steps) + slot.d
    move = slot.e * np.maximum(need - slot.gone[:-1], 0) + slot.scratch
    return own + np.maximum(move, slot.e * np.maximum(need - left, 0) + slot.y)


def _head(group: Group) -> Int:
    """When a row of the last map is added to the mean, which is 4 bytes per channel until it is complete."""
    rows, state = group.heights[-1], 4 * group.features
    first, last = (np.arange(rows) > 0)[:, None], (np.arange(rows) == rows - 1)[:, None]
    widen = np.where(group.widens, group.rows[-1] + group.head + first * state, 0)
    return np.maximum(widen, group.head + state + last * group.features)


def _below(group: Group, kind: Kind) -> list[Table]:
    """Per slot [end, steps done, network]: bytes after it, in stages that end after it, after a later one, or with the head."""
    slots, tables = group.slots, []
    made = _count(group.heights[-1], kind)
    table = (made * group.rows[-1].astype(kind))[None]
    if group.has_head:
        table = np.concatenate((table, ((made > 0) * 4 * group.features.astype(kind))[None]))
    tables.append(table)
    for index in range(len(slots) - 1, 0, -1):
        slot = slots[index]
        made = _count(slot.height, kind)
        inside = _rows(table, slot.ready) + _held(slot).astype(kind)
        table = np.concatenate(((made * group.rows[index].astype(kind))[None], inside))
        tables.append(table)
    return tables[::-1]


def _count(rows: int, kind: Kind) -> Any:
    return np.arange(rows + 1).astype(kind)[:, None]


def _bottleneck(peaks: Table) -> Table:
    """The least largest peak of all ways to cut; stage [first, last) is peaks[first, last]."""
    best = np.zeros_like(peaks[0])
    for last in range(1, peaks.shape[1]):
        best[last] = np.maximum(best[:last], peaks[:last, last]).min(axis=0)
    return np.asarray(best[-1])
