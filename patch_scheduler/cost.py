"""What a schedule costs in time: the measure by which the fastest of those that fit is chosen."""

from __future__ import annotations

from collections.abc import Callable

from patch_scheduler.geometry import Network
from patch_scheduler.schedule import Schedule

Cost = Callable[[int, int, bool], float]
"""(operator, steps per event, whether it is fused with others in one stage) -> estimated time."""

EVENT = 300.0  # a call, its table entry and the row pointers, in multiply-accumulates
FETCH = 1.0  # a weight byte fetched once more
FUSED = 1.02  # fused operators leave caches and wide register blocks less often to themselves


def default_cost(network: Network) -> Cost:
    """Multiply-accumulates, a price for every event, and the weights once for every event."""

    def cost(index: int, block: int, fused: bool) -> float:
        operator = network.operators[index]
        events = -(-operator.steps // block)
        return operator.macs * (FUSED if fused else 1.0) + events * (EVENT + FETCH * operator.weight_bytes)

    return cost


def fused(schedule: Schedule) -> list[bool]:
    """Whether each operator shares its stage with others."""
    flags = [False] * len(schedule.block)
    for first, last in schedule.stages:
        flags[first:last] = [last - first > 1] * (last - first)
    return flags


def total_cost(schedule: Schedule, cost: Cost) -> float:
    """The sum over all operators."""
    return sum(cost(index, block, flag) for index, (block, flag) in enumerate(zip(schedule.block, fused(schedule), strict=True)))


def least_cost(network: Network, cost: Cost) -> float:
    """The estimated time of layers in whole blocks: no schedule is faster."""
    return sum(cost(index, operator.steps, False) for index, operator in enumerate(network.operators))
