"""The int8 graph of an architecture whose weights do not exist yet: random ones in their place, so that the compiler can plan it.

Shapes, operators and the ranges of values are those that a trained model has after conversion. SRAM, flash and time follow
from them; only weights that happen to make a channel constant would change anything.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from patch_scheduler.architecture import Architecture
from tflm_mcunet.graph import Graph, Quantization, Tensor
from tflm_mcunet.operators.add import Add
from tflm_mcunet.operators.conv_2d import Conv2D
from tflm_mcunet.operators.depthwise_conv_2d import DepthwiseConv2D
from tflm_mcunet.operators.fully_connected import FullyConnected
from tflm_mcunet.operators.mean import Mean
from tflm_mcunet.operators.softmax import Softmax

RELU6 = Quantization((6 / 255,), (-128,))
LINEAR = Quantization((0.05,), (3,))
SCORES = Quantization((0.05,), (0,))
"""Small enough for the softmax to have its longest table."""
PROBABILITIES = Quantization((1 / 256,), (-128,))


def untrained(architecture: Architecture) -> Graph:
    """Its graph, always the same; a softmax follows the classes."""
    return _Builder().build(architecture)


class _Builder:
    def __init__(self) -> None:
        self.rng = np.random.default_rng(0)
        self.operators: list[Conv2D | DepthwiseConv2D | FullyConnected | Add | Mean | Softmax] = []

    def build(self, architecture: Architecture) -> Graph:
        shape = architecture.height, architecture.width, architecture.channels
        image = x = _tensor("image", (1, *shape), Quantization((1 / 255,), (-128,)))
        x = self.convolution(x, architecture.stem.channels, architecture.stem.kernel, architecture.stem.stride)
        for block in architecture.blocks:
            before, channels = x, x.shape[3]
            if block.expansion > 1:
                x = self.convolution(x, channels * block.expansion)
            x = self.depthwise(x, block.kernel, block.stride)
            x = self.convolution(x, block.channels, linear=True)
            if block.adds(channels):
                x = self.add(before, x)
        if architecture.classes:
            if architecture.head:
                x = self.convolution(x, architecture.head)
            x = self.classify(x, architecture.classes)
        return Graph("candidate", (image,), (x,), tuple(self.operators))

    def convolution(self, x: Tensor, channels: int, kernel: int = 1, stride: int = 1, *, linear: bool = False) -> Tensor:
        _, height, width, depth = x.shape
        y = self.output((1, -(-height // stride), -(-width // stride), channels), LINEAR if linear else RELU6)
        inputs = x, *self.weights((channels, kernel, kernel, depth), 0, depth * kernel**2, x)
        activation = "NONE" if linear else "RELU6"
        self.add_operator(Conv2D(inputs, (y,), activation=activation, padding="SAME", stride=(stride, stride)))
        return y

    def depthwise(self, x: Tensor, kernel: int, stride: int) -> Tensor:
        _, height, width, channels = x.shape
        y = self.output((1, -(-height // stride), -(-width // stride), channels), RELU6)
        inputs = x, *self.weights((1, kernel, kernel, channels), 3, kernel**2, x)
        self.add_operator(DepthwiseConv2D(inputs, (y,), activation="RELU6", padding="SAME", stride=(stride, stride)))
        return y

    def add(self, a: Tensor, b: Tensor) -> Tensor:
        y = self.output(a.shape, Quantization((0.07,), (-2,)))
        self.add_operator(Add((a, b), (y,)))
        return y

    def classify(self, x: Tensor, classes: int) -> Tensor:
        assert x.quantization is not None
        axes = Tensor("axes", (2,), np.dtype(np.int32), data=np.array([1, 2], np.int32))
        features = self.output((1, x.shape[3]), x.quantization)
        self.add_operator(Mean((x, axes), (features,)))
        scores, probabilities = self.output((1, classes), SCORES), self.output((1, classes), PROBABILITIES)
        self.add_operator(FullyConnected((features, *self.weights((classes, x.shape[3]), 0, x.shape[3], features)), (scores,)))
        self.add_operator(Softmax((scores,), (probabilities,)))
        return probabilities

    def weights(self, shape: Sequence[int], axis: int, taps: int, source: Tensor) -> tuple[Tensor, Tensor]:
        """Of He's variance, every channel with its own scale as the converter chooses it; and biases."""
        real: NDArray[np.float32] = self.rng.standard_normal(shape, np.float32) * np.float32((2 / taps) ** 0.5)
        others = tuple(other for other in range(len(shape)) if other != axis)
        scales = np.abs(real).max(axis=others, keepdims=True) / 127
        steps = tuple(scales.ravel().tolist())
        data = np.rint(real / scales).astype(np.int8)
        weights = Tensor("weights", tuple(shape), data.dtype, Quantization(steps, (0,) * len(steps), axis), data)
        bias = self.rng.integers(-500, 500, len(steps), np.int32)
        products = Quantization(tuple(source.scale * step for step in steps), (0,) * len(steps))
        return weights, Tensor("bias", bias.shape, bias.dtype, products, bias)

    def output(self, shape: Sequence[int], quantization: Quantization) -> Tensor:
        return _tensor(f"t{len(self.operators)}", shape, quantization)

    def add_operator(self, operator: Conv2D | DepthwiseConv2D | FullyConnected | Add | Mean | Softmax) -> None:
        operator.check()
        self.operators.append(operator)


def _tensor(name: str, shape: Sequence[int], quantization: Quantization) -> Tensor:
    return Tensor(name, tuple(shape), np.dtype(np.int8), quantization)
