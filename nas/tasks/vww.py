"""Visual wake words: is there a person in the picture? (Chowdhery et al., arXiv 1906.05721)"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from nas.data.dataset import DataError, Dataset, Split
from nas.tasks.classification import Classification
from tflm_mcunet.graph import Array

SMALLEST = 0.005  # smaller persons, as a share of the picture, do not count


class VisualWakeWords(Classification):
    """Classification of pictures into `no person` and `person`, from boxes of persons or from folders of these two classes."""

    name = "vww"

    def prepare(self, data: Dataset) -> Dataset:
        if data.train.labels.ndim == 1:
            if len(data.classes) != 2:
                raise DataError(f"--task vww tells two classes apart, the data has {len(data.classes)}")
            return data
        if "person" not in data.classes:
            raise DataError(f"--task vww needs boxes of class 'person'; there are {', '.join(data.classes)}")
        person = data.classes.index("person")
        train, validation, test = (_relabelled(split, person) for split in (data.train, data.validation, data.test))
        return replace(data, train=train, validation=validation, test=test, classes=("no person", "person"))


def _relabelled(split: Split, person: int) -> Split:
    return Split(split.keys, shown(split.labels, person), split.read)


def shown(labels: Array, person: int) -> Array:
    """int32 [n]: whether boxes [n, boxes, 6] hold a person that is large enough."""
    area = (labels[..., 3] - labels[..., 1]) * (labels[..., 4] - labels[..., 2])
    return ((labels[..., 0] == person) & (area > SMALLEST)).any(axis=1).astype(np.int32)
