"""Modelled cycles: executed instructions weighted with the timing table of the Cortex-M4 technical reference manual.

It is a model, not a measurement: zero wait states, no contention on the bus, no unaligned access, every division at 6 cycles,
3 cycles for a branch that is taken. How often a branch is taken is counted.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from tflm_mcunet.execute.counting import Part
from tflm_mcunet.execute.disassembly import Instruction

CORE = "cortex-m4"
"""The one core that is modelled."""

REFILL = 2
DIVIDE = 6

_CONDITION = "(?:eq|ne|cs|cc|mi|pl|vs|vc|hi|ls|ge|lt|gt|le|hs|lo)?"
_SINGLE = re.compile(rf"(?:ldr|str)(?:b|h|sb|sh|t|bt|ht|sbt|sht|ex|exb|exh)?{_CONDITION}|v(?:ldr|str){_CONDITION}(?:\.\w+)?")
_DOUBLE = re.compile(rf"(?:ldrd|strd){_CONDITION}")
_MULTIPLE = re.compile(rf"(?:(?:ldm|stm)\w*|push|pop|vpush|vpop|(?:vldm|vstm)\w*?){_CONDITION}(?:\.\w+)?")
_TABLE = re.compile(rf"tb[bh]{_CONDITION}")
_BRANCH = re.compile(rf"(?:b|bl|bx|blx|cbz|cbnz){_CONDITION}")
_ALWAYS = {"b", "bl", "bx", "blx"}
_DIVISION = re.compile(rf"[us]div{_CONDITION}")
_FLOAT = (
    (re.compile(r"v(?:div|sqrt)"), 14),
    (re.compile(r"vf?n?m(?:la|ls|a|s)"), 3),
    (re.compile(r"vmul|vnmul|vadd|vsub|vcvt|vcmp|vabs|vneg|vmrs|vmov"), 1),
)


def modelled_cycles(code: Mapping[int, Instruction], part: Part) -> int:
    """The sum over all executed instructions; `code` is the whole image in the order of addresses."""
    total = 0
    before: tuple[Instruction, int] | None = None
    for address, instruction in code.items():
        count = part.addresses.get(address, 0)
        if count:
            pipelined = min(count, before[1]) if before is not None and _is_single(before[0]) else 0
            total += _cycles(instruction, count, part.taken.get(address, 0), pipelined)
        before = instruction, count
    return total


def _is_single(instruction: Instruction) -> bool:
    return bool(_SINGLE.fullmatch(instruction.name)) and not instruction.operands.startswith("pc")


def _cycles(instruction: Instruction, count: int, taken: int, pipelined: int) -> int:
    """Cycles of `count` executions, of which `taken` left for another place and `pipelined` came from a load or store."""
    name, operands = instruction.name, instruction.operands
    if _SINGLE.fullmatch(name):
        return 2 * count - pipelined + (REFILL * count if operands.startswith("pc") else 0)
    if _DOUBLE.fullmatch(name):
        return 3 * count
    if _MULTIPLE.fullmatch(name):
        return (1 + instruction.registers) * count + (REFILL * count if re.search(r"\bpc\b", operands.partition("{")[2]) else 0)
    if _TABLE.fullmatch(name):
        return (2 + REFILL) * count
    if _BRANCH.fullmatch(name):
        return count + REFILL * (count if name in _ALWAYS else taken)
    if _DIVISION.fullmatch(name):
        return DIVIDE * count
    if name.startswith("v"):
        return next((cycles for pattern, cycles in _FLOAT if pattern.match(name)), 1) * count
    writes_pc = operands.startswith("pc") and not name.startswith(("cmp", "cmn", "tst", "teq"))
    return count + (REFILL * count if writes_pc else 0)
