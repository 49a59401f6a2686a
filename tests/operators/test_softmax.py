"""SOFTMAX against TFLM: scales, beta, depths, ranks, both output types, and inputs that make extreme sums."""

from __future__ import annotations

import numpy as np
import pytest

from tests.build import ModelBuilder
from tests.oracle import assert_bit_exact, on_host
from tflm_mcunet.compiler import build
from tflm_mcunet.execute.tflm import Tflm, TflmError
from tflm_mcunet.operators.base import Unsupported
from tflm_mcunet.operators.softmax import Softmax
from tflm_mcunet.tflite.reader import read

OUTPUTS = {"int8": (1 / 256, -128), "int16": (1 / 65536, -32768)}


def softmax(
    shape: tuple[int, ...] = (1, 10),
    scale: float = 0.05,
    zero_point: int = 0,
    beta: float = 1.0,
    dtype: str = "int8",
    output: tuple[float, int] | None = None,
) -> bytes:
    b = ModelBuilder()
    x = b.input(shape, scale=scale, zero_point=zero_point)
    target = output or OUTPUTS[dtype]
    y = b.tensor(shape, dtype, target[0], target[1])
    b.operator("SOFTMAX", [x], [y], "SoftmaxOptions", beta=beta)
    return b.build([y])


def operator(model: bytes) -> Softmax:
    op = read(model, "m").operators[0]
    op.check()
    assert isinstance(op, Softmax)
    return op


def test_softmax() -> None:
    rng = np.random.default_rng(1)
    shapes = [(1, 10), (7,), (1, 3, 4, 5), (2, 2, 3, 2, 9), (1, 1), (3, 300), (1, 4, 1, 2)]
    models = [
        softmax(
            shapes[index % len(shapes)],
            float(rng.choice([1e-7, 1e-4, 0.01, 0.05, 1 / 16, 0.2, 1, 20, 300, 1e6])) * float(rng.uniform(1, 2)),
            int(rng.integers(-128, 128)),
            float(rng.choice([1, 0.5, 2, 3.7])),
            ("int8", "int16")[index % 2],
        )
        for index in range(84)
    ]
    assert_bit_exact(models)


def test_every_difference() -> None:
    """Pairs of 127 and every value, over many scales: the whole table."""
    values = np.stack([np.full(256, 127), np.arange(-128, 128)], axis=1).astype(np.int8)
    scales = np.geomspace(1e-7, 40, 40)
    models = [softmax((256, 2), float(scale), dtype=("int8", "int16")[i % 2]) for i, scale in enumerate(scales)]
    assert_bit_exact(models, inputs=[[[values]]] * len(models))


def test_extreme_vectors() -> None:
    """Vectors of equal values of every length up to 511, beyond which TFLM stops, and single peaks."""
    models, inputs = [], []
    for depth in (1, 2, 3, 31, 32, 33, 255, 256, 257, 510, 511):
        peak = np.full(depth, -128)
        peak[depth // 2] = 127
        models.append(softmax((depth,), 0.03))
        inputs.append([[np.full(depth, value, np.int8)] for value in (-128, 0, 127)] + [[peak.astype(np.int8)]])
    assert_bit_exact(models, inputs=inputs)


def test_long_even_vectors() -> None:
    """TFLM aborts where the sum of exponentials reaches 512; each output is then below half a step."""
    model = softmax((600,))
    values = np.zeros(600, np.int8)
    with Tflm() as oracle, pytest.raises(TflmError):
        oracle.run(model, [[values]])
    for depth in (600, 4095):
        with on_host([build(softmax((depth,)), "m")]) as (compiled,):
            assert (compiled.run([np.zeros(depth, np.int8)])[0] == -128).all()


def test_table_is_short() -> None:
    assert operator(softmax(scale=0.05)).exponentials.size == 256
    assert operator(softmax(scale=1.0)).exponentials.size == 14
    assert operator(softmax(scale=1e6)).exponentials.size == 1


def test_in_place() -> None:
    model = softmax((1, 5, 4, 6))
    assert build(model, "m").plan.arena == 5 * 4 * 6


@pytest.mark.parametrize(
    ("model", "reason"),
    [
        (softmax(output=(1 / 256, 0)), "found tensor .* zero point 0"),
        (softmax(output=(1 / 255, -128)), "int8 with scale 1/256"),
        (softmax(dtype="int16", output=(1 / 65000, -32768)), "int16 with scale 1/65536"),
        (softmax(scale=1e-9), "exceeds 2\\^-26"),
        (softmax(beta=0.0), "exceeds 2\\^-26; found beta 0"),
        (softmax(beta=-1.0), "exceeds 2\\^-26"),
        (softmax(beta=float("nan")), "exceeds 2\\^-26"),
        (softmax((4096,)), "at most 4095"),
        (softmax(()), "at least one dimension"),
        (softmax(scale=0.0), "with scale 0"),
        (softmax(zero_point=128), "zero point 128"),
    ],
)
def test_rejected(model: bytes, reason: str) -> None:
    with pytest.raises(Unsupported, match=reason):
        operator(model)
