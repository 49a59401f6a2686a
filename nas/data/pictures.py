"""Folders of pictures, one folder per class, as Keras' image_dataset_from_directory takes them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import tensorflow as tf
import tf_keras

from nas.data.dataset import DataError, Dataset, Split, completed
from tflm_mcunet.graph import Array

PARTS = {"train": ("train", "training"), "validation": ("validation", "val", "valid"), "test": ("test", "testing")}


def load_pictures(
    folder: Path, size: tuple[int, int] | None, channels: int, classes: Sequence[str] | None, shares: dict[str, float], seed: int
) -> Dataset:
    """The data set of a folder of class folders, or of folders `train`, `validation` and `test` of them.

    Raises:
        DataError: there are no pictures, or the classes do not match.
    """
    parts = {name: path for name, names in PARTS.items() if (path := _first(folder, names)) is not None}
    if "train" not in parts:
        parts = {"train": folder}
    found = {name: _listed(path, classes) for name, path in parts.items()}
    names = found["train"][2]
    for name, (_, _, others) in found.items():
        if others != names:
            raise DataError(f"{parts[name]}: the classes {', '.join(others)} are not those to train on, {', '.join(names)}")
    height, width = size or _size(found["train"][0][0])
    read = picture_reader(height, width, channels)
    known = {name: Split(paths, labels, read) for name, (paths, labels, _) in found.items()}
    return Dataset(**completed(known, shares, seed), classes=names, shape=(height, width, channels))


def picture_reader(height: int, width: int, channels: int) -> Callable[[tf.Tensor], tf.Tensor]:
    """Reads files [n] as float32 pictures [n, height, width, channels] in [0, 1], scaled to this size."""

    def picture(path: tf.Tensor) -> tf.Tensor:
        pixels = tf.io.decode_image(tf.io.read_file(path), channels=channels, expand_animations=False)
        pixels.set_shape((None, None, channels))
        scaled = tf.image.resize(pixels, (height, width), antialias=True)
        return tf.clip_by_value(tf.round(scaled), 0, 255) / 255  # whole levels, as a camera gives them

    return lambda paths: tf.map_fn(picture, paths, fn_output_signature=tf.TensorSpec((height, width, channels), tf.float32))


def _first(folder: Path, names: Sequence[str]) -> Path | None:
    return next((folder / name for name in names if (folder / name).is_dir()), None)


def _listed(folder: Path, classes: Sequence[str] | None) -> tuple[Array, Array, tuple[str, ...]]:
    """Paths and labels of all pictures, and the class names."""
    try:
        listing = tf_keras.utils.image_dataset_from_directory(
            folder, class_names=list(classes) if classes else None, batch_size=None, shuffle=False
        )
    except ValueError as error:
        if classes:
            raise DataError(
                f"{folder}: no pictures of these classes: {', '.join(classes)}; {str(error).splitlines()[0]}"
            ) from error
        raise DataError(f"{folder}: no folders of pictures, one per class ({str(error).splitlines()[0]})") from error
    paths, names = np.array(listing.file_paths), tuple(listing.class_names)
    numbers = {name: number for number, name in enumerate(names)}
    return paths, np.array([numbers[Path(path).relative_to(folder).parts[0]] for path in paths], np.int32), names


def _size(path: str) -> tuple[int, int]:
    try:
        height, width, _ = tf.io.decode_image(tf.io.read_file(path), expand_animations=False).shape
    except tf.errors.InvalidArgumentError as error:
        raise DataError(f"{path} is not a picture") from error
    return height, width
