"""Compiled models, in their own arenas, against TFLM."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np

from tests.oracle import random_samples, types
from tflm_mcunet.compiler import Program
from tflm_mcunet.execute.generated import Generated
from tflm_mcunet.execute.qemu import run_on
from tflm_mcunet.execute.sanitize import run_sanitized
from tflm_mcunet.execute.tflm import Tflm


def assert_exact_on(core: str, model: bytes, program: Program) -> None:
    """Fails where the first output on an emulated core, or of the twins under sanitizers, is not TFLM's."""
    samples = random_samples(program.graph.inputs, 2)
    with Tflm() as oracle, tempfile.TemporaryDirectory() as folder:
        for name, text in program.emission.files.items():
            (Path(folder) / name).write_text(text)
        generated = Generated(Path(folder), program.prefix, types(program.graph.inputs), types(program.graph.outputs))
        computed = run_on(core, generated, samples, measure=False).outputs + run_sanitized(generated, samples)
        for ours, result in zip(computed, [*oracle.run(model, samples)] * 2, strict=True):
            assert np.array_equal(ours[0], result.outputs[0])
