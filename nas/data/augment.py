"""Augmentation with Keras layers, started anew from a seed each epoch, so that a run that was interrupted goes on the same."""

from __future__ import annotations

from typing import TypeAlias

import tensorflow as tf
import tf_keras
from tf_keras import layers

from nas.data.dataset import Augment

Augmentation: TypeAlias = "tf_keras.Sequential | Augment"
"""Layers that vary samples, or a function that varies samples and labels alike, such as boxes."""


def image_augmentation(height: int, width: int, pixels: int = 2, mirror: bool = True) -> tf_keras.Sequential:
    """Shifts by up to `pixels` and mirrors left and right."""
    shift = layers.RandomTranslation(pixels / height, pixels / width, fill_mode="constant", interpolation="nearest")
    return tf_keras.Sequential([shift, *([layers.RandomFlip("horizontal")] if mirror else [])])


def audio_augmentation(frames: int, shift: int = 5) -> tf_keras.Sequential:
    """Shifts features [frames, coefficients, 1] in time by up to `shift` frames."""
    return tf_keras.Sequential([layers.RandomTranslation(shift / frames, 0.0, fill_mode="nearest", interpolation="nearest")])


def seeded(augmentation: Augmentation, seed: int) -> Augment:
    """The augmentation for one epoch; layers draw their random numbers from `seed`."""
    if not isinstance(augmentation, tf_keras.Sequential):
        return augmentation
    fresh = [
        type(layer).from_config({**layer.get_config(), **({"seed": seed + number} if "seed" in layer.get_config() else {})})
        for number, layer in enumerate(augmentation.layers)
    ]

    def apply(samples: tf.Tensor, labels: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        for layer in fresh:
            samples = layer(samples, training=True)
        return samples, labels

    return apply
