"""Networks to compare with, as their authors describe them, for pictures and sound of any size."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import tf_keras
from tf_keras import layers

Shape = tuple[int, int, int]

MOMENTUM = 0.95  # of batch normalisation: short trainings have few steps to settle its averages
SMALLEST_MAP = 3  # strides that would make the last map smaller than this are left out, the first ones first


def ds_cnn(shape: Shape, classes: int, channels: int = 64, blocks: int = 4) -> tf_keras.Model:
    """DS-CNN of MLPerf Tiny's keyword spotting (Zhang et al., "Hello Edge", arXiv 1711.07128)."""
    inputs = tf_keras.Input(shape)
    kernel = (min(10, shape[0]), min(4, shape[1]))
    x = normalised(layers.Conv2D(channels, kernel, strides=2, padding="same", use_bias=False), inputs)
    x = layers.Dropout(0.2)(x)
    for _ in range(blocks):
        x = normalised(layers.DepthwiseConv2D(3, padding="same", use_bias=False), x)
        x = normalised(layers.Conv2D(channels, 1, use_bias=False), x)
    return _classifier("ds_cnn", inputs, layers.Dropout(0.4)(x), classes)


def resnet_8(shape: Shape, classes: int, channels: int = 16) -> tf_keras.Model:
    """ResNet-8 of MLPerf Tiny's image classification (He et al., arXiv 1512.03385; Banbury et al., arXiv 2106.07597)."""
    inputs = tf_keras.Input(shape)
    x = normalised(convolution(channels, 3), inputs)
    for stack, stride in enumerate((1, 2, 2)):
        width = channels << stack
        y = normalised(convolution(width, 3, stride), x)
        y = normalised(convolution(width, 3), y, relu=False)
        shortcut = x if stride == 1 else layers.Conv2D(width, 1, stride, padding="same")(x)
        x = layers.ReLU()(layers.Add()([shortcut, y]))
    return _classifier("resnet_8", inputs, x, classes)


def mobilenet_v1(shape: Shape, classes: int, alpha: float = 0.25) -> tf_keras.Model:
    """MobileNetV1 (Howard et al., arXiv 1704.04861); `alpha` scales the channels."""
    blocks = ((64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), *[(512, 1)] * 5, (1024, 2), (1024, 1))
    first, *strides = _fitting(shape, [2, *(stride for _, stride in blocks)])
    inputs = tf_keras.Input(shape)
    x = normalised(convolution(int(32 * alpha), 3, first), inputs, limit=6.0)
    for (channels, _), stride in zip(blocks, strides, strict=True):
        x = normalised(layers.DepthwiseConv2D(3, stride, padding="same", use_bias=False), x, limit=6.0)
        x = normalised(convolution(int(channels * alpha), 1), x, limit=6.0)
    return _classifier("mobilenet_v1", inputs, x, classes)


def mobilenet_v2(shape: Shape, classes: int, alpha: float = 0.35) -> tf_keras.Model:
    """MobileNetV2 (Sandler et al., arXiv 1801.04381); `alpha` scales the channels but those of the head."""
    stages = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1))
    blocks = [(t, c, s if i == 0 else 1) for t, c, n, s in stages for i in range(n)]
    first, *strides = _fitting(shape, [2, *(stride for *_, stride in blocks)])
    inputs = tf_keras.Input(shape)
    x = normalised(convolution(_eights(32 * alpha), 3, first), inputs, limit=6.0)
    for (expansion, channels, _), stride in zip(blocks, strides, strict=True):
        x = inverted_bottleneck(x, expansion, _eights(channels * alpha), stride)
    return _classifier("mobilenet_v2", inputs, normalised(convolution(1280, 1), x, limit=6.0), classes)


BASELINES: dict[str, Callable[[Shape, int], tf_keras.Model]] = {
    "ds-cnn": ds_cnn,
    "mobilenet-v1-0.25": mobilenet_v1,
    "mobilenet-v2-0.35": mobilenet_v2,
    "resnet-8": resnet_8,
}


def convolution(channels: int, kernel: int, stride: int = 1) -> layers.Layer:
    """A convolution for `normalised` to complete."""
    return layers.Conv2D(channels, kernel, stride, padding="same", use_bias=False)


def normalised(layer: layers.Layer, x: Any, relu: bool = True, limit: float | None = None) -> Any:
    """Convolution, batch normalisation and, unless it is linear, ReLU up to `limit`."""
    x = layers.BatchNormalization(momentum=MOMENTUM)(layer(x))
    return layers.ReLU(limit)(x) if relu else x


def inverted_bottleneck(x: Any, expansion: int, channels: int, stride: int) -> Any:
    """Expansion, depthwise 3x3 and projection, added to x where the shapes agree."""
    shortcut = x
    if expansion != 1:
        x = normalised(convolution(x.shape[-1] * expansion, 1), x, limit=6.0)
    x = normalised(layers.DepthwiseConv2D(3, stride, padding="same", use_bias=False), x, limit=6.0)
    x = normalised(convolution(channels, 1), x, relu=False)
    return layers.Add()([shortcut, x]) if x.shape == shortcut.shape else x


def _classifier(name: str, inputs: Any, x: Any, classes: int) -> tf_keras.Model:
    x = layers.Dense(classes)(layers.GlobalAveragePooling2D()(x))
    return tf_keras.Model(inputs, layers.Softmax()(x), name=name)


def _fitting(shape: Shape, strides: list[int]) -> list[int]:
    """The strides, the first ones made 1 until the last map is no smaller than SMALLEST_MAP along its shorter side."""
    side, halvings = min(shape[:2]), strides.count(2)
    while halvings and -(-side // (1 << halvings)) < SMALLEST_MAP:
        halvings -= 1
        strides = [*strides]
        strides[strides.index(2)] = 1
    return strides


def _eights(channels: float) -> int:
    """The multiple of 8 that is nearest, but not more than 10% below."""
    rounded = max(8, int(channels + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * channels else rounded
