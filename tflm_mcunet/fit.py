"""Whether a plan fits its target, by how much it misses, and what would fit instead."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from tflm_mcunet.errors import Error
from tflm_mcunet.options import Options

MACS_BUDGET = 1.5
"""How much recomputation is worth a hint."""


class DoesNotFit(Error):
    """The model needs more memory than there is."""


def check_sram(arena: int, lower_bound: int, options: Options, wide: bool, arena_with: Callable[[Options], int]) -> None:
    """Raises DoesNotFit where the arena is larger than the limit.

    Args:
        wide: an edge of the model is not int8, so that `--io int8` may help.
        arena_with: the arena that other options take.
    """
    limit = options.sram_limit
    if limit is None or arena <= limit:
        return
    where = f"--sram {limit}" if options.sram is not None else f"{options.target} ({limit} bytes of contiguous SRAM)"
    least = f"the schedule's least possible is {lower_bound}"
    text = f"the model needs an arena of {arena} bytes, {arena - limit} more than {where}; {least}"
    raise DoesNotFit("; ".join([text, *_hint(arena, limit, options, wide, arena_with)]))


def check_flash(constants: int, options: Options) -> None:
    """Raises DoesNotFit where weights and tables alone are larger than the target's flash."""
    flash = options.board.flash_bytes
    if flash is not None and constants > flash:
        raise DoesNotFit(
            f"the model has {constants} bytes of constants, {constants - flash} more than the flash of {options.target}"
            f" ({flash} bytes), code not counted; take a smaller model, or a board with more flash"
        )


def _hint(arena: int, limit: int, options: Options, wide: bool, arena_with: Callable[[Options], int]) -> Iterator[str]:
    """The first other way that fits, or the smallest."""
    best: tuple[int, str] | None = None
    for flags, other in _others(options, wide):
        try:
            size = arena_with(other)
        except Error:
            continue  # pulling a float input, for instance
        if size <= limit:
            yield f"{flags} fits with {size} bytes"
            return
        best = min(best or (arena, ""), (size, flags))
    if best is not None and best[0] < arena:
        yield f"no other way fits either: {best[1]} needs {best[0]} bytes"


def _others(options: Options, wide: bool) -> Iterator[tuple[str, Options]]:
    """Options that may need less SRAM, the least change first."""
    flags, free = "", replace(options, schedule="auto", patches=None, patch_depth=None)
    if options.schedule != "auto":
        flags = "--schedule auto"
        yield flags, free
    if wide and options.io == "model":
        flags = f"{flags} --io int8".strip()
        free = replace(free, io="int8")
        yield flags, free
    if options.input == "whole":
        extras = tuple(extra for extra in options.extras if extra != "tflm")
        yield f"{flags} --input pull".strip(), replace(free, input="pull", macs_budget=1.0, extras=extras)
        if options.macs_budget < MACS_BUDGET:
            yield f"{flags} --macs-budget {MACS_BUDGET}".strip(), replace(free, macs_budget=MACS_BUDGET)
