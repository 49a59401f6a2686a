"""Keras models, of Keras 3 and of tf_keras, straight into `compile`."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator

import numpy as np
import pytest

import tflm_mcunet

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(importlib.util.find_spec("tensorflow") is None, reason="TensorFlow is missing: pip install '.[nas]'"),
]


def samples() -> Iterator[list[np.ndarray]]:
    rng = np.random.default_rng(0)
    for _ in range(4):
        yield [rng.standard_normal((1, 8, 8, 3)).astype(np.float32)]


@pytest.mark.parametrize("package", ["keras", "tf_keras"])
def test_keras_model(package: str) -> None:
    keras = pytest.importorskip(package)
    layers = keras.layers
    model = keras.Sequential(
        [
            layers.Input((8, 8, 3)),
            layers.Conv2D(4, 3, strides=2, activation="relu"),
            layers.GlobalAveragePooling2D(),
            layers.Dense(2, activation="softmax"),
        ]
    )
    compiled = tflm_mcunet.compile(model, representative_dataset=samples)
    kinds = [op["kind"] for op in compiled.report["operators"]]
    assert kinds == ["CONV_2D", "MEAN", "FULLY_CONNECTED", "SOFTMAX"]
    (answer,) = compiled.run(np.zeros((1, 8, 8, 3), np.int8))
    assert answer.shape == (1, 2)


@pytest.mark.parametrize("package", ["keras", "tf_keras"])
def test_upsampling_is_what_the_summary_prices(package: str) -> None:
    """Keras 3 by itself would make TILEs of it, which TFLM does not have."""
    keras = pytest.importorskip(package)
    layers = keras.layers
    model = keras.Sequential([layers.Input((8, 8, 3)), layers.Conv2D(4, 3), layers.UpSampling2D((2, 3)), layers.Conv2D(2, 1)])
    compiled = tflm_mcunet.compile(model, representative_dataset=samples)
    assert [op["kind"] for op in compiled.report["operators"]] == ["CONV_2D", "RESIZE_NEAREST_NEIGHBOR", "CONV_2D"]
    assert [layer.kind for layer in tflm_mcunet.cost(model).layers] == [op["kind"] for op in compiled.report["operators"]]
    assert compiled.verify(samples=2).passed
    image, *_ = next(samples())
    source, target = compiled.report["inputs"][0], compiled.report["outputs"][0]
    (answer,) = compiled.run(np.round(image / source["scale"] + source["zero_point"]).clip(-128, 127).astype(np.int8))
    expected = model.predict(image, verbose=0) / target["scale"] + target["zero_point"]
    assert np.abs(answer - expected).max() < 4


def test_keras_model_needs_samples() -> None:
    keras = pytest.importorskip("tf_keras")
    model = keras.Sequential([keras.layers.Input((4,)), keras.layers.Dense(2)])
    with pytest.raises(tflm_mcunet.Error, match="representative_dataset"):
        tflm_mcunet.compile(model)
