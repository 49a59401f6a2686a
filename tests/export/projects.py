"""Exports of small models, the answers that their examples must print, and the compilers that check them."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

import tflm_mcunet
from tests.models import small_network
from tflm_mcunet import targets
from tflm_mcunet.compiled import Compiled
from tflm_mcunet.execute import cores

STUBS = Path(__file__).parent / "stubs"
CROSS = "arm-none-eabi-"
WARNINGS = ("-O2", "-Wall", "-Wextra", "-Werror")
needs_cross = pytest.mark.skipif(shutil.which(f"{CROSS}gcc") is None, reason="the cross compiler is missing")
needs_qemu = pytest.mark.skipif(
    not all(map(shutil.which, ("qemu-system-arm", f"{CROSS}gcc", "make"))), reason="QEMU, the cross compiler or make is missing"
)


def small(export: str | None, folder: Path, *, name: str = "tiny", float_edges: bool = False, **options: object) -> Compiled:
    """A small network, compiled and written to `folder`."""
    model = small_network(float_edges=float_edges)
    options.setdefault("target", "cortex-m7")
    compiled = tflm_mcunet.compile(model, name=name, export=export, **options)  # type: ignore[arg-type]
    compiled.write(folder)
    return compiled


def ramp(compiled: Compiled) -> list[np.ndarray]:
    """What examples give the network in place of real inputs."""
    values = []
    for tensor in compiled.program.graph.inputs:
        steps = np.arange(np.prod(tensor.shape)).reshape(tensor.shape) % 256
        values.append((steps / np.float32(255) if tensor.dtype == np.float32 else steps - 128).astype(tensor.dtype))
    return values


def answer(compiled: Compiled, inputs: Sequence[np.ndarray] | None = None) -> str:
    """The line that the example prints, up to the time."""
    output = compiled.run(*(ramp(compiled) if inputs is None else inputs))[0].reshape(-1)
    tensor = compiled.program.graph.outputs[0]
    best = int(output.argmax())
    real = float(output[best])
    if tensor.quantization is not None:
        real = float((np.float32(real) - tensor.zero_point) * np.float32(tensor.scale))
    return f"answer {best} with score {real:.3f} in "


def flags_of(export: str) -> list[tuple[str, ...]]:
    """The compiler flags of all cores whose boards the export is for."""
    boards = [targets.load(name) for name in targets.names()]
    wanted = {board.core for board in boards if export in board.exports} & set(cores.CORES)
    return [(*cores.CORES[core].flags, "-mthumb") for core in sorted(wanted)] or [("-mcpu=cortex-m3", "-mthumb")]


def cross_compile(flags: Sequence[str], source: Path, *includes: Path, language: Sequence[str] = ("-std=c99",)) -> Path:
    """The object file of a source, which must give no warning."""
    compiler = CROSS + ("gcc" if source.suffix == ".c" else "g++")
    target = source.with_suffix(".o")
    paths = [f"-I{path}" for path in includes]
    forced = [] if source.suffix in (".c", ".cpp") else ["-x", "c++"]
    run([compiler, *flags, *WARNINGS, *language, *paths, *forced, "-c", str(source), "-o", str(target)])
    return target


def run(command: Sequence[str | Path], folder: Path | None = None, timeout: float = 100) -> str:
    """What a command prints; fails the test, with that, where it ends badly."""
    done = subprocess.run(list(map(str, command)), cwd=folder, capture_output=True, text=True, check=False, timeout=timeout)
    output = done.stdout + done.stderr
    assert done.returncode == 0, output
    return re.sub(r"\r", "", output)
