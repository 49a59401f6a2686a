"""Draws the figures of docs/concepts.md: `python docs/figures/concepts.py`, from plans of the network in examples/."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from tflm_mcunet.compiler import build  # noqa: E402
from tflm_mcunet.options import Options  # noqa: E402
from tflm_mcunet.report.timeline import timeline  # noqa: E402

COLOURS = {
    "input": "#f0e442",
    "convolution": "#0072b2",
    "pointwise": "#56b4e9",
    "depthwise": "#e69f00",
    "elementwise": "#cc79a7",
    "other": "#009e73",
    "state": "#d55e00",
    "scratch": "#8d949c",
}
"""Okabe and Ito's, which colour-blind readers can tell apart."""

WAYS = {"layer": "layer by layer", "patch": "patch by patch", "stream": "streamed"}
TEXT = 'font-family="system-ui, sans-serif" font-size="13" fill="#222"'


def svg(width: int, height: int, parts: Iterable[str], title: str) -> str:
    """A picture on white, readable on dark pages too."""
    frame = f'<rect width="{width}" height="{height}" rx="8" fill="#fff"/>'
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img" aria-label="{title}">',
            frame,
            *parts,
            "</svg>\n",
        ]
    )


def text(x: float, y: float, words: str, anchor: str = "start") -> str:
    """Words."""
    return f'<text x="{x}" y="{y}" text-anchor="{anchor}" {TEXT}>{words}</text>'


def rectangle(x: float, y: float, width: float, height: float, fill: str, more: str = "") -> str:
    """A rectangle; `more` are further attributes."""
    return f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}" fill="{fill}" {more}/>'


def schedules() -> Iterator[str]:
    """Three plans of one network, with one scale of bytes."""
    model = (ROOT / "examples" / "fashion_mnist" / "model.tflite").read_bytes()
    found = {}
    for way in WAYS:
        options = Options(target="cortex-m4", schedule=way, minimize="sram")
        found[way] = timeline(build(model, "model", options).planned, options, way)
    top = max(plan["arena"] for plan in found.values())
    for column, (way, plan) in enumerate(found.items()):
        x, y = 20 + 270 * column, 250
        yield text(x, 22, f"{WAYS[way]}: {plan['arena']:,} bytes")
        yield from blocks(plan, x, y, 240 / plan["moments"], 210 / top)
        yield f'<path d="M{x} 36V{y}H{x + 240}" fill="none" stroke="#888"/>'


def blocks(plan: dict[str, Any], x: float, y: float, step: float, unit: float) -> Iterator[str]:
    """The buffers of a plan, a path each."""
    for buffer in plan["buffers"]:
        shapes = (
            f"M{x + step * a:.1f} {y - unit * (b + h):.1f}h{step * w:.1f}v{unit * h:.1f}h-{step * w:.1f}z"
            for a, b, w, h in buffer["rectangles"]
        )
        yield f'<path d="{"".join(shapes)}" fill="{COLOURS[buffer["kind"]]}"/>'


def rows() -> Iterator[str]:
    """A window over the rows of a map, which make one row of the next."""
    grey, live, new = "#e3e7eb", COLOURS["pointwise"], COLOURS["depthwise"]
    for row in range(12):
        yield rectangle(30, 40 + 15 * row, 200, 12, live if 5 <= row < 8 else grey)
        yield rectangle(330, 40 + 15 * row, 200, 12, new if row == 6 else live if row == 5 else grey)
    for row in (5, 6, 7):
        yield f'<path d="M232 {46 + 15 * row}L326 {46 + 15 * 6}" stroke="#555" fill="none"/>'
    yield text(30, 28, "input: three rows are alive")
    yield text(330, 28, "output: row 6 is computed")
    yield text(30, 240, "grey rows are not in memory: not yet computed, or no longer needed")


def patches() -> Iterator[str]:
    """What three by three patches of an output read of the input, with a border that neighbours share."""
    for part in (0, 1, 2, 3, 5, 6, 7, 8, 4):
        row, column = divmod(part, 3)
        fill = COLOURS["depthwise"] if part == 4 else COLOURS["pointwise"]
        yield rectangle(370 + 50 * column, 60 + 50 * row, 48, 48, fill)
        x, y = max(30 + 70 * column - 14, 30), max(40 + 70 * row - 14, 40)
        right, bottom = min(30 + 70 * column + 84, 240), min(40 + 70 * row + 84, 250)
        stroke = 'stroke="#333" stroke-width="2.5"' if part == 4 else 'stroke="#fff"'
        yield rectangle(x, y, right - x, bottom - y, fill, f'fill-opacity="0.45" {stroke}')
    yield '<path d="M256 145H354" stroke="#555"/><path d="M354 141l8 4l-8 4z" fill="#555"/>'
    yield text(30, 28, "what each patch reads")
    yield text(370, 48, "patches of the output")


def main() -> None:
    """Writes the figures beside this file."""
    figures = {
        "schedules.svg": (830, 265, schedules(), "one network, three schedules: address against step"),
        "rows.svg": (560, 255, rows(), "a window over rows"),
        "patches.svg": (550, 265, patches(), "patches that overlap"),
    }
    for name, (width, height, parts, title) in figures.items():
        Path(__file__).with_name(name).write_text(svg(width, height, parts, title))


if __name__ == "__main__":
    main()
