"""Makes the int8 MobileNetV3-Large 0.75 160x160 of FRONT.md, which has squeeze-and-excite: Keras, random weights, seeded."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from absl import app, flags

sys.path.insert(0, str(Path(__file__).parents[1] / "sram"))

from mobilenet_v2 import quantized

SIZE = 160
V3 = flags.DEFINE_string("v3", "mobilenet_v3_160.tflite", "file to write")


def main(argv: Sequence[str]) -> None:
    """Builds, quantises and writes the model."""
    import tensorflow as tf

    tf.keras.utils.set_random_seed(1)
    image = tf.keras.Input(batch_shape=(1, SIZE, SIZE, 3))
    options = {"alpha": 0.75, "weights": None, "classes": 10, "include_preprocessing": False}
    model = tf.keras.applications.MobileNetV3Large(input_tensor=image, **options)
    Path(V3.value).write_bytes(quantized(model, SIZE))


if __name__ == "__main__":
    app.run(main)
