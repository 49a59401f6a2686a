"""Sums over channels and MAX_POOL_2D in the DSP kernels against TFLM: twins, and instructions on emulated cores."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from tests.build import ModelBuilder
from tests.kernels.guarded import write_guarded
from tests.kernels.test_add_dsp import BLOCKS
from tests.operators.test_conv import ACTIVATIONS
from tests.oracle import random_samples
from tflm_mcunet.compiler import build
from tflm_mcunet.execute.qemu import run_on
from tflm_mcunet.execute.sanitize import run_sanitized
from tflm_mcunet.execute.tflm import Tflm
from tflm_mcunet.operators.window import outputs_along
from tflm_mcunet.options import Options


def means(b: ModelBuilder, rng: np.random.Generator) -> Iterator[int]:
    """All remainders of four channels, every set of axes, rows longer than 16 bits can sum up."""
    shapes = [((1, 3, 5, channels), [1, 2]) for channels in (*range(1, 10), 16, 20)]
    shapes += [((1, 3, 5, 9), axes) for axes in ([1], [2], [3], [1, 3], [2, 3], [1, 2, 3])]
    shapes += [((1, 2, 300, 5), [1, 2]), ((1, 2, 513, 4), [2])]
    for shape, axes in shapes:
        x = b.input(shape, scale=float(rng.uniform(0.01, 0.1)), zero_point=int(rng.integers(-128, 128)))
        target = [extent for axis, extent in enumerate(shape) if axis not in axes]
        y = b.tensor(target, scale=0.05, zero_point=int(rng.integers(-128, 128)))
        b.operator("MEAN", [x, b.constant(axes, np.int32)], [y], "ReducerOptions", keepDims=False)
        yield y


def pools(b: ModelBuilder, rng: np.random.Generator) -> Iterator[int]:
    """All remainders of four channels, windows across edges and over everything, activations."""
    windows = [((2, 2), 2), ((3, 3), 1), ((2, 3), 2), ((3, 3), 2), ((5, 6), 6)]
    for number, channels in enumerate((*range(1, 10), 16, 18)):
        for kind in ("MAX_POOL_2D", "AVERAGE_POOL_2D"):
            window, stride = windows[number % len(windows)]
            scale, zero = float(rng.uniform(0.02, 0.1)), int(rng.integers(-128, 128))
            x = b.input((1, 5, 6, channels), scale=scale, zero_point=zero)
            target = [outputs_along("SAME", extent, side, stride, 1) for extent, side in zip((5, 6), window, strict=True)]
            y = b.tensor((1, *target, channels), scale=scale, zero_point=zero)
            options = {"strideH": stride, "strideW": stride, "filterHeight": window[0], "filterWidth": window[1]}
            activation = list(ACTIVATIONS.values())[(number + channels // 5) % 4]
            b.operator(kind, [x], [y], "Pool2DOptions", padding=0, fusedActivationFunction=activation, **options)
            yield y


@pytest.mark.parametrize("place", BLOCKS)
@pytest.mark.parametrize(("suite", "function"), [(means, "mcu_reduce_sum_dsp"), (pools, "mcu_max_pool_2d_dsp")])
def test_equals_tflm(suite, function: str, place: str) -> None:
    """Bytes are TFLM's, and nothing is written outside outputs."""
    b = ModelBuilder()
    model = b.build(list(suite(b, np.random.default_rng(1))))
    program = build(model, "m", Options(target="cortex-m4" if place == "twin" else place, sram=1 << 24))
    assert function in {op.record().function for op in program.lowered.operators}
    samples = random_samples(program.graph.inputs, 2)
    with Tflm() as oracle, tempfile.TemporaryDirectory() as folder:
        expected = [result.outputs for result in oracle.run(model, samples)]
        guarded = write_guarded(program, Path(folder), BLOCKS[place])
        computed = run_sanitized(guarded, samples) if place == "twin" else run_on(place, guarded, samples, measure=False).outputs
    for ours, theirs in zip(computed, expected, strict=True):
        for op, one, other in zip(program.lowered.operators, ours, theirs, strict=True):
            assert np.array_equal(one.reshape(-1), other.reshape(-1)), str(op)
