"""Removes channels that change nothing: those that interval arithmetic proves constant, and those that nobody reads.

A channel that holds one value for every input of the network is folded into the biases of the convolutions that read it, bit for
bit. Where such a convolution pads, its windows at the border see fewer copies of that value: the channel goes all the same if the
value is the zero point, which contributes nothing, or if no weight that meets the border reads it. Else it stays.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import singledispatch

import numpy as np
from numpy.typing import NDArray

from tflm_mcunet.graph import Array, Graph, Quantization, Tensor
from tflm_mcunet.intervals import Interval, Known, channels, intervals, keeps_channels, taps
from tflm_mcunet.operators.base import Operator
from tflm_mcunet.operators.broadcast import Binary
from tflm_mcunet.operators.concatenation import Concatenation
from tflm_mcunet.operators.conv_2d import Conv2D
from tflm_mcunet.operators.convolution import Convolution
from tflm_mcunet.operators.depthwise_conv_2d import DepthwiseConv2D
from tflm_mcunet.operators.fully_connected import FullyConnected
from tflm_mcunet.operators.pad import Pad
from tflm_mcunet.operators.pooling import Pool2D
from tflm_mcunet.operators.reshape import Reshape
from tflm_mcunet.operators.sum import Sum
from tflm_mcunet.operators.unary import Unary

Mask = NDArray[np.bool_]
Live = dict[Tensor, Mask]


def remove_dead_channels(graph: Graph) -> Graph:
    """Channels that are constant for all inputs, or that nobody reads, go where the operators around them allow it."""
    known = intervals(graph)
    live = _live(graph, known)
    narrow = {t: _narrow(t, mask) for t, mask in live.items() if not mask.all()}
    if not narrow:
        return graph
    operators = tuple(_narrowed(op, _Change(known, live, narrow)) for op in graph.operators)
    return replace(graph, operators=operators)


# ---- which channels are needed ----


@dataclass(frozen=True)
class Reads:
    """A channel of `target` that is needed needs the channels of `source` marked in its row of `needs`."""

    target: Tensor
    source: Tensor
    needs: Mask

    @property
    def tensors(self) -> tuple[Tensor, Tensor]:
        return self.target, self.source

    def spread(self, live: Live) -> None:
        live[self.source] |= self.needs[live[self.target]].any(axis=0)


@dataclass(frozen=True)
class Tied:
    """Channel c of `tensor` and channel place[c] of `other` stay or go together."""

    tensor: Tensor
    other: Tensor
    place: NDArray[np.intp]

    @property
    def tensors(self) -> tuple[Tensor, Tensor]:
        return self.tensor, self.other

    def spread(self, live: Live) -> None:
        live[self.other][self.place[live[self.tensor]]] = True
        live[self.tensor] |= live[self.other][self.place]


@dataclass(frozen=True)
class Whole:
    """All channels of the tensor are needed."""

    tensor: Tensor

    def spread(self, live: Live) -> None:
        live[self.tensor][:] = True


Link = Reads | Tied | Whole


def _live(graph: Graph, known: Known) -> Live:
    """The channels that must stay: a least fixed point from the network's edges."""
    links: list[Link] = [Whole(tensor) for tensor in (*graph.inputs, *graph.outputs)]
    for op in reversed(graph.operators):
        plain = all(t.dtype == np.int8 for t in (*op.inputs[:1], *op.outputs) if t is not None)
        links += _links(op, known) if plain else _barrier(op)
    live = {tensor: np.zeros(channels(tensor), np.bool_) for tensor in graph.tensors()}
    linked = {tensor for link in links if not isinstance(link, Whole) for tensor in link.tensors}
    links += [Whole(tensor) for tensor in live if tensor not in linked]  # weights, axes and their like
    _settle(live, links)
    for mask in live.values():
        if not mask.any():  # no tensor is empty
            mask[0] = True
            _settle(live, links)
    return live


def _settle(live: Live, links: list[Link]) -> None:
    before = -1
    while (count := sum(int(mask.sum()) for mask in live.values())) != before:
        before = count
        for link in links:
            link.spread(live)


def _barrier(op: Operator) -> Iterator[Link]:
    yield from map(Whole, (*op.present_inputs, *op.outputs))


def _same(tensor: Tensor, other: Tensor) -> Tied:
    return Tied(tensor, other, np.arange(channels(tensor)))


@singledispatch
def _links(op: Operator, known: Known) -> Iterator[Link]:
    """How the channels of an operator's tensors depend on each other."""
    yield from _barrier(op)


@_links.register
def _(op: Conv2D, known: Known) -> Iterator[Link]:
    if op.groups != 1:
        yield from _barrier(op)
    else:
        yield Reads(op.output, op.input(0), _needs(op, known))


@_links.register
def _(op: FullyConnected, known: Known) -> Iterator[Link]:
    if op.weights.shape[1] % channels(op.input(0)):
        yield from _barrier(op)
    else:
        yield Reads(op.output, op.input(0), _needs(op, known))


