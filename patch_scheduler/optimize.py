"""Chooses blocks and directions of layer-by-layer schedules: the least peak first, then the longest blocks under it."""

from __future__ import annotations

from dataclasses import replace

from patch_scheduler.conflicts import Buffer, buffers, conflicts
from patch_scheduler.geometry import Network
from patch_scheduler.lives import lives
from patch_scheduler.peaks import Peaks, blocks
from patch_scheduler.plan import EFFORT, Plan, assemble, close, place
from patch_scheduler.schedule import Schedule, layer_by_layer
from patch_scheduler.search import EITHER, FORWARD, REVERSE, problem

Blocks = tuple[int, ...]


def schedule_layers(network: Network, limit: int | None = None, effort: int = EFFORT) -> tuple[Schedule, Plan]:
    """Every operator finishes before the next starts; the smallest arena, or the longest blocks within `limit` bytes.

    Long blocks mean few events, and weights fetched once per block. An arena above `limit` means that no smaller one
    was found. The plan's lower bound is the least peak over all blocks and directions, or, where a generous limit was
    spent on longer blocks, the peak of the schedule that was chosen.
    """
    peaks = Peaks(network)
    single = tuple(1 for _ in network.operators)
    least = peaks.least(single)
    target = max(least, limit or 0)
    schedule, found = _solve(network, peaks, peaks.longest(target), target, effort)
    if found.arena > target:
        schedule, found = _solve(network, peaks, single, None, effort)
        target = max(found.arena, limit or 0)
        longer, other = _solve(network, peaks, peaks.longest(target), target, effort)
        if other.arena <= target:
            schedule, found = longer, replace(other, optimal=found.optimal and other.arena == found.arena)
        else:
            schedule, found = _lengthen(network, peaks, schedule, found)
    if limit is not None and least < found.arena <= limit:
        least = peaks.peak(schedule)
    return schedule, replace(found, lower_bound=least, optimal=found.optimal or found.arena == least)


def _solve(network: Network, peaks: Peaks, block: Blocks, target: int | None, effort: int) -> tuple[Schedule, Plan]:
    """Offsets within `target` (None: in the smallest arena) for given blocks, and directions that the offsets permit."""
    count = len(network.operators)
    ahead = layer_by_layer(network, block, (False,) * count)
    back = layer_by_layer(network, block, tuple(operator.reversible for operator in network.operators))
    life = lives(network, ahead.events)
    found = buffers(network, ahead, life)
    forward = conflicts(network, ahead, found, life)
    life = lives(network, back.events)
    reverse = conflicts(network, back, buffers(network, back, life), life)
    open_ = [_directions(peaks, index, block[index], target) for index in range(count)]
    task = problem(found, forward, reverse, open_)
    bound, proven = peaks.least(block), False
    placement = place(task, found, bound if target is None else target, effort)
    if target is None:
        placement, proven = close(task, placement, bound, effort)
    turned = tuple(not direction & FORWARD for direction in placement.directions)
    return layer_by_layer(network, block, turned), assemble(found, placement, bound, proven)


def _directions(peaks: Peaks, index: int, block: int, target: int | None) -> int:
    """The directions in which the operator's own peak stays within the target."""
    operator = peaks.network.operators[index]
    if not operator.reversible or block >= operator.steps:
        return FORWARD
    if target is None:
        return EITHER
    fits = FORWARD * (peaks.of(index, block, False) <= target) | REVERSE * (peaks.of(index, block, True) <= target)
    return fits or EITHER


def _lengthen(network: Network, peaks: Peaks, schedule: Schedule, plan: Plan) -> tuple[Schedule, Plan]:
    """The longest blocks that leave all offsets where they are."""
    choices = [list(blocks(operator.steps)) for operator in network.operators]
    block = list(peaks.longest(plan.arena))
    while True:
        longer = layer_by_layer(network, tuple(block), schedule.reverse)
        culprits = {index for index in _violators(network, longer, plan) if block[index] > 1}
        if not culprits:
            return longer, plan
        for index in culprits:  # some blocks further on, so that a handful of rounds is enough
            later = [size for size in choices[index] if size < block[index]]
            block[index] = later[min(len(later) - 1, len(later) // 4)]


def _violators(network: Network, schedule: Schedule, plan: Plan) -> set[int]:
    """Operators whose blocks make the offsets of a plan wrong."""
    life = lives(network, schedule.events)
    found = buffers(network, schedule, life)
    offsets = [_offset(plan, buffer) for buffer in found]
    wrong = {b.index for b, o in zip(found, offsets, strict=True) if b.kind != "tensor" and o + b.size > plan.arena}
    for pair in conflicts(network, schedule, found, life):
        if pair.low < offsets[pair.second] - offsets[pair.first] < pair.high:
            work = {b.index for b in (found[pair.first], found[pair.second]) if b.kind != "tensor"}
            wrong |= work or ({pair.operator} if pair.operator >= 0 else set(range(len(network.operators))))
    return wrong


def _offset(plan: Plan, buffer: Buffer) -> int:
    if buffer.kind == "tensor":
        return plan.tensors[buffer.index]
    return (plan.scratch if buffer.kind == "scratch" else plan.state)[buffer.index]
