"""A small detector: inverted bottlenecks, a feature pyramid (Lin et al., arXiv 1612.03144) and a head on each of its levels."""

from __future__ import annotations

from typing import Any

import tf_keras
from tf_keras import layers

from nas.baselines import Shape, convolution, inverted_bottleneck, normalised
from nas.tasks.heads import BOX_FIELDS

STAGES = ((16, 1, 1), (24, 2, 2), (32, 2, 2), (48, 2, 2), (64, 2, 2))  # channels, blocks, stride
FIRST_LEVEL = 2  # the stage from which on outputs enter the pyramid: strides 8, 16 and 32


def pyramid_detector(shape: Shape, classes: int, channels: int = 32, expansion: int = 4) -> tf_keras.Model:
    """Heads at strides 8, 16 and 32, as far as the picture is large enough for cells; logits as nas/tasks/heads.py has them."""
    inputs = tf_keras.Input(shape)
    x = normalised(convolution(8, 3, 2), inputs, limit=6.0)
    levels = []
    for number, (width, blocks, stride) in enumerate(STAGES):
        if any(side % stride for side in x.shape[1:3]):
            break  # odd maps have no cells that divide the picture
        for block in range(blocks):
            x = inverted_bottleneck(x, expansion, width, stride if block == 0 else 1)
        if number >= FIRST_LEVEL:
            levels.append(x)
    return tf_keras.Model(inputs, [_head(level, classes) for level in _pyramid(levels, channels)], name="pyramid_detector")


def _pyramid(levels: list[Any], channels: int) -> list[Any]:
    """Every level with what the coarser ones have seen."""
    x = normalised(convolution(channels, 1), levels[-1], limit=6.0)
    outputs = [x]
    for level in reversed(levels[:-1]):
        x = layers.Add()([layers.UpSampling2D(2)(x), normalised(convolution(channels, 1), level, limit=6.0)])
        outputs.insert(0, x)
    return outputs


def _head(x: Any, classes: int) -> Any:
    x = normalised(layers.DepthwiseConv2D(3, padding="same", use_bias=False), x, limit=6.0)
    return layers.Conv2D(BOX_FIELDS + classes, 1)(x)
