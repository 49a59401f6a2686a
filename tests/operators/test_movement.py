"""PAD, CONCATENATION, SPLIT, SLICE, TRANSPOSE and the other operators that only move elements, against TFLM."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pytest

from tests.build import ModelBuilder
from tests.oracle import assert_bit_exact, differing_bytes, on_host, random_samples
from tflm_mcunet.compiler import build
from tflm_mcunet.execute.tflm import Tflm
from tflm_mcunet.operators.base import Unsupported
from tflm_mcunet.operators.movement import Movement
from tflm_mcunet.operators.pad import Pad
from tflm_mcunet.operators.transpose import Transpose
from tflm_mcunet.tflite.reader import read

Shape = tuple[int, ...]
Operand = Shape | np.ndarray | None


def types(*names: str) -> Iterator[Any]:
    """int8 and the types that TFLM also takes, in turn."""
    return itertools.cycle([np.dtype(name).type for other in names for name in ("int8", other)])


def model(
    kind: str,
    operands: Sequence[Operand],
    outputs: Sequence[Shape],
    options: str | None = None,
    *,
    dtype: Any = np.int8,
    zero: int = -7,
    **values: Any,
) -> bytes:
    """A model of one operator; operands are shapes of activations, arrays of constants, or None where one is missing."""
    b = ModelBuilder()
    scale = 0.05 if dtype in (np.int8, np.int16) else None
    zero = zero if dtype == np.int8 else 0
    numbers = []
    for operand in operands:
        if operand is None:
            numbers.append(-1)
        elif isinstance(operand, tuple):
            numbers.append(b.input(operand, dtype, scale, zero))
        else:
            data = operand.dtype == dtype and dtype != np.int32
            numbers.append(b.constant(operand, operand.dtype, scale if data else None, zero if data else 0))
    results = [b.tensor(shape, dtype, scale, zero) for shape in outputs]
    b.operator(kind, numbers, results, options, **values)
    return b.build(results)


def only_operator(data: bytes) -> Movement:
    (op,) = read(data, "m").operators
    op.check()
    assert isinstance(op, Movement)
    return op


@pytest.fixture(scope="module")
def tflm() -> Iterator[Tflm]:
    with Tflm() as oracle:
        yield oracle


def assert_moves(models: Sequence[bytes], tflm: Tflm) -> None:
    """The generated C and `evaluate` give TFLM's bytes, and each step needs no other rows than `reads` says."""
    assert not any(differing_bytes(models, samples=2, oracle=tflm))
    for data in models:
        op = only_operator(data)
        (sample,) = random_samples([t for t in op.present_inputs if not t.constant], 1)
        (expected,) = tflm.run(data, [sample])
        values = iter(sample)
        inputs = [t.data if t.constant else next(values) for t in op.present_inputs]
        assert same(evaluated(op, inputs), expected.outputs)
        if op.output.dtype == np.int8:
            assert_reads_suffice(op, inputs, expected.outputs)


def same(one: Sequence[np.ndarray], two: Sequence[np.ndarray]) -> bool:
    return all(np.array_equal(a.reshape(-1), b.reshape(-1)) for a, b in zip(one, two, strict=True))


def evaluated(op: Movement, inputs: Sequence[np.ndarray | None]) -> Sequence[np.ndarray]:
    found = op.evaluate(tuple(inputs))
    assert found is not None
    return found


def assert_reads_suffice(op: Movement, inputs: Sequence[np.ndarray | None], expected: Sequence[np.ndarray]) -> None:
    reads = {i: op.reads(i) for i in op.data if not op.input(i).constant}
    writes = [op.writes(i) for i in range(len(op.outputs))]
    for step in range(op.steps):
        spoilt = list(inputs)
        for position, ranges in reads.items():
            value = inputs[position]
            assert value is not None
            row = np.arange(value.size) // (value.size // op.input(position).rows)
            needed = (ranges.low[step] <= row) & (row < ranges.high[step])
            spoilt[position] = np.where(needed.reshape(value.shape), value, ~value)
        found = evaluated(op, spoilt)
        for ranges, tensor, ours, truth in zip(writes, op.outputs, found, expected, strict=True):
            made = slice(ranges.low[step], ranges.high[step])
            assert same([ours.reshape(tensor.rows, -1)[made]], [truth.reshape(tensor.rows, -1)[made]])


def options_of(kind: str) -> str:
    return "".join(word.capitalize() for word in kind.split("_")) + "Options"


# ---- PAD ----


