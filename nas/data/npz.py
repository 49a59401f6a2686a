"""NumPy archives: x and y, ready divided (`x_train`, `y_train`, `x_test`, ...) or to be divided here."""

from __future__ import annotations

import itertools
import zipfile
from pathlib import Path

import numpy as np
import tensorflow as tf

from nas.data.dataset import DataError, Dataset, completed, in_memory
from tflm_mcunet.graph import Array

Arrays = dict[str, Array]
CLASS_NAMES = ("classes", "class_names", "labels")
GROUPS = ("groups", "group", "speaker")


def load_npz(path: Path, array: str, shares: dict[str, float], seed: int) -> Dataset:
    """The data set in an archive.

    Samples are `x` (or `array`) with labels `y`, or `x_train` and `y_train` with `x_test` and `y_test` and, if there,
    `x_validation` and `y_validation`. JPEG files may take the place of an x: their bytes as `jpg_*`, where each begins and the
    last ends as `off_*`. Optional are the class names (`classes`) and `groups`: samples of a group, such as a speaker, are never
    both trained on and tested with.

    Raises:
        DataError: arrays are missing or do not fit each other.
    """
    arrays = _read(path)
    if array == "x" and "y_train" in arrays:
        parts = {name: _samples(path, arrays, f"_{name}") for name in ("train", *shares) if f"y_{name}" in arrays}
    else:
        parts = {"train": _samples(path, {**arrays, "x": _named(path, arrays, array)}, "")}
    classes = _classes(arrays)
    shape = parts["train"][0].shape[1:]
    for name, (x, y) in parts.items():
        if y.size and not 0 <= y.min() <= y.max() < len(classes):
            raise DataError(f"{path}: {name} has classes {y.min()} to {y.max()}, but there are {len(classes)} class names")
        if x.shape[1:] != shape:
            raise DataError(f"{path}: samples for {name} are {x.shape[1:]}, those to train on {shape}")
    groups = next((arrays[name] for name in GROUPS if name in arrays), None)
    splits = completed({name: in_memory(x, y) for name, (x, y) in parts.items()}, shares, seed, groups)
    return Dataset(**splits, classes=classes, shape=shape)


def _read(path: Path) -> Arrays:
    try:
        with np.load(path, allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise DataError(f"cannot read {path}: {getattr(error, 'strerror', None) or error}") from error


def _named(path: Path, arrays: Arrays, name: str) -> Array:
    if name not in arrays:
        raise DataError(f"{path}: no array '{name}'; it holds {', '.join(arrays) or 'nothing'}")
    return arrays[name]


def _samples(path: Path, arrays: Arrays, suffix: str) -> tuple[Array, Array]:
    """Samples [n, H, W, C] and int32 labels [n]."""
    jpeg = f"jpg{suffix}"
    x = _decoded(path, arrays, suffix) if jpeg in arrays else _named(path, arrays, f"x{suffix}")
    y = _named(path, arrays, f"y{suffix}")
    if x.ndim == 3:
        x = x[..., None]
    if x.ndim != 4 or y.ndim != 1 or len(x) != len(y) or not np.issubdtype(y.dtype, np.integer):
        raise DataError(f"{path}: x{suffix} {x.shape} and y{suffix} {y.shape} are not [n, H, W, C] samples and n class numbers")
    return x, y.astype(np.int32)


def _decoded(path: Path, arrays: Arrays, suffix: str) -> Array:
    data, offsets = arrays[f"jpg{suffix}"].tobytes(), _named(path, arrays, f"off{suffix}")
    files = [data[begin:end] for begin, end in itertools.pairwise(offsets)]
    try:
        return np.stack([tf.io.decode_jpeg(file).numpy() for file in files])
    except (tf.errors.InvalidArgumentError, ValueError) as error:
        raise DataError(f"{path}: jpg{suffix} are not JPEG files of one size") from error


def _classes(arrays: Arrays) -> tuple[str, ...]:
    named = next((arrays[name] for name in CLASS_NAMES if name in arrays), None)
    if named is not None:
        return tuple(str(name) for name in named)
    labels = np.concatenate([value for name, value in arrays.items() if name == "y" or name.startswith("y_")])
    return tuple(str(number) for number in range(int(labels.max(initial=0)) + 1))
