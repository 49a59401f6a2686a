"""Knowledge distillation (Hinton, Vinyals, Dean, arXiv 1503.02531): a small network also learns what a large one answers."""

from __future__ import annotations

from typing import Any

import tensorflow as tf
import tf_keras

from tflm_mcunet.errors import Error

EPSILON = 1e-7


class Distillation(tf_keras.Model):
    """A student that trains on the labels and on its teacher's softened answers; calling it is calling the student.

    Args:
        student, teacher: classifiers of the same samples and classes.
        probabilities: for student and teacher, whether they end in a softmax; logits otherwise.
        temperature: the answers are softened by its power.
        weight: of the teacher's answers in the loss; the labels have the rest.

    Raises:
        Error: the two do not fit.
    """

    def __init__(
        self,
        student: tf_keras.Model,
        teacher: tf_keras.Model,
        probabilities: tuple[bool, bool],
        temperature: float = 4.0,
        weight: float = 0.5,
    ) -> None:
        super().__init__(name=student.name)
        for edge in ("input_shape", "output_shape"):
            if getattr(student, edge) != getattr(teacher, edge):
                problem = f"{edge.removesuffix('_shape')} {getattr(teacher, edge)}, the model {getattr(student, edge)}"
                raise Error(f"teacher '{teacher.name}' does not fit: it has {problem}")
        teacher.trainable = False
        self.network, self.teacher = student, teacher
        self._probabilities, self._temperature, self._weight = probabilities, temperature, weight

    def call(self, inputs: tf.Tensor, training: bool | None = None) -> tf.Tensor:
        return self.network(inputs, training=training)

    def train_step(self, data: Any) -> dict[str, tf.Tensor]:
        samples, labels, weights = tf_keras.utils.unpack_x_y_sample_weight(data)
        expected = self._softened(self.teacher(samples, training=False), self._probabilities[1])
        with tf.GradientTape() as tape:
            answers = self.network(samples, training=True)
            given = self._softened(answers, self._probabilities[0])
            divergence = tf.reduce_sum(tf.exp(expected) * (expected - given), axis=-1)
            taught = self._temperature**2 * tf.reduce_mean(divergence)  # gradients fall with the temperature's square
            taught /= tf.distribute.get_strategy().num_replicas_in_sync  # as Keras does with the labels' loss
            loss = (1 - self._weight) * self.compute_loss(samples, labels, answers, weights) + self._weight * taught
        self.optimizer.minimize(loss, self.network.trainable_variables, tape=tape)
        return self.compute_metrics(samples, labels, answers, weights)

    def _softened(self, answers: tf.Tensor, probabilities: bool) -> tf.Tensor:
        """Logarithms of the probabilities at the temperature."""
        logits = tf.math.log(answers + EPSILON) if probabilities else answers
        return tf.nn.log_softmax(logits / self._temperature)
