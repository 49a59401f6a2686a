"""Emulated cores: outputs, exact counts, stack and sizes against models whose figures are known, and faults."""

from __future__ import annotations

import shutil

import numpy as np
import pytest

from tests.execute import toys
from tflm_mcunet.errors import Error
from tflm_mcunet.execute import build, cores
from tflm_mcunet.execute.build import BuildError, ToolMissing
from tflm_mcunet.execute.generated import RunError
from tflm_mcunet.execute.image import Sizes
from tflm_mcunet.execute.qemu import run_on

_missing = [tool for tool in ("qemu-system-arm", "arm-none-eabi-gcc") if shutil.which(tool) is None]
pytestmark = pytest.mark.skipif(bool(_missing), reason=f"not installed: {', '.join(_missing)}")


def _naked(folder, code: str):
    """A toy whose invoke is the assembler `code` and nothing else, so that its instructions are known."""
    model = toys.whole(folder)
    text = (
        '#include "toy.h"\nstatic int8_t arena[12];\n'
        "void *toy_input(int index) { (void)index; return arena; }\n"
        "const void *toy_output(int index) { (void)index; return arena; }\n"
        f'__attribute__((naked)) int toy_invoke(void) {{ __asm__ volatile(".syntax unified\\n {code}"); }}\n'
    )
    (folder / "toy.c").write_text(text)
    return model


@pytest.mark.parametrize("core", cores.CORES)
def test_every_core_computes(tmp_path, core):
    samples = [[toys.SAMPLE], [toys.SAMPLE[:, ::-1]]]
    result = run_on(core, toys.whole(tmp_path, body="static volatile float f = 2; f = f * 3;"), samples)
    for sample, output in zip(samples, result.outputs, strict=True):
        np.testing.assert_array_equal(output[0], sample[0] + 1)
    assert 0 < result.counts.functions["toy_invoke"] <= result.instructions < 2000


@pytest.mark.parametrize("core", cores.CORES)
@pytest.mark.parametrize(
    ("code", "instructions"),
    [
        ("movs r0, #0\\n bx lr", 2),
        ("ldr r1, =1000\\n 1: subs r1, r1, #1\\n bne 1b\\n movs r0, #0\\n bx lr\\n .ltorg", 1 + 2000 + 2),
        ("ldr r1, =70000\\n 1: subs r1, r1, #1\\n bne 1b\\n movs r0, #0\\n bx lr\\n .ltorg", 1 + 140000 + 2),
    ],
)
def test_counts_are_exact(tmp_path, core, code, instructions):
    result = run_on(core, _naked(tmp_path, code), [[toys.SAMPLE]] * 2)
    assert result.instructions == instructions
    assert result.counts.functions == {"toy_invoke": instructions}
    assert sum(result.counts.addresses.values()) == instructions


def test_counts_repeat(tmp_path):
    model = toys.whole(tmp_path)
    first, second = (run_on("cortex-m4", model, [[toys.SAMPLE]]) for _ in range(2))
    assert first.counts == second.counts


def test_pulled_rows_do_not_count_the_row_source(tmp_path):
    result = run_on("cortex-m4", toys.pull(tmp_path), [[toys.SAMPLE]] * 2)
    np.testing.assert_array_equal(result.outputs[1][0], toys.SAMPLE + 1)
    assert set(result.counts.functions) == {"toy_invoke_rows"}


@pytest.mark.parametrize("core", ["cortex-m0plus", "cortex-m7"])
@pytest.mark.parametrize("words", [0, 2, 500])
def test_stack_is_what_invoke_writes(tmp_path, core, words):
    code = f"ldr r1, ={words * 4}\\n mov r2, sp\\n subs r2, r2, r1\\n b 2f\\n 1: subs r1, r1, #4\\n str r0, [r2, r1]\\n"
    code += " 2: cmp r1, #0\\n bne 1b\\n movs r0, #0\\n bx lr\\n .ltorg"
    assert run_on(core, _naked(tmp_path, code), [[toys.SAMPLE]], measure=False).stack_bytes == words * 4


