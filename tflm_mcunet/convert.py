"""Keras to int8 .tflite, a process: `python -m tflm_mcunet.convert FOLDER` with model.keras or model.h5, and samples.npz
unless the model was trained quantised."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np


def convert(folder: Path) -> None:
    """Writes FOLDER/model.tflite with int8 edges."""
    import tensorflow as tf

    converter = tf.lite.TFLiteConverter.from_keras_model(_of_one_sample(*_load(folder)))
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.inference_input_type = converter.inference_output_type = tf.int8
    if (folder / "samples.npz").exists():  # otherwise the model knows its ranges from training
        converter.representative_dataset = _samples(folder / "samples.npz")
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    (folder / "model.tflite").write_bytes(converter.convert())


def _samples(path: Path) -> Callable[[], Iterator[list[Any]]]:
    with np.load(path) as archive:
        arrays = {name: archive[name] for name in archive.files}

    def samples() -> Iterator[list[Any]]:
        for _, names in groupby(sorted(arrays), key=lambda name: name.split("_")[0]):
            yield [arrays[name] for name in names]

    return samples


def _of_one_sample(keras: Any, model: Any) -> Any:
    """The model for batches of one: with any other length, reshapes would be computed from the input's shape."""
    inputs = [keras.Input(tuple(tensor.shape[1:]), batch_size=1, dtype=tensor.dtype) for tensor in model.inputs]
    return keras.Model(inputs, model(inputs if len(inputs) > 1 else inputs[0]))


def _load(folder: Path) -> tuple[Any, Any]:
    """Keras, and the model."""
    if (folder / "model.h5").exists():
        import tf_keras

        with _quantisation_layers():
            return tf_keras, tf_keras.models.load_model(folder / "model.h5", compile=False)
    import keras

    keras.layers.UpSampling2D.call = _resized(keras.layers.UpSampling2D.call)
    return keras, keras.models.load_model(folder / "model.keras", compile=False)


def _resized(call: Callable[..., Any]) -> Callable[..., Any]:
    """UpSampling2D as one RESIZE_NEAREST_NEIGHBOR: Keras 3 repeats rows and columns by TILE, which TFLM does not have."""

    def resize(layer: Any, images: Any) -> Any:
        import tensorflow as tf

        if layer.interpolation != "nearest" or layer.data_format != "channels_last":
            return call(layer, images)
        size = [side * factor for side, factor in zip(images.shape[1:3], layer.size, strict=True)]
        return tf.image.resize(images, size, "nearest")

    return resize


def _quantisation_layers() -> AbstractContextManager[Any]:
    """The layers of models that were trained quantised, where their package is there."""
    try:
        import tensorflow_model_optimization as tfmot
    except ImportError:
        return nullcontext()
    return tfmot.quantization.keras.quantize_scope()


if __name__ == "__main__":
    convert(Path(sys.argv[1]))
