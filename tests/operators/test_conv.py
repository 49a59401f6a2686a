"""CONV_2D, DEPTHWISE_CONV_2D and FULLY_CONNECTED against TFLM over grids of shapes and quantisations."""

from __future__ import annotations

import itertools

import numpy as np

from tests.build import ModelBuilder
from tests.oracle import assert_bit_exact
from tflm_mcunet.fixed_point import quantize_multiplier
from tflm_mcunet.operators.window import outputs_along

ACTIVATIONS = {"NONE": 0, "RELU": 1, "RELU_N1_TO_1": 2, "RELU6": 3}


def convolution(
    rng: np.random.Generator,
    *,
    size: tuple[int, int],
    channels: int,
    outputs: int,
    window: tuple[int, int],
    stride: tuple[int, int] = (1, 1),
    dilation: tuple[int, int] = (1, 1),
    padding: str = "SAME",
    groups: int = 1,
    activation: str = "NONE",
    per_channel: bool = True,
    bias: bool = True,
    depthwise: bool = False,
) -> bytes:
    """A model of one convolution; `outputs` is the depth multiplier where it is depthwise."""
    b = ModelBuilder()
    x = b.input((1, *size, channels), scale=float(rng.uniform(0.01, 0.1)), zero_point=int(rng.integers(-128, 128)))
    depth = channels * outputs if depthwise else outputs
    shape = (1, *window, depth) if depthwise else (depth, *window, channels // groups)
    taps = int(np.prod(shape)) // depth
    scales = rng.uniform(0.001, 0.02, depth if per_channel else 1) / np.sqrt(taps)
    w = b.constant(rng.integers(-127, 128, shape), scale=scales, axis=3 if depthwise else 0)
    inputs = [x, w]
    if bias:
        inputs.append(b.constant(rng.integers(-5000, 5000, depth), np.int32, scale=scales * 0.05))
    target = [outputs_along(padding, *a) for a in zip(size, window, stride, dilation, strict=True)]
    y = b.tensor((1, *target, depth), scale=float(rng.uniform(0.02, 0.2)), zero_point=int(rng.integers(-128, 128)))
    options = {
        "padding": 0 if padding == "SAME" else 1,
        "strideH": stride[0],
        "strideW": stride[1],
        "dilationHFactor": dilation[0],
        "dilationWFactor": dilation[1],
        "fusedActivationFunction": ACTIVATIONS[activation],
    }
    if depthwise:
        b.operator("DEPTHWISE_CONV_2D", inputs, [y], "DepthwiseConv2DOptions", depthMultiplier=outputs, **options)
    else:
        b.operator("CONV_2D", inputs, [y], "Conv2DOptions", **options)
    return b.build([y])


def windows():
    """Kernel, stride, dilation and padding over the cases that go wrong elsewhere."""
    cases = itertools.product(
        [(1, 1), (3, 3), (5, 5), (2, 3), (7, 1), (4, 4)], [(1, 1), (2, 2), (2, 1), (3, 2)], [(1, 1), (2, 2)]
    )
    for window, stride, dilation in cases:
        for padding in ("SAME", "VALID"):
            if padding == "SAME" or all((w - 1) * d < s for w, d, s in zip(window, dilation, (9, 7), strict=True)):
                yield {"window": window, "stride": stride, "dilation": dilation, "padding": padding}


def test_conv_2d() -> None:
    rng = np.random.default_rng(1)
    models = [
        convolution(
            rng,
            size=(9, 7),
            channels=int(rng.integers(1, 9)),
            outputs=int(rng.integers(1, 9)),
            activation=str(rng.choice(list(ACTIVATIONS))),
            per_channel=bool(rng.integers(2)),
            bias=bool(rng.integers(2)),
            **case,
        )
        for case in windows()
    ]
    assert_bit_exact(models)


def test_grouped_conv_2d() -> None:
    rng = np.random.default_rng(2)
    models = [
        convolution(rng, size=(6, 5), channels=channels, outputs=outputs, window=(3, 2), groups=groups)
        for channels, outputs, groups in [(4, 4, 2), (6, 3, 3), (6, 12, 6), (9, 6, 3)]
    ]
    assert_bit_exact(models)


def test_depthwise_conv_2d() -> None:
    rng = np.random.default_rng(3)
    models = [
        convolution(
            rng,
            size=(9, 7),
            channels=int(rng.integers(1, 9)),
            outputs=int(rng.integers(1, 4)),
            depthwise=True,
            activation=str(rng.choice(list(ACTIVATIONS))),
            bias=bool(rng.integers(2)),
            **case,
        )
        for case in windows()
    ]
    assert_bit_exact(models)


def test_depthwise_conv_2d_with_tall_windows() -> None:
    """More rows than the depthwise kernel keeps pointers of: a grouped convolution computes them."""
    rng = np.random.default_rng(6)
    sizes = itertools.product([(17, 1), (20, 3)], [1, 2])
    assert_bit_exact(
        [
            convolution(rng, size=(19, 6), channels=3, outputs=outputs, depthwise=True, window=window, stride=(2, 1))
            for window, outputs in sizes
        ]
    )


def test_depthwise_conv_2d_of_many_columns() -> None:
    """Blocks of columns, those left over and those at the edges, for every width."""
    rng = np.random.default_rng(7)
    models = [
        convolution(
            rng,
            size=(4, width),
            channels=int(rng.integers(1, 6)),
            outputs=1,
            depthwise=True,
            window=(kernel, kernel),
            stride=(stride, stride),
            activation=str(rng.choice(list(ACTIVATIONS))),
        )
        for kernel, stride, width in itertools.product([2, 3, 5, 7], [1, 2], range(1, 16, 2))
    ]
    assert_bit_exact(models)


def test_fully_connected() -> None:
    rng = np.random.default_rng(4)
    models = []
    for batch, depth, outputs in [(1, 1, 1), (1, 16, 5), (3, 7, 4), (1, 129, 33)]:
        for per_channel, bias in itertools.product([False, True], repeat=2):
            b = ModelBuilder()
            x = b.input((batch, depth), scale=0.05, zero_point=int(rng.integers(-128, 128)))
            scales = rng.uniform(0.001, 0.02, outputs if per_channel else 1)
            w = b.constant(rng.integers(-127, 128, (outputs, depth)), scale=scales)
            biases = rng.integers(-3000, 3000, outputs)
            inputs = [x, w, b.constant(biases, np.int32, scale=scales * 0.05)] if bias else [x, w]
            y = b.tensor((batch, outputs), scale=0.1, zero_point=int(rng.integers(-128, 128)))
            b.operator("FULLY_CONNECTED", inputs, [y], "FullyConnectedOptions", fusedActivationFunction=int(rng.integers(0, 4)))
            models.append(b.build([y]))
    assert_bit_exact(models)


def test_fully_connected_multiplies_scales_in_double_precision() -> None:
    """Scales whose product, rounded to single precision, would give another multiplier."""
    rng = np.random.default_rng(5)
    models = []
    while len(models) < 40:
        x_scale, w_scale, y_scale = (float(np.float32(v)) for v in rng.uniform((0.01, 0.001, 0.01), (0.1, 0.02, 0.2)))
        if quantize_multiplier(x_scale * w_scale / y_scale) == quantize_multiplier(
            float(np.float32(x_scale) * np.float32(w_scale)) / y_scale
        ):
            continue
        b = ModelBuilder()
        x = b.input((1, 64), scale=x_scale, zero_point=3)
        w = b.constant(rng.integers(-127, 128, (40, 64)), scale=w_scale)
        y = b.tensor((1, 40), scale=y_scale, zero_point=-5)
        b.operator("FULLY_CONNECTED", [x, w], [y], "FullyConnectedOptions")
        models.append(b.build([y]))
    assert_bit_exact(models, samples=20)
