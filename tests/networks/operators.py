"""One generator per operator: adds it to a network, reading a given value. To add an operator, add a function to the table.

A generator returns the int8 activations that it made, or nothing where the operator does not fit the value. All keep to what
TFLM's Prepare functions accept.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tests.networks.network import ACTIVATIONS, CLAMPS, CODES, MAX_ELEMENTS, MAX_MACS, Network, Value

Generator = Callable[[Network, Value], list[Value]]
GENERATORS: dict[str, Generator] = {}


def operator(kind: str) -> Callable[[Generator], Generator]:
    def register(function: Generator) -> Generator:
        GENERATORS[kind] = function
        return function

    return register


# ---- windows ----


def drawn_axis(n: Network, extent: int, padding: str, dilated: bool, limit: int = 7) -> tuple[int, int, int]:
    """Size, stride and dilation of a window along an axis; a VALID one fits."""
    dilation = n.source.choice((1, 1, 1, 2, 3)) if dilated else 1
    most = limit if padding == "SAME" else min(limit, (extent - 1) // dilation + 1)
    return n.source.integer(1, most), n.source.choice((1, 1, 2, 3)), dilation


def target(padding: str, extent: int, size: int, stride: int, dilation: int) -> int:
    covered = extent if padding == "SAME" else extent - (size - 1) * dilation
    return -(-covered // stride)


def clamped(sample: np.ndarray, activation: str) -> np.ndarray:
    return np.clip(sample, *CLAMPS[activation])


def weights(n: Network, shape: tuple[int, ...], channel_axis: int, spread: float) -> tuple[np.ndarray, np.ndarray]:
    """int8 weights and their scales, so that sums over unit inputs have a deviation around `spread`."""
    channels = shape[channel_axis]
    values = n.rng.integers(n.source.choice((-127, -127, -128, -3)), 128, shape)
    if n.source.chance(10):
        values[n.rng.random(shape) < 0.7] = 0
    if n.source.chance(10):  # dead channels, as pruned models have them
        index = [slice(None)] * len(shape)
        index[channel_axis] = n.rng.integers(0, channels, max(1, channels // 2))  # type: ignore[call-overload]
        values[tuple(index)] = 0
    per_channel = n.source.chance(70)
    taps = values.size / channels
    scales = spread / (75 * math.sqrt(taps)) * 2 ** n.rng.uniform(-2, 1, channels if per_channel else 1)
    if len(scales) > 1 and n.source.chance(8):  # mcunet_in3_320kb has such scales
        scales[n.rng.integers(0, channels)] *= -1
    return values, scales.astype(np.float32).astype(float)


def accumulate(n: Network, x: Value, values: np.ndarray, scales: np.ndarray, channel_axis: int) -> np.ndarray:
    """Draws of the weighted sums."""
    by_channel = np.moveaxis(values, channel_axis, 0).reshape(values.shape[channel_axis], -1)
    picked = n.rng.integers(0, len(by_channel), 160)
    sums = (n.rng.choice(x.sample, (160, by_channel.shape[1])) * by_channel[picked]).sum(axis=1)
    return sums * (scales[picked] if len(scales) > 1 else scales[0])


def bias(n: Network, x: Value, scales: np.ndarray, channels: int, deviation: float) -> tuple[list[int], float]:
    """A bias tensor, or none; and the deviation it adds."""
    if n.source.chance(15):
        return [], 0.0
    deviation *= n.source.choice((0.3, 1.0))
    steps = np.broadcast_to(scales * x.scale, channels)
    data = np.clip(np.round(n.rng.normal(0, deviation, channels) / steps), -(2**30), 2**30)
    return [n.builder.constant(data, np.int32, scales * x.scale, 0)], deviation


def weighted(
    n: Network,
    kind: str,
    x: Value,
    weight_shape: tuple[int, ...],
    channel_axis: int,
    shape: Sequence[int],
    options: str,
    activation: str | None = None,
    extra: Sequence[int] = (),
    **fields: Any,
) -> list[Value]:
    """An operator with int8 weights and int32 bias; `extra` are inputs before the weights (TRANSPOSE_CONV)."""
    channels = weight_shape[channel_axis]
    if math.prod(shape) > MAX_ELEMENTS or math.prod(shape) * math.prod(weight_shape) // channels > MAX_MACS:
        return []
    deviation = max(float(np.std(x.sample)), 1e-3)
    values, scales = weights(n, weight_shape, channel_axis, n.source.real(0.5, 2.0) / deviation)
    sums = accumulate(n, x, values, scales, channel_axis)
    w = n.builder.constant(values, np.int8, scales, 0, axis=channel_axis)
    biases, added = bias(n, x, scales, channels, float(np.std(sums)) + 1e-3)
    activation = activation or n.source.choice(ACTIVATIONS)
    y = n.activation(shape, clamped(sums + n.rng.normal(0, added, len(sums)), activation))
    inputs = [*extra, w, x, *biases] if extra else [x, w, *biases]
    return n.apply(kind, inputs, [y], options, fusedActivationFunction=CODES[activation], **fields)


Window = tuple[tuple[int, int, int], tuple[int, int, int]]


def window_options(padding: str, axes: Window, dilated: bool = True) -> dict[str, int]:
    (_, stride_h, dilation_h), (_, stride_w, dilation_w) = axes
    fields = {"padding": 0 if padding == "SAME" else 1, "strideH": stride_h, "strideW": stride_w}
    return fields | ({"dilationHFactor": dilation_h, "dilationWFactor": dilation_w} if dilated else {})


def convolution(
    n: Network,
    x: Value,
    outputs: int,
    axes: Window = ((1, 1, 1), (1, 1, 1)),
    padding: str = "SAME",
    activation: str | None = None,
    groups: int = 1,
) -> list[Value]:
    """CONV_2D with what is given; `axes` are (size, stride, dilation) of height and width."""
    _, height, width, channels = x.shape
    shape = (1, target(padding, height, *axes[0]), target(padding, width, *axes[1]), outputs)
    weight_shape = (outputs, axes[0][0], axes[1][0], channels // groups)
    fields = window_options(padding, axes)
    return weighted(n, "CONV_2D", x, weight_shape, 0, shape, "Conv2DOptions", activation, **fields)


def depthwise(
    n: Network, x: Value, multiplier: int, axes: Window, padding: str = "SAME", activation: str | None = None
) -> list[Value]:
    """DEPTHWISE_CONV_2D with what is given."""
    _, height, width, channels = x.shape
    depth = channels * multiplier
    shape = (1, target(padding, height, *axes[0]), target(padding, width, *axes[1]), depth)
    fields = window_options(padding, axes) | {"depthMultiplier": multiplier}
    weight_shape = (1, axes[0][0], axes[1][0], depth)
    return weighted(n, "DEPTHWISE_CONV_2D", x, weight_shape, 3, shape, "DepthwiseConv2DOptions", activation, **fields)


def drawn_axes(n: Network, x: Value, padding: str, dilated: bool = True) -> Window:
    return drawn_axis(n, x.shape[1], padding, dilated), drawn_axis(n, x.shape[2], padding, dilated)


@operator("CONV_2D")
def conv_2d(n: Network, x: Value) -> list[Value]:
    if not x.is_image:
        return []
    padding = n.source.choice(("SAME", "VALID"))
    outputs = n.source.integer(17, 48) if n.source.chance(15) else n.source.integer(1, 16)
    groups = [g for g in range(2, 9) if x.shape[3] % g == 0] if n.source.chance(10) else []
    group = n.source.choice(groups) if groups else 1
    axes: Window = ((1, 1, 1), (1, 1, 1)) if n.source.chance(30) else drawn_axes(n, x, padding)
    return convolution(n, x, -(-outputs // group) * group, axes, padding, groups=group)


@operator("DEPTHWISE_CONV_2D")
def depthwise_conv_2d(n: Network, x: Value) -> list[Value]:
    if not x.is_image:
        return []
    padding = n.source.choice(("SAME", "VALID"))
    return depthwise(n, x, n.source.choice((1, 1, 1, 2, 3)), drawn_axes(n, x, padding), padding)


@operator("FULLY_CONNECTED")
def fully_connected(n: Network, x: Value, outputs: int | None = None, activation: str | None = None) -> list[Value]:
    whole = x.rank < 2 or (x.shape[0] == 1 and n.source.chance(60))
    depth = x.elements if whole else x.shape[-1]
    outputs = outputs or n.source.integer(1, 20)
    shape = (1, outputs) if whole else (*x.shape[:-1], outputs)
    fields = {"keepNumDims": not whole}
    return weighted(n, "FULLY_CONNECTED", x, (outputs, depth), 0, shape, "FullyConnectedOptions", activation, **fields)


@operator("TRANSPOSE_CONV")
def transpose_conv(n: Network, x: Value) -> list[Value]:
    if not x.is_image:
        return []
    padding = n.source.choice(("SAME", "VALID"))
    sizes, strides, extents = [], [], []
    for extent in x.shape[1:3]:
        size, stride = n.source.integer(1, 5), n.source.choice((2, 1, 3))
        # Any output whose forward convolution gives the input's size; VALID: the last window need not end at the edge.
        slack = n.source.integer(0, stride - 1)
        extents.append(extent * stride - slack if padding == "SAME" else (extent - 1) * stride + size + slack)
        sizes.append(size)
        strides.append(stride)
    outputs = n.source.integer(1, 8)
    shape = (1, *extents, outputs)
    fields = {"padding": 0 if padding == "SAME" else 1, "strideH": strides[0], "strideW": strides[1]}
    extra = [n.integers(shape)]
    weight_shape = (outputs, *sizes, x.shape[3])
    return weighted(n, "TRANSPOSE_CONV", x, weight_shape, 0, shape, "TransposeConvOptions", extra=extra, **fields)


def pool(kind: str, mean: bool) -> None:
    @operator(kind)
    def generate(n: Network, x: Value) -> list[Value]:
        if not x.is_image:
            return []
        padding = n.source.choice(("SAME", "VALID"))
        axes = drawn_axes(n, x, padding, dilated=False)
        if padding == "VALID" and n.source.chance(20):
            axes = ((x.shape[1], 1, 1), (x.shape[2], 1, 1))
        taps = axes[0][0] * axes[1][0]
        shape = (1, *(target(padding, e, *a) for e, a in zip(x.shape[1:3], axes, strict=True)), x.shape[3])
        activation = n.source.choice(ACTIVATIONS)
        drawn = n.draw(x, 160, taps)
        sample = clamped(drawn.mean(axis=1) if mean else drawn.max(axis=1), activation)
        y = n.activation(shape, sample, x.quantization)
        fields = window_options(padding, axes, dilated=False)
        fields |= {"filterHeight": axes[0][0], "filterWidth": axes[1][0], "fusedActivationFunction": CODES[activation]}
        return n.apply(kind, [x], [y], "Pool2DOptions", **fields)


pool("AVERAGE_POOL_2D", mean=True)
pool("MAX_POOL_2D", mean=False)

# ---- reductions ----


def reduce_axes(
    n: Network, x: Value, kind: str, function: Callable[[np.ndarray], np.ndarray], same: bool, axes: Sequence[int], keep: bool
) -> list[Value]:
    """A reduction over `axes`; `same`: the output has the input's quantisation."""
    shape = tuple(1 if i in axes else d for i, d in enumerate(x.shape) if keep or i not in axes)
    taps = math.prod(x.shape[i] for i in axes)
    sample = function(n.draw(x, 160, taps))
    y = n.activation(shape, sample, x.quantization if same else None)
    given = [i - x.rank if n.source.chance(20) else i for i in axes]
    return n.apply(kind, [x, n.integers(given)], [y], "ReducerOptions", keepDims=keep)


