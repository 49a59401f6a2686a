"""Builds that minimise flash: kernels within a budget of code, faster than portable ones, and still exact."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from benchmarks.kernels.code_size import sizes
from tflm_mcunet.compiled import Compiled
from tflm_mcunet.compiler import build
from tflm_mcunet.kernels import flash
from tflm_mcunet.kernels.dsp.conv_2d import Conv2DSmallDsp
from tflm_mcunet.options import Options

MODEL = Path(__file__).parents[2] / "examples" / "fashion_mnist" / "model.tflite"
_missing = [tool for tool in ("qemu-system-arm", "arm-none-eabi-gcc") if shutil.which(tool) is None]
emulated = pytest.mark.skipif(bool(_missing), reason=f"not installed: {', '.join(_missing)}")


def compiled(target: str, minimize: str = "flash") -> Compiled:
    data = MODEL.read_bytes()
    return Compiled(data, build(data, "model", Options(target=target, io="int8", minimize=minimize)))


def test_a_dsp_kernel_is_worth_its_code() -> None:
    assert any(isinstance(op, Conv2DSmallDsp) for op in compiled("cortex-m7").program.lowered.operators)


@emulated
@pytest.mark.parametrize("core", ["cortex-m3", "cortex-m4", "cortex-m7", "cortex-m55"])
def test_code_is_small(core: str) -> None:
    small, fast = compiled(core).bench(on=core), compiled(core, "latency").bench(on=core)
    assert small.model.text + small.library.text < 9000
    if core != "cortex-m3":
        assert small.model.text < fast.model.text
        assert small.instructions < 0.8 * compiled("cortex-m3").bench(on="cortex-m3").instructions


@emulated
@pytest.mark.parametrize("core", ["cortex-m7", "cortex-m55"])
def test_is_exact(core: str) -> None:
    pytest.importorskip("tflite_micro")
    assert compiled(core).verify(on=core, samples=2).passed


@emulated
@pytest.mark.parametrize("function", ["mcu_conv2d_pointwise", "mcu_conv2d_dsp_pointwise"])
def test_table_is_that_of_these_kernels(function: str) -> None:
    """Fails when kernels have changed and benchmarks/kernels/code_size.py has not been run since."""
    header = "mcu_conv2d_small_dsp.h" if "dsp" in function else "mcu_conv2d.h"
    known = flash._table()["cortex-m7"][function]
    assert sum(known.values()) == pytest.approx(sum(sizes(function, header, "cortex-m7").values()), rel=0.1)
