"""Train the Fashion-MNIST example: a small MCUNet-style network, quantised to an int8 .tflite.

    python train.py --data fashion_mnist_28.npz --out .

Float training, quantisation-aware training and conversion by `nas.train`, and an evaluation of all models on the 10,000 test
images, which nothing before it looks at. Writes model.tflite, metrics.json, samples.npz and ankle_boot.pgm; checkpoints and the
compiled C go to --run, where a training that was killed goes on.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tf_keras
from absl import app, flags
from tf_keras import layers

from nas.data import load
from nas.quantize import quantised
from nas.tasks import task
from nas.train import Recipe, train
from nas.train_loop import Phase, deterministic

_DATA = flags.DEFINE_string("data", None, "An .npz of x_train, y_train, x_test, y_test and classes.", required=True)
_OUT = flags.DEFINE_string("out", ".", "Folder to write to.")
_RUN = flags.DEFINE_string("run", "run", "Folder for checkpoints and the compiled network.")
_EPOCHS = flags.DEFINE_integer("epochs", 18, "Epochs of float training.", lower_bound=1)
_QAT_EPOCHS = flags.DEFINE_integer("qat_epochs", 5, "Epochs of quantisation-aware training.", lower_bound=1)
_SEED = flags.DEFINE_integer("seed", 1, "Seed of weights, shuffling and augmentation.")
_THREADS = flags.DEFINE_integer("threads", 2, "CPU threads.", lower_bound=1)

STEM_CHANNELS = 8
BLOCKS = (  # inverted bottlenecks: kernel, expansion, output channels, stride
    (3, 4, 16, 2),
    (5, 3, 16, 1),
    (3, 3, 16, 1),
    (5, 4, 24, 2),
    (3, 4, 24, 1),
    (5, 3, 24, 1),
    (3, 4, 32, 1),
    (5, 3, 32, 1),
)
HEAD_CHANNELS = 80


def build_model(input_shape: tuple[int, int, int], classes: int) -> tf_keras.Model:
    """The float network: a 3x3 convolution, the inverted bottlenecks of BLOCKS, a 1x1 head, pooling, softmax."""

    def normalised(convolution: layers.Layer, x: Any, relu: bool = True) -> Any:
        x = layers.BatchNormalization(momentum=0.95, name=f"{convolution.name}_bn")(convolution(x))
        return layers.ReLU(6.0, name=f"{convolution.name}_relu")(x) if relu else x

    def conv(name: str, channels: int, kernel: int = 1) -> layers.Layer:
        return layers.Conv2D(channels, kernel, padding="same", use_bias=False, name=name)

    def depthwise(name: str, kernel: int, stride: int) -> layers.Layer:
        return layers.DepthwiseConv2D(kernel, stride, padding="same", use_bias=False, name=name)

    inputs = tf_keras.Input(input_shape, name="image")
    x = normalised(conv("stem", STEM_CHANNELS, kernel=3), inputs)
    for number, (kernel, expansion, channels, stride) in enumerate(BLOCKS, start=1):
        block, shortcut = f"block{number}", x
        x = normalised(conv(f"{block}_expand", x.shape[-1] * expansion), x)
        x = normalised(depthwise(f"{block}_depthwise", kernel, stride), x)
        x = normalised(conv(f"{block}_project", channels), x, relu=False)
        if x.shape == shortcut.shape:
            x = layers.Add(name=f"{block}_add")([shortcut, x])
    x = layers.GlobalAveragePooling2D(name="pool")(normalised(conv("head", HEAD_CHANNELS), x))
    x = layers.Dense(classes, name="classifier")(x)
    return tf_keras.Model(inputs, layers.Softmax(name="softmax")(x))


def main(argv: Sequence[str]) -> None:
    """Train, quantise, convert, evaluate, write the files."""
    if len(argv) > 1:
        raise app.UsageError(f"unexpected argument: {argv[1]}")
    deterministic(_SEED.value, _THREADS.value)
    data = load(_DATA.value, seed=_SEED.value)
    recipe = Recipe(
        Phase("float", _EPOCHS.value, rate=4e-3, seed=_SEED.value),
        Phase("quantised", _QAT_EPOCHS.value, rate=4e-4, seed=_SEED.value),
    )
    trained = train(data, task("classification"), lambda: build_model(data.shape, len(data.classes)), recipe, Path(_RUN.value))
    assert trained is not None  # with one worker, that is the first
    out = Path(_OUT.value)
    out.mkdir(parents=True, exist_ok=True)
    shutil.copy(Path(_RUN.value) / "model.tflite", out)
    options = {flag.name: flag.value for flag in (_EPOCHS, _QAT_EPOCHS, _SEED, _THREADS)}
    (out / "metrics.json").write_text(json.dumps({**trained.metrics, "flags": options}, indent=2) + "\n", encoding="utf-8")
    x, y = data.test.first_of_each(len(data.classes)).arrays()
    images = quantised(x, trained.compiled.program.graph.inputs[0])
    np.savez_compressed(out / "samples.npz", input_0=images, labels=y, names=np.array(data.classes))
    pixels = np.rint(x[-1] * 255).astype(np.uint8)
    (out / "ankle_boot.pgm").write_bytes(b"P5\n28 28\n255\n" + pixels.tobytes())


if __name__ == "__main__":
    app.run(main)
