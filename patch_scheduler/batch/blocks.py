"""Many architectures as arrays: their blocks side by side in common slots, one column per network.

Networks that shrink the image in the same way have their strided blocks in the same slots; where a network has fewer blocks
between two of them, its slots hold identities, which take no memory and no time.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from patch_scheduler.architecture import Architecture, Bottleneck
from patch_scheduler.batch.windows import stacked
from patch_scheduler.builder import convolution_scratch, depthwise_scratch
from patch_scheduler.geometry import Int

Bool = NDArray[np.bool_]
Shape = tuple[int, int, int, tuple[int, ...], bool]
"""What networks of one group share: image height and width, the strides above 1 (the first layer's first), and a head."""


@dataclass(frozen=True)
class Slot:
    """One block of every network: an optional expansion, a window, an optional projection, an optional sum.

    `need`, `gone`, `ready` are the tables of windows.py, one column per network; `x`, `e`, `d`, `y` bytes of a row of the
    input, of what the window reads, of what it writes and of the output. Identities have no bytes of their own.
    """

    height: int
    width: int
    stride: int
    need: Int
    gone: Int
    ready: Int
    need_columns: Int
    gone_columns: Int
    real: Bool
    expands: Bool
    projects: Bool
    adds: Bool
    x: Int
    e: Int
    d: Int
    y: Int
    scratch: Int
    scratch_columns: Int  # bytes of scratch for one more column
    macs: Int  # of the expansion, of everything after it
    weights: Int

    @property
    def steps(self) -> int:
        """Output rows."""
        return -(-self.height // self.stride)

    @property
    def reach(self) -> Int:
        """The most rows that a window finds."""
        return np.asarray((self.need[1:] - self.gone[:-1]).max(axis=0))


@dataclass(frozen=True)
class Group:
    """Networks of one shape. `rows[b]` are bytes per row of the map before slot b; the last one is that of the last map."""

    members: Int
    slots: tuple[Slot, ...]
    heights: tuple[int, ...]
    rows: Int
    head: Int  # bytes of a row of the head's map, which is the last map where there is no further convolution
    widens: Bool
    features: Int
    classes: Int
    has_head: bool

    @property
    def macs(self) -> Int:
        """As the networks are written."""
        last = self.rows[-1] // np.maximum(self._width, 1)
        head = self.heights[-1] * self._width * last * self.features * self.widens
        return np.asarray(sum(slot.macs.sum(0) for slot in self.slots) + head + self.features * self.classes)

    @property
    def weights(self) -> Int:
        """Bytes of all weights, biases not counted."""
        last = self.rows[-1] // np.maximum(self._width, 1)
        head = last * self.features * self.widens + self.features * self.classes
        return np.asarray(sum(slot.weights for slot in self.slots) + head)

    @property
    def _width(self) -> int:
        return -(-self.slots[-1].width // self.slots[-1].stride)


def groups(architectures: Sequence[Architecture], largest: int) -> Iterator[Group]:
    """All architectures, in groups of one shape and of at most so many."""
    found: dict[Shape, list[int]] = {}
    for index, each in enumerate(architectures):
        strides = (each.stem.stride, *(block.stride for block in each.blocks if block.stride > 1))
        found.setdefault((each.height, each.width, each.channels, strides, each.classes > 0), []).append(index)
    for shape, members in found.items():
        for first in range(0, len(members), largest):
            part = members[first : first + largest]
            yield _group(shape, [architectures[index] for index in part], part)


def _group(shape: Shape, networks: Sequence[Architecture], members: Sequence[int]) -> Group:
    height, width, channels, strides, has_head = shape
    runs = [_runs(network.blocks) for network in networks]
    lengths = [max(len(run) for run in column) for column in zip(*runs, strict=True)]
    starts = np.cumsum([0, *lengths]).tolist()
    fields = np.zeros((5, starts[-1], len(networks)), np.int64)
    fields[0] = 1
    for column, network in enumerate(runs):
        places = [start + index for start, run in zip(starts, network, strict=False) for index in range(len(run))]
        values = [
            (block.kernel, block.expansion, block.channels, -1 if block.residual is None else block.residual, 1)
            for run in network
            for block in run
        ]
        if values:
            fields[:, places, column] = np.array(values).T
    stem = np.array([(network.stem.kernel, network.stem.channels) for network in networks]).T
    before = np.full(len(networks), channels)
    slots = [_stem(height, width, strides[0], stem[0], before, stem[1])]
    heights, rows = [height, slots[0].steps], [before * width]
    channels_now, width = stem[1], -(-width // strides[0])
    for place in range(starts[-1]):
        stride = strides[1 + starts[1:-1].index(place)] if place in starts[1:-1] else 1
        rows.append(channels_now * width)
        slot, channels_now = _slot(heights[-1], width, stride, fields[:, place], channels_now)
        slots.append(slot)
        heights.append(slot.steps)
        width = -(-width // stride)
    rows.append(channels_now * width)
    head = np.array([(network.head, network.classes) for network in networks]).T
    features = np.where(head[0] > 0, head[0], channels_now)
    bytes_ = np.array(rows), features * width
    return Group(np.array(members), tuple(slots), tuple(heights), *bytes_, head[0] > 0, features, head[1], has_head)


def _runs(blocks: Sequence[Bottleneck]) -> list[list[Bottleneck]]:
    """Split before every strided block."""
    runs: list[list[Bottleneck]] = [[]]
    for block in blocks:
        if block.stride > 1:
            runs.append([])
        runs[-1].append(block)
    return runs


def _stem(height: int, width: int, stride: int, kernel: Int, inputs: Int, outputs: Int) -> Slot:
    steps, columns = -(-height // stride), -(-width // stride)
    none, never = np.zeros_like(kernel), np.zeros(len(kernel), bool)
    weights = kernel**2 * inputs * outputs
    return Slot(
        height, width, stride, *_tables(height, kernel, stride), *_tables(width, kernel, stride)[:2],
        ~never, never, never, never, inputs * width, inputs * width, outputs * columns, none,
        convolution_scratch(kernel, inputs), none, np.array([none, weights * steps * columns]), weights,
    )  # fmt: skip


def _slot(height: int, width: int, stride: int, fields: Int, inputs: Int) -> tuple[Slot, Int]:
    """A bottleneck of every network, and the channels after it."""
    kernel, expansion, outputs, residual, real = fields
    real = real > 0
    outputs = np.where(real, outputs, inputs)
    fits = real & (stride == 1) & (inputs == outputs)
    if (bad := (residual == 1) & real & ~fits).any():
        raise ValueError(f"a block adds an input of another shape ({int(bad.sum())} networks of a group)")
    middle = inputs * expansion
    steps, columns = -(-height // stride), -(-width // stride)
    widen = inputs * middle * (expansion > 1)
    window, project = kernel**2 * middle, middle * outputs * real
    slot = Slot(
        height, width, stride, *_tables(height, kernel, stride), *_tables(width, kernel, stride)[:2],
        real, expansion > 1, real, np.where(residual < 0, fits, residual > 0) & real,
        inputs * width, middle * width, middle * columns, np.where(real, outputs, 0) * columns,
        depthwise_scratch(kernel, width) * real, kernel * real,
        np.array([widen * height * width, (window + project) * steps * columns]), widen + window + project,
    )  # fmt: skip
    return slot, outputs


def _tables(height: int, kernel: Int, stride: int) -> tuple[Int, Int, Int]:
    kernels = tuple(np.unique(kernel).tolist())
    column = np.searchsorted(kernels, kernel)
    need, gone, ready = stacked(height, kernels, stride)
    return need[:, column], gone[:, column], ready[:, column]