def padded(rng: np.random.Generator, shape: Shape, dtype: Any, zero: int, value: bool, kind: str) -> bytes:
    paddings = rng.integers(0, 4, (len(shape), 2)) * rng.integers(0, 2, (len(shape), 1))
    operands: list[Operand] = [shape, paddings.astype(np.int32)]
    if value:
        operands.append(np.array([rng.integers(-100, 100)], dtype))
    target = tuple((np.array(shape) + paddings.sum(axis=1)).tolist())
    return model(kind, operands, [target], dtype=dtype, zero=zero)


def test_pad(tflm: Tflm) -> None:
    rng = np.random.default_rng(1)
    shapes: list[Shape] = [(5,), (3, 4), (4, 3, 2), (1, 5, 4, 3), (2, 3, 4, 1), (1, 1, 1, 7), (2, 3, 2, 2, 3)]
    cases = itertools.product(shapes, [(False, "PAD"), (True, "PAD"), (True, "PADV2"), (False, "PADV2")], range(2))
    zeros, kinds = itertools.cycle([-128, 127, 0]), types("int16", "int32", "float32")
    assert_moves([padded(rng, shape, next(kinds), next(zeros), *form) for shape, form, _ in cases], tflm)


def test_pad_tells_what_a_convolution_can_take_over() -> None:
    def pad(*paddings: tuple[int, int], shape: Shape) -> Pad:
        target = tuple(n + sum(p) for n, p in zip(shape, paddings, strict=True))
        op = only_operator(model("PAD", [shape, np.array(paddings, np.int32)], [target], zero=-9))
        assert isinstance(op, Pad)
        return op

    image = pad((0, 0), (1, 2), (3, 0), (0, 0), shape=(1, 4, 4, 2))
    assert image.spatial == ((1, 2), (3, 0))
    assert image.value == -9
    assert pad((0, 0), (1, 1), (1, 1), (0, 1), shape=(1, 4, 4, 2)).spatial is None
    assert pad((1, 0), (1, 1), (1, 1), (0, 0), shape=(1, 4, 4, 2)).spatial is None
    assert pad((1, 1), (1, 1), (0, 0), shape=(4, 4, 2)).spatial is None


def test_mirror_pad(tflm: Tflm) -> None:
    rng = np.random.default_rng(2)
    models = []
    shapes: list[Shape] = [(5,), (3, 4), (1, 5, 4, 3), (2, 3, 4, 2), (2, 1, 3, 2, 3), (2, 2, 1, 2, 1, 2)]
    kinds = types("float32")
    for shape, mode, width in itertools.product(shapes, (0, 1), (np.int32, np.int64, np.int32)):
        limit = np.array(shape)[:, None] - (mode == 0)
        paddings = rng.integers(0, np.minimum(limit, 3) + 1, (len(shape), 2)).astype(width)
        target = tuple((np.array(shape) + paddings.sum(axis=1)).tolist())
        models.append(model("MIRROR_PAD", [shape, paddings], [target], "MirrorPadOptions", dtype=next(kinds), mode=mode))
    assert_moves(models, tflm)


# ---- CONCATENATION, PACK ----


def joined(rng: np.random.Generator, shape: Shape, axis: int, count: int, dtype: Any, zero: int = 5) -> bytes:
    """A concatenation of tensors of different lengths along the axis, some of them constant."""
    operands: list[Operand] = []
    total = 0
    for index in range(count):
        length = int(rng.integers(1, 5))
        part = (*shape[:axis], length, *shape[axis + 1 :])
        constant = index > 0 and dtype in (np.int8, np.float32) and rng.integers(3) == 0
        operands.append(rng.integers(-128, 128, part).astype(dtype) if constant else part)
        total += length
    target = (*shape[:axis], total, *shape[axis + 1 :])
    signed = axis if rng.integers(2) else axis - len(shape)
    return model("CONCATENATION", operands, [target], "ConcatenationOptions", dtype=dtype, zero=zero, axis=signed)


def test_concatenation(tflm: Tflm) -> None:
    rng = np.random.default_rng(3)
    shapes: list[Shape] = [(4,), (3, 4), (4, 3, 2), (1, 5, 4, 3), (2, 3, 4, 2), (2, 3, 1, 2, 3), (2, 1, 2, 2, 1, 2)]
    kinds = types("int16", "int32", "int64", "float32", "bool")
    models = [
        joined(rng, shape, axis, int(rng.integers(1, count)), next(kinds), int(rng.choice([-128, 127, 3])))
        for count in (4, 11)
        for shape in shapes
        for axis in range(len(shape))
    ]
    assert_moves(models, tflm)


