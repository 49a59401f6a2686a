"""Ten published models against TFLM: final outputs and every intermediate tensor, on random and on real inputs."""

from __future__ import annotations

import io
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.networks.compare import differing
from tests.networks.expose import computed, expose, producer
from tests.oracle import Sample, on_host, random_array
from tflm_mcunet.compiler import Program, build
from tflm_mcunet.errors import Error
from tflm_mcunet.execute.tflm import Tflm, TflmResult
from tflm_mcunet.graph import Tensor

SHARED = Path(__file__).resolve().parents[1].parent / "shared"
NAMES = (
    "mcunet_in3_320kb",
    "mcunet_vww1_80",
    "mlperf_ad_autoencoder",
    "mlperf_ic_resnet8",
    "mlperf_kws_dscnn",
    "mlperf_vww_mobilenet96",
    "person_detection_fpn",
    "tflm_hello_world",
    "tflm_micro_speech",
    "tflm_person_detect",
)
LARGE = ("mcunet_in3_320kb", "person_detection_fpn")  # TFLM takes more than 0.3 s for one inference

every_model = pytest.mark.parametrize("name", NAMES)


@pytest.fixture(scope="module")
def oracle():
    with Tflm() as tflm:
        yield tflm


def load(name: str) -> bytes:
    file = SHARED / "models" / f"{name}.tflite"
    if not file.exists():
        pytest.skip(f"there is no ../shared/models/{file.name}")
    return file.read_bytes()


@cache
def program(name: str, exposed: bool) -> Program:
    model = load(name)
    try:
        return build(expose(model) if exposed else model, f"{name}.tflite")
    except Error as error:
        pytest.fail(f"{name} does not compile: {error}", pytrace=False)


def smooth(tensor: Tensor, rng: np.random.Generator) -> np.ndarray:
    """An image as cameras see them: large patches and little noise, so that activations do not average out."""
    _, height, width, channels = tensor.nhwc
    coarse = rng.uniform(0, 256, (5, 5, channels))
    rows, columns = np.linspace(0, 4, height).astype(int), np.linspace(0, 4, width).astype(int)
    pixels = np.clip(coarse[rows][:, columns] + rng.normal(0, 10, (height, width, channels)), 0, 255)
    return as_input(pixels, tensor)


def as_input(pixels: np.ndarray, tensor: Tensor) -> np.ndarray:
    """Pixels of 0 to 255 as an input: int8 offset by 128, or reals of -1 to 1."""
    values = pixels / 127.5 - 1 if tensor.dtype == np.float32 else np.floor(pixels) - 128
    return values.astype(tensor.dtype).reshape(tensor.shape)


def samples(name: str, count: int, seed: int) -> list[Sample]:
    """Noise over the whole range and, in turn, patches."""
    rng = np.random.default_rng(seed)
    inputs = program(name, False).graph.inputs
    return [[(smooth if i % 2 else random_array)(t, rng) for t in inputs] for i in range(count)]


def outputs_of(name: str, exposed: bool, batch: list[Sample], oracle: Tflm) -> list[tuple[list[np.ndarray], TflmResult]]:
    """Per sample our outputs and TFLM's."""
    compiled = program(name, exposed)
    model = load(name)
    theirs = oracle.run(expose(model) if exposed else model, batch)
    with on_host([compiled]) as (ours,):
        return [(ours.run(sample), result) for sample, result in zip(batch, theirs, strict=True)]


def assert_same(name: str, exposed: bool, batch: list[Sample], oracle: Tflm) -> None:
    """No byte differs; otherwise names the first operator whose output does."""
    model = load(name)
    results = outputs_of(name, exposed, batch, oracle)
    for position in range(len(results[0][0])):
        count = sum(differing(ours[position], theirs.outputs[position]) for ours, theirs in results)
        if count:
            what = producer(model, computed(model)[position]) if exposed else f"output {position}"
            pytest.fail(f"{name}: {what}: {count} of {results[0][0][position].nbytes * len(batch)} bytes differ", pytrace=False)


@every_model
def test_outputs(name: str, oracle: Tflm) -> None:
    assert_same(name, False, samples(name, 3 if name in LARGE else 10, seed=1), oracle)


@every_model
def test_intermediates(name: str, oracle: Tflm) -> None:
    assert_same(name, True, samples(name, 2 if name in LARGE else 4, seed=2), oracle)


