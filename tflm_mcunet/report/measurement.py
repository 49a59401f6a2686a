"""What an emulated core measured, as data and for the terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

if TYPE_CHECKING:
    from tflm_mcunet.execute.profile import Work
    from tflm_mcunet.execute.qemu import Execution

WIDTH = 130
MODEL = "Cortex-M4 timing table at zero wait states: a model, not a measurement"


def as_dict(report: Mapping[str, Any], execution: Execution, *, profile: bool) -> dict[str, Any]:
    """The JSON form: instructions of one inference, modelled cycles, stack, and sections in bytes."""
    sizes = {name: getattr(execution, name) for name in ("image", "model", "library")}
    data: dict[str, Any] = {
        "model": report["model"],
        "target": report["target"],
        "on": execution.core,
        "instructions": execution.instructions,
        "macs": report["macs"],
        "weight_bytes_fetched": report["flash"]["weight_bytes_fetched"],
        "stack": execution.stack_bytes,
        "arena": report["sram"]["arena"],
        "sections": {
            name: {part: getattr(size, part) for part in ("text", "rodata", "data", "bss")} for name, size in sizes.items()
        },
    }
    if execution.modelled_cycles is not None:
        data["modelled"] = {"cycles": execution.modelled_cycles, "by": MODEL}
    if profile:
        assert execution.counts is not None
        assert execution.profile is not None
        data["functions"] = execution.counts.functions
        pairs = zip(report["operators"], execution.profile.operators, strict=True)
        data["operators"] = [_operator(op, work) for op, work in pairs]
        data["outside_operators"] = _work(execution.profile.outside)
    return data


def _operator(op: Mapping[str, Any], work: Work) -> dict[str, Any]:
    macs = op["macs_executed"]
    return {
        "name": op["name"],
        "kind": op["kind"],
        **_work(work),
        "macs": macs,
        "weight_bytes_fetched": op["weight_bytes_fetched"],
        "instructions_per_mac": round(work.instructions / macs, 3) if macs else None,
    }


def _work(work: Work) -> dict[str, Any]:
    modelled = {} if work.cycles is None else {"modelled_cycles": work.cycles}
    return {"instructions": work.instructions, **modelled}


def show(report: Mapping[str, Any], execution: Execution, *, profile: bool) -> None:
    """The same for people."""
    data = as_dict(report, execution, profile=profile)
    per_mac = f" ({data['instructions'] / data['macs']:.2f} per MAC)" if data["macs"] else ""
    print(f"{data['model']} on an emulated {data['on']}")
    print(f"  instructions {data['instructions']:>12,} of one inference{per_mac}")
    if "modelled" in data:
        print(f"  cycles       {data['modelled']['cycles']:>12,} modelled ({MODEL})")
    print(f"  weights      {data['weight_bytes_fetched']:>12,} bytes fetched from flash")
    print(f"  stack        {data['stack']:>12,} bytes")
    print(f"  arena        {data['arena']:>12,} bytes")
    for name, label in (("model", "generated code"), ("image", "linked image")):
        sizes = data["sections"][name]
        print(f"  {label:<14}" + ", ".join(f".{part} {size:,}" for part, size in sizes.items()))
    if profile:
        _show_functions(data)
        _show_operators(data, report)


def _show_functions(data: Mapping[str, Any]) -> None:
    table = _table("instructions", "share", "function", left={"function"})
    for name, count in data["functions"].items():
        table.add_row(f"{count:,}", _share(count, data), name)
    _print(table)


def _show_operators(data: Mapping[str, Any], report: Mapping[str, Any]) -> None:
    modelled = "modelled" in data
    columns = ["#", "operator", "output", "details", "instructions", "share", *["modelled cycles"] * modelled]
    table = _table(*columns, "MACs", "per MAC", "weight bytes", left={"operator", "output", "details"})
    outside = {"kind": "outside operators", "macs": 0, "weight_bytes_fetched": 0, "instructions_per_mac": None}
    rows = [*data["operators"], {**outside, **data["outside_operators"]}]
    for number, (row, op) in enumerate(zip(rows, [*report["operators"], None], strict=True)):
        shapes = " ".join("x".join(map(str, shape)) for shape in op["outputs"]) if op else ""
        cells = ["" if op is None else str(number), row["kind"], shapes, op["details"] if op else ""]
        cells += [f"{row['instructions']:,}", _share(row["instructions"], data)]
        cells += [f"{row['modelled_cycles']:,}"] if modelled else []
        per_mac = row["instructions_per_mac"]
        cells += [f"{row['macs']:,}", "" if per_mac is None else f"{per_mac:.2f}", f"{row['weight_bytes_fetched']:,}"]
        table.add_row(*cells)
    _print(table)


def _print(table: Table) -> None:
    """Prints the table whole: lines that are longer than the terminal is wide say more than cells cut short."""
    Console(width=max(Console().width, WIDTH)).print(table)


def _share(count: int, data: Mapping[str, Any]) -> str:
    return f"{100 * count / max(1, data['instructions']):.1f}%"


def _table(*columns: str, left: set[str]) -> Table:
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for column in columns:
        table.add_column(column, justify="left" if column in left else "right", no_wrap=column not in left)
    return table
