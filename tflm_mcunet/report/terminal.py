"""Reports as tables in the terminal."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from tflm_mcunet.targets import Target


def summary(report: Mapping[str, Any], headline: str) -> None:
    """What a compilation gave, in a few lines."""
    sram, flash = report["sram"], report["flash"]
    print(headline)
    print(f"  arena    {sram['arena']:>12,} bytes of SRAM (lower bound {sram['lower_bound']:,})")
    print(f"  weights  {flash['weights']:>12,} bytes of flash")
    print(f"  work     {report['macs']:>12,} MACs in {len(report['operators'])} operators")


def analysis(report: Mapping[str, Any]) -> None:
    """The whole report."""
    summary(report, f"{report['model']} for {report['target']}")
    table = _table("#", "operator", "output", "details", "MACs", "SRAM", "weights")
    for number, op in enumerate(report["operators"]):
        shape = " ".join("x".join(map(str, s)) for s in op["outputs"])
        cells = [str(number), op["kind"], shape, op["details"], f"{op['macs']:,}", f"{op['sram']:,}", f"{op['weights']:,}"]
        table.add_row(*cells)
    _print(table, right={"#", "MACs", "SRAM", "weights"})


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
        if column.header in right:
            column.justify = "right"
    Console().print(table)
