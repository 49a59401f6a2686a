"""Training of YOLO-style heads: which cell answers for which object, and the loss."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import tensorflow as tf
import tf_keras

from nas.tasks.heads import ANCHOR_STRIDES, BOX_FIELDS, Head

BOX_WEIGHT, OBJECT_WEIGHT, CLASS_WEIGHT = 2.0, 1.0, 1.0
POSITIVE_WEIGHT = 8.0  # cells with an object are few


class Gathered(tf_keras.Model):
    """A network whose heads' outputs are one, [batch, cells, 5 + classes], for one loss over all of them."""

    def __init__(self, network: tf_keras.Model) -> None:
        super().__init__(name=network.name)
        self.network = network

    def call(self, inputs: tf.Tensor, training: bool | None = None) -> tf.Tensor:
        outputs = tf.nest.flatten(self.network(inputs, training=training))
        return tf.concat([tf.reshape(output, (tf.shape(output)[0], -1, output.shape[-1])) for output in outputs], axis=1)


class YoloLoss(tf_keras.losses.Loss):
    """Generalised IoU of the boxes (Rezatofighi et al., arXiv 1902.09630) and cross entropies of objectness and classes.

    Every object is the task of one cell: that of its centre, in the head whose typical box is nearest in size.
    """

    def __init__(self, heads: Sequence[Head], classes: int) -> None:
        super().__init__(name="yolo")
        self._heads, self._classes = list(heads), classes

    def call(self, y_true: tf.Tensor, y_pred: tf.Tensor) -> tf.Tensor:
        target, positive = self._targets(y_true)
        entropy = tf.nn.sigmoid_cross_entropy_with_logits
        objectness = tf.nn.weighted_cross_entropy_with_logits(positive, y_pred[..., 4], POSITIVE_WEIGHT)
        labels = tf.one_hot(tf.cast(target[..., 0], tf.int32), self._classes)
        kind = tf.reduce_sum(entropy(labels, y_pred[..., BOX_FIELDS:]), axis=-1)
        apart = 1 - generalised_iou(self._boxes(y_pred), target[..., 1:5])
        count = tf.maximum(tf.reduce_sum(positive, axis=1), 1.0)
        local = tf.reduce_sum(positive * (BOX_WEIGHT * apart + CLASS_WEIGHT * kind), axis=1) / count
        return local + OBJECT_WEIGHT * tf.reduce_sum(objectness, axis=1) / count

    def _boxes(self, outputs: tf.Tensor) -> tf.Tensor:
        """Left, top, right, bottom of all cells, as shares of the picture."""
        grid = tf.concat([_grid(head) for head in self._heads], axis=0)
        s = tf.sigmoid(outputs[..., :4])
        centre = (grid[:, :2] + 2 * s[..., :2] - 0.5) / grid[:, 2:]
        side = (2 * s[..., 2:4]) ** 2 * ANCHOR_STRIDES / grid[:, 2:]
        return tf.concat([centre - side / 2, centre + side / 2], axis=-1)

    def _targets(self, labels: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Labels [batch, cells, 6] of the cells, and 1.0 for those that have one [batch, cells]."""
        cells = sum(head.rows * head.columns for head in self._heads)
        used = (labels[..., 0] >= 0) & (labels[..., 5] == 0)
        where = tf.where(used)
        chosen = tf.boolean_mask(labels, used)
        places = tf.stack([tf.cast(where[:, 0], tf.int32), self._cells(chosen)], axis=1)
        shape = tf.stack([tf.shape(labels)[0], cells])
        counts = tf.scatter_nd(places, tf.ones_like(chosen[:, 0]), shape)
        summed = tf.scatter_nd(places, chosen, tf.concat([shape, [6]], axis=0))
        first = tf.tensor_scatter_nd_update(summed, places, chosen)  # of two objects in a cell, one
        return first, tf.minimum(counts, 1.0)

    def _cells(self, labels: tf.Tensor) -> tf.Tensor:
        """The number of each object's cell among those of all heads, int32 [objects]."""
        centre = (labels[:, 1:3] + labels[:, 3:5]) / 2
        sides = tf.constant([[head.columns, head.rows] for head in self._heads], tf.float32)
        size = (labels[:, 3:5] - labels[:, 1:3])[:, None] * sides / ANCHOR_STRIDES  # in anchors of each head
        head = tf.argmin(tf.abs(tf.reduce_sum(tf.math.log(tf.maximum(size, 1e-6)), axis=-1)), axis=-1)
        before = tf.cumsum([head.rows * head.columns for head in self._heads], exclusive=True)
        chosen = tf.gather(sides, head)
        place = tf.cast(tf.clip_by_value(tf.floor(centre * chosen), 0.0, chosen - 1), tf.int32)
        return tf.gather(before, head) + place[:, 1] * tf.cast(chosen[:, 0], tf.int32) + place[:, 0]


def generalised_iou(a: tf.Tensor, b: tf.Tensor) -> tf.Tensor:
    """Of boxes [..., 4]: intersection over union, less the share of the hull that neither covers."""

    def area(box: tf.Tensor) -> Any:
        return tf.reduce_prod(tf.maximum(box[..., 2:] - box[..., :2], 0.0), axis=-1)

    low, high = tf.maximum(a[..., :2], b[..., :2]), tf.minimum(a[..., 2:], b[..., 2:])
    inside = area(tf.concat([low, high], axis=-1))
    union = area(a) + area(b) - inside
    hull = area(tf.concat([tf.minimum(a[..., :2], b[..., :2]), tf.maximum(a[..., 2:], b[..., 2:])], axis=-1))
    return inside / tf.maximum(union, 1e-9) - (hull - union) / tf.maximum(hull, 1e-9)


def _grid(head: Head) -> tf.Tensor:
    """Column, row, columns and rows of each cell [cells, 4]."""
    rows, columns = tf.meshgrid(tf.range(head.rows), tf.range(head.columns), indexing="ij")
    sizes = tf.fill(tf.shape(rows), head.columns), tf.fill(tf.shape(rows), head.rows)
    return tf.cast(tf.reshape(tf.stack([columns, rows, *sizes], axis=-1), (-1, 4)), tf.float32)
