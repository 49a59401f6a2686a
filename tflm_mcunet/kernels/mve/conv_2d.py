"""CONV_2D of one group as products of four pixels and two channels (ops/mve/mcu_conv2d_mve.h)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from tflm_mcunet.graph import Array
from tflm_mcunet.kernels.mve import matrix
from tflm_mcunet.operators.base import Operator, Record
from tflm_mcunet.operators.conv_2d import Conv2D

SCRATCH = 2048
"""Bytes of gathered windows from which on more than four at a time no longer pay."""


@dataclass(frozen=True, eq=False)
class Conv2DMve(Conv2D):
    """A convolution of one group; windows other than 1x1 are gathered in batches."""

    internal = True

    @property
    def depth(self) -> int:
        """Values in a window."""
        return self.weights[0].size

    @cached_property
    def channels(self) -> matrix.Channels | None:
        return matrix.channels(self, self.weights.reshape(-1, self.depth))

    @cached_property
    def stream(self) -> Array:
        assert self.channels is not None
        return matrix.stream(self.channels)

    @property
    def applicable(self) -> bool:
        """The record counts depth in 16 bits."""
        return self.groups == 1 and self.depth < 1 << 14 and self.channels is not None

    @property
    def pitch(self) -> int:
        """Bytes from one gathered window to the next."""
        return -(-self.depth // 8) * 8

    @property
    def batch(self) -> int:
        """Windows gathered at a time."""
        return 4 * min(4, max(1, SCRATCH // (4 * self.pitch)))

    @property
    def scratch(self) -> int:
        return 0 if self.pointwise else self.batch * self.pitch

    @property
    def weight_bytes_fetched(self) -> int:
        """The stream is read once per four pixels."""
        _, height, width, _ = self.output.nhwc
        return -(-height * width // 4) * self.stream.nbytes

    @property
    def pieces(self) -> tuple[int, int]:
        """Number and pixels of the contiguous pieces of a row of the window."""
        width = self.window[1]
        return (1, width) if self.dilation[1] == 1 else (width, 1)

    @property
    def inside(self) -> Array:
        """Per piece, the first output column for which it lies inside the image, and the first behind it for which not."""
        _, horizontal = self.axes
        count, pixels = self.pieces
        starts = np.arange(count) * horizontal.dilation - horizontal.before
        first = np.maximum(0, -(starts // horizontal.stride))
        end = (horizontal.input - pixels - starts) // horizontal.stride + 1
        return np.stack([first, np.maximum(first, end)], axis=1).astype(np.int16)

    def record(self) -> Record:
        low, high = self.limits
        geometry = {key: value for key, value in self.geometry.items() if key not in ("kernel_w",)}
        pieces, piece = self.pieces
        return Record(
            "conv2d_mve",
            {
                "input": self.input(0),
                "output": self.output,
                "weights": self.stream,
                "inside": self.inside,
                "depth": self.depth,
                "in_c": self.input(0).nhwc[3],
                "out_c": self.output.nhwc[3],
                **geometry,
                "pieces": pieces,
                "piece": piece,
                "batch": self.batch,
                "pitch": self.pitch,
                "in_zero": self.input(0).zero_point,
                "out_zero": self.output.zero_point,
                "out_min": low,
                "out_max": high,
            },
            function=f"mcu_conv2d_mve_{'pointwise_' if self.pointwise else ''}{matrix.flavour(self)}",
        )


def conv_2d(op: Operator) -> Operator | None:
    """The convolution in this kernel, where it has one group and its arithmetic is proven exact."""
    if type(op) is not Conv2D:
        return None
    variant = Conv2DMve.like(op)
    return variant if variant.applicable else None
