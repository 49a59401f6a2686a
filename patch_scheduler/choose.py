"""The front door: the schedule and plan that suit what is asked for, and the whole front of arena against time."""

from __future__ import annotations

from typing import Literal

from patch_scheduler.cost import Cost, default_cost, total_cost
from patch_scheduler.demand import in_order
from patch_scheduler.geometry import Network
from patch_scheduler.lives import lower_bound
from patch_scheduler.optimize import schedule_layers
from patch_scheduler.plan import Plan
from patch_scheduler.rows import plan_rows
from patch_scheduler.schedule import Schedule
from patch_scheduler.streams import Streams

Mode = Literal["auto", "layer", "stream"]
Aim = Literal["latency", "sram", "flash"]


def schedule(
    network: Network, *, mode: Mode = "auto", limit: int | None = None, minimize: Aim = "latency", cost: Cost | None = None
) -> tuple[Schedule, Plan]:
    """The fastest (or smallest) schedule within `limit` bytes; above them, the least arena found.

    Args:
        mode: `layer` finishes every operator before the next starts (where memory is short, rows that the application
            supplies come when they are asked for), `stream` computes rows when they are asked for and each once, `auto` takes
            whichever is better.
        limit: for `latency` and `flash`. Without one `auto` stays layer-by-layer, and `stream` is as small as it gets.
        minimize: `latency` by `cost`; `sram` the least arena; `flash` the fewest tables, which are those of fused operators.
        cost: estimated time of one operator; multiply-accumulates, events and fetched weights by default.
    """
    if not network.operators or (mode == "auto" and limit is None and minimize != "sram"):
        return schedule_layers(network, limit)
    if mode == "layer":
        return _layers(network, None if minimize == "sram" else limit, minimize)
    if minimize == "flash":
        cost = _table_entries(network)
    streams = Streams(network, cost or default_cost(network))
    if minimize == "sram":
        found = streams.smallest()
        return found if mode == "stream" else min(schedule_layers(network), found, key=_arena)
    if mode == "stream":
        return streams.fastest(limit) if limit is not None else streams.smallest()
    assert limit is not None
    layers = schedule_layers(network, limit)
    return layers if layers[1].arena <= limit else min(layers, streams.fastest(limit), key=_arena)


def _layers(network: Network, limit: int | None, minimize: Aim) -> tuple[Schedule, Plan]:
    """Layer by layer; where memory is short, rows that the application supplies come when they are asked for."""
    found = schedule_layers(network, limit)
    short = minimize == "sram" or (limit is not None and found[1].arena > limit)
    if not short or all(operator.reads for operator in network.operators):
        return found
    return min(found, _supplied(network, limit or 0), key=_arena)


def _supplied(network: Network, limit: int) -> tuple[Schedule, Plan]:
    """Layers with supplied rows on demand: the longest blocks within the limit, or single rows."""
    events = max(operator.steps for operator in network.operators)
    for count in (1 << power for power in range(events.bit_length())):
        block = tuple(-(-operator.steps // count) if operator.reads else 1 for operator in network.operators)
        how = in_order(network, block)
        if lower_bound(network, how) <= limit:
            where = plan_rows(network, how, limit)
            if where.arena <= limit:
                return how, where
    how = in_order(network, (1,) * len(network.operators))
    return how, plan_rows(network, how)


def pareto(network: Network, *, points: int = 8, cost: Cost | None = None) -> list[tuple[int, float, Schedule, Plan]]:
    """(arena, cost, schedule, plan) from the smallest arena to the fastest schedule, each better than the last in time."""
    cost = cost or default_cost(network)
    if not network.operators:
        return [_point(schedule_layers(network), cost)]
    streams = Streams(network, cost)
    smallest, layers = streams.smallest(), schedule_layers(network)
    whole = schedule_layers(network, 1 << 60)
    low, high = smallest[1].arena, max(layers[1].arena, smallest[1].arena)
    found = [_point(each, cost) for each in (smallest, layers, whole)]
    for point in range(1, points):
        limit = round(low * (high / max(low, 1)) ** (point / points))
        found.append(_point(streams.fastest(limit), cost))
    found.sort(key=lambda each: each[:2])
    front: list[tuple[int, float, Schedule, Plan]] = []
    for each in found:
        if not front or each[1] < front[-1][1]:
            front.append(each)
    return front


def _point(found: tuple[Schedule, Plan], cost: Cost) -> tuple[int, float, Schedule, Plan]:
    return found[1].arena, total_cost(found[0], cost), *found


def _arena(found: tuple[Schedule, Plan]) -> int:
    return found[1].arena


def _table_entries(network: Network) -> Cost:
    """Fused operators need their rows in tables; everything else is the same code."""
    return lambda index, block, fused: float(fused * network.operators[index].steps)
