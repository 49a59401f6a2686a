"""What a Keras model is said to cost before it is trained, against what the compiler gives for it once it is converted."""

from __future__ import annotations

import importlib.util
import time
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

import tflm_mcunet
from tflm_mcunet.keras_graph import keras_graph

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(importlib.util.find_spec("tensorflow") is None, reason="TensorFlow is missing: pip install '.[nas]'"),
]


@pytest.fixture(params=["keras", "tf_keras"])
def keras(request: pytest.FixtureRequest) -> ModuleType:
    return pytest.importorskip(request.param)


def branches(keras: ModuleType) -> Any:
    """Most kinds of layers, one of them a model, one shared."""
    layers = keras.layers
    image = keras.Input((16, 16, 3))
    shared = layers.Conv2D(8, 1, name="shared")
    x = layers.BatchNormalization()(layers.Conv2D(8, 3, strides=2, padding="same", use_bias=False)(image))
    x = layers.ReLU(6.0)(x)
    y = layers.Activation("relu")(shared(x))
    z = shared(layers.DepthwiseConv2D(3, padding="same", activation="relu")(x))
    pooled = layers.UpSampling2D(2, interpolation="bilinear")(layers.MaxPooling2D(2)(x))
    x = layers.Concatenate()([layers.Add()([y, z]), pooled])
    inner = keras.Sequential([keras.Input((8, 8, 16)), layers.Conv2D(4, 3, name="inside"), layers.LeakyReLU()])
    x = layers.Dropout(0.1)(inner(x))
    return keras.Model(image, layers.Dense(3, activation="softmax")(layers.Flatten()(x)))


def mobile(keras: ModuleType, width: int = 8) -> Any:
    """Depthwise and pointwise convolutions, the usual kind of network; He's variance, so that signals reach the end."""
    keras.utils.set_random_seed(1)
    layers, he = keras.layers, {"kernel_initializer": "he_normal"}
    image = keras.Input((64, 64, 3))
    x = layers.Conv2D(width, 3, strides=2, padding="same", activation="relu", **he)(image)
    for channels, stride in ((2, 1), (4, 2), (4, 1), (8, 2), (8, 1)):
        x = layers.DepthwiseConv2D(3, strides=stride, padding="same", use_bias=False, depthwise_initializer="he_normal")(x)
        x = layers.ReLU(6.0)(layers.BatchNormalization()(x))
        x = layers.Conv2D(width * channels, 1, activation="relu", **he)(x)
    return keras.Model(image, layers.Dense(4, activation="softmax", **he)(layers.GlobalAveragePooling2D()(x)))


def samples(shape: tuple[int, ...]) -> Iterator[list[np.ndarray]]:
    rng = np.random.default_rng(0)
    for _ in range(4):
        yield [rng.uniform(0, 1, (1, *shape)).astype(np.float32)]


def test_the_graph_is_that_of_the_converter(keras: ModuleType) -> None:
    model = branches(keras)
    compiled = tflm_mcunet.compile(model, representative_dataset=lambda: samples((16, 16, 3)))
    graph, layers = keras_graph(model)
    work = {"CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED", "ADD", "MAX_POOL_2D", "RESIZE_BILINEAR", "SOFTMAX"}
    expected = sorted((op.kind, op.output.shape) for op in compiled.program.source.operators if op.kind in work)
    assert sorted((op.kind, op.output.shape) for op in graph.operators if op.kind in work) == expected
    assert sum(op.macs for op in graph.operators) == compiled.report["macs"]
    assert layers["inside"] == "inside"


@pytest.mark.parametrize("target", ["cortex-m0plus", "nano33ble", "cortex-m55"])
def test_the_sram_is_that_of_the_compiler(keras: ModuleType, target: str) -> None:
    model = mobile(keras)
    found = tflm_mcunet.cost(model, target)
    compiled = tflm_mcunet.compile(model, target=target, schedule="layer", representative_dataset=lambda: samples((64, 64, 3)))
    least = tflm_mcunet.compile(compiled.model, target=target, minimize="sram")
    assert found.schedule == "layer"
    assert found.sram == pytest.approx(compiled.report["sram"]["arena"], rel=0.02)
    assert found.flash == pytest.approx(compiled.report["flash"]["weights"], rel=0.02)
    assert found.instructions == pytest.approx(compiled.report["estimate"]["instructions"], rel=0.05)
    assert found.sram_least == pytest.approx(least.report["sram"]["arena"], rel=0.08)


