"""Channels in the order of their importance, so that networks that keep only the first ones keep the best.

The importance of a channel is the L1 norm of the weights that read it, in the largest network, which computes the same
before and after.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from nas.supernet import Block, Normalisation, Supernet

Order = NDArray[np.intp]


def sort_channels(supernet: Supernet) -> None:
    """Sorts the channels inside every block, and those between blocks where widths are searched."""
    for block in supernet.blocks:
        if block.expand is not None:
            _reorder_middle(block, _order([block.project.kernel]))
    if len(supernet.space.widths) * len(supernet.space.block_widths) > 1:
        _sort_maps(supernet)


def _sort_maps(supernet: Supernet) -> None:
    """The maps between blocks: all blocks of a stage write one map, since each adds to what the one before has written."""
    blocks = supernet.blocks
    first = [index for index, block in enumerate(blocks) if block.place.index == 0] + [len(blocks)]
    readers = blocks[: first[0] + 1]
    _reorder_map([(supernet.stem.kernel, supernet.stem_bn)], readers, [])
    for begin, end in pairwise(first):
        writers = [(block.project.kernel, block.normalisations[-1]) for block in blocks[begin:end]]
        last = [] if end < len(blocks) else [(supernet.head or supernet.classifier).kernel]
        _reorder_map(writers, blocks[begin + 1 : end + 1], last)
    if supernet.head is not None and supernet.head_bn is not None:
        _reorder_map([(supernet.head.kernel, supernet.head_bn)], [], [supernet.classifier.kernel])


def _reorder_map(writers: list[tuple[Any, Normalisation]], readers: list[Block], kernels: list[Any]) -> None:
    """`readers` and `kernels` read what `writers` write."""
    expanding = [block.expand.kernel for block in readers if block.expand is not None]
    direct = [block for block in readers if block.expand is None]
    order = _order([*kernels, *expanding, *(block.project.kernel for block in direct)])
    for kernel, normalisation in writers:
        _take(kernel, order, 3)
        _reorder_normalisation(normalisation, order)
    for kernel in (*kernels, *expanding):
        _take(kernel, order, 2)
    for block in direct:
        _reorder_middle(block, order)


def _reorder_middle(block: Block, order: Order) -> None:
    """The channels of the depthwise convolution, and those before it where the block itself makes them."""
    if block.expand is not None:
        _take(block.expand.kernel, order, 3)
    _take(block.depthwise.kernel, order, 2)
    _take(block.project.kernel, order, 2)
    for normalisation in block.normalisations[:-1]:
        _reorder_normalisation(normalisation, order)


def _reorder_normalisation(normalisation: Normalisation, order: Order) -> None:
    _take(normalisation.gamma, order, 0)
    _take(normalisation.beta, order, 0)


def _order(kernels: list[Any]) -> Order:
    """Input channels of [height, width, input, output] kernels, the most important first; equal ones as they are."""
    importance = sum(np.abs(kernel.numpy()).sum(axis=(0, 1, 3)) for kernel in kernels)
    return np.argsort(-np.asarray(importance), kind="stable")


def _take(variable: Any, order: Order, axis: int) -> None:
    variable.assign(tf.gather(variable, order, axis=axis))
