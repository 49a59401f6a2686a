"""Labelled data from an archive or a folder of pictures, quantised as a model's input wants it; needs no TensorFlow."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from io import BytesIO
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from tflm_mcunet.errors import Error
from tflm_mcunet.graph import Array, Tensor
from tflm_mcunet.operators.quantize import Quantize
from tflm_mcunet.verify import Sample

NAMES = (("x_test", "y_test"), ("x", "y"), ("input_0", "labels"), ("input_0", "y"))
"""Names of samples and labels in an archive, the first pair that is there."""

PIXELS = {"raw": (0.0, 255.0), "unit": (0.0, 1.0), "signed": (-1.0, 1.0)}
"""What real values the pixels 0 to 255 stand for."""

SUFFIXES = frozenset({".bmp", ".jpeg", ".jpg", ".pgm", ".png", ".ppm"})


class DataError(Error):
    """The data is missing, damaged, or does not fit the model."""


@dataclass(frozen=True)
class Labelled:
    """Samples [n, ...] as they were stored, their classes [n], the classes' names, and the file or folder they are from."""

    samples: Array
    labels: Array
    classes: tuple[str, ...]
    source: str


def load(path: str, tensor: Tensor, array: str | None = None) -> Labelled:
    """Reads labelled samples for the model input `tensor`.

    An .npz holds `x_test` and `y_test`, or `x` and `y`, or `input_0` and `labels`; JPEG files as `jpg_test` with `off_test` may
    take the place of an x, and `classes` names the classes; `array` names other samples. A folder holds one folder of pictures
    per class, which are scaled to the input's size.

    Raises:
        DataError: with what is missing or does not fit.
    """
    folder = Path(path)
    found = _folder(folder, tensor) if folder.is_dir() else _archive(folder, array)
    if not len(found.labels):
        raise DataError(f"{path} holds no samples")
    return found


