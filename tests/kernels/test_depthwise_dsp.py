"""Depthwise convolutions in the DSP kernels, on emulated cores and in their twins on the host, against TFLM."""

from __future__ import annotations

import itertools
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from patch_scheduler import InvalidPlan, validate
from tests.build import ModelBuilder
from tests.kernels.exact import assert_exact_on
from tests.kernels.guarded import write_guarded
from tests.operators.test_conv import ACTIVATIONS
from tests.oracle import random_samples
from tflm_mcunet.compiler import build
from tflm_mcunet.execute.qemu import run_on
from tflm_mcunet.execute.sanitize import run_sanitized
from tflm_mcunet.execute.tflm import Tflm
from tflm_mcunet.kernels import dsp
from tflm_mcunet.kernels.dsp.depthwise_conv_2d import depthwise_conv_2d, depthwise_direct
from tflm_mcunet.operators.window import outputs_along
from tflm_mcunet.options import Options

Case = dict[str, Any]


def add(b: ModelBuilder, rng: np.random.Generator, case: Case) -> int:
    """Adds an input, a depthwise convolution of the case and its output.

    Keys: size, channels, multiplier, window, stride, padding, shifts (right shifts to choose from), ties (multipliers that
    are powers of two), zero, activation, least (of the weights), sparse (share of weights that are kept), bias.
    """
    multiplier, window, stride = case.get("multiplier", 1), case["window"], case.get("stride", (1, 1))
    outputs = case["channels"] * multiplier
    shifts = rng.choice(case.get("shifts", (5, 6, 7, 8)), outputs)
    factors = np.full(outputs, 0.5) if case.get("ties") else rng.uniform(0.5, 1, outputs)
    scales = factors * 2.0**-shifts / 2
    weights = rng.integers(case.get("least", -127), 128, (1, *window, outputs))
    weights = weights * (rng.random(weights.shape) < case.get("sparse", 1))
    spread = case.get("bias", 20000)
    w = b.constant(weights, scale=scales, axis=3)
    bias = b.constant(rng.integers(-spread, spread + 1, outputs), np.int32, scale=scales / 2)
    padding = case.get("padding", "SAME")
    dilation = case.get("dilation", (1, 1))
    x = b.input((1, *case["size"], case["channels"]), scale=0.5, zero_point=int(rng.integers(-128, 128)))
    target = [outputs_along(padding, *a) for a in zip(case["size"], window, stride, dilation, strict=True)]
    y = b.tensor((1, *target, outputs), scale=0.25, zero_point=case.get("zero", -128))
    b.operator(
        "DEPTHWISE_CONV_2D",
        [x, w, bias],
        [y],
        "DepthwiseConv2DOptions",
        depthMultiplier=multiplier,
        padding=0 if padding == "SAME" else 1,
        strideH=stride[0],
        strideW=stride[1],
        dilationHFactor=dilation[0],
        dilationWFactor=dilation[1],
        fusedActivationFunction=ACTIVATIONS[case.get("activation", "NONE")],
    )
    return y


def shapes() -> Iterator[Case]:
    """Every kernel over all remainders of columns and channels, with each tail."""
    rng = np.random.default_rng(1)
    for number, (side, stride, width) in enumerate(itertools.product((3, 5, 7), (1, 2), (*range(1, 10), 13))):
        for zero in (-128, 3):
            yield {
                "size": (int(rng.integers(1, 9)), width * stride - int(rng.integers(stride))),
                "channels": 1 + (number + (zero > 0)) % 9,
                "window": (side, side),
                "stride": (stride, stride),
                "zero": zero,
                "activation": str(rng.choice(["NONE", "NONE", "NONE", "RELU6"])),
            }


def valid() -> Iterator[Case]:
    """Without padding, and with windows that are no kernel's: they are computed as part of a larger one, or portably."""
    rng = np.random.default_rng(2)
    windows = [(3, 3), (5, 5), (7, 7), (1, 1), (2, 2), (1, 3), (3, 1), (4, 4), (5, 3), (2, 7), (6, 1), (10, 8)]
    for window, stride, padding in itertools.product(windows, [(1, 1), (2, 2), (2, 1), (3, 3)], ("SAME", "VALID")):
        size = int(window[0] + rng.integers(1, 6)), int(window[1] + rng.integers(0, 9))
        yield {
            "size": size,
            "channels": int(rng.integers(1, 14)),
            "window": window,
            "stride": stride,
            "padding": padding,
            "zero": int(rng.choice([-128, -128, 7])),
        }
    yield {"size": (9, 9), "channels": 4, "window": (3, 3), "dilation": (2, 2)}
    yield {"size": (9, 9), "channels": 4, "window": (1, 3), "dilation": (2, 1)}


def strips() -> Iterator[Case]:
    """Images of several strips, channels of several groups, multipliers."""
    for side, stride in itertools.product((3, 5, 7), (1, 2)):
        yield {"size": (23, 40), "channels": 10, "window": (side, side), "stride": (stride, stride)}
        yield {"size": (9, 90), "channels": 5, "window": (side, side), "stride": (stride, stride), "zero": -5}
    for channels, multiplier in itertools.product((1, 2, 3, 5), (2, 3, 8)):
        yield {"size": (7, 8), "channels": channels, "multiplier": multiplier, "window": (3, 3), "stride": (2, 2)}
        yield {"size": (7, 9), "channels": channels, "multiplier": multiplier, "window": (5, 5), "zero": -2}


