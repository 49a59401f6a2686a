"""Chooses how a graph runs: its schedule and memory plan, and the patches it is cut into first, if any."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import NamedTuple

from patch_scheduler import Network, Plan, Schedule, in_order, live_bytes, lower_bound, peaks, schedule
from patch_scheduler.choose import Search, tight
from patch_scheduler.cuts import StagePeaks, least_peak
from patch_scheduler.rows import FORMS, fit_rows
from tflm_mcunet.codegen.lower import Lowered, lower
from tflm_mcunet.cost import scheduler_cost
from tflm_mcunet.gates import recomputed_maps
from tflm_mcunet.graph import Graph, Tensor
from tflm_mcunet.operators.source import Source
from tflm_mcunet.options import Options
from tflm_mcunet.passes.patches import PatchError, depths, patch

SIDES = (2, 3, 4, 5, 6, 7, 8)
"""Patches per side that the search for `patch` tries."""

REPEATED = 600
"""Operators in all patches together that it tries: each has a record in flash, some hundred bytes."""

STRIPS = ((1, 2), (1, 3), (2, 2))
"""Grids that the search tries where rows stream inside a patch: upright strips keep the rows between patches."""

CACHE_LINE = 32
"""Bytes of a line of the Cortex-M7's and M55's data cache, which inputs that DMA writes must not share."""

TENSOR_ALIGNMENT = 16
"""Of all tensors in TFLM's arena."""

TRIED = 2
"""Candidates for recomputation that get a full plan: those of the least bounds, or of the least work that may fit a limit."""

STEEP = 1.5
"""Where the bound of as many operators in patches is so far above the least, that of finer patches will be too."""

WORTHWHILE = 0.98
"""Of the arena without recomputation, what that must get below: by its bound before it gets a plan, and by the plan."""


@dataclass(frozen=True)
class Planned:
    """A graph as it will run. `macs_recomputed` counts what is computed again."""

    graph: Graph
    lowered: Lowered
    schedule: Schedule
    plan: Plan
    macs_recomputed: int = 0

    @cached_property
    def live_bytes(self) -> list[int]:
        """Per scheduled operator, the most bytes that live during one of its events."""
        return busiest(self.lowered, self.schedule)


def busiest(lowered: Lowered, schedule: Schedule) -> list[int]:
    """Per scheduled operator, the most bytes that live during one of its events."""
    most = [0] * len(lowered.operators)
    for event, bytes_ in zip(schedule.events, live_bytes(lowered.network, schedule), strict=True):
        most[event.operator] = max(most[event.operator], int(bytes_))
    return most


def plan_graph(graph: Graph, options: Options) -> Planned | None:
    """The fastest way to run within the limit by the options' schedule, None where none is found; without a limit, or where the
    least SRAM is asked for, there always is one.

    Raises PatchError where the patches asked for are impossible.
    """
    if options.schedule == "patch":
        return min((planned for _, planned in _tried(graph, options, "layer")), key=_arena, default=None)
    whole = _planned(graph, graph, options, options.schedule)
    if options.macs_budget == 1 or (whole is not None and options.minimize != "sram"):
        return whole
    twice = recomputed(graph, options, _bound(graph, options, options.schedule))
    if whole is None:
        return min(twice, key=_repeated, default=None)
    return min((whole, *(other for other in twice if _arena(other) < WORTHWHILE * _arena(whole))), key=_arena)


def plan_least(graph: Graph, options: Options) -> Planned:
    """The smallest way to run by the options' schedule, whatever else they ask for."""
    planned = plan_graph(graph, replace(options, minimize="sram"))
    assert planned is not None
    return planned


class Within:
    """Plans of one graph within the limit."""

    def __init__(self, graph: Graph, options: Options) -> None:
        self.graph, self.options, self.lowered = graph, options, lowered(graph, options)
        self.twice = options.schedule == "patch" or options.macs_budget > 1
        cost = scheduler_cost(self.lowered.operators, options.board)
        mode = "layer" if options.schedule == "patch" else options.schedule
        self.search = Search(self.lowered.network, mode, options.minimize, cost)  # type: ignore[arg-type]

    def tight(self) -> Schedule:
        """Events that need about the least arena without computing anything twice."""
        return tight(self.lowered.network, self.search.mode)

    @property
    def bound(self) -> int:
        """No schedule has a lower peak."""
        return self.search.bound

    def best(self, limit: int) -> Planned | None:
        """The fastest plan found within the limit."""
        if not self.twice:
            return self._planned(self.search.within(limit))
        if self.options.schedule == "patch" and _forced_bound(self.graph, self.options) > limit:
            return None
        return plan_graph(self.graph, self.options)

    def loose(self, limit: int) -> Planned | None:
        """The fastest plan found where rows have room."""
        return self._planned(self.search.loose(limit))

    def lean(self, limit: int) -> Planned | None:
        """The plan of the least peak, if its rows fit."""
        return self._planned(self.search.lean(limit))

    def _planned(self, found: tuple[Schedule, Plan] | None) -> Planned | None:
        return Planned(self.graph, self.lowered, *found) if found else None


