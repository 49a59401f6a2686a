"""The make and stm32cube exports run on emulated boards, the cmake one on this machine, and print the right answer."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import tflm_mcunet
from tests.export.projects import STUBS, WARNINGS, answer, needs_qemu, run, small
from tflm_mcunet.execute import cores

SHARED = Path(__file__).parents[3] / "shared" / "models"
F405 = ("-mcpu=cortex-m4", "-mfpu=fpv4-sp-d16", "-mfloat-abi=hard", "-mthumb")


@needs_qemu
@pytest.mark.parametrize("core", cores.CORES)
def test_make_runs_on_every_core(core, tmp_path):
    compiled = small("make", tmp_path, target=core, extras=("self-test",))
    assert f"CORE ?= {core}" in (tmp_path / "Makefile").read_text()
    text = run(["make", "run"], tmp_path)
    assert answer(compiled) in text
    assert "self-test passed" in text


@needs_qemu
@pytest.mark.parametrize("variant", ["pull", "float"])
def test_make_runs_with_other_inputs(variant, tmp_path):
    compiled = small("make", tmp_path, float_edges=variant == "float", input="pull" if variant == "pull" else "whole")
    assert answer(compiled) in run(["make", "run", "CORE=cortex-m7"], tmp_path)


@needs_qemu
def test_make_takes_inputs_from_a_file(tmp_path):
    compiled = small("make", tmp_path)
    sample = np.random.default_rng(3).integers(-128, 128, compiled.program.graph.inputs[0].shape, dtype=np.int8)
    (tmp_path / "input.bin").write_bytes(sample.tobytes())
    assert answer(compiled) in run(["make", "run"], tmp_path)
    assert answer(compiled, [sample]) in run(["make", "run", "INPUT=input.bin"], tmp_path)
    failed = subprocess.run(
        ["make", "run", "INPUT=none.bin"], cwd=tmp_path, capture_output=True, text=True, check=False, timeout=120
    )
    assert failed.returncode != 0
    assert "cannot open none.bin" in failed.stdout + failed.stderr


@needs_qemu
@pytest.mark.parametrize("extras", [("self-test",), ("self-test", "hooks", "dma"), ("self-test", "double-buffer", "keep-input")])
def test_stm32cube_runs_on_an_stm32f405(extras, tmp_path):
    compiled = small("stm32cube", tmp_path, target="stm32f446", extras=extras)
    text = stm32_run(tmp_path, "tiny")
    assert answer(compiled) in text
    assert "self-test passed" in text


def stm32_run(folder: Path, prefix: str) -> str:
    """Builds the export with its Makefile fragment, as CubeMX's Makefile does, and runs it on the emulated board."""
    defines = f"-DEXAMPLE_UART=huart1 -DEXAMPLE={prefix}_example"
    link = f"-nostartfiles -specs=nano.specs -specs=nosys.specs -T {STUBS}/stm32/stm32f405.ld"
    (folder / "Makefile").write_text(
        f"C_SOURCES = {STUBS}/stm32/board.c\ninclude {folder}/{prefix}.mk\n"
        f"CFLAGS = {' '.join((*F405, *WARNINGS))} -std=gnu11 {defines} $(C_INCLUDES) -I{STUBS}/stm32\n"
        f"image.elf: $(C_SOURCES)\n\tarm-none-eabi-gcc $(CFLAGS) $^ {link} -lm -o $@\n"
    )
    run(["make", "image.elf"], folder)
    machine = ["qemu-system-arm", "-M", "netduinoplus2", "-display", "none", "-monitor", "none", "-serial", "stdio"]
    return run([*machine, "-semihosting-config", "enable=on,target=native", "-kernel", "image.elf"], folder)


