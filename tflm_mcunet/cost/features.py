"""What an operator's work consists of, as counts: the features of the cost model."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

from tflm_mcunet.operators.base import Operator
from tflm_mcunet.operators.conv_2d import Conv2D
from tflm_mcunet.operators.convolution import Windowed
from tflm_mcunet.operators.depthwise_conv_2d import DepthwiseConv2D
from tflm_mcunet.operators.fully_connected import FullyConnected
from tflm_mcunet.operators.inverted_bottleneck import InvertedBottleneck
from tflm_mcunet.operators.window import Axis


@dataclass(frozen=True)
class Features:
    """The family of kernels that share coefficients, and the counts that these multiply.

    event: calls of the kernel. row: steps of the schedule. value: outputs; constant: those that no input changes. mac:
    multiply-accumulates. gather: inputs that are copied or expanded first; ragged: those that are moved byte by byte; piece:
    contiguous parts in which they are read; edge: those that are not all inside the image, or may not be.
    group: pixels that are computed together, blocks of a row's columns where depthwise. start: channels that are set up, once
    per tile, or runs of groups; column: blocks of columns that walk down a tile, or rows of single channels. read: inputs of
    operators without weights.

    Of bottlenecks as one operator, mac counts pixels that are expanded in pairs, single mac others and projections, gather the
    depthwise convolution; piece: columns of pixels that are expanded; edge: values that are clamped.
    """

    family: str
    values: Mapping[str, float]


@dataclass(frozen=True)
class Tiling:
    """How a kernel rounds up: pixels and output channels that it computes together, taps that it takes at a time."""

    pixels: int = 1
    channels: int = 1
    taps: int = 1


PLAIN = Tiling(channels=4)
DSP = Tiling(pixels=3, channels=2, taps=4)
MVE = Tiling(pixels=4, channels=4, taps=16)
COLUMNS, PLANES = 4, 4
"""Columns of a block of the depthwise kernels, portable and for the DSP extension; channels that the latter gather together."""
DIRECT_ROWS = 8
"""Rows that the direct depthwise kernel computes with weights that it has widened once."""


CHUNK = 16
"""Channels in a vector register."""


def features(op: Operator, block: int) -> Features:
    """The features of `op` where its events are `block` steps each."""
    if isinstance(op, FullyConnected):
        return _fully_connected(op, block)
    if isinstance(op, DepthwiseConv2D):
        return _depthwise(op, block)
    if isinstance(op, Conv2D):
        return _convolution(op, block)
    if isinstance(op, InvertedBottleneck):
        return _inverted_bottleneck(op, block)
    values = {
        "event": _up(op.steps, block),
        "row": op.steps,
        "value": sum(t.elements for t in op.outputs),
        "read": sum(t.elements for t in op.present_inputs if not t.constant),
        "mac": op.macs_executed,
    }
    if isinstance(op, Windowed):
        values["mac"] = op.output.elements * op.window[0] * op.window[1]
    return Features(_family(op), values)


def _convolution(op: Conv2D, block: int) -> Features:
    tiling = _tiling(op)
    if tiling == MVE:
        return _convolution_mve(op, block)
    if tiling == DSP:
        return _convolution_dsp(op, block)
    _, height, width, channels = op.output.nhwc
    taps = op.weights[0].size
    full, rest = divmod(op.steps, block)
    groups = full * _up(block * width, tiling.pixels) + _up(rest * width, tiling.pixels)
    outputs = groups * tiling.pixels * _rounded(channels, tiling.channels)
    dense = op.groups == 1 and op.dilation[1] == 1
    pieces = op.window[0] * (op.window[1] if tiling == PLAIN and not dense else 1)
    values = {
        "event": full + bool(rest),
        "row": height,
        "group": groups,
        "value": outputs,
        "mac": outputs * _rounded(taps, tiling.taps),
        "gather": groups * tiling.pixels * _rounded(taps, tiling.taps) * op.groups,
        "piece": groups * tiling.pixels * pieces * op.groups,
        "edge": _edge(op) * op.window[1],  # pixel by pixel
    }
    return Features(_family(op, "pointwise" if op.pointwise else ""), values)


def _convolution_dsp(op: Any, block: int) -> Features:
    _, height, width, _ = op.output.nhwc
    full, rest = divmod(op.steps, block)
    live, constant = _channels(op)
    pixels, quads = op.pixels, op.quads
    values: dict[str, float] = {"event": full + bool(rest), "row": height}
    if op.in_place_pixels:
        groups = full * _up(block * width, pixels) + _up(rest * width, pixels)
        values |= {"gather": groups * pixels * DSP.taps * quads, "piece": groups * pixels}
        used = groups * quads
    else:
        groups, used, copied = _windows(op, block)
        values |= copied
    values |= {
        "group": groups,
        "value": groups * pixels * live,
        "mac": used * pixels * 4 * live,
        "constant": groups * pixels * constant,
    }
    narrow = "" if pixels == DSP.pixels else str(pixels)
    return Features(_family(op, " ".join(filter(None, ("pointwise" if op.in_place_pixels else "", narrow)))), values)


def _windows(op: Any, block: int) -> tuple[int, int, dict[str, float]]:
    """Groups of pixels, the quads of taps that these have, and what is expanded for them: once for all output rows of a strip."""
    vertical, horizontal = op.axes
    _, height, width, _ = op.output.nhwc
    across, left = divmod(width, op.pixels)
    first, last = _interior(horizontal)
    plain = op.pixels == DSP.pixels and horizontal.dilation == 1
    quick = max(last // op.pixels - _up(first, op.pixels), 0) if plain else 0
    groups = starts = fast = slow = 0
    for strip, count in Counter(_strips(op, block)).items():
        below = _up(strip * left, op.pixels)
        span = (strip - 1) * vertical.stride + vertical.size
        groups += count * (strip * across + below)
        starts += count * ((strip if op.rest > 1 else 1) * across + below)
        fast += count * quick * span
        slow += count * ((across - quick) * span + below * vertical.size)
    skips = plain and op.input(0).zero_point == -128 and op.rest <= 1 and vertical.dilation == 1
    outside = (height * vertical.size - vertical.inside) * across if skips else 0
    ragged = op.weights.shape[2] * op.weights.shape[3] - DSP.taps * op.whole  # of a kernel row
    copied = {
        "start": starts,
        "piece": op.pixels * fast,
        "edge": op.pixels * slow,
        "gather": op.pixels * DSP.taps * (op.whole * (fast + slow) + op.rest * groups),
        "ragged": op.pixels * ragged * (fast + slow),
    }
    return groups, groups * op.quads - outside * op.whole, copied


def _strips(op: Any, block: int) -> Iterator[int]:
    """The heights of all strips."""
    for first in range(0, op.steps, block):
        rows = min(block, op.steps - first)
        yield from (min(op.strip, rows - row) for row in range(0, rows, op.strip))


def _interior(axis: Axis) -> tuple[int, int]:
    """The outputs [first, last) whose windows lie wholly inside the input."""
    first = min(_up(max(axis.before, 0), axis.stride), axis.output)
    return first, max(first, min((axis.input - axis.reach + axis.before) // axis.stride + 1, axis.output))


def _edge(op: Conv2D | DepthwiseConv2D) -> int:
    """Rows of windows that reach beyond the left or right edge of the image."""
    first, last = _interior(op.axes[1])
    return op.output.nhwc[1] * op.window[0] * (op.axes[1].output - (last - first))


def _convolution_mve(op: Conv2D, block: int) -> Features:
    _, height, width, channels = op.output.nhwc
    depth = op.weights[0].size
    full, rest = divmod(op.steps, block)
    runs = ((full, block * width), (1, rest * width))
    fours, ones = (sum(count * _products(pixels, channels)[kind] for count, pixels in runs) for kind in (0, 1))
    outputs, taps = _rounded(channels, MVE.channels), _rounded(depth, MVE.taps)
    values = {
        "event": full + bool(rest),
        "row": height,
        "group": fours,
        "value": fours * MVE.pixels * outputs,
        "mac": fours * MVE.pixels * outputs * taps,
        "single value": ones * outputs,
        "single mac": ones * outputs * taps,
    }
    if not op.pointwise:
        values |= {"gather": height * width * depth, "piece": height * width * op.window[0], "edge": _edge(op)}
    variant = ("pointwise " if op.pointwise else "") + ("deep" if depth > MVE.taps else "shallow")
    return Features(f"Conv2DMve {variant}", values)


def _products(pixels: int, channels: int) -> tuple[int, int]:
    """Products of four pixels, and pixels one by one, that ops/mve/mcu_matrix_mve.h makes of a run."""
    if channels < MVE.channels or pixels < MVE.pixels:
        return 0, pixels
    fours, ones = divmod(pixels, MVE.pixels)
    return (fours + 1, 0) if ones == MVE.pixels - 1 else (fours, ones)


_found: WeakKeyDictionary[Operator, tuple[int, int]] = WeakKeyDictionary()


def _channels(op: Any) -> tuple[int, int]:
    """Output channels that the pairwise kernel computes, empty places in pairs included, and those that are constant."""
    if op not in _found:
        live = [channel for channel in op.channels if channel.value is None]
        low_only = sum(not channel.high for channel in live)
        pairs = max(low_only, -(-len(live) // 2))
        _found[op] = 2 * pairs, len(op.channels) - len(live)
    return _found[op]


def _depthwise(op: DepthwiseConv2D, block: int) -> Features:
    _, height, width, channels = op.output.nhwc
    if type(op) is DepthwiseConv2D:
        return _depthwise_plain(op, block)
    if type(op).__name__ == "DepthwiseConv2DMve":
        return _depthwise_mve(op, block)
    if type(op).__name__ == "DepthwiseConv2DDirectDsp":
        return _depthwise_direct(op, block)
    kernel, stride = getattr(op, "kernel", max(op.window)), op.stride[0]
    rows, columns = getattr(op, "tile", (op.steps, width))
    strips = op.steps // block * _up(block, rows) + _up(op.steps % block, rows)
    across = max(1, width // columns)
    blocks = _up(width, COLUMNS) - ("5" in getattr(op, "blocks", ""))  # The last may have a column more.
    copied = op.steps * stride + strips * max(0, kernel - stride), width * stride + across * max(0, kernel - stride)
    values = {
        "event": _up(op.steps, block),
        "row": height,
        "start": strips * across * channels,
        "column": strips * channels * blocks,
        "group": height * channels * blocks,
        "value": op.output.elements,
        "gather": copied[0] * copied[1] * _rounded(op.input(0).nhwc[3], PLANES),
        "piece": copied[0] * across * _up(op.input(0).nhwc[3], PLANES),
    }
    return Features(_family(op, f"{kernel}x{kernel}/{stride}"), values)


def _depthwise_grouped(op: DepthwiseConv2D, block: int) -> Features:
    """What the same work has as a CONV_2D of groups."""
    _, height, width, _ = op.output.nhwc
    groups, rows, columns = op.input(0).nhwc[3], *op.window
    windows = height * width * groups
    values = {
        "event": _up(op.steps, block),
        "row": height,
        "group": height * width,
        "value": windows * _rounded(op.depth_multiplier, PLAIN.channels),
        "mac": windows * _rounded(op.depth_multiplier, PLAIN.channels) * rows * columns,
        "gather": windows * rows * columns,
        "piece": windows * rows * (1 if groups == 1 and op.dilation[1] == 1 else columns),
        "edge": _edge(op) * groups * columns,
    }
    return Features("Conv2D", values)


def _depthwise_plain(op: DepthwiseConv2D, block: int) -> Features:
    _, height, width, channels = op.output.nhwc
    if op.grouped:
        return _depthwise_grouped(op, block)
    fours = op.interior[1] // COLUMNS
    lines = op.axes[0].inside * channels
    values = {
        "event": _up(op.steps, block),
        "row": height,
        "group": height * channels * fours,
        "column": lines * fours,
        "value": op.output.elements,
        "mac": op.macs_of_fours,
        "piece": lines * (width - COLUMNS * fours),
        "single mac": op.macs_executed - op.macs_of_fours,
    }
    return Features(_family(op), values)


def _depthwise_direct(op: DepthwiseConv2D, block: int) -> Features:
    _, height, _, channels = op.output.nhwc
    full, rest = divmod(op.steps, block)
    values = {
        "event": full + bool(rest),
        "row": height,
        "start": (full * _up(block, DIRECT_ROWS) + _up(rest, DIRECT_ROWS)) * channels,
        "column": height * channels,
        "value": op.output.elements,
    }
    return Features(_family(op, str(op.stride[0])), values)


def _depthwise_mve(op: Any, block: int) -> Features:
    _, height, width, channels = op.output.nhwc
    across, strip = 2 if op.pair else 1, op.strip
    full, rest = divmod(op.steps, block)
    passes = full * _up(block, op.units) + _up(rest, op.units)
    spans = _up(width, strip)
    values = {
        "event": full + bool(rest),
        "row": height,
        "start": passes * spans * channels,
        "column": passes * spans * _up(channels, CHUNK),
        "group": op.steps * spans * _up(strip, 4 // across) * channels,
        "value": op.output.elements,
        "gather": op.steps * spans * op.columns(strip) * _rounded(channels, CHUNK),
    }
    kind = "large" if op.large else "pair" if op.pair else "small"
    return Features(_family(op, f"{kind}/{op.stride[1]}"), values)


def _inverted_bottleneck(op: InvertedBottleneck, block: int) -> Features:
    depthwise, taps = op.parts[1], op.input(0).nhwc[3]
    _, height, width, channels = op.output.nhwc
    pixels, inner = height * width, _rounded(op.inner, PLAIN.channels)
    expanded = int(op.expanded_rows.sum()) * op.columns
    pairs = int((op.expanded_rows // 2).sum()) * op.columns
    single = expanded - 2 * pairs
    outputs = (expanded * op.inner, pixels * op.inner, pixels * channels)
    values = {
        "event": _up(op.steps, block),
        "row": op.steps,
        "piece": op.steps * op.columns,
        "group": pairs * inner // PLAIN.channels,
        "mac": 2 * pairs * inner * taps,
        "start": single + pixels,
        "single mac": single * inner * taps + pixels * _rounded(channels, PLAIN.channels) * op.inner,
        "column": pixels * inner // PLAIN.channels * depthwise.window[1],
        "gather": pixels * inner * depthwise.window[0] * depthwise.window[1],
        "value": sum(outputs),
        "edge": sum(count for part, count in zip(op.parts, outputs, strict=True) if part.limits != (-128, 127)),
    }
    return Features(_family(op), values)


def _fully_connected(op: FullyConnected, block: int) -> Features:
    taps = op.weights.shape[-1]
    vectors = op.output.elements // op.output.shape[-1]
    values = {
        "event": _up(op.steps, block),
        "row": vectors,
        "value": op.output.elements,
        "mac": vectors * _rounded(op.output.shape[-1], PLAIN.channels) * _rounded(taps, _tiling(op).taps),
        "gather": vectors * taps,
    }
    return Features(_family(op), values)


def _family(op: Operator, variant: str = "") -> str:
    """The operator's class, which names its kernel, and what selects one of several functions."""
    parts = [type(op).__name__, variant]
    tail = getattr(op, "tail", "")
    if tail == "raw" or (tail == "rectified" and "Direct" in parts[0]):
        parts.append(tail)
    if getattr(op, "linear", None) is not None:
        parts.append("linear")
    return " ".join(filter(None, parts))


def _tiling(op: Operator) -> Tiling:
    name = type(op).__name__
    return DSP if name.endswith("Dsp") else MVE if name.endswith("Mve") else PLAIN


def _up(amount: int, unit: int) -> int:
    return -(-amount // unit)


def _rounded(amount: int, unit: int) -> int:
    return _up(amount, unit) * unit
