"""Weights and per-channel parameters in the order in which the DSP kernels read them, proven to give exact results."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tflm_mcunet.fixed_point import multiply, quantize_multipliers
from tflm_mcunet.graph import Array
from tflm_mcunet.operators.convolution import Convolution, folded_bias


@dataclass(frozen=True)
class Tails:
    """Numbers of the tails of ops/dsp/mcu_conv2d_dsp.h: those for one shift each, and those for any."""

    rectified_shifts: range
    linear_shifts: range

    rectified = 0

    @property
    def linear(self) -> int:
        return 4 * len(self.rectified_shifts)

    @property
    def any(self) -> tuple[int, int]:
        """Rectified and linear."""
        first = self.linear + 5 * len(self.linear_shifts)
        return first, first + 5


TAILS = Tails(range(5, 10), range(7, 10))
FEW_TAILS = Tails(range(6, 10), range(8, 10))
"""Those of ops/dsp/mcu_conv2d_small_dsp.h."""
SHORTEST_RUN = 2
"""Pairs of channels of one shift: to begin a run takes longer than a tail for any shift does for one pair."""


@dataclass(frozen=True)
class Channel:
    """One output channel: what it accumulates and how that becomes its output.

    Attributes:
        index: its place in the output pixel.
        weights: by tap, int64.
        bias: what the sum over taps of weight * (q + 128) starts from.
        bound: no |accumulator| is larger, for any input.
        multiplier, shift: out = zero + round(acc * multiplier / 2^(31 + shift)).
        value: the output where it is the same for all inputs, else None; then the weights are left out.
    """

    index: int
    weights: NDArray[np.int64]
    bias: int
    bound: int
    multiplier: int
    shift: int
    value: int | None

    @property
    def high(self) -> bool:
        """Whether it may be the high byte of a lane: 512 * acc fits 32 bits, as does the lane for any low byte."""
        return self.bound < 1 << 22 and int(self.weights.min()) > -128

    @property
    def exact(self) -> bool:
        """Whether the short requantisation is exact: see ops/dsp/mcu_dsp.h."""
        fits = self.bound < 1 << 30 and self.weights.max() < 128
        return fits and (self.value is not None or 1 <= self.shift <= 22)


def channels(op: Convolution, weights: Array) -> list[Channel]:
    """All output channels; `weights` is [channels, taps] and the inputs may take any int8 value."""
    values = weights.astype(np.int64)
    bias = folded_bias(op.bias, weights, op.input(0).zero_point).astype(np.int64)
    ends = values * -128, values * 127
    low, high = bias + np.minimum(*ends).sum(axis=1), bias + np.maximum(*ends).sum(axis=1)
    multipliers, shifts = quantize_multipliers(op.channel_scales)
    found = []
    for index in range(len(values)):
        m, shift, sign = abs(int(multipliers[index])), int(shifts[index]), 1
        if multipliers[index] < 0:
            # The same products, with the sign where requantisation expects it: in the accumulator.
            sign, low[index], high[index] = -1, -high[index], -low[index]
        bound = int(max(-low[index], high[index]))
        value = None
        if bound << max(shift, 0) < 1 << 31:
            least, most = sorted(_output(op, int(acc), m, shift) for acc in (low[index], high[index]))
            value = least if least == most else None
        if value is not None:
            found.append(Channel(index, np.zeros_like(values[index]), 0, 0, 0, 1, value))
            continue
        offset = int(bias[index] - 128 * values[index].sum())
        found.append(Channel(index, sign * values[index], sign * offset, bound, m, -shift, value))
    return found


def _output(op: Convolution, acc: int, multiplier: int, shift: int) -> int:
    least, most = op.limits
    return min(max(multiply(acc, multiplier, shift) + op.output.zero_point, least), most)


def lanes(low: NDArray[np.int64], high: NDArray[np.int64]) -> NDArray[np.int64]:
    """Words of two lanes 256 * high + low; quads of taps in the order 0, 2, 1, 3 in which pixels are expanded."""
    lane = (256 * high + low).reshape(-1, 2, 2)
    assert lane.min() >= -(1 << 15)
    assert lane.max() < 1 << 15
    even, odd = lane[:, :, 0], lane[:, :, 1]
    pairs = np.stack([even, odd], axis=1).reshape(-1, 2)
    return (pairs[:, 0] & 0xFFFF) | (pairs[:, 1] << 16)


@dataclass(frozen=True)
class Pair:
    """Two channels that are computed together; `high` is None where the low one has no partner."""

    low: Channel
    high: Channel | None

    @property
    def first(self) -> Channel:
        """The channel whose output is stored first: without a high channel, that of the low one, until it is overwritten."""
        return self.low if self.high is None else self.high


Parameters = Callable[[Pair, bool], list[int]]
"""The words that a tail reads for a pair, given whether that ends its run."""


def stream(found: list[Channel], zero: int, tails: Tails = TAILS) -> NDArray[np.int32]:
    """The words that the three-pixel block reads: runs of pairs of channels, by shift; constant outputs last."""
    rectified = zero == -128
    shifts = tails.rectified_shifts if rectified else tails.linear_shifts
    words: list[int] = []
    groups: dict[int, list[Channel]] = defaultdict(list)
    rest: list[Channel] = []
    for channel in found:
        if channel.value is not None:
            continue
        (groups[channel.shift] if channel.shift in shifts else rest).append(channel)
    for shift, members in sorted(groups.items()):
        pairs, left = _pairs(members)
        if len(pairs) < SHORTEST_RUN:
            pairs, left = [], members
        rest += left
        if pairs and rectified:
            header = tails.rectified + 4 * shifts.index(shift), _offset(shift, zero, 8), _offset(shift, zero)
            words += _run(pairs, header, _place)
        elif pairs:
            words += _run(pairs, (tails.linear + 5 * shifts.index(shift), _offset(shift, zero), 0), _place)
    pairs, left = _pairs(rest)
    pairs += [Pair(channel, None) for channel in left]
    short = [rectified and all(c.shift <= 14 for c in (p.low, p.high) if c) for p in pairs]
    first, second = ([p for p, other in zip(pairs, short, strict=True) if other == kind] for kind in (True, False))
    any_rectified, any_linear = tails.any
    words += _run(first, (any_rectified, 0, 0), lambda pair, last: _any(pair, zero, last, 8))
    words += _run(second, (any_linear, 0, 0), lambda pair, last: _any(pair, zero, last, 0))
    constant = [(c.value & 0xFF) + 256 * c.index for c in found if c.value is not None]
    return np.array([*words, 0, 0, len(constant), *constant], np.int64).astype(np.uint32).view(np.int32)


def _offset(shift: int, zero: int, further: int = 0) -> int:
    """What is added before the shift, for accumulators scaled by a `further` power of two."""
    offset = (1 << (shift - 1)) + (zero << shift)
    return (offset << further) + (1 << further >> 1)


def _place(pair: Pair, last: bool) -> list[int]:
    """What the tails of one shift read: both multipliers and both places."""
    return [pair.first.multiplier, pair.low.multiplier, pair.first.index + (last << 16) + (pair.low.index << 17)]


def _any(pair: Pair, zero: int, last: bool, further: int) -> list[int]:
    """What the tails for any shift read; the high channel's sums are scaled by a `further` power of two."""
    words = []
    for channel, scaled, flag in ((pair.first, further, False), (pair.low, 0, last)):
        multiplier, offset, shift = parameters(channel, zero, scaled)
        words += [multiplier, offset, shift + 256 * flag + 512 * channel.index]
    return words


