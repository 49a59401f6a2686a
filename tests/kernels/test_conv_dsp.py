"""Convolutions and FULLY_CONNECTED in the DSP kernels, on emulated cores and in their twins on the host, against TFLM."""

from __future__ import annotations

import itertools
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.build import ModelBuilder
from tests.kernels.exact import assert_exact_on
from tests.kernels.guarded import write_guarded
from tests.operators.test_conv import ACTIVATIONS
from tests.oracle import random_samples
from tflm_mcunet.compiler import build
from tflm_mcunet.execute.qemu import run_on
from tflm_mcunet.execute.sanitize import run_sanitized
from tflm_mcunet.execute.tflm import Tflm
from tflm_mcunet.kernels import Variant, dsp
from tflm_mcunet.kernels.dsp.conv_2d import CONV_2D, Conv2DDsp, Conv2DSmallDsp
from tflm_mcunet.kernels.dsp.fully_connected import FullyConnectedDsp
from tflm_mcunet.operators.base import Operator
from tflm_mcunet.operators.window import outputs_along
from tflm_mcunet.options import Options

Case = dict[str, Any]


def add(b: ModelBuilder, rng: np.random.Generator, case: Case) -> int:
    """Adds an input, an operator of the case and its output.

    Keys: size, channels, outputs, window (none: FULLY_CONNECTED, `size` its batches), stride, dilation, padding, shifts (right
    shifts to choose from), ties (multipliers that are powers of two), zero, pad (the input's zero point), activation, least (of
    the weights), bias.
    """
    outputs, window = case["outputs"], case.get("window")
    shifts = rng.choice(case.get("shifts", (6, 7, 8)), outputs)
    factors = np.full(outputs, 0.5) if case.get("ties") else rng.uniform(0.5, 1, outputs)
    scales = factors * 2.0**-shifts / 2
    activation = case.get("activation", "NONE")
    zero = case.get("zero", int(rng.integers(-128, 128)))
    shape = (outputs, *(window or ()), case["channels"])
    weights = rng.integers(case.get("least", -127), 128, shape)
    if case.get("sparse"):
        weights *= rng.random(shape) < case["sparse"]
    spread = case.get("bias", 20000)
    w = b.constant(weights, scale=scales)
    bias = b.constant(rng.integers(-spread, spread + 1, outputs), np.int32, scale=scales / 2)
    options = {"fusedActivationFunction": ACTIVATIONS[activation]}
    if window is None:
        x = b.input((case["size"], case["channels"]), scale=0.5, zero_point=int(rng.integers(-128, 128)))
        y = b.tensor((case["size"], outputs), scale=0.25, zero_point=zero)
        b.operator("FULLY_CONNECTED", [x, w, bias], [y], "FullyConnectedOptions", **options)
        return y
    stride, dilation = case.get("stride", (1, 1)), case.get("dilation", (1, 1))
    padding = case.get("padding", "SAME")
    x = b.input((1, *case["size"], case["channels"]), scale=0.5, zero_point=case.get("pad", int(rng.integers(-128, 128))))
    target = [outputs_along(padding, *a) for a in zip(case["size"], window, stride, dilation, strict=True)]
    y = b.tensor((1, *target, outputs), scale=0.25, zero_point=zero)
    options |= {
        "padding": 0 if padding == "SAME" else 1,
        "strideH": stride[0],
        "strideW": stride[1],
        "dilationHFactor": dilation[0],
        "dilationWFactor": dilation[1],
    }
    b.operator("CONV_2D", [x, w, bias], [y], "Conv2DOptions", **options)
    return y


def network(cases: Sequence[Case], seed: int) -> bytes:
    """One model with an operator per case, side by side."""
    rng = np.random.default_rng(seed)
    b = ModelBuilder()
    return b.build([add(b, rng, case) for case in cases])


def pointwise() -> Iterator[Case]:
    """All remainders of channels, outputs and pixels."""
    rng = np.random.default_rng(1)
    for channels, outputs in itertools.product((*range(1, 10), 48, 52, 60), (1, 2, 3, 5, 8)):
        stride = [(1, 1), (1, 1), (2, 2), (1, 3)][rng.integers(4)]
        size = int(rng.integers(1, 6)), int(rng.integers(1, 10))
        zero = int(rng.choice([-128, -3, 127]))
        yield {"size": size, "channels": channels, "outputs": outputs, "window": (1, 1), "stride": stride, "zero": zero}


