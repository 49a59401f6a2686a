"""Whether a compiled model fits its target: what it needs of every bank of SRAM and of flash, and what is left or missing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tflm_mcunet.options import Options
from tflm_mcunet.targets import Target


def verdict(options: Options, arena: int, flash: int) -> dict[str, Any]:
    """Needs next to limits, in bytes; `limit` and `spare` are None where nothing limits them, and negative `spare` is missing.

    Args:
        arena: bytes of the arena; flash: bytes of constants, and of code where it is known.
    """
    board = options.board
    sram = {**_need(arena, options.sram_limit), "reserved": options.reserved, "banks": list(_banks(board, arena))}
    need = _need(flash, board.flash_bytes)
    return {"fits": all(_spare(part) >= 0 for part in (sram, need)), "sram": sram, "flash": need}


def _need(need: int, limit: int | None) -> dict[str, Any]:
    return {"need": need, "limit": limit, "spare": None if limit is None else limit - need}


def _spare(part: dict[str, Any]) -> int:
    return 0 if part["spare"] is None else int(part["spare"])


def _banks(board: Target, arena: int) -> Iterator[dict[str, Any]]:
    """All banks by address, the arena filling the largest run of adjacent ones from its start."""
    left = arena
    largest = max(board.runs, key=lambda run: sum(bank.bytes for bank in run), default=[])
    run = {bank.name for bank in largest}
    for bank in sorted(board.sram or (), key=lambda bank: bank.origin):
        used = min(left, bank.bytes) if bank.name in run else 0
        left -= used
        yield {"name": bank.name, "bytes": bank.bytes, "used": used}


def sentence(found: dict[str, Any], target: str) -> str:
    """The verdict in words, such as `fits stm32f746, with 231,680 bytes of SRAM and 589,176 of flash to spare`."""
    parts = [
        (name, found[key]["spare"]) for key, name in (("sram", "SRAM"), ("flash", "flash")) if found[key]["limit"] is not None
    ]
    if not parts:
        return f"{target} limits no memory"
    reserved = found["sram"]["reserved"]
    kept = f"; {reserved:,} bytes of SRAM are kept for stack, heap and runtime" if reserved else ""
    if found["fits"]:
        return f"fits {target}, with {' and '.join(f'{spare:,} bytes of {name}' for name, spare in parts)} to spare{kept}"
    missing = " and ".join(f"{-spare:,} bytes of {name}" for name, spare in parts if spare < 0)
    return f"does not fit {target}: {missing} are missing{kept}"
