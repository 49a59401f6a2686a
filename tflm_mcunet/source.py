"""Where a model comes from: a .tflite file, its bytes, or a Keras model converted in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np

from tflm_mcunet.errors import Error

MAX_MODEL_BYTES = 1 << 28

Dataset = Callable[[], Iterable[Any]]


class SourceError(Error):
    """The model cannot be read or converted."""


def load(model: Any, representative_dataset: Dataset | None = None) -> tuple[bytes, str]:
    """The bytes of a .tflite and a name for it.

    `model` is a path, bytes, or a Keras model; the latter needs `representative_dataset`, which yields lists of float32
    arrays, batch first, unless it was trained quantised (TFMOT).

    Raises:
        SourceError: the file cannot be read, or the conversion failed.
    """
    if isinstance(model, bytes | bytearray | memoryview):
        return bytes(model), "model"
    if isinstance(model, str | os.PathLike):
        return _read(Path(model)), Path(model).name
    if hasattr(model, "save") and hasattr(model, "inputs"):
        return _convert(model, representative_dataset), str(getattr(model, "name", "model"))
    raise SourceError(f"a model is a path, bytes or a Keras model, not {type(model).__name__}")


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:  # a device or a pipe has no size to ask for
            data = file.read(MAX_MODEL_BYTES + 1)
    except OSError as error:
        raise SourceError(f"cannot read {path}: {error.strerror or error}") from error
    if len(data) > MAX_MODEL_BYTES:
        raise SourceError(f"{path} is larger than {MAX_MODEL_BYTES >> 20} MB")
    return data


def _convert(model: Any, dataset: Dataset | None) -> bytes:
    """Saves model and samples, and lets a fresh process convert them: TFLiteConverter leaks memory."""
    if dataset is None and not _trained_quantised(model):
        raise SourceError("a Keras model needs representative_dataset= to be quantised to int8")
    batches = None if dataset is None else [[np.asarray(value, np.float32) for value in _as_list(batch)] for batch in dataset()]
    if batches == []:
        raise SourceError("representative_dataset yields nothing")
    legacy = type(model).__module__.split(".")[0] == "tf_keras" or any(
        base.__module__.startswith("tf_keras") for base in type(model).__mro__
    )
    with tempfile.TemporaryDirectory(prefix="tflm_mcunet_") as name:
        folder = Path(name)
        try:
            model.save(folder / ("model.h5" if legacy else "model.keras"))
        except Exception as error:
            raise SourceError(f"the Keras model cannot be saved: {_last_line(str(error))}") from error
        if batches is not None:
            columns = {f"{i:04d}_{j:04d}": value for i, batch in enumerate(batches) for j, value in enumerate(batch)}
            np.savez(folder / "samples.npz", **columns)  # type: ignore[arg-type]
        command = [sys.executable, "-m", "tflm_mcunet.convert", str(folder)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        result = folder / "model.tflite"
        if done.returncode or not result.exists():
            raise SourceError(f"the conversion to .tflite failed: {_last_line(done.stderr)}")
        return result.read_bytes()


def _trained_quantised(model: Any) -> bool:
    """Whether the layers are those of TensorFlow's model optimisation toolkit."""
    return any(type(layer).__name__ == "QuantizeWrapperV2" for layer in model.layers)


def _as_list(batch: Any) -> list[Any]:
    return list(batch) if isinstance(batch, list | tuple) else [batch]


def _last_line(text: str) -> str:
    return next((line.strip() for line in reversed(text.splitlines()) if line.strip()), "no message")
