"""Every rewrite: that it happens, that it changes no byte, and when it must not happen."""

from __future__ import annotations

import numpy as np
import pytest

from tests.build import ModelBuilder
from tests.oracle import assert_bit_exact
from tflm_mcunet.compiler import Program, build
from tflm_mcunet.options import Options


def kinds(program: Program) -> list[str]:
    return [op.kind for op in program.graph.operators]


def convolution(b: ModelBuilder, x: int, *, padding: int = 1, stride: int = 1, window: int = 3) -> int:
    """A convolution with `window` squared taps and 4 outputs."""
    rng = np.random.default_rng(len(b.tensors))
    _, height, width, channels = b.shape(x)
    weights = b.constant(rng.integers(-127, 128, (4, window, window, channels)), scale=0.01)
    size = [-(-n // stride) if padding == 0 else (n - window) // stride + 1 for n in (height, width)]
    y = b.tensor((1, *size, 4), scale=0.2, zero_point=-9)
    b.operator("CONV_2D", [x, weights], [y], "Conv2DOptions", padding=padding, strideH=stride, strideW=stride)
    return y


def pad(b: ModelBuilder, x: int, paddings: list[list[int]]) -> int:
    shape = [n + sum(p) for n, p in zip(b.shape(x), paddings, strict=True)]
    source = b.tensors[x].quantization
    y = b.tensor(shape, scale=source.scale[0], zero_point=source.zeroPoint[0])
    b.operator("PAD", [x, b.constant(paddings, np.int32)], [y], "PadOptions")
    return y


@pytest.mark.parametrize("padding", [0, 1])
@pytest.mark.parametrize("stride", [1, 2])
def test_pad_folds_into_the_convolution(padding: int, stride: int) -> None:
    b = ModelBuilder()
    x = b.input((1, 7, 6, 3), zero_point=17)
    y = pad(b, pad(b, x, [[0, 0], [1, 2], [0, 3], [0, 0]]), [[0, 0], [1, 0], [2, 1], [0, 0]])
    model = b.build([convolution(b, y, padding=padding, stride=stride)])
    assert kinds(build(model)) == ["CONV_2D"]
    assert build(model).lowered.network.tensors[0].size == 7 * 6 * 3
    assert_bit_exact([model], samples=5)


def test_pad_stays_where_it_pads_channels_or_is_an_output() -> None:
    b = ModelBuilder()
    y = pad(b, b.input((1, 4, 4, 2)), [[0, 0], [0, 0], [0, 0], [1, 0]])
    model = b.build([convolution(b, y)])
    assert kinds(build(model)) == ["PAD", "CONV_2D"]
    b = ModelBuilder()
    y = pad(b, b.input((1, 4, 4, 2)), [[0, 0], [1, 1], [1, 1], [0, 0]])
    both = b.build([convolution(b, y), y])
    assert sorted(kinds(build(both))) == ["CONV_2D", "PAD"]
    assert_bit_exact([model, both])


def reshape(b: ModelBuilder, x: int, shape: tuple[int, ...]) -> int:
    source = b.tensors[x].quantization
    y = b.tensor(shape, scale=source.scale[0], zero_point=source.zeroPoint[0])
    b.operator("RESHAPE", [x, b.constant(shape, np.int32)], [y], "ReshapeOptions")
    return y


def transpose(b: ModelBuilder, x: int, permutation: list[int]) -> int:
    source = b.tensors[x].quantization
    y = b.tensor([b.shape(x)[a] for a in permutation], scale=source.scale[0], zero_point=source.zeroPoint[0])
    b.operator("TRANSPOSE", [x, b.constant(permutation, np.int32)], [y], "TransposeOptions")
    return y


def test_views_share_one_buffer_and_need_no_code() -> None:
    b = ModelBuilder()
    x = b.input((1, 60))
    y = convolution(b, transpose(b, reshape(b, reshape(b, x, (1, 4, 15)), (5, 1, 4, 3)), [1, 0, 2, 3]))
    model = b.build([reshape(b, y, (1, int(np.prod(b.shape(y)))))])
    program = build(model)
    assert kinds(program) == ["RESHAPE", "CONV_2D", "RESHAPE"]
    assert len(program.lowered.network.tensors) == 2
    assert_bit_exact([model])


def fully_connected(b: ModelBuilder, x: int) -> int:
    rng = np.random.default_rng(3)
    depth = int(np.prod(b.shape(x)))
    y = b.tensor((1, 5), scale=0.4, zero_point=1)
    weights = b.constant(rng.integers(-127, 128, (5, depth)), scale=0.01)
    b.operator("FULLY_CONNECTED", [x, weights], [y], "FullyConnectedOptions")
    return y


def test_transpose_moves_into_weights_and_axes() -> None:
    b = ModelBuilder()
    x = b.input((1, 3, 4, 5))
    model = b.build([fully_connected(b, reshape(b, transpose(b, x, [0, 3, 2, 1]), (1, 60)))])
    assert kinds(build(model)) == ["FULLY_CONNECTED"]
    b = ModelBuilder()
    x = b.input((1, 3, 4, 5))
    mean = b.tensor((1, 5, 1), scale=0.02, zero_point=3)
    axes = b.constant([3], np.int32)
    y = transpose(b, x, [0, 3, 2, 1])
    second = b.tensor((1, 5, 4), scale=0.02, zero_point=3)
    b.operator("MEAN", [y, axes], [second], "ReducerOptions")
    b.operator("MEAN", [second, b.constant([2], np.int32)], [mean], "ReducerOptions", keepDims=True)
    twice = b.build([mean])
    assert_bit_exact([model, twice], samples=5)


def unary(b: ModelBuilder, kind: str, x: int, scale: float, zero_point: int) -> int:
    y = b.tensor(b.shape(x), scale=scale, zero_point=zero_point)
    b.operator(kind, [x], [y])
    return y


def test_clamps_narrow_the_convolution_and_tables_compose() -> None:
    b = ModelBuilder()
    y = convolution(b, b.input((1, 5, 5, 3)))
    model = b.build([unary(b, "RELU", y, 0.2, -9)])
    program = build(model)
    assert kinds(program) == ["CONV_2D"]
    assert program.lowered.operators[0].clamp == (-9, 127)  # type: ignore[attr-defined]
    b = ModelBuilder()
    y = unary(b, "HARD_SWISH", b.input((1, 5, 5, 3)), 0.04, -20)
    tables = b.build([unary(b, "LOGISTIC", unary(b, "TANH", y, 1 / 128, 0), 1 / 256, -128)])
    assert kinds(build(tables)) == ["LOOKUP"]
    b = ModelBuilder()
    y = unary(b, "HARD_SWISH", b.input((1, 5, 5, 3)), 0.04, -20)
    branched = b.build([unary(b, "TANH", y, 1 / 128, 0), y])
    assert sorted(kinds(build(branched))) == ["HARD_SWISH", "TANH"]
    assert_bit_exact([model, tables, branched], samples=5)


def test_dequantize_quantize_is_a_table() -> None:
    b = ModelBuilder()
    x = b.input((1, 3, 3, 2), scale=0.03, zero_point=5)
    real, y = b.tensor((1, 3, 3, 2), np.float32), b.tensor((1, 3, 3, 2), scale=0.05, zero_point=-1)
    b.operator("DEQUANTIZE", [x], [real], "DequantizeOptions")
    b.operator("QUANTIZE", [real], [y], "QuantizeOptions")
    model = b.build([y])
    assert kinds(build(model)) == ["LOOKUP"]
    assert_bit_exact([model], samples=20)


def test_dead_operators_go_and_constants_fold() -> None:
    b = ModelBuilder()
    x = b.input((1, 5, 5, 3))
    convolution(b, x)
    constant = b.constant(np.arange(-6, 6).reshape(1, 3, 4, 1), scale=0.1)
    turned = transpose(b, constant, [0, 2, 1, 3])
    model = b.build([convolution(b, x), turned])
    program = build(model)
    assert kinds(program) == ["CONV_2D"]
    assert program.graph.outputs[1].constant
    assert_bit_exact([model])


def edges(kind: type, between: bool) -> bytes:
    """Float or uint8 edges around a convolution, with a RESHAPE before the QUANTIZE where `between`."""
    b = ModelBuilder()
    scale, zero = (None, 0) if kind is np.float32 else (0.05, 131)
    x = b.input((1, 75) if between else (1, 5, 5, 3), kind, scale=scale, zero_point=zero)
    if between:
        shaped = b.tensor((1, 5, 5, 3), kind, scale=scale, zero_point=zero)
        b.operator("RESHAPE", [x, b.constant((1, 5, 5, 3), np.int32)], [shaped], "ReshapeOptions")
        x = shaped
    quantized = b.tensor((1, 5, 5, 3), scale=0.05, zero_point=3)
    b.operator("QUANTIZE", [x], [quantized], "QuantizeOptions")
    y = convolution(b, quantized)
    real = b.tensor(b.shape(y), np.float32)
    b.operator("DEQUANTIZE", [y], [real], "DequantizeOptions")
    return b.build([real])


@pytest.mark.parametrize("between", [False, True])
@pytest.mark.parametrize("kind", [np.float32, np.uint8])
def test_int8_edges(kind: type, between: bool) -> None:
    program = build(edges(kind, between), options=Options(io="int8"))
    assert [t.dtype for t in (*program.graph.inputs, *program.graph.outputs)] == [np.int8, np.int8]
    assert (program.graph.inputs[0].scale, program.graph.inputs[0].zero_point) == (pytest.approx(0.05), 3)
    assert [op.kind for op in program.lowered.operators] == ["CONV_2D"]


def test_edges_that_are_also_read_otherwise_stay() -> None:
    b = ModelBuilder()
    x = b.input((1, 4), np.float32, scale=None)
    y = b.tensor((1, 4), scale=0.05)
    other = b.tensor((1, 4), scale=0.07)
    b.operator("QUANTIZE", [x], [y], "QuantizeOptions")
    b.operator("QUANTIZE", [x], [other], "QuantizeOptions")
    program = build(b.build([y, other]), options=Options(io="int8"))
    assert program.graph.inputs[0].dtype == np.float32
