"""Builds geometries from numbers alone, operator by operator: what a search or a test plans without any model."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from patch_scheduler.geometry import Access, Network, Operator, Ranges, Tensor, each, last, whole, window


def convolution_scratch(kernel: Any, channels: Any) -> Any:
    """Bytes for two windows of 16-bit values; numbers or arrays."""
    return 4 * kernel * kernel * channels * (kernel > 1)


def depthwise_scratch(kernel: Any, width: Any) -> Any:
    """Bytes for the rows of one channel under a window, with its borders; numbers or arrays."""
    return (width + kernel) * kernel


@dataclass(frozen=True)
class Map:
    """A feature map: a tensor and its height, width and channels."""

    tensor: int
    height: int
    width: int
    channels: int


@dataclass
class Builder:
    """Appends operators; `scratch` turns on scratch memory of the size that real kernels use."""

    scratch: bool = True
    tensors: list[Tensor] = field(default_factory=list)
    operators: list[Operator] = field(default_factory=list)

    def map(self, height: int, width: int, channels: int, alignment: int = 1) -> Map:
        """A new tensor."""
        self.tensors.append(Tensor(f"t{len(self.tensors)}", height, width * channels, alignment))
        return Map(len(self.tensors) - 1, height, width, channels)

    def add_operator(self, name: str, reads: list[Access], out: Map, steps: Ranges | None = None, **more: Any) -> Map:
        """An operator that writes `out`, by default a row per step."""
        ranges = steps or each(out.height)
        if not self.scratch:
            more = {key: value for key, value in more.items() if key not in ("scratch", "scratch_per_step")}
        self.operators.append(
            Operator(f"{name}{len(self.operators)}", tuple(reads), (Access(out.tensor, ranges),), len(ranges), **more)
        )
        return out

    def source(self, height: int, width: int, channels: int) -> Map:
        """Rows that the application supplies when they are asked for."""
        return self.add_operator("source", [], self.map(height, width, channels), reversible=False)

    def conv(self, x: Map, channels: int, size: int, stride: int, name: str = "conv") -> Map:
        """A convolution with "same" padding."""
        height, width = -(-x.height // stride), -(-x.width // stride)
        before = max((height - 1) * stride + size - x.height, 0) // 2
        out = self.map(height, width, channels)
        reads = [Access(x.tensor, window(height, x.height, size, stride, 1, before))]
        weights = size * size * x.channels * channels
        scratch = convolution_scratch(size, x.channels)
        return self.add_operator(name, reads, out, scratch=scratch, weight_bytes=weights, macs=weights * height * width)

    def depthwise(self, x: Map, size: int, stride: int) -> Map:
        """A depthwise convolution with "same" padding."""
        height, width = -(-x.height // stride), -(-x.width // stride)
        before = max((height - 1) * stride + size - x.height, 0) // 2
        out = self.map(height, width, x.channels)
        reads = [Access(x.tensor, window(height, x.height, size, stride, 1, before))]
        weights, scratch = size * size * x.channels, depthwise_scratch(size, x.width)
        return self.add_operator("dw", reads, out, scratch=scratch, weight_bytes=weights, macs=weights * height * width)

    def pointwise(self, x: Map, channels: int) -> Map:
        """A convolution of one pixel."""
        return self.conv(x, channels, 1, 1, "pw")

    def add(self, a: Map, b: Map) -> Map:
        """A sum, which may lie over either of its terms."""
        out = self.map(a.height, a.width, a.channels)
        reads = [Access(source.tensor, each(a.height), in_place=True) for source in (a, b)]
        return self.add_operator("add", reads, out)

    def resize(self, x: Map, factor: int) -> Map:
        """Nearest neighbours."""
        out = self.map(x.height * factor, x.width * factor, x.channels)
        low = np.arange(out.height) // factor
        return self.add_operator("resize", [Access(x.tensor, Ranges(low, low + 1))], out)

    def concat(self, a: Map, b: Map) -> Map:
        """Channels of both."""
        out = self.map(a.height, a.width, a.channels + b.channels)
        return self.add_operator("concat", [Access(source.tensor, each(a.height)) for source in (a, b)], out)

    def mean(self, x: Map) -> Map:
        """A global average, accumulated row by row."""
        out = self.map(1, 1, x.channels)
        reads = [Access(x.tensor, each(x.height))]
        ranges = last(x.height, 1)
        return self.add_operator("mean", reads, out, ranges, state=4 * x.channels, reversible=False)

    def dense(self, x: Map, channels: int) -> Map:
        """A fully connected layer."""
        out = self.map(1, 1, channels)
        weights = x.height * x.width * x.channels * channels
        return self.add_operator("fc", [Access(x.tensor, whole(1, x.height))], out, weight_bytes=weights, macs=weights)

    def inverted(self, x: Map, expand: int, channels: int, size: int, stride: int, residual: bool | None = None) -> Map:
        """An inverted bottleneck; `residual` None: it adds its input where the shapes permit."""
        y = self.pointwise(x, x.channels * expand) if expand > 1 else x
        y = self.pointwise(self.depthwise(y, size, stride), channels)
        residual = stride == 1 and channels == x.channels if residual is None else residual
        return self.add(x, y) if residual else y

    def network(self, inputs: list[Map], outputs: list[Map]) -> Network:
        """What was built so far."""
        return Network(
            tuple(self.tensors),
            tuple(self.operators),
            tuple(x.tensor for x in inputs),
            tuple(x.tensor for x in outputs),
        )
