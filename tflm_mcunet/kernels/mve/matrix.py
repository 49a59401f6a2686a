"""Weights and per-channel parameters as the streams of ops/mve/mcu_matrix_mve.h, with the proofs that the kernels need."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tflm_mcunet.fixed_point import quantize_multipliers, requantize
from tflm_mcunet.graph import Array
from tflm_mcunet.operators.convolution import Convolution

CHUNK = 16
"""Bytes in a vector register."""


@dataclass(frozen=True)
class Channels:
    """What the kernels compute: weights [channels, taps], biases with the zero point folded in, multipliers and shifts."""

    taps: Array
    bias: Array
    multiplier: Array
    shift: Array

    @property
    def parameters(self) -> Array:
        """Per channel two words: the bias and, in its lowest byte, the shift; and the multiplier."""
        word = self.bias * 256 + (self.shift & 255)
        return np.stack([word, self.multiplier], axis=1).astype(np.int32)


def channels(op: Convolution, taps: Array) -> Channels | None:
    """The channels of an operator with weights [channels, taps], or None where 32-bit lanes might not compute them exactly.

    The bias shares a word with the shift, no sum may come near 32 bits, and every channel must be shifted to the right, as the
    vectors round negative sums otherwise (which only a clamp at the zero point forgives). A channel whose output is the same
    for all inputs, as those that pruning or training has emptied, becomes that constant first.
    """
    wide = taps.astype(np.int64)
    bias = op.bias.astype(np.int64) - op.input(0).zero_point * wide.sum(axis=1)
    multiplier, shift = (part.astype(np.int64) for part in quantize_multipliers(op.channel_scales))
    least = bias + np.minimum(-128 * wide, 127 * wide).sum(axis=1)
    most = bias + np.maximum(-128 * wide, 127 * wide).sum(axis=1)
    low, high = op.limits
    zero = op.output.zero_point
    for c in np.flatnonzero((shift <= 0) & (np.abs(least) < 1 << 31) & (np.abs(most) < 1 << 31)):
        ends = requantize(np.array([least[c], most[c]]), int(multiplier[c]), int(shift[c]), zero, low, high)
        if ends[0] == ends[1]:  # half of the bias, and half of that again, is the output
            wide[c], bias[c], multiplier[c], shift[c] = 0, 4 * (ends[0] - zero), 1 << 30, -1
            least[c] = most[c] = bias[c]
    shifted = (shift < 0) | (multiplier == 0) | (flavour(op) == "relu") & (shift == 0)
    bounded = (np.abs(bias) < 1 << 23) & (np.abs(least) < 1 << 30) & (np.abs(most) < 1 << 30)
    return Channels(wide.astype(np.int8), bias, multiplier, shift) if (shifted & bounded).all() else None


def flavour(op: Convolution) -> str:
    """The rounding and clamp that the outputs need: `relu`, `linear` or `clamped`."""
    low, high = op.limits
    if (low, high) != (-128, 127):
        return "clamped"
    return "relu" if op.output.zero_point == -128 else "linear"


def stream(found: Channels) -> Array:
    """The stream of a matrix of weights [channels, depth]."""
    count, depth = found.taps.shape
    short = max(0, 4 - count)
    padded = np.pad(found.taps, ((0, short), (0, -depth % CHUNK)))
    words = np.pad(found.parameters, ((0, short), (0, 0)))
    pieces = []
    for first in group_starts(count):
        for pair in ((first, first + 2), (first + 1, first + 3)):
            chunks = padded[list(pair)].reshape(2, -1, CHUNK).transpose(1, 0, 2)
            pieces += [np.ascontiguousarray(chunks).view("<i4").reshape(-1), words[list(pair)].reshape(-1)]
    return np.concatenate(pieces).astype(np.int32)


def group_starts(channels: int) -> list[int]:
    """The first channels of the groups of four."""
    starts = list(range(0, channels - 3, 4)) or [0]
    return starts if channels <= 4 or channels % 4 == 0 else [*starts, channels - 4]
