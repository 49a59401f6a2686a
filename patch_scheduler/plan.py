"""Offsets for everything that lives in the arena, and how close the arena is to its lower bound."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from patch_scheduler.conflicts import Buffer, buffers, conflicts
from patch_scheduler.geometry import Network
from patch_scheduler.lives import lives, lower_bound
from patch_scheduler.schedule import Schedule
from patch_scheduler.search import FORWARD, Placement, Problem, first_fit, fit, problem

EFFORT = 3000  # placements that the search may try for one arena size: a count, not a time, so that plans are reproducible


@dataclass(frozen=True)
class Plan:
    """Byte offsets in one arena: per tensor, and per operator that has scratch or state.

    No plan of the same schedule can be smaller than `lower_bound`; `optimal` says that this plan is proven smallest.
    """

    tensors: tuple[int, ...]
    scratch: dict[int, int]
    state: dict[int, int]
    arena: int
    lower_bound: int
    optimal: bool

    @property
    def gap(self) -> int:
        """Bytes above the lower bound."""
        return self.arena - self.lower_bound


def plan(network: Network, schedule: Schedule, effort: int = EFFORT) -> Plan:
    """The smallest arena found for a schedule, with every operator's direction as the schedule says."""
    life = lives(network, schedule.events)
    found = buffers(network, schedule, life)
    pairs = conflicts(network, schedule, found, life)
    task = problem(found, pairs, pairs, [FORWARD] * len(network.operators))
    bound = lower_bound(network, schedule, life)
    return assemble(found, place(task, found, bound, effort), bound)


def assemble(found: Sequence[Buffer], placement: Placement, bound: int) -> Plan:
    """Names the offsets of a placement."""
    where = {(b.kind, b.index): offset for b, offset in zip(found, placement.offsets, strict=True)}
    return Plan(
        tuple(offset for (kind, _), offset in where.items() if kind == "tensor"),
        {index: offset for (kind, index), offset in where.items() if kind == "scratch"},
        {index: offset for (kind, index), offset in where.items() if kind == "state"},
        placement.arena,
        bound,
        placement.arena == bound,
    )


def place(
    task: Problem, found: Sequence[Buffer], bound: int, effort: int = EFFORT, enough: int | None = None
) -> Placement:
    """The best of first fit; unless that is `enough` (by default: the bound), a search at the bound, then above it."""
    enough = bound if enough is None else enough
    best = min((first_fit(task, order) for order in orders(task, found)), key=lambda p: p.arena)
    if best.arena <= enough:
        return best
    best = fit(task, bound, effort) or best
    floor = bound
    while best.arena > enough and best.arena - floor > max(1, bound // 500):
        middle = max(enough, (floor + best.arena) // 2)
        better = fit(task, middle, effort // 4)
        if better:
            best = better
        else:
            floor = middle
    return best


def orders(task: Problem, found: Sequence[Buffer]) -> Iterator[list[int]]:
    """Orders in which first fit does well: large ones first, those with many conflicts first, in time."""
    everything = range(len(found))
    span = [0] * len(found)
    for pair in task.pairs:
        span[pair.first] += task.size[pair.second]
        span[pair.second] += task.size[pair.first]
    yield sorted(everything, key=lambda b: (-task.size[b], b))
    yield sorted(everything, key=lambda b: (-span[b] - task.size[b], b))
    yield sorted(everything, key=lambda b: (found[b].birth.min(), -task.size[b], b))
