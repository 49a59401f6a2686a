"""Data sets: three splits of samples that are read in batches, reproducibly."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import tensorflow as tf

from tflm_mcunet.errors import Error
from tflm_mcunet.graph import Array

Augment = Callable[[tf.Tensor, tf.Tensor], tuple[tf.Tensor, tf.Tensor]]
"""Samples and labels of a batch -> the same, varied."""


class DataError(Error):
    """The data is missing, damaged, or does not fit what is asked of it."""


@dataclass(frozen=True)
class Split:
    """Samples of one purpose.

    Attributes:
        keys: what `read` needs to find each sample: indices or paths, [n].
        labels: int32 [n] classes, or float32 [n, boxes, 6], see nas/data/boxes.py.
        read: a batch of keys -> float32 samples [batch, H, W, C].
    """

    keys: Array
    labels: Array
    read: Callable[[tf.Tensor], tf.Tensor]

    def __len__(self) -> int:
        return len(self.keys)

    def batches(self, size: int, seed: int | None = None, augment: Augment | None = None) -> tf.data.Dataset:
        """Samples and labels in batches of `size`; with a seed all samples in a new order, that of the seed."""
        samples = tf.data.Dataset.from_tensor_slices((self.keys, self.labels))
        if seed is not None:
            samples = samples.shuffle(max(len(self), 1), seed=seed, reshuffle_each_iteration=False)
        batches = samples.batch(size).map(lambda keys, labels: (self.read(keys), labels), num_parallel_calls=tf.data.AUTOTUNE)
        if augment is not None:
            batches = batches.map(augment)  # in order, since its layers draw from one generator
        return batches.prefetch(2)

    def subset(self, index: Array) -> Split:
        """The samples of these numbers."""
        return Split(self.keys[index], self.labels[index], self.read)

    def take(self, count: int, seed: int = 0) -> Split:
        """`count` samples at random, or all where there are fewer."""
        return self.subset(np.random.default_rng(seed).permutation(len(self))[:count])

    def first_of_each(self, classes: int) -> Split:
        """The first sample of each class."""
        return self.subset(np.array([int(np.argmax(self.labels == label)) for label in range(classes)]))

    def arrays(self) -> tuple[Array, Array]:
        """All samples, float32 [n, H, W, C], and their labels; for what fits in memory."""
        samples = [x.numpy() for x, _ in self.batches(256)]
        return np.concatenate(samples), self.labels


@dataclass(frozen=True)
class Dataset:
    """A data set.

    Attributes:
        classes: names, in the order of the labels' numbers.
        shape: (H, W, C) of one sample.
        frontend: how samples are made from sound, where they are; the exported C front end does the same.
    """

    train: Split
    validation: Split
    test: Split
    classes: tuple[str, ...]
    shape: tuple[int, int, int]
    frontend: Any = None

    def __post_init__(self) -> None:
        for name in ("train", "validation", "test"):
            if len(getattr(self, name)) == 0:
                raise DataError(f"the data has no samples for {name}: give it more, or another share of it")

    def mark(self) -> int:
        """A number that other data, another division of it, or another way to read it hardly shares."""
        number = 0
        for split in (self.train, self.validation, self.test):
            number = zlib.crc32(split.keys.tobytes() + split.labels.tobytes(), number)
        samples, _ = self.train.take(32).arrays()
        return zlib.crc32(samples.tobytes(), number)

    def resized(self, height: int, width: int) -> Dataset:
        """Samples scaled to that size, bilinearly, as the supernet scales those of networks of smaller resolution."""

        def scaled(split: Split) -> Split:
            return replace(split, read=lambda keys: tf.image.resize(split.read(keys), (height, width)))

        shape = height, width, self.shape[2]
        return replace(self, train=scaled(self.train), validation=scaled(self.validation), test=scaled(self.test), shape=shape)


def from_memory(x: Array) -> Callable[[tf.Tensor], tf.Tensor]:
    """A reader of samples [n, H, W, C] by index; uint8 pixels become [0, 1]."""
    values = tf.constant(x)
    scale = 255.0 if x.dtype == np.uint8 else 1.0
    return lambda keys: tf.cast(tf.gather(values, keys), tf.float32) / scale


def in_memory(x: Array, y: Array) -> Split:
    """All samples of an array."""
    return Split(np.arange(len(y)), y, from_memory(x))


def completed(known: dict[str, Split], shares: dict[str, float], seed: int, groups: Array | None = None) -> dict[str, Split]:
    """The splits there are, and those that are missing: shares of `train`, divided by `groups`, one per sample, or freely."""
    missing = {name: share for name, share in shares.items() if name not in known}
    if not missing:
        return known
    train = known["train"]
    if groups is not None and len(groups) != len(train):
        raise DataError(f"{len(groups)} groups for {len(train)} samples")
    chosen = divide(np.arange(len(train)) if groups is None else groups, list(missing.values()), seed)
    return known | {name: train.subset(index) for name, index in zip((*missing, "train"), chosen, strict=True)}


def divide(groups: Sequence[Any] | Array, shares: Sequence[float], seed: int) -> list[Array]:
    """Sample indices of one part per share, and of the rest, at random; samples of one group stay together.

    Raises:
        DataError: the shares leave nothing, or there are fewer groups than parts.
    """
    if min(shares) < 0 or sum(shares) >= 1:
        raise DataError(f"shares of {', '.join(f'{share:g}' for share in shares)} leave nothing to train on")
    _, number, sizes = np.unique(np.asarray(groups), return_inverse=True, return_counts=True)
    if len(sizes) < sum(share > 0 for share in shares) + 1:
        raise DataError(f"{len(sizes)} groups of samples cannot be divided into training, validation and test data")
    order = np.random.default_rng(seed).permutation(len(sizes))
    before = np.concatenate([[0], np.cumsum(sizes[order])[:-1]])  # samples ahead of each group
    part = np.searchsorted(np.cumsum(shares) * sizes.sum(), before, side="right")
    part_of_group = np.empty(len(sizes), np.int64)
    part_of_group[order] = part
    return [np.flatnonzero(part_of_group[number] == index) for index in range(len(shares) + 1)]
