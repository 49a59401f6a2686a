"""Fast kernels need scratch memory: chooses, per operator, the fastest kernel for which the schedule leaves room."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from itertools import chain, groupby, islice
from typing import NamedTuple

from patch_scheduler import Schedule, lower_bound
from patch_scheduler.choose import NEAR, UNLIMITED
from patch_scheduler.cost import total_cost
from patch_scheduler.holes import holes
from tflm_mcunet.codegen.lower import Lowered
from tflm_mcunet.cost import load, scheduler_cost
from tflm_mcunet.graph import Graph
from tflm_mcunet.kernels import alternatives, flash
from tflm_mcunet.operators.base import Operator
from tflm_mcunet.options import Options
from tflm_mcunet.planning import Planned, Within, busiest, forced, lowered, plan_graph, plan_least, recomputed, replan

SHARES = (1.0, 0.97, 0.9)
"""Parts of the goal within which kernels are chosen until a plan meets it: scratch has one address during all of its events."""

MODERATE = 900
"""Steps of all operators up to which a network is planned with every set of kernels."""

COARSE = 1000
"""A search for a smaller arena goes to this part of it where rows may be computed twice."""

GAPS = 1.05
"""The arena of rows that may be placed quickly, as part of their peak of live bytes: about the least."""


class _Room(NamedTuple):
    """Bytes that an operator's scratch may have, and the steps of its longest event."""

    scratch: int
    block: int


Rooms = Mapping[int, _Room]
"""By the operator's index, which patches of one operator share."""


class _Kernels:
    """The kernels that can compute each operator of a graph."""

    def __init__(self, graph: Graph, options: Options) -> None:
        self.graph, self.board, self.features = graph, options.board, options.board.features
        self.model = load(options.board)
        self.offered: dict[Operator, list[Operator]] = {}
        self.known: dict[tuple[Operator, int], float] = {}
        self.plain: dict[type[Operator], type[Operator]] = {}
        for op in graph.operators:
            found = list(alternatives(op, self.features))
            self.offered |= dict.fromkeys((op, *found), found)
            self.plain |= {type(each): type(op) for each in found}

    @property
    def only_one(self) -> bool:
        """Whether there is nothing to choose."""
        return all(len(found) == 1 for found in self.offered.values())

    def fastest(self) -> Graph:
        """Every operator in the kernel that is fastest in events of whole maps."""
        return self._exchanged(self.graph, {op: self.offered[op] for op in self.graph.operators}, {})

    @property
    def least_cost(self) -> float:
        """The estimated time where memory limits nothing."""
        operators = self.fastest().operators
        cost = scheduler_cost(operators, self.board)
        return sum(cost(index, op.steps, False) for index, op in enumerate(operators))

    def leanest(self) -> Graph:
        """Every operator in the kernel that needs least scratch in events of one step; of several the fastest."""
        return self.fitting(self.graph, {op.index: _Room(0, 1) for op in self.graph.operators})

    def fitting(self, graph: Graph, rooms: Rooms, *, in_step: bool = False) -> Graph:
        """Every operator in the kernel that is fastest in its events, of those with room for their scratch, or with the least.

        `in_step`: of kernels that divide the work into the same steps, so that the events stay as they are.
        """
        allowed = {}
        for op in graph.operators:
            room = rooms.get(op.index, _Room(0, 1))
            kernels = [each for each in self._kernels_of(op) if each.steps == op.steps or not in_step]
            sizes = {each: _scratch(each, room.block) for each in kernels}
            most = max(room.scratch, min(sizes.values()))
            allowed[op] = [each for each, size in sizes.items() if size <= most]
        return self._exchanged(graph, allowed, rooms)

    def filling(self, graph: Graph, rooms: Rooms) -> Graph:
        """The same of kernels that make no more demands on the places of rows than those of the graph."""
        allowed = {}
        for op in graph.operators:
            room = rooms.get(op.index, _Room(0, 1))
            others = [
                each for each in self._kernels_of(op) if _undemanding(each, op) and _scratch(each, room.block) <= room.scratch
            ]
            allowed[op] = others or [op]
        return self._exchanged(graph, allowed, rooms)

    def _exchanged(self, graph: Graph, allowed: Mapping[Operator, list[Operator]], rooms: Rooms) -> Graph:
        """Every operator in the allowed kernel that costs least; of those in the one with least scratch."""

        def cost(op: Operator) -> tuple[float, int]:
            block = min(rooms[op.index].block if op.index in rooms else op.steps, op.steps)
            if (op, block) not in self.known:
                estimate = self.model.estimate(op, block)
                self.known[op, block] = estimate.instructions if estimate.cycles is None else estimate.cycles
            return self.known[op, block], _scratch(op, block)

        return graph.exchange({op: min(found, key=cost) if len(found) > 1 else found[0] for op, found in allowed.items()})

    def _kernels_of(self, op: Operator) -> list[Operator]:
        """The kernels for an operator of the graph in any of them, or for a patch of one."""
        if op not in self.offered:
            plain = self.plain.get(type(op), type(op))
            same = plain.like(op)
            self.offered[op] = list(alternatives(same, self.features))
        return self.offered[op]