def drawn_reduction(n: Network, x: Value) -> tuple[list[int], bool] | None:
    first = 1 if x.rank > 1 else 0
    axes = [i for i in range(first, x.rank) if n.source.chance(50)]
    if x.rank == 4 and n.source.chance(50):
        axes = n.source.choice(([1, 2], [2, 1], [1, 2, 3]))
    keep = n.source.chance(50)
    return (axes, keep) if axes and (keep or len(axes) < x.rank) else None


def reduction(kind: str, function: Callable[[np.ndarray], np.ndarray], same: bool) -> None:
    @operator(kind)
    def generate(n: Network, x: Value) -> list[Value]:
        drawn = drawn_reduction(n, x)
        return [] if drawn is None else reduce_axes(n, x, kind, function, same, *drawn)


reduction("MEAN", lambda a: a.mean(axis=1), same=False)
reduction("SUM", lambda a: a.sum(axis=1), same=False)
reduction("REDUCE_MAX", lambda a: a.max(axis=1), same=True)


@operator("ARG_MAX")
def arg_max(n: Network, x: Value) -> list[Value]:
    axis = n.source.integer(0, x.rank - 1)
    shape = without(x.shape, axis)
    if not shape:
        return []
    y = n.builder.tensor(shape, np.int32)
    return n.apply("ARG_MAX", [x, n.integers(axis)], [y], "ArgMaxOptions", outputType=2)


