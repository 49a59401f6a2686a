"""Runs generated C on an emulated Cortex-M and measures it: executed instructions, stack, sizes. QEMU knows no time."""

from __future__ import annotations

import re
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from tflm_mcunet.execute import cores, cycles, harness
from tflm_mcunet.execute.build import find_tool
from tflm_mcunet.execute.counting import Counts, Part, plugin_argument, read_counts
from tflm_mcunet.execute.disassembly import disassemble
from tflm_mcunet.execute.generated import Generated, RunError
from tflm_mcunet.execute.image import (
    FLAGS,
    REMEDY,
    STACK_BYTES,
    Image,
    Sizes,
    build_image,
)
from tflm_mcunet.execute.profile import Profile, event_calls, parts, split


@dataclass(frozen=True)
class Execution:
    """What an emulated core computed and what that took.

    Attributes:
        core: its name.
        outputs: per sample, the model's outputs.
        stack_bytes: the deepest that any inference wrote below the stack pointer with which invoke was called.
        image: sizes of everything linked, without the stack; model: of the generated code alone; library: of
            what it drew from the C library (memcpy ...).
        counts: instructions of the first sample's inference, or None where they were not asked for.
        modelled_cycles: of that inference on a Cortex-M4 without wait states, a model (cycles.py); None on other cores.
        profile: the same by operator, where it was asked for.
        code: bytes of .text of each C function of the generated code.
    """

    core: str
    outputs: list[list[np.ndarray]]
    stack_bytes: int
    image: Sizes
    model: Sizes
    library: Sizes
    counts: Counts | None
    modelled_cycles: int | None = None
    profile: Profile | None = None
    code: Mapping[str, int] = field(default_factory=dict)

    @property
    def instructions(self) -> int:
        """Executed instructions of one inference; raises RunError where they were not counted."""
        if self.counts is None:
            raise RunError("instructions were not counted: run with measure=True")
        return self.counts.total


def run_on(
    core: str,
    model: Generated,
    samples: Sequence[Sequence[np.ndarray]],
    *,
    measure: bool = True,
    events: Sequence[int] | None = None,
    flags: Sequence[str] = FLAGS,
    timeout: float = 300.0,
    keep: Path | None = None,
) -> Execution:
    """Builds `model` for `core` and runs it on every sample.

    Args:
        core: a name in cores.CORES.
        samples: at least one; per sample one array per model input.
        measure: count instructions (a little slower than without).
        events: the operator of each event of the schedule, in order, for a profile by operator.
        flags: compiler options for the model's sources.
        timeout: seconds for QEMU.
        keep: an existing folder in which image.elf and image.map stay, instead of a temporary one.

    Raises:
        ToolMissing: QEMU or the cross compiler is not installed.
        BuildError: the model does not compile, or does not fit the machine.
        RunError: it faulted, failed, or took too long; or a sample does not fit.
        Error: no such core.
    """
    emulated = cores.core(core)
    if not samples:
        raise RunError("at least one sample is needed")
    if keep is not None:
        return _run_in(Path(keep).resolve(), emulated, model, samples, measure, events, flags, timeout)
    with tempfile.TemporaryDirectory(prefix="tflm_mcunet_") as folder:
        return _run_in(Path(folder), emulated, model, samples, measure, events, flags, timeout)


def _run_in(
    folder: Path,
    core: cores.Core,
    model: Generated,
    samples: Sequence[Sequence[np.ndarray]],
    measure: bool,
    events: Sequence[int] | None,
    flags: Sequence[str],
    timeout: float,
) -> Execution:
    find_tool("qemu-system-arm", REMEDY)  # before anything is built
    image = build_image(model, core, folder, flags)
    harness.write_samples(model, samples, folder)
    code = disassemble(image) if measure and (events is not None or core.name == cycles.CORE) else {}
    order = parts(events or ())
    calls = event_calls(image, code, model.prefix) if order else []
    timed = code if core.name == cycles.CORE else None
    plugin = plugin_argument(image, folder, calls, order, branches=timed is not None) if measure else None
    emulate(core, image, folder, plugin, timeout)
    counts = read_counts(image, folder, len(order)) if measure else None
    return Execution(
        core.name,
        harness.read_outputs(model, len(samples), folder),
        _stack_bytes(folder),
        image.sizes(),
        image.sizes("model"),
        image.sizes("library"),
        counts,
        cycles.modelled_cycles(timed, Part(counts.addresses, counts.taken)) if counts and timed else None,
        split(counts, max(events, default=-1) + 1, timed) if counts and events is not None else None,
        image.code("model"),
    )


def emulate(core: cores.Core, image: Image, folder: Path, plugin: str | None, timeout: float) -> None:
    """Runs `image` in `folder`, where it lies, with the value of -plugin; raises ToolMissing, and RunError that says what went
    wrong unless the program ended well."""
    silent = ["-display", "none", "-monitor", "none", "-serial", "none", "-semihosting-config", "enable=on,target=native"]
    counting = ["-plugin", plugin] if plugin else []
    command = [find_tool("qemu-system-arm", REMEDY), "-M", core.machine, *silent, *counting, "-kernel", "image.elf"]
    try:
        done = subprocess.run(
            command,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise RunError(f"QEMU took longer than {timeout:g} s") from None
    if done.returncode == 0:
        return
    fault = re.search(r"fault: cfsr (0x\w+) pc 0x(\w+)", done.stderr)
    if fault:
        where = image.function_at(int(fault[2], 16)) if int(fault[2], 16) else "an overflown stack"
        raise RunError(f"the core faulted in {where} (CFSR {fault[1]}, pc 0x{fault[2]})")
    if "Lockup" in done.stderr:
        raise RunError("the core locked up: a fault while a fault was handled, most likely an overflown stack")
    lines = [line for line in done.stderr.splitlines() if line.strip()]
    reason = harness.FAILURES.get(done.returncode) or (lines[0] if lines else f"status {done.returncode}")
    raise RunError(f"the emulated program failed: {reason}")


def _stack_bytes(folder: Path) -> int:
    """The deepest stack of all inferences; raises RunError where the whole stack was used."""
    deepest = int(np.fromfile(folder / "stack.bin", np.uint32).max())
    if deepest > STACK_BYTES - 1024:
        raise RunError(f"an inference needs more than the {STACK_BYTES} bytes of stack that the image has")
    return deepest
