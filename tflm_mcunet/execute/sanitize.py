"""Runs generated C on this machine under AddressSanitizer and UndefinedBehaviorSanitizer, as a program of its own."""

from __future__ import annotations

import re
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from tflm_mcunet.execute import harness
from tflm_mcunet.execute.build import HOST_FLAGS, call, host_compiler
from tflm_mcunet.execute.generated import Generated, RunError

FLAGS = ("-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-fno-omit-frame-pointer")


def run_sanitized(
    model: Generated,
    samples: Sequence[Sequence[np.ndarray]],
    flags: Sequence[str] = HOST_FLAGS,
    timeout: float = 300.0,
) -> list[list[np.ndarray]]:
    """Outputs per sample, from a program in which every bad access and undefined operation is fatal.

    Raises:
        BuildError, ToolMissing: the compiler failed or is missing.
        RunError: a sanitizer found something (the message holds its summary), the model failed, or took too long.
    """
    with tempfile.TemporaryDirectory(prefix="tflm_mcunet_") as name:
        folder = Path(name)
        harness.write_model_header(model, folder)
        harness.write_samples(model, samples, folder)
        sources = [*model.sources, harness.FOLDER / "main.c", harness.FOLDER / "port_stdio.c"]
        includes = [f"-I{path}" for path in (Path(model.folder).resolve(), harness.FOLDER, folder)]
        call([*host_compiler(), *flags, *FLAGS, *includes, *sources, "-o", folder / "model", "-lm"])
        try:
            done = subprocess.run(
                [folder / "model"],
                cwd=folder,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=timeout,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise RunError(f"the sanitized program took longer than {timeout:g} s") from None
        if done.returncode:
            raise RunError(_finding(done.stderr) or harness.FAILURES.get(done.returncode, "the program crashed"))
        return harness.read_outputs(model, len(samples), folder)


def _finding(log: str) -> str:
    """The one line of a sanitizer's report that names the problem and the place, or nothing."""
    undefined = re.search(r"^.*runtime error: .*$", log, re.MULTILINE)
    summary = re.search(r"^SUMMARY: (.*)$", log, re.MULTILINE)
    if undefined:
        return undefined[0]
    return summary[1] if summary else ""
