"""Object detection with YOLO-style heads; the score is mean average precision as VOC 2007 and as COCO define it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import tensorflow as tf
import tf_keras

from nas.data.augment import Augmentation
from nas.data.dataset import DataError, Dataset
from nas.tasks.heads import Detector, Head, decode, heads_of
from nas.tasks.precision import coco, voc_2007
from nas.tasks.yolo import Gathered, YoloLoss
from tflm_mcunet.graph import Array

if TYPE_CHECKING:
    from tflm_mcunet.compiled import Compiled

LEAST_SCORE = 0.01  # for precision at all recalls
OVERLAP = 0.45


class Detection:
    """Boxes and classes of objects."""

    name = "detection"

    def prepare(self, data: Dataset) -> Dataset:
        if data.train.labels.ndim != 3:
            raise DataError("--task detection needs boxes: --data coco:ANNOTATIONS.json:FOLDER or voc:FOLDER")
        return data

    def check(self, model: tf_keras.Model, data: Dataset) -> None:
        self._heads(model, data)

    def trainer(self, model: tf_keras.Model) -> tf_keras.Model:
        return Gathered(model)

    def compile(self, model: tf_keras.Model, data: Dataset, optimizer: tf_keras.optimizers.Optimizer) -> None:
        model.compile(optimizer, YoloLoss(self._heads(model.network, data), len(data.classes)))

    def augmentation(self, data: Dataset) -> Augmentation | None:
        return mirrored

    def score(self, outputs: list[Array], data: Dataset) -> dict[str, float]:
        heads = heads_of(data.shape, [output.shape[1:] for output in outputs], len(data.classes))
        found = [decode(heads, picture, LEAST_SCORE, OVERLAP) for picture in zip(*outputs, strict=True)]
        truth = list(data.test.labels)
        return {"map_voc_2007": voc_2007(found, truth, len(data.classes)), "map_coco": coco(found, truth, len(data.classes))}

    def companions(self, compiled: Compiled, data: Dataset) -> dict[str, str]:
        outputs = compiled.program.graph.outputs
        heads = heads_of(data.shape, [tensor.shape[1:] for tensor in outputs], len(data.classes))
        detector = Detector(heads, outputs, len(data.classes), *data.shape[:2])
        return detector.files(compiled.program.prefix)

    def _heads(self, model: tf_keras.Model, data: Dataset) -> list[Head]:
        return heads_of(data.shape, [output.shape[1:] for output in model.outputs], len(data.classes))


def mirrored(samples: tf.Tensor, labels: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Half of the pictures of a batch, with their boxes, left and right exchanged; which half follows from the shuffled order."""
    half = tf.shape(samples)[0] // 2
    left, top, right, bottom = (labels[:half, :, i : i + 1] for i in range(1, 5))
    boxes = tf.concat([labels[:half, :, :1], 1 - right, top, 1 - left, bottom, labels[:half, :, 5:]], axis=-1)
    return tf.concat([samples[:half, :, ::-1], samples[half:]], axis=0), tf.concat([boxes, labels[half:]], axis=0)
