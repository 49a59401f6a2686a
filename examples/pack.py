"""Bundles a trained network with samples of its data.

    python examples/pack.py --data fashion_mnist_28.npz --run runs/fashion --model examples/searched_fashion/model.tflite

Copies the run's model to --model and its metrics.json to the same folder, and writes samples.npz there: the first test sample of
each class as the model's own input tensor.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from absl import app, flags

import tflm_mcunet
from nas.data import load
from nas.quantize import quantised

DATA = flags.DEFINE_string("data", None, "as for `tflm-mcunet train`", required=True)
TEST = flags.DEFINE_float("test", 0.1, "as for `tflm-mcunet train`")
RUN = flags.DEFINE_string("run", None, "folder that `tflm-mcunet train` wrote, with seed 0", required=True)
MODEL = flags.DEFINE_string("model", None, "file to write", required=True)


def main(argv: Sequence[str]) -> None:
    """Writes the files."""
    run, model = Path(RUN.value), Path(MODEL.value)
    shutil.copy(run / "model.tflite", model)
    shutil.copy(run / "metrics.json", model.parent)
    entry = tflm_mcunet.compile(model).program.graph.inputs[0]
    _, height, width, channels = entry.shape
    data = load(DATA.value, size=(height, width), channels=channels, test=TEST.value)
    samples, labels = data.test.first_of_each(len(data.classes)).arrays()
    np.savez_compressed(
        model.parent / "samples.npz", input_0=quantised(samples, entry), labels=labels, names=np.array(data.classes)
    )


if __name__ == "__main__":
    app.run(main)
