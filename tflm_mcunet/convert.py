"""Keras to int8 .tflite, a process: `python -m tflm_mcunet.convert FOLDER` with model.keras or model.h5 and samples.npz."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np


def convert(folder: Path) -> None:
    """Writes FOLDER/model.tflite with int8 edges."""
    import tensorflow as tf

    model = _load(folder)
    with np.load(folder / "samples.npz") as archive:
        arrays = {name: archive[name] for name in archive.files}

    def samples() -> Iterator[list[Any]]:
        for _, names in groupby(sorted(arrays), key=lambda name: name.split("_")[0]):
            yield [arrays[name] for name in names]

    converter = tf.lite.TFLiteConverter.from_keras_model(model)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = samples
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = converter.inference_output_type = tf.int8
    (folder / "model.tflite").write_bytes(converter.convert())


def _load(folder: Path) -> Any:
    if (folder / "model.h5").exists():
        import tf_keras

        return tf_keras.models.load_model(folder / "model.h5", compile=False)
    import keras

    return keras.models.load_model(folder / "model.keras", compile=False)


if __name__ == "__main__":
    convert(Path(sys.argv[1]))
