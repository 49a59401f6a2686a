"""Whether a compiled model fits its target: what it needs of every bank of SRAM and of flash, and what is left or missing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from tflm_mcunet.options import Options
from tflm_mcunet.targets import Target

_MEMORIES = {"sram": "SRAM", "flash": "flash", "external_flash": "external flash"}
"""The parts of a verdict and what people call them."""


def verdict(options: Options, arena: int, constants: int, code: int) -> dict[str, Any]:
    """Needs next to limits, in bytes; `limit` and `spare` are None where nothing limits them, and negative `spare` is missing.

    `external_flash` is None but with external weights, whose constants it holds.

    Args:
        arena: bytes of the arena.
        constants: bytes of weights and tables.
        code: bytes of the kernels, at least (`kernels.flash.code_bytes`).
    """
    board = options.board
    outside = board.external_flash.bytes if board.external_flash is not None else None
    external = _need(constants, outside) if "external-weights" in options.extras else None
    sram = {**_need(arena, options.sram_limit), "reserved": options.reserved, "banks": list(_banks(board, arena))}
    flash = _need(code if external else constants + code, board.flash_bytes)
    fits = all(_spare(part) >= 0 for part in (sram, flash, external) if part is not None)
    return {"fits": fits, "sram": sram, "flash": flash, "external_flash": external}


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
    """The verdict in words, such as `fits stm32f746, with 231,680 bytes of SRAM and at most 589,176 bytes of flash to spare`."""
    parts = [(name, part["spare"]) for key, name in _MEMORIES.items() if (part := found[key]) and part["limit"] is not None]
    if not parts:
        return f"{target} limits no memory"
    reserved = found["sram"]["reserved"]
    kept = f"; {reserved:,} bytes of SRAM are kept for stack, heap and runtime" if reserved else ""
    if found["fits"]:
        return f"fits {target}, with {_listed(parts, 'at most')} to spare{kept}"
    missing = _listed([(name, -spare) for name, spare in parts if spare < 0], "at least")
    return f"does not fit {target}: {missing} are missing{kept}"


def _listed(parts: Iterable[tuple[str, int]], bound: str) -> str:
    """Bytes of memories in words, those of flash as a bound, for the code is known from below only."""
    return " and ".join(f"{f'{bound} ' if name == 'flash' else ''}{size:,} bytes of {name}" for name, size in parts)