# ---- elementwise, two operands ----


def broadcasts(one: tuple[int, ...], two: tuple[int, ...]) -> bool:
    return all(a == b or 1 in (a, b) for a, b in zip(reversed(one), reversed(two), strict=False))


def partner(n: Network, x: Value) -> Value:
    """Another operand that broadcasts with x: an activation, a constant, or x itself."""
    if n.source.chance(40):
        shape = [1 if n.source.chance(30) else d for d in x.shape][n.source.choice((0, 0, 0, min(1, x.rank - 1), x.rank - 1)) :]
        return n.constant(shape)
    fits = [v for v in n.values if v.rank <= 4 and broadcasts(v.shape, x.shape) and v is not x]
    return n.source.choice(fits) if fits and n.source.chance(90) else x


def elementwise(
    n: Network,
    x: Value,
    y: Value,
    kind: str,
    function: Callable[[np.ndarray, np.ndarray], np.ndarray],
    options: str,
    *,
    fused: bool,
    same: bool = False,
    activation: str | None = None,
) -> list[Value]:
    """An operator on two operands; `fused`: it has a fused activation, `same`: all have one quantisation."""
    if not broadcasts(x.shape, y.shape) or max(x.rank, y.rank) > 4 or (x.constant and y.constant):
        return []
    shape = np.broadcast_shapes(x.shape, y.shape)
    if math.prod(shape) > MAX_ELEMENTS:
        return []
    if same:
        y = n.like(y, x)
    activation = activation or (n.source.choice(ACTIVATIONS) if fused else "NONE")
    a, b = n.draw(x), n.draw(y)
    z = n.activation(shape, clamped(function(a, b), activation), x.quantization if same else None)
    fields = {"fusedActivationFunction": CODES[activation]} if fused else {}
    return n.apply(kind, [x, y], [z], options, **fields)


