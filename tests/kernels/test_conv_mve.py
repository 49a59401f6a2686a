"""CONV_2D and FULLY_CONNECTED in Helium's kernels against TFLM: twins on the host, vector code on an emulated Cortex-M55."""

from __future__ import annotations

import itertools
from functools import partial

import numpy as np
import pytest

from tests.build import ModelBuilder
from tests.kernels.mve import ACTIVATIONS, add_convolution, assert_exact, compiled, model

pytestmark = pytest.mark.usefixtures("only_first")


def test_pointwise_depths_channels_and_pixels() -> None:
    """Every remainder of 16 values, 4 channels and 4 pixels."""
    rng = np.random.default_rng(1)
    depths = [*range(1, 19), 24, 31, 32, 33, 40, 47, 48, 49, 64, 100]
    layers = [
        partial(
            add_convolution,
            rng=rng,
            size=(int(rng.integers(1, 4)), 1 + i % 9),
            channels=depth,
            outputs=1 + (i * 5) % 13,
            activation=str(rng.choice(list(ACTIVATIONS))),
        )
        for i, depth in enumerate(depths)
    ]
    assert_exact(model(layers), ["conv2d_mve"] * len(layers))


def test_windows() -> None:
    rng = np.random.default_rng(2)
    cases = itertools.product([(3, 3), (5, 5), (2, 3), (7, 1), (1, 4)], [(1, 1), (2, 2), (2, 1), (3, 2)], [(1, 1), (2, 2)])
    layers = [
        partial(
            add_convolution,
            rng=rng,
            size=(9, 8),
            channels=int(rng.choice([1, 2, 3, 3, 4, 7, 16, 17])),
            outputs=int(rng.integers(1, 9)),
            window=window,
            stride=stride,
            dilation=dilation,
            padding=padding,
            activation=str(rng.choice(list(ACTIVATIONS))),
        )
        for window, stride, dilation in cases
        for padding in ("SAME", "VALID")
        if padding == "SAME" or all((w - 1) * d < s for w, d, s in zip(window, dilation, (9, 8), strict=True))
    ]
    assert_exact(model(layers), ["conv2d_mve"] * len(layers), blocks=(1 << 15, 2))


@pytest.mark.parametrize("depth", [1, 8, 40])
def test_shifts_and_ties(depth: int) -> None:
    """Effective scales of powers of two make ties, of sums of both signs; the shifts of one layer differ."""
    rng = np.random.default_rng(3)
    scales = [2.0**-e for e in range(2, 33)] + [0.75 * 2.0**-e for e in range(1, 10)]
    add = partial(add_convolution, rng=rng, size=(9, 13), channels=depth, outputs=len(scales), ratio=scales)
    layers = [
        partial(add, zero=zero, activation=act) for zero, act in [(0, "NONE"), (-128, "RELU"), (127, "NONE"), (-5, "RELU6")]
    ]
    assert_exact(model(layers), ["conv2d_mve"] * len(layers), samples=3)


def test_left_shifts_are_left_to_others() -> None:
    rng = np.random.default_rng(4)
    add = partial(add_convolution, rng=rng, size=(2, 2), channels=2, outputs=3)
    layers = [partial(add, ratio=[0.1, ratio, 0.3], zero=zero) for ratio, zero in [(1.7, 0), (1.7, -128), (0.5, 0), (0.5, -128)]]
    kinds = [op.record().kernel for op in compiled(model(layers)).lowered.operators]
    assert "conv2d_mve" not in kinds[:3]
    assert kinds[3] == "conv2d_mve"
    assert_exact(model(layers))


def test_fully_connected() -> None:
    rng = np.random.default_rng(5)

    def layer(b: ModelBuilder, batch: int, depth: int, outputs: int, per_channel: bool, activation: int) -> int:
        x = b.input((batch, depth), scale=0.05, zero_point=int(rng.integers(-128, 128)))
        scales = rng.uniform(0.001, 0.02, outputs if per_channel else 1)
        w = b.constant(rng.integers(-127, 128, (outputs, depth)), scale=scales)
        bias = b.constant(rng.integers(-3000, 3000, outputs), np.int32, scale=scales * 0.05)
        y = b.tensor((batch, outputs), scale=0.1, zero_point=int(rng.integers(-128, 128)))
        b.operator("FULLY_CONNECTED", [x, w, bias], [y], "FullyConnectedOptions", fusedActivationFunction=activation)
        return y

    shapes = [(1, 1, 1), (1, 16, 5), (3, 7, 4), (1, 129, 33), (4, 20, 2), (6, 48, 10), (1, 8, 3), (7, 33, 6)]
    layers = [
        partial(layer, batch=batch, depth=depth, outputs=outputs, per_channel=bool(i % 2), activation=i % 4)
        for i, (batch, depth, outputs) in enumerate(shapes)
    ]
    assert_exact(model(layers), ["fully_connected_mve"] * len(layers))
