"""DEPTHWISE_CONV_2D in Helium's kernels against TFLM: twins on the host, vector code on an emulated Cortex-M55."""

from __future__ import annotations

import itertools
from functools import partial

import numpy as np
import pytest

from tests.build import ModelBuilder
from tests.kernels.mve import ACTIVATIONS, add_convolution, assert_exact, model

pytestmark = pytest.mark.usefixtures("only_first")

NAME = "depthwise_conv2d_mve"


def test_widths_heights_and_channels() -> None:
    """3x3 windows of strides 1 and 2 over every small map, channels around multiples of 16."""
    rng = np.random.default_rng(1)
    layers = [
        partial(
            add_convolution,
            rng=rng,
            size=(1 + (3 * width + stride) % 7, width),
            channels=channels,
            outputs=1,
            window=(3, 3),
            stride=(stride, stride),
            depthwise=True,
            activation=str(rng.choice(list(ACTIVATIONS))),
        )
        for width, stride, channels in zip(
            [*range(1, 10)] * 2, [1] * 9 + [2] * 9, itertools.cycle([2, 3, 15, 16, 17, 24, 33]), strict=False
        )
    ]
    assert_exact(model(layers), [NAME] * len(layers), blocks=(1 << 15, 1, 3))


def test_windows() -> None:
    rng = np.random.default_rng(2)
    windows = [(1, 1), (2, 2), (3, 3), (3, 2), (4, 4), (5, 5), (7, 7), (8, 8), (3, 5), (7, 1), (1, 7), (5, 3)]
    strides = [(1, 1), (2, 2), (2, 1), (1, 2), (3, 1)]
    layers = [
        partial(
            add_convolution,
            rng=rng,
            size=(11, 10),
            channels=int(rng.choice([2, 5, 16, 20])),
            outputs=1,
            window=window,
            stride=stride,
            padding=padding,
            depthwise=True,
            activation=str(rng.choice(list(ACTIVATIONS))),
        )
        for window, stride in itertools.product(windows, strides)
        for padding in ("SAME", "VALID")
    ]
    assert_exact(model(layers), [NAME] * len(layers), samples=1)


def test_small_maps_under_large_windows() -> None:
    rng = np.random.default_rng(3)
    layers = [
        partial(add_convolution, rng=rng, size=(side, side), channels=17, outputs=1, window=(7, 7), stride=stride, depthwise=True)
        for side, stride in itertools.product(range(1, 6), [(1, 1), (2, 2)])
    ]
    assert_exact(model(layers), [NAME] * len(layers))


def test_strips_and_many_units() -> None:
    """Maps wider than one strip, and more rows than units."""
    rng = np.random.default_rng(4)
    layers = [
        partial(add_convolution, rng=rng, size=(9, width), channels=18, outputs=1, window=window, stride=stride, depthwise=True)
        for width, window, stride in [(53, (3, 3), (1, 1)), (101, (3, 3), (2, 2)), (37, (5, 5), (1, 1)), (61, (7, 7), (2, 2))]
    ]
    assert_exact(model(layers), [NAME] * len(layers), samples=1, blocks=(1 << 15, 2))


def test_shifts_and_ties() -> None:
    rng = np.random.default_rng(5)
    scales = [2.0**-e for e in range(2, 33)] + [0.75 * 2.0**-e for e in range(1, 10)]
    layers = [
        partial(
            add_convolution,
            rng=rng,
            size=(6, 7),
            channels=len(scales),
            outputs=1,
            window=window,
            stride=stride,
            depthwise=True,
            zero=zero,
            ratio=scales,
            activation=activation,
        )
        for window, stride in [((3, 3), (1, 1)), ((3, 3), (2, 2)), ((5, 5), (1, 1))]
        for zero, activation in [(0, "NONE"), (-128, "RELU"), (-5, "RELU6")]
    ]
    assert_exact(model(layers), [NAME] * len(layers))


def test_images_of_one_channel_are_convolved() -> None:
    rng = np.random.default_rng(8)
    add = partial(add_convolution, rng=rng, size=(8, 9), channels=1, depthwise=True)
    layers = [
        partial(add, outputs=1, window=(3, 3)),
        partial(add, outputs=8, window=(3, 3), stride=(2, 2)),
        partial(add, outputs=5, window=(3, 2), stride=(3, 1), dilation=(2, 2)),
    ]
    assert_exact(model(layers), ["conv2d_mve"] * len(layers))


def test_what_does_not_fit_stays() -> None:
    """Dilated columns, wide strides, multipliers and windows beyond 8x8."""
    rng = np.random.default_rng(6)
    add = partial(add_convolution, rng=rng, size=(12, 12), channels=4, depthwise=True)
    layers = [
        partial(add, outputs=1, window=(3, 3), dilation=(2, 2)),
        partial(add, outputs=1, window=(3, 3), stride=(3, 3)),
        partial(add, outputs=2, window=(3, 3)),
        partial(add, outputs=1, window=(9, 9)),
    ]
    assert_exact(model(layers))


def test_rows_apart() -> None:
    """Between other operators, rows of inputs and outputs are scattered."""
    rng = np.random.default_rng(7)

    def layer(b: ModelBuilder, window: tuple[int, int], stride: tuple[int, int]) -> int:
        x = add_convolution(b, rng, size=(9, 7), channels=4, outputs=20)
        y = add_convolution(b, rng, source=x, size=(9, 7), channels=20, outputs=1, window=window, stride=stride, depthwise=True)
        size = b.shape(y)[1:3]
        z = add_convolution(b, rng, source=y, size=size, channels=20, outputs=7)
        return add_convolution(b, rng, source=z, size=size, channels=7, outputs=5, window=(3, 3))

    shapes = [((3, 3), (1, 1)), ((3, 3), (2, 2)), ((5, 5), (1, 1)), ((7, 7), (2, 2))]
    layers = [partial(layer, window=window, stride=stride) for window, stride in shapes]
    assert_exact(model(layers), ["conv2d_mve", NAME, "conv2d_mve", "conv2d_mve"] * len(layers), blocks=(1 << 15, 1, 3))
