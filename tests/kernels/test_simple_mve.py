"""ADD, SUB, tables, sums over channels and MAX_POOL_2D in Helium's kernels against TFLM: twins, and vectors on a Cortex-M55."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest

from tests.build import ModelBuilder
from tests.kernels.mve import ACTIVATIONS, assert_exact, compiled, model
from tflm_mcunet.operators.window import outputs_along

pytestmark = pytest.mark.usefixtures("only_first")


def functions(data: bytes) -> set[str]:
    return {op.record().function for op in compiled(data).lowered.operators}


def test_add_and_sub() -> None:
    rng = np.random.default_rng(1)

    def layer(b: ModelBuilder, kind: str, shape: tuple[int, ...], other: tuple[int, ...], activation: str) -> int:
        scales = rng.uniform(0.01, 0.1, 3)
        x = b.input(shape, scale=float(scales[0]), zero_point=int(rng.integers(-128, 128)))
        y = b.input(other, scale=float(scales[1]), zero_point=int(rng.integers(-128, 128)))
        z = b.tensor(shape, scale=float(scales[2]), zero_point=int(rng.integers(-128, 128)))
        b.operator(kind, [x, y], [z], f"{kind.title()}Options", fusedActivationFunction=ACTIVATIONS[activation])
        return z

    shapes = [(1, 2, 3, channels) for channels in range(1, 10)] + [(1, 3, 5, 16), (1, 33)]
    layers = [
        partial(layer, kind=kind, shape=shape, other=shape, activation=list(ACTIVATIONS)[i % 4])
        for i, (kind, shape) in enumerate((kind, shape) for kind in ("ADD", "SUB") for shape in shapes)
    ]
    broadcast = partial(layer, kind="ADD", shape=(1, 4, 3, 7), activation="NONE")
    layers += [partial(broadcast, other=other) for other in [(1, 1, 1, 7), (1, 1, 3, 1)]]
    data = model(layers)
    assert functions(data) <= {"mcu_add_linear_mve", "mcu_add", "mcu_sub"}
    assert "mcu_add_linear_mve" in functions(data)
    assert_exact(data, samples=3)


def test_tables() -> None:
    rng = np.random.default_rng(2)

    def layer(b: ModelBuilder, kind: str, shape: tuple[int, ...]) -> int:
        scale, zero = (1 / 256, -128) if kind == "LOGISTIC" else (1 / 128, 0)
        x = b.input(shape, scale=float(rng.uniform(0.01, 0.1)), zero_point=int(rng.integers(-128, 128)))
        y = b.tensor(shape, scale=scale, zero_point=zero)
        b.operator(kind, [x], [y])
        return y

    layers = [partial(layer, kind=kind, shape=(1, 2, 3, channels)) for kind in ("LOGISTIC", "TANH") for channels in (1, 5, 6, 11)]
    data = model(layers)
    assert functions(data) == {"mcu_lookup_mve"}
    assert_exact(data)


def test_sums_over_channels() -> None:
    rng = np.random.default_rng(3)

    def layer(b: ModelBuilder, shape: tuple[int, ...], axes: list[int]) -> int:
        x = b.input(shape, scale=float(rng.uniform(0.01, 0.1)), zero_point=int(rng.integers(-128, 128)))
        target = [extent for axis, extent in enumerate(shape) if axis not in axes]
        y = b.tensor(target, scale=0.05, zero_point=int(rng.integers(-128, 128)))
        b.operator("MEAN", [x, b.constant(axes, np.int32)], [y], "ReducerOptions", keepDims=False)
        return y

    layers = [partial(layer, shape=(1, 3, 5, channels), axes=[1, 2]) for channels in [*range(1, 10), 16, 20]]
    layers += [partial(layer, shape=(1, 3, 5, 9), axes=axes) for axes in ([1], [2], [3], [1, 3], [2, 3], [1, 2, 3])]
    layers += [partial(layer, shape=(1, 2, 300, 5), axes=[1, 2])]
    data = model(layers)
    assert functions(data) == {"mcu_reduce_sum_mve"}
    assert_exact(data)


def test_pooling() -> None:
    rng = np.random.default_rng(4)

    def layer(
        b: ModelBuilder, kind: str, size: tuple[int, int], channels: int, window: tuple[int, int], stride: int, activation: str
    ) -> int:
        scale, zero = float(rng.uniform(0.02, 0.1)), int(rng.integers(-128, 128))
        x = b.input((1, *size, channels), scale=scale, zero_point=zero)
        target = [outputs_along("SAME", extent, side, stride, 1) for extent, side in zip(size, window, strict=True)]
        y = b.tensor((1, *target, channels), scale=scale, zero_point=zero)
        b.operator(
            kind,
            [x],
            [y],
            "Pool2DOptions",
            padding=0,
            strideH=stride,
            strideW=stride,
            filterHeight=window[0],
            filterWidth=window[1],
            fusedActivationFunction=ACTIVATIONS[activation],
        )
        return y

    cases = [(1, (2, 2), 2), (3, (3, 3), 1), (16, (2, 3), 2), (18, (3, 3), 2), (33, (5, 6), 6), (7, (5, 6), 6)]
    layers = [
        partial(layer, kind=kind, size=(5, 6), channels=channels, window=window, stride=stride, activation=activation)
        for kind in ("MAX_POOL_2D", "AVERAGE_POOL_2D")
        for (channels, window, stride), activation in zip(cases, list(ACTIVATIONS) * 2, strict=False)
    ]
    data = model(layers)
    assert functions(data) >= {"mcu_max_pool_2d_mve", "mcu_reduce_average_mve"}
    assert_exact(data)
