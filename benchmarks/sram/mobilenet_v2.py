"""Makes the int8 MobileNetV2-1.0 224x224 of the SRAM table: Keras, random weights, seeded. Needs `pip install '.[nas]'`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from absl import app, flags

OUT = flags.DEFINE_string("out", "mobilenet_v2_224.tflite", "file to write")


def quantized(model: Any, size: int) -> bytes:
    """The int8 .tflite of a Keras model with random weights, for images of size x size pixels, calibrated on noise."""
    import tensorflow as tf

    rng = np.random.default_rng(1)
    for layer in model.layers:  # batch norms that fit the noise, so that activations keep a sensible range
        if isinstance(layer, tf.keras.layers.BatchNormalization):
            layer.momentum = 0.0
    batch = model.input_shape[0] or 8
    model(rng.uniform(-1, 1, (batch, size, size, 3)).astype(np.float32), training=True)

    def samples() -> Iterator[list[np.ndarray]]:
        for _ in range(4):
            yield [rng.uniform(-1, 1, (1, size, size, 3)).astype(np.float32)]

    converter = tf.lite.TFLiteConverter.from_keras_model(model)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = samples
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = converter.inference_output_type = tf.int8
    return bytes(converter.convert())


def main(argv: Sequence[str]) -> None:
    """Builds, quantises and writes the model."""
    import tensorflow as tf

    tf.keras.utils.set_random_seed(1)
    model = tf.keras.applications.MobileNetV2((224, 224, 3), alpha=1.0, weights=None)
    Path(OUT.value).write_bytes(quantized(model, 224))


if __name__ == "__main__":
    app.run(main)
