"""Offsets for everything that lives in the arena, and how close the arena is to its lower bound."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from patch_scheduler.conflicts import Buffer, buffers, conflicts
from patch_scheduler.exact import Exhausted, decide
from patch_scheduler.geometry import Network
from patch_scheduler.lives import lives, lower_bound
from patch_scheduler.schedule import Schedule
from patch_scheduler.search import FORWARD, Placement, Problem, first_fit, fit, problem

EFFORT = 3000  # placements that the search may try for one arena size: a count, not a time, so that plans are reproducible


@dataclass(frozen=True)
class Plan:
    """Byte offsets in one arena: per tensor (of its row 0), and per operator that has scratch or state.

    A tensor lies in one piece unless `rows` has the offsets of all its rows. No plan can be smaller than `lower_bound`;
    `optimal` says that no smaller one exists, given the pairwise conflicts.
    """

    tensors: tuple[int, ...]
    scratch: dict[int, int]
    state: dict[int, int]
    arena: int
    lower_bound: int
    optimal: bool
    rows: dict[int, tuple[int, ...]] = field(default_factory=dict)

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
    best, proven = close(task, place(task, found, bound, effort), bound, effort)
    return assemble(found, best, bound, proven)


def assemble(found: Sequence[Buffer], placement: Placement, bound: int, proven: bool = False) -> Plan:
    """Names the offsets of a placement."""
    where = {(b.kind, b.index): offset for b, offset in zip(found, placement.offsets, strict=True)}
    return Plan(
        tuple(offset for (kind, _), offset in where.items() if kind == "tensor"),
        {index: offset for (kind, index), offset in where.items() if kind == "scratch"},
        {index: offset for (kind, index), offset in where.items() if kind == "state"},
        placement.arena,
        bound,
        proven or placement.arena == bound,
    )


def place(task: Problem, found: Sequence[Buffer], enough: int, effort: int = EFFORT) -> Placement:
    """The best of first fit, and, unless that is `enough`, of a search for just that arena."""
    best = min((first_fit(task, order) for order in orders(task, found)), key=lambda p: p.arena)
    if best.arena <= enough:
        return best
    return fit(task, enough, effort) or best


def close(task: Problem, best: Placement, bound: int, effort: int = EFFORT) -> tuple[Placement, bool]:
    """Halves the distance between the best arena and the largest that is out of reach; True if that is proven."""
    floor, proven = bound - 1, True  # nothing fits into floor bytes
    while best.arena - floor > (1 if proven else 1 + bound // 200):
        middle = (floor + best.arena) // 2 if floor >= bound else bound
        better, sure = attempt(task, middle, effort, proven)
        if better:
            best = better
        else:
            floor, proven = middle, proven and sure
    return best, proven


def attempt(task: Problem, arena: int, effort: int, prove: bool) -> tuple[Placement | None, bool]:
    """A placement within the arena, or None, and whether that is proven."""
    nodes = effort * 100 // (1000 + 2 * len(task.pairs))  # a node costs as much as some dozens of placements
    found, sure = settle(task, arena, nodes // 10)
    if sure:
        return found, True
    found = fit(task, arena, effort // 4)
    return settle(task, arena, nodes) if prove and not found else (found, False)


def settle(task: Problem, arena: int, nodes: int) -> tuple[Placement | None, bool]:
    """What the exact search says within that many nodes; (None, False) if it does not get to an end."""
    try:
        return decide(task, arena, nodes), True
    except Exhausted:
        return None, False


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
