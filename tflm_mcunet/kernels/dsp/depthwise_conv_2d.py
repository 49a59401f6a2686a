"""DEPTHWISE_CONV_2D with windows up to 7x7 and stride 1 or 2 (ops/dsp/mcu_depthwise_conv2d_dsp.h)."""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import cached_property

import numpy as np

from tflm_mcunet.fixed_point import quantize_multipliers
from tflm_mcunet.graph import Array
from tflm_mcunet.kernels.dsp import packing
from tflm_mcunet.operators.base import Operator, Record
from tflm_mcunet.operators.convolution import folded_bias
from tflm_mcunet.operators.depthwise_conv_2d import DepthwiseConv2D

PLANES = 4
"""Channels that are gathered together."""
SCRATCH_BUDGET = 2048
"""Bytes of scratch up to which strips of several rows are taken."""
RECORD_HEAD = 12
"""Words of a kernel's record beside the weights."""


@dataclass(frozen=True, eq=False)
class DepthwiseConv2DDsp(DepthwiseConv2D):
    """A depthwise convolution on channel-major rows of 16-bit values, gathered in scratch, strip by strip."""

    internal = True

    @property
    def kernel(self) -> int:
        """Side of the square window that is computed; the model's window is its top left part, zeros are the rest."""
        return max(3, max(self.window) | 1)

    @property
    def applicable(self) -> bool:
        """Whether window and strides are those of a kernel, and windows touch the image."""
        dilated = any(step > 1 and size > 1 for step, size in zip(self.dilation, self.window, strict=True))
        return self.kernel <= 7 and self.stride in ((1, 1), (2, 2)) and not dilated and self.columns > 0

    @property
    def columns(self) -> int:
        """Input columns that windows touch."""
        horizontal = self.axes[1]
        reach = (horizontal.output - 1) * horizontal.stride + horizontal.size
        return min(horizontal.input, reach - horizontal.before)

    @property
    def pitch(self) -> int:
        """Bytes of a row in a plane: whole words for the blocks of columns, of which none is narrower than two."""
        width, stride = max(self.output.nhwc[2], 2), self.stride[0]
        columns = (width - 1) * stride + self.kernel
        return 2 * (columns + columns % 2)

    @property
    def record_words(self) -> int:
        """A row of weights as pairs: every tap with the next one, or at stride 2 every other."""
        pairs = self.kernel - 1 if self.stride[0] == 1 else (self.kernel + 1) // 2
        return RECORD_HEAD + self.kernel * pairs

    def scratch_of(self, rows: int) -> int:
        """Bytes of scratch for strips of so many output rows."""
        _, _, width, _ = self.output.nhwc
        planes = min(self.input(0).nhwc[3], PLANES) * ((rows - 1) * self.stride[0] + self.kernel) * self.pitch
        raw = 4 * rows * max(width, 2) if self.tail == "raw" else 0
        return planes + 4 * self.record_words + 4 * rows + raw

    @property
    def strip(self) -> int:
        """Output rows that are computed from one gathering."""
        rows = 1
        while rows < self.output.nhwc[1] and self.scratch_of(rows + 1) <= SCRATCH_BUDGET:
            rows += 1
        return rows

    @property
    def scratch(self) -> int:
        return self.scratch_of(self.strip)

    @property
    def weight_bytes_fetched(self) -> int:
        """Every strip reads all weights."""
        return -(-self.output.nhwc[1] // self.strip) * self.squared.size

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

    @property
    def tail(self) -> str:
        """The fastest way to finish a block that is exact for every channel."""
        if self.limits != (-128, 127):
            return "raw"
        if self.output.zero_point == -128 and all(map(_rectifiable, self.found)):
            return "rectified"
        return "linear" if all(_rectifiable(c) and (c.value is not None or c.shift > 0) for c in self.found) else "raw"

    @property
    def blocks(self) -> str:
        """Widths of the blocks of columns, as the functions' names have them."""
        width = self.output.nhwc[2]
        fours = width // 4 - (width % 4 == 1 and width > 1)
        rest = "2" if width == 1 else ("", "23", "2", "3")[width % 4]
        return ("4" if fours > 0 else "") + rest

    @property
    def parameters(self) -> dict[str, Array]:
        """Weights, bias, multiplier and shift per channel; channels of one constant value get it from the bias."""
        if self.tail == "raw":
            flat = self.squared.reshape(len(self.squared), -1)
            multiplier, shift = quantize_multipliers(self.channel_scales)
            bias = folded_bias(self.bias, flat, self.input(0).zero_point)
            return {"weights": self.squared, "bias": bias, "multiplier": multiplier, "shift": shift}
        weights = np.zeros(self.squared.shape, np.int8)
        bias, multiplier, shift = (np.zeros(len(weights), kind) for kind in (np.int32, np.int32, np.int8))
        for i, c in enumerate(self.found):
            if c.value is not None:
                bias[i], multiplier[i], shift[i] = 4 * (c.value - self.output.zero_point), 1 << 30, -1
            else:
                weights[i] = c.weights.reshape(weights[i].shape)
                bias[i], multiplier[i], shift[i] = _wrapped(c.bias + 128 * int(c.weights.sum())), c.multiplier, -c.shift
        return {"weights": weights, "bias": bias, "multiplier": multiplier, "shift": shift}

    def record(self) -> Record:
        vertical, horizontal = self.axes
        low, high = self.limits
        return Record(
            "depthwise_conv2d_dsp",
            {
                "input": self.input(0),
                "output": self.output,
                **self.parameters,
                "in_h": vertical.input,
                "in_c": self.input(0).nhwc[3],
                "out_w": horizontal.output,
                "depth_multiplier": self.depth_multiplier,
                "kernel": self.kernel,
                "window_h": vertical.size,
                "stride": vertical.stride,
                "pad_h": vertical.before,
                "pad_w": horizontal.before,
                "in_zero": self.input(0).zero_point,
                "out_zero": self.output.zero_point,
                "out_min": low,
                "out_max": high,
                "columns": self.columns,
                "pitch": self.pitch,
                "strip": self.strip,
            },
            function=f"mcu_depthwise_conv2d_dsp_{self.kernel}s{self.stride[0]}_{self.tail}_{self.blocks}",
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


def _wrapped(value: int) -> int:
    return (value + (1 << 31)) % (1 << 32) - (1 << 31)


def depthwise_conv_2d(op: Operator) -> Operator | None:
    """The depthwise convolution in these kernels, where its window is one of theirs."""
    if type(op) is not DepthwiseConv2D:
        return None
    variant = DepthwiseConv2DDsp(**{f.name: getattr(op, f.name) for f in fields(op)})
    return variant if variant.applicable else None
