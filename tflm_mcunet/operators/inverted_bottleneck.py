"""INVERTED_BOTTLENECK: expansion, depthwise convolution and projection (MobileNetV2, arXiv 1801.04381) as one operator.

It reads the rows of the block's input and keeps of the expanded map only the window of one output pixel, or of some above one
another, of which neighbours in a row share columns. What the rows of several steps need is expanded again for each of them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

from patch_scheduler.geometry import Ranges
from tflm_mcunet.graph import Array
from tflm_mcunet.operators.base import Operator, Record
from tflm_mcunet.operators.conv_2d import Conv2D
from tflm_mcunet.operators.convolution import BLOCK, Convolution
from tflm_mcunet.operators.depthwise_conv_2d import DepthwiseConv2D

WINDOW_ROWS = 16
"""The most that the windows of a step may have, as ops/portable/mcu_inverted_bottleneck.h needs."""

Parts = tuple[Conv2D, DepthwiseConv2D, Conv2D]
"""Expansion, depthwise convolution and projection, each of which alone reads what the one before makes."""


@dataclass(frozen=True, eq=False)
class InvertedBottleneck(Operator):
    """The three convolutions of an inverted bottleneck, bit for bit as one after the other; a residual is added outside.

    `height` is the rows of output per step: with more of them less is expanded again, and a larger window is kept.
    """

    kind = "INVERTED_BOTTLENECK"
    internal: ClassVar[bool] = True

    parts: Parts = field(kw_only=True)
    height: int = field(default=1, kw_only=True)

    @classmethod
    def of(cls, parts: Parts, height: int) -> InvertedBottleneck:
        """The operator in place of three."""
        constants = (tensor for part in parts for tensor in part.inputs[1:])
        return cls((parts[0].input(0), *constants), parts[2].outputs, index=parts[2].index, parts=parts, height=height)

    @property
    def inner(self) -> int:
        """Channels of the expanded map."""
        return self.parts[0].output.nhwc[3]

    @property
    def span(self) -> int:
        """Rows of the windows of a step."""
        vertical = self.parts[1].axes[0]
        return (self.height - 1) * vertical.stride + vertical.reach

    @property
    def steps(self) -> int:
        return -(-self.output.rows // self.height)

    def reads(self, position: int) -> Ranges:
        rows, target = self.parts[1].axes[0].rows(), self.writes(0)
        return Ranges(rows.low[target.low], rows.high[target.high - 1])

    def writes(self, position: int) -> Ranges:
        first = np.arange(self.steps) * self.height
        return Ranges(first, np.minimum(first + self.height, self.output.rows))

    @property
    def row_pointers(self) -> bool:
        return True

    @property
    def scratch(self) -> int:
        """The expanded windows, and a pixel's depthwise outputs in whole blocks, into which reading a window may run."""
        return self.span * self.parts[1].window[1] * self.inner + -(-self.inner // BLOCK) * BLOCK

    @property
    def columns(self) -> int:
        """Columns of the input that a row of output reads, the same for all."""
        across = self.parts[1].axes[1].rows()
        return len({column for low, high in zip(across.low, across.high, strict=True) for column in range(low, high)})

    @property
    def expanded_rows(self) -> Array:
        """How many rows each step expands."""
        rows = self.reads(0)
        return rows.high - rows.low

    @property
    def macs(self) -> int:
        """Those of three, with every pixel of the expanded map as often as it is computed."""
        expand, depthwise, project = self.parts
        return int(self.expanded_rows.sum()) * self.columns * expand.weights.size + depthwise.macs + project.macs

    @property
    def weight_bytes_fetched(self) -> int:
        """Pixels of a column are expanded two at a time."""
        expand, depthwise, project = self.parts
        pairs = int((-(-self.expanded_rows // 2)).sum())
        _, height, width, _ = self.output.nhwc
        return pairs * self.columns * expand.weights.size + height * width * (depthwise.weights.size + project.weights.size)

    def describe(self) -> str:
        return f"{self.parts[1].describe()} of {self.inner} channels, {self.height} rows at a time"

    def record(self) -> Record:
        expand, depthwise, project = self.parts
        geometry = {key: value for key, value in depthwise.geometry.items() if not key.startswith("dilation")}
        by_columns = depthwise.weights.transpose(3, 2, 1, 0).reshape(self.inner, -1)
        weights = (_matrix(expand), by_columns, _matrix(project))
        channels = tuple(_channels(part, each) for part, each in zip(self.parts, weights, strict=True))
        return Record(
            "inverted_bottleneck",
            {
                "input": self.input(0),
                "output": self.output,
                "channels": channels,
                "in_c": self.input(0).nhwc[3],
                "inner_c": self.inner,
                "out_c": self.output.nhwc[3],
                "out_h": self.output.nhwc[1],
                "rows": self.height,
                "inner_zero": expand.output.zero_point,
                **geometry,
            },
        )


def _matrix(part: Conv2D) -> Array:
    return part.weights.reshape(part.weights.shape[0], -1)


def _channels(part: Convolution, weights: Array) -> Record:
    """A `struct mcu_channels` of weights [channels, taps]."""
    fields: dict[str, Any] = part.channel_fields(weights)
    return Record("channels", {key.removeprefix("channels."): value for key, value in fields.items()})
