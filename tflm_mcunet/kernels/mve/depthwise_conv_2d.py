"""DEPTHWISE_CONV_2D with one vector, or four, per window (ops/mve/mcu_depthwise_conv2d_mve.h)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from patch_scheduler.geometry import Ranges
from tflm_mcunet.graph import Array
from tflm_mcunet.kernels.mve import matrix
from tflm_mcunet.kernels.mve.conv_2d import Conv2DMve
from tflm_mcunet.operators.base import Operator, Record
from tflm_mcunet.operators.depthwise_conv_2d import DepthwiseConv2D
from tflm_mcunet.operators.window import Axis

STRIP, UNITS = 2816, 2048
"""Bytes of turned columns: a wider strip than fits the one is cut, and as many units as fit the other are turned at a time."""

WORDS = 64
"""Bytes of a turned column: four rows of sixteen channels."""


@dataclass(frozen=True, eq=False)
class DepthwiseConv2DMve(DepthwiseConv2D):
    """A depthwise convolution of multiplier 1, windows up to 8x8, without taps that no window has inside the image."""

    internal = True

    @cached_property
    def trimmed(self) -> tuple[tuple[Axis, slice], tuple[Axis, slice]]:
        """Both axes without taps that are always padding, and which taps are left."""
        vertical, horizontal = map(trim, self.axes)
        return vertical, horizontal

    @property
    def taps(self) -> Array:
        """Weights [height, width, channels] of the taps that are left."""
        (_, rows), (_, columns) = self.trimmed
        return self.weights[0, rows, columns]

    @cached_property
    def channels(self) -> matrix.Channels | None:
        return matrix.channels(self, self.taps.reshape(-1, self.taps.shape[2]).T)

    @property
    def large(self) -> bool:
        return max(self.taps.shape[:2]) > 4

    @property
    def pair(self) -> bool:
        """Whether two rows of outputs are made of four rows of inputs."""
        (vertical, _), (horizontal, _) = self.trimmed
        return (
            max(vertical.size, horizontal.size) <= 3
            and horizontal.size == 3
            and vertical.stride == vertical.dilation == horizontal.stride == 1
        )

    @property
    def applicable(self) -> bool:
        (vertical, _), (horizontal, _) = self.trimmed
        return (
            self.depth_multiplier == 1
            and max(vertical.size, horizontal.size) <= 8
            and horizontal.dilation == 1
            and horizontal.stride <= 2
            and self.channels is not None
        )

    @property
    def steps(self) -> int:
        """A step is a unit; for kernels of two rows the smallest blocks thus are two rows."""
        return len(self.writes(0))

    def reads(self, position: int) -> Ranges:
        rows = self.axes[0].rows()
        return Ranges(rows.low[::2], rows.high[[*range(1, len(rows), 2), *[-1] * (len(rows) % 2)]]) if self.pair else rows

    def writes(self, position: int) -> Ranges:
        height = self.output.rows
        low = np.arange(0, height, 2 if self.pair else 1)
        return Ranges(low, np.minimum(low + (2 if self.pair else 1), height))

    def columns(self, strip: int) -> int:
        """Columns of a unit for a strip of output columns; blocks of four may reach beyond what the windows need."""
        horizontal = self.trimmed[1][0]
        return (max(strip, 4) - 1) * horizontal.stride + (8 if self.large else 4)

    def unit(self, strip: int) -> int:
        """Bytes of a unit."""
        return self.columns(strip) * WORDS * (2 if self.large else 1)

    @property
    def strip(self) -> int:
        """Output columns at a time."""
        width = self.output.nhwc[2]
        return next(-(-width // n) for n in range(1, width + 1) if self.unit(-(-width // n)) <= STRIP or -(-width // n) <= 4)

    @property
    def units(self) -> int:
        """Units at a time."""
        height = self.output.nhwc[1]
        return min(max(1, UNITS // self.unit(self.strip)), -(-height // 2) if self.pair else height)

    @property
    def scratch(self) -> int:
        """Units, what the kernel notes about the rows of each layer, and two pointers for every four outputs."""
        blocks = max(-(-self.strip // 2) if self.pair else 0, -(-self.strip // 4))
        return self.units * (self.unit(self.strip) + (88 if self.large else 44) + 8 * blocks)

    @cached_property
    def stream(self) -> Array:
        """Words per channel, as the kernel reads them."""
        assert self.channels is not None
        height, width, channels = self.taps.shape
        rows = 8 if self.large else 4
        taps = self.channels.taps.reshape(channels, height, width)
        bytes_ = np.pad(taps, ((0, 0), (0, rows - height), (0, 0))).reshape(channels, rows // 4, 4, width).transpose(0, 1, 3, 2)
        words = np.ascontiguousarray(bytes_).view("<i4").reshape(channels, -1)
        return np.concatenate([words, self.channels.parameters], axis=1).astype(np.int32)

    @property
    def macs_executed(self) -> int:
        """Taps in the padding are multiplied like all others."""
        height, width, _ = self.taps.shape
        return height * width * self.output.elements

    @property
    def weight_bytes_fetched(self) -> int:
        """The stream is read once per strip and as many units as there is scratch for."""
        _, height, width, _ = self.output.nhwc
        return -(-height // (self.units * (2 if self.pair else 1))) * -(-width // self.strip) * self.stream.nbytes

    def record(self) -> Record:
        (vertical, _), (horizontal, _) = self.trimmed
        low, high = self.limits
        size = "large" if self.large else "small"
        return Record(
            "depthwise_conv2d_mve",
            {
                "input": self.input(0),
                "output": self.output,
                "weights": self.stream,
                "in_h": vertical.input,
                "in_w": horizontal.input,
                "channels": self.output.nhwc[3],
                "out_h": vertical.output,
                "out_w": horizontal.output,
                "kernel_h": vertical.size,
                "kernel_w": horizontal.size,
                "stride_h": vertical.stride,
                "stride_w": horizontal.stride,
                "dilation_h": vertical.dilation,
                "pad_h": vertical.before,
                "pad_w": horizontal.before,
                "pair": self.pair,
                "words": self.stream.shape[1],
                "strip": self.strip,
                "units": self.units,
                "columns": self.columns(self.strip),
                "in_zero": self.input(0).zero_point,
                "out_zero": self.output.zero_point,
                "out_min": low,
                "out_max": high,
            },
            function=f"mcu_depthwise_conv2d_mve_{size}_{horizontal.stride}_{matrix.flavour(self)}",
        )


def trim(axis: Axis) -> tuple[Axis, slice]:
    """The axis without the first and last taps that lie in the padding for every output; and the taps that are left."""
    starts = np.arange(axis.output)[:, None] * axis.stride - axis.before + np.arange(axis.size) * axis.dilation
    useful = np.flatnonzero(((starts >= 0) & (starts < axis.input)).any(axis=0))
    first, end = (int(useful[0]), int(useful[-1]) + 1) if len(useful) else (0, 1)
    shorter = replace(axis, size=end - first, before=axis.before - first * axis.dilation)
    return replace(shorter, dilation=1) if shorter.size == 1 else shorter, slice(first, end)


def depthwise_conv_2d(op: Operator) -> Operator | None:
    """The convolution in this kernel, where its shape fits and its arithmetic is proven exact."""
    if type(op) is not DepthwiseConv2D:
        return None
    variant = of_one_channel(op) if op.input(0).nhwc[3] == 1 else DepthwiseConv2DMve.like(op)
    return variant if variant.applicable else None


@dataclass(frozen=True, eq=False)
class DepthwiseOfOneChannelMve(Conv2DMve):
    """A depthwise convolution of an image of one channel, which is a convolution."""

    kind = "DEPTHWISE_CONV_2D"
    internal = True


def of_one_channel(op: DepthwiseConv2D) -> DepthwiseOfOneChannelMve:
    """The same operator as a convolution, with weights [channels, height, width, 1]."""
    weights = op.input(1)
    assert weights.quantization is not None
    turned = replace(
        weights,
        shape=(weights.shape[3], *weights.shape[1:3], 1),
        data=np.ascontiguousarray(op.weights.transpose(3, 1, 2, 0)),
        quantization=replace(weights.quantization, axis=0),
    )
    return DepthwiseOfOneChannelMve.like(op, inputs=(op.inputs[0], turned, *op.inputs[2:]))
