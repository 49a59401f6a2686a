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

    `external_flash` is None but with external weights, whose constants it holds; `asked`: the limit of SRAM is that of --sram.

    Args:
        arena: bytes of the arena.
        constants: bytes of weights and tables.
        code: bytes of the kernels, at least (`kernels.flash.code_bytes`).
    """
    board = options.board
    outside = board.external_flash.bytes if board.external_flash is not None else None
    external = _need(constants, outside) if "external-weights" in options.extras else None
    limits = {"asked": options.sram is not None, "reserved": options.reserved}
    sram = {**_need(arena, options.sram_limit), **limits, "banks": list(_banks(board, arena))}
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
    run = {bank.name for bank in board.largest_run}
    for bank in sorted(board.sram or (), key=lambda bank: bank.origin):
        used = min(left, bank.bytes) if bank.name in run else 0
        left -= used
        yield {"name": bank.name, "bytes": bank.bytes, "used": used}


def sentence(found: dict[str, Any], target: str) -> str:
    """The verdict in words, such as `fits stm32f746, with 231,680 bytes of SRAM and at most 589,176 bytes of flash to spare`."""
    sram = found["sram"]
    keys = [key for key in _MEMORIES if found[key] and not (key == "sram" and sram["asked"])]
    parts = [(_MEMORIES[key], found[key]["spare"]) for key in keys if found[key]["limit"] is not None]
    clauses = []
    if sram["asked"]:
        clauses.append(_asked(sram))
    if parts:
        clauses.append(_of_target(parts, target, sram["reserved"]))
    return "; ".join(clauses) or f"{target} limits no memory"


def _asked(sram: dict[str, Any]) -> str:
    """Of a limit that is not the target's."""
    limit, spare = f"the limit of {sram['limit']:,} bytes (--sram)", sram["spare"]
    return f"fits {limit}, with {spare:,} bytes to spare" if spare >= 0 else f"does not fit {limit}: {-spare:,} more are needed"


def _of_target(parts: list[tuple[str, int]], target: str, reserved: int) -> str:
    kept = f"; {reserved:,} bytes of SRAM are kept for stack, heap and runtime" if reserved else ""
    missing = [(name, -spare) for name, spare in parts if spare < 0]
    if not missing:
        return f"fits {target}, with {_listed(parts, 'at most')} to spare{kept}"
    return f"does not fit {target}: {_listed(missing, 'at least')} are missing{kept}"


def _listed(parts: Iterable[tuple[str, int]], bound: str) -> str:
    """Bytes of memories in words, those of flash as a bound, for the code is known from below only."""
    return " and ".join(f"{f'{bound} ' if name == 'flash' else ''}{size:,} bytes of {name}" for name, size in parts)
