"""Train the Fashion-MNIST example: a small MCUNet-style network, quantised to an int8 .tflite.

    python train.py --data fashion_mnist_28.npz --out .

Float training, quantisation-aware training, conversion, and an evaluation of both models on the 10,000 test
images, which nothing before it looks at. Writes model.tflite, metrics.json, samples.npz and ankle_boot.pgm.
"""

import json
import pathlib
import platform
import re
import time

import numpy as np
import tensorflow as tf
import tensorflow_model_optimization as tfmot
import tf_keras
from absl import app, flags
from tf_keras import layers

_DATA = flags.DEFINE_string("data", None, "An .npz of x_train, y_train, x_test, y_test and classes.", required=True)
_OUT = flags.DEFINE_string("out", ".", "Folder to write to.")
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
BATCH = 128


def build_model(input_shape: tuple[int, int, int], classes: int) -> tf_keras.Model:
    """The float network: a 3x3 convolution, the inverted bottlenecks of BLOCKS, a 1x1 head, pooling, softmax."""

    def normalised(convolution: layers.Layer, x: tf.Tensor, relu: bool = True) -> tf.Tensor:
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


def augment(images: np.ndarray, rng: np.random.Generator, max_shift: int = 2) -> np.ndarray:
    """Every image shifted by up to max_shift pixels along both axes and mirrored half of the time."""
    count, pixels = len(images), np.arange(images.shape[1])
    margin = (max_shift, max_shift)
    padded = np.pad(images, ((0, 0), margin, margin, (0, 0)))
    rows = rng.integers(0, 2 * max_shift + 1, (count, 1)) + pixels
    mirrored = np.where(rng.random((count, 1)) < 0.5, pixels[::-1], pixels)
    columns = rng.integers(0, 2 * max_shift + 1, (count, 1)) + mirrored
    return padded[np.arange(count)[:, None, None], rows[:, :, None], columns[:, None, :]]


def fit(
    model: tf_keras.Model,
    images: np.ndarray,
    labels: np.ndarray,
    epochs: int,
    learning_rate: float,
    rng: np.random.Generator,
) -> None:
    """Train with Adam, freshly augmented images every epoch and a learning rate that falls along a cosine to zero."""
    schedule = tf_keras.optimizers.schedules.CosineDecay(learning_rate, epochs * -(-len(images) // BATCH))
    model.compile(tf_keras.optimizers.Adam(schedule), "sparse_categorical_crossentropy", metrics=["accuracy"])
    for epoch in range(epochs):
        model.fit(augment(images, rng), labels, BATCH, initial_epoch=epoch, epochs=epoch + 1, verbose=2)


def quantise_aware(model: tf_keras.Model, images: np.ndarray) -> tf_keras.Model:
    """The same network with fake quantisation: int8 weights per channel, int8 activations.

    Activation ranges start at what the float network spans on the images. By themselves they would start at
    [-6, 6] and move by a thousandth per step, so that ReLU outputs kept a range below zero that nothing uses.
    """
    quantised = tfmot.quantization.keras.quantize_model(model)
    outputs = {layer.name: layer.output for layer in model.layers}
    spans = tf_keras.Model(model.input, outputs).predict(images, BATCH, verbose=0)
    for wrapper in quantised.layers:
        for weight in wrapper.weights:
            if bound := re.search(r"(?:output|activation)_(min|max):0$", weight.name):
                weight.assign(getattr(spans[wrapper.layer.name], bound[1])())
    return quantised


def convert(model: tf_keras.Model) -> bytes:
    """An int8 .tflite with int8 edges, batch normalisation folded. The converter leaks memory: call it once, and last."""
    converter = tf.lite.TFLiteConverter.from_keras_model(model)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.inference_input_type = converter.inference_output_type = tf.int8
    return converter.convert()


def run_int8(tflite: bytes, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The model's own int8 input and output tensors for images in [0, 1]."""
    # LiteRT's optimised kernels and XNNPACK round otherwise than TensorFlow Lite Micro; these all but agree with it.
    kernels = tf.lite.experimental.OpResolverType.BUILTIN_REF
    interpreter = tf.lite.Interpreter(model_content=tflite, experimental_op_resolver_type=kernels)
    source, sink = interpreter.get_input_details()[0], interpreter.get_output_details()[0]
    scale, zero_point = source["quantization"]
    inputs = np.clip(np.rint(images / scale) + zero_point, -128, 127).astype(np.int8)
    interpreter.resize_tensor_input(source["index"], inputs.shape)
    interpreter.allocate_tensors()
    interpreter.set_tensor(source["index"], inputs)
    interpreter.invoke()
    return inputs, interpreter.get_tensor(sink["index"])


def main(argv: list[str]) -> None:
    """Train, quantise, convert, evaluate, write the files."""
    if len(argv) > 1:
        raise app.UsageError(f"unexpected argument: {argv[1]}")
    started = time.monotonic()
    tf.config.threading.set_intra_op_parallelism_threads(_THREADS.value)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    tf.config.experimental.enable_op_determinism()
    tf_keras.utils.set_random_seed(_SEED.value)
    rng = np.random.default_rng(_SEED.value)

    data = np.load(_DATA.value)
    classes, y_train, y_test = data["classes"], data["y_train"], data["y_test"]
    x_train, x_test = (data[key][..., None].astype(np.float32) / 255 for key in ("x_train", "x_test"))

    model = build_model(x_train.shape[1:], len(classes))
    fit(model, x_train, y_train, _EPOCHS.value, 4e-3, rng)
    quantised = quantise_aware(model, x_train[:512])
    fit(quantised, x_train, y_train, _QAT_EPOCHS.value, 4e-4, rng)
    float_accuracy = model.evaluate(x_test, y_test, verbose=0)[1]
    tflite = convert(quantised)
    inputs, scores = run_int8(tflite, x_test)

    metrics = {
        "accuracy": {"float": round(float_accuracy, 4), "int8": float(np.mean(scores.argmax(axis=-1) == y_test))},
        "test_images": len(y_test),
        "parameters": model.count_params(),
        "tflite_bytes": len(tflite),
        "seconds": round(time.monotonic() - started),
        "flags": {flag.name: flag.value for flag in (_EPOCHS, _QAT_EPOCHS, _SEED, _THREADS)},
        "versions": {module.__name__: module.__version__ for module in (np, tf, tf_keras, tfmot)}
        | {"python": platform.python_version()},
    }
    out = pathlib.Path(_OUT.value)
    out.mkdir(parents=True, exist_ok=True)
    (out / "model.tflite").write_bytes(tflite)
    (out / "metrics.json").write_text(json.dumps(metrics, indent=2) + "\n", encoding="utf-8")
    first = [int(np.argmax(y_test == label)) for label in range(len(classes))]  # one test image of each class
    np.savez_compressed(out / "samples.npz", input_0=inputs[first], labels=y_test[first], names=classes)
    (out / "ankle_boot.pgm").write_bytes(b"P5\n28 28\n255\n" + data["x_test"][first[-1]].tobytes())
    print(json.dumps(metrics, indent=2))


if __name__ == "__main__":
    app.run(main)
