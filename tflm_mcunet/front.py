"""The front of SRAM against work: from the least arena to layer by layer, and below it by computing some things twice."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Any

from tflm_mcunet.errors import Error
from tflm_mcunet.options import Options

BUDGETS = (1.1, 1.3, 2.0)
"""Multiples of the model's work that recomputation may cost."""

LIMITS = 6
"""Arenas between the least one and that of layer by layer for which the fastest schedule is looked up."""

UNLIMITED = 1 << 40
"""More SRAM than any board has."""


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


def front(model: bytes, source: str, options: Options, run: Callable[..., Iterable[Any]] = map) -> list[Point]:
    """The schedules that no other beats in both arena and work, the smallest arena first. Limits in `options` are ignored.

    `run` is `map`, or that of a pool of processes.
    """
    points = sorted(_points(model, source, options, run), key=lambda p: (p.arena, _work(p)))
    best: list[Point] = []
    for point in points:
        if not best or _work(point) < _work(best[-1]):
            best.append(point)
    return best


def _work(point: Point) -> tuple[int, int]:
    return (point.instructions or point.macs_executed, point.macs_executed)


def _points(model: bytes, source: str, options: Options, run: Callable[..., Iterable[Any]]) -> Iterator[Point]:
    free = replace(options, schedule="auto", sram=UNLIMITED, patches=None, patch_depth=None)
    point = partial(_point, model, source)
    ends = (replace(free, minimize="sram"), replace(free, minimize="latency", schedule="layer"))
    least, layer = run(point, ends, ("least", "layer"))
    assert least is not None
    assert layer is not None
    yield from (least, layer)
    limits = [round(least.arena * (layer.arena / least.arena) ** (step / (LIMITS + 1))) for step in range(1, LIMITS + 1)]
    others = [
        *(replace(free, minimize="sram", macs_budget=budget) for budget in BUDGETS),
        *(replace(free, minimize="latency", sram=limit) for limit in limits),
    ]
    labels = [*(f"recomputing up to {budget:g}x" for budget in BUDGETS), *(f"within {limit:,}" for limit in limits)]
    yield from filter(None, run(point, others, labels))


def _point(model: bytes, source: str, options: Options, label: str) -> Point | None:
    """None where nothing fits."""
    from tflm_mcunet.compiled import Compiled
    from tflm_mcunet.compiler import build
    from tflm_mcunet.passes.patches import PatchError

    try:
        report = Compiled(model, build(model, source, options, must_fit=False)).report
    except PatchError:  # nothing that recomputing could gain
        return None
    if report["sram"]["arena"] > (options.sram or UNLIMITED):
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
