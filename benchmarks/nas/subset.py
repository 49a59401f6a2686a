"""A share of a data set as an .npz, for what two CPU cores can train in an hour: as many training samples of every class.

    python benchmarks/nas/subset.py --data fashion_mnist_28.npz --train 6000 --validation 1000 --out fashion_6000.npz

Both are taken from the training samples; the test samples stay as they are.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from absl import app, flags
from numpy.typing import NDArray

from nas.data import load
from nas.data.dataset import Split

DATA = flags.DEFINE_string("data", None, "pictures, as for `tflm-mcunet train`", required=True)
TRAIN = flags.DEFINE_integer("train", 6000, "samples to train on", lower_bound=1)
VALIDATION = flags.DEFINE_integer("validation", 1000, "samples to compare networks on", lower_bound=1)
SEED = flags.DEFINE_integer("seed", 0, "of the choice")
OUT = flags.DEFINE_string("out", None, "archive to write", required=True)


def main(argv: Sequence[str]) -> None:
    """Writes the archive."""
    data = load(DATA.value, seed=SEED.value)
    drawn = balanced(data.train.labels, TRAIN.value + VALIDATION.value, np.random.default_rng(SEED.value))
    x, y = pixels(data.train.subset(drawn[VALIDATION.value :]))
    x_validation, y_validation = pixels(data.train.subset(drawn[: VALIDATION.value]))
    x_test, y_test = pixels(data.test)
    np.savez_compressed(
        OUT.value, x_train=x, y_train=y, x_validation=x_validation, y_validation=y_validation, x_test=x_test, y_test=y_test,
        classes=np.array(data.classes),
    )  # fmt: skip


def balanced(labels: NDArray[np.int32], count: int, rng: np.random.Generator) -> NDArray[np.intp]:
    """Indices of `count` samples in random order, in which classes take turns."""
    order = rng.permutation(len(labels))
    turn = np.empty(len(labels), np.int64)
    for label in np.unique(labels):
        mine = order[labels[order] == label]
        turn[mine] = np.arange(len(mine))
    return order[np.argsort(turn[order], kind="stable")[:count]]


def pixels(part: Split) -> tuple[NDArray[np.uint8], NDArray[np.int32]]:
    """Samples as bytes, and their labels."""
    samples, labels = part.arrays()
    return np.rint(samples * 255).astype(np.uint8), labels


if __name__ == "__main__":
    app.run(main)