def test_sizes_of_the_model_alone(tmp_path):
    tables = "static const int32_t table[300] = {1}; static int32_t big[50]; static int32_t set[7] = {3};"
    body = "big[arena[0] & 7] = table[arena[1] & 127] + set[arena[2] & 3]++; result[3] = (int8_t)big[arena[3] & 15];"
    model = toys.whole(tmp_path, globals=tables, body=body)
    result = run_on("cortex-m4", model, [[toys.SAMPLE]], measure=False)
    assert (result.model.rodata, result.model.data) == (1200, 28)
    assert result.model.bss == 200 + 12 + 12
    assert 60 < result.model.text < 300
    assert result.image.text > result.model.text
    assert result.library == Sizes()
    assert result.model.flash == result.model.text + 1228
    with pytest.raises(RunError, match="measure=True"):
        assert result.instructions


def test_library_code_is_kept_apart(tmp_path):
    model = toys.whole(tmp_path, globals="#include <string.h>", body="memset(result, 1, (unsigned)arena[0] & 7u);")
    result = run_on("cortex-m3", model, [[toys.SAMPLE]])
    assert result.library.text > 0
    assert result.counts.functions["memset"] > 0


def test_models_of_megabytes_fit(tmp_path):
    tables = "static const int8_t weights[2000000] = {1}; static volatile int8_t scratch[3000000];"
    body = "scratch[(unsigned char)arena[0] << 10] = weights[(unsigned char)arena[1] << 10];"
    for core in ("cortex-m4", "cortex-m55"):
        result = run_on(core, toys.whole(tmp_path, globals=tables, body=body), [[toys.SAMPLE]], measure=False)
        assert result.model.rodata >= 2000000
        assert result.model.bss >= 3000000


@pytest.mark.parametrize("core", cores.CORES)
@pytest.mark.parametrize("code", ["movs r0, #0\\n mvns r0, r0\\n ldr r0, [r0]\\n bx lr", "udf #1", "movs r0, #0\\n bx r0"])
def test_faults_are_errors(tmp_path, core, code):
    with pytest.raises(RunError, match=r"faulted|overflown stack"):
        run_on(core, _naked(tmp_path, code), [[toys.SAMPLE]], timeout=120)


def test_a_stack_overflow_is_an_error(tmp_path):
    with pytest.raises(RunError, match=r"stack|faulted"):
        run_on("cortex-m4", _naked(tmp_path, "1: push {r0-r7}\\n b 1b"), [[toys.SAMPLE]], timeout=20)


def test_cortex_m0plus_traps_unaligned_access(tmp_path):
    code = "mov r1, sp\\n subs r1, r1, #7\\n ldr r0, [r1]\\n movs r0, #0\\n bx lr"
    run_on("cortex-m3", _naked(tmp_path, code), [[toys.SAMPLE]])
    with pytest.raises(RunError, match="faulted in toy_invoke"):
        run_on("cortex-m0plus", _naked(tmp_path, code), [[toys.SAMPLE]])


def test_endless_code_ends_at_the_timeout(tmp_path):
    with pytest.raises(RunError, match="longer than 1 s"):
        run_on("cortex-m4", _naked(tmp_path, "1: b 1b"), [[toys.SAMPLE]], timeout=1)


def test_a_failing_invoke_is_an_error(tmp_path):
    with pytest.raises(RunError, match="invoke reported an error"):
        run_on("cortex-m4", toys.whole(tmp_path, body="return 7;"), [[toys.SAMPLE]])


def test_a_model_that_does_not_fit_is_a_build_error(tmp_path):
    body = "result[0] = weights[(unsigned char)arena[0] << 10];"
    model = toys.whole(tmp_path, globals="static const int8_t weights[9000000] = {1};", body=body)
    with pytest.raises(BuildError, match="overflowed"):
        run_on("cortex-m4", model, [[toys.SAMPLE]])


def test_unknown_cores_and_missing_tools(tmp_path, monkeypatch):
    with pytest.raises(Error, match="'cortex-m9' is not an emulated core"):
        run_on("cortex-m9", toys.whole(tmp_path), [[toys.SAMPLE]])
    monkeypatch.setattr(build.shutil, "which", lambda name: None)
    with pytest.raises(ToolMissing, match="qemu-system-arm not found: apt-get install qemu-system-arm"):
        run_on("cortex-m4", toys.whole(tmp_path), [[toys.SAMPLE]])