def plan_with_kernels(graph: Graph, options: Options) -> Planned:
    """The fastest kernels where they fit the limit; for the least SRAM, fast ones wherever they do not enlarge the arena."""
    kernels = _Kernels(graph, options)
    options = _with_patches(kernels, options)
    return _plan_within(kernels, options) or _least_with_kernels(kernels, options)


def _with_patches(kernels: _Kernels, options: Options) -> Options:
    """For `patch`, the options with the patches that are found best, so that no others are looked for."""
    if options.schedule != "patch" or (options.patches is not None and options.patch_depth is not None):
        return options
    return forced(kernels.leanest(), options)


def _plan_within(kernels: _Kernels, options: Options) -> Planned | None:
    """The fastest plan, or that of the least code, within the limit; None where none is found, or the least SRAM is asked for."""
    if options.minimize == "sram":
        return None
    if options.minimize == "flash":
        planned = plan_graph(flash.smallest(kernels.graph, options), options)
        if planned is not None:
            return planned
    if options.sram_limit is None:
        options = replace(options, sram=UNLIMITED)
    return plan_graph(kernels.graph, options) if kernels.only_one else _within(kernels, options)


def _least_with_kernels(kernels: _Kernels, options: Options) -> Planned:
    """The smallest plan, with fast kernels wherever they do not enlarge the arena."""
    limit = options.sram_limit
    least = plan_least(kernels.leanest(), options)
    if not kernels.only_one:
        least = _quicker(kernels, least, least.plan.arena, options)
    refused = limit is not None and least.plan.arena > limit
    streamed = options.schedule != "patch"
    return _smaller(kernels, options, least) if streamed and (refused or _is_moderate(least.lowered)) else least


def _smaller(kernels: _Kernels, options: Options, least: Planned) -> Planned:
    """A plan below it that a search for what is faster within a limit comes upon, if any.

    It follows from the options without their limit, and no search within one byte less succeeds: what an error names compiles.
    Where rows may be computed twice a search takes longer, so that it goes to a thousandth, with the leanest kernels alone.
    """
    aim = "latency" if options.minimize == "sram" else options.minimize
    if not least.macs_recomputed:
        options = replace(options, macs_budget=1.0)
    leanest = Within(kernels.leanest(), replace(options, minimize=aim))

    def within(limit: int) -> Planned | None:
        limited = replace(options, minimize=aim, sram=limit)
        if not leanest.twice:
            return _plan_within(kernels, limited)
        found = plan_graph(leanest.graph, limited)
        return found and _quicker(kernels, found, found.plan.arena, limited)

    return descended(least, within, COARSE if leanest.twice else 0)


