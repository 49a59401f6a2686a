"""Modelled Cortex-M4 cycles of hand-written code, whose sums are written beside it, and profiles that add up."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

import tflm_mcunet
from tests.execute import toys
from tests.models import small_network
from tflm_mcunet.execute.disassembly import Instruction
from tflm_mcunet.execute.generated import Generated, RunError
from tflm_mcunet.execute.qemu import run_on

_missing = [tool for tool in ("qemu-system-arm", "arm-none-eabi-gcc") if shutil.which(tool) is None]
pytestmark = pytest.mark.skipif(bool(_missing), reason=f"not installed: {', '.join(_missing)}")

RETURN = ("movs r0, #0", 1), ("bx lr", 3)
SPILL = ("push {r4-r7, lr}", 6), ("pop {r4-r7, pc}", 8)


def code(folder: Path, lines: list[str]) -> Generated:
    """A model whose invoke is the assembler `lines` and nothing else."""
    model = toys.whole(folder)
    text = "\\n".join([".syntax unified", *lines])
    (folder / "toy.c").write_text(
        '#include "toy.h"\nstatic int8_t arena[12];\n'
        "void *toy_input(int index) { (void)index; return arena; }\n"
        "const void *toy_output(int index) { (void)index; return arena; }\n"
        f'__attribute__((naked)) int toy_invoke(void) {{ __asm__ volatile("{text}"); }}\n'
    )
    return model


@pytest.mark.parametrize(
    "lines",
    [
        [],
        [("mul r1, r2, r3", 1), ("smlal r0, r1, r2, r3", 1), ("smlad r1, r2, r3, r1", 1), ("ssat r1, #8, r1, asr #3", 1)],
        [("movs r2, #3", 1), ("udiv r1, r1, r2", 6), ("sdiv r1, r1, r2", 6)],
        [("ldr r1, [sp]", 2), ("ldrsb r2, [sp]", 1), ("str r1, [sp, #-8]", 1), ("adds r1, r1, r2", 1), ("ldrh r1, [sp]", 2)],
        [("str r1, [sp, #-4]!", 2), ("ldr r1, [sp], #4", 1)],
        [("ldr r1, [sp]", 2), ("ldrd r2, r3, [sp]", 3), ("ldr r1, [sp]", 2), ("strd r2, r3, [sp, #-8]", 3)],
        [("mov r3, sp", 1), ("ldmia r3!, {r0-r2, r12}", 5), ("ldmdb r3, {r1, r2}", 3), ("ldr r1, [sp]", 2)],
        [SPILL[0], ("movs r4, #1", 1), ("stmdb sp!, {r4, r5}", 3), ("ldmia sp!, {r4, r5}", 3), ("pop {r4-r7, lr}", 6)],
        [("vpush {d8-d9}", 5), ("vadd.f32 s16, s17, s18", 1), ("vmla.f32 s16, s17, s18", 3), ("vdiv.f32 s16, s17, s18", 14),
         ("vldr s16, [sp]", 2), ("vldr s17, [sp]", 1), ("vpop {d8-d9}", 5)],
        [("b 1f", 3), ("1: cmp r0, r0", 1), ("bne 2f", 1), ("beq 2f", 3), ("nop", 0), ("2: nop", 1)],
        # Ten times round: the branch is taken nine times, the second load follows a load only the first time.
        [("movs r2, #10", 1), ("ldr r1, [sp]", 2), ("1: ldr r3, [sp]", 1 + 9 * 2), ("subs r2, #1", 10), ("bne 1b", 10 + 9 * 2)],
        # Two ways into one place, which only the counted branches tell apart.
        [("movs r2, #6", 1), ("1: lsrs r3, r2, #1", 6), ("bcs 2f", 6 + 3 * 2), ("nop", 3), ("2: subs r2, r2, #1", 6),
         ("bne 1b", 6 + 5 * 2)],
        [("mov r3, lr", 1), ("bl 1f", 3), ("movs r1, #0", 1), ("cbz r1, 2f", 3), ("1: bx lr", 3), ("2: cbz r3, 3f", 1),
         ("nop", 1), ("3: mov lr, r3", 1)],
        [("movs r0, #1", 1), ("tbb [pc, r0]", 4), ("1: .byte 1, 1\\n nop", 1)],
        [("cmp r0, r0", 1), ("it ne", 1), ("addne r1, r1, #1", 1)],
    ],
)  # fmt: skip
def test_known_code(tmp_path: Path, lines: list[tuple[str, int]]) -> None:
    lines = [*lines, *RETURN]
    result = run_on("cortex-m4", code(tmp_path, [text for text, _ in lines]), [[toys.SAMPLE]])
    assert result.modelled_cycles == sum(cycles for _, cycles in lines)


def test_a_return_by_pop_refills(tmp_path: Path) -> None:
    lines = [SPILL[0], RETURN[0], SPILL[1]]
    result = run_on("cortex-m4", code(tmp_path, [text for text, _ in lines]), [[toys.SAMPLE]] * 2)
    assert result.modelled_cycles == sum(cycles for _, cycles in lines)


def test_only_the_m4_is_modelled(tmp_path: Path) -> None:
    assert run_on("cortex-m7", toys.whole(tmp_path), [[toys.SAMPLE]]).modelled_cycles is None


@pytest.mark.parametrize(
    ("operands", "count"), [("sp!, {r4, r5, lr}", 3), ("r0, {r4-r7}", 4), ("{d8-d9}", 4), ("{s1}", 1), ("r0", 0)]
)
def test_registers_of_a_list(operands: str, count: int) -> None:
    assert Instruction("x", operands).registers == count


@pytest.mark.parametrize("core", ["cortex-m0plus", "cortex-m4", "cortex-m55"])
@pytest.mark.parametrize("options", [{"schedule": "layer"}, {"schedule": "stream", "minimize": "sram", "input": "pull"}])
def test_a_profile_adds_up(core: str, options: dict[str, str]) -> None:
    compiled = tflm_mcunet.compile(small_network(), target=core, name="small", **options)
    plain, split = compiled.bench(on=core), compiled.bench(on=core, profile=True)
    assert plain.counts is not None
    assert split.counts is not None
    assert plain.counts.addresses == split.counts.addresses
    assert plain.modelled_cycles == split.modelled_cycles
    profile = split.profile
    assert profile is not None
    assert len(profile.operators) == len(compiled.program.lowered.operators)
    assert all(work.instructions > 0 for work in (*profile.operators, profile.outside))
    assert profile.outside.instructions < 100
    assert sum(work.instructions for work in (*profile.operators, profile.outside)) == split.instructions
    if core == "cortex-m4":
        assert sum(work.cycles or 0 for work in (*profile.operators, profile.outside)) == split.modelled_cycles


def test_events_that_do_not_happen_are_an_error(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="3 events, 0 were seen"):
        run_on("cortex-m4", toys.whole(tmp_path), [[toys.SAMPLE]], events=[0, 1, 0])
