"""Reports as self-contained HTML pages: one template each, figures as inline SVG that scales with the window."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from html import escape
from itertools import groupby
from pathlib import Path
from typing import Any

import jinja2

from tflm_mcunet import __version__
from tflm_mcunet.errors import Error
from tflm_mcunet.graph import shortened
from tflm_mcunet.report.network import network_svg
from tflm_mcunet.report.verdict import sentence

KINDS = {
    "input": "input",
    "convolution": "convolution",
    "pointwise": "1x1 convolution",
    "depthwise": "depthwise",
    "elementwise": "residuals",
    "other": "other operators",
    "state": "accumulators",
    "scratch": "scratch",
}
"""Colours of the memory charts and what they stand for."""

WAYS = {
    "chosen": "as compiled",
    "layer": "layer by layer",
    "patch": "patch by patch",
    "stream": "streamed",
}


def page(analysis: Mapping[str, Any]) -> str:
    """The page about one model, from the data of `analysis.analyze`; with `accuracy`, what `evaluate` found."""
    report, measured = analysis["report"], analysis["measured"]
    return _render(
        "analysis.html.j2",
        title=report["model"],
        verdict=sentence(report["verdict"], report["target"]),
        operators=_operators(report, measured),
        flash=_flash(report, measured),
        networks=[network_svg(report, _colours(analysis["memory"][0]), columns) for columns in (1, 2, 3)],
        **{"accuracy": None, **analysis},
    )


def comparison(compared: Mapping[str, Any]) -> str:
    """The page about several models or schedules, from the data of `compare.compare`."""
    return _render("compare.html.j2", title=" / ".join(item["name"] for item in compared["items"]), **compared)


def small_page(report: Mapping[str, Any], memory: Mapping[str, Any]) -> str:
    """What a notebook shows of a compiled model: verdict, needs, and SRAM over time."""
    verdict = sentence(report["verdict"], report["target"])
    return _render("compiled.html.j2", title=report["model"], verdict=verdict, report=report, memory=memory)


def evaluation(found: Mapping[str, Any]) -> str:
    """What `evaluate` found, as a page."""
    return _render("evaluation.html.j2", title="accuracy", accuracy=found)


def embedded(text: str, height: int) -> str:
    """A page as a part of another, such as a notebook, whose styles do not mix."""
    return f'<iframe srcdoc="{escape(text)}" style="width: 100%; height: {height}px; border: 0"></iframe>'


def write(text: str, path: str) -> None:
    """Writes a page; raises Error where that fails."""
    try:
        Path(path).write_text(text, encoding="utf-8")
    except OSError as error:
        raise Error(f"cannot write {path}: {error.strerror or error}") from error


def _render(template: str, **values: Any) -> str:
    return _templates().get_template(template).render(kinds=KINDS, ways=WAYS, version=__version__, **values)


@cache
def _templates() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("tflm_mcunet.report"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters |= {
        "number": number, "short": short, "shape": shape, "path": _path, "steps": _steps, "name": shortened, "sentence": sentence,
    }  # fmt: skip
    return environment


def number(value: float) -> str:
    """Digits in groups of three."""
    return f"{value:,}"


def short(value: float) -> str:
    """Three significant digits: 960, 12.9k, 1.05M."""
    for factor, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= 0.9995 * factor:
            return f"{value / factor:.3g}{unit}"
    return f"{value:g}"


def shape(lengths: Iterable[int]) -> str:
    """80x80x3; a batch of one is left out."""
    lengths = list(lengths)
    return "×".join(map(str, lengths[1:] if len(lengths) > 1 and lengths[0] == 1 else lengths))


def _path(rectangles: Iterable[Sequence[int]]) -> str:
    """Rectangles (x, y, width, height) as one SVG path."""
    return "".join(f"M{x} {y}h{w}v{h}h-{w}z" for x, y, w, h in rectangles)


def _steps(points: Sequence[Mapping[str, Any]], x: str, y: str, left: float, top: float) -> str:
    """A staircase through points in percent of the axes' ends, as an SVG path."""
    places = [(100 * p[x] / left, 100 - 100 * p[y] / top) for p in points]
    return "M" + "".join(f"{a:.2f} {b:.2f}" if not i else f"H{a:.2f}V{b:.2f}" for i, (a, b) in enumerate(places))


def _colours(memory: Mapping[str, Any]) -> dict[int, str]:
    """What the operators' outputs are drawn in."""
    return {b["operator"]: b["kind"] for b in memory["buffers"] if b["shape"] is not None}


def _operators(report: Mapping[str, Any], measured: Mapping[str, Any] | None) -> Iterator[dict[str, Any]]:
    works: Iterable[Any] = measured["operators"] if measured else [None] * len(report["operators"])
    for op, work in zip(report["operators"], works, strict=True):
        yield {**op, "measured": work and work["instructions"]}


def _flash(report: Mapping[str, Any], measured: Mapping[str, Any] | None) -> dict[str, list[dict[str, Any]]]:
    """Bytes of flash by operator, the largest first, and by C function: constants, and code where it was measured."""
    numbered = [{**op, "number": number} for number, op in enumerate(report["operators"])]
    largest = sorted((op for op in numbered if op["flash"]), key=lambda op: -op["flash"])
    code = dict(measured["code"]) if measured else {}
    kernels = []
    for kernel, group in groupby(sorted(report["operators"], key=lambda op: op["kernel"]), key=lambda op: op["kernel"]):
        ops = list(group)
        kernels.append(
            {"name": kernel, "operators": len(ops), "constants": sum(op["flash"] for op in ops), "code": code.pop(kernel, 0)}
        )
    kernels += [{"name": name, "operators": 0, "constants": 0, "code": size} for name, size in code.items()]
    return {"operators": largest, "kernels": sorted(kernels, key=lambda k: -(k["constants"] + k["code"]))}