def two_operands(
    kind: str, function: Callable[[np.ndarray, np.ndarray], np.ndarray], options: str, *, fused: bool, same: bool = False
) -> None:
    @operator(kind)
    def generate(n: Network, x: Value) -> list[Value]:
        y = partner(n, x)
        if n.source.chance(50) and not same:
            x, y = y, x
        return elementwise(n, x, y, kind, function, options, fused=fused, same=same)


two_operands("ADD", np.add, "AddOptions", fused=True)
two_operands("SUB", np.subtract, "SubOptions", fused=True)
two_operands("MUL", np.multiply, "MulOptions", fused=True)
two_operands("MINIMUM", np.minimum, "MaximumMinimumOptions", fused=False, same=True)
two_operands("MAXIMUM", np.maximum, "MaximumMinimumOptions", fused=False, same=True)


@operator("PRELU")
def prelu(n: Network, x: Value) -> list[Value]:
    if x.rank > 4:
        return []
    alpha = n.constant([1 if n.source.chance(40) else d for d in x.shape][1 if x.rank > 1 else 0 :])
    sample = np.where(x.sample >= 0, x.sample, x.sample * n.draw(alpha))
    return n.apply("PRELU", [x, alpha], [n.activation(x.shape, sample)])


# ---- elementwise, one operand ----