def windows() -> Iterator[Case]:
    """Kernels, strides, paddings and dilations, in place and gathered, over widths 1 .. 9."""
    rng = np.random.default_rng(2)
    kernels = [(1, 1), (3, 3), (5, 5), (7, 7), (2, 3), (7, 1), (1, 4), (10, 4)]
    for number, (window, stride, dilation) in enumerate(
        itertools.product(kernels, [(1, 1), (2, 2), (2, 1), (3, 2)], [(1, 1), (2, 2), (1, 3)])
    ):
        width = 1 + number % 9
        fits = all((w - 1) * d < s for w, d, s in zip(window, dilation, (12, width), strict=True))
        yield {
            "size": (12 if fits else 5, width),
            "channels": int(rng.choice([1, 2, 3, 4, 8])),
            "outputs": int(rng.integers(1, 7)),
            "window": window,
            "stride": stride,
            "dilation": dilation,
            "padding": "VALID" if fits and number % 2 else "SAME",
            "zero": int(rng.choice([-128, 5])),
        }


def requantisations() -> Iterator[Case]:
    """Every shift, ties, clamps and zero points; channels that saturate, are constant, or may not share a lane."""
    for shift, zero, ties in itertools.product((*range(-3, 26), 30), (-128, -20, 127), (False, True)):
        yield {"size": (1, 4), "channels": 5, "outputs": 4, "window": (1, 1), "shifts": (shift,), "zero": zero, "ties": ties}
    for shifts, zero, activation in itertools.product(
        [(5, 6), (9, 10, 11), (3, 4, 5), (8, 11, 12, 14, 15, 20), (7, 7, 7, 24)], (-128, -100, 40, 127), ACTIVATIONS
    ):
        case = {"size": (3, 2), "channels": 11, "outputs": 9, "window": (1, 1), "shifts": shifts}
        yield case | {"zero": zero, "activation": activation}
    for least, bias, ties in itertools.product((-128, -127), (100, 1 << 23, 1 << 28), (False, True)):
        case = {"size": (3, 3), "channels": 9, "outputs": 7, "window": (1, 1), "least": least, "bias": bias, "ties": ties}
        yield case | {"zero": -128, "sparse": 0.9}
        yield case | {"zero": 3, "window": (3, 3)}


def large() -> Iterator[Case]:
    """Sums of many taps, some beyond what two channels in a lane hold, and several passes of the unrolled loop."""
    for channels in (100, 104, 191, 480, 700):
        yield {"size": (1, 4), "channels": channels, "outputs": 5, "window": (1, 1), "zero": -128, "shifts": (8, 9, 10)}
        yield {"size": (2, 2), "channels": channels, "outputs": 3, "window": (1, 1), "sparse": 0.2}
    yield {"size": (5, 5), "channels": 32, "outputs": 6, "window": (3, 3), "shifts": (9,), "stride": (2, 2)}


def strips() -> Iterator[Case]:
    """Maps of many rows, and of fewer than the window has, with padding that is zeros when expanded and padding that is not."""
    rng = np.random.default_rng(4)
    for (window, channels), stride, height, pad in itertools.product(
        [((3, 3), 1), ((3, 3), 3), ((3, 3), 4), ((5, 3), 8), ((10, 4), 1), ((3, 3), 40), ((7, 7), 3)],
        [(1, 1), (2, 2), (3, 1)],
        (1, 3, 14, 29),
        (-128, 9),
    ):
        size = height, int(rng.integers(1, 10))
        outputs, zero = int(rng.integers(2, 7)), int(rng.choice([-128, 11]))
        case = {"size": size, "channels": channels, "outputs": outputs, "window": window, "stride": stride}
        yield case | {"pad": pad, "zero": zero, "shifts": (7, 8)}


def products() -> Iterator[Case]:
    """FULLY_CONNECTED: depths around the unrolled chunks, remainders of outputs, batches, clamps."""
    rng = np.random.default_rng(3)
    for depth, outputs in itertools.product((*range(1, 10), 63, 64, 65, 130, 200), (1, 2, 3, 4, 9)):
        yield {
            "size": int(rng.choice([1, 1, 3])),
            "channels": depth,
            "outputs": outputs,
            "zero": int(rng.choice([-128, 0, 127])),
            "activation": str(rng.choice(list(ACTIVATIONS))),
            "shifts": tuple(rng.integers(1, 14, 3)),
            "ties": bool(rng.integers(2)),
            "sparse": 0.8,
        }


