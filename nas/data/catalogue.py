"""Data sets of tensorflow_datasets, by name."""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf

from nas.data.dataset import DataError, Dataset, completed, in_memory
from tflm_mcunet.graph import Array


def load_named(name: str, size: tuple[int, int] | None, channels: int | None, shares: dict[str, float], seed: int) -> Dataset:
    """A data set of pictures with one label each, all of it in memory as bytes.

    Raises:
        DataError: the package or the data set is missing, or is not of this kind.
    """
    try:
        import tensorflow_datasets as tfds
    except ImportError as error:
        raise DataError(f"--data tfds:{name} needs tensorflow_datasets: pip install tensorflow-datasets") from error
    try:
        builder = tfds.builder(name)
        builder.download_and_prepare()
    except Exception as error:  # the package raises errors of many kinds, for names and for downloads
        raise DataError(f"--data tfds:{name}: {(str(error).strip().splitlines() or [type(error).__name__])[0]}") from error
    if not {"image", "label"} <= set(builder.info.features):
        raise DataError(f"--data tfds:{name} has no 'image' and 'label' but {', '.join(builder.info.features)}")
    parts = {part: _collected(builder, part, size, channels) for part in ("train", *shares) if part in builder.info.splits}
    if "train" not in parts:
        raise DataError(f"--data tfds:{name} has no split 'train' but {', '.join(builder.info.splits)}")
    splits = completed({part: in_memory(x, y) for part, (x, y) in parts.items()}, shares, seed)
    return Dataset(**splits, classes=tuple(builder.info.features["label"].names), shape=parts["train"][0].shape[1:])


def _collected(builder: Any, split: str, size: tuple[int, int] | None, channels: int | None) -> tuple[Array, Array]:
    """uint8 pictures [n, H, W, C] of one size, that of the first one by default, and their labels."""
    pictures: list[Array] = []
    labels = []
    for sample in builder.as_dataset(split, shuffle_files=False):
        image = sample["image"]
        image = tf.image.rgb_to_grayscale(image) if channels == 1 and image.shape[-1] == 3 else image
        wanted = size or (pictures[0].shape[:2] if pictures else image.shape[:2])
        if tuple(image.shape[:2]) != tuple(wanted):
            image = tf.cast(tf.clip_by_value(tf.round(tf.image.resize(image, wanted, antialias=True)), 0, 255), tf.uint8)
        pictures.append(image.numpy())
        labels.append(int(sample["label"]))
    return np.stack(pictures), np.array(labels, np.int32)