def one_operand(
    kind: str,
    function: Callable[[np.ndarray], np.ndarray],
    options: str | None,
    quantization: tuple[float, int] | None = None,
    same: bool = False,
) -> None:
    """`quantization` is fixed by TFLM, or that of the input (`same`), or drawn."""

    @operator(kind)
    def generate(n: Network, x: Value) -> list[Value]:
        y = n.activation(x.shape, function(x.sample), x.quantization if same else quantization)
        return n.apply(kind, [x], [y], options)


one_operand("LOGISTIC", lambda a: 1 / (1 + np.exp(-np.clip(a, -50, 50))), None, (1 / 256, -128))
one_operand("TANH", np.tanh, None, (1 / 128, 0))
one_operand("RELU", lambda a: np.maximum(a, 0), None)
one_operand("RELU6", lambda a: np.clip(a, 0, 6), None, same=True)
one_operand("QUANTIZE", lambda a: a, "QuantizeOptions")


@operator("HARD_SWISH")
def hard_swish(n: Network, x: Value) -> list[Value]:
    sample = x.sample * np.clip(x.sample + 3, 0, 6) / 6
    scale, zero_point = n.quantization(sample)
    scale = max(scale, x.scale / 100)  # TFLM wants x.scale / 128 / scale below 1
    return n.apply("HARD_SWISH", [x], [n.activation(x.shape, sample, (scale, zero_point))], "HardSwishOptions")


@operator("LEAKY_RELU")
def leaky_relu(n: Network, x: Value) -> list[Value]:
    alpha = n.source.choice((0.01, 0.3, 0.1, -0.5, 1.5))
    y = n.activation(x.shape, np.where(x.sample >= 0, x.sample, x.sample * alpha))
    return n.apply("LEAKY_RELU", [x], [y], "LeakyReluOptions", alpha=alpha)


@operator("SOFTMAX")
def softmax(n: Network, x: Value) -> list[Value]:
    beta = n.source.choice((1.0, 1.0, 0.5, 3.0))
    drawn = np.exp(beta * np.clip(n.draw(x, 160, x.shape[-1]), -50, 50))
    y = n.activation(x.shape, (drawn / drawn.sum(axis=1, keepdims=True))[:, 0], (1 / 256, -128))
    return n.apply("SOFTMAX", [x], [y], "SoftmaxOptions", beta=beta)


@operator("DEQUANTIZE")
def dequantize(n: Network, x: Value) -> list[Value]:
    tensor = n.builder.tensor(x.shape, np.float32)
    return n.apply("DEQUANTIZE", [x], [Value(tensor, x.shape, 1.0, 0, x.sample, dtype=np.float32)], "DequantizeOptions")


# ---- shapes and data movement; MOVES are also for values of other types ----

MOVES: dict[type[np.generic], tuple[str, ...]] = {
    np.int16: ("RESHAPE", "SQUEEZE", "EXPAND_DIMS", "TRANSPOSE", "PAD", "SLICE", "STRIDED_SLICE", "SPLIT", "SPLIT_V", "UNPACK"),
    np.uint8: (),
}
MOVES[np.float32] = (*MOVES[np.int16], "MIRROR_PAD", "SPACE_TO_DEPTH", "DEPTH_TO_SPACE")


def reshaped(n: Network, x: Value, shape: Sequence[int]) -> list[Value]:
    inputs: list[Value | int] = [x] if n.source.chance(20) else [x, n.integers(shape)]
    return n.apply("RESHAPE", inputs, [n.moved(x, shape)], "ReshapeOptions", newShape=list(shape))


@operator("RESHAPE")
def reshape(n: Network, x: Value) -> list[Value]:
    rest, shape = x.elements, []
    for _ in range(n.source.integer(0, 2)):
        divisors = [d for d in range(1, min(rest, 32) + 1) if rest % d == 0]
        shape.append(n.source.choice(divisors))
        rest //= shape[-1]
    shape = [1, *shape, rest]
    if n.source.chance(40) and len(shape) < 4:
        shape = [1] * (4 - len(shape)) + shape
    return reshaped(n, x, shape)


