"""Runs inverted bottlenecks as one operator, which keeps no expanded row: those that windows share are computed again."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from tflm_mcunet.graph import Graph
from tflm_mcunet.operators.base import Operator
from tflm_mcunet.operators.conv_2d import Conv2D
from tflm_mcunet.operators.depthwise_conv_2d import DepthwiseConv2D
from tflm_mcunet.operators.inverted_bottleneck import WINDOW_ROWS, InvertedBottleneck, Parts

HEIGHTS = (1, 2, 4)
"""Rows of output that a step may have."""


def bottlenecks(graph: Graph) -> Iterator[Parts]:
    """All inverted bottlenecks: pointwise, depthwise, pointwise, and nobody else reads what lies between."""
    readers = graph.consumers()

    def only_reader(op: Operator) -> Operator | None:
        found = readers.get(op.output, [])
        return found[0] if len(found) == 1 and op.output not in graph.outputs else None

    for expand in graph.operators:
        if not _pointwise(expand):
            continue
        depthwise = only_reader(expand)
        if not isinstance(depthwise, DepthwiseConv2D) or not _fits(depthwise):
            continue
        project = only_reader(depthwise)
        if project is not None and _pointwise(project):
            yield expand, depthwise, project  # type: ignore[misc]


def fuse(graph: Graph, parts: Parts) -> Iterator[Graph]:
    """Graphs with one operator, where the last was, in place of the bottleneck's three: one for each height."""
    expand, depthwise, project = parts
    plain = (Conv2D.like(expand), DepthwiseConv2D.like(depthwise), Conv2D.like(project))
    for height in HEIGHTS:
        fused = InvertedBottleneck.of(plain, height)
        if height == 1 or (fused.span <= WINDOW_ROWS and height < 2 * fused.output.rows):
            yield graph.exchange({expand: None, depthwise: None, project: fused})


def flatten(graph: Graph, op: InvertedBottleneck) -> Iterator[Graph]:
    """Graphs in which a fused bottleneck keeps smaller windows."""
    for height in HEIGHTS:
        if height < op.height:
            yield graph.exchange({op: replace(op, height=height)})


def _pointwise(op: Operator) -> bool:
    return isinstance(op, Conv2D) and op.pointwise and op.stride == (1, 1)


def _fits(op: DepthwiseConv2D) -> bool:
    """Whether the kernel has such windows."""
    return op.depth_multiplier == 1 and op.dilation == (1, 1) and op.window[0] <= WINDOW_ROWS
