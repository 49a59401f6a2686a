"""TRANSPOSE_CONV against TFLM over windows, strides, paddings and quantisations."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

from tests.build import ModelBuilder
from tests.oracle import assert_bit_exact
from tflm_mcunet.compiler import build
from tflm_mcunet.operators.base import Unsupported
from tflm_mcunet.operators.window import outputs_along


def transpose_conv(
    rng: np.random.Generator,
    *,
    target: tuple[int, int] = (7, 9),
    source: tuple[int, int] | None = None,
    channels: int = 3,
    outputs: int = 2,
    window: tuple[int, int] = (3, 3),
    stride: tuple[int, int] = (2, 2),
    padding: str = "SAME",
    per_channel: bool = True,
    bias: bool = True,
    bias_type: Any = np.int32,
    activation: int = 0,
    factor: float = 1.0,
    axis: int = 0,
    out_shape: tuple[int, ...] | None = None,
    weight_channels: int | None = None,
    constant_shape: bool = True,
) -> bytes:
    """A model of one TRANSPOSE_CONV; the input has the size that a convolution of the output gives, unless it is named."""
    b = ModelBuilder()
    if source is None:
        high, wide = (outputs_along(padding, *a, 1) for a in zip(target, window, stride, strict=True))
        source = high, wide
    shape = (1, *target, outputs) if out_shape is None else out_shape
    s = b.constant(shape, np.int32) if constant_shape else b.input((len(shape),), np.int32, None)
    scales = rng.uniform(0.001, 0.02, outputs if per_channel else 1) * factor
    weight_shape = (outputs, *window, channels if weight_channels is None else weight_channels)
    w = b.constant(rng.integers(-127, 128, weight_shape), scale=scales, axis=axis)
    x = b.input((1, *source, channels), scale=float(rng.uniform(0.01, 0.1)), zero_point=int(rng.choice([-128, -3, 0, 90, 127])))
    inputs = [s, w, x]
    if bias:
        inputs.append(b.constant(rng.integers(-5000, 5000, outputs), bias_type, scale=scales * 0.05))
    y = b.tensor(shape, scale=float(rng.uniform(0.02, 0.2)), zero_point=int(rng.choice([-128, -7, 0, 127])))
    fields = {"strideH": stride[0], "strideW": stride[1], "padding": 0 if padding == "SAME" else 1}
    b.operator("TRANSPOSE_CONV", inputs, [y], "TransposeConvOptions", fusedActivationFunction=activation, **fields)
    return b.build([y])


def test_windows() -> None:
    """Windows smaller than, as large as and larger than the stride, so that some outputs receive nothing but the bias."""
    rng = np.random.default_rng(6)
    models = [
        transpose_conv(
            rng,
            window=window,
            stride=stride,
            padding=padding,
            channels=int(rng.integers(1, 9)),
            outputs=int(rng.integers(1, 6)),
            per_channel=bool(rng.integers(2)),
            bias=bool(rng.integers(2)),
            activation=int(rng.integers(4)),
        )
        for window, stride, padding in itertools.product(
            [(1, 1), (2, 2), (3, 3), (4, 4), (2, 5), (7, 3), (7, 9)], [(1, 1), (2, 2), (3, 1), (2, 4), (5, 5)], ("SAME", "VALID")
        )
    ]
    assert_bit_exact(models)


def test_images_of_any_size() -> None:
    """Inputs that are smaller or larger than the output asks for."""
    rng = np.random.default_rng(7)
    models = [
        transpose_conv(rng, source=source, target=target, window=window, stride=stride, padding=padding)
        for source, target, (window, stride), padding in itertools.product(
            [(1, 1), (3, 4), (6, 2)],
            [(1, 1), (4, 11), (8, 5)],
            [((3, 3), (2, 2)), ((2, 4), (3, 3)), ((9, 1), (1, 7))],
            ("SAME", "VALID"),
        )
    ]
    assert_bit_exact(models, samples=2)


def test_rescaling() -> None:
    """Multipliers above 1 and far below it, and saturation."""
    rng = np.random.default_rng(8)
    factors = [1e-9, 1e-5, 0.01, 1.0, 1e2, 1e5]
    cases = itertools.product(factors, range(4), (False, True))
    models = [transpose_conv(rng, factor=factor, activation=a, per_channel=p) for factor, a, p in cases]
    assert_bit_exact(models)


def test_reads_the_rows_that_touch() -> None:
    model = transpose_conv(np.random.default_rng(9), target=(12, 6), window=(4, 4), stride=(2, 2))
    operator = build(model, "rows").lowered.network.operators[0]
    (read,) = operator.reads
    assert read.ranges.low.tolist() == [0, 0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5]
    assert read.ranges.high.tolist() == [1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 6]


def test_macs() -> None:
    """Taps as the model states them, and those that are gathered."""
    model = transpose_conv(np.random.default_rng(10), target=(12, 6), window=(3, 3), stride=(2, 2), channels=4, outputs=5)
    (operator,) = build(model, "macs").graph.operators
    assert operator.macs == 6 * 3 * 9 * 4 * 5
    assert operator.macs_executed == (12 // 2 * 3) * (6 // 2 * 3) * 4 * 5


@pytest.mark.parametrize(
    ("case", "reason"),
    [
        ({"constant_shape": False}, "constant output shape"),
        ({"out_shape": (7, 9, 2)}, "single NHWC images"),
        ({"out_shape": (1, 7, 9, 3)}, "single NHWC images"),
        ({"out_shape": (2, 7, 9, 2)}, "single NHWC images"),
        ({"weight_channels": 4}, "single NHWC images"),
        ({"axis": 3}, "axis 0"),
        ({"bias_type": np.int16}, "int32 constant"),
        ({"stride": (0, 2), "source": (3, 3)}, "from 1 to 32,767"),
        ({"stride": (2, -1), "source": (3, 3)}, "from 1 to 32,767"),
        ({"stride": (2, 1 << 20), "source": (3, 3)}, "from 1 to 32,767"),
        ({"activation": 5}, "fused activation"),
        ({"factor": 1e30}, "fixed point"),
    ],
)
def test_rejected(case: dict[str, Any], reason: str) -> None:
    with pytest.raises(Unsupported, match=reason):
        build(transpose_conv(np.random.default_rng(11), **case), "rejected")
