"""Reports as tables in the terminal."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from io import StringIO
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from tflm_mcunet.graph import shortened
from tflm_mcunet.report.verdict import sentence
from tflm_mcunet.targets import Target

if TYPE_CHECKING:
    from tflm_mcunet.doctor import Finding
    from tflm_mcunet.keras import Cost

WIDTH = 120
"""Columns that tables may take even where the terminal has fewer: long lines say more than cells cut short."""


def summary(report: Mapping[str, Any], headline: str) -> None:
    """What a compilation gave, in a few lines."""
    sram, flash = report["sram"], report["flash"]
    print(headline)
    above = f"{sram['gap']:,} above the lower bound, {sram['lower_bound']:,}"
    proof = "proved least for this schedule" if sram["optimal"] else above
    print(f"  arena    {sram['arena']:>12,} bytes of SRAM ({proof})")
    print(f"  weights  {flash['weights']:>12,} bytes of flash")
    if report["verdict"]["sram"]["limit"] is not None or report["verdict"]["flash"]["limit"] is not None:
        print(f"  verdict  {sentence(report['verdict'], report['target'])}")
    work = f"  work     {report['macs']:>12,} MACs in {len(report['operators'])} operators"
    print(f"{work}, {report['macs_executed']:,} executed" if report["macs_executed"] != report["macs"] else work)
    channels = report["channels"]
    if channels["removed"]:
        print(f"  channels {channels['removed']:>12,} of {channels['total']:,} removed: proved constant, or read by nobody")
    estimate = report["estimate"]
    error = f"on average {estimate['error']:.1%} off, at worst {estimate['worst_error']:.1%}"
    print(f"  time     {estimate['instructions']:>12,} estimated instructions on a {estimate['core']} ({error})")
    if "modelled_cycles" in estimate:
        print(f"           {estimate['modelled_cycles']:>12,} estimated cycles of a modelled Cortex-M4 without wait states")


def analysis(report: Mapping[str, Any], measured: Mapping[str, Any] | None = None) -> None:
    """The whole report, with the instructions of every operator where they were measured."""
    summary(report, f"{report['model']} for {report['target']}")
    figures = ["MACs", "est. instructions", *["instructions"] * (measured is not None), "SRAM", "weights"]
    table = _table("#", "operator", "output", "details", *figures, "")
    for number, op in enumerate(report["operators"]):
        shape = " ".join("x".join(map(str, s)) for s in op["outputs"])
        cells = [op["macs"], op["estimated_instructions"]]
        cells += [measured["operators"][number]["instructions"]] if measured else []
        cells += [op["sram"], op["weights"]]
        bar = _bar(op["sram"], report["sram"]["arena"])
        table.add_row(str(number), op["kind"], shape, op["details"], *(f"{cell:,}" for cell in cells), bar)
    _print(table, right={"#", *figures}, whole={"operator", ""})


BARS = " ▏▎▍▌▋▊▉█"
BAR = 10


def _bar(value: int, whole: int) -> str:
    """A bar of up to BAR characters."""
    eighths = round(8 * BAR * value / max(whole, 1))
    return "█" * (eighths // 8) + BARS[eighths % 8].strip()


def keras_summary(name: str, found: Cost) -> str:
    """The table that `tflm_mcunet.summary` prints."""
    table = _table("layer", "operator", "output", "MACs", "int8 weights", "SRAM", "")
    for layer in found.layers:
        figures = (f"{figure:,}" for figure in (layer.macs, layer.weights, layer.sram))
        bar = _bar(layer.sram, max(each.sram for each in found.layers))
        table.add_row(shortened(layer.name, 40), layer.kind, "x".join(map(str, layer.shape[1:])), *figures, bar)
    console = Console(width=WIDTH, record=True, file=StringIO(), force_jupyter=False)
    _print(table, right={"MACs", "int8 weights", "SRAM"}, whole={"layer", "operator", ""}, console=console)
    layered = found.schedule == "layer"
    bound = "estimated" if layered or found.fits else "at most"
    way = "layer by layer" if layered else "with rows that stream through line buffers"
    lines = [
        f"{name} on {found.target}: {found.problem or 'fits'}",
        f"  SRAM          {found.sram:>13,} bytes expected, {way}; the least is about {found.sram_least:,}",
        f"  flash         {found.flash:>13,} bytes of weights and tables, and some kilobytes of code",
        f"  instructions  {found.instructions:>13,} {bound}, for {found.macs:,} MACs",
    ]
    return "\n".join([console.export_text().rstrip(), "", *lines])


def full_analysis(found: Mapping[str, Any]) -> None:
    """All that the page about a model shows."""
    analysis(found["report"], found["measured"])
    table = _table("schedule", "arena", "lower bound", "MACs recomputed", "instructions (estimated)", "arena over time")
    most = max(way["arena"] for way in found["memory"])
    for way in found["memory"]:
        figures = (way[key] for key in ("arena", "lower_bound", "macs_recomputed", "estimated_instructions"))
        table.add_row(way["schedule"], *(f"{figure:,}" for figure in figures), _heights(way, most))
    _print(table, right={"arena", "lower bound", "MACs recomputed", "instructions (estimated)"})
    front_table(found["front"])
    if found.get("accuracy"):
        evaluation(found["accuracy"])


COLUMNS = 32
HEIGHTS = "▁▂▃▄▅▆▇█"


def _heights(way: Mapping[str, Any], most: int) -> str:
    """The bytes that are kept over time, `most` being the highest column; each shows the worst moment of its part."""
    kept = [0] * way["moments"]
    for buffer in way["buffers"]:
        for first, _, moments, size in buffer["rectangles"]:
            for moment in range(first, first + moments):
                kept[moment] += size
    edges = [round(part * len(kept) / COLUMNS) for part in range(COLUMNS + 1)]
    columns = [max(kept[first : max(last, first + 1)], default=0) for first, last in pairwise(edges)]
    return "".join(HEIGHTS[min(round(8 * column / max(most, 1)), 8) - 1] if column else " " for column in columns)


def comparison(found: Mapping[str, Any]) -> None:
    """Figures in lines, candidates in columns, the best of each line in bold; long names take several lines, whole."""
    table = _table("")
    for item in found["items"]:
        width = max(len(f"{value:,}") for value in item["figures"].values())
        table.add_column(escape(item["name"].replace(":", ":\n")), justify="right", overflow="fold", min_width=width)
    for key, label in found["figures"].items():
        values = [item["figures"][key] for item in found["items"]]
        table.add_row(label, *(f"[bold]{value:,}[/]" if value == min(values) else f"{value:,}" for value in values))
    _print(table, whole={""})
    for item in found["items"]:
        print(f"{item['name']} {sentence(item['verdict'], found['target'])}")


def evaluation(found: Mapping[str, Any]) -> None:
    """Accuracy, agreement with TFLM, and the confusion matrix where it is small enough to read."""
    print(f"accuracy {found['accuracy']:.2%}: {found['correct']:,} of {found['samples']:,} samples are right")
    tflm = found["tflm"]
    if tflm["samples"]:
        agrees = f"{tflm['differing']:,} differ" if tflm["differing"] else "none differs"
        print(f"TFLM on {tflm['samples']:,} of them: {tflm['bytes']:,} bytes, {agrees}")
    if len(found["classes"]) <= LARGEST_MATRIX:
        table = _table("is \\ said", *found["classes"])
        for name, row in zip(found["classes"], found["confusion"], strict=True):
            table.add_row(name, *(str(count) if count else "·" for count in row))
        _print(table, right=set(found["classes"]))


LARGEST_MATRIX = 16


def rewriting(report: Mapping[str, Any], headline: str) -> None:
    """What a rewriting gave, in a few lines."""
    print(headline)
    for stage in report["stages"]:
        print(f"  {stage['name']}: operators {stage['first']} to {stage['last'] - 1}, {stage['weights']:,} bytes of weights in C")
    arena = report["arena"]
    print(
        f"  arena    {arena['after']:>12,} bytes of tensors, where TFLM needs {arena['before']:,} or more for the model as it was"
    )
    print(f"  model    {report['model_bytes']:>12,} bytes of flash, {report['original_bytes']:,} before")


def front_table(points: Iterable[Mapping[str, Any]]) -> None:
    """The front of SRAM against work, its points as in docs/schemas/front.schema.json."""
    table = _table("schedule", "arena", "MACs executed", "MACs recomputed", "instructions (estimated)")
    for p in points:
        figures = (p[key] for key in ("arena", "macs_executed", "macs_recomputed", "instructions"))
        table.add_row(p["schedule"], *(f"{figure:,}" for figure in figures))
    _print(table, right={"arena", "MACs executed", "MACs recomputed", "instructions (estimated)"})


def target_table(boards: Iterable[Target]) -> None:
    """Boards and cores."""
    table = _table("target", "core", "SRAM", "for an arena", "flash", "description")
    for board in boards:
        sizes = map(_kilobytes, (board.sram_bytes, board.arena_bytes, board.flash_bytes))
        table.add_row(board.name, board.core, *sizes, board.description)
    _print(table, right={"SRAM", "for an arena", "flash"})


def operator_table(operators: Mapping[str, list[str]]) -> None:
    """Supported operators and their limits."""
    table = _table("operator", "limits")
    for kind, rules in operators.items():
        table.add_row(kind, "\n".join(rules))
    _print(table)


def findings_table(findings: Iterable[Finding]) -> None:
    """What `doctor` found."""
    table = _table("", "what", "found")
    for finding in findings:
        colour = {"ok": "green", "missing": "yellow", "failed": "red"}[finding.status]
        table.add_row(f"[{colour}]{finding.status}[/]", finding.what, escape(finding.found))
    _print(table, whole={"", "what"})


def _kilobytes(size: int | None) -> str:
    return "" if size is None else f"{size // 1024:,} KB"


def _table(*columns: str) -> Table:
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for column in columns:
        table.add_column(column)
    return table


def _print(table: Table, right: Iterable[str] = (), whole: Iterable[str] = (), console: Console | None = None) -> None:
    """Numbers stand on the `right`; these and what must be `whole` stay on one line."""
    for column in table.columns:
        column.no_wrap = str(column.header) in {*right, *whole}
        if str(column.header) in right:
            column.justify = "right"
    (console or Console(width=max(Console().width, WIDTH))).print(table)
