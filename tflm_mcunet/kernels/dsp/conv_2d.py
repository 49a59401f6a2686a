"""CONV_2D of one group in blocks of three pixels by two channels (ops/dsp/mcu_conv2d_dsp.h)."""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import cached_property

import numpy as np

from tflm_mcunet.graph import Array
from tflm_mcunet.kernels.dsp import packing
from tflm_mcunet.operators.base import Operator, Record
from tflm_mcunet.operators.conv_2d import Conv2D

ROWS = 12
"""Windows have at most so many rows, as in ops/dsp/mcu_conv2d_dsp.h."""


@dataclass(frozen=True, eq=False)
class Conv2DDsp(Conv2D):
    """A convolution of one group; the window is one segment per kernel row, or gathered into one."""

    internal = True

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
        # The last quad of a pixel is its last four bytes, some of which the quad before it holds already.
        return np.concatenate([whole, zeros, rest] if self.in_place_pixels else [whole, rest, zeros], axis=1)

    @property
    def quads(self) -> int:
        return self.taps.shape[1] // 4

    @property
    def scratch(self) -> int:
        _, _, width, depth = self.weights.shape
        return 24 * self.quads + (0 if self.in_place_pixels else 4 * width * depth + 12 * self.rest)

    @cached_property
    def channels(self) -> list[packing.Channel]:
        return packing.channels(self, self.taps)

    @property
    def applicable(self) -> bool:
        return self.groups == 1 and self.weights.shape[1] <= ROWS and all(channel.exact for channel in self.channels)

    def in_place(self, position: int) -> bool:
        """Three pixels are read before their outputs, which are no longer, are written."""
        dense = self.in_place_pixels and self.stride == (1, 1)
        return position == 0 and dense and self.weights.shape[0] <= self.weights.shape[3]

    @property
    def weight_bytes_fetched(self) -> int:
        """The stream is read once per three pixels; channels that are constant have no weights there."""
        _, height, width, _ = self.output.nhwc
        live = sum(channel.value is None for channel in self.channels)
        return -(-height * width // 3) * live * self.taps.shape[1]

    def record(self) -> Record:
        return Record(
            "conv2d_dsp",
            {
                "input": self.input(0),
                "output": self.output,
                "stream": packing.stream(self.channels, self.output.zero_point, self.limits),
                "in_c": self.input(0).nhwc[3],
                "out_c": self.output.nhwc[3],
                "in_zero": self.input(0).zero_point,
                "whole": self.whole,
                "rest": self.rest,
                "quads": self.quads,
                **self.geometry,
            },
            function="mcu_conv2d_dsp_pointwise" if self.in_place_pixels else "mcu_conv2d_dsp",
        )


def conv_2d(op: Operator) -> Operator | None:
    """The convolution in this kernel, where it is one of a single group whose arithmetic is proven exact."""
    if type(op) is not Conv2D:
        return None
    variant = Conv2DDsp(**{f.name: getattr(op, f.name) for f in fields(op)})
    return variant if variant.applicable else None
