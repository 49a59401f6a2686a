"""Models from files: tf_keras and Keras 3 alike, with the same answers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

keras = pytest.importorskip("keras")
tf_keras = pytest.importorskip("tf_keras")

from nas.keras_model import read  # noqa: E402
from tflm_mcunet import Error  # noqa: E402

X = np.random.default_rng(0).random((3, 8, 8, 3)).astype(np.float32)


def branched(package: object) -> object:
    layers = package.layers
    inputs = package.Input((8, 8, 3))
    x = layers.Conv2D(6, 3, strides=2, padding="same", use_bias=False, kernel_regularizer="l2")(inputs)
    x = layers.ReLU(max_value=6.0)(layers.BatchNormalization()(x))
    y = layers.DepthwiseConv2D(3, padding="same")(x)
    x = layers.Concatenate()([layers.Add()([x, y]), layers.MaxPooling2D(2, strides=1, padding="same")(x)])
    x = layers.Dropout(0.5)(layers.GlobalAveragePooling2D()(x))
    return package.Model(inputs, layers.Dense(4, activation="softmax")(x), name="branched")


def sequential(package: object) -> object:
    layers = package.layers
    return package.Sequential([layers.Input((8, 8, 3)), layers.Conv2D(2, 3), layers.Flatten(), layers.Dense(2)])


@pytest.mark.parametrize("make", [branched, sequential])
@pytest.mark.parametrize(
    ("package", "suffix"),
    [(keras, "keras"), (keras, "h5"), (tf_keras, "keras"), (tf_keras, "h5")],
    ids=["3", "3-h5", "2", "2-h5"],
)
def test_same_answers(package: object, suffix: str, make: object, tmp_path: Path) -> None:
    model = make(package)
    model.save(tmp_path / f"model.{suffix}")
    twin = read(tmp_path / f"model.{suffix}")
    assert isinstance(twin, tf_keras.Model)
    assert np.allclose(twin.predict(X, verbose=0), model.predict(X, verbose=0), atol=1e-6)


def test_what_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "broken.keras").write_bytes(b"nothing")
    with pytest.raises(Error, match="cannot read"):
        read(tmp_path / "broken.keras")
    with pytest.raises(Error, match="no such file"):
        read(tmp_path / "absent.keras")
    inner = sequential(keras)
    keras.Sequential([keras.layers.Input((8, 8, 3)), inner]).save(tmp_path / "nested.keras")
    with pytest.raises(Error, match="is a model itself"):
        read(tmp_path / "nested.keras")
    inputs = keras.Input((8, 8, 3))
    keras.Model(inputs, keras.layers.RMSNormalization()(inputs)).save(tmp_path / "new.keras")
    with pytest.raises(Error, match="tf_keras has no RMSNormalization"):
        read(tmp_path / "new.keras")
