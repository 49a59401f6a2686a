"""Rewritten models in TFLM's Python interpreter, with the operators from a shared library found by its registerer's name."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tflm_mcunet.rewrite import Rewritten

FOLDER = Path(__file__).parent / "wheel"
C_FLAGS = ["-std=c99", "-O2", "-Wall", "-Wextra", "-Werror", "-fPIC"]
CXX_FLAGS = [
    "-std=c++17",
    "-O2",
    "-Wall",
    "-Wextra",
    "-Werror",
    "-fPIC",
    "-fno-exceptions",
    "-fno-rtti",
    "-fno-threadsafe-statics",
]


@dataclass(frozen=True)
class Run:
    """Outputs per sample, the bytes of TFLM's arena, and those of its tensors and scratch memory alone."""

    outputs: list[list[np.ndarray]]
    arena: int
    tensors: int


class Refused(Exception):
    """TFLM did not run the model."""


def build(rewritten: Rewritten, folder: Path) -> Path:
    """The shared library with the stages and the function `register_stages`."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in rewritten.files.items():
        (folder / name).write_text(text)
    objects = []
    for source in sorted(folder.glob("*.c")):
        objects.append(source.with_suffix(".o"))
        subprocess.run(["cc", *C_FLAGS, "-c", source, "-o", objects[-1]], check=True, timeout=120)
    header = f'-DSTAGES_HEADER="{rewritten.prefix}_stages.h"'
    includes = [f"-I{FOLDER}", f"-I{folder}", header, f"-DSTAGES={rewritten.prefix}"]
    library = folder / "stages.so"
    command = ["c++", *CXX_FLAGS, *includes, "-shared", FOLDER / "registerer.cc", *objects, "-o", library, "-lm"]
    subprocess.run(command, check=True, timeout=120)
    return library


def run(rewritten: Rewritten, samples: Sequence[Sequence[np.ndarray]], outputs: int, model: bytes | None = None) -> Run:
    """Runs the rewritten model, or `model` with its stages; raises Refused where TFLM does not."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        library = build(rewritten, folder / "stages")
        (folder / "model.tflite").write_bytes(model or rewritten.model)
        arrays = {f"{i}_{j}": value for i, sample in enumerate(samples) for j, value in enumerate(sample)}
        np.savez(folder / "samples.npz", **arrays)
        files = [folder / "model.tflite", library, folder / "samples.npz", folder / "results.npz"]
        environment = {**os.environ, "OUTPUTS": str(outputs)}
        command = [sys.executable, FOLDER / "run.py", *files]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, env=environment)
        log = done.stdout + done.stderr
        if done.returncode:
            raise Refused(log)
        with np.load(folder / "results.npz") as archive:
            found = [[archive[f"{i}_{j}"] for j in range(outputs)] for i in range(len(samples))]
    total, tensors = (int(re.findall(rf"Arena allocation {what} (\d+) bytes", log)[0]) for what in ("total", "head"))
    return Run(found, total, tensors)
