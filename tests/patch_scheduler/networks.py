"""Geometries of realistic networks: what a compiler would hand to the scheduler, built from numbers alone."""

from __future__ import annotations

from collections.abc import Callable

from patch_scheduler import Network
from patch_scheduler.builder import Builder


def mobilenet_v1(size: int = 96, alpha: float = 0.25, scratch: bool = True) -> Network:
    build = Builder(scratch)
    image = build.map(size, size, 3)
    x = build.conv(image, int(32 * alpha), 3, 2)
    for channels, stride in (
        [(64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2)]
        + [(512, 1)] * 5
        + [
            (1024, 2),
            (1024, 1),
        ]
    ):
        x = build.pointwise(build.depthwise(x, 3, stride), int(channels * alpha))
    return build.network([image], [build.dense(build.mean(x), 2)])


def mobilenet_v2(size: int = 224, alpha: float = 1.0, scratch: bool = True) -> Network:
    build = Builder(scratch)
    image = build.map(size, size, 3)
    x = build.conv(image, int(32 * alpha), 3, 2)
    for expand, channels, count, stride in [
        (1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1)
    ]:  # fmt: skip
        for index in range(count):
            x = build.inverted(x, expand, int(channels * alpha), 3, stride if index == 0 else 1)
    return build.network([image], [build.dense(build.mean(build.pointwise(x, 1280)), 1000)])


MCUNET_VWW1 = [
    (1, 8, 3, 1), (3, 16, 7, 2), (5, 16, 3, 1), (5, 16, 3, 1), (4, 16, 3, 1), (5, 24, 7, 2), (5, 24, 7, 1), (5, 24, 3, 1),
    (6, 40, 5, 2), (6, 40, 7, 1), (6, 40, 7, 1), (6, 48, 3, 1), (5, 48, 5, 1), (5, 48, 5, 1), (6, 96, 7, 2), (5, 96, 5, 1),
    (4, 96, 3, 1), (6, 160, 7, 1),
]  # fmt: skip


def mcunet(size: int = 80, scratch: bool = True, widen: int = 1, deepen: int = 1) -> Network:
    build = Builder(scratch)
    image = build.map(size, size, 3)
    x = build.conv(image, 16 * widen, 3, 2)
    for expand, channels, kernel, stride in MCUNET_VWW1:
        for index in range(deepen):
            x = build.inverted(x, expand, channels * widen, kernel, 1 if index else stride)
    return build.network([image], [build.dense(build.mean(x), 2)])


def resnet8(size: int = 32, scratch: bool = True) -> Network:
    build = Builder(scratch)
    image = build.map(size, size, 3)
    x = build.conv(image, 16, 3, 1)
    for channels, stride in [(16, 1), (32, 2), (64, 2)]:
        y = build.conv(build.conv(x, channels, 3, stride), channels, 3, 1)
        x = build.add(x if stride == 1 else build.conv(x, channels, 1, stride), y)
    return build.network([image], [build.dense(build.mean(x), 10)])


def fpn(height: int = 128, width: int = 160, scratch: bool = True) -> Network:
    """A backbone with a top-down path (resize, concat, conv) and heads at three scales: several outputs."""
    build = Builder(scratch)
    image = build.map(height, width, 3)
    x = build.conv(image, 8, 3, 2)
    levels = []
    for channels, stride in [(8, 1), (16, 2), (24, 2), (40, 2), (64, 2)]:
        x = build.inverted(x, 3, channels, 5 if stride == 1 else 3, stride)
        x = build.inverted(x, 3, channels, 3, 1)
        levels.append(x)
    outputs = [build.pointwise(x, 18)]
    for lateral in reversed(levels[2:4]):
        x = build.pointwise(build.concat(build.resize(x, 2), lateral), lateral.channels)
        outputs.append(build.pointwise(build.depthwise(x, 3, 1), 18))
    return build.network([image], outputs)


def ds_cnn(scratch: bool = True) -> Network:
    build = Builder(scratch)
    image = build.map(49, 10, 1)
    x = build.conv(image, 64, 4, 2)
    for _ in range(4):
        x = build.pointwise(build.depthwise(x, 3, 1), 64)
    return build.network([image], [build.dense(build.mean(x), 12)])


REALISTIC: dict[str, Callable[..., Network]] = {
    "mobilenet_v1": mobilenet_v1,
    "mobilenet_v2": mobilenet_v2,
    "mcunet_80": mcunet,
    "mcunet_176": lambda scratch=True: mcunet(176, scratch, 2),
    "resnet8": resnet8,
    "fpn": fpn,
    "ds_cnn": ds_cnn,
}