def _archive(path: Path, array: str | None) -> Labelled:
    try:
        with np.load(path, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
    except (OSError, ValueError, EOFError) as error:
        raise DataError(f"cannot read {path}: {getattr(error, 'strerror', None) or error}") from None
    samples, labels = _pair(path, arrays, array)
    if labels.ndim != 1 or len(labels) != len(samples) or not np.issubdtype(labels.dtype, np.integer):
        raise DataError(
            f"{path}: labels {labels.dtype}{list(labels.shape)} are not one class number for each of {len(samples)} samples"
        )
    names = next(
        (arrays[name] for name in ("classes", "class_names", "labels") if name in arrays and arrays[name].dtype.kind == "U"), ()
    )
    count = max(int(labels.max(initial=0)) + 1, len(names))
    classes = tuple(map(str, names if len(names) == count else range(count)))
    return Labelled(samples, labels.astype(np.int64), classes, str(path))


def _pair(path: Path, arrays: Mapping[str, Array], array: str | None) -> tuple[Array, Array]:
    if array is not None and array in arrays:
        label = next((name for name in ("y", "y_test", "labels") if name in arrays and arrays[name].dtype.kind in "iu"), None)
        if label is not None:
            return arrays[array], arrays[label]
    elif array is None:
        for sample, label in NAMES:
            jpeg, offsets = sample.replace("x", "jpg"), sample.replace("x", "off")
            if label in arrays and sample in arrays:
                return arrays[sample], arrays[label]
            if label in arrays and jpeg in arrays and offsets in arrays:
                data = arrays[jpeg].tobytes()
                return np.stack([_picture(BytesIO(data[a:b]), path, None, None) for a, b in pairwise(arrays[offsets])]), arrays[
                    label
                ]
    wanted = "'x_test' and 'y_test', or 'x' and 'y'" if array is None else f"'{array}' with labels 'y'"
    raise DataError(f"{path}: no arrays {wanted}; it holds {', '.join(arrays) or 'nothing'}")


def _folder(path: Path, tensor: Tensor) -> Labelled:
    classes = sorted(child for child in path.iterdir() if child.is_dir())
    files = [
        (file, number)
        for number, child in enumerate(classes)
        for file in sorted(child.iterdir())
        if file.suffix.lower() in SUFFIXES
    ]
    if not files:
        raise DataError(f"{path} holds no folders with pictures ({', '.join(sorted(SUFFIXES))}), one per class")
    _, height, width, channels = tensor.nhwc
    samples = np.stack([_picture(file, file, (width, height), "L" if channels == 1 else "RGB") for file, _ in files])
    return Labelled(samples, np.array([number for _, number in files]), tuple(child.name for child in classes), str(path))


def _picture(file: Any, where: Path, size: tuple[int, int] | None, mode: str | None) -> Array:
    """uint8 [H, W, C]."""
    try:
        from PIL import Image
    except ImportError:
        raise DataError("pictures need Pillow: pip install 'tflm-mcunet[data]'") from None
    try:
        with Image.open(file) as opened:
            image = opened.convert(mode) if mode else opened
            pixels = np.asarray(image.resize(size, Image.Resampling.BILINEAR) if size else image, np.uint8)
    except (OSError, ValueError) as error:
        raise DataError(f"cannot read the picture {where}: {error}") from None
    return pixels if pixels.ndim == 3 else pixels[..., None]


def samples(found: Labelled, tensor: Tensor, target: Tensor | None, pixels: str = "auto") -> list[Sample]:
    """One list per sample with its only input, of the type and shape of `tensor`.

    Arrays of the input's own type are taken as they are; uint8 are pixels, whose real values `pixels` tells; float32 are real
    values. `target`: the int8 tensor that a float input is quantised to, by which `auto` chooses among PIXELS.

    Raises:
        DataError: sizes differ, or `auto` cannot tell.
    """
    if tensor.elements == 0 or found.samples[0].size != tensor.elements:
        shape = list(found.samples.shape[1:])
        raise DataError(f"{found.source}: a sample of shape {shape} is no input {tensor}: give others, or their array by --array")
    values = found.samples
    if values.dtype != tensor.dtype:
        values = _quantised(values, tensor, target or tensor, pixels)
    return [[sample.reshape(tensor.shape)] for sample in values]


def _quantised(values: Array, tensor: Tensor, target: Tensor, pixels: str) -> Array:
    if values.dtype == np.uint8:
        low, high = PIXELS[_pixels(target) if pixels == "auto" else pixels]
        real = (low + values.astype(np.float32) * np.float32((high - low) / 255)).astype(np.float32)
    elif values.dtype.kind == "f":
        real = values.astype(np.float32)
    else:
        raise DataError(
            f"samples of type {values.dtype} are no input {tensor}: give its own type, uint8 pixels or float32 values"
        )
    if tensor.dtype == np.float32:
        return real
    limits = np.iinfo(tensor.dtype)
    return (np.rint(real / np.float32(tensor.scale)) + tensor.zero_point).clip(limits.min, limits.max).astype(tensor.dtype)


def _pixels(tensor: Tensor) -> str:
    """The range of real values that is nearest to what the tensor can hold."""
    if tensor.quantization is None or tensor.dtype.kind not in "iu":
        raise DataError(f"the input {tensor} does not tell what pixels stand for: give --pixels {', '.join(PIXELS)}")
    limits = np.iinfo(tensor.dtype)
    low, high = (tensor.scale * (value - tensor.zero_point) for value in (limits.min, limits.max))

    def distance(name: str) -> float:
        a, b = PIXELS[name]
        return (abs(low - a) + abs(high - b)) / (b - a)

    best = min(PIXELS, key=distance)
    if distance(best) > 0.25:
        raise DataError(
            f"input {tensor} holds {low:.3g} to {high:.3g}, which is no usual range of pixels: give --pixels {', '.join(PIXELS)}"
        )
    return best


def quantised_input(graph: Any) -> Tensor | None:
    """The int8 tensor into which a float input is quantised at once, or None."""
    first = graph.inputs[0]
    return next((op.output for op in graph.consumers().get(first, ()) if isinstance(op, Quantize)), None)