def recomputed(graph: Graph, options: Options, bound: int) -> list[Planned]:
    """Plans that compute some rows twice, within the budget of work, where they can need clearly less than `bound` bytes."""
    below = WORTHWHILE * bound
    if peaks.Peaks(lowered(graph, options).network).edges >= below:
        return []
    mode = "auto" if options.input == "whole" else "layer"
    return [*(planned for _, planned in _tried(graph, options, mode, below)), *_gated(graph, options, below)]


def _gated(graph: Graph, options: Options, below: float) -> Iterator[Planned]:
    """With maps before gates or expanded rows computed again: the first that fits, or those of the least bounds."""
    found = [each for each in recomputed_maps(graph, options.macs_budget * graph.macs) if each[0] < below]
    limit = _limit(options)
    least: float = math.inf
    for peak, candidate in found[: -TRIED - 1 : -1] if limit is None else [each for each in found if each[0] <= limit]:
        planned = _planned(graph, candidate, options, "auto") if peak < least else None
        if planned is not None:
            least = planned.plan.arena
            yield planned
            if limit is not None:
                return


def _limit(options: Options) -> int | None:
    """The bytes within which a plan is looked for; None where it is the one of the least SRAM, or SRAM is no question."""
    return None if options.minimize == "sram" else options.sram_limit


def _grids(options: Options) -> Iterable[tuple[int, int]]:
    """The grids worth a try, or the one that was asked for."""
    sides = SIDES if options.patches is None else (options.patches,)
    squares = options.schedule == "patch" or options.input == "pull"
    return tuple((side, side) for side in sides) if squares else STRIPS


def _deeper(
    graph: Graph, grid: tuple[int, int], options: Options, promising: Callable[[int], bool]
) -> Iterator[tuple[int, Graph]]:
    """Graphs by the number of operators that run in patches, where that is promising."""
    if options.patch_depth is not None:
        possible: Iterable[int] = (options.patch_depth,)
    else:
        possible = depths(graph) if options.schedule == "patch" else _worthwhile(graph)
    for depth in filter(promising, possible):
        try:
            yield depth, patch(graph, grid, depth)
        except PatchError:
            if options.patches is not None or options.patch_depth is not None:
                raise


def _worthwhile(graph: Graph) -> Iterator[int]:
    """Depths behind which the map is smaller than behind any depth before: others only add overlap."""
    least = None
    for depth in depths(graph):
        size = graph.operators[depth - 1].output.bytes
        if least is None or size < least:
            least = size
            yield depth


class _Cut(NamedTuple):
    """A graph in patches, how many operators run in them, and a bound of its arena."""

    bound: int
    graph: Graph
    grid: tuple[int, int]
    depth: int

    @property
    def smallness(self) -> tuple[int, int]:
        """The least bound first, then the least work."""
        return self.bound, self.graph.macs

    @property
    def thrift(self) -> tuple[int, int]:
        """Where nothing says how much memory there is: bytes count as much as work."""
        return self.bound * self.graph.macs, self.bound


def forced(graph: Graph, options: Options) -> Options:
    """The options with the patches that are found best, so that no others are looked for."""
    found = _tried(graph, options, "layer") or _tried(graph, replace(options, minimize="sram"), "layer")
    cut, _ = min(found, key=lambda each: each[1].plan.arena)
    return replace(options, patches=cut.grid[0], patch_depth=cut.depth)


def _tried(graph: Graph, options: Options, mode: str, below: float = math.inf) -> list[tuple[_Cut, Planned]]:
    """In patches: the plan with the least work that fits, or those of the least arenas; where their bounds are `below`."""
    cuts = _bounded(graph, options, mode)
    if not cuts and options.schedule == "patch":
        raise PatchError("--schedule patch: this model has no part that patches could run")
    limit = _limit(options)
    smallest = options.minimize == "sram" or limit is not None
    estimated = sorted((cut for cut in cuts if cut.bound < below), key=lambda cut: cut.smallness if smallest else cut.thrift)
    if limit is not None:
        fitting = sorted((cut for cut in estimated if cut.bound <= limit), key=lambda cut: cut.graph.macs)
        tries = dict.fromkeys([*fitting[:TRIED], *estimated[: bool(fitting)]])
        found = ((cut, _planned(graph, cut.graph, options, mode)) for cut in tries)
        return next(([(cut, planned)] for cut, planned in found if planned is not None), [])
    plans: list[tuple[_Cut, Planned]] = []
    for cut in estimated[:TRIED]:
        if all(cut.bound < planned.plan.arena for _, planned in plans):
            planned = _planned(graph, cut.graph, options, mode)
            assert planned is not None
            plans.append((cut, planned))
    return plans


