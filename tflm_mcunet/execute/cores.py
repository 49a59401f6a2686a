"""The Cortex-M cores that QEMU emulates: machine, compiler flags and memory of each, and where their C files lie."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tflm_mcunet.errors import Error

FOLDER = Path(__file__).with_name("cortex_m")
MB = 1 << 20


@dataclass(frozen=True)
class Region:
    """A range of addresses, in bytes."""

    origin: int
    length: int


@dataclass(frozen=True)
class Core:
    """One emulated core.

    Attributes:
        machine: QEMU's name of the machine.
        flags: what the compiler needs to know of the core.
        code: vectors and instructions; constants: read-only data; stack: the stack alone; data: .data and .bss.
            Regions may coincide. They are as large as the machine allows, not as on any product.
    """

    name: str
    machine: str
    flags: tuple[str, ...]
    code: Region
    constants: Region
    stack: Region
    data: Region


def _mps2(name: str, machine: str, *flags: str, psram: int = 0x2100_0000) -> Core:
    """A core on an MPS2 board: 4 MB for code, 4 MB of RAM, 16 MB of PSRAM (whose place differs between boards).

    Half of the PSRAM is for constants, since the weights of large models take more than the 4 MB.
    """
    ram, constants, data = Region(0x2000_0000, 4 * MB), Region(psram, 8 * MB), Region(psram + 8 * MB, 8 * MB)
    return Core(name, machine, flags, Region(0, 4 * MB), constants, ram, data)


def _hard_float(cpu: str, fpu: str) -> tuple[str, ...]:
    return (f"-mcpu={cpu}", f"-mfpu={fpu}", "-mfloat-abi=hard")


CORES = {
    core.name: core
    for core in (
        # QEMU's only ARMv6-M board has 16 KB of RAM, so ARMv6-M code runs on a Cortex-M3 that traps unaligned access.
        _mps2("cortex-m0plus", "mps2-an385", "-mcpu=cortex-m0plus", "-DTRAP_UNALIGNED"),
        _mps2("cortex-m3", "mps2-an385", "-mcpu=cortex-m3"),
        _mps2("cortex-m4", "mps2-an386", *_hard_float("cortex-m4", "fpv4-sp-d16")),
        _mps2("cortex-m7", "mps2-an500", *_hard_float("cortex-m7", "fpv5-sp-d16"), psram=0x6000_0000),
        Core(
            "cortex-m33",
            "mps2-an505",
            _hard_float("cortex-m33", "fpv5-sp-d16"),
            code=Region(0x1000_0000, 4 * MB),
            constants=Region(0x1000_0000, 4 * MB),
            stack=Region(0x3800_0000, 4 * MB),
            data=Region(0x3800_0000, 4 * MB),
        ),
        Core(
            "cortex-m55",
            "mps3-an547",
            ("-mcpu=cortex-m55", "-mfloat-abi=hard"),
            code=Region(0, MB // 2),
            constants=Region(0x6000_0000, 256 * MB),
            stack=Region(0x2000_0000, MB // 2),
            data=Region(0x7000_0000, 256 * MB),
        ),
    )
}


def core(name: str) -> Core:
    """The core called `name`; raises Error where it is not emulated."""
    if name not in CORES:
        raise Error(f"'{name}' is not an emulated core; these are: {', '.join(CORES)}")
    return CORES[name]
