"""Boards and cores that models are compiled for: one TOML file each, read when it is asked for.

A file holds `description`, `core`, `features`, and for a board `clock_hz`, `flash_kb` and the table `sram`: the banks that
can hold data, by name, each with its address `origin`, its size `kb` in units of 1,024 bytes and, where they are known, the
`region` of vendors' linker scripts that it is in and the `section` that they put there, `.bss` being all that has none of its
own; `reserved_kb`, what stack, heap and runtime of the usual ecosystem need of the SRAM; further `exports`, the ecosystems that
support it, the usual one first, and the table `external_flash` (`origin`, `kb`) where the board has one that is mapped into
memory.
A bare core has no memory and so no limits. `features`: `dsp` (Armv7E-M SIMD), `fpu`, `mve` (Helium), `cache` (data and
instructions), `external-flash` (weights are read over a bus).
"""

from __future__ import annotations

import difflib
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tflm_mcunet.errors import Error

CORES = ("generic", "cortex-m0plus", "cortex-m3", "cortex-m4", "cortex-m7", "cortex-m33", "cortex-m55")
FEATURES = ("dsp", "fpu", "mve", "cache", "external-flash")

_FOLDER = Path(__file__).parent
_KEYS = {"description", "core", "clock_hz", "flash_kb", "features", "sram", "reserved_kb", "external_flash", "exports"}


class TargetError(Error):
    """There is no such target, or its file is wrong."""


@dataclass(frozen=True)
class MemoryBank:
    """A piece of SRAM for data: first address, size in bytes, and what vendors' linker scripts make of it.

    Attributes:
        region: that it is, or is in.
        section: of data that they put there; `.bss` is all that has no section of its own.
    """

    name: str
    origin: int
    bytes: int
    region: str | None = None
    section: str | None = None

    @property
    def end(self) -> int:
        """The first address behind it."""
        return self.origin + self.bytes


@dataclass(frozen=True)
class Target:
    """What a model is compiled for.

    Attributes:
        name: of its file.
        core: one of CORES; `generic` is portable C.
        description: one line for people.
        clock_hz: the highest clock of the core, or None.
        sram: banks for data in the order of the file, the fastest first where they differ; None where nothing limits it.
        reserved_bytes: of the SRAM, for stack, heap and runtime.
        flash_bytes: memory for code and weights, or None where nothing limits it.
        features: some of FEATURES.
        external_flash: flash outside the chip, where it is mapped into memory.
        exports: ecosystems (of `--export`) whose tools know the board, the usual one first.
    """

    name: str
    core: str
    description: str
    clock_hz: int | None = None
    sram: tuple[MemoryBank, ...] | None = None
    reserved_bytes: int = 0
    flash_bytes: int | None = None
    features: frozenset[str] = frozenset()
    external_flash: MemoryBank | None = None
    exports: tuple[str, ...] = ()

    @property
    def sram_bytes(self) -> int | None:
        """Size of all banks together, in bytes, or None where nothing limits it."""
        return None if self.sram is None else sum(bank.bytes for bank in self.sram)

    @property
    def contiguous_sram_bytes(self) -> int | None:
        """Size of the largest run of adjacent banks, or None where nothing limits it."""
        if self.sram is None:
            return None
        return sum(bank.bytes for bank in self.largest_run)

    @property
    def arena_bytes(self) -> int | None:
        """What one arena may take, or None where nothing limits it: the largest run of adjacent banks but what is reserved."""
        size = self.contiguous_sram_bytes
        return None if size is None else size - self.reserved_bytes

    @property
    def largest_run(self) -> list[MemoryBank]:
        """The run of adjacent banks with the most bytes; empty where nothing limits SRAM."""
        return max(self.runs, key=lambda run: sum(bank.bytes for bank in run), default=[])

    @property
    def runs(self) -> list[list[MemoryBank]]:
        """The banks by address, those that are adjacent together."""
        runs: list[list[MemoryBank]] = []
        for bank in sorted(self.sram or (), key=lambda bank: bank.origin):
            if runs and runs[-1][-1].end == bank.origin:
                runs[-1].append(bank)
            else:
                runs.append([bank])
        return runs


def names() -> list[str]:
    """All targets: the bare cores in order of power, then the boards by name."""
    boards = sorted(path.stem for path in _FOLDER.glob("*.toml") if path.stem not in CORES)
    return [*CORES, *boards]


def load(name: str) -> Target:
    """The target called `name`, in any case; raises TargetError, with the nearest name, where there is none."""
    key = name.strip().lower()
    known = names()
    if key not in known:
        near = difflib.get_close_matches(key, known, n=1)
        hint = f"did you mean '{near[0]}'?" if near else "`tflm-mcunet targets` lists them"
        raise TargetError(f"unknown target '{name}': {hint}")
    path = _FOLDER / f"{key}.toml"
    try:
        return _parse(key, tomllib.loads(path.read_text(encoding="utf-8")))
    except (tomllib.TOMLDecodeError, KeyError, TypeError, AttributeError) as error:
        raise TargetError(f"{path.name}: {error}") from None


def _parse(name: str, fields: dict[str, Any]) -> Target:
    """The target of a file's `fields`; raises TargetError for names that mean nothing, KeyError for missing ones."""
    features = frozenset(fields.get("features", ()))
    unknown = sorted((set(fields) - _KEYS) | (features - set(FEATURES)) | ({fields["core"]} - set(CORES)))
    if unknown:
        raise TargetError(f"{name}.toml: '{unknown[0]}' is not known")
    banks = fields.get("sram")
    external = fields.get("external_flash")
    return Target(
        name=name,
        core=fields["core"],
        description=fields["description"],
        clock_hz=fields.get("clock_hz"),
        sram=None if banks is None else tuple(_bank(key, bank) for key, bank in banks.items()),
        reserved_bytes=fields.get("reserved_kb", 0) * 1024,
        flash_bytes=fields["flash_kb"] * 1024 if "flash_kb" in fields else None,
        features=features,
        external_flash=None if external is None else MemoryBank("external-flash", external["origin"], external["kb"] * 1024),
        exports=tuple(fields.get("exports", ())),
    )


def _bank(name: str, fields: dict[str, Any]) -> MemoryBank:
    return MemoryBank(name, fields["origin"], fields["kb"] * 1024, fields.get("region"), fields.get("section"))


def as_dict(target: Target) -> dict[str, Any]:
    """The JSON form: sizes in bytes, None where nothing limits them."""
    return {
        "name": target.name,
        "core": target.core,
        "description": target.description,
        "clock_hz": target.clock_hz,
        "sram": target.sram_bytes,
        "contiguous_sram": target.contiguous_sram_bytes,
        "reserved_sram": target.reserved_bytes,
        "banks": [vars(bank) for bank in target.sram or ()],
        "flash": target.flash_bytes,
        "features": sorted(target.features),
        "exports": list(target.exports),
    }
