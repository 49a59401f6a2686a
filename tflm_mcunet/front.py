"""The front of SRAM against work: from the least arena to layer by layer, and below it by computing some things twice."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from typing import Any

from tflm_mcunet.errors import Error
from tflm_mcunet.options import Options

BUDGETS = (1.1, 1.3, 2.0)
"""Multiples of the model's work that recomputation may cost."""

LIMITS = 6
"""Arenas between the least one and that of layer by layer for which the fastest schedule is looked up."""


@dataclass(frozen=True)
class Point:
    """One schedule: bytes of arena, multiply-accumulates executed and done again, estimated instructions if there are."""

    schedule: str
    arena: int
    macs_executed: int
    macs_recomputed: int
    instructions: int | None

    def as_dict(self) -> dict[str, Any]:
        """The JSON form."""
        return asdict(self)


def front(model: bytes, source: str, options: Options) -> list[Point]:
    """The schedules that no other beats in both arena and work, the smallest arena first. Limits in `options` are ignored."""
    points = sorted(set(_points(model, source, options)), key=lambda p: (p.arena, _work(p)))
    best: list[Point] = []
    for point in points:
        if not best or _work(point) < _work(best[-1]):
            best.append(point)
    return best


def _work(point: Point) -> tuple[int, int]:
    return (point.instructions or point.macs_executed, point.macs_executed)


def _points(model: bytes, source: str, options: Options) -> Iterator[Point]:
    least = _point(model, source, replace(options, minimize="sram", schedule="auto", sram=None), "least")
    layer = _point(model, source, replace(options, minimize="latency", schedule="layer", sram=1 << 40), "layer")
    assert least is not None
    assert layer is not None
    yield from (least, layer)
    for step in range(1, LIMITS + 1):
        limit = round(least.arena * (layer.arena / least.arena) ** (step / (LIMITS + 1)))
        found = _point(model, source, replace(options, minimize="latency", schedule="auto", sram=limit), f"within {limit:,}")
        if found is not None:
            yield found
    for budget in BUDGETS if options.input == "whole" else ():
        chosen = replace(options, minimize="sram", schedule="auto", sram=None, macs_budget=budget)
        found = _point(model, source, chosen, f"recomputing up to {budget:g}x")
        if found is not None:
            yield found


def _point(model: bytes, source: str, options: Options, label: str) -> Point | None:
    """None where nothing fits."""
    from tflm_mcunet.compiled import Compiled
    from tflm_mcunet.compiler import build

    try:
        report = Compiled(model, build(model, source, options)).report
    except Error:
        return None
    estimate = report.get("estimate")
    instructions = estimate["instructions"] if estimate else None
    return Point(label, report["sram"]["arena"], report["macs_executed"], report["macs_recomputed"], instructions)


def plot(points: list[Point], path: str, title: str) -> None:
    """Draws the front into a .png, .svg or .pdf; raises Error where matplotlib is missing."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise Error("--plot needs matplotlib: pip install 'tflm-mcunet[plot]'") from None
    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.add_subplot()
    axes.step([p.arena / 1024 for p in points], [_work(p)[0] / 1e6 for p in points], where="post", marker="o", color="#0072b2")
    axes.set(xlabel="arena (KB)", ylabel="estimated instructions (million)" if points[0].instructions else "MACs (million)")
    axes.set_title(title)
    axes.grid(alpha=0.3)
    try:
        figure.savefig(path)
    except (OSError, ValueError) as error:
        raise Error(f"cannot write {path}: {error}") from error