SUITES = {
    "pointwise": pointwise,
    "windows": windows,
    "strips": strips,
    "requantisations": requantisations,
    "large": large,
    "products": products,
}

BLOCKS = {"twin": 2, "cortex-m4": 1, "cortex-m7": 1 << 15}
"""Where kernels run, and how many rows an event has there at most."""


@pytest.mark.usefixtures("only_first")
@pytest.mark.parametrize("place", BLOCKS)
@pytest.mark.parametrize("suite", SUITES)
def test_equals_tflm(suite: str, place: str) -> None:
    """Bytes are TFLM's, nothing is written outside outputs and scratch, and twins read nothing outside either."""
    check(suite, place)


def small(op: Operator) -> Operator | None:
    """The kernel in less code."""
    found = CONV_2D[0](op)
    return found if found is None else Conv2DSmallDsp(**{f.name: getattr(found, f.name) for f in fields(found)})


@pytest.mark.usefixtures("only_first")
@pytest.mark.parametrize("place", ["twin", "cortex-m4"])
@pytest.mark.parametrize("suite", ["pointwise", "windows", "strips", "large"])
@pytest.mark.parametrize("variant", [*CONV_2D[1:], small], ids=["three rows", "row", "two", "one", "small"])
def test_variants(variant: Variant, suite: str, place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same for the variants of less scratch or less code."""
    monkeypatch.setattr(dsp, "VARIANTS", [variant])
    check(suite, place)


def check(suite: str, place: str) -> None:
    model = network(list(SUITES[suite]()), 7)
    program = build(model, "m", Options(target="cortex-m4" if place == "twin" else place, sram=1 << 24))
    kinds = Counter(isinstance(op, (Conv2DDsp, FullyConnectedDsp)) for op in program.lowered.operators)
    assert kinds[True] > sum(kinds.values()) / 2, kinds
    samples = random_samples(program.graph.inputs, 2)
    with Tflm() as oracle, tempfile.TemporaryDirectory() as folder:
        expected = [result.outputs for result in oracle.run(model, samples)]
        guarded = write_guarded(program, Path(folder), BLOCKS[place])
        twin = place == "twin"
        computed = run_sanitized(guarded, samples) if twin else run_on(place, guarded, samples, measure=False).outputs
    cases = list(SUITES[suite]())
    for outputs, reference in zip(computed, expected, strict=True):
        wrong = [
            (case, type(op).__name__)
            for case, op, ours, theirs in zip(cases, program.lowered.operators, outputs, reference, strict=True)
            if not np.array_equal(ours.reshape(-1), theirs.reshape(-1))
        ]
        assert not wrong, f"{len(wrong)} of {len(cases)} differ, such as {wrong[:3]}"


@pytest.mark.parametrize("core", ["cortex-m4", "cortex-m7"])
def test_pointwise_in_place(core: str) -> None:
    """Outputs may overwrite inputs where they have no more channels: chains in little more than one tensor."""
    rng = np.random.default_rng(11)
    options = {"padding": 1, "strideH": 1, "strideW": 1, "dilationHFactor": 1, "dilationWFactor": 1}
    for height, width in ((5, 5), (7, 4), (1, 8)):
        b = ModelBuilder()
        x = b.input((1, height, width, 40), scale=0.5)
        for channels, outputs in ((40, 40), (40, 23), (23, 22), (22, 5)):
            scales = rng.uniform(0.5, 1, outputs) / 2**8
            w = b.constant(rng.integers(-127, 128, (outputs, 1, 1, channels)), scale=scales)
            y = b.tensor((1, height, width, outputs), scale=0.5, zero_point=-9)
            b.operator("CONV_2D", [x, w], [y], "Conv2DOptions", **options)
            x = y
        model = b.build([x])
        program = build(model, "m", Options(target=core))
        assert program.plan.arena < 1.6 * height * width * 40 + 24 * 10
        assert_exact_on(core, model, program)