@_links.register
def _(op: DepthwiseConv2D, known: Known) -> Iterator[Link]:
    source, target = op.input(0), op.output
    if channels(source) == 1:  # the depth multiplier may be anything
        yield Reads(target, source, np.ones((channels(target), 1), np.bool_))
    else:
        yield Tied(target, source, np.arange(channels(target)) // op.depth_multiplier)


@_links.register(Unary)
@_links.register(Pool2D)
def _(op: Operator, known: Known) -> Iterator[Link]:
    yield _same(op.output, op.input(0))


@_links.register
def _(op: Sum, known: Known) -> Iterator[Link]:
    if keeps_channels(op):
        yield _same(op.output, op.input(0))
    else:
        yield from _barrier(op)


@_links.register
def _(op: Pad, known: Known) -> Iterator[Link]:
    if any(op.paddings[-1]):
        yield from _barrier(op)
    else:
        yield _same(op.output, op.input(0))


@_links.register
def _(op: Reshape, known: Known) -> Iterator[Link]:
    wide, slim = sorted((op.output, op.input(0)), key=channels, reverse=True)
    if channels(wide) % channels(slim):
        yield from _barrier(op)
    else:
        yield Tied(wide, slim, np.arange(channels(wide)) % channels(slim))


@_links.register
def _(op: Binary, known: Known) -> Iterator[Link]:
    for tensor in op.present_inputs:
        if channels(tensor) == channels(op.output):
            yield _same(op.output, tensor)
        else:
            yield Whole(tensor)


@_links.register
def _(op: Concatenation, known: Known) -> Iterator[Link]:
    begin = 0
    for tensor in op.present_inputs:
        yield Tied(tensor, op.output, np.arange(channels(tensor)) + begin)
        begin += channels(tensor) if op.positive_axis == len(op.output.shape) - 1 else 0


# ---- convolutions ----


def _by_tap(op: Convolution) -> tuple[Array, Mask, Mask]:
    """The weights as [outputs, taps, inputs], int64, and which taps always and which sometimes lie inside the image."""
    weights = op.weights.astype(np.int64).reshape(len(op.weights), -1, channels(op.input(0)))
    if isinstance(op, FullyConnected):
        every = np.ones(weights.shape[1], np.bool_)
        return weights, every, ~every
    place = taps(op)
    return weights, place.always, place.sometimes


def _needs(op: Convolution, known: Known) -> Mask:
    """[outputs, inputs]: where an output cannot do without an input, because its value is neither constant nor unread."""
    weights, always, sometimes = _by_tap(op)
    given = known[op.input(0)]
    read = (weights != 0)[:, always | sometimes].any(axis=1)
    border = (weights != 0)[:, sometimes].any(axis=1) & (given.low != op.input(0).zero_point)
    return read & (border | ~given.constant)


def _constant_part(op: Convolution, given: Interval, dropped: Mask) -> Array:
    """What the dropped inputs add to every accumulator. Inputs that are dropped but not constant are not read."""
    weights, always, _ = _by_tap(op)
    folded = dropped & given.constant
    return weights[:, always].sum(axis=1)[:, folded] @ (given.low - op.input(0).zero_point)[folded]


# ---- narrower tensors ----


@dataclass(frozen=True)
class _Change:
    known: Known
    live: Live
    narrow: dict[Tensor, Tensor]


def _narrow(tensor: Tensor, mask: Mask) -> Tensor:
    data = None if tensor.data is None else np.ascontiguousarray(tensor.data[..., mask])
    return replace(tensor, shape=(*tensor.shape[:-1], int(mask.sum())), data=data, index=None)


@singledispatch
def _narrowed(op: Operator, change: _Change) -> Operator:
    """The operator on narrower tensors."""
    inputs = tuple(t and change.narrow.get(t, t) for t in op.inputs)
    outputs = tuple(change.narrow.get(t, t) for t in op.outputs)
    changed = any(a is not b for a, b in zip((*inputs, *outputs), (*op.inputs, *op.outputs), strict=True))
    return replace(op, inputs=inputs, outputs=outputs) if changed else op


@_narrowed.register
def _(op: Convolution, change: _Change) -> Operator:
    source, target, live = op.input(0), op.output, change.live
    if source not in change.narrow and target not in change.narrow:
        return op
    bias = op.bias.astype(np.int64)
    if isinstance(op, DepthwiseConv2D):
        weights = op.weights[..., live[target]]
        multiplier = weights.shape[-1] // int(live[source].sum())
        op = replace(op, depth_multiplier=multiplier)
    else:
        bias = bias + _constant_part(op, change.known[source], ~live[source])
        shape = (*op.weights.shape[:-1], -1, channels(source))
        weights = op.weights.reshape(shape)[live[target]][..., live[source]]
        weights = weights.reshape(len(weights), *op.weights.shape[1:-1], -1)
    inputs = (
        change.narrow.get(source, source),
        _sliced(op.input(1), np.ascontiguousarray(weights), live[target]),
        _biases(op, bias[live[target]], live[target]),
    )
    return replace(op, inputs=inputs, outputs=(change.narrow.get(target, target),))


def _sliced(tensor: Tensor, data: Array, mask: Mask) -> Tensor:
    """A constant with the parameters of the output channels that stay."""
    return replace(tensor, shape=data.shape, data=data, quantization=_parameters(tensor.quantization, mask), index=None)


def _biases(op: Convolution, bias: Array, mask: Mask) -> Tensor:
    data = bias.astype(np.int32)  # wraps around as the accumulator does
    if op.bias_tensor is None:
        return Tensor(f"{op.name}/bias", data.shape, data.dtype, data=data)
    return _sliced(op.bias_tensor, data, mask)


def _parameters(quantization: Quantization | None, mask: Mask) -> Quantization | None:
    if quantization is None or quantization.per_tensor or len(quantization.scale) != len(mask):
        return quantization
    scale = tuple(s for s, kept in zip(quantization.scale, mask, strict=True) if kept)
    zeros = quantization.zero_point
    if len(zeros) == len(mask):
        zeros = tuple(z for z, kept in zip(zeros, mask, strict=True) if kept)
    return replace(quantization, scale=scale, zero_point=zeros)
