"""Augmentation with Keras layers, started anew from a seed each epoch, so that a run that was interrupted goes on the same."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
import tensorflow as tf
import tf_keras
from tf_keras import layers

from nas.data.dataset import Augment
from tflm_mcunet.graph import Array

Augmentation: TypeAlias = "tf_keras.Sequential | Augment"
"""Layers that vary samples, or a function that varies samples and labels alike, such as boxes."""


def image_augmentation(height: int, width: int, pixels: int = 2, mirror: bool = True) -> tf_keras.Sequential:
    """Shifts by up to `pixels` and mirrors left and right."""
    shift = layers.RandomTranslation(pixels / height, pixels / width, fill_mode="constant", interpolation="nearest")
    return tf_keras.Sequential([shift, *([layers.RandomFlip("horizontal")] if mirror else [])])


def audio_augmentation(frames: int, deviation: Array, shift: int = 5, tempo: float = 0.2) -> tf_keras.Sequential:
    """Varies cepstra [frames, coefficients, 1]: earlier or later, faster or slower, as through another microphone, in noise.

    Args:
        frames: of a sample.
        deviation: of every coefficient, [coefficients].
        shift: in time, at most so many frames.
        tempo: at most so much faster or slower.
    """
    early_or_late = layers.RandomTranslation(shift / frames, 0.0, fill_mode="nearest", interpolation="nearest")
    fast_or_slow = layers.RandomZoom(tempo, 0.0, fill_mode="nearest")
    microphone, noise = (RandomOffset(0.2 * deviation, every_frame=False), RandomOffset(0.1 * deviation, every_frame=True))
    return tf_keras.Sequential([early_or_late, fast_or_slow, microphone, noise])


class RandomOffset(layers.Layer):
    """Adds normal noise to cepstra [batch, frames, coefficients, 1]: to every frame its own, or to all of a sample the same.

    A filter, such as another microphone or throat, multiplies a spectrum, and so adds a constant to its cepstrum.

    Args:
        deviation: of the noise, by coefficient.
        every_frame: to every frame its own.
        seed: of the random numbers.
    """

    def __init__(self, deviation: Array, every_frame: bool, seed: int | None = None) -> None:
        super().__init__()
        self.deviation, self.every_frame, self.seed = np.asarray(deviation, np.float32), every_frame, seed
        self.generator = tf.random.Generator.from_seed(seed or 0)

    def get_config(self) -> dict[str, Any]:
        """The arguments."""
        return {"deviation": self.deviation, "every_frame": self.every_frame, "seed": self.seed}

    def call(self, inputs: tf.Tensor, training: bool | None = None) -> tf.Tensor:
        if not training:
            return inputs
        batch, frames, coefficients, channels = tf.unstack(tf.shape(inputs))
        shape = batch, frames if self.every_frame else 1, coefficients, channels
        return inputs + self.generator.normal(shape) * self.deviation[:, None]


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
