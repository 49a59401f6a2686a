"""The front door: the schedule and plan that suit what is asked for, and the whole front of arena against time."""

from __future__ import annotations

from functools import cached_property
from typing import Literal, get_args

from patch_scheduler.cost import Cost, default_cost, least_cost, total_cost
from patch_scheduler.demand import in_order
from patch_scheduler.geometry import Network
from patch_scheduler.optimize import schedule_layers
from patch_scheduler.peaks import Peaks
from patch_scheduler.plan import Plan
from patch_scheduler.rows import fit_rows, plan_rows
from patch_scheduler.schedule import Schedule
from patch_scheduler.streams import Found, Streams

Mode = Literal["auto", "layer", "stream"]
Aim = Literal["latency", "sram", "flash"]
UNLIMITED = 1 << 40  # where nothing limits the arena, blocks may be whole maps: fast kernels prepare weights once per block
NEAR = 1.01  # what is as near to the fastest is not worth a search


def schedule(
    network: Network, *, mode: Mode = "auto", limit: int | None = None, minimize: Aim = "latency", cost: Cost | None = None
) -> Found:
    """The fastest (or smallest) schedule within `limit` bytes; above them, the least arena found.

    Patches are no mode: what computes twice is another network, which `tflm_mcunet.passes.patches` makes.

    Args:
        mode: `layer` finishes every operator before the next starts (where memory is short, rows that the application
            supplies come when they are asked for), `stream` computes rows when they are asked for and each once, `auto` takes
            whichever is better.
        limit: for `latency` and `flash`. Without one `auto` stays layer-by-layer, and `stream` is as small as it gets.
        minimize: `latency` by `cost`; `sram` the least arena; `flash` the fewest tables, which are those of fused operators.
        cost: estimated time of one operator; multiply-accumulates, events and fetched weights by default.

    Raises:
        ValueError: there is no such mode or aim.
    """
    if mode not in get_args(Mode) or minimize not in get_args(Aim):
        choices = f"mode is one of {', '.join(get_args(Mode))}, minimize one of {', '.join(get_args(Aim))}"
        raise ValueError(f"mode={mode!r}, minimize={minimize!r}: {choices}; tflm_mcunet.passes.patches makes patches")
    if not network.operators or (mode == "auto" and limit is None and minimize != "sram"):
        return schedule_layers(network, limit)
    search = Search(network, mode, minimize, cost)
    if minimize == "sram" or limit is None:
        return search.least(waiting=minimize == "sram")
    return search.within(limit) or search.least(waiting=True)


def tight(network: Network, mode: Mode) -> Schedule:
    """Events whose rows need about the least arena, at once: no places are looked for."""
    if mode == "layer" or not network.operators:
        return _waiting(network, UNLIMITED)
    return Streams(network, default_cost(network)).tight()


class Search:
    """The schedules of one network and mode, by the arguments of `schedule`."""

    def __init__(self, network: Network, mode: Mode = "auto", minimize: Aim = "latency", cost: Cost | None = None) -> None:
        self.network, self.mode = network, mode
        self.cost = _table_entries(network) if minimize == "flash" else cost or default_cost(network)
        self.pulled = not all(operator.reads for operator in network.operators)

    @cached_property
    def streams(self) -> Streams:
        return Streams(self.network, self.cost)

    def least(self, waiting: bool) -> Found:
        """The least arena; layer by layer rows that the application supplies may be `waiting` until they are asked for."""
        if self.mode == "stream":
            return self.streams.smallest()
        layers = schedule_layers(self.network)
        if self.mode == "auto":
            other = self.streams.smallest()
        elif waiting and self.pulled:
            how = _waiting(self.network, UNLIMITED)
            other = how, plan_rows(self.network, how)
        else:
            return layers
        return min(layers, other, key=lambda found: found[1].arena)

    @property
    def bound(self) -> int:
        """No schedule has a lower peak."""
        return Peaks(self.network).least((1,) * len(self.network.operators)) if self.mode == "layer" else self.streams.least

    def within(self, limit: int) -> Found | None:
        """The fastest schedule found that fits."""
        return self.loose(limit) or self.lean(limit)

    def loose(self, limit: int) -> Found | None:
        """Layers alone where nothing else is asked for, or could be much faster; else also streams that leave room."""
        layers = None if self.mode == "stream" else schedule_layers(self.network, limit)
        if layers is not None and layers[1].arena > limit:
            layers = self._waiting_within(limit) if self.mode == "layer" else None
        if self.mode == "layer" or not self.network.operators:
            return layers
        if layers is not None and self._price(layers) <= NEAR * least_cost(self.network, self.cost):
            return layers
        return min((found for found in (layers, self.streams.loose(limit)) if found), key=self._price, default=None)

    def lean(self, limit: int) -> Found | None:
        """The stream of the least peak, or layers where nothing else is asked for."""
        if self.mode == "layer" or not self.network.operators:
            return self.loose(limit)
        return self.streams.lean(limit)

    def _price(self, found: Found) -> float:
        return total_cost(found[0], self.cost)

    def _waiting_within(self, limit: int) -> Found | None:
        """Layers with supplied rows on demand, in the longest blocks within the limit."""
        events = max((operator.steps for operator in self.network.operators), default=0)
        for count in (1 << power for power in range(events.bit_length() * self.pulled)):
            how = _waiting(self.network, count)
            where = fit_rows(self.network, how, limit)
            if where is not None:
                return how, where
        return None


def _waiting(network: Network, count: int) -> Schedule:
    """Layer by layer in about `count` events per operator; rows that the application supplies come when they are asked for."""
    return in_order(network, [-(-operator.steps // count) if operator.reads else 1 for operator in network.operators])


def pareto(network: Network, *, points: int = 8, cost: Cost | None = None) -> list[tuple[int, float, Schedule, Plan]]:
    """(arena, cost, schedule, plan) from the smallest arena to the fastest schedule, each better than the last in time."""
    cost = cost or default_cost(network)
    if not network.operators:
        return [_point(schedule_layers(network), cost)]
    streams = Streams(network, cost)
    smallest, layers = streams.smallest(), schedule_layers(network)
    whole = schedule_layers(network, UNLIMITED)
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


def _point(found: Found, cost: Cost) -> tuple[int, float, Schedule, Plan]:
    return found[1].arena, total_cost(found[0], cost), *found


def _table_entries(network: Network) -> Cost:
    """Fused operators need their rows in tables; everything else is the same code."""
    return lambda index, block, fused: float(fused * network.operators[index].steps)
