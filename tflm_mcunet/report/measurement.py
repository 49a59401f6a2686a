"""What an emulated core measured, as data and for the terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table

if TYPE_CHECKING:
    from tflm_mcunet.execute.qemu import Execution


def as_dict(report: Mapping[str, Any], execution: Execution, *, profile: bool) -> dict[str, Any]:
    """The JSON form: instructions of one inference, stack, and sections in bytes."""
    sizes = {name: getattr(execution, name) for name in ("image", "model", "library")}
    data: dict[str, Any] = {
        "model": report["model"],
        "target": report["target"],
        "on": execution.core,
        "instructions": execution.instructions,
        "macs": report["macs"],
        "stack": execution.stack_bytes,
        "arena": report["sram"]["arena"],
        "sections": {
            name: {part: getattr(size, part) for part in ("text", "rodata", "data", "bss")} for name, size in sizes.items()
        },
    }
    if profile:
        assert execution.counts is not None
        data["functions"] = dict(sorted(execution.counts.functions.items(), key=lambda item: -item[1]))
    return data


def show(report: Mapping[str, Any], execution: Execution, *, profile: bool) -> None:
    """The same for people."""
    data = as_dict(report, execution, profile=True)
    per_mac = f" ({data['instructions'] / data['macs']:.2f} per MAC)" if data["macs"] else ""
    print(f"{data['model']} on an emulated {data['on']}")
    print(f"  instructions {data['instructions']:>12,} of one inference{per_mac}")
    print(f"  stack        {data['stack']:>12,} bytes")
    print(f"  arena        {data['arena']:>12,} bytes")
    for name, label in (("model", "generated code"), ("image", "linked image")):
        sizes = data["sections"][name]
        print(f"  {label:<14}" + ", ".join(f".{part} {size:,}" for part, size in sizes.items()))
    if profile:
        table = Table("instructions", "share", "function", box=None)
        for name, count in data["functions"].items():
            table.add_row(f"{count:,}", f"{100 * count / max(1, data['instructions']):.1f}%", name)
        Console().print(table)
