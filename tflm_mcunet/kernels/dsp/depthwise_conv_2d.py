"""DEPTHWISE_CONV_2D with windows up to 7x7 and stride 1 or 2 (ops/dsp/mcu_depthwise_conv2d_dsp.h)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tflm_mcunet.fixed_point import quantize_multipliers
from tflm_mcunet.graph import Array
from tflm_mcunet.kernels.dsp import packing
from tflm_mcunet.operators.base import Operator, Record
from tflm_mcunet.operators.convolution import folded_bias
from tflm_mcunet.operators.depthwise_conv_2d import DepthwiseConv2D

PLANES = 4
"""Channels that are gathered together."""
SCRATCH_BUDGET = 2048
"""Bytes of scratch up to which tiles grow."""
TOLERANCE = 0.1
"""Instructions per output that are given away for less scratch."""
SHARED_SHIFT = 10
"""The right shift of the scaled tail: MCU_DW_SHARED_SHIFT of ops/dsp/mcu_depthwise_conv2d_dsp.h."""
MOST_SCALE = 8
"""Weights times 2 to this power fit 16 bits."""
DIRECT_ROWS = 8
"""Output rows that the direct kernel computes with weights that it has widened once: MCU_DWD_ROWS."""
ORDER = [0, 1, 3, 4, 2, 6, 5, 7, 8]
"""Taps of a 3x3 window as the direct kernel reads them: 00 01 10 11, 02 20 12 21, 22."""
RECORD_HEAD = 12
"""Words of a kernel's record beside the weights."""


class Scaling(NamedTuple):
    """acc2 = (acc << scale) + change; t = smmla(acc2, multiplier, ...) >> shift."""

    multiplier: int
    scale: int
    change: int
    shift: int


