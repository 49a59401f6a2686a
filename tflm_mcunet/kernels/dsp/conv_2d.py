"""CONV_2D of one group in blocks of one to three pixels by two channels (ops/dsp/mcu_conv2d_dsp.h)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import ClassVar
from weakref import WeakKeyDictionary

import numpy as np

from tflm_mcunet.graph import Array
from tflm_mcunet.kernels.dsp import packing
from tflm_mcunet.operators.base import Operator, Record
from tflm_mcunet.operators.conv_2d import Conv2D

ROWS, STRIP = 26, 12
"""The windows of a strip need at most so many image rows, and it has at most so many output rows: ops/dsp/mcu_conv2d_dsp.h."""
FIRST_QUAD = 24
"""Bytes of expanded pixels that are read in any case."""


@dataclass(frozen=True, eq=False)
class Conv2DDsp(Conv2D):
    """A convolution of one group; the window is one segment per kernel row, or gathered into one.

    `pixels` are computed together; windows of at most `height` output rows are expanded together. Less of either needs less
    scratch, and takes longer.
    """

    internal = True
    tails: ClassVar[packing.Tails] = packing.TAILS

    pixels: int = field(default=3, kw_only=True)
    height: int = field(default=STRIP, kw_only=True)

    @property
    def strip(self) -> int:
        """Output rows that are expanded together."""
        vertical = self.axes[0]
        if self.in_place_pixels or vertical.dilation != 1 or self.pixels < 3:
            return 1
        return min(self.height, vertical.output, (ROWS - vertical.size) // vertical.stride + 1)

    @property
    def in_place_pixels(self) -> bool:
        """Whether windows are single pixels of at least one quad."""
        return self.pointwise and self.weights.shape[3] >= 4

    @property
    def whole(self) -> int:
        """Quads of a kernel row that are read where they lie."""
        _, _, width, depth = self.weights.shape
        return width * depth // 4 if width == 1 or self.dilation[1] == 1 else 0

    @property
    def rest(self) -> int:
        """Quads of what is left of all kernel rows."""
        return self.quads - self.weights.shape[1] * self.whole

    @cached_property
    def taps(self) -> Array:
        """Weights [channels, taps] in the order of the expanded pixels, with zeros where those hold nothing of use."""
        outputs, height, width, depth = self.weights.shape
        rows = self.weights.reshape(outputs, height, width * depth)
        whole = rows[:, :, : 4 * self.whole].reshape(outputs, -1)
        rest = rows[:, :, 4 * self.whole :].reshape(outputs, -1)
        zeros = np.zeros((outputs, -rest.shape[1] % 4), rows.dtype)
        if self.in_place_pixels:
            # The last quad of a pixel is its last four bytes, some of which the quad before it holds already.
            return np.concatenate([whole, zeros, rest], axis=1)
        rest = np.concatenate([rest, zeros], axis=1)
        return np.concatenate([rest, whole] if rest.shape[1] == 4 else [whole, rest], axis=1)

    @property
    def quads(self) -> int:
        return self.taps.shape[1] // 4

    @property
    def scratch(self) -> int:
        _, _, width, depth = self.weights.shape
        further = (self.strip - 1) * self.axes[0].stride
        rests = self.strip - 1 if self.rest == 1 else 0
        expanded = 8 * self.pixels * (self.quads + further * self.whole + rests)
        if not self.in_place_pixels:
            row = width * depth
            expanded += row + self.pixels * (row + 4 * self.rest + further * (row - 4 * self.whole))
        return max(expanded, FIRST_QUAD)

    @cached_property
    def channels(self) -> list[packing.Channel]:
        return packing.channels(self, self.taps)

    @property
    def applicable(self) -> bool:
        return self.weights.shape[1] <= ROWS and all(channel.exact for channel in self.channels)

    def in_place(self, position: int) -> bool:
        """Pixels are read before their outputs, which are no longer, are written."""
        dense = self.in_place_pixels and self.stride == (1, 1)
        return position == 0 and dense and self.weights.shape[0] <= self.weights.shape[3]

    @property
    def weight_bytes_fetched(self) -> int:
        """The stream is read once per block of pixels; channels that are constant have no weights there."""
        _, height, width, _ = self.output.nhwc
        live = sum(channel.value is None for channel in self.channels)
        return -(-height * width // self.pixels) * live * self.taps.shape[1]

    def record(self) -> Record:
        low, high = self.limits
        return Record(
            "conv2d_dsp",
            {
                "input": self.input(0),
                "output": self.output,
                "stream": packing.stream(self.channels, self.output.zero_point, self.tails),
                "in_c": self.input(0).nhwc[3],
                "out_c": self.output.nhwc[3],
                "in_zero": self.input(0).zero_point,
                "whole": self.whole,
                "rest": self.rest,
                "quads": self.quads,
                "pixels": self.pixels,
                "strip": self.strip,
                "out_min": low,
                "out_max": high,
                **self.geometry,
            },
            function="mcu_conv2d_dsp_pointwise" if self.in_place_pixels else "mcu_conv2d_dsp",
        )


@dataclass(frozen=True, eq=False)
class Conv2DSmallDsp(Conv2DDsp):
    """The same in less code, a little slower (ops/dsp/mcu_conv2d_small_dsp.h); a model has one or the other."""

    tails = packing.FEW_TAILS

    def record(self) -> Record:
        return replace(super().record(), header="mcu_conv2d_small_dsp.h")


_proven: WeakKeyDictionary[Operator, list[packing.Channel]] = WeakKeyDictionary()
"""The channels of a convolution, which are the same in all variants."""


def _variant(pixels: int, height: int) -> Callable[[Operator], Operator | None]:
    def variant(op: Operator) -> Operator | None:
        if type(op) is not Conv2D or op.groups != 1:
            return None
        found = Conv2DDsp.like(op, pixels=pixels, height=height)
        if op in _proven:
            vars(found)["channels"] = _proven[op]
        else:
            _proven[op] = found.channels
        return found if found.applicable else None

    variant.__doc__ = f"""The convolution in blocks of {pixels} pixels, where its arithmetic is proven exact."""
    return variant


CONV_2D = [_variant(3, STRIP), _variant(3, 3), _variant(3, 1), _variant(2, 1), _variant(1, 1)]
"""The kernel with less and less scratch."""
