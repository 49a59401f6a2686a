"""Interval arithmetic over a quantised graph: what each channel of each int8 tensor can hold, whatever the inputs are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import singledispatch

import numpy as np
from numpy.typing import NDArray

from tflm_mcunet.fixed_point import multiply, quantize_multipliers, requantize
from tflm_mcunet.graph import Graph, Tensor
from tflm_mcunet.operators.add import Add
from tflm_mcunet.operators.base import Clamped, Operator
from tflm_mcunet.operators.broadcast import Binary
from tflm_mcunet.operators.concatenation import Concatenation
from tflm_mcunet.operators.conv_2d import Conv2D
from tflm_mcunet.operators.convolution import Convolution, Windowed
from tflm_mcunet.operators.depthwise_conv_2d import DepthwiseConv2D
from tflm_mcunet.operators.fully_connected import FullyConnected
from tflm_mcunet.operators.minimum import Minimum
from tflm_mcunet.operators.mul import Mul
from tflm_mcunet.operators.pad import Pad
from tflm_mcunet.operators.pooling import Pool2D
from tflm_mcunet.operators.reshape import Reshape
from tflm_mcunet.operators.sum import Sum
from tflm_mcunet.operators.unary import Unary

Integers = NDArray[np.int64]

WORD = 1 << 31
"""Magnitudes below this do not wrap around in 32 bits."""


@dataclass(frozen=True)
class Interval:
    """Per channel, the last dimension, bounds of all values; both inclusive."""

    low: Integers
    high: Integers

    @property
    def constant(self) -> NDArray[np.bool_]:
        """Which channels hold one value."""
        return self.low == self.high

    def clamped(self, low: int, high: int) -> Interval:
        return Interval(np.clip(self.low, low, high), np.clip(self.high, low, high))


Known = Mapping[Tensor, Interval]


def intervals(graph: Graph) -> dict[Tensor, Interval]:
    """The intervals of all int8 tensors of the graph; inputs may hold any value."""
    known = {tensor: _given(tensor) for tensor in graph.tensors() if tensor.dtype == np.int8}
    for op in graph.operators:
        if len(op.outputs) == 1 and op.output in known:
            found = _output(op, known)
            if found is not None:
                known[op.output] = found
    return known


def channels(tensor: Tensor) -> int:
    """The last dimension."""
    return (tensor.shape[-1] if tensor.shape else 1) or 1


def _given(tensor: Tensor) -> Interval:
    """Of a constant its values, of other tensors the whole range of int8."""
    count = channels(tensor)
    if tensor.data is None or tensor.elements == 0:
        return _any(count)
    values = tensor.data.reshape(-1, count).astype(np.int64)
    return Interval(values.min(axis=0), values.max(axis=0))


def _any(count: int, low: int = -128, high: int = 127) -> Interval:
    return Interval(np.full(count, low, np.int64), np.full(count, high, np.int64))


@singledispatch
def _output(op: Operator, known: Known) -> Interval | None:
    """The interval of an operator's one int8 output; None where nothing is known."""
    return None


@_output.register
def _(op: Clamped, known: Known) -> Interval | None:
    return _any(channels(op.output), *op.limits)


# ---- convolutions ----


@dataclass(frozen=True)
class Taps:
    """Which taps of a window, flattened, lie inside the image for every output, and which for none."""

    always: NDArray[np.bool_]
    never: NDArray[np.bool_]

    @property
    def sometimes(self) -> NDArray[np.bool_]:
        return ~self.always & ~self.never


def taps(op: Windowed) -> Taps:
    """Where the taps of an operator's windows lie."""
    inside: list[NDArray[np.bool_]] = []
    for axis in op.axes:
        at = np.arange(axis.size)[:, None] * axis.dilation - axis.before + np.arange(axis.output) * axis.stride
        inside.append((at >= 0) & (at < axis.input))
    vertical, horizontal = inside
    always = np.logical_and.outer(vertical.all(axis=1), horizontal.all(axis=1))
    ever = np.logical_and.outer(vertical.any(axis=1), horizontal.any(axis=1))
    return Taps(always.reshape(-1), ~ever.reshape(-1))


@_output.register
def _(op: Conv2D, known: Known) -> Interval:
    if op.groups != 1:
        return _any(channels(op.output), *op.limits)
    weights = op.weights.reshape(len(op.weights), -1, op.weights.shape[3])
    return _weighted(op, weights, known[op.input(0)], taps(op))


@_output.register
def _(op: DepthwiseConv2D, known: Known) -> Interval:
    weights = op.weights.reshape(-1, op.weights.shape[3]).T[:, :, None]
    source = np.arange(len(weights)) // op.depth_multiplier
    given = known[op.input(0)]
    return _weighted(op, weights, Interval(given.low[source, None, None], given.high[source, None, None]), taps(op))


@_output.register
def _(op: FullyConnected, known: Known) -> Interval:
    given = known[op.input(0)]
    if op.weights.shape[1] % len(given.low):
        return _any(channels(op.output), *op.limits)
    weights = op.weights.reshape(len(op.weights), -1, len(given.low))
    count = weights.shape[1]
    return _weighted(op, weights, given, Taps(np.ones(count, np.bool_), np.zeros(count, np.bool_)))


