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