def descended(least: Planned, within: Callable[[int], Planned | None], coarse: int) -> Planned:
    """The smallest plan that searches below it find, each twice as far below the last until one fails, then between the two.

    `coarse`: what lies less than this part of an arena below it is looked for once alone; 0: none is found one byte below.
    """
    exact, step, failed = 1, 1, 0
    while least.plan.arena - exact > failed:
        limit = max(least.plan.arena - step, (least.plan.arena + failed) // 2)
        found = within(limit)
        if found is None:
            failed = limit
        else:
            least = found
            exact = max(1, least.plan.arena // coarse) if coarse else 1
            step = 2 * max(step, exact)
    return least


def recomputed_with_kernels(graph: Graph, options: Options, bound: int) -> Planned | None:
    """The least arena by computing some rows twice, where it can be clearly less than `bound` bytes; None elsewhere."""
    kernels = _Kernels(graph, options)
    found = recomputed(kernels.leanest(), options, bound)
    if not found:
        return None
    least = min(found, key=lambda planned: planned.plan.arena)
    return _quicker(kernels, least, least.plan.arena, options)


def _within(kernels: _Kernels, options: Options) -> Planned | None:
    """The fastest plan found within the limit, with kernels for whose scratch there is room."""
    leanest = Within(kernels.leanest(), options)
    events, limit = leanest.tight(), options.sram_limit or 0
    if leanest.twice or _is_moderate(leanest.lowered):
        return _fastest(kernels, leanest, events, limit)
    sets = [*_roomy(kernels, leanest, events, limit), leanest]
    bound = limit / GAPS  # where rows can be expected to fit with the gaps that they leave
    for search in sets:
        if search.bound <= bound:
            planned = search.loose(limit)
            if planned is not None:
                break
            bound = search.bound - 1
    else:
        ends = dict.fromkeys([sets[0], leanest])  # where the first do not fit, what lies between them hardly ever does
        planned = next((planned for planned in (search.lean(limit) for search in ends) if planned), None)
    if planned is None or _cost(planned, options) <= NEAR * kernels.least_cost:
        return planned
    return _quicker(kernels, planned, limit, options)


def _is_moderate(lowered: Lowered) -> bool:
    return sum(op.steps for op in lowered.operators) <= MODERATE


def _fastest(kernels: _Kernels, leanest: Within, events: Schedule, limit: int) -> Planned | None:
    """The fastest of the plans with every set of kernels."""
    plans = list[Planned]()
    for search in chain(_roomy(kernels, leanest, events, limit), [leanest]):
        planned = search.best(limit)
        if planned is None:
            continue
        if _cost(planned, leanest.options) <= NEAR * kernels.least_cost:
            return planned
        plans.append(_quicker(kernels, planned, limit, leanest.options))
    return min(plans, key=lambda found: _cost(found, leanest.options), default=None)


def _roomy(kernels: _Kernels, leanest: Within, events: Schedule, limit: int) -> Iterator[Within]:
    """The fastest kernels, then those for whose scratch the tightest events leave room."""
    rooms = (_rooms(leanest.lowered, events, share * limit) for share in SHARES)
    for graph in _different(chain([kernels.fastest()], (kernels.fitting(kernels.graph, room) for room in rooms))):
        yield Within(graph, leanest.options)


def _quicker(kernels: _Kernels, planned: Planned, goal: int, options: Options) -> Planned:
    """The same events with faster kernels, within a goal that the plan meets: where rows lie, or elsewhere if that is faster."""
    filled = _filled(kernels, planned, goal, options)
    enough = _cost(filled, options) / NEAR
    rooms = (_rooms(planned.lowered, planned.schedule, share * goal) for share in SHARES)
    graphs = _different(kernels.fitting(planned.graph, room, in_step=True) for room in rooms)
    faster = (graph for graph in graphs if _cost(replace(planned, lowered=lowered(graph, options)), options) < enough)
    tries = islice(faster, len(SHARES) if _is_moderate(planned.lowered) else 1)
    moved = (replan(planned, graph, options, goal) for graph in tries)
    return next((found for found in moved if found is not None), filled)


def _blocks(planned: Planned) -> Iterator[tuple[Operator, int]]:
    return zip(planned.lowered.operators, planned.schedule.block, strict=True)


def _cost(planned: Planned, options: Options) -> float:
    """The estimated time of one inference."""
    return total_cost(planned.schedule, scheduler_cost(planned.lowered.operators, options.board))


def _different(graphs: Iterable[Graph]) -> Iterator[Graph]:
    """Those of other kernels than the one before."""
    for _, same in groupby(graphs, key=lambda graph: graph.operators):
        yield next(same)


def _rooms(lowered: Lowered, schedule: Schedule, allowance: float) -> Rooms:
    """What remains of the allowance beside what lives at the operators' worst events."""
    found: dict[int, _Room] = {}
    for op, live, block in zip(lowered.operators, busiest(lowered, schedule), schedule.block, strict=True):
        _note(found, op, _Room(int(allowance) - live + _scratch(op, block), block))
    return found


def _note(rooms: dict[int, _Room], op: Operator, room: _Room) -> None:
    """The least room that patches of an operator have, with the longest events."""
    before = rooms.get(op.index, room)
    rooms[op.index] = _Room(min(before.scratch, room.scratch), max(before.block, room.block))


def _filled(kernels: _Kernels, planned: Planned, goal: int, options: Options) -> Planned:
    """The plan with faster kernels where the memory for their scratch is free, so that nothing else moves."""
    schedule, rooms = planned.schedule, dict[int, _Room]()
    free = holes(planned.lowered.network, schedule, planned.plan, goal)
    for op, hole, block in zip(planned.lowered.operators, free, schedule.block, strict=True):
        _note(rooms, op, _Room(hole.size, block))
    graph = kernels.filling(planned.graph, rooms)
    new = lowered(graph, options)
    sizes = {index: _scratch(op, schedule.block[index]) for index, op in enumerate(new.operators)}
    scratch = {index: free[index].offset for index, size in sizes.items() if size}
    arena = max([planned.plan.arena, *(offset + sizes[index] for index, offset in scratch.items())])
    bound = lower_bound(new.network, schedule)
    plan = replace(planned.plan, scratch=scratch, arena=arena, lower_bound=bound, optimal=arena == bound)
    return replace(planned, graph=graph, lowered=new, plan=plan)


def _undemanding(new: Operator, old: Operator) -> bool:
    """Whether a kernel can take another's place where rows may already lie anywhere, or outputs over inputs."""
    shared = all(new.in_place(index) or not old.in_place(index) for index in range(len(old.inputs)))
    lags = all(new.lag(index) == old.lag(index) for index in range(len(old.inputs)) if old.lag(index) is not None)
    return shared and lags and (new.row_pointers or not old.row_pointers) and (new.state, new.steps) == (old.state, old.steps)


def _scratch(op: Operator, block: int) -> int:
    return op.scratch + op.scratch_per_step * min(block, op.steps)
