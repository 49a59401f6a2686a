"""Quantisation: fake quantisation for training (TFMOT), conversion to int8, and the conversion without any training."""

from __future__ import annotations

import re
from collections.abc import Iterator

import numpy as np
import tensorflow as tf
import tensorflow_model_optimization as tfmot
import tf_keras

from tflm_mcunet import source
from tflm_mcunet.compiled import Compiled
from tflm_mcunet.errors import Error
from tflm_mcunet.execute.host import HostModel
from tflm_mcunet.graph import Array, Tensor

BATCH = 128


class QuantizeError(Error):
    """The network has what quantisation does not support."""


def quantise_aware(model: tf_keras.Model, samples: Array) -> tf_keras.Model:
    """The same network with fake quantisation: int8 weights per channel, int8 activations.

    Activation ranges start at what the float network spans on `samples` [n, H, W, C]. By themselves they would start at
    [-6, 6] and move by a thousandth per step, so that ReLU outputs kept a range below zero that nothing uses.

    Raises:
        QuantizeError: a layer is not supported.
    """
    try:
        quantised = tfmot.quantization.keras.quantize_model(model)
    except (ValueError, RuntimeError, TypeError) as error:
        raise QuantizeError(f"model '{model.name}' cannot be trained quantised: {str(error).splitlines()[0]}") from error
    _measure_weights(quantised, samples[:2])
    spans = _spans(model, samples)
    for wrapper in quantised.layers:
        for weight in wrapper.weights:
            if bound := re.search(r"(?:output|activation)_(min|max):0$", weight.name):
                weight.assign(spans[wrapper.layer.name][("min", "max").index(bound[1])])
    return quantised


def infer(model: tf_keras.Model, samples: Array) -> list[Array]:
    """The outputs, batch first, for samples [n, H, W, C]; unlike `predict` it involves no other worker."""
    step = tf.function(lambda batch: tf.nest.flatten(model(batch, training=False)))
    columns = zip(*(step(samples[i : i + BATCH]) for i in range(0, len(samples), BATCH)), strict=True)
    return [np.concatenate(column) for column in columns]


def _spans(model: tf_keras.Model, samples: Array) -> dict[str, tuple[float, float]]:
    """The least and the largest output of each layer, by name."""
    names = [layer.name for layer in model.layers]
    values = tf_keras.Model(model.input, [layer.output for layer in model.layers])
    extremes = tf.function(
        lambda batch: [(tf.reduce_min(value), tf.reduce_max(value)) for value in values(batch, training=False)]
    )
    found = np.array([extremes(samples[i : i + BATCH]) for i in range(0, len(samples), BATCH)])
    return dict(zip(names, zip(found[..., 0].min(axis=0), found[..., 1].max(axis=0), strict=True), strict=True))


def _measure_weights(quantised: tf_keras.Model, samples: Array) -> None:
    """Sets the ranges of the weights, which TFMOT does in training mode only; averages of normalisation stay as they are."""
    averages = [weight for weight in quantised.variables if "moving_" in weight.name]
    before = [weight.numpy() for weight in averages]
    quantised(samples, training=True)
    for weight, value in zip(averages, before, strict=True):
        weight.assign(value)


def to_int8(quantised: tf_keras.Model) -> bytes:
    """The .tflite, with int8 edges, of a network that was trained quantised."""
    return source.load(quantised)[0]


def post_training(model: tf_keras.Model, samples: Array) -> bytes:
    """The .tflite, with int8 edges, of a float network; ranges are what it spans on `samples` [n, H, W, C]."""

    def batches() -> Iterator[list[Array]]:
        for sample in samples:
            yield [sample[None]]

    return source.load(model, batches)[0]


def quantised(values: Array, tensor: Tensor) -> Array:
    """Float values as an int8 tensor holds them."""
    return np.clip(np.rint(values / tensor.scale) + tensor.zero_point, -128, 127).astype(np.int8)


def run(compiled: Compiled, samples: Array) -> list[Array]:
    """The network's outputs, as floats and batch first, for float samples [n, H, W, C]: the generated C on this machine.

    Raises:
        Error: there is no C compiler.
    """
    graph = compiled.program.graph
    (entry,) = graph.inputs
    inputs = quantised(samples, entry)
    with compiled.generated() as folder, HostModel.compile(folder) as model:
        infer = model.run_rows if compiled.pulled else model.run
        answers = [infer([sample.reshape(entry.shape)]) for sample in inputs]
    columns = [np.concatenate(column) for column in zip(*answers, strict=True)]
    return [
        (values.astype(np.float32) - tensor.zero_point) * np.float32(tensor.scale)
        for values, tensor in zip(columns, graph.outputs, strict=True)
    ]
