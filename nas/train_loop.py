"""Training epoch by epoch, such that a run that was killed goes on from its last epoch and ends the same."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import tensorflow as tf
import tf_keras

from nas.data.augment import Augmentation, seeded
from nas.data.dataset import Dataset
from nas.train_distribute import own_folder, shared


@dataclass(frozen=True)
class Phase:
    """One training.

    Attributes:
        name: of its folder of checkpoints.
        epochs, batch, rate: the learning rate falls from `rate` to zero along a cosine.
        optimizer: adam, or sgd (momentum 0.9).
        weight_decay: decoupled; the share of the weights that a step of rate 1 takes away.
        seed: of the order of the samples, of augmentation and of dropout.
    """

    name: str
    epochs: int
    batch: int = 128
    rate: float = 4e-3
    optimizer: str = "adam"
    weight_decay: float = 0.0
    seed: int = 0

    def make_optimizer(self, samples: int) -> tf_keras.optimizers.Optimizer:
        """The optimiser for a training set of so many samples."""
        steps = self.epochs * -(-samples // self.batch)
        schedule = tf_keras.optimizers.schedules.CosineDecay(self.rate, max(steps, 1))
        decay = self.weight_decay or None
        if self.optimizer == "sgd":
            return tf_keras.optimizers.SGD(schedule, momentum=0.9, weight_decay=decay)
        return tf_keras.optimizers.Adam(schedule, weight_decay=decay)


def deterministic(seed: int, threads: int | None = None) -> None:
    """Makes TensorFlow repeat itself on this machine; once, before anything is computed."""
    if threads is not None:
        tf.config.threading.set_intra_op_parallelism_threads(threads)
        tf.config.threading.set_inter_op_parallelism_threads(1)
    tf.config.experimental.enable_op_determinism()
    tf_keras.backend.experimental.enable_tf_random_generator()  # such as can be started anew each epoch
    tf_keras.utils.set_random_seed(seed)


def fit(
    model: tf_keras.Model,
    data: Dataset,
    phase: Phase,
    folder: Path,
    augmentation: Augmentation | None = None,
    trained: tf_keras.Model | None = None,
    verbose: int = 2,
) -> None:
    """Trains a compiled model, from the last checkpoint in `folder` on where there is one, and logs to TensorBoard.

    Args:
        trained: the model whose weights are kept, where `model` only wraps it.
        verbose: as for Keras: 1 shows progress bars, 2 a line per epoch.
    """
    model.optimizer.build(model.trainable_variables)
    epoch = tf.Variable(0, dtype=tf.int64, trainable=False)
    state = tf.train.Checkpoint(model=trained or model, optimizer=model.optimizer, epoch=epoch)
    manager = tf.train.CheckpointManager(state, own_folder(folder / phase.name), max_to_keep=1)
    state.restore(tf.train.latest_checkpoint(folder / phase.name))
    validation = shared(data.validation.batches(phase.batch))
    writer = tf.summary.create_file_writer(own_folder(folder / "logs" / phase.name))
    for number in range(int(epoch.numpy()), phase.epochs):
        seed = (phase.seed << 16) + number
        batches = shared(data.train.batches(phase.batch, seed, None if augmentation is None else seeded(augmentation, seed)))
        _reseed(model, seed)
        # one epoch at a time, so that nothing but the checkpoint decides how the next one goes
        history = model.fit(batches, initial_epoch=number, epochs=number + 1, validation_data=validation, verbose=verbose)
        with writer.as_default(step=number + 1):
            for name, (value,) in history.history.items():
                tf.summary.scalar(name, value)
        writer.flush()
        epoch.assign(number + 1)
        manager.save()


def _reseed(model: tf_keras.Model, seed: int) -> None:
    """Starts the random numbers of dropout anew: Keras keeps them out of checkpoints."""
    for number, layer in enumerate(model.submodules):
        generator = getattr(getattr(layer, "_random_generator", None), "_generator", None)
        if generator is not None:
            generator.reset_from_seed(seed + number)