def test_concatenation_of_one_tensor_with_itself() -> None:
    b = ModelBuilder()
    x, y = b.input((1, 4, 3, 2)), b.tensor((1, 4, 6, 2), scale=0.05)
    b.operator("CONCATENATION", [x, x], [y], "ConcatenationOptions", axis=2)
    assert_bit_exact([b.build([y])])


def test_concatenation_of_more_inputs_than_tflm_takes() -> None:
    shape = (1, 2, 3, 2)
    data = model("CONCATENATION", [shape] * 13, [(1, 2, 3, 26)], "ConcatenationOptions", axis=3)
    program = build(data, "many")
    (sample,) = random_samples(program.graph.inputs, 1)
    with on_host([program]) as (compiled,):
        np.testing.assert_array_equal(compiled.run(sample)[0], np.concatenate(sample, axis=3))


def test_pack(tflm: Tflm) -> None:
    rng = np.random.default_rng(4)
    models = []
    shapes: list[Shape] = [(), (4,), (3, 2), (2, 3, 4), (1, 3, 4, 2), (2, 2, 3, 1, 2)]
    kinds = types("int16", "int32", "int64", "float32")
    for shape in shapes:
        for axis in (*range(len(shape) + 1), *range(len(shape) + 1)):
            count = int(rng.integers(1, 5))
            target = (*shape[:axis], count, *shape[axis:])
            signed = axis if rng.integers(2) else axis - len(target)
            values = {"axis": signed, "valuesCount": count}
            models.append(model("PACK", [shape] * count, [target], "PackOptions", dtype=next(kinds), **values))
    assert_moves(models, tflm)


# ---- SPLIT, SPLIT_V, UNPACK ----


