"""Random networks of MCUNet's search space: kernels, expansions, depths, widths and resolutions, drawn independently."""

from __future__ import annotations

from random import Random

from patch_scheduler.architecture import Architecture, Bottleneck, Convolution

STAGES = ((24, 2), (40, 2), (80, 2), (96, 1), (192, 2))
"""Channels and stride of the stages whose depth is searched, between a first block of 16 and a last one of 320 channels."""
RESOLUTIONS = range(48, 225, 16)


def divisible(channels: float) -> int:
    """Rounded to a multiple of 8, never by more than a tenth downwards."""
    rounded = max(8, int(channels + 4) // 8 * 8)
    return rounded + 8 * (rounded < 0.9 * channels)


def draw(random: Random) -> Architecture:
    """One network."""
    width, size = random.uniform(0.2, 1.0), random.choice(RESOLUTIONS)
    blocks = [Bottleneck(random.choice((3, 5, 7)), 1, divisible(16 * width))]
    for channels, stride in STAGES:
        for index in range(random.choice((2, 3, 4))):
            block = random.choice((3, 5, 7)), random.choice((3, 4, 6)), divisible(channels * width)
            blocks.append(Bottleneck(*block, 1 if index else stride))
    blocks.append(Bottleneck(random.choice((3, 5, 7)), random.choice((3, 4, 6)), divisible(320 * width)))
    return Architecture(size, size, 3, Convolution(divisible(32 * width)), tuple(blocks), classes=1000)


def sample(count: int, seed: int = 0) -> list[Architecture]:
    """The same networks for the same seed."""
    random = Random(seed)
    return [draw(random) for _ in range(count)]