def requantisations() -> Iterator[Case]:
    """Every shift, ties, clamps and zero points; channels that saturate or are constant; weights of -128; huge biases."""
    for shift, zero, ties in itertools.product((*range(-3, 26), 30), (-128, -20, 127), (False, True)):
        yield {"size": (3, 4), "channels": 4, "window": (3, 3), "shifts": (shift,), "zero": zero, "ties": ties}
    for shifts, zero, activation in itertools.product([(5, 6), (0, 1, 4), (7, 20, 24)], (-128, -100, 40, 127), ACTIVATIONS):
        yield {"size": (3, 3), "channels": 6, "window": (3, 3), "shifts": shifts, "zero": zero, "activation": activation}
    for least, bias, ties, zero in itertools.product((-128, -127), (100, 1 << 23, 1 << 29), (False, True), (-128, 3)):
        yield {"size": (4, 5), "channels": 6, "window": (3, 3), "least": least, "bias": bias, "ties": ties, "zero": zero}
    for sparse in (0.1, 0.5):
        yield {"size": (4, 5), "channels": 16, "window": (3, 3), "sparse": sparse, "shifts": (1, 2, 9, 14)}


def edges() -> Iterator[Case]:
    """3x3 windows at all edges of images that have only edges, or many rows, with every remainder of columns."""
    rng = np.random.default_rng(5)
    for width, height, stride, padding in itertools.product((*range(1, 10), 13), (1, 2, 3, 5, 17), (1, 2), ("SAME", "VALID")):
        if padding == "SAME" or min(width, height) >= 3:
            channels = int(rng.integers(1, 7))
            yield {"size": (height, width), "channels": channels, "window": (3, 3), "stride": (stride,) * 2, "padding": padding}
    for width, shifts in itertools.product((3, 6, 8), ((0, 1, 5), (1, 2, 8), (-1, 6, 9))):
        yield {"size": (4, width), "channels": 5, "window": (3, 3), "shifts": shifts}


SUITES = {"shapes": shapes, "valid": valid, "strips": strips, "requantisations": requantisations, "edges": edges}
KERNELS = {"planes": (depthwise_conv_2d, 1 / 3), "direct": (depthwise_direct, 1 / 50)}
"""Variants, and the share of each suite's cases that they take at least."""


def network(cases: Sequence[Case], seed: int) -> bytes:
    """One model with an operator per case, side by side."""
    rng = np.random.default_rng(seed)
    b = ModelBuilder()
    return b.build([add(b, rng, case) for case in cases])


BLOCKS = {"twin": 2, "cortex-m4": 1, "cortex-m7": 1 << 15}
"""Where kernels run, and how many rows an event has there at most."""


@pytest.mark.usefixtures("only_first")
@pytest.mark.parametrize("place", BLOCKS)
@pytest.mark.parametrize("suite", SUITES)
@pytest.mark.parametrize("kernel", KERNELS)
def test_equals_tflm(kernel: str, suite: str, place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Bytes are TFLM's, nothing is written outside outputs and scratch, and twins read nothing outside either."""
    cases = list(SUITES[suite]())
    variant, share = KERNELS[kernel]
    monkeypatch.setattr(dsp, "VARIANTS", [variant])
    model = network(cases, 7)
    program = build(model, "m", Options(target="cortex-m4" if place == "twin" else place, sram=1 << 24))
    kinds = Counter(type(op).__name__ for op in program.lowered.operators)
    assert kinds["DepthwiseConv2DDsp"] + kinds["DepthwiseConv2DDirectDsp"] > len(cases) * share, kinds
    samples = random_samples(program.graph.inputs, 2)
    with Tflm() as oracle, tempfile.TemporaryDirectory() as folder:
        expected = [result.outputs for result in oracle.run(model, samples)]
        guarded = write_guarded(program, Path(folder), BLOCKS[place])
        computed = run_sanitized(guarded, samples) if place == "twin" else run_on(place, guarded, samples, measure=False).outputs
    for outputs, reference in zip(computed, expected, strict=True):
        wrong = [
            (case, getattr(op, "tail", "portable"), ours.reshape(-1)[:12], theirs.reshape(-1)[:12])
            for case, op, ours, theirs in zip(cases, program.lowered.operators, outputs, reference, strict=True)
            if not np.array_equal(ours.reshape(-1), theirs.reshape(-1))
        ]
        assert not wrong, f"{len(wrong)} of {len(cases)} differ, such as {wrong[:3]}"


@pytest.mark.parametrize("core", ["cortex-m4", "cortex-m7"])
def test_outputs_over_the_row_above(core: str) -> None:
    """Outputs lie over the uppermost rows of their windows."""
    rng = np.random.default_rng(3)
    b = ModelBuilder()
    case: Case = {"size": (17, 5), "channels": 7, "window": (3, 3), "shifts": (5, 6)}
    x = y = add(b, rng, case)
    for _ in range(3):
        scales = rng.uniform(0.5, 1, 7) * 2.0**-6
        w = b.constant(rng.integers(-127, 128, (1, 3, 3, 7)), scale=scales, axis=3)
        y = b.tensor((1, 17, 5, 7), scale=0.25, zero_point=-128)
        options = {"depthMultiplier": 1, "padding": 0, "strideH": 1, "strideW": 1, "dilationHFactor": 1, "dilationWFactor": 1}
        b.operator("DEPTHWISE_CONV_2D", [x, w], [y], "DepthwiseConv2DOptions", **options)
        x = y
    model = b.build([y])
    program = build(model, "m", Options(target=core, minimize="sram", schedule="stream"))
    assert {type(op).__name__ for op in program.lowered.operators} == {"DepthwiseConv2DDirectDsp"}
    network = replace(
        program.lowered.network,
        operators=tuple(
            replace(op, reads=tuple(replace(access, lag=None) for access in op.reads)) for op in program.lowered.network.operators
        ),
    )
    with pytest.raises(InvalidPlan):
        validate(network, program.schedule, program.plan)
    assert_exact_on(core, model, program)