@dataclass(frozen=True, eq=False)
class DepthwiseConv2DDsp(DepthwiseConv2D):
    """A depthwise convolution on channel-major rows of 16-bit values, gathered in scratch, strip by strip."""

    internal = True

    @cached_property
    def kernel(self) -> int:
        """Side of the square window that is computed: the model's window is its top left part, zeros are the rest."""
        return max(3, max(self.window) | 1)

    @property
    def applicable(self) -> bool:
        """Whether window and strides are those of a kernel."""
        dilated = any(step > 1 and size > 1 for step, size in zip(self.dilation, self.window, strict=True))
        return self.kernel <= 7 and self.stride in ((1, 1), (2, 2)) and not dilated

    @property
    def record_words(self) -> int:
        """A row of weights as pairs: every tap with the next one, or at stride 2 every other."""
        pairs = self.kernel - 1 if self.stride[0] == 1 else (self.kernel + 1) // 2
        return RECORD_HEAD + self.kernel * pairs

    def pitch(self, columns: int) -> int:
        """Bytes of a row in a plane for so many output columns: whole words, for blocks of which none is narrower than two."""
        needed = (max(columns, 2) - 1) * self.stride[0] + self.kernel
        return 2 * (needed + needed % 2)

    def plane_rows(self, rows: int) -> int:
        return (rows - 1) * self.stride[0] + self.kernel

    def widest(self, tile: int) -> int:
        """Output columns of the last tile, which takes what does not fill a block of four."""
        width = self.output.nhwc[2]
        return width if width < tile + 4 else tile + width % 4

    def scratch_of(self, rows: int, tile: int) -> int:
        """Bytes of scratch for tiles of so many output rows and columns."""
        columns = self.widest(tile)
        planes = min(self.input(0).nhwc[3], PLANES) * self.plane_rows(rows) * self.pitch(columns)
        raw = 4 * rows * max(columns, 2) if self.tail == "raw" else 0
        return planes + 4 * self.record_words + 4 * rows + raw

    def overhead(self, rows: int, tile: int) -> float:
        """Instructions beside those of the blocks with such tiles: gathering, preparing channels, starting columns of blocks."""
        _, height, width, _ = self.output.nhwc
        columns = [tile] * ((width - self.widest(tile)) // tile) + [self.widest(tile)]
        strips = [rows] * (height // rows) + [height % rows] * (height % rows > 0)
        multiplier = self.depth_multiplier
        return sum(
            self.plane_rows(strip) * (self.pitch(wide) / 2 * 1.9 + 9) + multiplier * (60 + 1.8 * self.kernel**2 + 2.5 * wide)
            for strip in strips
            for wide in columns
        )

    @cached_property
    def tile(self) -> tuple[int, int]:
        """Output rows and columns of a tile: among those with the least overhead, the one with the least scratch."""
        _, height, width, _ = self.output.nhwc
        sizes = [(rows, columns) for columns in (*range(4, width, 4), width) for rows in range(1, min(height, 32) + 1)]
        fitting = [size for size in sizes if self.scratch_of(*size) <= SCRATCH_BUDGET] or [(1, min(width, 4))]
        costs = {size: self.overhead(*size) / (height * width) for size in fitting}
        least = min(costs.values())
        return min((size for size in fitting if costs[size] <= least + TOLERANCE), key=lambda s: self.scratch_of(*s))

    @property
    def scratch(self) -> int:
        return self.scratch_of(*self.tile)

    @property
    def weight_bytes_fetched(self) -> int:
        """Every tile reads all weights."""
        _, height, width, _ = self.output.nhwc
        rows, columns = self.tile
        return -(-height // rows) * ((width - self.widest(columns)) // columns + 1) * self.squared.size

    @cached_property
    def squared(self) -> Array:
        """Weights [output channels, kernel, kernel]."""
        height, width = self.window
        found = np.zeros((self.weights.shape[3], self.kernel, self.kernel), np.int8)
        found[:, :height, :width] = self.weights[0].transpose(2, 0, 1)
        return found

    @cached_property
    def found(self) -> list[packing.Channel]:
        return packing.channels(self, self.squared.reshape(len(self.squared), -1))

    @cached_property
    def tail(self) -> str:
        """The fastest way to finish a block that is exact for every channel."""
        if self.limits != (-128, 127):
            return "raw"
        if self.output.zero_point == -128:
            if None not in self.scalings:
                return "scaled"
            if all(map(_rectifiable, self.found)):
                return "rectified"
        return "linear" if all(_rectifiable(c) and (c.value is not None or c.shift > 0) for c in self.found) else "raw"

    @cached_property
    def scalings(self) -> list[Scaling | None]:
        """Per channel how it gets the shift that all share; of little use, and code of its own, for large windows."""
        return [_scaling(channel) if self.kernel == 3 else None for channel in self.found]

    @property
    def blocks(self) -> str:
        """Widths of the blocks of columns, as the functions' names have them."""
        width = self.output.nhwc[2]
        fours = width // 4 - (width % 4 == 1 and width > 1)
        five = "5" if self.kernel == 3 and self.stride == (1, 1) and self.tail == "scaled" else "23"
        rest = "2" if width == 1 else ("", five, "2", "3")[width % 4]
        return ("4" if fours > 0 else "") + rest

    @property
    def parameters(self) -> Array:
        """Per channel bias, multiplier, weights and scale, as the kernels read them."""
        if self.tail == "raw":
            flat = self.squared.reshape(len(self.squared), -1)
            bias = folded_bias(self.bias, flat, self.input(0).zero_point)
            multiplier, shift = quantize_multipliers(self.channel_scales)
            return _packed([(b, m, 0, w, s) for b, m, w, s in zip(bias, multiplier, flat, shift, strict=True)])
        return _packed([self.channel_parameters(*pair) for pair in zip(self.found, self.scalings, strict=True)])

    def channel_parameters(self, channel: packing.Channel, scaling: Scaling | None) -> tuple[int, int, int, Array]:
        """Bias, multiplier, byte of scale and shift, and weights of a channel; one of a constant value has it from the bias."""
        if self.tail != "scaled":
            scaling = Scaling(channel.multiplier, 1 + max(-channel.shift, 0), 0, max(channel.shift, 0))
        assert scaling is not None
        multiplier, scale, change, shift = scaling
        bias, weights = channel.bias + 128 * int(channel.weights.sum()), channel.weights
        if channel.value is not None:
            scale, shift = (2, SHARED_SHIFT - 1) if self.tail == "scaled" else (1, 1)
            bias, weights, multiplier, change = channel.value - self.output.zero_point << 1 + shift, 0 * weights, 1 << 30, 0
        return _wrapped((bias << scale) + change), multiplier, 32 * (scale - 1) + shift, weights

    def record(self) -> Record:
        vertical, horizontal = self.axes
        rows, columns = self.tile
        low, high = self.limits
        return Record(
            "depthwise_conv2d_dsp",
            {
                "input": self.input(0),
                "output": self.output,
                "channels": self.parameters,
                "in_h": vertical.input,
                "in_w": horizontal.input,
                "in_c": self.input(0).nhwc[3],
                "out_w": horizontal.output,
                "depth_multiplier": self.depth_multiplier,
                "kernel": self.kernel,
                "window_h": vertical.size,
                "window_w": horizontal.size,
                "stride": vertical.stride,
                "pad_h": vertical.before,
                "pad_w": horizontal.before,
                "in_zero": self.input(0).zero_point,
                "out_zero": self.output.zero_point,
                "out_min": low,
                "out_max": high,
                "strip": rows,
                "tile": columns,
                "plane_rows": self.plane_rows(rows),
                "pitch": self.pitch(self.widest(columns)),
            },
            function=f"mcu_depthwise_conv2d_dsp_{self.kernel}s{self.stride[0]}_{self.tail}_{self.blocks}",
        )


@dataclass(frozen=True, eq=False)
class DepthwiseConv2DDirectDsp(DepthwiseConv2DDsp):
    """A 3x3 depthwise convolution that slides along rows of pixels where they lie (ops/dsp/mcu_depthwise_direct_dsp.h)."""

    @property
    def applicable(self) -> bool:
        """Whether window, stride and requantisation are this kernel's, and the middle of every window lies in the image."""
        if self.window != (3, 3) or self.depth_multiplier != 1 or not super().applicable:
            return False
        inside = all(axis.before <= 1 and (axis.output - 1) * axis.stride + 1 - axis.before < axis.input for axis in self.axes)
        return inside and self.tail in ("scaled", "rectified")

    @property
    def scratch(self) -> int:
        return 0

    def lag(self, position: int) -> int | None:
        """An output may lie over the pixel in the uppermost row of its window, which has been read by then."""
        same = self.stride == (1, 1) and self.input(0).row_bytes == self.output.row_bytes
        return self.axes[0].before if position == 0 and same else None

    @property
    def weight_bytes_fetched(self) -> int:
        """Weights are read once per so many rows."""
        return -(-self.output.nhwc[1] // DIRECT_ROWS) * self.squared.size

    def channel_parameters(self, channel: packing.Channel, scaling: Scaling | None) -> tuple[int, int, int, Array]:
        """The weights in the order in which they become lanes of the upper two rows and, after them, the lowest."""
        *others, weights = super().channel_parameters(channel, scaling)
        return *others, weights[ORDER]  # type: ignore[return-value]

    def record(self) -> Record:
        vertical, horizontal = self.axes
        return Record(
            "depthwise_direct_dsp",
            {
                "input": self.input(0),
                "output": self.output,
                "channels": self.parameters,
                "in_h": vertical.input,
                "in_w": horizontal.input,
                "in_c": self.input(0).nhwc[3],
                "out_w": horizontal.output,
                "stride": vertical.stride,
                "pad_h": vertical.before,
                "pad_w": horizontal.before,
                "in_zero": self.input(0).zero_point,
                "out_zero": self.output.zero_point,
            },
            function=f"mcu_depthwise_direct_dsp_{self.stride[0]}_{self.tail}",
        )


def _rectifiable(channel: packing.Channel) -> bool:
    """Whether the short requantisation is exact where what lies below the zero point is clamped: see ops/dsp/mcu_dsp.h.

    The accumulator is scaled by 2 and by what a left shift asks for; so are the weights, which must fit 16 bits.
    """
    if channel.value is not None:
        return True
    scale = 1 + max(0, -channel.shift)
    fits = channel.bound << scale < 1 << 31 and channel.weights.max() < 128 and scale <= 8
    return bool(fits and channel.shift <= 22)


def _scaling(channel: packing.Channel) -> Scaling | None:
    """How a channel takes the shift that all share, where that is exact.

    The accumulator times 2^scale is shifted by `scale - 1` more than it was, which must be at least one: what smmla adds then
    rounds exactly. For larger shifts there may be a smaller multiplier that changes no output.
    """
    most = SHARED_SHIFT - 1
    if channel.value is not None:
        return Scaling(1 << 30, 2, 0, 0)
    if channel.weights.max() > 127 or channel.shift > 22:
        return None
    if channel.shift > most:
        return next(filter(None, (_smaller(channel, scale) for scale in range(2, MOST_SCALE + 1))), None)
    scale = 1 + SHARED_SHIFT - channel.shift
    fits = scale <= MOST_SCALE and channel.bound << scale < 1 << 31
    return Scaling(channel.multiplier, scale, 0, SHARED_SHIFT + 1 - scale) if fits else None


def _smaller(channel: packing.Channel, scale: int) -> Scaling | None:
    """A scaling with a smaller multiplier and another bias that gives the same outputs for all accumulators, or None.

    Outputs are those of a channel with zero point and least output -128. Both ways never decrease with the accumulator and agree
    for negative ones, so they are equal where every output is reached from the same accumulator on.
    """
    if (channel.bound << scale) + (1 << 20) >= 1 << 31:
        return None
    levels = np.arange(1, 256, dtype=np.int64)

    def first(rescale: Callable[[NDArray[np.int64]], NDArray[np.int64]]) -> NDArray[np.int64]:
        """Per level the least accumulator that reaches it; bound + 1 where none does."""
        low, high = np.zeros_like(levels), np.full_like(levels, channel.bound + 1)
        while (low < high).any():
            middle = (low + high) >> 1
            reached = (rescale(middle) >= levels) | (middle > channel.bound)
            low, high = np.where(reached, low, middle + 1), np.where(reached, middle, high)
        return low

    shift, further = channel.shift, 1 << scale - 2
    goal = first(lambda acc: (((acc * channel.multiplier + (1 << 30)) >> 31) + (1 << shift - 1)) >> shift)
    ideal = channel.multiplier * 2.0 ** (SHARED_SHIFT + 1 - scale - shift)
    for multiplier in sorted(range(int(ideal) - 3, int(ideal) + 5), key=lambda m: abs(m - ideal)):
        # smmla is to add half of the original's unit, and adds `further`.
        nearest = round((2.0 ** (SHARED_SHIFT - shift - 1) - further) * 2**32 / multiplier)
        for change in sorted(range(nearest - 2, nearest + 3), key=lambda c: abs(c - nearest)):

            def computed(acc: NDArray[np.int64], m: int = multiplier, c: int = change) -> NDArray[np.int64]:
                return ((((acc << scale) + c) * m >> 32) + (1 << SHARED_SHIFT - 1) + further) >> SHARED_SHIFT

            if abs(change) < 1 << 20 and np.array_equal(goal, first(computed)):
                return Scaling(multiplier, scale, change, SHARED_SHIFT + 1 - scale)
    return None


def _packed(channels: list[tuple[Any, ...]]) -> Array:
    """Bias, multiplier, weights plus 128, and a byte or two, of each channel, one after the other.

    A channel here is (bias, multiplier, byte, weights, perhaps another byte).
    """
    pieces: list[Array] = []
    for bias, multiplier, first, weights, *more in channels:
        last = np.array([first, *more]) % 256
        pieces += [np.array([bias, multiplier], "<i4").view(np.uint8), weights.astype(np.int64) + 128, last]
    return np.concatenate([piece.astype(np.uint8) for piece in pieces])


def _wrapped(value: int) -> int:
    return (value + (1 << 31)) % (1 << 32) - (1 << 31)


def depthwise_conv_2d(op: Operator) -> Operator | None:
    """The depthwise convolution on planes of channels, where its window is one of that kernel's."""
    return _variant(op, DepthwiseConv2DDsp)


def depthwise_direct(op: Operator) -> Operator | None:
    """The depthwise convolution without scratch, where its window is 3x3."""
    return _variant(op, DepthwiseConv2DDirectDsp)


def _variant(op: Operator, kind: type[DepthwiseConv2DDsp]) -> Operator | None:
    if type(op) is not DepthwiseConv2D:
        return None
    variant = kind.like(op)
    return variant if variant.applicable else None


DEPTHWISE_CONV_2D = [depthwise_conv_2d, depthwise_direct]
