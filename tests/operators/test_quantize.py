"""QUANTIZE and DEQUANTIZE against TFLM: all conversions, exact ties, saturation, and floats out of range."""

from __future__ import annotations

import numpy as np
import pytest

from tests.build import ModelBuilder
from tests.oracle import assert_bit_exact, on_host
from tflm_mcunet.compiler import build
from tflm_mcunet.operators.base import Operator, Unsupported
from tflm_mcunet.operators.quantize import CONVERSIONS
from tflm_mcunet.tflite.reader import read

PAIRS = [(source, target) for source, targets in CONVERSIONS.items() for target in targets]
INTEGERS = [pair for pair in PAIRS if pair[0] != "float32"]
SHAPES = [(1, 3, 5, 7), (2, 4, 3, 1), (300,), (5, 2), (3, 1, 4), (2, 3, 1, 2, 3), ()]


def conversion(
    source: str,
    target: str,
    scales: tuple[float | None, float | None] = (0.1, 0.1),
    zeros: tuple[int, int] = (0, 0),
    shape: tuple[int, ...] = (1, 3, 5, 7),
) -> bytes:
    """A model of one QUANTIZE, or of one DEQUANTIZE where the target is float32."""
    b = ModelBuilder()
    x = b.input(shape, source, scale=scales[0], zero_point=zeros[0])
    y = b.tensor(shape, target, scale=scales[1], zero_point=zeros[1])
    b.operator("DEQUANTIZE" if target == "float32" else "QUANTIZE", [x], [y])
    return b.build([y])


def operator(model: bytes) -> Operator:
    op = read(model, "m").operators[0]
    op.check()
    return op


def zero_point(rng: np.random.Generator, dtype: str) -> int:
    if dtype in ("float32", "int32"):  # TFLM's centring of 32-bit inputs overflows with any other
        return 0
    limits = np.iinfo(dtype)
    return int(rng.choice([limits.min, limits.max, 0, rng.integers(limits.min, limits.max + 1)]))


def test_integers_to_integers() -> None:
    rng = np.random.default_rng(1)
    models = []
    for index, (source, target) in enumerate(INTEGERS * 8):
        ratio = float(rng.choice([1, 0.5, 0.25, 1 / 3, 1.9, 2, 7, 1e-3, 2.0**-12, 1e-6, 255.7]))
        scale = float(rng.uniform(0.001, 0.1))
        zeros = zero_point(rng, source), zero_point(rng, target)
        models.append(conversion(source, target, (scale * ratio, scale), zeros, SHAPES[index % len(SHAPES)]))
    assert_bit_exact(models)


def test_uint8_and_int8_differ_by_128() -> None:
    models = [conversion("uint8", "int8", (0.1, 0.1), (128, 0)), conversion("int8", "uint8", (0.1, 0.1), (-5, 123))]
    for model in models:
        table = operator(model).table()  # type: ignore[attr-defined]
        assert np.array_equal(table.astype(int), np.arange(256) - (128 if table.dtype == np.int8 else 0))
    assert_bit_exact(models)


def float_samples(scale: float) -> np.ndarray:
    """Exact ties and their neighbours, values near the limits of 8, 16 and 32 bits, subnormals, signed zeros."""
    rng = np.random.default_rng(2)
    single = np.float32
    ties = (np.arange(-300, 300) + 0.5).astype(single) * single(scale)
    far = np.array([127.5, 255.5, 32767.5, 65535.5, 1e6, 2e9], single) * single(scale)
    special = np.array([0.0, -0.0, 1e-45, -1e-45, 1e-38, 0.49999997 * scale, 0.5 * scale], single)
    random = (rng.standard_normal(600) * 100 * scale).astype(single)
    values = np.concatenate([ties, far, -far, special, random])
    return np.concatenate([values, np.nextafter(values, single(np.inf)), np.nextafter(values, single(-np.inf))])


@pytest.mark.parametrize("target", CONVERSIONS["float32"])
def test_floats_to_integers(target: str) -> None:
    rng = np.random.default_rng(3)
    models, inputs = [], []
    for scale in (1.0, 0.1, 1 / 255, 0.0078125, 0.003921569, 3.7, 1e-4, 1e5, *rng.uniform(0.001, 0.1, 8)):
        samples = float_samples(float(np.float32(scale)))
        models.append(conversion("float32", target, (None, float(scale)), (0, zero_point(rng, target)), samples.shape))
        inputs.append([[samples]])
    assert_bit_exact(models, inputs=inputs)
    for model, ((samples,),) in zip(models[:4], inputs[:4], strict=True):
        op = operator(model)
        (folded,) = op.evaluate((samples,)) or ()
        program = build(model, "m")
        with on_host([program]) as (compiled,):
            assert np.array_equal(folded, compiled.run([samples])[0])


