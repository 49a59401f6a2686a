"""What real models are made of: residuals, inverted bottlenecks, gates, pyramids, branches, heads."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from tests.networks.network import Network, Value
from tests.networks.operators import GENERATORS as OPERATOR
from tests.networks.operators import (
    Window,
    concatenated,
    convolution,
    depthwise,
    elementwise,
    fully_connected,
    padded,
    reduce_axes,
    reshaped,
    resized,
    splitted,
    target,
    transposed,
)

Pattern = Callable[[Network, Value], list[Value]]
PATTERNS: dict[str, tuple[frozenset[str], Pattern]] = {}


def pattern(*kinds: str) -> Callable[[Pattern], Pattern]:
    """Registers a pattern that needs these operators."""

    def register(function: Pattern) -> Pattern:
        PATTERNS[function.__name__] = frozenset(kinds), function
        return function

    return register


def square(size: int, stride: int = 1) -> Window:
    return (size, stride, 1), (size, stride, 1)


def add(n: Network, x: Value, y: Value) -> list[Value]:
    return elementwise(n, x, y, "ADD", np.add, "AddOptions", fused=True)


def multiply(n: Network, x: Value, y: Value) -> list[Value]:
    return elementwise(n, x, y, "MUL", np.multiply, "MulOptions", fused=True, activation="NONE")


@pattern("CONV_2D", "ADD")
def residual(n: Network, x: Value) -> list[Value]:
    """One or two convolutions and a shortcut, with a strided 1x1 convolution where the shape changes."""
    if not x.is_image:
        return []
    stride, outputs = n.source.choice((1, 1, 2)), n.source.choice((x.shape[3], n.source.integer(1, 12)))
    y = convolution(n, x, outputs, square(n.source.choice((3, 1, 5)), stride))
    if y and n.source.chance(50):
        y = convolution(n, y[0], outputs, square(3))
    shortcut = [x] if y and y[0].shape == x.shape else convolution(n, x, outputs, square(1, stride))
    return add(n, y[0], shortcut[0]) if y and shortcut else []


@pattern("CONV_2D", "DEPTHWISE_CONV_2D", "ADD")
def inverted_bottleneck(n: Network, x: Value) -> list[Value]:
    """1x1 expansion, depthwise, 1x1 projection, and the residual where shapes agree."""
    if not x.is_image:
        return []
    stride = n.source.choice((1, 1, 2))
    expanded = convolution(n, x, x.shape[3] * n.source.integer(1, 4), activation="RELU6")
    y = depthwise(n, expanded[0], 1, square(n.source.choice((3, 5, 7)), stride), activation="RELU6") if expanded else []
    outputs = x.shape[3] if n.source.chance(70) else n.source.integer(1, 12)
    y = convolution(n, y[0], outputs, activation="NONE") if y else []
    return add(n, x, y[0]) if y and y[0].shape == x.shape else y


@pattern("MEAN", "CONV_2D", "MUL", "LOGISTIC")
def squeeze_excite(n: Network, x: Value) -> list[Value]:
    """A gate per channel computed from the mean of the map."""
    if not x.is_image:
        return []
    mean = reduce_axes(n, x, "MEAN", lambda a: a.mean(axis=1), False, (1, 2), True)
    squeezed = convolution(n, mean[0], max(1, x.shape[3] // 2), activation="RELU")
    if not squeezed:
        return []
    excited = convolution(n, squeezed[0], x.shape[3], activation="NONE")
    gate = n.source.choice(("LOGISTIC", "HARD_SWISH")) if n.knows("HARD_SWISH") else "LOGISTIC"
    return multiply(n, x, OPERATOR[gate](n, excited[0])[0]) if excited else []


@pattern("MEAN", "FULLY_CONNECTED", "MUL", "LOGISTIC", "RESHAPE")
def dense_gate(n: Network, x: Value) -> list[Value]:
    """Squeeze and excite with FULLY_CONNECTED."""
    if not x.is_image:
        return []
    mean = reduce_axes(n, x, "MEAN", lambda a: a.mean(axis=1), False, (1, 2), False)
    excited = fully_connected(n, mean[0], x.shape[3])
    if not excited:
        return []
    gate = OPERATOR["LOGISTIC"](n, excited[0])
    return multiply(n, reshaped(n, gate[0], (1, 1, 1, x.shape[3]))[0], x)


@pattern("CONV_2D", "ADD", "CONCATENATION", "RESIZE_NEAREST_NEIGHBOR", "RESIZE_BILINEAR")
def pyramid(n: Network, x: Value) -> list[Value]:
    """Down by two, up again, merged with what was there before, as a feature pyramid."""
    if not x.is_image:
        return []
    down = convolution(n, x, n.source.integer(1, 10), square(3, 2))
    if not down:
        return []
    inner = convolution(n, down[0], x.shape[3], square(3))
    if not inner:
        return []
    kind = n.source.choice(("RESIZE_NEAREST_NEIGHBOR", "RESIZE_BILINEAR"))
    corners, centers = n.source.choice(((False, False), (False, True), (True, False)))
    up = resized(n, inner[0], kind, x.shape[1:3], corners, centers)
    return add(n, x, up[0]) if n.source.chance(60) else concatenated(n, [up[0], x], 3)


@pattern("SPLIT", "CONV_2D", "CONCATENATION", "QUANTIZE")
def split_branches(n: Network, x: Value) -> list[Value]:
    """Halves of the channels go different ways."""
    if not x.is_image or x.shape[3] % 2:
        return []
    one, two = splitted(n, x, 3, 2)
    y = convolution(n, two, n.source.integer(1, 8), square(n.source.choice((1, 3))))
    return concatenated(n, [one, y[0]] if n.source.chance(50) else [y[0], one], 3) if y else []


@pattern("CONV_2D", "CONCATENATION", "MAX_POOL_2D", "QUANTIZE")
def inception(n: Network, x: Value) -> list[Value]:
    """Branches of several windows over one map."""
    if not x.is_image:
        return []
    parts = [convolution(n, x, n.source.integer(1, 5), square(size)) for size in (1, 3, 5)[: n.source.integer(2, 3)]]
    if not all(parts) or sum(p[0].elements for p in parts) > 6000:
        return []
    return concatenated(n, [p[0] for p in parts], 3)


@pattern("RESHAPE", "TRANSPOSE")
def channel_shuffle(n: Network, x: Value) -> list[Value]:
    groups = [g for g in (2, 3, 4) if x.is_image and x.shape[3] % g == 0]
    if not groups:
        return []
    group = n.source.choice(groups)
    _, height, width, channels = x.shape
    y = reshaped(n, x, (height, width, group, channels // group))
    y = transposed(n, y[0], (0, 1, 3, 2))
    return reshaped(n, y[0], x.shape)


@pattern("PAD", "CONV_2D", "DEPTHWISE_CONV_2D")
def padded_convolution(n: Network, x: Value) -> list[Value]:
    """Explicit padding before a VALID window, as Keras' ZeroPadding2D leaves it."""
    if not x.is_image:
        return []
    size, stride = n.source.choice((3, 5, 2)), n.source.choice((2, 1))
    paddings = np.array([[0, 0], [n.source.integer(0, 2), size // 2], [n.source.integer(0, 2), size // 2], [0, 0]])
    y = padded(n, x, "PAD", paddings, "PadOptions")
    if min(y[0].shape[1:3]) < size:
        return y
    if n.source.chance(50):
        return depthwise(n, y[0], 1, square(size, stride), "VALID")
    return convolution(n, y[0], n.source.integer(1, 10), square(size, stride), "VALID")


@pattern("MEAN", "FULLY_CONNECTED", "SOFTMAX")
def head(n: Network, x: Value) -> list[Value]:
    """Global pooling, classes, probabilities."""
    if not x.is_image:
        return []
    y = reduce_axes(n, x, "MEAN", lambda a: a.mean(axis=1), False, (1, 2), False)
    y = fully_connected(n, y[0], n.source.integer(2, 12), activation="NONE")
    if not y:
        return []
    if n.knows("ARG_MAX") and n.source.chance(30):
        OPERATOR["ARG_MAX"](n, y[0])
    return OPERATOR["SOFTMAX"](n, y[0])


@pattern("AVERAGE_POOL_2D", "RESHAPE", "FULLY_CONNECTED")
def pooled_head(n: Network, x: Value) -> list[Value]:
    """AVERAGE_POOL_2D over the whole map, RESHAPE, FULLY_CONNECTED."""
    if not x.is_image:
        return []
    shape = (1, target("VALID", x.shape[1], x.shape[1], 1, 1), 1, x.shape[3])
    y = n.activation(shape, n.draw(x, 160, x.shape[1] * x.shape[2]).mean(axis=1), x.quantization)
    fields = {"padding": 1, "strideH": x.shape[1], "strideW": x.shape[2], "filterHeight": x.shape[1], "filterWidth": x.shape[2]}
    pooled = n.apply("AVERAGE_POOL_2D", [x], [y], "Pool2DOptions", **fields)
    return fully_connected(n, reshaped(n, pooled[0], (1, x.shape[3]))[0])
