"""Geometry of sliding windows: sizes, strides, dilations and the padding TFLM derives from them (kernels/padding.h)."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from patch_scheduler.geometry import Ranges, window


@dataclass(frozen=True)
class Axis:
    """A window along one axis: output i covers inputs i * stride - before + k * dilation for k in [0, size)."""

    input: int
    output: int
    size: int
    stride: int = 1
    dilation: int = 1
    before: int = 0

    @property
    def reach(self) -> int:
        """Input positions from a window's first tap to its last."""
        return (self.size - 1) * self.dilation + 1

    @property
    def inside(self) -> int:
        """Taps of all windows together that lie inside the input."""
        offset = np.arange(self.size) * self.dilation - self.before  # of each tap in the first window
        first = np.maximum(0, -(offset // self.stride))
        last = np.minimum(self.output, (self.input - 1 - offset) // self.stride + 1)
        return int(np.maximum(0, last - first).sum())

    def rows(self) -> Ranges:
        """The input positions that each output position needs."""
        return window(self.output, self.input, self.size, self.stride, self.dilation, self.before)

    def needs(self, low: int, high: int) -> tuple[int, int]:
        """The inputs [low, high) that outputs [low, high) need; empty where these lie in the padding alone."""
        begin = low * self.stride - self.before
        end = (high - 1) * self.stride - self.before + self.reach
        first = min(max(begin, 0), self.input)
        return first, min(max(end, first), self.input)

    def cut(self, inputs: tuple[int, int], outputs: tuple[int, int]) -> Axis:
        """The same windows for a piece of the outputs over a piece of the inputs that holds what they need."""
        before = self.before - outputs[0] * self.stride + inputs[0]
        return replace(self, input=inputs[1] - inputs[0], output=outputs[1] - outputs[0], before=before)

    def padded(self, before: int, after: int) -> Axis:
        """The same window over an input that a PAD operator, now folded in, made longer by `before` and `after`."""
        return replace(self, input=self.input - before - after, before=self.before + before)


def outputs_along(padding: str, source: int, size: int, stride: int, dilation: int) -> int:
    """The number of outputs that the padding rule, SAME or VALID, gives (ComputeOutSize)."""
    reach = (size - 1) * dilation + 1
    return -(-source // stride) if padding == "SAME" else (source + stride - reach) // stride


def padded_axis(padding: str, source: int, target: int, size: int, stride: int, dilation: int = 1) -> Axis:
    """The axis with TFLM's padding: half of what is missing, rounded down, goes before."""
    axis = Axis(source, target, size, stride, dilation)
    outputs = outputs_along(padding, source, size, stride, dilation)
    total = (outputs - 1) * stride + axis.reach - source
    return replace(axis, before=max(0, total) // 2)