def test_split(tflm: Tflm) -> None:
    models = []
    shapes: list[Shape] = [(4,), (6, 4), (4, 2, 6), (1, 4, 6, 2), (2, 4, 6, 4), (2, 2, 4, 2, 6)]
    kinds = types("int16", "int32", "float32")
    for shape in shapes:
        for axis, count in itertools.product(range(len(shape)), (1, 2, 3)):
            if shape[axis] % count == 0:
                part = (*shape[:axis], shape[axis] // count, *shape[axis + 1 :])
                number = np.array(axis - len(shape) * (count % 2), np.int32)
                models.append(model("SPLIT", [number, shape], [part] * count, "SplitOptions", dtype=next(kinds), numSplits=count))
    assert_moves(models, tflm)


def test_split_v(tflm: Tflm) -> None:
    rng = np.random.default_rng(6)
    models = []
    shapes: list[Shape] = [(7,), (6, 5), (5, 3, 7), (1, 5, 6, 7), (2, 4, 6, 4), (2, 3, 4, 2, 6)]
    kinds = types("int16", "int32", "float32")
    for shape in shapes:
        for axis in (*range(len(shape)), *range(len(shape))):
            cuts = np.sort(rng.choice(np.arange(1, shape[axis]), min(2, shape[axis] - 1), replace=False))
            sizes = np.diff([0, *cuts, shape[axis]]).astype(np.int32)
            parts = [(*shape[:axis], int(size), *shape[axis + 1 :]) for size in sizes]
            operands = [shape, sizes, np.array([axis], np.int32)]
            models.append(model("SPLIT_V", operands, parts, "SplitVOptions", dtype=next(kinds), numSplits=len(parts)))
    assert_moves(models, tflm)


def test_unpack(tflm: Tflm) -> None:
    models = []
    shapes: list[Shape] = [(4,), (3, 2), (2, 3, 4), (1, 3, 4, 2), (3, 2, 2, 4), (2, 2, 3, 1, 2), (1, 2, 1, 2, 3, 2)]
    kinds = types("int16", "int32", "float32")
    for shape in shapes:
        for axis in range(len(shape)):
            part = shape[:axis] + shape[axis + 1 :]
            values = {"axis": axis - len(shape) * (axis % 2), "num": shape[axis]}
            models += [
                model("UNPACK", [shape], [part] * shape[axis], "UnpackOptions", dtype=dtype, **values)
                for dtype in (np.int8, next(kinds))
            ]
    assert_moves(models, tflm)


# ---- SLICE, STRIDED_SLICE ----


def test_slice(tflm: Tflm) -> None:
    rng = np.random.default_rng(7)
    models = []
    shapes: list[Shape] = [(7,), (3, 4), (4, 3, 2), (1, 7, 6, 5), (2, 3, 4, 3), (2, 3, 2, 4, 3)]
    kinds = types("int16", "int32", "float32", "bool")
    for shape, width, _ in itertools.product(shapes, (np.int32, np.int64), range(5)):
        begin = rng.integers(0, shape)
        size = rng.integers(1, np.array(shape) - begin + 1)
        written = np.where((begin + size == shape) & (rng.integers(2, size=len(shape)) > 0), -1, size)
        operands = [shape, begin.astype(width), written.astype(width)]
        models.append(model("SLICE", operands, [tuple(size.tolist())], dtype=next(kinds)))
    assert_moves(models, tflm)


def sliced(rng: np.random.Generator, shape: Shape, dtype: Any) -> bytes | None:
    """A random STRIDED_SLICE; None where it selects nothing."""
    rank = len(shape)
    begin = rng.integers(-np.array(shape) - 2, np.array(shape) + 1)
    end = rng.integers(-np.array(shape) - 2, np.array(shape) + 3)
    strides = rng.choice([1, 1, 1, 2, 3, -1, -2], rank)
    begin_mask, end_mask, shrink = (int(rng.integers(1 << rank) & rng.integers(1 << rank)) for _ in range(3))
    target = []
    for axis, n in enumerate(shape):
        first = None if begin_mask >> axis & 1 else int(begin[axis])
        last = None if end_mask >> axis & 1 else int(end[axis])
        if shrink >> axis & 1:
            strides[axis] = abs(strides[axis])
            if first is not None and first >= n:
                return None
        else:
            target.append(len(range(*slice(first, last, int(strides[axis])).indices(n))))
    if 0 in target:
        return None
    operands = [shape, *(v.astype(np.int32) for v in (begin, end, strides))]
    masks = {"beginMask": begin_mask, "endMask": end_mask, "shrinkAxisMask": shrink}
    return model("STRIDED_SLICE", operands, [tuple(target)], "StridedSliceOptions", dtype=dtype, **masks)


def test_strided_slice(tflm: Tflm) -> None:
    rng = np.random.default_rng(8)
    shapes: list[Shape] = [(7,), (5, 4), (4, 6, 3), (1, 7, 6, 5), (2, 5, 4, 3), (3, 1, 5, 1)]
    kinds = types("int16", "int32", "float32", "bool")
    models = [sliced(rng, shape, next(kinds)) for shape in shapes for _ in range(45)]
    made = [data for data in models if data is not None]
    assert len(made) > 60
    assert_moves(made, tflm)


# ---- TRANSPOSE, SPACE_TO_DEPTH, DEPTH_TO_SPACE ----


def transposed(shape: Shape, order: Sequence[int], dtype: Any = np.int8) -> bytes:
    target = tuple(shape[axis] for axis in order)
    return model("TRANSPOSE", [shape, np.array(order, np.int32)], [target], "TransposeOptions", dtype=dtype)


def test_transpose(tflm: Tflm) -> None:
    rng = np.random.default_rng(9)
    models = []
    shapes: list[Shape] = [(5,), (3, 4), (4, 3, 2), (1, 4, 3, 5), (2, 3, 4, 3)]
    kinds = types("int16", "float32")
    for shape in shapes:
        models += [transposed(shape, order, next(kinds)) for order in itertools.permutations(range(len(shape)))]
    models += [transposed((2, 3, 1, 4, 3), rng.permutation(5).tolist()) for _ in range(25)]
    models += [transposed((1, 6, 5, 2, 4), (0, 1, 2, 4, 3))]
    assert_moves(models, tflm)


def test_transpose_knows_when_it_moves_nothing() -> None:
    def still(shape: Shape, *order: int) -> bool:
        op = only_operator(transposed(shape, order))
        assert isinstance(op, Transpose)
        return op.moves_no_data

    assert still((1, 5, 1, 4), 0, 1, 3, 2)
    assert still((1, 1, 1), 2, 0, 1)
    assert still((2, 1, 3), 1, 0, 2)
    assert still((2, 3), 0, 1)
    assert not still((1, 5, 2, 4), 0, 1, 3, 2)
    assert not still((2, 3), 1, 0)


def test_space_to_depth_and_back(tflm: Tflm) -> None:
    models = []
    kinds = itertools.cycle((np.int8, np.int8, np.float32))
    for batch, block, size, depth in itertools.product((1, 2), (1, 2, 3), ((1, 1), (2, 3), (4, 1)), (1, 3)):
        large = (batch, size[0] * block, size[1] * block, depth)
        small = (batch, *size, depth * block * block)
        for kind, source, target in (("SPACE_TO_DEPTH", large, small), ("DEPTH_TO_SPACE", small, large)):
            models.append(model(kind, [source], [target], options_of(kind), dtype=next(kinds), blockSize=block))
    assert_moves(models, tflm)


# ---- rows ----


def rows(op: Movement, position: int = 0) -> list[tuple[int, int]]:
    ranges = op.reads(position)
    assert len(ranges) == op.steps
    return list(zip(ranges.low.tolist(), ranges.high.tolist(), strict=True))


def written(op: Movement, position: int) -> list[list[int]]:
    ranges = op.writes(position)
    assert len(ranges) == op.steps
    return [list(range(low, high)) for low, high in zip(ranges.low, ranges.high, strict=True)]


def test_rows_of_pad() -> None:
    paddings = np.array([[0, 0], [2, 1], [1, 1], [0, 0]], np.int32)
    op = only_operator(model("PAD", [(1, 3, 4, 2), paddings], [(1, 6, 6, 2)]))
    assert rows(op) == [(0, 0), (0, 0), (0, 1), (1, 2), (2, 3), (3, 3)]


def test_rows_of_mirror_pad() -> None:
    paddings = np.array([[0, 0], [2, 1], [1, 1], [0, 0]], np.int32)
    op = only_operator(model("MIRROR_PAD", [(1, 4, 4, 2), paddings], [(1, 7, 6, 2)], "MirrorPadOptions", mode=0))
    assert rows(op) == [(0, 3), (0, 3), (0, 3), (1, 3), (2, 3), (2, 4), (2, 4)]


def test_rows_of_concatenation() -> None:
    shapes = [(1, 2, 3, 4), (1, 3, 3, 4)]
    op = only_operator(model("CONCATENATION", shapes, [(1, 5, 3, 4)], "ConcatenationOptions", axis=1))
    assert rows(op, 0) == [(0, 1), (1, 2), (2, 2), (2, 2), (2, 2)]
    assert rows(op, 1) == [(0, 0), (0, 0), (0, 1), (1, 2), (2, 3)]
    shapes = [(1, 3, 2, 4), (1, 3, 3, 4)]
    op = only_operator(model("CONCATENATION", shapes, [(1, 3, 5, 4)], "ConcatenationOptions", axis=2))
    assert rows(op, 0) == rows(op, 1) == [(0, 1), (1, 2), (2, 3)]


def test_rows_of_splits() -> None:
    axis = np.array(3, np.int32)
    op = only_operator(model("SPLIT", [axis, (1, 3, 2, 4)], [(1, 3, 2, 2)] * 2, "SplitOptions", numSplits=2))
    assert rows(op, 1) == [(0, 1), (1, 2), (2, 3)]
    assert written(op, 0) == written(op, 1) == [[0], [1], [2]]
    axis = np.array(1, np.int32)
    op = only_operator(model("SPLIT", [axis, (1, 4, 2, 3)], [(1, 2, 2, 3)] * 2, "SplitOptions", numSplits=2))
    assert written(op, 0) == [[0], [1], [], []]
    assert written(op, 1) == [[], [], [0], [1]]
    op = only_operator(model("UNPACK", [(2, 3, 4, 2)], [(2, 3, 2)] * 4, "UnpackOptions", axis=2, num=4))
    assert op.steps == 2
    assert rows(op) == [(0, 6), (0, 6)]
    assert written(op, 3) == [[0], [1]]
    op = only_operator(model("UNPACK", [(1, 3, 4, 2)], [(1, 4, 2)] * 3, "UnpackOptions", axis=1, num=3))
    assert rows(op) == [(0, 1), (1, 2), (2, 3)]
    assert written(op, 1) == [[], [0], []]


def test_rows_of_slices() -> None:
    bounds = [np.array(v, np.int32) for v in ([0, 1, 1, 0], [1, 6, 3, 2], [1, 2, 1, 1])]
    op = only_operator(model("STRIDED_SLICE", [(1, 7, 4, 2), *bounds], [(1, 3, 2, 2)], "StridedSliceOptions"))
    assert rows(op) == [(1, 2), (3, 4), (5, 6)]
    box = [np.array(v, np.int32) for v in ([0, 2, 1, 0], [1, 3, 2, 2])]
    op = only_operator(model("SLICE", [(1, 7, 4, 2), *box], [(1, 3, 2, 2)]))
    assert rows(op) == [(2, 3), (3, 4), (4, 5)]


def test_rows_of_blocks_and_transposes() -> None:
    op = only_operator(model("SPACE_TO_DEPTH", [(1, 6, 4, 1)], [(1, 3, 2, 4)], "SpaceToDepthOptions", blockSize=2))
    assert rows(op) == [(0, 2), (2, 4), (4, 6)]
    op = only_operator(model("DEPTH_TO_SPACE", [(1, 2, 2, 4)], [(1, 4, 4, 1)], "DepthToSpaceOptions", blockSize=2))
    assert rows(op) == [(0, 1), (0, 1), (1, 2), (1, 2)]
    assert rows(only_operator(transposed((1, 3, 4, 2), (0, 1, 3, 2)))) == [(0, 1), (1, 2), (2, 3)]
    assert rows(only_operator(transposed((1, 3, 4, 2), (0, 2, 1, 3)))) == [(0, 3)] * 4


# ---- what is refused ----


def refusals() -> Iterator[tuple[str, bytes, str]]:
    """A name, a model, and words of the reason."""

    def i32(*values: Any) -> np.ndarray:
        return np.array(values, np.int32)

    image = (1, 4, 4, 2)

    def pad(paddings: np.ndarray, target: Shape, *more: Operand, source: Shape = image, dtype: Any = np.int8) -> bytes:
        return model("PAD", [source, paddings, *more], [target], dtype=dtype)

    ones = i32([0, 0], [1, 1], [1, 1], [0, 0])
    yield "pad uint8", pad(ones, (1, 6, 6, 2), dtype=np.uint8), "one type"
    yield "pad missing", model("PAD", [image], [image]), "input 1 is missing"
    yield "pad computed", model("PAD", [image, (4, 2)], [image]), "must be a constant"
    yield "pad int64", pad(ones.astype(np.int64), (1, 6, 6, 2)), "must be int32"
    yield "pad short", pad(ones[:3], (1, 6, 6, 2)), "6 values"
    yield "pad negative", pad(-ones, (1, 2, 2, 2)), "not negative"
    yield "pad shape", pad(ones, (1, 6, 5, 2)), "output's shape"
    yield "pad rank 6", pad(np.zeros((6, 2), np.int32), (1,) * 6, source=(1,) * 6), "at most 5"
    yield "pad zero point", model("PAD", [image, ones], [(1, 6, 6, 2)], zero=200), "padding value"
    yield "pad value type", pad(ones, (1, 6, 6, 2), i32(1)), "output's type"
    yield "pad values", pad(ones, (1, 6, 6, 2), np.zeros(2, np.int8)), "one constant"
    yield "pad computed value", pad(ones, (1, 6, 6, 2), (1,)), "must be a constant"

    def mirror(paddings: np.ndarray, target: Shape, mode: int = 0, dtype: Any = np.int8) -> bytes:
        return model("MIRROR_PAD", [image, paddings], [target], "MirrorPadOptions", mode=mode, dtype=dtype)

    yield "mirror int16", mirror(ones, (1, 6, 6, 2), dtype=np.int16), "one type"
    yield "mirror long", mirror(i32([0, 0], [4, 0], [0, 0], [0, 0]), (1, 8, 4, 2)), "longer than what it mirrors"
    yield "mirror longer", mirror(i32([0, 0], [5, 0], [0, 0], [0, 0]), (1, 9, 4, 2), mode=1), "longer than what it mirrors"
    yield "mirror negative", mirror(i32([0, 0], [-1, 0], [0, 0], [0, 0]), (1, 3, 4, 2)), "negative"
    yield "mirror shape", mirror(ones, (1, 6, 5, 2)), "output's shape"
    yield "mirror flat", mirror(ones.reshape(-1), (1, 6, 6, 2)), "one for each dimension"

    def concat(shapes: Sequence[Operand], target: Shape, axis: int, dtype: Any = np.int8, activation: int = 0) -> bytes:
        values = {"axis": axis, "fusedActivationFunction": activation}
        return model("CONCATENATION", shapes, [target], "ConcatenationOptions", dtype=dtype, **values)

    double = (1, 4, 4, 4)
    yield "concat uint8", concat([image, image], double, 3, np.uint8), "one type"
    yield "concat axis", concat([image, image], double, 4), "one of the output's dimensions"
    yield "concat axis below", concat([image, image], double, -5), "one of the output's dimensions"
    yield "concat sum", concat([image, image, image], double, 3), "add up"
    yield "concat shapes", concat([image, (1, 4, 3, 2)], double, 3), "agree"
    yield "concat ranks", concat([image, (4, 4, 2)], double, 3), "agree"
    yield "concat missing", concat([image, None], double, 3), "input 1 is missing"
    yield "concat relu", concat([image, image], double, 3, activation=1), "no fused activation"
    b = ModelBuilder()
    x, other = b.input(image, scale=0.05), b.input(image, scale=0.06)
    y = b.tensor(double, scale=0.05)
    b.operator("CONCATENATION", [x, other], [y], "ConcatenationOptions", axis=3)
    yield "concat scales", b.build([y]), "scale and zero point"
    b = ModelBuilder()
    x, y = b.input(image, np.int16, 0.05, 3), b.tensor(double, np.int16, 0.05, 3)
    b.operator("CONCATENATION", [x, x], [y], "ConcatenationOptions", axis=3)
    yield "concat int16 zero point", b.build([y]), "zero point 0"

    def pack(axis: int, count: int, target: Shape, shapes: Sequence[Shape] = ((3, 2), (3, 2)), dtype: Any = np.int8) -> bytes:
        return model("PACK", shapes, [target], "PackOptions", axis=axis, valuesCount=count, dtype=dtype)

    yield "pack bool", pack(0, 2, (2, 3, 2), dtype=np.bool_), "one type"
    yield "pack axis", pack(3, 2, (2, 3, 2)), "along axis 3"
    yield "pack count", pack(0, 3, (2, 3, 2)), "2 of 3 inputs"
    yield "pack shape", pack(0, 2, (2, 3, 2), [(3, 2), (2, 3)]), "shape is that of every input"
    yield "pack rank", pack(0, 2, (2,)), "shape is that of every input"

    def unpack(axis: int, count: int, targets: Sequence[Shape], dtype: Any = np.int8) -> bytes:
        return model("UNPACK", [(2, 3, 4)], targets, "UnpackOptions", axis=axis, num=count, dtype=dtype)

    yield "unpack int64", unpack(0, 2, [(3, 4)] * 2, np.int64), "one type"
    yield "unpack axis", unpack(-4, 2, [(3, 4)] * 2), "along axis -4"
    yield "unpack count", unpack(0, 3, [(3, 4)] * 2), "2 of 3 outputs"
    yield "unpack few", unpack(1, 2, [(2, 4)] * 2), "every index"
    yield "unpack shape", unpack(0, 2, [(3, 4), (4, 3)]), "without the axis"

    def split(axis: Operand, parts: Sequence[Shape], dtype: Any = np.int8) -> bytes:
        return model("SPLIT", [axis, image], parts, "SplitOptions", numSplits=len(parts), dtype=dtype)

    yield "split int64", split(i32(3), [(1, 4, 4, 1)] * 2, np.int64), "one type"
    yield "split axis", split(i32(4), [(1, 4, 4, 1)] * 2), "one of the input's dimensions"
    yield "split axes", split(i32(3, 3), [(1, 4, 4, 1)] * 2), "one int32 constant"
    yield "split wide axis", split(np.array(3), [(1, 4, 4, 1)] * 2), "must be int32"
    yield "split computed axis", split((1,), [(1, 4, 4, 1)] * 2), "must be a constant"
    yield "split sum", split(i32(2), [(1, 4, 1, 2)] * 3), "add up"
    yield "split unequal", split(i32(2), [(1, 4, 1, 2), (1, 4, 3, 2)]), "one shape"
    yield "split shapes", split(i32(2), [(1, 4, 2, 2), (1, 2, 4, 2)]), "input's shape"
    yield "split_v few", model("SPLIT_V", [image, i32(4)], [image], "SplitVOptions", numSplits=1), "input 2 is missing"

    def cut(begin: np.ndarray, size: np.ndarray, target: Shape, source: Shape = image, dtype: Any = np.int8) -> bytes:
        return model("SLICE", [source, begin, size], [target], dtype=dtype)

    zeros, full = np.zeros(4, np.int32), np.array(image, np.int32)
    yield "slice int64 data", cut(zeros, full, image, dtype=np.int64), "one type"
    yield "slice outside", cut(i32(0, 1, 0, 0), full, image), "inside the input"
    yield "slice before", cut(i32(0, -1, 0, 0), full, image), "inside the input"
    yield "slice nothing", cut(zeros, i32(1, 0, 4, 2), image), "inside the input"
    yield "slice beyond", cut(i32(0, 9, 0, 0), i32(1, -1, 4, 2), image), "inside the input"
    yield "slice shape", cut(zeros, full, (1, 4, 4, 1)), "output's shape"
    yield "slice rank", cut(zeros[:3], full[:3], image), "a value for each"
    yield "slice matrix", cut(zeros.reshape(2, 2), full.reshape(2, 2), image), "a value for each"
    yield "slice rank 6", cut(np.zeros(6, np.int32), np.ones(6, np.int32), (1,) * 6, (1,) * 6), "1 to 5"
    yield "slice float", cut(zeros.astype(np.float32), full, image), "must be int32 or int64"

    def stride(target: Shape, strides: Any = (1, 1, 1, 1), begin: Any = zeros, source: Shape = image, **masks: Any) -> bytes:
        operands = [source, i32(*begin), i32(*source), i32(*strides)]
        return model("STRIDED_SLICE", operands, [target], "StridedSliceOptions", **masks)

    yield "strided zero", stride(image, (1, 0, 1, 1)), "No stride is zero"
    yield "strided shrink back", stride((1, 4, 2), (1, -1, 1, 1), shrinkAxisMask=2), "positive strides"
    yield "strided shrink beyond", stride((1, 4, 2), begin=(0, 4, 0, 0), shrinkAxisMask=2), "output's shape"
    yield "strided ellipsis", stride(image, ellipsisMask=1), "no ellipses"
    yield "strided new axis", stride(image, newAxisMask=1), "no ellipses"
    yield "strided offset", stride(image, offset=True), "no ellipses"
    yield "strided nothing", stride(image, (1, -1, 1, 1)), "output's shape"
    yield "strided shape", stride(image, (1, 2, 1, 1)), "output's shape"
    yield "strided short", stride(image, (1, 1, 1)), "a value for each"
    yield "strided rank 5", stride((1,) * 5, (1,) * 5, (0,) * 5, (1,) * 5), "1 to 4 dimensions"

    def permuted(order: Operand, target: Shape = image, source: Shape = image, dtype: Any = np.int8) -> bytes:
        return model("TRANSPOSE", [source, order], [target], "TransposeOptions", dtype=dtype)

    yield "transpose int32", permuted(i32(0, 1, 2, 3), dtype=np.int32), "one type"
    yield "transpose twice", permuted(i32(0, 1, 1, 3)), "each of 1 to 5 dimensions once"
    yield "transpose range", permuted(i32(0, 1, 2, 4)), "each of 1 to 5 dimensions once"
    yield "transpose negative", permuted(i32(0, 1, 2, -1)), "each of 1 to 5 dimensions once"
    yield "transpose few", permuted(i32(0, 1, 2)), "each of 1 to 5 dimensions once"
    yield "transpose shape", permuted(i32(0, 1, 3, 2)), "output's shape"
    yield "transpose computed", permuted((4,)), "must be a constant"
    yield "transpose rank 6", permuted(np.arange(6, dtype=np.int32), (1,) * 6, (1,) * 6), "1 to 5"

    for kind, source, target in (("SPACE_TO_DEPTH", (1, 4, 4, 1), (1, 2, 2, 4)), ("DEPTH_TO_SPACE", (1, 2, 2, 4), (1, 4, 4, 1))):
        for block in (0, -2, 1, 3, 1 << 30):
            yield f"{kind} {block}", model(kind, [source], [target], options_of(kind), blockSize=block), "squares"
        data = model(kind, [source[1:]], [target[1:]], options_of(kind), blockSize=2)
        yield f"{kind} rank 3", data, "NHWC"
        yield f"{kind} int16", model(kind, [source], [target], options_of(kind), blockSize=2, dtype=np.int16), "one type"


@pytest.mark.parametrize(("data", "reason"), [pytest.param(d, r, id=n) for n, d, r in refusals()])
def test_refused(data: bytes, reason: str) -> None:
    with pytest.raises(Unsupported, match=reason):
        only_operator(data)


def test_constants_fold() -> None:
    b = ModelBuilder()
    x = b.input((1, 2, 3, 4))
    c = b.constant(np.arange(24).reshape(1, 4, 3, 2), scale=0.05)
    t = b.tensor((1, 2, 3, 4), scale=0.05)
    b.operator("TRANSPOSE", [c, b.constant([0, 3, 2, 1], np.int32)], [t], "TransposeOptions")
    y = b.tensor((1, 4, 3, 4), scale=0.05)
    b.operator("CONCATENATION", [t, x], [y], "ConcatenationOptions", axis=1)
    data = b.build([y])
    assert [op.kind for op in build(data, "m").graph.operators] == ["CONCATENATION"]
    assert_bit_exact([data])
