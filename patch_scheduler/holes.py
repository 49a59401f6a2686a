"""The memory that a plan leaves unused: what an operator's scratch may grow to while everything else stays where it is."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from patch_scheduler.conflicts import WORK_ALIGNMENT
from patch_scheduler.geometry import Int, Network
from patch_scheduler.lives import lives
from patch_scheduler.plan import Plan
from patch_scheduler.schedule import Schedule


class Hole(NamedTuple):
    """Bytes [offset, offset + size) of the arena."""

    offset: int
    size: int


def holes(network: Network, schedule: Schedule, plan: Plan, limit: int) -> list[Hole]:
    """Per operator the largest block below `limit` bytes that nothing but its own scratch uses during its events."""
    life = lives(network, schedule.events)
    steps = [(plan.state[index], op.state) for index, op in enumerate(network.operators) if op.state]
    owners = [index for index, op in enumerate(network.operators) if op.state]
    places = [_places(network, plan, tensor) for tensor in range(len(network.tensors))]
    sizes = [np.full(tensor.rows, tensor.row_bytes) for tensor in network.tensors]
    begin = np.concatenate([*places, np.array([offset for offset, _ in steps], np.int64)])
    end = begin + np.concatenate([*sizes, np.array([size for _, size in steps], np.int64)])
    birth = np.concatenate([*life.birth, np.array([life.timeline.first(index) for index in owners], np.int64)])
    death = np.concatenate([*life.death, np.array([life.timeline.last(index) for index in owners], np.int64)])
    found = []
    for moments in life.timeline.events:
        when = np.unique(moments)
        alive = np.searchsorted(when, death, side="right") > np.searchsorted(when, birth)
        found.append(_largest(begin[alive], end[alive], limit))
    return found


def _places(network: Network, plan: Plan, tensor: int) -> Int:
    """The addresses of a tensor's rows."""
    what = network.tensors[tensor]
    if tensor in plan.rows:
        return np.array(plan.rows[tensor], np.int64)
    return plan.tensors[tensor] + np.arange(what.rows, dtype=np.int64) * what.row_bytes


def _largest(begin: Int, end: Int, limit: int) -> Hole:
    """The largest aligned block between intervals that are in use."""
    order = np.argsort(begin)
    low = np.concatenate([[0], np.maximum.accumulate(end[order])])
    low = -(-low // WORK_ALIGNMENT) * WORK_ALIGNMENT
    high = np.concatenate([begin[order], [limit]])
    best = int((high - low).argmax())
    return Hole(int(low[best]), max(int(high[best] - low[best]), 0))
