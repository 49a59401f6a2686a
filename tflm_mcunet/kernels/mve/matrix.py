"""Weights and per-channel parameters as the streams of ops/mve/mcu_matrix_mve.h, with the proofs that the kernels need."""

from __future__ import annotations

from dataclasses import fields
from typing import TypeVar

import numpy as np

from tflm_mcunet.fixed_point import quantize_multipliers
from tflm_mcunet.graph import Array
from tflm_mcunet.operators.base import Operator
from tflm_mcunet.operators.convolution import Convolution, folded_bias

CHUNK = 16
"""Bytes in a vector register."""

Variant = TypeVar("Variant", bound=Operator)


def exchanged(op: Operator, kind: type[Variant]) -> Variant:
    """The same operator as an instance of a subclass."""
    return kind(**{f.name: getattr(op, f.name) for f in fields(op)})


def exact(op: Convolution, taps: Array) -> bool:
    """Whether 32-bit lanes compute the operator exactly, for every input.

    The bias, into which the zero point is folded, shares a word with the shift; no sum comes near 32 bits; every channel is
    shifted to the right, as the vectors round negative sums otherwise (which only a clamp at the zero point forgives).
    """
    bias = op.bias.astype(np.int64) - op.input(0).zero_point * taps.astype(np.int64).sum(axis=1)
    largest = np.abs(bias) + 128 * np.abs(taps.astype(np.int64)).sum(axis=1)
    multiplier, shift = quantize_multipliers(op.channel_scales)
    shifted = (shift < 0) | (multiplier == 0) | (flavour(op) == "relu") & (shift == 0)
    return bool((np.abs(bias) < 1 << 23).all() and (largest < 1 << 30).all() and shifted.all())


def flavour(op: Convolution) -> str:
    """The rounding and clamp that the outputs need: `relu`, `linear` or `clamped`."""
    low, high = op.limits
    if (low, high) != (-128, 127):
        return "clamped"
    return "relu" if op.output.zero_point == -128 else "linear"


def parameters(op: Convolution, bias: Array) -> Array:
    """Per channel two words: the bias and, in its lowest byte, the shift; and the multiplier."""
    multiplier, shift = quantize_multipliers(op.channel_scales)
    word = bias.astype(np.int64) * 256 + (shift.astype(np.int64) & 255)
    return np.stack([word, multiplier.astype(np.int64)], axis=1).astype(np.int32)


def stream(op: Convolution, taps: Array) -> Array:
    """The stream of a matrix of weights [channels, depth]."""
    count, depth = taps.shape
    words = parameters(op, folded_bias(op.bias, taps, op.input(0).zero_point))
    short = max(0, 4 - count)
    padded = np.pad(taps, ((0, short), (0, -depth % CHUNK)))
    words = np.pad(words, ((0, short), (0, 0)))
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
