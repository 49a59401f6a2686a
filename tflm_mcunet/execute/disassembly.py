"""The instructions of an image, as objdump prints them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property

from tflm_mcunet.execute.build import call, find_tool
from tflm_mcunet.execute.image import REMEDY, Image

_LINE = re.compile(r"^\s*([0-9a-f]+):\t(\S+)(?:\t([^;@\n]*))?", re.MULTILINE)


@dataclass(frozen=True)
class Instruction:
    """One instruction: `name` without the suffix that says how wide its encoding is, operands as text."""

    name: str
    operands: str

    @cached_property
    def registers(self) -> int:
        """32-bit registers in the operand's list {...}; 0 where there is none."""
        found = re.search(r"\{([^}]*)\}", self.operands)
        if found is None:
            return 0
        count = 0
        for entry in found[1].split(","):
            first, _, last = entry.strip().partition("-")
            length = int(last[1:]) - int(first[1:]) + 1 if last else 1
            count += length * (2 if first[0] == "d" else 1)
        return count


def disassemble(image: Image) -> dict[int, Instruction]:
    """All instructions of the image by address, in the order of addresses."""
    text = call([find_tool("arm-none-eabi-objdump", REMEDY), "-d", "--no-show-raw-insn", image.elf])
    found = {}
    for address, name, operands in _LINE.findall(text):
        if not name.startswith("."):
            found[int(address, 16)] = Instruction(name.removesuffix(".n").removesuffix(".w"), operands.strip())
    return found
