"""Models in TFLM's interpreter built from its sources, on the host and on emulated cores, with reference or CMSIS-NN kernels.

Environment variables name the sources: TFLM_ROOT, FLATBUFFERS_ROOT, GEMMLOWP_ROOT, RUY_ROOT, and CMSIS_NN_ROOT for its kernels;
TFLM_BUILD a folder for what is built, which is used again.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tflm_mcunet.execute import cores, harness
from tflm_mcunet.execute.build import call, find_tool
from tflm_mcunet.execute.counting import plugin_argument, read_counts
from tflm_mcunet.execute.image import REMEDY, STACK_BYTES, inspect_image, memory_script
from tflm_mcunet.execute.qemu import emulate
from tflm_mcunet.rewrite import Rewritten

FOLDER = Path(__file__).parent / "source"
ROOTS = ("TFLM_ROOT", "FLATBUFFERS_ROOT", "GEMMLOWP_ROOT", "RUY_ROOT")
CMSIS_NN = "CMSIS_NN_ROOT"
BUILD = "TFLM_BUILD"
SECTIONS = ("-ffunction-sections", "-fdata-sections")
LINK = ("-nostartfiles", "-Wl,--gc-sections", "-Wl,-Map=image.map", "-Wl,--no-warn-rwx-segments")


def missing(names: Iterable[str]) -> list[str]:
    """Those of the environment variables that are not set."""
    return [name for name in names if not os.environ.get(name)]


def include_flags() -> list[str]:
    """Where TFLM's headers are, and those of the libraries they include."""
    return [f"-I{named(name) / ('include' if name == 'FLATBUFFERS_ROOT' else '')}" for name in ROOTS]


def named(variable: str) -> Path:
    """The folder that an environment variable names."""
    return Path(os.environ[variable]).resolve()


@dataclass(frozen=True)
class Run:
    """The outputs of all samples as bytes, `arena_used_bytes()`, and the instructions of the first inference (0 on the host)."""

    outputs: bytes
    arena: int
    instructions: int


@dataclass(frozen=True)
class Engine:
    """TFLM on a core (`host` or one of cores.CORES) with `reference` or `cmsis_nn` kernels."""

    core: str
    kernels: str = "reference"

    @property
    def missing(self) -> list[str]:
        """Environment variables that would have to be set."""
        return missing((*ROOTS, *self._extra, BUILD))

    @property
    def _extra(self) -> tuple[str, ...]:
        return (CMSIS_NN,) if self.kernels == "cmsis_nn" else ()

    @property
    def flags(self) -> tuple[str, ...]:
        """Compiler options for the core."""
        return () if self.core == "host" else (*cores.core(self.core).flags, "-mthumb")

    @property
    def _cross(self) -> str:
        return "" if self.core == "host" else "arm-none-eabi-"

    @property
    def _cc(self) -> str:
        return f"{self._cross}gcc" if self._cross else "cc"

    def run(self, model: bytes | Rewritten, samples: Sequence[Sequence[np.ndarray]]) -> Run:
        """Runs a .tflite, or a rewritten one with its stages; raises BuildError, RunError, CalledProcessError."""
        with tempfile.TemporaryDirectory(prefix="tflm_mcunet_") as name:
            folder = Path(name)
            (folder / "model.tflite").write_bytes(model.model if isinstance(model, Rewritten) else model)
            (folder / "input.bin").write_bytes(b"".join(array.tobytes() for sample in samples for array in sample))
            objects = [*self._stages(model, folder), *self._program(model, folder)]
            instructions = self._on_host(objects, folder) if self.core == "host" else self._on_core(objects, folder)
            arena = int(np.fromfile(folder / "arena.bin", np.uint32)[0])
            return Run((folder / "output.bin").read_bytes(), arena, instructions)

    def _stages(self, model: bytes | Rewritten, folder: Path) -> list[str]:
        """Writes the stages' files to model/ and compiles them; the objects."""
        (folder / "model").mkdir()
        if isinstance(model, Rewritten):
            for name, text in model.files.items():
                (folder / "model" / name).write_text(text)
        sources = sorted(file.name for file in (folder / "model").glob("*.c"))
        for source in sources:
            call([self._cc, *self.flags, *SECTIONS, "-O2", "-std=c99", "-c", source], folder=folder / "model")
        return [f"model/{Path(source).stem}.o" for source in sources]

    def _program(self, model: bytes | Rewritten, folder: Path) -> list[str | Path]:
        """Builds TFLM, where that is not done yet, and the program around it in harness/; objects and library."""
        out = folder / "harness"
        out.mkdir()
        ports = [harness.FOLDER / "port_stdio.c"]
        if self.core != "host":
            ports = [cores.FOLDER / "startup.c", cores.FOLDER / "port_semihosting.c"]
        for port in ports:
            call([self._cc, *self.flags, "-O2", "-std=gnu99", "-ffreestanding", f"-I{harness.FOLDER}", "-c", port], folder=out)
        options = [f"-I{harness.FOLDER}"]
        if isinstance(model, Rewritten):
            header = f"'-DSTAGES_HEADER=\"{model.prefix}_stages.h\"'"
            options += [f"-I{folder / 'model'}", f"-DSTAGES={model.prefix}", header]
        build = named(BUILD) / self.core
        roots = [f"{name}={named(name)}" for name in (*ROOTS, *self._extra)]
        choice = [f"CROSS={self._cross}", f"FLAGS={' '.join(self.flags)}", *([] if self._extra else [f"{CMSIS_NN}="])]
        call(["make", "-C", FOLDER, "-j2", f"BUILD={build}", *choice, *roots, f"OUT={out}", f"PROGRAM={' '.join(options)}"])
        return [*(f"harness/{path.name}" for path in out.glob("*.o")), build / f"libtflm-{self.kernels}.a"]

    def _on_host(self, objects: list[str | Path], folder: Path) -> int:
        call(["c++", "-Wl,--gc-sections", *objects, "-lm", "-o", "program"], folder=folder)
        subprocess.run([folder / "program"], cwd=folder, check=True, timeout=300)
        return 0

    def _on_core(self, objects: list[str | Path], folder: Path) -> int:
        """Executed instructions of the first inference."""
        core = cores.core(self.core)
        (folder / "memory.ld").write_text(memory_script(core))
        script: list[str | Path] = ["-T", cores.FOLDER / "image.ld", "-L", folder, f"-Wl,--defsym=stack_bytes={STACK_BYTES}"]
        linker = find_tool("arm-none-eabi-g++", REMEDY)
        call([linker, *self.flags, *LINK, *script, *objects, "-lm", "-o", "image.elf"], folder=folder)
        image = inspect_image(folder)
        emulate(core, image, folder, plugin_argument(image, folder), timeout=500.0)
        return read_counts(image, folder).total
