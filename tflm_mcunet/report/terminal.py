"""Reports as tables in the terminal."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from tflm_mcunet.front import Point
from tflm_mcunet.targets import Target

WIDTH = 110
"""Columns that tables may take even where the terminal has fewer: long lines say more than cells cut short."""


def summary(report: Mapping[str, Any], headline: str) -> None:
    """What a compilation gave, in a few lines."""
    sram, flash = report["sram"], report["flash"]
    print(headline)
    print(f"  arena    {sram['arena']:>12,} bytes of SRAM (lower bound {sram['lower_bound']:,})")
    print(f"  weights  {flash['weights']:>12,} bytes of flash")
    work = f"  work     {report['macs']:>12,} MACs in {len(report['operators'])} operators"
    print(f"{work}, {report['macs_executed']:,} executed" if report["macs_executed"] != report["macs"] else work)
    estimate = report["estimate"]
    error = f"on average {estimate['error']:.1%} off, at worst {estimate['worst_error']:.1%}"
    print(f"  time     {estimate['instructions']:>12,} estimated instructions on a {estimate['core']} ({error})")
    if "modelled_cycles" in estimate:
        print(f"           {estimate['modelled_cycles']:>12,} estimated cycles of a modelled Cortex-M4 without wait states")


def analysis(report: Mapping[str, Any]) -> None:
    """The whole report."""
    summary(report, f"{report['model']} for {report['target']}")
    table = _table("#", "operator", "output", "details", "MACs", "est. instructions", "SRAM", "weights")
    for number, op in enumerate(report["operators"]):
        shape = " ".join("x".join(map(str, s)) for s in op["outputs"])
        figures = (f"{op[key]:,}" for key in ("macs", "estimated_instructions", "sram", "weights"))
        table.add_row(str(number), op["kind"], shape, op["details"], *figures)
    _print(table, right={"#", "MACs", "est. instructions", "SRAM", "weights"})


def rewriting(report: Mapping[str, Any], headline: str) -> None:
    """What a rewriting gave, in a few lines."""
    print(headline)
    for stage in report["stages"]:
        print(f"  {stage['name']}: operators {stage['first']} to {stage['last'] - 1}, {stage['weights']:,} bytes of weights in C")
    arena = report["arena"]
    print(f"  arena    {arena['after']:>12,} bytes of tensors, where TFLM needs {arena['before']:,} or more for the model as it was")
    print(f"  model    {report['model_bytes']:>12,} bytes of flash, {report['original_bytes']:,} before")


def front_table(points: Iterable[Point]) -> None:
    """The front of SRAM against work."""
    table = _table("schedule", "arena", "MACs executed", "MACs recomputed", "instructions (estimated)")
    for p in points:
        instructions = "" if p.instructions is None else f"{p.instructions:,}"
        table.add_row(p.schedule, f"{p.arena:,}", f"{p.macs_executed:,}", f"{p.macs_recomputed:,}", instructions)
    _print(table, right={"arena", "MACs executed", "MACs recomputed", "instructions (estimated)"})


def target_table(boards: Iterable[Target]) -> None:
    """Boards and cores."""
    table = _table("target", "core", "SRAM", "flash", "description")
    for board in boards:
        table.add_row(board.name, board.core, _kilobytes(board.sram_bytes), _kilobytes(board.flash_bytes), board.description)
    _print(table, right={"SRAM", "flash"})


def operator_table(operators: Mapping[str, list[str]]) -> None:
    """Supported operators and their limits."""
    table = _table("operator", "limits")
    for kind, rules in operators.items():
        table.add_row(kind, "\n".join(rules))
    _print(table)


def _kilobytes(size: int | None) -> str:
    return "" if size is None else f"{size // 1024:,} KB"


def _table(*columns: str) -> Table:
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for column in columns:
        table.add_column(column)
    return table


def _print(table: Table, right: Iterable[str] = ()) -> None:
    for column in table.columns:
        if str(column.header) in right:
            column.justify = "right"
            column.no_wrap = True
    Console(width=max(Console().width, WIDTH)).print(table)
