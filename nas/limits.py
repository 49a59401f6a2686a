"""What a network may need at most."""

from __future__ import annotations

import re
from dataclasses import dataclass

from tflm_mcunet.errors import Error
from tflm_mcunet.options import parse_bytes
from tflm_mcunet.targets import Target


@dataclass(frozen=True)
class Limits:
    """Bytes of arena, bytes of constants and kernels, estimated instructions of one inference; None: no limit."""

    sram: int | None
    flash: int | None
    instructions: int | None

    def __str__(self) -> str:
        parts = ((self.sram, "bytes of SRAM"), (self.flash, "bytes of flash"), (self.instructions, "instructions"))
        return ", ".join(f"{value:,} {what}" for value, what in parts if value is not None) or "no limits"


def limits(target: Target, sram: str | None = None, flash: str | None = None, latency: str | None = None) -> Limits:
    """Those of a board, but where others are given: sizes such as 64KB, instructions such as 20M.

    Raises:
        Error: a limit makes no sense, or a bare core is to be searched for without any.
    """
    found = Limits(
        _bytes("--sram", sram, target.arena_bytes),
        _bytes("--flash", flash, target.flash_bytes),
        None if latency is None else _instructions(latency),
    )
    if found == Limits(None, None, None):
        raise Error(f"'{target.name}' limits nothing: give --sram, --flash or --latency, or a board as --target")
    return found


def _bytes(option: str, text: str | None, default: int | None) -> int | None:
    if text is None:
        return default
    size = parse_bytes(text)
    if size < 1:
        raise Error(f"{option} {text}: must be at least 1 byte")
    return size


def _instructions(text: str) -> int:
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([km]?)", text.strip().lower())
    count = int(float(match[1]) * {"": 1, "k": 1_000, "m": 1_000_000}[match[2]]) if match else 0
    if count < 1:
        raise Error(f"--latency {text}: write a number of instructions, such as 20M")
    return count
