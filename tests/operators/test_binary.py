"""ADD, SUB, MUL, MINIMUM, MAXIMUM and PRELU against TFLM: all pairs of values, and every way to broadcast."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from tests.build import ModelBuilder
from tests.oracle import assert_bit_exact
from tflm_mcunet.compiler import build
from tflm_mcunet.execute.tflm import Tflm
from tflm_mcunet.fixed_point import multiply, quantize_multiplier
from tflm_mcunet.operators.base import Unsupported
from tflm_mcunet.operators.broadcast import Binary
from tflm_mcunet.tflite.reader import read

KINDS = ("ADD", "SUB", "MUL", "MINIMUM", "MAXIMUM", "PRELU")
ARITHMETIC = ("ADD", "SUB", "MUL")
ACTIVATIONS = {"NONE": 0, "RELU": 1, "RELU_N1_TO_1": 2, "RELU6": 3}
ALL_VALUES = np.arange(-128, 128).astype(np.int8)
Parameters = tuple[float, int]
"""Scale and zero point."""


def connect(b: ModelBuilder, kind: str, inputs: list[int], output: int, activation: str = "NONE") -> None:
    if kind in ARITHMETIC:
        b.operator(kind, inputs, [output], f"{kind.capitalize()}Options", fusedActivationFunction=ACTIVATIONS[activation])
    else:
        b.operator(kind, inputs, [output])


def binary(
    kind: str,
    shapes: tuple[tuple[int, ...], tuple[int, ...]],
    parameters: tuple[Parameters, Parameters, Parameters] = ((0.05, 3), (0.03, -7), (0.06, 11)),
    activation: str = "NONE",
    constants: tuple[np.ndarray | None, np.ndarray | None] = (None, None),
    output: tuple[int, ...] | None = None,
) -> bytes:
    """A model of one operator; `parameters` are those of both inputs and the output."""
    b = ModelBuilder()
    inputs = [
        b.input(shape, scale=scale, zero_point=zero)
        if data is None
        else b.constant(data.reshape(shape), scale=scale, zero_point=zero)
        for shape, (scale, zero), data in zip(shapes, parameters[:2], constants, strict=True)
    ]
    y = b.tensor(output or np.broadcast_shapes(*shapes), scale=parameters[2][0], zero_point=parameters[2][1])
    connect(b, kind, inputs, y, activation)
    return b.build([y])


def operator(model: bytes) -> Binary:
    op = read(model, "m").operators[0]
    op.check()
    assert isinstance(op, Binary)
    return op


def quantizations(kind: str, count: int, seed: int) -> Iterator[tuple[Parameters, Parameters, Parameters]]:
    """Scales and zero points that TFLM accepts, from plausible to extreme."""
    rng = np.random.default_rng(seed)
    for _ in range(count):
        first = float(rng.choice([1e-4, 0.02, 1 / 16, 0.5, 7.0])) * float(rng.choice([1, rng.uniform(1, 2)]))
        second = first * float(rng.choice([1, 2, 0.5, 1 / 3, 1.7, 1e-3, 1e3]))
        natural = first * second if kind == "MUL" else max(first, second)
        target = natural * float(rng.choice([1, 2, 0.5, 0.3, 3, 1e-2, 256, 1e4]))
        zeros = [int(rng.choice([-128, 127, 0, rng.integers(-128, 128)])) for _ in range(3)]
        yield (first, zeros[0]), (second, zeros[1]), (target, zeros[2])


@pytest.mark.parametrize("kind", KINDS)
def test_all_pairs(kind: str) -> None:
    """The kernel and compute() for all 65,536 pairs, over quantisations and activations."""
    activations = list(ACTIVATIONS) if kind in ARITHMETIC else ["NONE"]
    a, b = np.meshgrid(ALL_VALUES, ALL_VALUES, indexing="ij")
    models = [
        binary(kind, ((256, 1), (1, 256)), parameters, activations[index % len(activations)])
        for index, parameters in enumerate(quantizations(kind, 16, seed=len(kind)))
    ]
    assert_bit_exact(models, inputs=[[[ALL_VALUES, ALL_VALUES]]] * len(models))
    with Tflm() as oracle:
        for model in models:
            expected = oracle.run(model, [[ALL_VALUES, ALL_VALUES]])[0].outputs[0]
            (computed,) = operator(model).evaluate((a, b)) or ()
            assert np.array_equal(computed, expected)


BROADCASTS = [
    ((1, 4, 3, 5), (1, 4, 3, 5)),
    ((1, 4, 3, 5), (1, 1, 1, 5)),
    ((1, 4, 3, 5), (5,)),
    ((1, 4, 3, 5), (1, 1, 1, 1)),
    ((1, 4, 3, 5), ()),
    ((1, 4, 3, 5), (1, 4, 3, 1)),
    ((1, 4, 3, 5), (1, 4, 1, 1)),
    ((1, 4, 3, 5), (1, 4, 1, 5)),
    ((1, 4, 3, 5), (1, 1, 3, 5)),
    ((1, 4, 3, 5), (3, 1)),
    ((1, 4, 1, 5), (1, 1, 3, 1)),
    ((1, 4, 1, 1), (1, 1, 3, 5)),
    ((1, 1, 3, 5), (1, 4, 1, 1)),
    ((3, 4, 2, 5), (1, 4, 1, 5)),
    ((3, 4, 2, 5), (3, 1, 1, 5)),
    ((3, 1, 2, 5), (1, 4, 2, 1)),
    ((1, 1, 2, 5), (3, 4, 2, 5)),
    ((3, 2, 1, 2, 5), (1, 2, 3, 1, 5)),
    ((2, 1, 3, 2, 1, 4), (1, 2, 3, 1, 5, 1)),
    ((2, 1, 1, 2, 1, 4), (2, 2, 1, 1, 3, 4)),
    ((7,), (7,)),
    ((7,), (1,)),
    ((1,), (7,)),
    ((), ()),
    ((5, 7), (5, 1)),
    ((1, 4, 3, 1), (1, 4, 3, 1)),
    ((1, 4, 3, 1), (1, 4, 1, 1)),
    ((1, 4, 1, 5), (1, 1, 1, 5)),
    ((4, 3, 5), (3, 5)),
    ((1, 1, 5), (5,)),
]


@pytest.mark.parametrize("kind", KINDS)
def test_broadcasting(kind: str) -> None:
    """Either operand may be the smaller one, a constant or not; ranks differ."""
    rng = np.random.default_rng(1)
    models = []
    for index, (a, b) in enumerate(BROADCASTS):
        shapes = (a, b) if index % 2 else (b, a)
        constants: list[np.ndarray | None] = [None, None]
        if index % 3:
            constants[index % 2] = rng.integers(-128, 128, shapes[index % 2]).astype(np.int8)
        models.append(binary(kind, shapes, constants=(constants[0], constants[1])))
    assert_bit_exact(models)


def test_same_tensor_twice() -> None:
    models = []
    for kind in KINDS:
        b = ModelBuilder()
        x = b.input((1, 4, 3, 5), scale=0.05, zero_point=3)
        y = b.tensor((1, 4, 3, 5), scale=0.09, zero_point=-4)
        connect(b, kind, [x, x], y)
        models.append(b.build([y]))
    assert_bit_exact(models)


def test_in_place() -> None:
    """Residuals: the sum may overwrite either operand, and operands that are still needed stay."""
    for order in ([0, 1], [1, 0]):
        b = ModelBuilder()
        x = b.input((1, 6, 4, 3), scale=0.05, zero_point=3)
        halves = [b.tensor((1, 6, 4, 3), scale=0.04, zero_point=-4) for _ in range(2)]
        gate = b.constant(np.arange(-1, 2), scale=0.1, zero_point=0)
        connect(b, "MUL", [x, gate], halves[0])
        connect(b, "SUB", [x, halves[0]], halves[1])
        y = b.tensor((1, 6, 4, 3), scale=0.06, zero_point=5)
        connect(b, "ADD", [halves[i] for i in order], y, "RELU")
        model = b.build([y])
        assert build(model, "m").plan.arena <= 2 * 6 * 4 * 3
        assert_bit_exact([model])


def test_squeeze_and_excite() -> None:
    """A gate of one row that is computed from the map it multiplies."""
    b = ModelBuilder()
    x = b.input((1, 5, 4, 3), scale=0.05, zero_point=3)
    flat = b.tensor((1, 1, 1, 60), scale=0.05, zero_point=3)
    b.operator("RESHAPE", [x], [flat])
    sums = b.tensor((1, 1, 1, 3), scale=0.3, zero_point=0)
    weights = b.constant(np.random.default_rng(0).integers(-127, 128, (3, 60)), scale=[0.01])
    b.operator("FULLY_CONNECTED", [flat, weights], [sums], "FullyConnectedOptions", keepNumDims=True)
    gate = b.tensor((1, 1, 1, 3), scale=1 / 256, zero_point=-128)
    b.operator("LOGISTIC", [sums], [gate])
    y = b.tensor((1, 5, 4, 3), scale=0.05, zero_point=-4)
    connect(b, "MUL", [x, gate], y)
    assert_bit_exact([b.build([y])])


def sensitive_scales(count: int) -> Iterator[tuple[float, float, float]]:
    """Scales for which single-precision factors, as older sources of SUB have them, would give other results."""

    def differences(first: Any, second: Any, target: Any) -> np.ndarray:
        common = 2 * max(first, second)
        scaled = multiply(ALL_VALUES.astype(np.int64) << 20, *quantize_multiplier(float(first / common)))
        return multiply(scaled, *quantize_multiplier(float(common / (type(target)(1 << 20) * target))))

    rng = np.random.default_rng(3)
    while count:
        first, second = np.float32(rng.uniform(0.01, 1)), np.float32(rng.uniform(0.01, 1))
        target = np.float32(first * np.float32(rng.choice([2, 4, 1.2, 6, 1.6])))
        scales = float(first), float(second), float(target)
        if not np.array_equal(differences(first, second, target), differences(*scales)):
            count -= 1
            yield scales


@pytest.mark.parametrize("kind", ["ADD", "SUB"])
def test_factors_are_in_double_precision(kind: str) -> None:
    models = [
        binary(kind, ((256,), (1,)), ((first, 0), (second, 0), (target, 0)), constants=(None, np.zeros(1, np.int8)))
        for first, second, target in sensitive_scales(10)
    ]
    assert_bit_exact(models, inputs=[[[ALL_VALUES]]] * len(models))


@pytest.mark.parametrize("kind", KINDS)
def test_scalar_table(kind: str) -> None:
    with Tflm() as oracle:
        for position, value in itertools.product((0, 1), (-128, 5, 127)):
            shapes = [(256,), (256,)]
            shapes[position] = (1,)
            constants: list[np.ndarray | None] = [None, None]
            constants[position] = np.array([value], np.int8)
            model = binary(kind, (shapes[0], shapes[1]), constants=(constants[0], constants[1]))
            found = operator(model).scalar_table()
            assert found is not None
            assert found[0] == 1 - position
            assert np.array_equal(found[1], oracle.run(model, [[ALL_VALUES]])[0].outputs[0])
    assert operator(binary(kind, ((4,), (4,)))).scalar_table() is None


@pytest.mark.parametrize("kind", ["ADD", "SUB"])
def test_linear_forms(kind: str) -> None:
    """Found for scales as training gives them and for powers of two; where both operands make ties, often there is none."""
    rng = np.random.default_rng(6)
    zeros = rng.integers(-128, 128, (12, 3)).tolist()
    trained = [tuple(rng.uniform(0.01, 0.1, 3)) for _ in range(6)]
    models = [
        binary(kind, ((256, 1), (1, 256)), tuple(zip(scales, zero, strict=True)))  # type: ignore[arg-type]
        for scales, zero in zip([*trained, (0.1, 0.1, 0.1), (0.1, 0.1, 0.2), (0.1, 0.05, 0.1)], zeros, strict=False)
    ]
    assert all(operator(model).record().kernel == "add_linear" for model in models)
    ties = [binary(kind, ((256, 1), (1, 256)), ((0.05, 3), (0.03, -7), (0.06, zero))) for zero in (-128, 11)]
    assert all(operator(model).record().kernel == "add" for model in ties)
    assert_bit_exact(models + ties, inputs=[[[ALL_VALUES, ALL_VALUES]]] * len(models + ties))


def test_folded() -> None:
    rng = np.random.default_rng(2)
    values = [rng.integers(-128, 128, shape).astype(np.int8) for shape in ((4, 1, 3), (2, 3))]
    for kind in KINDS:
        op = operator(binary(kind, ((4, 1, 3), (2, 3))))
        (folded,) = op.evaluate((values[0], values[1])) or ()
        assert folded.shape == (4, 2, 3)
        assert folded.dtype == np.int8


def test_extrema_ignore_quantization() -> None:
    models = []
    for kind in ("MINIMUM", "MAXIMUM"):
        b = ModelBuilder()
        x = b.input((1, 2, 3, 4), scale=0.1, zero_point=5)
        c = b.constant(np.arange(4) * 20 - 40)
        y = b.tensor((1, 2, 3, 4))
        b.operator(kind, [x, c], [y])
        models.append(b.build([y]))
    assert_bit_exact(models)


TINY = ((1.0, 0), (1.0, 0), (1e-6, 0))


@pytest.mark.parametrize(
    ("model", "reason"),
    [
        (binary("ADD", ((4,), (4,)), TINY), "not between 0 and 1"),
        (binary("SUB", ((4,), (4,)), TINY), "not between 0 and 1"),
        (binary("ADD", ((4,), (4,)), ((1.0, 0), (0.0, 0), (1.0, 0))), "with scale 0"),
        (binary("ADD", ((4,), (4,)), ((1.0, 0), (1.0, 0), (1e-30, 0)), "RELU6"), "rescaling factor"),
        (binary("MUL", ((4,), (4,)), ((1.0, 0), (1e-30, 0), (1e-31, 0)), "RELU6"), "6.0 is not representable"),
        (binary("MUL", ((4,), (4,)), ((1e10, 0), (1.0, 0), (1.0, 0))), "too large for 32-bit"),
        (binary("MUL", ((4,), (4,)), ((40000.0, 0), (1.0, 0), (1.0, 0))), "above 2\\^14"),
        (binary("PRELU", ((4,), (4,)), ((1.0, 0), (1e10, 0), (1.0, 0))), "too large for 32-bit"),
        (binary("ADD", ((4,), (4,)), output=(2, 2)), "broadcast to the output's"),
        (binary("ADD", ((1,), (1,)), output=(4,)), "broadcast to the output's"),
        (binary("MAXIMUM", ((3, 4), (4, 4)), output=(4, 4)), "broadcast to the output's"),
        (binary("PRELU", ((4,), (4,)), ((1.0, 0), (1.0, 200), (1.0, 0))), "zero point 200"),
    ],
)
def test_rejected(model: bytes, reason: str) -> None:
    with pytest.raises(Unsupported, match=reason):
        operator(model)


@pytest.mark.parametrize("kind", KINDS)
def test_malformed(kind: str) -> None:
    def model(inputs: int, dtype: type = np.int8, alpha: type = np.int8) -> bytes:
        b = ModelBuilder()
        sources = [b.input((4,), dtype if i == 0 else alpha, scale=0.1) for i in range(inputs)]
        y = b.tensor((4,), dtype, scale=0.1)
        connect(b, kind, sources, y)
        return b.build([y])

    for bad, reason in [
        (model(1), "exactly two inputs; found 1"),
        (model(3), "exactly two inputs; found 3"),
        (model(2, np.int16), "are int8"),
        (model(2, np.float32, np.float32), "are int8"),
        (model(2, np.int8, np.int16), "are int8"),
    ]:
        with pytest.raises(Unsupported, match=reason):
            operator(bad)


def test_activation_is_a_clamp() -> None:
    b = ModelBuilder()
    x = b.input((4,))
    y = b.tensor((4,), scale=0.1)
    b.operator("ADD", [x, x], [y], "AddOptions", fusedActivationFunction=4)
    with pytest.raises(Unsupported, match="found TANH"):
        operator(b.build([y]))