@operator("SQUEEZE")
def squeeze(n: Network, x: Value) -> list[Value]:
    ones = [i for i, d in enumerate(x.shape) if d == 1 and n.source.chance(70)]
    if not ones:
        ones = [i for i, d in enumerate(x.shape) if d == 1]
    shape = [d for i, d in enumerate(x.shape) if i not in ones]
    if not ones or not shape:
        return []
    return n.apply("SQUEEZE", [x], [n.moved(x, shape)], "SqueezeOptions", squeezeDims=ones)


@operator("EXPAND_DIMS")
def expand_dims(n: Network, x: Value) -> list[Value]:
    if x.rank > (4 if n.source.chance(10) else 3):
        return []
    axis = n.source.integer(0, x.rank)
    shape = (*x.shape[:axis], 1, *x.shape[axis:])
    given = axis - x.rank - 1 if n.source.chance(20) else axis
    return n.apply("EXPAND_DIMS", [x, n.integers(given)], [n.moved(x, shape)], "ExpandDimsOptions")


def transposed(n: Network, x: Value, order: Sequence[int]) -> list[Value]:
    y = n.moved(x, [x.shape[i] for i in order])
    return n.apply("TRANSPOSE", [x, n.integers(order)], [y], "TransposeOptions")


@operator("TRANSPOSE")
def transpose(n: Network, x: Value) -> list[Value]:
    if x.rank > 5:
        return []
    order = list(range(x.rank))
    for i in range(x.rank - 1, 0, -1):
        j = n.source.integer(0, i)
        order[i], order[j] = order[j], order[i]
    if n.source.chance(60) and order.index(0) != 0:  # the batch mostly stays where it is
        order.remove(0)
        order.insert(0, 0)
    return transposed(n, x, order)


def concatenated(n: Network, parts: Sequence[Value], axis: int) -> list[Value]:
    """CONCATENATION of values that agree but along `axis`, all in the first one's quantisation."""
    same = [parts[0], *(n.like(p, parts[0]) for p in parts[1:])]
    shape = [sum(p.shape[i] for p in same) if i == axis else d for i, d in enumerate(parts[0].shape)]
    sample = n.rng.choice(np.concatenate([p.sample for p in same]), 160)
    y = n.activation(shape, sample, parts[0].quantization)
    given = axis - parts[0].rank if n.source.chance(30) else axis
    return n.apply("CONCATENATION", same, [y], "ConcatenationOptions", axis=given, fusedActivationFunction=0)


def without(shape: tuple[int, ...], axis: int) -> tuple[int, ...]:
    return shape[:axis] + shape[axis + 1 :]


@operator("CONCATENATION")
def concatenation(n: Network, x: Value) -> list[Value]:
    axis = n.source.choice((x.rank - 1, n.source.integer(0, x.rank - 1)))
    if axis == 0 and x.rank == 4 and not n.source.chance(10):
        axis = 3
    parts = [x]
    for _ in range(n.source.integer(1, 3)):
        fits = [v for v in n.values if without(v.shape, axis) == without(x.shape, axis) and v.rank == x.rank]
        if n.source.chance(20) or not fits:
            parts.append(n.constant([n.source.integer(1, 3) if i == axis else d for i, d in enumerate(x.shape)], x.quantization))
        else:
            parts.append(n.source.choice(fits))
    order = [parts.pop(n.source.integer(0, len(parts) - 1)) for _ in range(len(parts))]
    if sum(p.elements for p in order) > MAX_ELEMENTS or order[0].constant:
        return []
    return concatenated(n, order, axis)


@operator("PACK")
def pack(n: Network, x: Value) -> list[Value]:
    if x.rank > 3:
        return []
    same = [v for v in n.values if v.shape == x.shape]
    parts = [x]
    for _ in range(n.source.integer(1, 2)):
        other = n.constant(x.shape, x.quantization) if n.source.chance(20) else n.source.choice(same)
        parts.append(n.like(other, x))
    axis = n.source.integer(0, x.rank)
    shape = (*x.shape[:axis], len(parts), *x.shape[axis:])
    given = axis - x.rank - 1 if n.source.chance(20) else axis
    return n.apply("PACK", parts, [n.moved(x, shape)], "PackOptions", valuesCount=len(parts), axis=given)


