"""From data to firmware: float training, quantisation-aware training, conversion, compilation, verification."""

from __future__ import annotations

import json
import time
import zlib
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
import tf_keras

import tflm_mcunet
from nas.data.dataset import Dataset
from nas.distill import Distillation
from nas.quantize import infer, post_training, quantise_aware, quantised, run, to_int8
from nas.tasks import Task
from nas.tasks.classification import Classification, gives_probabilities
from nas.train_distribute import leads, moved
from nas.train_loop import Phase, fit
from tflm_mcunet.compiled import Compiled
from tflm_mcunet.errors import Error

CALIBRATION_SAMPLES = 512
VERIFIED_SAMPLES = 20


class TrainError(Error):
    """The training cannot be done as asked."""


@dataclass(frozen=True)
class Recipe:
    """How to train.

    Attributes:
        phase: the float training; none where its epochs are 0.
        quantised: the quantisation-aware training after it.
        augment: vary the training samples as the task does.
        temperature, taught: of distillation, where there is a teacher.
    """

    phase: Phase = field(default_factory=lambda: Phase("float", 30))
    quantised: Phase = field(default_factory=lambda: Phase("quantised", 10, rate=4e-4))
    augment: bool = True
    temperature: float = 4.0
    taught: float = 0.5


@dataclass(frozen=True)
class Trained:
    """What a training gives: the int8 .tflite, the compiled network, and figures as JSON values."""

    tflite: bytes
    compiled: Compiled
    metrics: dict[str, Any]


def train(
    data: Dataset,
    task: Task,
    build: Callable[[], tf_keras.Model],
    recipe: Recipe,
    out: Path,
    *,
    build_teacher: Callable[[], tf_keras.Model] | None = None,
    compile_options: dict[str, Any] | None = None,
    strategy: tf.distribute.Strategy | None = None,
    verbose: int = 2,
) -> Trained | None:
    """Trains a network, writes model.tflite, metrics.json and the folder `firmware` into `out`, and verifies it.

    A run that was killed goes on from its last epoch when it is started again, and ends with the same files.

    Args:
        build: makes the network, inside the strategy's scope.
        build_teacher: makes a trained network to distil from.
        compile_options: of tflm_mcunet.compile.
        strategy: of TensorFlow, to train on several devices or machines, which share `out`.

    Returns:
        What was made; None on all machines but the first, which makes it.

    Raises:
        Error: network, data and board do not fit each other.
        TrainError: `out` holds a run of another recipe, or the C differs from TFLM.
    """
    started = time.monotonic()
    data = task.prepare(data)
    if build_teacher is not None and not isinstance(task, Classification):
        raise TrainError(f"--task {task.name} does not distil: leave out --teacher")
    scope = (strategy or tf.distribute.get_strategy()).scope
    with scope():
        model = build()
        teacher = build_teacher() if build_teacher else None
    task.check(model, data)
    samples, _ = data.train.take(CALIBRATION_SAMPLES).arrays()
    options = {"name": "model", **(compile_options or {})}
    # What does not fit the board, or cannot be verified here, is not worth training.
    tflm_mcunet.compile(post_training(settled(model, samples[:64]), samples[:1]), **options).verify(samples=1)
    if leads(strategy):
        _claim(out / "training", model, teacher, data, task, recipe)

    def run_phase(network: tf_keras.Model, phase: Phase) -> None:
        with scope():
            trainer = task.trainer(network) if teacher is None else _taught(network, teacher, recipe)
            task.compile(trainer, data, phase.make_optimizer(len(data.train)))
            augmentation = task.augmentation(data) if recipe.augment else None
            fit(trainer, data, phase, out / "training", augmentation, network, verbose)

    run_phase(model, recipe.phase)
    model = moved(model)
    fake = quantise_aware(model, samples)
    with scope():
        fake = moved(fake)
    run_phase(fake, recipe.quantised)
    fake = moved(fake)
    return _delivered(data, task, model, fake, samples, out, options, started) if leads(strategy) else None


