"""Links a model and its harness into the image of an emulated core, and says what lies in it."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from tflm_mcunet.execute import cores, harness
from tflm_mcunet.execute.build import BuildError, call, find_tool
from tflm_mcunet.execute.generated import Generated

REMEDY = "apt-get install qemu-system-arm gcc-arm-none-eabi libnewlib-arm-none-eabi"
FLAGS, SMALL = ("-O2",), ("-Os",)
STACK_BYTES = 128 << 10
_ALWAYS = ("-std=c99", "-mthumb", "-ffunction-sections", "-fdata-sections", "-Wall", "-Wextra", "-g")
_LINK = ("-nostartfiles", "-Wl,--gc-sections", "-Wl,-Map=image.map", "-Wl,--no-warn-rwx-segments")
# No memcpy or strlen made out of loops: what comes from a library is then the model's doing.
_HARNESS = ("-O2", "-ffreestanding", "-fno-tree-loop-distribute-patterns")
_SECTIONS = ("text", "rodata", "data", "bss")


@dataclass(frozen=True)
class Sizes:
    """Bytes by kind of section: instructions, constants, initialised and zeroed variables."""

    text: int = 0
    rodata: int = 0
    data: int = 0
    bss: int = 0

    @property
    def flash(self) -> int:
        """Bytes of flash: everything but .bss, as .data has its initial values there."""
        return self.text + self.rodata + self.data


@dataclass(frozen=True)
class Piece:
    """An input section in the image: its kind, place, size in bytes, and who brought it: model, harness or library."""

    section: str
    address: int
    size: int
    owner: str


@dataclass(frozen=True)
class Image:
    """A linked image.

    Attributes:
        elf: the file.
        symbols: address of each symbol.
        functions: name of each function by its address.
        pieces: the input sections that were kept.
    """

    elf: Path
    symbols: Mapping[str, int]
    functions: Mapping[int, str]
    pieces: Sequence[Piece]

    def sizes(self, owner: str | None = None) -> Sizes:
        """Sizes of all, or of what `owner` brought; padding between input sections and the stack are not in them."""
        totals = dict.fromkeys(_SECTIONS, 0)
        for piece in self.pieces:
            if owner in (None, piece.owner):
                totals[piece.section] += piece.size
        return Sizes(**totals)

    def code(self, owner: str) -> dict[str, int]:
        """Bytes of .text of each function that `owner` brought; every function has a section of its own."""
        pieces = [piece for piece in self.pieces if piece.section == "text" and piece.owner == owner]
        return {self.function_at(piece.address & ~1): piece.size for piece in pieces}

    @cached_property
    def _starts(self) -> list[int]:
        return sorted(self.functions)

    @cached_property
    def _owners(self) -> tuple[list[int], list[str]]:
        code = sorted((piece.address, piece.owner) for piece in self.pieces if piece.section == "text")
        return [address for address, _ in code], [owner for _, owner in code]

    def function_at(self, address: int) -> str:
        """The function that holds `address`, or '?'."""
        index = bisect_right(self._starts, address) - 1
        return self.functions[self._starts[index]] if index >= 0 else "?"

    def owner_at(self, address: int) -> str:
        """Whose code lies at `address`: model, harness or library."""
        starts, owners = self._owners
        index = bisect_right(starts, address) - 1
        return owners[index] if index >= 0 else "library"


def build_image(model: Generated, core: cores.Core, folder: Path, flags: Sequence[str] = FLAGS) -> Image:
    """Compiles and links `model` with the harness for `core` inside `folder`.

    Args:
        flags: options for the model's sources; the harness is always built with -O2.

    Raises:
        BuildError: the compiler or linker failed, for instance because a region overflowed.
        ToolMissing: there is no cross compiler.
    """
    compiler = find_tool("arm-none-eabi-gcc", REMEDY)
    harness.write_model_header(model, folder)
    (folder / "memory.ld").write_text(memory_script(core))
    includes = [f"-I{path}" for path in (Path(model.folder).resolve(), harness.FOLDER, folder)]
    ours = [harness.FOLDER / "main.c", cores.FOLDER / "startup.c", cores.FOLDER / "port_semihosting.c"]
    common = [compiler, *core.flags, *_ALWAYS, *includes, "-c"]
    objects = []
    for owner, sources, options in (("model", model.sources, flags), ("harness", ours, _HARNESS)):
        (folder / owner).mkdir(exist_ok=True)
        call([*common, *options, *sources], folder=folder / owner)
        objects += [f"{owner}/{Path(source).stem}.o" for source in sources]
    script: list[str | Path] = ["-T", cores.FOLDER / "image.ld", "-L", folder, f"-Wl,--defsym=stack_bytes={STACK_BYTES}"]
    call([compiler, *core.flags, "-mthumb", *_LINK, *script, *objects, "-lm", "-o", "image.elf"], folder=folder)
    return inspect_image(folder)


def memory_script(core: cores.Core) -> str:
    """The MEMORY command of the linker script; regions that coincide become one with aliases."""
    regions: dict[cores.Region, str] = {}
    lines, aliases = [], []
    for name in ("code", "constants", "stack", "data"):
        region: cores.Region = getattr(core, name)
        if region in regions:
            aliases.append(f'REGION_ALIAS("{name.upper()}", {regions[region]})')
        else:
            regions[region] = name.upper()
            lines.append(f"    {name.upper()} : ORIGIN = {region.origin:#x}, LENGTH = {region.length:#x}")
    return "\n".join(["MEMORY", "{", *lines, "}", *aliases]) + "\n"


def inspect_image(folder: Path) -> Image:
    """The image that was linked in `folder` as image.elf, with image.map; raises BuildError, ToolMissing."""
    elf = folder / "image.elf"
    symbols, functions = {}, {}
    for line in call([find_tool("arm-none-eabi-nm", REMEDY), elf]).splitlines():
        address, kind, name = line.split(maxsplit=2)
        symbols[name] = int(address, 16)
        if kind in "tTwW" and not name.startswith("$"):
            functions[symbols[name]] = name
    return Image(elf, symbols, functions, _pieces((folder / "image.map").read_text(errors="replace")))


def _pieces(text: str) -> list[Piece]:
    """The kept input sections, from the linker's map: output sections start in column 0, input sections in column 1."""
    start = text.find("Linker script and memory map")
    if start < 0:
        raise BuildError("the linker wrote no memory map")
    pattern = re.compile(r"^\.(\w+)|^ (?:\.\S+|COMMON)\s+0x([0-9a-f]+)\s+0x([0-9a-f]+) (\S.*)$", re.MULTILINE)
    pieces, section = [], ""
    for output, address, size, source in pattern.findall(text[start:]):
        if output:
            section = output
        elif section in _SECTIONS and int(size, 16):
            owner = source.split("/")[0]
            owner = owner if owner in ("model", "harness") else "library"
            pieces.append(Piece(section, int(address, 16), int(size, 16), owner))
    return pieces
