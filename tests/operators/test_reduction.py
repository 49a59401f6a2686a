"""MEAN, SUM, REDUCE_MAX and ARG_MAX against TFLM over axes, ranks and quantisations."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from tests.build import ModelBuilder
from tests.oracle import assert_bit_exact
from tflm_mcunet.compiler import build
from tflm_mcunet.execute.tflm import Tflm, TflmError
from tflm_mcunet.operators.base import Unsupported

Quant = tuple[float, int]


def left(shape: Sequence[int], axes: Sequence[int], keep_dims: bool) -> tuple[int, ...]:
    reduced = {axis % len(shape) for axis in axes}
    return tuple(1 if axis in reduced else extent for axis, extent in enumerate(shape) if keep_dims or axis not in reduced)


def reduction(
    kind: str,
    shape: Sequence[int],
    axes: Any,
    *,
    keep_dims: bool = False,
    quant: Quant = (0.05, 3),
    out_quant: Quant = (0.05, 3),
    target: Sequence[int] | None = None,
    axis_type: Any = np.int32,
    constant: bool = True,
) -> bytes:
    """A model of one reduction; `target` overrides the output's shape."""
    b = ModelBuilder()
    x = b.input(shape, np.int8, *quant)
    a = b.constant(axes, axis_type) if constant else b.input(np.shape(axes), axis_type, None)
    y = b.tensor(left(shape, np.ravel(axes), keep_dims) if target is None else target, np.int8, *out_quant)
    b.operator(kind, [x, a], [y], "ReducerOptions", keepDims=keep_dims)
    return b.build([y])


def axis_sets(rank: int) -> list[tuple[int, ...]]:
    return [axes for count in range(1, rank + 1) for axes in itertools.combinations(range(rank), count)]


SHAPES = [(5,), (3, 7), (2, 3, 5), (1, 4, 6, 5), (2, 3, 4, 5), (1, 1, 6, 5), (2, 1, 3, 2, 4), (2, 3, 2, 2, 3, 2)]


@pytest.mark.parametrize("kind", ["MEAN", "SUM", "REDUCE_MAX"])
def test_axes(kind: str) -> None:
    """All sets of axes of every rank, some of them negative or twice, kept or dropped."""
    rng = np.random.default_rng(2)
    models = []
    for shape in SHAPES:
        sets = axis_sets(len(shape))
        for axes in sets if len(sets) < 16 else [sets[i] for i in rng.permutation(len(sets))[:16]]:
            written = [axis - len(shape) * int(rng.integers(2)) for axis in axes]
            if rng.integers(4) == 0:
                written.append(axes[0])
            quant = float(rng.uniform(0.01, 0.1)), int(rng.integers(-128, 128))
            same = kind == "REDUCE_MAX"
            out_quant = quant if same else (float(rng.uniform(0.01, 0.3)), int(rng.integers(-128, 128)))
            keep_dims = bool(rng.integers(2))
            models.append(reduction(kind, shape, rng.permutation(written), keep_dims=keep_dims, quant=quant, out_quant=out_quant))
    models.append(reduction(kind, (3, 4), np.array(1)))  # the axis a scalar
    assert_bit_exact(models, samples=2)


@pytest.mark.parametrize("kind", ["MEAN", "SUM"])
def test_rescaling(kind: str) -> None:
    """Scales far apart in both directions, zero points at the ends of the range, counts around powers of two."""
    ratios = [2.0**-33, 1e-9, 1e-4, 0.01, 0.5, 0.999, 1.0, 1.7, 60.0, 3e4, 5e6]
    sizes = [(1, 1), (2, 1), (3, 5), (4, 4), (7, 7), (1, 17)]
    rng = np.random.default_rng(3)
    models = [
        reduction(
            kind,
            (1, *size, 3),
            (1, 2),
            keep_dims=True,
            quant=(0.01 * ratio, int(rng.choice([-128, 0, 127]))),
            out_quant=(0.01, int(rng.choice([-128, -1, 127]))),
        )
        for ratio, size in itertools.product(ratios, sizes)
    ]
    assert_bit_exact(models, samples=4)


