"""Layers of many shapes in one model, compiled for Helium and run as portable twins and on the emulated Cortex-M55."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tests.build import ModelBuilder
from tests.kernels.guarded import write_guarded
from tests.oracle import random_samples
from tflm_mcunet.compiler import Program, build
from tflm_mcunet.execute.qemu import run_on
from tflm_mcunet.execute.sanitize import run_sanitized
from tflm_mcunet.execute.tflm import Tflm
from tflm_mcunet.operators.window import outputs_along
from tflm_mcunet.options import Options

ACTIVATIONS = {"NONE": 0, "RELU": 1, "RELU_N1_TO_1": 2, "RELU6": 3}


def add_convolution(
    b: ModelBuilder,
    rng: np.random.Generator,
    *,
    size: tuple[int, int],
    channels: int,
    outputs: int,
    window: tuple[int, int] = (1, 1),
    stride: tuple[int, int] = (1, 1),
    dilation: tuple[int, int] = (1, 1),
    padding: str = "SAME",
    activation: str = "NONE",
    depthwise: bool = False,
    source: int | None = None,
    zero: int | None = None,
    ratio: Any = None,
) -> int:
    """A convolution of `source`, or of an input of its own; `outputs` is the depth multiplier where it is depthwise.

    `zero` is the output's zero point, `ratio` the effective scale (or scales) from sums to outputs; random where None.
    """
    depth = channels * outputs if depthwise else outputs
    shape = (1, *window, depth) if depthwise else (depth, *window, channels)
    taps = int(np.prod(shape)) // depth
    x = b.input((1, *size, channels), scale=0.1, zero_point=int(rng.integers(-128, 128))) if source is None else source
    if ratio is None:
        ratio = rng.uniform(0.2, 1.5, depth) * 0.04 / np.sqrt(taps)
    ratio = np.broadcast_to(np.asarray(ratio, float), depth)
    scales = ratio
    w = b.constant(rng.integers(-127, 128, shape), scale=scales, axis=3 if depthwise else 0)
    bias = b.constant(rng.integers(-3000, 3000, depth), np.int32, scale=scales * 0.1)
    target = [outputs_along(padding, *a) for a in zip(size, window, stride, dilation, strict=True)]
    zero = int(rng.choice([-128, -128, 127, int(rng.integers(-128, 128))])) if zero is None else zero
    y = b.tensor((1, *target, depth), scale=0.1, zero_point=zero)
    options = {
        "padding": 0 if padding == "SAME" else 1,
        "strideH": stride[0],
        "strideW": stride[1],
        "dilationHFactor": dilation[0],
        "dilationWFactor": dilation[1],
        "fusedActivationFunction": ACTIVATIONS[activation],
    }
    if depthwise:
        b.operator("DEPTHWISE_CONV_2D", [x, w, bias], [y], "DepthwiseConv2DOptions", depthMultiplier=outputs, **options)
    else:
        b.operator("CONV_2D", [x, w, bias], [y], "Conv2DOptions", **options)
    return y


def model(layers: Sequence[Callable[[ModelBuilder], int]]) -> bytes:
    """All layers side by side in one model."""
    b = ModelBuilder()
    return b.build([layer(b) for layer in layers])


def compiled(data: bytes) -> Program:
    return build(data, "layers", Options(target="cortex-m55", name="layers"))


def assert_exact(data: bytes, kinds: Sequence[str] = (), samples: int = 2, blocks: Sequence[int] = (1 << 15,)) -> None:
    """Fails where twins (under sanitizers) or emulated kernels differ from TFLM or touch what is not theirs.

    Args:
        kinds: the kernel that each operator must have got; not checked where empty.
        blocks: steps per event; the emulated core runs with each of them, twins with the last.
    """
    program = compiled(data)
    if kinds:
        assert [op.record().kernel for op in program.lowered.operators] == list(kinds)
    batch = random_samples(program.graph.inputs, samples)
    with Tflm() as oracle:
        expected = oracle.run(data, batch)
    for block in blocks:
        with tempfile.TemporaryDirectory(prefix="tflm_mcunet_") as folder:
            guarded = write_guarded(program, Path(folder), block)
            compare(program, f"Cortex-M55, {block} steps", run_on("cortex-m55", guarded, batch, measure=False).outputs, expected)
            if block == blocks[-1]:
                compare(program, "twin", run_sanitized(guarded, batch), expected)


def compare(program: Program, where: str, results: Sequence[Sequence[np.ndarray]], expected: Sequence[Any]) -> None:
    for result, reference in zip(results, expected, strict=True):
        for index, (ours, theirs) in enumerate(zip(result, reference.outputs, strict=True)):
            wrong = int(np.count_nonzero(ours.reshape(-1) != theirs.reshape(-1)))
            assert not wrong, f"{where}: {wrong} of {ours.size} bytes differ in output {index} of {program.lowered.operators}"