MAKEFILE = """CC = arm-none-eabi-gcc
C_SOURCES = {stubs}/board.c
C_INCLUDES = -I{stubs}
include first/first.mk
include second/second.mk
OBJECTS = $(addprefix build/,$(notdir $(C_SOURCES:.c=.o)))
vpath %.c $(sort $(dir $(C_SOURCES)))
build/image.elf: $(OBJECTS)
\t$(CC) {flags} $(OBJECTS) -nostartfiles -specs=nano.specs -specs=nosys.specs -T {stubs}/stm32f405.ld -lm -o $@
build/%.o: %.c
\tmkdir -p build
\t$(CC) -c {flags} -DEXAMPLE_UART=huart1 -DEXAMPLE=first_example $(C_INCLUDES) $< -o $@
"""
"""The lines of CubeMX's Makefiles that find sources: objects by the last part of their paths."""


@needs_qemu
def test_two_models_in_one_cubemx_makefile(tmp_path):
    for name in ("first", "second"):
        small("stm32cube", tmp_path / name, name=name, target="stm32f446")
    flags = " ".join((*F405, *WARNINGS, "-std=gnu11"))
    (tmp_path / "Makefile").write_text(MAKEFILE.format(stubs=STUBS / "stm32", flags=flags))
    run(["make", "build/image.elf"], tmp_path)
    symbols = run(["arm-none-eabi-nm", "build/image.elf"], tmp_path)
    assert {"first_example", "second_example"} <= set(symbols.split())


@pytest.mark.skipif(shutil.which("cmake") is None, reason="cmake is missing")
def test_cmake_builds_beside_and_after_installation(tmp_path):
    compiled = small("cmake", tmp_path / "tiny", extras=("self-test",))
    quiet = "--log-level=ERROR"
    run(["cmake", quiet, "-S", tmp_path / "tiny/example", "-B", tmp_path / "beside"])
    run(["cmake", "--build", tmp_path / "beside"])
    assert answer(compiled) in run([tmp_path / "beside/tiny_example"])

    run(["cmake", quiet, "-S", tmp_path / "tiny", "-B", tmp_path / "library", f"-DCMAKE_INSTALL_PREFIX={tmp_path}/usr"])
    run(["cmake", "--build", tmp_path / "library", "--target", "install"])
    shutil.copytree(tmp_path / "tiny/example", tmp_path / "alone/example")
    run(["cmake", quiet, "-S", tmp_path / "alone/example", "-B", tmp_path / "installed", f"-DCMAKE_PREFIX_PATH={tmp_path}/usr"])
    run(["cmake", "--build", tmp_path / "installed"])
    text = run([tmp_path / "installed/tiny_example"])
    assert answer(compiled) in text
    assert "self-test passed" in text


@needs_qemu
def test_the_command_line_writes_exports(tmp_path):
    from tests.models import small_network

    (tmp_path / "tiny.tflite").write_bytes(small_network())
    command = [sys.executable, "-m", "tflm_mcunet", "compile", tmp_path / "tiny.tflite", "--out", tmp_path / "out"]
    run([*command, "--export", "make", "--with", "self-test,hooks"])
    assert "self-test passed" in run(["make", "run"], tmp_path / "out")
    for wrong, hint in (
        ("--export=keil", "invalid choice"),
        ("--with=fast", "--with fast: choose some of"),
        ("--with=camera", "--input pull"),
    ):
        done = subprocess.run([*map(str, command), wrong], capture_output=True, text=True, check=False, timeout=60)
        assert done.returncode == 2
        assert done.stderr.startswith("error: ")
        assert hint in done.stderr
        assert done.stderr.count("\n") == 1


@pytest.mark.slow
@needs_qemu
@pytest.mark.skipif(not SHARED.is_dir(), reason="the reference models are not here")
@pytest.mark.parametrize("model", ["mlperf_kws_dscnn", "tflm_person_detect", "mlperf_ic_resnet8"])
def test_real_models_run_as_make_projects(model, tmp_path):
    compiled = tflm_mcunet.compile(SHARED / f"{model}.tflite", target="cortex-m7", export="make", extras=("self-test",))
    compiled.write(tmp_path)
    text = run(["make", "run"], tmp_path)
    assert answer(compiled) in text
    assert "self-test passed" in text