def parameters(channel: Channel, zero: int, further: int = 0) -> list[int]:
    """Multiplier, offset and shift that requantise a channel's accumulator, scaled by a `further` power of two."""
    if channel.value is not None:
        return [0, (channel.value << 1) + 1, 1]
    return [channel.multiplier, _offset(channel.shift, zero, further), channel.shift + further]


def fours(found: list[Channel]) -> NDArray[np.int32]:
    """The words that the block of four outputs of FULLY_CONNECTED reads, channels in their order; the last four may be fewer."""
    none = Channel(0, np.zeros_like(found[0].weights), 0, 0, 0, 1, 0)
    full = [*found, *[none] * (-len(found) % 4)]
    words: list[NDArray[np.int64]] = []
    for at in range(0, len(full), 4):
        pairs = full[at : at + 2], full[at + 2 : at + 4]
        words.append(np.array([bias for low, high in pairs for bias in (512 * high.bias + 2 * low.bias, 2 * low.bias)], np.int64))
        quads = [lanes(low.weights, high.weights).reshape(-1, 2) for low, high in pairs]
        words.append(np.concatenate(quads, axis=1).reshape(-1))
    return np.concatenate(words).astype(np.uint32).view(np.int32)


def _pairs(members: list[Channel]) -> tuple[list[Pair], list[Channel]]:
    """Pairs of channels and those left over; channels that cannot be high take the low places."""
    low_only = [c for c in members if not c.high]
    either = [c for c in members if c.high]
    pairs = []
    while low_only and either:
        pairs.append(Pair(low_only.pop(), either.pop()))
    while len(either) > 1:
        high = either.pop()
        pairs.append(Pair(either.pop(), high))
    return pairs, low_only + either


def _run(pairs: list[Pair], header: tuple[int, int, int], own: Parameters) -> list[int]:
    """The words of a run of pairs; nothing where there are none."""
    if not pairs:
        return []
    words = [1 + 32 * header[0], *header[1:]]
    for pair in pairs:
        low, high = pair.low, pair.high
        weights = lanes(low.weights, np.zeros_like(low.weights) if high is None else high.weights).tolist()
        biases = [512 * (0 if high is None else high.bias) + 2 * low.bias, 2 * low.bias]
        words += [*weights[:2], *biases, *weights[2:], *own(pair, pair is pairs[-1])]
    return words