def _weighted(op: Convolution, weights: NDArray[np.int8], given: Interval, place: Taps) -> Interval:
    """Of a convolution with weights [outputs, taps, inputs]. Taps outside the image contribute nothing, in any combination."""
    zero = op.input(0).zero_point
    values = weights.astype(np.int64)
    first, second = values * (given.low - zero), values * (given.high - zero)
    low, high = np.minimum(first, second).sum(axis=2), np.maximum(first, second).sum(axis=2)
    low = np.where(place.always, low, np.where(place.never, 0, np.minimum(low, 0)))
    high = np.where(place.always, high, np.where(place.never, 0, np.maximum(high, 0)))
    bias = op.bias.astype(np.int64)
    return _requantized(op, bias + low.sum(axis=1), bias + high.sum(axis=1))


def _requantized(op: Convolution, low: Integers, high: Integers) -> Interval:
    """Requantisation is monotone as long as nothing wraps around."""
    limits = op.limits
    found = _any(len(low), *limits)
    multipliers, shifts = quantize_multipliers(op.channel_scales)
    zero = op.output.zero_point
    for channel in range(len(low)):
        multiplier, shift = int(multipliers[channel]), int(shifts[channel])
        ends = int(low[channel]), int(high[channel])
        if any(abs(end) << max(shift, 0) >= WORD - 1 for end in ends):
            continue
        scaled = sorted(multiply(end, multiplier, shift) + zero for end in ends)
        if all(abs(end) < WORD - 1 for end in scaled):
            found.low[channel], found.high[channel] = np.clip(scaled, *limits)
    return found


# ---- other operators ----


@_output.register
def _(op: Unary, known: Known) -> Interval | None:
    if not op.tabular or op.input(0) not in known:
        return None
    table, given = op.table().astype(np.int64), known[op.input(0)]
    parts = [table[low + 128 : high + 129] for low, high in zip(given.low, given.high, strict=True)]
    return Interval(np.array([part.min() for part in parts]), np.array([part.max() for part in parts]))


@_output.register(Add)
@_output.register(Mul)
@_output.register(Minimum)
def _(op: Binary, known: Known) -> Interval | None:
    """All of these take their least and greatest values where both operands do."""
    a, b = (known[op.input(position)] for position in (0, 1))
    corners = [op.compute(x, y) for x in (a.low, a.high) for y in (b.low, b.high)]
    shape = (channels(op.output),)
    low, high = (np.broadcast_to(f(corners, axis=0), shape).astype(np.int64) for f in (np.min, np.max))
    return Interval(low, high)


@_output.register
def _(op: Pool2D, known: Known) -> Interval:
    """The mean and the largest of some values lie between the least and the largest of them."""
    inside = (axis.rows() for axis in op.axes)
    if any(np.any(ranges.low >= ranges.high) for ranges in inside):
        return _any(channels(op.output), *op.limits)
    return known[op.input(0)].clamped(*op.limits)


@_output.register
def _(op: Sum, known: Known) -> Interval | None:
    source, target = op.input(0), op.output
    if not keeps_channels(op):
        return None
    given = known[source]
    multiplier, shift = op.rescaling
    sums = [op.count * (end - source.zero_point) for end in (given.low, given.high)]
    if op.count * 255 << max(shift, 0) >= WORD - 1 or multiplier < 0 or shift < -31:
        return None
    low, high = (requantize(end, multiplier, shift, target.zero_point, *op.limits) for end in sums)
    return Interval(low, high)


def keeps_channels(op: Sum) -> bool:
    """Whether a reduction leaves the last dimension alone."""
    source, target = op.input(0), op.output
    return bool(source.shape) and len(source.shape) - 1 not in op.axes and channels(target) == channels(source)


@_output.register
def _(op: Pad, known: Known) -> Interval | None:
    given = known[op.input(0)]
    if any(op.paddings[-1]):
        return None
    if not any(map(any, op.paddings)):
        return given
    return Interval(np.minimum(given.low, int(op.value)), np.maximum(given.high, int(op.value)))


@_output.register
def _(op: Reshape, known: Known) -> Interval | None:
    """Bytes keep their order: where one last dimension divides the other, channels repeat or come together."""
    given, count = known[op.input(0)], channels(op.output)
    if count % len(given.low) == 0:
        repeats = count // len(given.low)
        return Interval(np.tile(given.low, repeats), np.tile(given.high, repeats))
    if len(given.low) % count == 0:
        return Interval(given.low.reshape(-1, count).min(axis=0), given.high.reshape(-1, count).max(axis=0))
    return None


@_output.register
def _(op: Concatenation, known: Known) -> Interval:
    parts = [known[op.input(position)] for position in op.data]
    join = np.concatenate if op.positive_axis == len(op.output.shape) - 1 else None
    if join is not None:
        return Interval(join([p.low for p in parts]), join([p.high for p in parts]))
    return Interval(np.min([p.low for p in parts], axis=0), np.max([p.high for p in parts], axis=0))