def settled(model: tf_keras.Model, samples: Any) -> tf_keras.Model:
    """A copy whose normalisations have the statistics of `samples`: in a deep network without training, values shrink from layer
    to layer until there is nothing left to quantise.
    """
    twin = tf_keras.models.clone_model(model)
    twin.set_weights(model.get_weights())
    for layer in twin.layers:
        if isinstance(layer, tf_keras.layers.BatchNormalization):
            layer.momentum = 0.0
    twin(samples, training=True)
    return twin


def _taught(network: tf_keras.Model, teacher: tf_keras.Model, recipe: Recipe) -> Distillation:
    probabilities = gives_probabilities(network), gives_probabilities(teacher)
    return Distillation(network, teacher, probabilities, recipe.temperature, recipe.taught)


def _delivered(
    data: Dataset,
    task: Task,
    model: tf_keras.Model,
    fake: tf_keras.Model,
    samples: Any,
    out: Path,
    options: dict[str, Any],
    started: float,
) -> Trained:
    """Converts, compiles, scores, verifies and writes."""
    tflite = to_int8(fake)
    compiled = tflm_mcunet.compile(tflite, **options)
    x, _ = data.test.arrays()
    entry = compiled.program.graph.inputs[0]
    verified = compiled.verify(inputs=[[sample.reshape(entry.shape)] for sample in quantised(x[:VERIFIED_SAMPLES], entry)])
    if not verified.passed:
        raise TrainError(f"the generated C differs from TFLM: {verified.first}")
    converted = tflm_mcunet.compile(post_training(model, samples))
    report = compiled.report
    metrics = {
        "float": task.score(infer(model, x), data),
        "int8": task.score(run(compiled, x), data),
        "int8_without_training": task.score(run(converted, x), data),
        "samples": {name: len(getattr(data, name)) for name in ("train", "validation", "test")},
        "classes": list(data.classes),
        "parameters": model.count_params(),
        "tflite_bytes": len(tflite),
        **{name: report[name] for name in ("target", "macs", "macs_executed", "sram", "flash")},
        "verified_bytes": verified.bytes,
        "seconds": round(time.monotonic() - started),
        "versions": {module.__name__: module.__version__ for module in (tf, tf_keras, np)},
    }
    compiled.write(out / "firmware")
    for name, text in task.companions(compiled, data).items():
        (out / "firmware" / name).write_text(text, encoding="utf-8")
    model.save(out / "model.keras")
    (out / "model.tflite").write_bytes(tflite)
    (out / "metrics.json").write_text(json.dumps(metrics, indent=2) + "\n", encoding="utf-8")
    return Trained(tflite, compiled, metrics)


def _weights(model: tf_keras.Model) -> int:
    """A number that other weights hardly share."""
    return zlib.crc32(b"".join(weight.tobytes() for weight in model.get_weights()))


def _claim(
    folder: Path, model: tf_keras.Model, teacher: tf_keras.Model | None, data: Dataset, task: Task, recipe: Recipe
) -> None:
    """Notes what the checkpoints in `folder` belong to; raises TrainError where they belong to something else."""
    settings = {
        "model": model.to_json(),
        "recipe": asdict(recipe),
        "task": task.name,
        "classes": data.classes,
        "samples": data.mark(),
        "weights": _weights(model),
        "teacher": None if teacher is None else _weights(teacher),
    }
    text = json.dumps(settings, indent=1, sort_keys=True)
    record = folder / "settings.json"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if not record.exists():
            record.write_text(text, encoding="utf-8")
        elif record.read_text(encoding="utf-8") != text:
            raise TrainError(f"{folder.parent} holds another training: choose another --out, or remove {folder} to start anew")
    except OSError as error:
        raise TrainError(f"cannot write {folder}: {error.strerror or error}") from error
