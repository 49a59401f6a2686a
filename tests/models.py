"""Small models that tests compile where ../shared does not exist."""

from __future__ import annotations

import numpy as np

from tests.build import ModelBuilder


def small_network(*, float_edges: bool = False) -> bytes:
    """A convolution, a depthwise convolution and a fully connected layer over a 6x5x3 image; edges int8 or float32."""
    rng = np.random.default_rng(7)
    b = ModelBuilder()
    if float_edges:
        image = b.input((1, 6, 5, 3), np.float32, scale=None)
        x = b.tensor((1, 6, 5, 3), scale=0.05, zero_point=3)
        b.operator("QUANTIZE", [image], [x], "QuantizeOptions")
    else:
        x = b.input((1, 6, 5, 3), scale=0.05, zero_point=3)
    y = _convolution(b, rng, x, (1, 3, 3, 4))
    z = _depthwise(b, rng, y, (1, 3, 3, 4))
    weights = b.constant(rng.integers(-127, 128, (2, 36)), scale=0.01)
    bias = b.constant(rng.integers(-99, 99, 2), np.int32, scale=0.1 * 0.01)
    answer = b.tensor((1, 2), scale=0.3, zero_point=-7)
    b.operator("FULLY_CONNECTED", [z, weights, bias], [answer], "FullyConnectedOptions")
    if not float_edges:
        return b.build([answer])
    real = b.tensor((1, 2), np.float32)
    b.operator("DEQUANTIZE", [answer], [real], "DequantizeOptions")
    return b.build([real])


def _convolution(b: ModelBuilder, rng: np.random.Generator, x: int, shape: tuple[int, ...]) -> int:
    channels = b.shape(x)[3]
    scales = rng.uniform(0.005, 0.02, shape[3])
    weights = b.constant(rng.integers(-127, 128, (shape[3], 3, 3, channels)), scale=scales)
    bias = b.constant(rng.integers(-500, 500, shape[3]), np.int32, scale=scales * 0.05)
    y = b.tensor(shape, scale=0.1, zero_point=-128)
    b.operator("CONV_2D", [x, weights, bias], [y], "Conv2DOptions", strideH=2, strideW=2, fusedActivationFunction=1)
    return y


def _depthwise(b: ModelBuilder, rng: np.random.Generator, x: int, shape: tuple[int, ...]) -> int:
    scales = rng.uniform(0.005, 0.02, shape[3])
    weights = b.constant(rng.integers(-127, 128, (1, 3, 3, shape[3])), scale=scales, axis=3)
    bias = b.constant(rng.integers(-500, 500, shape[3]), np.int32, scale=scales * 0.1)
    y = b.tensor(shape, scale=0.1, zero_point=5)
    b.operator("DEPTHWISE_CONV_2D", [x, weights, bias], [y], "DepthwiseConv2DOptions", strideH=1, strideW=1, depthMultiplier=1)
    return y
