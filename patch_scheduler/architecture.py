"""Candidate architectures as numbers: a first convolution, inverted bottlenecks and a head, as a search draws them.

    candidate = Architecture(96, 96, 3, Convolution(16), (Bottleneck(3, 1, 8), Bottleneck(5, 4, 16, stride=2)), classes=10)
    schedule(candidate.network(), minimize="sram")      # the full planner
    estimate([candidate, ...])                          # patch_scheduler.batch: thousands per second

No model is built. All windows are padded as "same" does, all values are bytes.
"""

from __future__ import annotations

from dataclasses import dataclass

from patch_scheduler.builder import Builder
from patch_scheduler.geometry import Network


@dataclass(frozen=True)
class Convolution:
    """The first layer: a full convolution."""

    channels: int
    kernel: int = 3
    stride: int = 2


@dataclass(frozen=True)
class Bottleneck:
    """Pointwise to `expansion` times the channels (left out where that is 1), depthwise, pointwise to `channels`.

    `residual` None: the input is added where the shapes permit.
    """

    kernel: int
    expansion: int
    channels: int
    stride: int = 1
    residual: bool | None = None

    def adds(self, channels: int) -> bool:
        """Whether an input of so many channels is added."""
        fits = self.stride == 1 and channels == self.channels
        if self.residual and not fits:
            raise ValueError(f"{self} cannot add an input of {channels} channels: the shapes differ")
        return fits if self.residual is None else self.residual


@dataclass(frozen=True)
class Architecture:
    """An image, a first convolution, bottlenecks, then `head` further channels (0: none), their mean and `classes`.

    Without classes the last feature map is the output.
    """

    height: int
    width: int
    channels: int
    stem: Convolution
    blocks: tuple[Bottleneck, ...]
    head: int = 0
    classes: int = 0

    def network(self, *, pull: bool = False, scratch: bool = True) -> Network:
        """Its geometry. With `pull` the application supplies the image row by row, so that it need never be whole."""
        build = Builder(scratch)
        size = self.height, self.width, self.channels
        image = build.source(*size) if pull else build.map(*size)
        x = build.conv(image, self.stem.channels, self.stem.kernel, self.stem.stride)
        for block in self.blocks:
            x = build.inverted(x, block.expansion, block.channels, block.kernel, block.stride, block.adds(x.channels))
        if self.classes:
            x = build.dense(build.mean(build.pointwise(x, self.head) if self.head else x), self.classes)
        return build.network([] if pull else [image], [x])


MOBILENET_V2 = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1))
"""Expansion, channels, blocks and stride of every stage."""


def mobilenet_v2(size: int = 224, classes: int = 1000) -> Architecture:
    """MobileNetV2 of width 1, the yardstick of the papers."""
    blocks = tuple(
        Bottleneck(3, expansion, channels, 1 if index else stride)
        for expansion, channels, count, stride in MOBILENET_V2
        for index in range(count)
    )
    return Architecture(size, size, 3, Convolution(32), blocks, 1280, classes)
