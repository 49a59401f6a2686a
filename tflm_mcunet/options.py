"""What a user may choose for one compilation, checked once."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from tflm_mcunet import targets
from tflm_mcunet.errors import Error

MINIMIZE = ("latency", "sram", "flash")
SCHEDULES = ("auto", "layer", "patch", "stream")
INPUTS = ("whole", "pull")
EDGES = ("model", "int8")
EXPORTS = ("arduino", "mbed", "stm32cube", "zephyr", "platformio", "espidf", "cmake", "make")
EXTRAS = ("keep-input", "double-buffer", "dma", "external-weights", "hooks", "self-test", "camera", "tflm")

_WORDS = """
auto break case char const continue default do double else enum extern float for goto if inline int long register restrict
return short signed sizeof static struct switch typedef union unsigned void volatile while
class namespace new delete this template typename operator private protected public try catch throw bool true false
assert complex ctype errno fenv inttypes iso646 limits locale math setjmp signal stdarg stdbool stddef stdint stdio stdlib string
tgmath time wchar wctype mcu
main startup port port_semihosting mbed
all app clean help install package test
"""
RESERVED = frozenset(_WORDS.split())
"""Keywords of C and C++, headers of the C library and of exports, which a prefix.h would hide, sources of exports, and targets
that CMake makes itself."""


def _reserved(word: str) -> bool:
    return word in RESERVED or word.startswith("mcu_")  # the kernels' own headers


MOST = 1 << 20
"""Of patches, their depth, and times the work: more has no meaning."""


class OptionError(Error):
    """An option has a value that makes no sense."""


@dataclass(frozen=True)
class Options:
    """How to compile a model.

    Attributes:
        target: a name from `tflm-mcunet targets`.
        name: prefix of all public C symbols; None takes it from the model's file name.
        sram: limit of the arena in bytes; None means what the target has but for what is reserved.
        minimize: latency, sram or flash.
        schedule: `layer` finishes every operator before the next, `stream` computes rows when they are needed, `patch` cuts the
            first operators into patches as MCUNetV2 does, `auto` chooses.
        patches: patches per side of the grid; None lets the search choose.
        patch_depth: how many operators run patch by patch; None lets the search choose.
        macs_budget: `auto` may compute things twice as long as the work stays below this multiple of the model's.
        input: `whole` is a buffer of the arena; `pull` asks the application for the rows of input 0.
        io: `model` keeps the types of the model's edges, `int8` drops the conversions at its edges.
        export: one of EXPORTS, the ecosystem whose project is written, or None for the C alone.
        dead_channels: remove channels that are proved constant, or that nobody reads.
        extras: some of EXTRAS, which firmware may ask for (docs/guides/firmware.md).
        stage: an operator of TFLM's (`rewrite`): the C is given the arena; inputs and outputs are aligned as TFLM aligns tensors.
        beside: bytes of SRAM that the generated code takes beside its arena; `build` fills it in.
    """

    target: str = "generic"
    name: str | None = None
    sram: int | None = None
    minimize: str = "latency"
    schedule: str = "auto"
    patches: int | None = None
    patch_depth: int | None = None
    macs_budget: float = 1.0
    input: str = "whole"
    io: str = "model"
    export: str | None = None
    dead_channels: bool = True
    extras: tuple[str, ...] = ()
    stage: bool = False
    beside: int = 0
    board: targets.Target = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "board", targets.load(self.target))
        for name, allowed in (("minimize", MINIMIZE), ("schedule", SCHEDULES), ("input", INPUTS), ("io", EDGES)):
            if getattr(self, name) not in allowed:
                raise OptionError(f"--{name} {getattr(self, name)}: choose one of {', '.join(allowed)}")
        if self.export is not None and self.export not in EXPORTS:
            raise OptionError(f"--export {self.export}: choose one of {', '.join(EXPORTS)}")
        for extra in self.extras:
            if extra not in EXTRAS:
                raise OptionError(f"--with {extra or 'an empty name'}: choose some of {', '.join(EXTRAS)}")
        if "camera" in self.extras and self.input != "pull":
            raise OptionError("--with camera: rows of a camera need --input pull")
        if "tflm" in self.extras and self.input == "pull":
            raise OptionError("--with tflm: TFLM's interface has whole inputs; leave out --input pull")
        if "double-buffer" in self.extras and self.input == "pull":
            raise OptionError("--with double-buffer: an input that is pulled has no buffer; leave out --input pull")
        if self.name is not None and (not re.fullmatch(r"[A-Za-z_]\w*", self.name, re.ASCII) or _reserved(self.name.lower())):
            raise OptionError(f"--name {self.name}: not a C identifier, or one that C, the kernels or exports use")
        for name, least in (("patches", 2), ("patch_depth", 1), ("macs_budget", 1.0)):
            value = getattr(self, name)
            if value is not None and not least <= value <= MOST:
                raise OptionError(f"--{name.replace('_', '-')} {value}: must be from {least} to {MOST}")
        if self.schedule != "patch" and (self.patches or self.patch_depth):
            raise OptionError("--patches and --patch-depth need --schedule patch")
        if self.schedule != "auto" and self.macs_budget > 1:
            raise OptionError("--macs-budget needs --schedule auto: layer and stream recompute nothing, patch what it must")
        if self.sram is not None and self.sram < 1:
            raise OptionError(f"--sram {self.sram}: must be at least 1 byte")

    @property
    def sram_limit(self) -> int | None:
        """The arena must not be larger than this; None where nothing limits it."""
        room = self.board.arena_bytes
        return room - self.beside if self.sram is None and room is not None else self.sram

    @property
    def reserved(self) -> int:
        """Bytes of the target's SRAM that are kept free of the arena: for stack, heap, runtime, and what is beside the arena."""
        limited = self.sram is None and self.board.sram is not None
        return self.board.reserved_bytes + self.beside if limited else 0

    def prefix(self, source: str) -> str:
        """The C prefix for a model from a file called `source`."""
        if self.name is not None:
            return self.name.lower()
        stem = source.replace("\\", "/").rsplit("/", 1)[-1].removesuffix(".tflite")
        word = re.sub(r"\W+", "_", stem, flags=re.ASCII).strip("_").lower() or "model"
        return f"m_{word}" if word[0].isdigit() or _reserved(word) else word


def parse_bytes(text: str) -> int:
    """A size such as 65536, 64KB, 64K or 0.25MB in bytes (1 KB = 1,024 bytes); raises OptionError for anything else."""
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*(|b|kb?|kib|mb?|mib)\s*", text.lower())
    if match is None:
        raise OptionError(f"'{text}' is not a size: write bytes, or a number followed by KB or MB")
    factor = {"": 1, "b": 1, "k": 1 << 10, "m": 1 << 20}[match[2][:1]]
    return int(float(match[1]) * factor)
