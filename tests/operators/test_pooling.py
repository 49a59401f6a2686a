"""AVERAGE_POOL_2D and MAX_POOL_2D against TFLM over grids of windows, strides, paddings, activations and zero points."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

from tests.build import ModelBuilder
from tests.oracle import assert_bit_exact
from tflm_mcunet.compiler import build
from tflm_mcunet.execute.tflm import Tflm, TflmError
from tflm_mcunet.operators.base import Unsupported
from tflm_mcunet.operators.window import outputs_along

ACTIVATIONS = {"NONE": 0, "RELU": 1, "RELU_N1_TO_1": 2, "RELU6": 3}
KINDS = ("AVERAGE_POOL_2D", "MAX_POOL_2D")


def pooling(
    kind: str,
    *,
    size: tuple[int, int],
    channels: int,
    window: tuple[int, int],
    stride: tuple[int, int] = (1, 1),
    padding: str = "SAME",
    activation: int = 0,
    scale: float = 0.05,
    zero_point: int = 0,
    out_scale: float | None = None,
    out_zero_point: int | None = None,
    target: tuple[int, ...] | None = None,
    dtype: Any = np.int8,
) -> bytes:
    """A model of one pooling operator; `target` overrides the output's shape."""
    b = ModelBuilder()
    x = b.input((1, *size, channels), dtype, scale=scale, zero_point=zero_point)
    if target is None:
        sides = (outputs_along(padding, *axis, 1) for axis in zip(size, window, stride, strict=True))
        target = (1, *sides, channels)
    zero = zero_point if out_zero_point is None else out_zero_point
    y = b.tensor(target, dtype, scale=scale if out_scale is None else out_scale, zero_point=zero)
    fields = {"strideH": stride[0], "strideW": stride[1], "filterHeight": window[0], "filterWidth": window[1]}
    padding_code = 0 if padding == "SAME" else 1
    b.operator(kind, [x], [y], "Pool2DOptions", padding=padding_code, fusedActivationFunction=activation, **fields)
    return b.build([y])


@pytest.mark.parametrize("kind", KINDS)
def test_windows(kind: str) -> None:
    rng = np.random.default_rng(1)
    size = (9, 7)
    windows = [(1, 1), (2, 2), (3, 3), (3, 2), (1, 5), (7, 1), (9, 7), (12, 20)]
    models = [
        pooling(
            kind,
            size=size,
            channels=int(rng.choice([1, 3, 15, 16, 17, 33])),
            window=window,
            stride=stride,
            padding=padding,
            activation=int(rng.integers(4)),
            scale=float(rng.choice([0.003, 0.05, 0.4])),
            zero_point=int(rng.choice([-128, -5, 0, 77, 127])),
        )
        for window, stride, padding in itertools.product(windows, [(1, 1), (2, 2), (2, 1), (3, 4)], ("SAME", "VALID"))
        if padding == "SAME" or (window[0] <= size[0] and window[1] <= size[1])
    ]
    assert_bit_exact(models)


@pytest.mark.parametrize("kind", KINDS)
def test_whole_image(kind: str) -> None:
    """Row by row: the input need never be whole."""
    models = [
        pooling(kind, size=size, channels=channels, window=window, stride=stride, padding=padding, activation=activation)
        for size, window, stride, padding in [
            ((7, 7), (7, 7), (1, 1), "VALID"),
            ((25, 5), (25, 5), (2, 2), "VALID"),
            ((3, 5), (9, 9), (7, 9), "SAME"),
            ((5, 1), (5, 1), (5, 1), "SAME"),
            ((1, 6), (1, 6), (1, 6), "VALID"),
        ]
        for channels, activation in [(1, 0), (5, 3), (64, 1)]
    ]
    program = build(models[0], "whole")
    operator = program.lowered.network.operators[0]
    assert operator.steps == 7
    assert operator.state == (4 if kind == "AVERAGE_POOL_2D" else 1)
    assert_bit_exact(models)


def test_extreme_activations() -> None:
    """Clamps that leave a single value, and scales that differ by less than TFLM tolerates."""
    cases = itertools.product(KINDS, range(4), (-128, 127), (1e-4, 0.05, 7.0))
    models = [
        pooling(
            kind,
            size=(4, 4),
            channels=2,
            window=(2, 2),
            activation=activation,
            zero_point=zero,
            scale=scale,
            out_scale=scale + 5e-7,
        )
        for kind, activation, zero, scale in cases
    ]
    assert_bit_exact(models)


@pytest.mark.parametrize(
    ("case", "reason", "tflm"),
    [
        ({"out_zero_point": 3}, "same zero point", True),
        ({"out_scale": 0.06}, "scales no more than", True),
        ({"window": (0, 2), "target": (1, 4, 4, 2)}, "from 1 to", False),
        ({"stride": (0, 1), "target": (1, 4, 4, 2)}, "from 1 to", False),
        ({"stride": (1 << 20, 1), "target": (1, 1, 4, 2)}, "from 1 to", False),
        ({"window": (5, 2), "padding": "VALID", "target": (1, 1, 3, 2)}, "follow from", False),
        ({"target": (1, 3, 4, 2)}, "follow from", False),
        ({"target": (1, 4, 4, 3)}, "same channels", False),
        ({"target": (4, 4, 2)}, "single NHWC", False),
        ({"target": (2, 4, 4, 2)}, "single NHWC", False),
        ({"activation": 4}, "fused activation", False),
        ({"activation": 3, "scale": 1e-10}, "bounds of the activation", False),
        ({"dtype": np.int16}, "int8", False),
    ],
)
def test_rejected(case: dict[str, Any], reason: str, tflm: bool) -> None:
    for kind in KINDS:
        model = pooling(kind, **({"size": (4, 4), "channels": 2, "window": (2, 2)} | case))
        with pytest.raises(Unsupported, match=reason):
            build(model, "rejected")
        if tflm:
            with Tflm() as oracle, pytest.raises(TflmError):
                oracle.run(model, [[np.zeros((1, 4, 4, 2), np.int8)]])