@operator("UNPACK")
def unpack(n: Network, x: Value) -> list[Value]:
    axes = [i for i, d in enumerate(x.shape) if d <= 6]
    if x.rank < 2 or not axes:
        return []
    axis = n.source.choice(axes)
    shape = without(x.shape, axis)
    parts = [n.moved(x, shape) for _ in range(x.shape[axis])]
    given = axis - x.rank if n.source.chance(20) else axis
    return n.apply("UNPACK", [x], parts, "UnpackOptions", num=len(parts), axis=given)


def splittable(n: Network, x: Value) -> int | None:
    axes = [i for i, d in enumerate(x.shape) if d > 1]
    return n.source.choice(axes) if axes else None


def splitted(n: Network, x: Value, axis: int, count: int) -> list[Value]:
    """SPLIT into `count` equal parts."""
    shape = [d // count if i == axis else d for i, d in enumerate(x.shape)]
    given = axis - x.rank if n.source.chance(20) else axis
    parts = [n.moved(x, shape) for _ in range(count)]
    return n.apply("SPLIT", [n.integers(given), x], parts, "SplitOptions", numSplits=count)


@operator("SPLIT")
def split(n: Network, x: Value) -> list[Value]:
    axis = splittable(n, x)
    if axis is None:
        return []
    counts = [c for c in range(2, 7) if x.shape[axis] % c == 0]
    return splitted(n, x, axis, n.source.choice(counts)) if counts else []


@operator("SPLIT_V")
def split_v(n: Network, x: Value) -> list[Value]:
    axis = splittable(n, x)
    if axis is None:
        return []
    sizes, rest = [], x.shape[axis]
    while rest and len(sizes) < 3:
        sizes.append(n.source.integer(1, rest) if len(sizes) < 2 else rest)
        rest -= sizes[-1]
    parts = [n.moved(x, [s if i == axis else d for i, d in enumerate(x.shape)]) for s in sizes]
    inputs = [x, n.integers(sizes), n.integers(axis - x.rank if n.source.chance(20) else axis)]
    return n.apply("SPLIT_V", inputs, parts, "SplitVOptions", numSplits=len(sizes))


@operator("SLICE")
def slice_(n: Network, x: Value) -> list[Value]:
    if x.rank > 5:
        return []
    begin = [n.source.integer(0, d - 1) if n.source.chance(50) else 0 for d in x.shape]
    size = [n.source.integer(1, d - b) if n.source.chance(60) else d - b for d, b in zip(x.shape, begin, strict=True)]
    given = [-1 if b + s == d and n.source.chance(40) else s for d, b, s in zip(x.shape, begin, size, strict=True)]
    return n.apply("SLICE", [x, n.integers(begin), n.integers(given)], [n.moved(x, size)], "SliceOptions")


@operator("STRIDED_SLICE")
def strided_slice(n: Network, x: Value) -> list[Value]:
    if x.rank > 4:
        return []
    cuts, shape = [], []
    masks = {"beginMask": 0, "endMask": 0, "shrinkAxisMask": 0}
    for axis, extent in enumerate(x.shape):
        begin = n.source.integer(0, extent - 1) if n.source.chance(50) else 0
        if x.rank > 1 and n.source.chance(12) and (shape or axis < x.rank - 1):
            masks["shrinkAxisMask"] |= 1 << axis
            end, stride = begin + 1, 1
        elif n.source.chance(10):  # backwards, from the last element on
            begin, end, stride = extent - 1, -extent - 1, -1
            shape.append(extent)
        else:
            end = n.source.integer(begin + 1, extent) if n.source.chance(50) else extent
            stride = n.source.choice((1, 1, 2, 3))
            shape.append(-(-(end - begin) // stride))
            masks["beginMask"] |= (begin == 0 and n.source.chance(50)) << axis
            masks["endMask"] |= (end == extent and n.source.chance(50)) << axis
            end -= extent * (end < extent and n.source.chance(20))
        cuts.append((begin - extent * n.source.chance(20), end, stride))
    inputs = [x, *(n.integers(column) for column in zip(*cuts, strict=True))]
    return n.apply("STRIDED_SLICE", inputs, [n.moved(x, shape)], "StridedSliceOptions", **masks)


def drawn_paddings(n: Network, x: Value, limit: Callable[[int], int]) -> np.ndarray | None:
    """(rank, 2) paddings, mostly of height and width; none along a batch."""
    paddings = np.zeros((x.rank, 2), int)
    for axis, extent in enumerate(x.shape):
        inner = 0 < axis < x.rank - 1
        if (axis > 0 or x.rank < 3) and n.source.chance(75 if inner else 20):
            paddings[axis] = [n.source.integer(0, limit(extent)) for _ in range(2)]
    shape = np.array(x.shape) + paddings.sum(axis=1)
    return paddings if math.prod(shape.tolist()) <= MAX_ELEMENTS else None


def padded(n: Network, x: Value, kind: str, paddings: np.ndarray, options: str, **fields: int) -> list[Value]:
    shape = [d + int(p.sum()) for d, p in zip(x.shape, paddings, strict=True)]
    inputs: list[Value | int] = [x, n.integers(paddings)]
    if kind == "PADV2":
        inputs.append(n.constant(n.source.choice(((), (1,))), x.quantization))
    return n.apply(kind, inputs, [n.moved(x, shape)], options, **fields)


def pad(kind: str, options: str) -> None:
    @operator(kind)
    def generate(n: Network, x: Value) -> list[Value]:
        paddings = drawn_paddings(n, x, lambda extent: 3) if x.rank <= 4 else None
        return [] if paddings is None else padded(n, x, kind, paddings, options)


pad("PAD", "PadOptions")
pad("PADV2", "PadV2Options")


@operator("MIRROR_PAD")
def mirror_pad(n: Network, x: Value) -> list[Value]:
    mode = n.source.integer(0, 1)  # REFLECT, SYMMETRIC
    paddings = drawn_paddings(n, x, lambda extent: min(3, extent - 1 + mode))
    return [] if paddings is None else padded(n, x, "MIRROR_PAD", paddings, "MirrorPadOptions", mode=mode)


def resized(n: Network, x: Value, kind: str, size: Sequence[int], corners: bool, centers: bool) -> list[Value]:
    y = n.moved(x, (1, *size, x.shape[3]))
    options = "ResizeBilinearOptions" if kind == "RESIZE_BILINEAR" else "ResizeNearestNeighborOptions"
    return n.apply(kind, [x, n.integers(size)], [y], options, alignCorners=corners, halfPixelCenters=centers)


def resize(kind: str) -> None:
    @operator(kind)
    def generate(n: Network, x: Value) -> list[Value]:
        if not x.is_image:
            return []
        size = [n.source.choice((2 * d, n.source.integer(1, 15))) for d in x.shape[1:3]]
        if size[0] * size[1] * x.shape[3] > MAX_ELEMENTS:
            return []
        flags = [(False, False), (True, False), (False, True)]
        corners, centers = n.source.choice(flags if kind == "RESIZE_BILINEAR" else [*flags, (True, True)])
        return resized(n, x, kind, size, corners, centers)


resize("RESIZE_NEAREST_NEIGHBOR")
resize("RESIZE_BILINEAR")


@operator("SPACE_TO_DEPTH")
def space_to_depth(n: Network, x: Value) -> list[Value]:
    blocks = [b for b in (2, 3, 4, 1) if x.is_image and x.shape[1] % b == x.shape[2] % b == 0 and x.shape[3] * b * b <= 64]
    if not blocks:
        return []
    block = n.source.choice(blocks)
    shape = (1, x.shape[1] // block, x.shape[2] // block, x.shape[3] * block * block)
    return n.apply("SPACE_TO_DEPTH", [x], [n.moved(x, shape)], "SpaceToDepthOptions", blockSize=block)


@operator("DEPTH_TO_SPACE")
def depth_to_space(n: Network, x: Value) -> list[Value]:
    blocks = [b for b in (2, 3, 4, 1) if x.is_image and x.shape[3] % (b * b) == 0]
    if not blocks:
        return []
    block = n.source.choice(blocks)
    shape = (1, x.shape[1] * block, x.shape[2] * block, x.shape[3] // (block * block))
    return n.apply("DEPTH_TO_SPACE", [x], [n.moved(x, shape)], "DepthToSpaceOptions", blockSize=block)
