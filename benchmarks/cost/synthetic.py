"""Networks that no one would train: chains of layers whose shapes are spread over what models have, to fit the cost model."""

from __future__ import annotations

import numpy as np

from tests.build import ModelBuilder

CHANNELS = (1, 3, 8, 12, 16, 24, 32, 40, 48, 64, 96, 128)
SIDES = (3, 4, 5, 7, 10, 12, 15, 20, 28)
LAYERS = 9
FEW = 3
"""Channels of images and sounds."""
FIRST = ((3, 3), (3, 3), (3, 3), (5, 5), (7, 7), (2, 3), (10, 4), (10, 8))
"""Windows of first layers."""


class _Chain:
    """A chain of layers under construction; `at` is the last tensor."""

    def __init__(self, b: ModelBuilder, at: int, rng: np.random.Generator) -> None:
        self.b, self.at, self.rng = b, at, rng

    def layers(self) -> bytes:
        if self.b.shape(self.at)[3] <= FEW:
            self.first()
        for _ in range(LAYERS):
            kind = self.rng.choice(["pointwise", "depthwise", "convolution", "add", "reduce"], p=[0.3, 0.4, 0.15, 0.1, 0.05])
            getattr(self, kind)()
        _, height, width, channels = self.b.shape(self.at)
        self.fully_connected(height * width * channels)
        return self.b.build([self.at])

    def pointwise(self) -> None:
        self._convolution((1, 1), 1)

    def convolution(self) -> None:
        size = int(self.rng.choice((3, 3, 5)))
        self._convolution((size, size), int(self.rng.choice((1, 2))))

    def first(self) -> None:
        window = FIRST[self.rng.integers(len(FIRST))]
        self._convolution(window, int(self.rng.choice((1, 2))))

    def depthwise(self) -> None:
        size, stride = int(self.rng.choice((3, 3, 5, 7))), int(self.rng.choice((1, 1, 2)))
        channels = self.b.shape(self.at)[3]
        weights, bias = self._weights((1, size, size, channels), channels, 3)
        y, activation = self._output(channels, stride)
        values = {"strideH": stride, "strideW": stride, "depthMultiplier": 1, "fusedActivationFunction": activation}
        self.b.operator("DEPTHWISE_CONV_2D", [self.at, weights, bias], [y], "DepthwiseConv2DOptions", **values)
        self.at = y

    def add(self) -> None:
        before = self.at
        self._convolution((1, 1), 1, channels=self.b.shape(before)[3])
        y = self.b.tensor(self.b.shape(before), scale=0.08, zero_point=3)
        self.b.operator("ADD", [before, self.at], [y], "AddOptions")
        self.at = y

    def reduce(self) -> None:
        if self.b.shape(self.at)[1] > 4:
            _, height, width, channels = self.b.shape(self.at)
            quantization = self.b.tensors[self.at].quantization
            scale, zero = quantization.scale[0], quantization.zeroPoint[0]
            y = self.b.tensor((1, height // 2, width // 2, channels), scale=scale, zero_point=zero)
            values = {"filterHeight": 2, "filterWidth": 2, "strideH": 2, "strideW": 2, "padding": 1}
            kind = "AVERAGE_POOL_2D" if self.rng.integers(2) else "MAX_POOL_2D"
            self.b.operator(kind, [self.at], [y], "Pool2DOptions", **values)
            self.at = y

    def mean(self) -> None:
        y = self.b.tensor((1, self.b.shape(self.at)[3]), scale=0.03, zero_point=-128)
        axes = self.b.constant([1, 2], np.int32)
        self.b.operator("MEAN", [self.at, axes], [y], "ReducerOptions", keepDims=False)
        self.at = y

    def fully_connected(self, inputs: int) -> None:
        outputs = int(self.rng.choice((2, 10, 64)))
        flat = self.b.tensor((1, inputs), scale=0.05)
        self.b.operator("RESHAPE", [self.at], [flat], "ReshapeOptions", newShape=[1, inputs])
        weights = self.b.constant(self.rng.integers(-127, 128, (outputs, inputs)), scale=0.01)
        bias = self.b.constant(self.rng.integers(-999, 999, outputs), np.int32, scale=0.05 * 0.01)
        y = self.b.tensor((1, outputs), scale=3.0)
        self.b.operator("FULLY_CONNECTED", [flat, weights, bias], [y], "FullyConnectedOptions")
        self.at = y

    def _convolution(self, window: tuple[int, int], stride: int, channels: int = 0) -> None:
        depth = self.b.shape(self.at)[3]
        channels = channels or int(self.rng.choice(CHANNELS[2:]))
        weights, bias = self._weights((channels, *window, depth), channels, 0)
        y, activation = self._output(channels, stride)
        values = {"strideH": stride, "strideW": stride, "fusedActivationFunction": activation}
        self.b.operator("CONV_2D", [self.at, weights, bias], [y], "Conv2DOptions", **values)
        self.at = y

    def _weights(self, shape: tuple[int, ...], channels: int, axis: int) -> tuple[int, int]:
        scales = self.rng.uniform(0.002, 0.01, channels)
        weights = self.b.constant(self.rng.integers(-127, 128, shape), scale=scales, axis=axis)
        return weights, self.b.constant(self.rng.integers(-999, 999, channels), np.int32, scale=scales * 0.05)

    def _output(self, channels: int, stride: int) -> tuple[int, int]:
        """The next layer's output and its activation: mostly RELU, whose zero point is the least value."""
        _, height, width, _ = self.b.shape(self.at)
        shape = 1, -(-height // stride), -(-width // stride), channels
        rectified = int(self.rng.integers(3) > 0)
        return self.b.tensor(shape, scale=0.05, zero_point=-128 if rectified else 5), rectified


def images(seed: int) -> bytes:
    """The first layers of eight networks side by side, of any window on one to three channels, half of them followed by means."""
    rng = np.random.default_rng(seed)
    b = ModelBuilder()
    outputs = []
    for _ in range(8):
        height, width = rng.integers(10, 41, 2)
        source = b.input((1, int(height), int(width), int(rng.integers(1, FEW + 1))), zero_point=int(rng.choice((-128, 7))))
        layer = _Chain(b, source, rng)
        layer.first()
        if rng.integers(2):
            layer.mean()
        outputs.append(layer.at)
    return b.build(outputs)


def bottleneck(seed: int) -> bytes:
    """Expansion, depthwise convolution and projection, of any window on any map."""
    rng = np.random.default_rng(seed)
    b = ModelBuilder()
    height, width = rng.integers(8, 29, 2)
    layer = _Chain(b, b.input((1, int(height), int(width), int(rng.choice((8, 12, 16, 24, 40)))), zero_point=7), rng)
    layer._convolution((1, 1), 1, channels=int(rng.choice((40, 48, 66, 96, 144))))
    layer.depthwise()
    layer._convolution((1, 1), 1, channels=int(rng.choice((8, 13, 16, 24, 40))))
    return b.build([layer.at])


def chain(seed: int) -> bytes:
    """The network of a seed: ten layers or so of any kind, one after the other, and a fully connected one."""
    rng = np.random.default_rng(seed)
    b = ModelBuilder()
    side = int(rng.choice(SIDES))
    source = b.input((1, side, side, int(rng.choice(CHANNELS))), zero_point=int(rng.choice((-128, 7))))
    return _Chain(b, source, rng).layers()
