"""CONV_2D of one group in blocks of three pixels by two channels (ops/dsp/mcu_conv2d_dsp.h)."""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import cached_property

import numpy as np

from tflm_mcunet.graph import Array
from tflm_mcunet.kernels.dsp import packing
from tflm_mcunet.operators.base import Operator, Record
from tflm_mcunet.operators.conv_2d import Conv2D

CHAIN = 12
"""Quads per pass of the inner loop, as in ops/dsp/mcu_conv2d_dsp.h."""


@dataclass(frozen=True, eq=False)
class Conv2DDsp(Conv2D):
    """A convolution of one group; the window is one segment per kernel row, or gathered into one."""

    internal = True

    @property
    def direct(self) -> bool:
        return self.pointwise and self.weights.shape[3] >= 4

    @property
    def segments(self) -> tuple[int, int]:
        """Number and bytes of the contiguous pieces of a window."""
        return (1, self.weights.shape[3])

    @cached_property
    def taps(self) -> Array:
        """Weights [channels, taps] in the order of the expanded pixels, with zeros where those hold nothing of use."""
        count, length = self.segments
        weights = self.weights.reshape(-1, count, length)
        if length % 4 == 0:
            return weights.reshape(len(weights), -1)
        # The last quad of a segment is its last four bytes, some of which the quad before it holds already.
        whole, rest = length - length % 4, length % 4
        repeated = np.zeros((len(weights), count, 4 - rest), weights.dtype)
        return np.concatenate([weights[:, :, :whole], repeated, weights[:, :, whole:]], axis=2).reshape(len(weights), -1)

    @property
    def quads(self) -> int:
        return self.taps.shape[1] // 4

    @property
    def scratch(self) -> int:
        return 24 * self.quads

    @cached_property
    def channels(self) -> list[packing.Channel]:
        return packing.channels(self, self.taps)

    @property
    def applicable(self) -> bool:
        return self.groups == 1 and self.direct and all(channel.exact for channel in self.channels)

    @property
    def weight_bytes_fetched(self) -> int:
        """The stream is read once per three pixels."""
        _, height, width, _ = self.output.nhwc
        return -(-height * width // 3) * self.taps.size

    def record(self) -> Record:
        _, horizontal = self.axes
        return Record(
            "conv2d_dsp",
            {
                "input": self.input(0),
                "output": self.output,
                "stream": packing.stream(self.channels, self.output.zero_point, self.limits),
                "in_c": self.input(0).nhwc[3],
                "out_c": self.output.nhwc[3],
                "in_zero": self.input(0).zero_point,
                "segments": self.segments[0],
                "length": self.segments[1],
                "quads": self.quads,
                "passes": (self.quads - 1) // CHAIN + 1,
                "entry": (self.quads - 1) % CHAIN,
                **self.geometry,
            },
            function="mcu_conv2d_dsp_pointwise",
        )


def conv_2d(op: Operator) -> Operator | None:
    """The convolution in this kernel, where it is one of a single group whose arithmetic is proven exact."""
    if type(op) is not Conv2D:
        return None
    variant = Conv2DDsp(**{f.name: getattr(op, f.name) for f in fields(op)})
    return variant if variant.applicable else None
