"""ADD and SUB in the DSP kernels, on emulated cores and in their twins on the host, against TFLM."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from tests.build import ModelBuilder
from tests.kernels.guarded import write_guarded
from tests.operators.test_binary import connect, quantizations
from tests.oracle import random_samples
from tflm_mcunet.compiler import build
from tflm_mcunet.execute.qemu import run_on
from tflm_mcunet.execute.sanitize import run_sanitized
from tflm_mcunet.execute.tflm import Tflm
from tflm_mcunet.options import Options

BLOCKS = {"twin": 2, "cortex-m4": 1, "cortex-m7": 1 << 15}
"""Where kernels run, and how many rows an event has there at most."""

Shape = tuple[int, ...]
Case = tuple[str, Shape, Shape, tuple[tuple[float, int], tuple[float, int], tuple[float, int]]]


def ties() -> Iterator[Case]:
    """Scales whose sums meet halves, which are rounded away from zero; all pairs of values."""
    everything = (1, 256, 256)
    rng = np.random.default_rng(0)
    for kind, scales in (("ADD", (0.5, 0.5, 1)), ("SUB", (0.25, 1, 0.5)), ("ADD", (1, 0.125, 0.5))):
        first, second, target = ((scale, int(rng.integers(-128, 128))) for scale in scales)
        yield kind, everything, everything, (first, second, target)


def shapes() -> Iterator[Case]:
    """Remainders of four elements, broadcast operands, plausible and extreme scales."""
    for kind in ("ADD", "SUB"):
        for number, parameters in enumerate(quantizations(kind, 60, seed=3)):
            full = (1, 3, 1 + number % 4, 1 + number // 4)
            yield kind, full, full if number % 5 else (1, 1, 1, full[3] if number % 2 else 1), parameters


SUITES: dict[str, Callable[[], Iterator[Case]]] = {"ties": ties, "shapes": shapes}


@pytest.mark.usefixtures("only_first")
@pytest.mark.parametrize("place", BLOCKS)
@pytest.mark.parametrize("suite", SUITES)
def test_equals_tflm(suite: str, place: str) -> None:
    """Bytes are TFLM's, and nothing is written outside outputs."""
    cases = list(SUITES[suite]())
    b = ModelBuilder()
    outputs = []
    for kind, first, second, parameters in cases:
        inputs = [b.input(shape, scale=p[0], zero_point=p[1]) for shape, p in zip((first, second), parameters, strict=False)]
        outputs.append(b.tensor(first, scale=parameters[2][0], zero_point=parameters[2][1]))
        connect(b, kind, inputs, outputs[-1])
    model = b.build(outputs)
    program = build(model, "m", Options(target="cortex-m4" if place == "twin" else place, sram=1 << 24))
    kinds = Counter(type(op).__name__ for op in program.lowered.operators)
    assert kinds["AddDsp"] + kinds["SubDsp"] > len(cases) / 2, kinds
    samples = random_samples(program.graph.inputs, 1)
    if suite == "ties":
        values = np.arange(-128, 128, dtype=np.int8)
        pair = [np.broadcast_to(values[:, None], (1, 256, 256)), np.broadcast_to(values, (1, 256, 256))]
        samples = [pair * len(cases)]
    with Tflm() as oracle, tempfile.TemporaryDirectory() as folder:
        expected = [result.outputs for result in oracle.run(model, samples)]
        guarded = write_guarded(program, Path(folder), BLOCKS[place])
        computed = run_sanitized(guarded, samples) if place == "twin" else run_on(place, guarded, samples, measure=False).outputs
    for ours, theirs in zip(computed, expected, strict=True):
        wrong = [
            (case, type(op).__name__)
            for case, op, one, other in zip(cases, program.lowered.operators, ours, theirs, strict=True)
            if not np.array_equal(one.reshape(-1), other.reshape(-1))
        ]
        assert not wrong, f"{len(wrong)} of {len(cases)} differ, such as {wrong[:3]}"
