"""An architecture as a Keras model that quantisation-aware training and the converter take."""

from __future__ import annotations

import tf_keras
from tf_keras import layers

from patch_scheduler.architecture import Architecture, Bottleneck

MOMENTUM = 0.95
"""Of the moving averages of batch normalisation: the trainings here are short."""
EPSILON = 1e-3
"""Of batch normalisation."""


def keras_model(architecture: Architecture, name: str = "network", dropout: float = 0.0) -> tf_keras.Model:
    """[batch, height, width, channels] -> probabilities [batch, classes], or the last map where there are no classes.

    Layers are called stem, block1_expand, block1_depthwise, block1_project, ..., head, classifier.
    """
    image = tf_keras.Input((architecture.height, architecture.width, architecture.channels), name="image")
    stem = architecture.stem
    x = _normalised(_convolution("stem", stem.channels, stem.kernel, stem.stride), image)
    for number, block in enumerate(architecture.blocks, start=1):
        x = _bottleneck(f"block{number}", block, x)
    if architecture.classes:
        if architecture.head:
            x = _normalised(_convolution("head", architecture.head), x)
        x = layers.GlobalAveragePooling2D(name="pool")(x)
        if dropout:
            x = layers.Dropout(dropout, name="dropout")(x)
        x = layers.Softmax(name="softmax")(layers.Dense(architecture.classes, name="classifier")(x))
    return tf_keras.Model(image, x, name=name)


def _bottleneck(name: str, block: Bottleneck, x: tf_keras.KerasTensor) -> tf_keras.KerasTensor:
    before, channels = x, int(x.shape[-1])
    if block.expansion > 1:
        x = _normalised(_convolution(f"{name}_expand", channels * block.expansion), x)
    depthwise = layers.DepthwiseConv2D(block.kernel, block.stride, padding="same", use_bias=False, name=f"{name}_depthwise")
    x = _normalised(depthwise, x)
    x = _normalised(_convolution(f"{name}_project", block.channels), x, relu=False)
    return layers.Add(name=f"{name}_add")([before, x]) if block.adds(channels) else x


def _convolution(name: str, channels: int, kernel: int = 1, stride: int = 1) -> layers.Layer:
    return layers.Conv2D(channels, kernel, stride, padding="same", use_bias=False, name=name)


def _normalised(layer: layers.Layer, x: tf_keras.KerasTensor, relu: bool = True) -> tf_keras.KerasTensor:
    x = layers.BatchNormalization(momentum=MOMENTUM, epsilon=EPSILON, name=f"{layer.name}_bn")(layer(x))
    return layers.ReLU(6.0, name=f"{layer.name}_relu")(x) if relu else x
