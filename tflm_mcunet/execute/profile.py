"""What each operator of a schedule takes: the counts of an inference, split where the schedule's loop calls a kernel.

The image is the one that is shipped: nothing is added to it. The counting plugin notes every pass of the indirect calls
in invoke, which are the events of the schedule in order; a pass begins the event's operator, whose part ends where the next
one begins. So the few instructions by which the loop steps to the next event belong to the operator that has just run.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tflm_mcunet.execute.counting import Counts, Part
from tflm_mcunet.execute.cycles import modelled_cycles
from tflm_mcunet.execute.disassembly import Instruction
from tflm_mcunet.execute.image import Image


@dataclass(frozen=True)
class Work:
    """Executed instructions, and modelled Cortex-M4 cycles where that is the core."""

    instructions: int
    cycles: int | None


@dataclass(frozen=True)
class Profile:
    """The work of each operator, in the schedule's order, and that of starting and ending; they add up to the inference."""

    operators: tuple[Work, ...]
    outside: Work


def event_calls(image: Image, code: Mapping[int, Instruction], prefix: str) -> list[int]:
    """Addresses of the indirect calls by which the schedule's loop runs a kernel."""
    loops = {f"{prefix}_invoke", f"{prefix}_invoke_rows", "mcu_run"}
    return [
        address
        for address, instruction in code.items()
        if instruction.name == "blx" and image.function_at(address).split(".")[0] in loops
    ]


def parts(events: Sequence[int]) -> list[int]:
    """The part that each event begins, from the operator of each; none for a single operator, which compilers inline."""
    return [operator + 1 for operator in events] if len(set(events)) > 1 else []


def split(counts: Counts, operators: int, code: Mapping[int, Instruction] | None) -> Profile:
    """The profile of an inference counted by `parts`; without `code` there are no modelled cycles."""

    def work(number: int) -> Work:
        part = counts.parts.get(number, Part({}, {}))
        return Work(part.total, None if code is None else modelled_cycles(code, part))

    if operators == 1:
        return Profile((work(0),), Work(0, None if code is None else 0))
    return Profile(tuple(work(index + 1) for index in range(operators)), work(0))