def _bounded(graph: Graph, options: Options, mode: str) -> list[_Cut]:
    """Patches within the budget of work, grid by grid and deeper and deeper, but for depths that no finer grid can save."""
    budget = math.inf if options.schedule == "patch" else options.macs_budget * graph.macs
    behind = _behind(graph, options) if options.schedule == "patch" else {}
    limit, least = _limit(options) or 0, math.inf
    cuts, hopeless = list[_Cut](), set[int]()

    def promising(grid: tuple[int, int], depth: int) -> bool:
        few = math.prod(grid) * depth <= REPEATED or options.patches is not None
        return few and depth not in hopeless and behind.get(depth, 0) < max(least, limit + 1)

    for grid in _grids(options):
        deeper = _deeper(graph, grid, options, partial(promising, grid))
        for depth, candidate in itertools.takewhile(lambda found: found[1].macs <= budget, deeper):
            bound = _bound(candidate, options, mode)
            least = min(least, bound)
            if bound > STEEP * max(least, limit):
                hopeless.add(depth)
            else:
                cuts.append(_Cut(bound, candidate, grid, depth))
    return cuts


def _behind(graph: Graph, options: Options) -> dict[int, int]:
    """The least peak of the layers that follow on patches of every depth: finer grids change nothing there."""
    found = lowered(graph, options)
    layers = peaks.Peaks(found.network)
    worst = {op: layers.best(index, 1) for index, op in enumerate(found.operators)}
    first = int(bool(graph.operators) and isinstance(graph.operators[0], Source))
    return {depth: max((worst.get(op, 0) for op in graph.operators[first + depth :]), default=0) for depth in depths(graph)}


def _repeated(planned: Planned) -> int:
    return planned.macs_recomputed


def _arena(planned: Planned) -> int:
    return planned.plan.arena


def _bound(graph: Graph, options: Options, mode: str) -> int:
    """The least peak of live bytes of a schedule; rows of a pulled input come when a patch asks for them."""
    network: Network = lowered(graph, options).network
    if mode != "layer":
        return max(least_peak(StagePeaks(network).peak), peaks.Peaks(network).edges)
    single = tuple(1 for _ in network.operators)
    if all(operator.reads for operator in network.operators):
        return peaks.Peaks(network).least(single)
    return lower_bound(network, in_order(network, single))


def _forced_bound(graph: Graph, options: Options) -> int:
    """The bound in the patches that the options name."""
    assert options.patches is not None
    assert options.patch_depth is not None
    return _bound(patch(graph, (options.patches, options.patches), options.patch_depth), options, "layer")


def _planned(original: Graph, graph: Graph, options: Options, mode: str) -> Planned | None:
    """None where no schedule is found within the limit."""
    lower = lowered(graph, options)
    cost = scheduler_cost(lower.operators, options.board)
    limit = _limit(options)
    found = (
        schedule(lower.network, mode=mode, minimize=options.minimize, cost=cost)  # type: ignore[arg-type]
        if limit is None
        else Search(lower.network, mode, options.minimize, cost).within(limit)  # type: ignore[arg-type]
    )
    return Planned(graph, lower, *found, graph.macs_executed - original.macs_executed) if found else None


def lowered(graph: Graph, options: Options) -> Lowered:
    """The graph as the scheduler sees it."""
    own = TENSOR_ALIGNMENT if options.stage else 1
    keep, aligned = "keep-input" in options.extras, CACHE_LINE if "dma" in options.extras else own
    return lower(graph, keep_inputs=keep, input_alignment=aligned, output_alignment=own)


def next_bytes(tensor: Tensor, extras: Collection[str]) -> int:
    """Bytes of the buffer beside the arena that `double-buffer` gives an input: whole cache lines where DMA writes it."""
    line = CACHE_LINE if "dma" in extras else 1
    return -(-tensor.bytes // line) * line


def replan(planned: Planned, graph: Graph, options: Options, limit: int) -> Planned | None:
    """The same events with the operators of another graph, which differ in their kernels alone; None where they do not fit."""
    found = lowered(graph, options)
    where = fit_rows(found.network, planned.schedule, limit, forms=FORMS[1:])
    return Planned(graph, found, planned.schedule, where, planned.macs_recomputed) if where else None