def test_mean_of_large_map() -> None:
    zeros = (-127, 0, 127)
    assert_bit_exact([reduction("MEAN", (1, 64, 48, 2), (1, 2), quant=(0.02, zero), out_quant=(0.003, -zero)) for zero in zeros])


@pytest.mark.parametrize("kind", ["MEAN", "SUM", "REDUCE_MAX"])
def test_global_reduction_reads_one_row_per_step(kind: str) -> None:
    for keep_dims in (False, True):
        operator = build(reduction(kind, (1, 9, 4, 8), (1, 2), keep_dims=keep_dims), "rows").lowered.network.operators[0]
        (read,), (write,) = operator.reads, operator.writes
        assert operator.steps == 9
        assert operator.state == (8 if kind == "REDUCE_MAX" else 32)
        assert (read.ranges.high - read.ranges.low).tolist() == [1] * 9
        assert (write.ranges.high - write.ranges.low).tolist() == [0] * 8 + [1]


def test_reduction_along_rows_goes_row_by_row() -> None:
    operator = build(reduction("MEAN", (1, 9, 4, 8), (3,), keep_dims=True), "rows").lowered.network.operators[0]
    assert (operator.steps, operator.state, operator.scratch) == (9, 0, 4 * 4)


@pytest.mark.parametrize(
    ("kind", "case", "reason", "tflm"),
    [
        ("MEAN", {"axes": (4,), "target": (1, 4, 4, 2)}, "axes, each within the rank", False),
        ("MEAN", {"axes": (-5,), "target": (1, 4, 4, 2)}, "axes, each within the rank", False),
        ("MEAN", {"constant": False}, "constant", False),
        ("MEAN", {"axis_type": np.int64}, "int32", True),
        ("MEAN", {"target": (1, 4, 2)}, "one element for each position", False),
        ("SUM", {"quant": (1e20, 0), "out_quant": (1e-20, 0)}, "32-bit", False),
        ("REDUCE_MAX", {"out_quant": (0.05, 4)}, "share scale", True),
        ("REDUCE_MAX", {"out_quant": (0.051, 3)}, "share scale", True),
    ],
)
def test_rejected(kind: str, case: dict[str, Any], reason: str, tflm: bool) -> None:
    model = reduction(kind, **({"shape": (1, 4, 4, 2), "axes": (1, 2)} | case))
    with pytest.raises(Unsupported, match=reason):
        build(model, "rejected")
    if tflm:
        with Tflm() as oracle, pytest.raises(TflmError):
            oracle.run(model, [[np.zeros((1, 4, 4, 2), np.int8)]])


def arg_max(
    shape: Sequence[int],
    axis: int,
    *,
    dtype: Any = np.int8,
    out_type: Any = np.int32,
    axis_type: Any = np.int32,
    target: Sequence[int] | None = None,
) -> bytes:
    b = ModelBuilder()
    x = b.input(shape, dtype)
    a = b.constant(axis, axis_type)
    y = b.tensor(left(shape, [axis], False) if target is None else target, out_type)
    b.operator("ARG_MAX", [x, a], [y], "ArgMaxOptions", outputType=2)
    return b.build([y])


def test_arg_max() -> None:
    """All axes of every rank; few samples have ties, so small extents and many channels make some."""
    models = [arg_max(shape, axis) for shape in [*SHAPES, (1, 300), (1, 5, 4, 200)] for axis in range(-len(shape), len(shape))]
    assert_bit_exact(models, samples=2)


@pytest.mark.parametrize(
    ("case", "reason"),
    [
        ({"axis": 3, "target": (2, 3)}, "within the rank"),
        ({"axis": -4, "target": (2, 3)}, "within the rank"),
        ({"out_type": np.int64}, "output is int32"),
        ({"axis_type": np.int64}, "int32 axis"),
        ({"dtype": np.int16}, "int8"),
        ({"target": (2, 2)}, "one index for each"),
    ],
)
def test_arg_max_rejected(case: dict[str, Any], reason: str) -> None:
    with pytest.raises(Unsupported, match=reason):
        build(arg_max(**({"shape": (2, 3, 4), "axis": 2} | case)), "rejected")
