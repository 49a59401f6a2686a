"""MFCC of sound in integers, the same bit for bit as the C front end (ops/portable/mcu_mfcc.h).

The steps are those of tf.signal: Hann window, FFT magnitudes, HTK's mel filters, logarithms, DCT-II (Davis and Mermelstein,
1980), which MLPerf Tiny's keyword spotting uses. tests/nas/test_mfcc.py states how close the two are.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from tflm_mcunet.fixed_point import quantize_multiplier, requantize
from tflm_mcunet.graph import Array

Integers = NDArray[np.int64]

FRACTION = 16  # bits of features and logarithms
SAMPLE_BITS, WEIGHT_BITS, SINE_BITS = 6, 15, 30
FULL_SCALE = 32768
EPSILON = 1e-6  # of the logarithms, as a share of the peak


@dataclass(frozen=True)
class Mfcc:
    """A front end: `coefficients` values per window.

    Attributes:
        rate: samples per second.
        clip: samples of one sound; shorter ones are padded with silence.
        window, stride: samples per frame, and between the beginnings of two; at most 1,024 per window.
        mel, low, high: triangular filters, and the frequencies in Hz between which they lie.
        normalise: take a clip relative to its own peak instead of full scale; needs the whole clip on the device, too.
    """

    rate: int = 16000
    clip: int = 16000
    window: int = 480
    stride: int = 320
    mel: int = 40
    low: float = 20.0
    high: float = 4000.0
    coefficients: int = 10
    normalise: bool = False

    @property
    def frames(self) -> int:
        return 1 + (self.clip - self.window) // self.stride

    @property
    def samples(self) -> int:
        """That the frames cover; what follows in a clip does not matter."""
        return self.window + (self.frames - 1) * self.stride

    @property
    def shape(self) -> tuple[int, int, int]:
        """Of one sample of the network's input."""
        return self.frames, self.coefficients, 1

    @property
    def fft(self) -> int:
        return 1 << (self.window - 1).bit_length()

    @property
    def offset(self) -> int:
        """log2 of the scale of the filters' sums: magnitudes are doubled."""
        return (SAMPLE_BITS + 1 + WEIGHT_BITS) << FRACTION

    @property
    def epsilon(self) -> int:
        """What is added to sums, times the peak, with 8 fractional bits."""
        return round(EPSILON * 2.0 ** (SAMPLE_BITS + 1 + WEIGHT_BITS + 8))

    @cached_property
    def hann(self) -> Integers:
        """[window], 15 fractional bits."""
        phases = 2 * math.pi * np.arange(self.window) / self.window
        return _fixed(0.5 - 0.5 * np.cos(phases), 15).clip(max=32767)

    @cached_property
    def sines(self) -> Integers:
        """Three quarters of a turn of `fft` steps, 30 fractional bits."""
        return _fixed(np.sin(2 * math.pi * np.arange(3 * self.fft // 4) / self.fft), SINE_BITS)

    @cached_property
    def filters(self) -> Integers:
        """[fft / 2 bins, mel] weights, 15 fractional bits; none for bin 0."""
        edges = np.linspace(_mel(self.low), _mel(self.high), self.mel + 2)
        bins = _mel(np.arange(self.fft // 2) * self.rate / self.fft)[:, None]
        rising = (bins - edges[:-2]) / (edges[1:-1] - edges[:-2])
        falling = (edges[2:] - bins) / (edges[2:] - edges[1:-1])
        weights = np.maximum(0.0, np.minimum(rising, falling))
        weights[0] = 0
        return _fixed(weights, WEIGHT_BITS)

    @cached_property
    def logarithms(self) -> Integers:
        """log2(1 + i / 128) for i of 0 to 128, 16 fractional bits."""
        return _fixed(np.log2(1 + np.arange(129) / 128), FRACTION)

    @cached_property
    def dct_bits(self) -> int:
        """The most fractional bits with which the cosines fit 16 bits."""
        return math.floor(math.log2(32767 / np.abs(self._dct).max()))

    @cached_property
    def cosines(self) -> Integers:
        """[coefficients, mel], dct_bits fractional bits; the step from log2 to the natural logarithm is in them."""
        return _fixed(self._dct, self.dct_bits)

    @cached_property
    def _dct(self) -> Array:
        places = (np.arange(self.mel) + 0.5) * math.pi / self.mel
        return math.log(2) * math.sqrt(2 / self.mel) * np.cos(np.arange(self.coefficients)[:, None] * places)

    def integers(self, clip: Array) -> Integers:
        """Features [frames, coefficients] with 16 fractional bits of int16 samples [clip]."""
        samples = np.zeros(self.samples, np.int64)
        samples[: min(len(clip), self.samples)] = clip[: self.samples]
        peak = max(1, int(np.abs(samples).max())) if self.normalise else FULL_SCALE
        starts = self.stride * np.arange(self.frames)
        magnitudes = self._magnitudes(samples[starts[:, None] + np.arange(self.window)])
        sums = magnitudes @ self.filters + ((peak * self.epsilon >> 8) + 1)
        levels = self._log2(sums) - self.offset - self._log2(np.array([peak]))
        return (levels @ self.cosines.T + (1 << (self.dct_bits - 1))) >> self.dct_bits

    def features(self, clip: Array) -> Array:
        """Features, float32 [frames, coefficients, 1], of int16 samples [clip]."""
        return (self.integers(clip) / (1 << FRACTION)).astype(np.float32)[..., None]

    def quantised(self, clip: Array, scale: float, zero_point: int) -> Array:
        """Features, int8 [frames, coefficients], as the C front end hands them to a network with this input."""
        multiplier, shift = self.rescaling(scale)
        return requantize(self.integers(clip), multiplier, shift, zero_point, -128, 127).astype(np.int8)

    def rescaling(self, scale: float) -> tuple[int, int]:
        """Multiplier and shift from features to the network's input."""
        return quantize_multiplier(1 / (scale * (1 << FRACTION)))

    def _magnitudes(self, frames: Integers) -> Integers:
        """[frames, fft / 2]: twice the magnitudes of the real FFT, bin 0 left out as 0."""
        windowed = np.zeros((len(frames), self.fft), np.int64)
        windowed[:, : self.window] = (frames * self.hann + 256) >> 9
        re, im = self._transformed(windowed[:, 0::2], windowed[:, 1::2])
        k = np.arange(1, self.fft // 2)
        a, b, c, d = re[:, k], im[:, k], re[:, -k], im[:, -k]
        sine, cosine = self.sines[k], self.sines[k + self.fft // 4]
        real = (a + c) + _rotated(b + d, c - a, cosine, sine)
        imaginary = (b - d) + _rotated(c - a, b + d, cosine, -sine)
        return np.pad(_root(real**2 + imaginary**2), ((0, 0), (1, 0)))

    def _transformed(self, re: Integers, im: Integers) -> tuple[Integers, Integers]:
        """Complex FFT, radix 2."""
        size = self.fft // 2
        bits = size.bit_length() - 1
        order = [int(f"{k:0{bits}b}"[::-1], 2) for k in range(size)]
        re, im = re[:, order], im[:, order]
        half = 1
        while half < size:
            angles = np.arange(half) * (size // half)
            sine, cosine = self.sines[angles], self.sines[angles + self.fft // 4]
            re, im = (part.reshape(len(part), -1, 2, half) for part in (re, im))
            turned_re = _rotated(re[:, :, 1], im[:, :, 1], cosine, sine)
            turned_im = _rotated(im[:, :, 1], re[:, :, 1], cosine, -sine)
            re = np.stack([re[:, :, 0] + turned_re, re[:, :, 0] - turned_re], axis=2).reshape(len(re), -1)
            im = np.stack([im[:, :, 0] + turned_im, im[:, :, 0] - turned_im], axis=2).reshape(len(im), -1)
            half *= 2
        return re, im

    def _log2(self, values: Integers) -> Integers:
        """16 fractional bits, interpolated between 128 places per octave; values > 0."""
        octave = _octave(values)
        scaled = np.where(octave >= 16, values >> np.maximum(octave - 16, 0), values << np.maximum(16 - octave, 0)) & 0xFFFF
        place, fraction = scaled >> 9, scaled & 511
        low, high = self.logarithms[place], self.logarithms[place + 1]
        return (octave << FRACTION) + low + (((high - low) * fraction + 256) >> 9)


def _fixed(values: Array, bits: int) -> Integers:
    return np.rint(values * 2.0**bits).astype(np.int64)


def _mel(hertz: Array | float) -> Array:
    return 1127.0 * np.log1p(np.asarray(hertz) / 700.0)


def _rotated(a: Integers, b: Integers, cosine: Integers, sine: Integers) -> Integers:
    return (a * cosine + b * sine + (1 << (SINE_BITS - 1))) >> SINE_BITS


def _root(squares: Integers) -> Integers:
    """Square roots, rounded down, to 16 bits."""
    shift = np.maximum(_octave(squares) - 30, 0) // 2  # so that 32 bits are left
    rest = squares >> (2 * shift)
    return np.sqrt(rest).astype(np.int64) << shift  # exact: a double holds 32 bits and their root's fraction


def _octave(values: Integers) -> Integers:
    """The place of the highest bit; 0 for 0."""
    octave = np.maximum(np.frexp(values.astype(np.float64))[1].astype(np.int64) - 1, 0)
    return octave - ((values >> octave == 0) & (values > 0))  # where the double was rounded up to the next power of two
