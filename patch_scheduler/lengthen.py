"""Blocks of single operators of a fused stage: longer ones where memory is left, shorter ones where it is not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from patch_scheduler.cost import Cost
from patch_scheduler.demand import streamed
from patch_scheduler.geometry import Access, Network
from patch_scheduler.lives import live_bytes, lower_bound
from patch_scheduler.schedule import Stage

WORTH = 0.001  # of the stage's time: smaller gains are not worth a simulation


def lengthen(network: Network, part: Network, stage: Stage, block: Sequence[int], limit: int, cost: Cost) -> tuple[int, ...]:
    """Blocks of all operators, those of the stage, `part`, halving their events one by one as long as its peak permits.

    Those that gain most, which fetch most weights, come first.
    """
    steps = list(block)
    members = set(range(*stage))
    while members:
        gains = {index: _gain(network, index, steps[index], cost) for index in members}
        index = max(sorted(members), key=gains.__getitem__)
        if gains[index] <= WORTH * sum(cost(i, steps[i], True) for i in range(*stage)):
            break
        trial = steps.copy()
        trial[index] = _next(network, index, steps[index])
        if stage_peak(part, trial[slice(*stage)]) <= limit:
            steps = trial
        else:
            members.remove(index)
    return tuple(steps)


def shorten(part: Network, stage: Stage, pace: Sequence[int], limit: int) -> tuple[int, ...] | None:
    """Blocks that divide the steps at a pace, begun with leads, until the peak of the stage, `part`, fits the limit; None if it
    never does."""
    whole, own = list(pace), pace[slice(*stage)]
    everything = 0, len(own)
    while True:
        how = streamed(part, [everything], whole[slice(*stage)], own, leading=[everything])
        live = live_bytes(part, how)
        if int(live.max()) <= limit:
            return tuple(whole)
        worst = stage[0] + how.events[int(live.argmax())].operator
        if whole[worst] == 1:
            return None
        whole[worst] = -(-whole[worst] // 2)


def _next(network: Network, index: int, block: int) -> int:
    steps = network.operators[index].steps
    return -(-steps // max(-(-steps // block) // 2, 1))


def _gain(network: Network, index: int, block: int, cost: Cost) -> float:
    return cost(index, block, True) - cost(index, _next(network, index, block), True)


def stage_peak(part: Network, block: Sequence[int]) -> int:
    """The most bytes that live during a stage, by its own events in blocks of so many steps."""
    return lower_bound(part, streamed(part, [(0, len(block))], block))


def isolated(network: Network, stage: Stage) -> Network:
    """The stage as a network: what is there before it and still needed are inputs, what is needed after it outputs."""
    first, last = stage
    before = {access.tensor for op in network.operators[:first] for access in op.writes} | set(network.inputs)
    written = before | {access.tensor for op in network.operators[first:last] for access in op.writes}
    after = {access.tensor for op in network.operators[last:] for access in op.reads} | set(network.outputs)
    used = {access.tensor for op in network.operators[first:last] for access in op.reads}
    inputs, outputs = sorted(before & (used | after)), sorted(written & after)
    made = {access.tensor for op in network.operators[first:last] for access in op.writes}
    place = {tensor: index for index, tensor in enumerate(sorted({*inputs, *made}))}

    def moved(accesses: tuple[Access, ...]) -> tuple[Access, ...]:
        return tuple(replace(access, tensor=place[access.tensor]) for access in accesses)

    return Network(
        tuple(network.tensors[tensor] for tensor in place),
        tuple(replace(op, reads=moved(op.reads), writes=moved(op.writes)) for op in network.operators[first:last]),
        tuple(place[tensor] for tensor in inputs),
        tuple(place[tensor] for tensor in outputs),
    )
