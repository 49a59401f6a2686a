"""Whether a plan fits its target, by how much it misses, and what would fit instead."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

from tflm_mcunet.errors import Error
from tflm_mcunet.options import Options

MACS_BUDGET = 1.5
"""How much recomputation is worth a hint."""


ANYWHERE = "cmake"
"""The export that is for every board."""


class DoesNotFit(Error):
    """The model needs more memory than there is."""


def check_all(*checks: Callable[[], None]) -> None:
    """Makes all checks, so that a hint for one memory hides no lack of another; raises one DoesNotFit with all that they find."""
    problems = []
    for check in checks:
        try:
            check()
        except DoesNotFit as error:
            problems.append(str(error))
    if problems:
        raise DoesNotFit("; ".join(problems))


def check_sram(arena: int, options: Options, wide: bool, arena_with: Callable[[Options], int]) -> None:
    """Raises DoesNotFit where the arena is larger than the limit.

    Args:
        arena: where it is larger, the least that the options allow.
        wide: an edge of the model is not int8, so that `--io int8` may help.
        arena_with: the least arena that other options allow.
    """
    limit = options.sram_limit
    if limit is None or arena <= limit:
        return
    where = f"--sram {limit}" if options.sram is not None else f"{options.target} ({_room(limit, options)})"
    least = "possible" if options.schedule != "patch" and options.macs_budget == 1 else "found"
    text = f"the model needs an arena of {arena} bytes, the least {least} with these options, {arena - limit} more than {where}"
    raise DoesNotFit("; ".join([text, *_hint(arena, limit, options, wide, arena_with)]))


def check_flash(constants: int, code: int, options: Options) -> None:
    """Raises DoesNotFit where constants and kernels are larger than the target's flash; with external weights, each than its own.

    Args:
        code: bytes of the kernels as they were measured with -Os, so that the same at -O2, start-up and application come on top:
            what is refused cannot fit, what is not refused may be too large when it is linked.
    """
    board, external = options.board, options.board.external_flash
    if "external-weights" in options.extras:
        _check_room(0, code, board.flash_bytes, f"the flash of {options.target}")
        if external is not None:
            _check_room(constants, 0, external.bytes, f"the external flash of {options.target}")
        return
    fits_outside = external is not None and constants <= external.bytes and code <= (board.flash_bytes or code)
    remedy = "--with external-weights fits" if fits_outside else "take a smaller model, or a board with more flash"
    _check_room(constants, code, board.flash_bytes, f"the flash of {options.target}", remedy)


def _room(limit: int, options: Options) -> str:
    kept = f" beside {options.reserved} kept for stack, heap and runtime: see --sram" if options.reserved else ""
    return f"{limit} bytes of contiguous SRAM{kept}"


def notes(options: Options) -> Iterator[str]:
    """What a user should know of a compilation that succeeded, a sentence each."""
    board, ecosystem = options.board, options.export
    if ecosystem is not None and board.exports and ecosystem not in (*board.exports, ANYWHERE):
        yield f"{board.name} is not known to {ecosystem}'s tools: its exports are {', '.join(board.exports)}"
    if (note := unchecked(options)) is not None:
        yield note


def misnamed(options: Options, prefix: str, folder: str) -> str | None:
    """That ESP-IDF will not find a component in `folder` under the name that the example gives it; None where it will."""
    name = Path(folder).resolve().name
    if options.export != "espidf" or name == prefix:
        return None
    return f"ESP-IDF calls a component like its folder: rename {name} to {prefix}"


def unchecked(options: Options) -> str | None:
    """What was not checked for want of figures, in a sentence; None where everything was, or where the target limits nothing."""
    board = options.board
    if "external-weights" not in options.extras or board.external_flash is not None or board.flash_bytes is None:
        return None
    return f"{board.name} has no external flash in its description: whether the weights fit was not checked"


def _check_room(constants: int, code: int, room: int | None, where: str, remedy: str = "take a smaller model") -> None:
    if room is not None and constants + code > room:
        parts = [f"{constants} bytes of constants"] * bool(constants) + [f"at least {code} bytes of code"] * bool(code)
        excess = constants + code - room
        raise DoesNotFit(f"the model has {' and '.join(parts)}, {excess} more than {where} ({room} bytes); {remedy}")


def _hint(arena: int, limit: int, options: Options, wide: bool, arena_with: Callable[[Options], int]) -> Iterator[str]:
    """The first other way whose arena is within the limit, or the smallest."""
    best: tuple[int, str] | None = None
    for flags, other in _others(options, wide):
        try:
            size = arena_with(other)
        except Error:
            continue  # pulling a float input, for instance
        if size <= limit:
            yield f"{flags} needs {size} bytes of SRAM"
            return
        best = min(best or (arena, ""), (size, flags))
    if best is not None and best[0] < arena:
        yield f"no other way fits either: {best[1]} needs {best[0]} bytes of SRAM"


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
    ways = [(flags, free)]
    if options.input == "whole":
        extras = tuple(extra for extra in options.extras if extra not in ("tflm", "double-buffer"))
        ways.append((f"{flags} --input pull".strip(), replace(free, input="pull", extras=extras, beside=0)))
        yield ways[1]
    if options.macs_budget < MACS_BUDGET:
        for flags, way in ways:
            yield f"{flags} --macs-budget {MACS_BUDGET}".strip(), replace(way, macs_budget=MACS_BUDGET)
