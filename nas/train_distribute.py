"""Training on several devices of one machine, or on several machines, with TensorFlow's own strategies."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import tensorflow as tf
import tensorflow_model_optimization as tfmot
import tf_keras

from tflm_mcunet.errors import Error

MIRRORED, MULTI_WORKER = "mirrored", "multi-worker"


def strategy(name: str | None) -> tf.distribute.Strategy | None:
    """`mirrored` uses all GPUs of this machine, `multi-worker` the machines that TF_CONFIG names; before anything is computed.

    Raises:
        Error: there is no TF_CONFIG.
    """
    if name == MIRRORED:
        return tf.distribute.MirroredStrategy()
    if name == MULTI_WORKER:
        if "TF_CONFIG" not in os.environ:
            raise Error("--distribute multi-worker needs the environment variable TF_CONFIG, which names all workers")
        return tf.distribute.MultiWorkerMirroredStrategy()
    return None


def leads(chosen: tf.distribute.Strategy | None = None) -> bool:
    """Whether this process writes the results: the only one, or the first of several. Inside a scope, that of the scope."""
    resolver = getattr(chosen or tf.distribute.get_strategy(), "cluster_resolver", None)
    return resolver is None or resolver.task_type in (None, "chief") or (resolver.task_type, resolver.task_id) == ("worker", 0)


def moved(model: tf_keras.Model) -> tf_keras.Model:
    """A copy with variables of the current scope. All workers must take part: they average some of their weights for it."""
    weights = model.get_weights()
    with tfmot.quantization.keras.quantize_scope():
        twin = tf_keras.models.clone_model(model)
    twin.set_weights(weights)
    return twin


def own_folder(folder: Path) -> str:
    """`folder`, or for workers that do not lead a place for what all must write but only one should."""
    return str(folder) if leads() else tempfile.mkdtemp(prefix="tflm_mcunet_")


def shared(batches: tf.data.Dataset) -> tf.data.Dataset:
    """The batches, such that every worker takes its share of each."""
    options = tf.data.Options()
    options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.DATA
    return batches.with_options(options)
