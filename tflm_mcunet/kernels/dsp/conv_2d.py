"""CONV_2D of one group in blocks of three pixels by two channels (ops/dsp/mcu_conv2d_dsp.h)."""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import cached_property

import numpy as np

from tflm_mcunet.graph import Array
from tflm_mcunet.kernels.dsp import packing
from tflm_mcunet.operators.base import Operator, Record
from tflm_mcunet.operators.conv_2d import Conv2D

@dataclass(frozen=True, eq=False)
class Conv2DDsp(Conv2D):
    """A convolution of one group; the window is one segment per kernel row, or gathered into one."""

    internal = True

    @property
    def in_place_windows(self) -> bool:
        """Whether windows are read where they lie: a pixel of at least one quad, or kernel rows of whole quads."""
        _, height, width, depth = self.weights.shape
        if self.pointwise:
            return depth >= 4
        return width * depth % 4 == 0 and self.dilation[1] == 1

    @property
    def length(self) -> int:
        """Bytes of the contiguous pieces of a window: kernel rows, or all of it once it is gathered."""
        _, height, width, depth = self.weights.shape
        return width * depth if self.in_place_windows else -(-height * width * depth // 4) * 4

    @cached_property
    def taps(self) -> Array:
        """Weights [channels, taps] in the order of the expanded pixels, with zeros where those hold nothing of use."""
        weights = self.weights.reshape(len(self.weights), -1)
        missing = -weights.shape[1] % 4
        zeros = np.zeros((len(weights), missing), weights.dtype)
        # The last quad of a pixel is its last four bytes, some of which the quad before it holds already.
        at = weights.shape[1] // 4 * 4 if self.in_place_windows else weights.shape[1]
        return np.concatenate([weights[:, :at], zeros, weights[:, at:]], axis=1)

    @property
    def quads(self) -> int:
        return self.taps.shape[1] // 4

    @property
    def scratch(self) -> int:
        return 24 * self.quads + (0 if self.function.endswith("pointwise") else 4 * self.length)

    @property
    def function(self) -> str:
        return "mcu_conv2d_dsp_pointwise" if self.pointwise and self.in_place_windows else "mcu_conv2d_dsp"

    @cached_property
    def channels(self) -> list[packing.Channel]:
        return packing.channels(self, self.taps)

    @property
    def applicable(self) -> bool:
        return self.groups == 1 and all(channel.exact for channel in self.channels)

    @property
    def weight_bytes_fetched(self) -> int:
        """The stream is read once per three pixels."""
        _, height, width, _ = self.output.nhwc
        return -(-height * width // 3) * self.taps.size

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
                "gather": not self.in_place_windows,
                "length": self.length,
                "quads": self.quads,
                **self.geometry,
            },
            function=self.function,
        )


def conv_2d(op: Operator) -> Operator | None:
    """The convolution in this kernel, where it is one of a single group whose arithmetic is proven exact."""
    if type(op) is not Conv2D:
        return None
    variant = Conv2DDsp(**{f.name: getattr(op, f.name) for f in fields(op)})
    return variant if variant.applicable else None
