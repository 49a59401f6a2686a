"""The network as a graph: operators from top to bottom in columns, what they read as lines, stages as bands."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from html import escape
from typing import Any

WIDTH, HEIGHT, GAP = 232, 26, 12
LEFT, COLUMN = 54, 330
"""Room for residual lines and the stage's band left of the nodes; width of a column."""

NAMES = {
    "CONV_2D": "CONV",
    "DEPTHWISE_CONV_2D": "DEPTHWISE",
    "FULLY_CONNECTED": "DENSE",
    "AVERAGE_POOL_2D": "AVERAGE_POOL",
    "MAX_POOL_2D": "MAX_POOL",
    "RESIZE_NEAREST_NEIGHBOR": "RESIZE",
    "RESIZE_BILINEAR": "RESIZE",
}
LONGEST = 16
"""Characters of a name that leave room for the shape."""

Span = tuple[int, int]


def network_svg(report: Mapping[str, Any], colours: Mapping[int, str], columns: int) -> str:
    """The operators of a report as an inline SVG of so many columns; `colours` are classes by operator."""
    operators = report["operators"]
    height = -(-len(operators) // columns)
    top = [(index % height) * (HEIGHT + GAP) + GAP for index in range(len(operators))]
    left = [index // height * COLUMN + LEFT for index in range(len(operators))]
    used = -(-len(operators) // max(height, 1))
    size = f"{max(used, 1) * COLUMN} {height * (HEIGHT + GAP) + GAP}"
    parts = [f'<svg class="net columns{columns}" viewBox="0 0 {size}" role="img" aria-label="operators and what they read">']
    parts += _bands(report["stages"], top, left, height)
    parts += _lines(operators, top, left)
    parts += (_node(number, op, colours.get(number, "other"), left[number], top[number]) for number, op in enumerate(operators))
    return "".join([*parts, "</svg>"])


def _bands(stages: list[Mapping[str, Any]], top: list[int], left: list[int], height: int) -> Iterator[str]:
    """A band per stage of several operators, cut where it goes on in the next column."""
    streams = [stage for stage in stages if len(stage["operators"]) > 1]
    for number, stage in enumerate(streams, 1):
        pieces: dict[int, list[int]] = {}
        for op in stage["operators"]:
            pieces.setdefault(op // max(height, 1), []).append(op)
        for ops in pieces.values():
            x, y, bottom = left[ops[0]] - 14, top[ops[0]] - 4, top[ops[-1]] + HEIGHT + 4
            tip = f"stage {number}: {len(stage['operators'])} operators row by row, blocks of {_blocks(stage)} steps"
            yield f'<rect class="band" x="{x}" y="{y}" width="{WIDTH + 28}" height="{bottom - y}" rx="8" data-tip="{tip}"/>'


def _blocks(stage: Mapping[str, Any]) -> str:
    low, high = min(stage["block"]), max(stage["block"])
    return f"{low}" if low == high else f"{low} to {high}"


def _lines(operators: list[Mapping[str, Any]], top: list[int], left: list[int]) -> Iterator[str]:
    """What operators read; lines past other operators have lanes of their own, beside the column or between two."""
    edges = [(source, index) for index, op in enumerate(operators) for source in op["reads_from"]]
    lanes: dict[int, list[list[Span]]] = {}
    between: dict[int, list[list[Span]]] = {}
    for source, index in sorted(edges, key=lambda edge: edge[1] - edge[0]):
        x, y, end = left[index], top[source] + HEIGHT, top[index]
        if source == index - 1 and left[source] == x:
            yield f'<path class="line" d="M{x + WIDTH // 2} {y}V{end}"/>'
        elif left[source] == x:
            turn = x - 10 - 6 * min(_lane(lanes.setdefault(x, []), (source, index)), 4)
            yield f'<path class="line skip" d="M{x} {y - 7}H{turn + 6}q-6 0 -6 6V{end + 1}q0 6 6 6H{x}"/>'
        else:
            span = min(y, end), max(y, end)
            turn = x - 42 - 5 * min(_lane(between.setdefault(x, []), span), 8)
            down = f"V{end + 7}" if y - HEIGHT // 2 != end + 7 else ""
            yield f'<path class="line skip" d="M{left[source] + WIDTH} {y - HEIGHT // 2}H{turn}{down}H{x}"/>'


def _lane(lanes: list[list[Span]], span: Span) -> int:
    """The first lane in which a line of that extent meets no other, and takes its place there."""
    for number, taken in enumerate(lanes):
        if all(high < span[0] or span[1] < low for low, high in taken):
            taken.append(span)
            return number
    lanes.append([span])
    return len(lanes) - 1


def _node(number: int, op: Mapping[str, Any], colour: str, x: int, y: int) -> str:
    shapes = " ".join("×".join(map(str, lengths[1:] or lengths)) for lengths in op["outputs"])
    name = NAMES.get(op["kind"], op["kind"])
    name = name if len(name) <= LONGEST else f"{name[: LONGEST - 1]}…"
    window = op["details"].split(" ")[0] if op["kind"] in NAMES and "x" in op["details"].split(" ")[0] else ""
    tip = "\n".join(
        [f"#{number} {op['kind']} {op['details']}", f"{op['macs']:,} MACs, {op['sram']:,} bytes live, {op['flash']:,} of flash"]
    )
    return (
        f'<g data-tip="{escape(tip)}"><rect class="node {colour}" x="{x}" y="{y}" width="{WIDTH}" height="{HEIGHT}" rx="5"/>'
        f'<text x="{x + 10}" y="{y + 17}"><tspan class="dim">{number}</tspan> {escape(f"{name} {window}")}</text>'
        f'<text class="dim" x="{x + WIDTH - 8}" y="{y + 17}" text-anchor="end">{escape(shapes)}</text></g>'
    )
