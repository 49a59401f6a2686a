"""One class per sample."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import tf_keras

from nas.data.augment import Augmentation, image_augmentation
from nas.data.dataset import DataError, Dataset
from tflm_mcunet.errors import Error
from tflm_mcunet.graph import Array

if TYPE_CHECKING:
    from tflm_mcunet.compiled import Compiled


class Classification:
    """Cross entropy; the score is the share of samples whose class gets the highest output."""

    name = "classification"

    def prepare(self, data: Dataset) -> Dataset:
        if data.train.labels.ndim != 1:
            raise DataError(f"--task {self.name} needs one class per sample, not boxes: see --task detection and vww")
        return data

    def check(self, model: tf_keras.Model, data: Dataset) -> None:
        if len(model.inputs) != 1 or tuple(model.input_shape[1:]) != data.shape:
            raise Error(f"model '{model.name}' takes {model.input_shape}, the samples are {data.shape}")
        if len(model.outputs) != 1 or tuple(model.output_shape[1:]) != (len(data.classes),):
            raise Error(f"model '{model.name}' gives {model.output_shape}, the data has {len(data.classes)} classes")

    def trainer(self, model: tf_keras.Model) -> tf_keras.Model:
        return model

    def compile(self, model: tf_keras.Model, data: Dataset, optimizer: tf_keras.optimizers.Optimizer) -> None:
        loss = tf_keras.losses.SparseCategoricalCrossentropy(from_logits=not gives_probabilities(model))
        model.compile(optimizer, loss, metrics=["accuracy"])

    def augmentation(self, data: Dataset) -> Augmentation | None:
        height, width, _ = data.shape
        return image_augmentation(height, width, pixels=max(1, height // 14))

    def score(self, outputs: list[Array], data: Dataset) -> dict[str, float]:
        return {"accuracy": float(np.mean(outputs[0].argmax(axis=-1) == data.test.labels))}

    def companions(self, compiled: Compiled, data: Dataset) -> dict[str, str]:
        return {}


def gives_probabilities(model: tf_keras.Model) -> bool:
    """Whether the last layer is a softmax; otherwise the outputs are taken for logits."""
    last = getattr(model, "network", model).layers[-1]  # of the network that is being taught, where there is a teacher
    last = getattr(last, "layer", last)  # inside its wrapper of fake quantisation
    activation = getattr(last, "activation", None)
    name = getattr(activation, "__name__", type(getattr(activation, "activation", activation)).__name__)
    return isinstance(last, tf_keras.layers.Softmax) or name == "softmax" or _wrapped_softmax(activation)


def _wrapped_softmax(activation: object) -> bool:
    inner = getattr(activation, "activation", None)  # TFMOT puts activations of dense layers into wrappers of its own
    return getattr(inner, "__name__", "") == "softmax"