@pytest.mark.parametrize("share", [1.2, 1.6])
def test_a_limit_costs_what_it_costs_the_compiler(keras: ModuleType, share: float) -> None:
    """Between the least arena and that of the fastest kernels."""
    model = mobile(keras, 16)
    limit = round(share * tflm_mcunet.cost(model, "nano33ble").sram_least)
    found = tflm_mcunet.cost(model, "nano33ble", sram=limit)
    dataset = {"representative_dataset": lambda: samples((64, 64, 3))}
    report = tflm_mcunet.compile(model, target="nano33ble", sram=limit, **dataset).report
    assert (found.schedule, found.fits) == ("stream", True)
    assert found.sram <= limit
    assert found.sram == pytest.approx(report["sram"]["arena"], rel=0.08)
    assert found.instructions == pytest.approx(report["estimate"]["instructions"], rel=0.1)


def test_the_budget_of_instructions_holds_within_a_limit(keras: ModuleType) -> None:
    model = mobile(keras)
    compiled = tflm_mcunet.compile(model, target="nano33ble", sram="16KB", representative_dataset=lambda: samples((64, 64, 3)))
    needed = compiled.report["estimate"]["instructions"]
    for budget, over in ((round(1.2 * needed), 0), (round(0.8 * needed), 1)):
        callback = tflm_mcunet.cost_callback("nano33ble", sram="16KB", instructions=budget)
        model.compile("sgd", "sparse_categorical_crossentropy")
        data = np.zeros((4, 64, 64, 3), np.float32), np.zeros(4)
        assert model.fit(*data, verbose=0, callbacks=[callback]).history["over_budget"] == [over]


@pytest.mark.parametrize(("target", "seconds"), [("generic", 1), ("stm32f746", 3)])
def test_mobilenet_takes_seconds_at_most(keras: ModuleType, target: str, seconds: float) -> None:
    """Less than one where nothing limits the arena; the STM32F746 has a quarter of what the fastest kernels take."""
    model = keras.applications.MobileNet(weights=None)
    tflm_mcunet.cost(model, target)  # imports
    start = time.process_time()
    tflm_mcunet.cost(model, target)
    assert time.process_time() - start < seconds


def test_summary_names_every_layer(keras: ModuleType) -> None:
    texts: list[str] = []
    tflm_mcunet.summary(branches(keras), target="nano33ble", print_fn=texts.append)
    for word in ("shared", "inside", "8x8x16", "int8 weights", "on nano33ble: fits"):
        assert word in texts[0]
    tflm_mcunet.summary(branches(keras), target="nano33ble", sram=500, print_fn=texts.append)
    assert "on nano33ble: does not fit the limit of 500 bytes (--sram)" in texts[1]


def test_what_has_no_int8_form_is_refused(keras: ModuleType) -> None:
    with pytest.raises(tflm_mcunet.Error, match=r"layer 'odd' \(GRU\): is not known here"):
        tflm_mcunet.cost(keras.Sequential([keras.Input((4, 3)), keras.layers.GRU(2, name="odd")]))
    with pytest.raises(tflm_mcunet.Error, match="give every length but the batch's"):
        tflm_mcunet.cost(keras.Sequential([keras.Input((None, None, 3)), keras.layers.Conv2D(2, 1)]))
    with pytest.raises(tflm_mcunet.Error, match="has no known inputs"):
        tflm_mcunet.cost(type("Own", (keras.Model,), {})())
    with pytest.raises(tflm_mcunet.Error, match="did you mean 'nano33ble'"):
        tflm_mcunet.cost(branches(keras), "nano33bel")
    with pytest.raises(tflm_mcunet.Error, match=r"takes a Keras model; of a .tflite file `tflm-mcunet analyze`"):
        tflm_mcunet.cost("model.tflite")


def test_the_callback_writes_and_stops(keras: ModuleType, tmp_path: Path) -> None:
    model = keras.Sequential([keras.Input((8, 8, 3)), keras.layers.Conv2D(4, 3), keras.layers.Flatten(), keras.layers.Dense(2)])
    model.compile("sgd", "mse")
    data = np.zeros((32, 8, 8, 3), np.float32), np.zeros((32, 2), np.float32)
    for budget, epochs, over in ((None, 2, 0), ("100B", 1, 1)):
        callback = tflm_mcunet.cost_callback("nano33ble", sram=budget, folder=str(tmp_path / str(over)))
        history = model.fit(*data, batch_size=8, epochs=2, verbose=0, callbacks=[callback]).history
        assert history["sram"] == [callback.cost.sram] * epochs
        assert history["over_budget"] == [over] * epochs
        written = {f"cost/{name}": values[0] for name, values in history.items() if name != "loss"}
        assert scalars(tmp_path / str(over)) == pytest.approx(written)


def scalars(folder: Path) -> dict[str, float]:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from tensorflow import make_ndarray

    events = EventAccumulator(str(folder))
    events.Reload()
    return {tag: float(make_ndarray(events.Tensors(tag)[0].tensor_proto)) for tag in events.Tags()["tensors"]}