def test_floats_out_of_range_saturate() -> None:
    """Where TFLM converts floats beyond 32 bits to integers, which C++ leaves undefined."""
    values = np.array([1e30, -1e30, np.inf, -np.inf, 3e38, -3e38, 3e9, -3e9, np.nan], np.float32)
    for target in CONVERSIONS["float32"]:
        limits = np.iinfo(target)
        model = conversion("float32", target, (None, 1e-3), (0, 5), values.shape)
        expected = [limits.max, limits.min] * 4 + [limits.min]
        with on_host([build(model, "m")]) as (compiled,):
            assert compiled.run([values])[0].tolist() == expected
        assert operator(model).evaluate((values,))[0].tolist() == expected  # type: ignore[index]


@pytest.mark.parametrize("source", ["int8", "uint8", "int16"])
def test_dequantize(source: str) -> None:
    rng = np.random.default_rng(4)
    scales = [1.0, 0.1, 1 / 255, 1e-4, 3.4e38, 1e-38, 1e-44, *rng.uniform(0.001, 0.1, 10)]
    zeros = [zero_point(rng, source) for _ in scales]
    limits = np.iinfo(source)
    values = np.arange(limits.min, limits.max + 1, 1 if source != "int16" else 7).astype(source)
    models = [conversion(source, "float32", (s, None), (z, 0), values.shape) for s, z in zip(scales, zeros, strict=True)]
    assert_bit_exact(models, inputs=[[[values]]] * len(models))
    for model in models[:3]:
        with on_host([build(model, "m")]) as (compiled,):
            assert np.array_equal(operator(model).evaluate((values,))[0], compiled.run([values])[0])  # type: ignore[index]


def test_edges_of_a_network() -> None:
    """float -> int8 -> table -> float, over several rows, in place where sizes allow."""
    b = ModelBuilder()
    x = b.input((1, 5, 4, 3), np.float32, scale=None)
    q = b.tensor((1, 5, 4, 3), np.int8, 0.05, 3)
    y = b.tensor((1, 5, 4, 3), np.int8, 1 / 256, -128)
    u = b.tensor((1, 5, 4, 3), np.uint8, 1 / 256, 0)
    z = b.tensor((1, 5, 4, 3), np.float32)
    b.operator("QUANTIZE", [x], [q])
    b.operator("LOGISTIC", [q], [y])
    b.operator("QUANTIZE", [y], [u])
    b.operator("DEQUANTIZE", [u], [z])
    assert_bit_exact([b.build([z])])


@pytest.mark.parametrize("pair", INTEGERS)
def test_folded_like_tflm(pair: tuple[str, str]) -> None:
    """QUANTIZE of a constant is evaluated offline to what the kernel would compute."""
    rng = np.random.default_rng(5)
    limits = np.iinfo(pair[0])
    values = rng.integers(limits.min, limits.max, 500).astype(pair[0])
    model = conversion(*pair, (0.1, 0.17), (0, 3), values.shape)
    with on_host([build(model, "m")]) as (compiled,):
        assert np.array_equal(operator(model).evaluate((values,))[0], compiled.run([values])[0])  # type: ignore[index]


@pytest.mark.parametrize(
    ("model", "reason"),
    [
        (conversion("uint8", "int16"), "found uint8 to int16"),
        (conversion("float32", "uint8", (None, 0.1)), "found float32 to uint8"),
        (conversion("int32", "uint8"), "found int32 to uint8"),
        (conversion("int64", "int8"), "found int64 to int8"),
        (conversion("int8", "int8", (0.1, None)), "without per-tensor quantisation"),
        (conversion("float32", "int8", (None, 0.0)), "with scale 0"),
        (conversion("int8", "uint8", (0.1, 0.1), (0, -1)), "zero point -1"),
        (conversion("int8", "int8", (0.1, 0.1), (0, 200)), "zero point 200"),
        (conversion("int8", "int8", (1e10, 1e-10)), "too large for 32-bit fixed point"),
        (conversion("int32", "float32", (0.1, None)), "found int32 to float32"),
        (conversion("int8", "float32", (None, None)), "without per-tensor quantisation"),
        (conversion("int8", "float32", (0.0, None)), "with scale 0"),
    ],
)
def test_rejected(model: bytes, reason: str) -> None:
    with pytest.raises(Unsupported, match=reason):
        operator(model)
