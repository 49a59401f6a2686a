"""Patch by patch (MCUNetV2, arXiv 2110.15352, section 3.1): the first operators run once per patch of their output, small maps
instead of whole ones; where the patches' inputs overlap, the overlap is computed again."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from tflm_mcunet.errors import Error
from tflm_mcunet.graph import Graph, Tensor
from tflm_mcunet.operators.base import Operator
from tflm_mcunet.operators.broadcast import Binary
from tflm_mcunet.operators.conv_2d import Conv2D
from tflm_mcunet.operators.convolution import Windowed
from tflm_mcunet.operators.depthwise_conv_2d import DepthwiseConv2D
from tflm_mcunet.operators.patch import Assemble, Crop, Region
from tflm_mcunet.operators.pooling import Pool2D
from tflm_mcunet.operators.source import Source
from tflm_mcunet.operators.unary import Elementwise


class PatchError(Error):
    """The model cannot be cut into the patches asked for."""


def depths(graph: Graph) -> Iterator[int]:
    """The numbers of operators that can run patch by patch: all of them cut into regions, and one image leaves them."""
    for depth, op in enumerate(graph.operators[_supplied(graph) :], 1):
        if not divisible(op):
            return
        if _boundary(graph, depth) is not None:
            yield depth


def _supplied(graph: Graph) -> int:
    """How many operators come before those that compute: with a pulled input the one that asks for its rows."""
    return int(isinstance(next(iter(graph.operators), None), Source))


def divisible(op: Operator) -> bool:
    """Whether a region of the output follows from a region of the input: windows, and operators of one element at a time."""
    images = [t for t in (*op.present_inputs, *op.outputs) if not t.constant]
    if any(len(t.shape) != 4 or t.shape[0] != 1 for t in images) or len(op.outputs) != 1:
        return False
    if isinstance(op, Pool2D):
        return op.accumulation is None
    if isinstance(op, Binary):
        constants = [t for t in op.present_inputs if t.constant]
        return all(t.shape == op.output.shape for t in images) and all(t.elements in (1, t.shape[-1]) for t in constants)
    return isinstance(op, Conv2D | DepthwiseConv2D | Elementwise)


def _boundary(graph: Graph, depth: int) -> Tensor | None:
    """The one tensor that the first `depth` operators make for the rest, if it is one."""
    first = _supplied(graph)
    made = {t for op in graph.operators[first : first + depth] for t in op.outputs}
    used = {t for op in graph.operators[first + depth :] for t in op.present_inputs} | set(graph.outputs)
    leaving = made & used
    return leaving.pop() if len(leaving) == 1 else None


def patch(graph: Graph, grid: tuple[int, int], depth: int) -> Graph:
    """The first `depth` operators once per patch of a grid of (rows, columns); raises PatchError where they cannot be cut so."""
    possible = list(depths(graph))
    if depth not in possible:
        choice = f"choose one of {', '.join(map(str, possible))}" if possible else "this model has no part that patches could run"
        raise PatchError(f"--patch-depth {depth}: {choice}")
    boundary = _boundary(graph, depth)
    assert boundary is not None
    _, height, width, _ = boundary.nhwc
    if grid[0] > height or grid[1] > width:
        raise PatchError(f"--patches {max(grid)}: the map {boundary} is too small for this grid")
    regions = [Region(*rows, *columns) for rows in _parts(height, grid[0]) for columns in _parts(width, grid[1])]
    first = _supplied(graph)
    operators, pieces = list(graph.operators[:first]), []
    for number, region in enumerate(regions):
        made, piece = _one_patch(graph.operators[first : first + depth], boundary, region, f"patch{number}")
        operators += made
        pieces.append(piece)
    whole = Assemble(tuple(pieces), (boundary,), regions=tuple(regions))
    return replace(graph, operators=(*operators, whole, *graph.operators[first + depth :]))


def _parts(extent: int, count: int) -> list[tuple[int, int]]:
    return [(extent * i // count, extent * (i + 1) // count) for i in range(count)]


def _one_patch(stage: Sequence[Operator], boundary: Tensor, region: Region, name: str) -> tuple[list[Operator], Tensor]:
    """The stage's operators for one region of its boundary, and the tensor that holds this region."""
    needed = _needed(stage, boundary, region)
    pieces: dict[Tensor, Tensor] = {}
    operators: list[Operator] = []
    for op in stage:
        if op.output not in needed:
            continue
        target = needed[op.output]
        pieces[op.output] = _piece(op.output, target, name)
        operators += _cut(op, target, needed, pieces, name)
    return operators, pieces[boundary]


def _needed(stage: Sequence[Operator], boundary: Tensor, region: Region) -> dict[Tensor, Region]:
    """The region of each of the stage's tensors that the patch needs."""
    needed = {boundary: region}
    unpadded = f"--patches: a patch of {boundary} lies in padding alone; choose fewer"
    for op in reversed(stage):
        if op.output in needed:
            for tensor in op.present_inputs:
                if not tensor.constant:
                    needed[tensor] = _source(op, needed[op.output]).hull(needed.get(tensor))
                    if needed[tensor].empty:
                        raise PatchError(unpadded)
    return needed


def _source(op: Operator, target: Region) -> Region:
    """The region of its inputs that an operator needs for a region of its output."""
    if isinstance(op, Windowed):
        vertical, horizontal = op.axes
        return Region(*vertical.needs(*target.rows), *horizontal.needs(*target.columns))
    return target


def _piece(tensor: Tensor, region: Region, name: str) -> Tensor:
    shape = (1, region.bottom - region.top, region.right - region.left, tensor.shape[3])
    return replace(tensor, name=f"{tensor.name}/{name}", shape=shape, index=None)


def _cut(
    op: Operator, target: Region, needed: Mapping[Tensor, Region], pieces: Mapping[Tensor, Tensor], name: str
) -> Iterator[Operator]:
    """The operator for one region. A window finds its place in any input; other operators get inputs cropped to the region."""
    output = pieces[op.output]
    if isinstance(op, Windowed):
        source = op.input(0)
        held = needed[source] if source in pieces else Region(0, source.shape[1], 0, source.shape[2])
        vertical, horizontal = op.axes
        placed = (vertical.cut(held.rows, target.rows), horizontal.cut(held.columns, target.columns))
        yield replace(op, inputs=(pieces.get(source, source), *op.inputs[1:]), outputs=(output,), placed=placed)
        return
    inputs: list[Tensor | None] = []
    for tensor in op.inputs:
        if tensor is None or tensor.constant:
            inputs.append(tensor)
            continue
        held = needed[tensor] if tensor in pieces else Region(0, tensor.shape[1], 0, tensor.shape[2])
        piece = pieces.get(tensor, tensor)
        if held != target:
            crop = _piece(tensor, target, f"{name}/crop")
            yield Crop((piece,), (crop,), region=target.inside(held), index=op.index)
            piece = crop
        inputs.append(piece)
    yield replace(op, inputs=tuple(inputs), outputs=(output,))