@pytest.mark.slow
@every_model
@pytest.mark.parametrize("exposed", [False, True], ids=["outputs", "intermediates"])
def test_many(name: str, exposed: bool, oracle: Tflm) -> None:
    count = 100 if not exposed else 20
    for seed in range(count // 10):
        assert_same(name, exposed, samples(name, 10, seed=1000 + seed), oracle)


# ---- real data ----

Inputs = Callable[[Tensor, int], list[np.ndarray]]


def archive(name: str) -> Any:
    file = SHARED / "data" / name
    if not file.exists():
        pytest.skip(f"there is no ../shared/data/{name}")
    return np.load(file)


def photos(tensor: Tensor, count: int) -> list[np.ndarray]:
    """TFLM's two test images, in the size and number of channels of the input."""
    folder = SHARED / "data" / "tflm_person_detect"
    if not folder.exists():
        pytest.skip("there is no ../shared/data/tflm_person_detect")
    _, height, width, channels = tensor.nhwc
    images = []
    for file in sorted(folder.glob("*.bmp")):
        data = file.read_bytes()
        start = int.from_bytes(data[10:14], "little")
        gray = np.frombuffer(data, np.uint8, 96 * 96, start).reshape(96, 96)[::-1]  # a bitmap starts with its last row
        rows, columns = np.arange(height) * 96 // height, np.arange(width) * 96 // width
        pixels = np.repeat(gray[rows][:, columns, None], channels, axis=2).astype(float)
        images.append(as_input(pixels, tensor))
    return images


def quantized(values: np.ndarray, tensor: Tensor) -> np.ndarray:
    steps = np.round(values / tensor.scale) + tensor.zero_point
    return np.clip(steps, -128, 127).astype(np.int8).reshape(tensor.shape)


def keywords(tensor: Tensor, count: int) -> list[np.ndarray]:
    """MFCC of spoken words."""
    data = archive("speech_commands_mfcc.npz")["mfcc_f32"]
    return [quantized(data[i], tensor) for i in np.linspace(0, len(data) - 1, count).astype(int)]


def spectra(tensor: Tensor, count: int) -> list[np.ndarray]:
    """Log-mel spectra of spoken words (49x40, as micro_speech has them, though from another front end)."""
    data = archive("speech_commands_logmel40.npz")["logmel"].astype(np.float32)
    data = (data - data.min()) * (26 / np.ptp(data))
    return [quantized(data[i], tensor) for i in np.linspace(0, len(data) - 1, count).astype(int)]


def cifar(tensor: Tensor, count: int) -> list[np.ndarray]:
    """CIFAR-10 test images."""
    image = pytest.importorskip("PIL.Image")
    data = archive("cifar10_jpeg.npz")
    stream, offsets = data["jpg_test"], data["off_test"]
    files = [stream[offsets[i] : offsets[i + 1]].tobytes() for i in range(count)]
    return [as_input(np.asarray(image.open(io.BytesIO(file)).convert("RGB"), float), tensor) for file in files]


def every_value(tensor: Tensor, count: int) -> list[np.ndarray]:
    """All that a single int8 can be."""
    return [np.full(tensor.shape, value, np.int8) for value in range(-128, 128)]


REAL: dict[str, Inputs] = {
    "mcunet_in3_320kb": photos,
    "mcunet_vww1_80": photos,
    "mlperf_ic_resnet8": cifar,
    "mlperf_kws_dscnn": keywords,
    "mlperf_vww_mobilenet96": photos,
    "person_detection_fpn": photos,
    "tflm_hello_world": every_value,
    "tflm_micro_speech": spectra,
    "tflm_person_detect": photos,
}


def real(name: str, count: int) -> list[Sample]:
    return [[value] for value in REAL[name](program(name, False).graph.inputs[0], count)]


@pytest.mark.parametrize("name", REAL)
def test_real_data(name: str, oracle: Tflm) -> None:
    assert_same(name, False, real(name, 10), oracle)


@pytest.mark.slow
@pytest.mark.parametrize("name", REAL)
def test_real_data_intermediates(name: str, oracle: Tflm) -> None:
    assert_same(name, True, real(name, 20), oracle)


@pytest.mark.slow
@pytest.mark.parametrize("name", REAL)
def test_much_real_data(name: str, oracle: Tflm) -> None:
    assert_same(name, False, real(name, 300), oracle)
