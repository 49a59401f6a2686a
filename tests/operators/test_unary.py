"""Unary int8 operators against TFLM: every table exhaustively, and the kernel that looks them up."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from tests.build import ModelBuilder
from tests.oracle import assert_bit_exact
from tflm_mcunet.execute.tflm import Tflm, TflmError
from tflm_mcunet.fixed_point import multiply, quantize_multiplier
from tflm_mcunet.graph import Graph, Quantization, Tensor
from tflm_mcunet.operators import OPERATORS
from tflm_mcunet.operators.base import Unsupported
from tflm_mcunet.operators.unary import Lookup, Unary
from tflm_mcunet.tflite.reader import read

KINDS = ("LOGISTIC", "TANH", "HARD_SWISH", "RELU", "RELU6", "LEAKY_RELU", "QUANTIZE")
ALL_INPUTS = np.arange(-128, 128).astype(np.int8)
SCALES = (1e-9, 1e-6, 1e-4, 0.003, 0.02, 1 / 16, 0.1, 0.37, 1.0, 3.3, 60.0, 5e4)
RATIOS = (1, 2, 0.5, 0.25, 4, 3, 1 / 3, 1.2, 0.1, 6, 16)
ALPHAS = (0.0, 0.1, -0.3, 1.5, 1e-9, -2.0, 0.75)


def unary(
    kind: str,
    source: tuple[float, int],
    target: tuple[float, int],
    shape: tuple[int, ...] = (256,),
    alpha: float = 0.1,
) -> bytes:
    """A model of one operator; `source` and `target` are scale and zero point."""
    b = ModelBuilder()
    x = b.input(shape, scale=source[0], zero_point=source[1])
    y = b.tensor(shape, scale=target[0], zero_point=target[1])
    options = {"options": "LeakyReluOptions", "alpha": alpha} if kind == "LEAKY_RELU" else {}
    b.operator(kind, [x], [y], **options)
    return b.build([y])


def quantizations(kind: str, count: int, seed: int) -> Iterator[tuple[tuple[float, int], tuple[float, int]]]:
    """Scales and zero points of input and output, from plausible to absurd; ratios that give exact ties are frequent."""
    rng = np.random.default_rng(seed)
    for _ in range(count):
        source = float(rng.choice(SCALES) * rng.choice([1, rng.uniform(1, 2)]))
        target = source * float(rng.choice(RATIOS)) if rng.random() < 0.7 else float(rng.choice(SCALES))
        zeros = [int(rng.choice([-128, 127, 0, rng.integers(-128, 128)])) for _ in range(2)]
        yield (source, zeros[0]), (target, -128 if kind == "LOGISTIC" else zeros[1])


def operator(model: bytes) -> Unary:
    op = read(model, "m").operators[0]
    op.check()
    assert isinstance(op, Unary)
    return op


@pytest.mark.parametrize("kind", KINDS)
def test_table_equals_tflm_for_all_inputs(kind: str) -> None:
    compared = 0
    with Tflm() as oracle:
        for index, (source, target) in enumerate(quantizations(kind, 200, seed=len(kind))):
            model = unary(kind, source, target, alpha=ALPHAS[index % len(ALPHAS)])
            try:
                op = operator(model)
            except Unsupported:  # a ratio beyond 32-bit fixed point
                continue
            try:
                expected = oracle.run(model, [[ALL_INPUTS]])[0].outputs[0]
            except TflmError as error:
                pytest.fail(f"TFLM rejects {source}, {target}: {error}")
            assert np.array_equal(op.table(), expected), (source, target)
            assert op.evaluate((ALL_INPUTS,)) is not None
            compared += 1
    assert compared > 100


def sensitive_scales(count: int) -> Iterator[tuple[float, float]]:
    """Scales whose quotient in single precision gives other tables than the quotient in double."""
    rng = np.random.default_rng(3)
    inputs = np.arange(256)
    while count:
        source = np.float32(rng.uniform(0.01, 1))
        target = np.float32(source * np.float32(rng.choice([2, 4, 1.2, 6, 1.6, 0.4])))
        single, double = (
            np.minimum(multiply(inputs, *quantize_multiplier(factor)), 255)
            for factor in (float(source / target), float(source) / float(target))
        )
        if not np.array_equal(single, double):
            count -= 1
            yield float(source), float(target)


@pytest.mark.parametrize("kind", ["RELU", "LEAKY_RELU", "QUANTIZE"])
def test_scales_are_divided_in_double_precision(kind: str) -> None:
    """The TFLM of 2026-10 does; earlier sources divide some of them in single precision."""
    with Tflm() as oracle:
        for source, target in sensitive_scales(5):
            model = unary(kind, (source, -128), (target, -128), alpha=1.0)
            expected = oracle.run(model, [[ALL_INPUTS]])[0].outputs[0]
            assert np.array_equal(operator(model).table(), expected), (source, target)


def test_lookup_kernel() -> None:
    """Rows, ranks and odd sizes; every operator at least once."""
    rng = np.random.default_rng(5)
    shapes = [(1, 3, 5, 7), (2, 4, 3, 1), (1, 1, 1, 1), (300,), (5, 2), (3, 1, 4), (2, 3, 1, 2, 3), ()]
    models = [
        unary(kind, (float(rng.uniform(0.01, 0.1)), int(rng.integers(-128, 128))), (1 / 256, -128), shapes[i % len(shapes)])
        for i, kind in enumerate(KINDS * 8)
    ]
    assert_bit_exact(models)


def test_chain_in_place() -> None:
    """A chain of tables lives in one buffer."""
    b = ModelBuilder()
    tensor = b.input((1, 6, 5, 3), scale=0.05, zero_point=-3)
    for kind in ("RELU", "HARD_SWISH", "LOGISTIC"):
        output = b.tensor((1, 6, 5, 3), scale=1 / 256, zero_point=-128)
        b.operator(kind, [tensor], [output])
        tensor = output
    assert_bit_exact([b.build([tensor])])


def test_lookup_is_internal() -> None:
    assert "LOOKUP" not in OPERATORS
    assert set(KINDS) <= set(OPERATORS)


def test_lookup_holds_a_table() -> None:
    quantization = Quantization((1.0,), (0,))
    source, target = (Tensor(name, (4,), np.dtype(np.int8), quantization) for name in "xy")
    values = np.roll(ALL_INPUTS, 5)
    graph = Graph("g", (source,), (target,), (Lookup((source,), (target,), values=values),))
    op = graph.operators[0]
    op.check()
    assert np.array_equal(op.evaluate((ALL_INPUTS,))[0], values)  # type: ignore[index]
    assert np.array_equal(op.record().fields["table"].view(np.int8)[ALL_INPUTS.view(np.uint8)], values)


@pytest.mark.parametrize(
    ("model", "reason"),
    [
        (unary("LOGISTIC", (0.1, 0), (1 / 256, 0)), "zero point is -128; found zero point 0"),
        (unary("TANH", (1e-9, 0), (1 / 128, 0)), "scale lies between"),
        (unary("TANH", (1e10, 0), (1 / 128, 0)), "scale lies between"),
        (unary("HARD_SWISH", (1.0, 0), (1 / 200, 0)), "larger than 1/128"),
        (unary("HARD_SWISH", (1e-30, 0), (1e-38, 0)), "larger than 1/128"),
        (unary("RELU", (1e10, 0), (1e-10, 0)), "too large for 32-bit fixed point"),
        (unary("RELU6", (1e-30, 0), (1.0, 0)), "6.0 is not representable"),
        (unary("LEAKY_RELU", (1.0, 0), (1.0, 0), alpha=float("nan")), "a rescaling factor of nan"),
        (unary("LEAKY_RELU", (1.0, 0), (1.0, 0), alpha=float("inf")), "a rescaling factor of inf"),
    ],
)
def test_rejected(model: bytes, reason: str) -> None:
    with pytest.raises(Unsupported, match=reason):
        operator(model)


def malformed(kind: str, inputs: int, dtype: type = np.int8, shape: tuple[int, ...] = (4,), scale: float | None = 0.1) -> bytes:
    b = ModelBuilder()
    sources = [b.input((4,), dtype, scale=scale) for _ in range(inputs)]
    y = b.tensor(shape, dtype, scale=scale)
    b.operator(kind, sources, [y])
    return b.build([y])


@pytest.mark.parametrize("kind", ["LOGISTIC", "TANH", "HARD_SWISH", "RELU", "RELU6"])
def test_malformed(kind: str) -> None:
    for model, reason in [
        (malformed(kind, 2), "exactly one input; found 2 inputs"),
        (malformed(kind, 1, np.int16), "are int8"),
        (malformed(kind, 1, shape=(2, 2)), "same shape"),
        (malformed(kind, 1, scale=None), "without per-tensor quantisation"),
        (malformed(kind, 1, scale=0.0), "with scale 0"),
    ]:
        with pytest.raises(Unsupported, match=reason):
            operator(model)
