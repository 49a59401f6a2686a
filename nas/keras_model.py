"""Keras models from files, as tf_keras models, which is what quantisation-aware training takes."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import h5py
import tf_keras

from tflm_mcunet.errors import Error


def read(path: Path) -> tf_keras.Model:
    """The model in a .keras or .h5 file of tf_keras or Keras 3; the latter is built anew, layer by layer.

    Raises:
        Error: the file cannot be read, or has a layer that tf_keras does not know.
    """
    if not path.is_file():
        raise Error(f"no such file: {path}")
    try:
        if _of_keras_3(path):
            import keras

            return from_keras_3(keras.models.load_model(path, compile=False))
        return tf_keras.models.load_model(path, compile=False)
    except (OSError, ValueError, TypeError, KeyError, zipfile.BadZipFile) as error:
        raise Error(f"cannot read {path}: {(str(error).splitlines() or [type(error).__name__])[0]}") from error


def _of_keras_3(path: Path) -> bool:
    if h5py.is_hdf5(path):
        with h5py.File(path) as file:
            return str(file.attrs["keras_version"]).startswith("3")
    with zipfile.ZipFile(path) as archive:
        return str(json.loads(archive.read("metadata.json"))["keras_version"]).startswith("3")


def from_keras_3(model: Any) -> tf_keras.Model:
    """A functional or sequential Keras 3 model in tf_keras, with the same weights and layer names.

    Raises:
        Error: it has a layer that tf_keras does not know.
    """
    values = {id(tensor): tf_keras.Input(tensor.shape[1:], name=tensor.name) for tensor in model.inputs}
    for layer in model.layers:
        if type(layer).__name__ == "InputLayer":
            continue
        if hasattr(layer, "layers"):
            raise Error(f"layer '{layer.name}' of model '{model.name}' is a model itself: use its layers one by one")
        twin = _twin(layer)
        for node in layer._inbound_nodes:
            arguments = [values[id(tensor)] for tensor in node.input_tensors if id(tensor) in values]
            if len(arguments) != len(node.input_tensors):
                continue  # a call outside this model
            values[id(node.output_tensors[0])] = twin(arguments if len(arguments) > 1 else arguments[0])
        twin.set_weights([weight.numpy() for weight in layer.weights if "seed_generator" not in weight.path])
    ends = [[values[id(tensor)] for tensor in edge] for edge in (model.inputs, model.outputs)]
    return tf_keras.Model(*(edge if len(edge) > 1 else edge[0] for edge in ends), name=model.name)


def _twin(layer: Any) -> tf_keras.layers.Layer:
    kind = getattr(tf_keras.layers, type(layer).__name__, None)
    if kind is None:
        raise Error(f"layer '{layer.name}': tf_keras has no {type(layer).__name__}")
    # Initializers and dtype policies are written otherwise in Keras 3; the weights follow anyway.
    known = {k: v for k, v in layer.get_config().items() if k != "dtype" and not k.endswith("_initializer") and v is not None}
    known.pop("quantization_config", None)
    try:
        return kind.from_config(known)
    except (TypeError, ValueError) as error:
        raise Error(f"layer '{layer.name}' ({type(layer).__name__}) cannot be made in tf_keras: {error}") from error
