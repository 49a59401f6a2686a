"""The front of SRAM against work: from the least arena to layer by layer, and below it by computing some things twice."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from patch_scheduler import validate
from patch_scheduler.choose import UNLIMITED
from tflm_mcunet.compiler import prepared, supported
from tflm_mcunet.cost import load
from tflm_mcunet.errors import Error
from tflm_mcunet.graph import Graph
from tflm_mcunet.kernels.choice import plan_with_kernels, recomputed_with_kernels
from tflm_mcunet.options import Options
from tflm_mcunet.planning import Planned

BUDGETS = (2.0, 1.3, 1.1)
"""Multiples of the model's work that recomputation may cost."""

FORMATS = (".png", ".svg", ".pdf")
"""Of drawings."""

LIMITS = 6
"""Arenas between the least one and that of layer by layer for which the fastest schedule is looked up."""

NEAR = 1.01
"""A schedule this near to the fastest one needs no faster one beside it."""

WHOLE = ("layer", "stream")
"""Schedules that compute nothing twice."""


@dataclass(frozen=True)
class Point:
    """One schedule: bytes of arena, multiply-accumulates executed and done again, estimated instructions."""

    schedule: str
    arena: int
    macs_executed: int
    macs_recomputed: int
    instructions: int

    def as_dict(self) -> dict[str, Any]:
        """The JSON form."""
        return asdict(self)


def front(model: bytes, source: str, options: Options) -> list[Point]:
    """The schedules that no other beats in both arena and work, the smallest arena first. Limits in `options` are ignored."""
    graph = prepared(supported(model, source), options)
    return front_above(graph, options, {way: least_plan(graph, options, way) for way in WHOLE})


def least_plan(graph: Graph, options: Options, schedule: str) -> Planned:
    """The least arena that a schedule reaches without computing anything twice, but for patches; raises PatchError."""
    return _checked(plan_with_kernels(graph, replace(_free(options), schedule=schedule, minimize="sram")))


def front_above(graph: Graph, options: Options, least: Mapping[str, Planned]) -> list[Point]:
    """The front of a graph from the compiler's passes, given the least arenas of schedules that compute nothing twice."""
    points = [_point(plan, options, f"least ({way})") for way, plan in least.items()]
    smallest = min(plan.plan.arena for plan in least.values())
    points += _recomputing(graph, options, min(plan.plan.lower_bound for plan in least.values()), smallest)
    points += _within(graph, options, smallest)
    return _unbeaten(points)


def _within(graph: Graph, options: Options, least: int) -> Iterator[Point]:
    """The fastest schedules within arenas above the least one, until more memory would gain nothing."""
    fastest = _fastest(graph, options, "layer", UNLIMITED)
    yield fastest
    for step in range(1, LIMITS + 1):
        limit = round(least * (fastest.arena / least) ** (step / (LIMITS + 1)))
        point = _fastest(graph, options, "auto", limit)
        if point.arena <= limit:
            yield point
            if point.instructions <= NEAR * fastest.instructions:
                return


def _recomputing(graph: Graph, options: Options, bound: int, least: int) -> Iterator[Point]:
    """The least arenas within budgets of work, and the fastest schedules between these and the least one without recomputation.

    A plan that needs less than its budget is that of lower budgets too.
    """
    share, found = max(BUDGETS) + 1, list[tuple[float, int]]()
    for budget in BUDGETS:
        if budget < share:
            plan = recomputed_with_kernels(graph, replace(_free(options), minimize="sram", macs_budget=budget), bound)
            if plan is None:
                break
            found.append((budget, plan.plan.arena))
            share = 1 + plan.macs_recomputed / max(graph.macs, 1)
            yield _point(_checked(plan), options, f"recomputing up to {budget:g}x")
    for (budget, arena), above in zip(found, [*(arena for _, arena in found), least][1:], strict=True):
        point = _fastest(graph, options, "auto", round(math.sqrt(arena * above)), budget)
        if point.arena < above:
            yield point


def _fastest(graph: Graph, options: Options, schedule: str, limit: int, budget: float = 1.0) -> Point:
    chosen = replace(_free(options), schedule=schedule, minimize="latency", sram=limit, macs_budget=budget)
    name = "fastest" if limit == UNLIMITED else f"fastest within {limit:,}"
    name += f", recomputing up to {budget:g}x" if budget > 1 else ""
    return _point(_checked(plan_with_kernels(graph, chosen)), options, name)


def _free(options: Options) -> Options:
    return replace(options, schedule="auto", sram=UNLIMITED, patches=None, patch_depth=None, macs_budget=1.0)


def _checked(planned: Planned) -> Planned:
    validate(planned.lowered.network, planned.schedule, planned.plan)
    return planned


def _point(planned: Planned, options: Options, schedule: str) -> Point:
    operators, model = planned.lowered.operators, load(options.board)
    blocks = zip(operators, planned.schedule.block, strict=True)
    return Point(
        schedule,
        planned.plan.arena,
        sum(op.macs_executed for op in operators),
        planned.macs_recomputed,
        sum(round(model.estimate(op, block).instructions) for op, block in blocks),
    )


def _unbeaten(points: Iterable[Point]) -> list[Point]:
    best: list[Point] = []
    for point in sorted(points, key=lambda p: (p.arena, p.instructions, p.macs_executed)):
        if not best or (point.instructions, point.macs_executed) < (best[-1].instructions, best[-1].macs_executed):
            best.append(point)
    return best


def check_plot(path: str) -> None:
    """Raises Error where nothing could be drawn, before points are looked for."""
    if Path(path).suffix.lower() not in FORMATS:
        raise Error(f"cannot write {path}: --plot draws {', '.join(FORMATS)}")
    if not Path(path).resolve().parent.is_dir():
        raise Error(f"cannot write {path}: there is no such folder")
    if find_spec("matplotlib") is None:
        raise Error("--plot needs matplotlib: pip install 'tflm-mcunet[plot]'")


def plot(points: list[Point], path: str, title: str) -> None:
    """Draws the front into a .png, .svg or .pdf; raises Error where it cannot be written."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.add_subplot()
    axes.step([p.arena / 1024 for p in points], [p.instructions / 1e6 for p in points], where="post", marker="o", color="#0072b2")
    axes.set(xlabel="arena (KB)", ylabel="estimated instructions (million)")
    axes.set_title(title)
    axes.grid(alpha=0.3)
    try:
        figure.savefig(path)
    except (OSError, ValueError) as error:
        raise Error(f"cannot write {path}: {error}") from error
