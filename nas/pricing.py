"""Flash and time of thousands of networks per second: what the compiler says of a few, as sums over layers.

    pricing = fit(space, targets.load("stm32f746"))
    pricing.of(space, genes)      # bytes of constants, estimated instructions layer by layer and row by row: one each per network

The compiler chooses kernels and estimates their instructions (tflm_mcunet.cost) for the layers of some random networks of the
space. Per kind of layer a few products of its sizes explain these figures to a few percent; they are fitted by least squares.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nas.space import Networks, Space
from nas.untrained import untrained
from tflm_mcunet.cost import load
from tflm_mcunet.cost.flash import constant_bytes
from tflm_mcunet.graph import Graph
from tflm_mcunet.kernels import select_kernels
from tflm_mcunet.kernels.flash import code_bytes, function_of
from tflm_mcunet.operators.base import Operator
from tflm_mcunet.operators.conv_2d import Conv2D
from tflm_mcunet.operators.depthwise_conv_2d import DepthwiseConv2D
from tflm_mcunet.operators.mean import Mean
from tflm_mcunet.targets import Target

SAMPLES = 32
"""Networks from which layers are taken, and how many of a kind the compiler prices: a second or two."""
MOST = 48

Float = NDArray[np.float64]


class Prices(NamedTuple):
    """Per network: bytes of constant data, and executed instructions where operators run whole or row by row."""

    flash: Float
    layer: Float
    stream: Float


class Layer(NamedTuple):
    """Layers of one kind, as numbers or as arrays: rows and columns of the output (of a mean: the input), inputs, outputs."""

    kind: str
    height: Any
    width: Any
    inputs: Any
    outputs: Any


@dataclass(frozen=True)
class Pricing:
    """Coefficients by kind of layer: [feature, price]; and the bytes of all kernels that networks of the space may need."""

    coefficients: dict[str, Float]
    code: int

    def of(self, space: Space, genes: ArrayLike, classes: int | None = None) -> Prices:
        """The prices of networks [network, gene] with so many classes."""
        genes = np.atleast_2d(genes)
        total = np.zeros((len(genes), len(Prices._fields)))
        for members, layer in _layers(space, space.networks(genes), classes or space.classes):
            total[members] += _features(layer)[members] @ self.coefficients[layer.kind]
        return Prices(*total.T)


def fit(space: Space, target: Target, classes: int | None = None, seed: int = 0) -> Pricing:
    """What the compiler would charge for networks of the space on a target."""
    genes = space.sample(np.random.default_rng(seed), SAMPLES)
    found: dict[str, list[Operator]] = {}
    for architecture in space.architectures(genes, classes):
        for op in untrained(architecture).operators:
            found.setdefault(_described(op).kind, []).append(op)
    coefficients, functions = {}, set[str]()
    for kind, operators in found.items():
        layers = Graph("layers", (), (), tuple(operators[:: -(-len(operators) // MOST)]))
        chosen = select_kernels(layers, target.features).operators
        coefficients[kind] = _fitted(target, chosen)
        functions.update(map(function_of, chosen))
    return Pricing(coefficients, code_bytes(functions, target))


def _fitted(target: Target, chosen: Sequence[Operator]) -> Float:
    """[feature, price] of operators of one kind in the kernels of the target."""
    model = load(target)
    prices = [(constant_bytes(op), *(model.estimate(op, block).instructions for block in (op.steps, 1))) for op in chosen]
    return _least_squares(np.array([_features(_described(op)) for op in chosen]), np.array(prices))


def _described(op: Operator) -> Layer:
    source, target = op.input(0).nhwc, op.output.nhwc
    _, height, width, _ = source if isinstance(op, Mean) else target
    kind = _window(op.kind, op.window[0], op.stride[0]) if isinstance(op, Conv2D | DepthwiseConv2D) else op.kind
    return Layer(kind, height, width, source[3], target[3])


def _window(kind: str, size: int, stride: int) -> str:
    return f"{kind} {size}/{stride}"


def _layers(space: Space, found: Networks, classes: int) -> Iterator[tuple[NDArray[Any], Layer]]:
    """The layers of all networks, kind by kind: which networks have them, and arrays with one element per network."""
    everybody, one = np.ones(len(found.stem), bool), np.ones_like(found.stem)
    stride = space.stem.stride
    height, width = -(-found.height // stride), -(-found.width // stride)
    image = one * space.input_channels
    yield everybody, Layer(_window("CONV_2D", space.stem.kernel, stride), height, width, image, found.stem)
    for index, place in enumerate(space.places):
        columns = (found.real, found.kernel, found.inputs, found.middle, found.channels, found.adds)
        real, kernel, inputs, middle, outputs, adds = (column[:, index] for column in columns)
        if place.expands:
            yield real, Layer(_window("CONV_2D", 1, 1), height, width, inputs, middle)
        height, width = -(-height // place.stride), -(-width // place.stride)
        for size in place.stage.kernels:
            kind = _window("DEPTHWISE_CONV_2D", size, place.stride)
            yield real & (kernel == size), Layer(kind, height, width, middle, middle)
        yield real, Layer(_window("CONV_2D", 1, 1), height, width, middle, outputs)
        if place.index:
            yield adds, Layer("ADD", height, width, outputs, outputs)
    features = found.channels[:, -1]
    if space.head:
        yield everybody, Layer(_window("CONV_2D", 1, 1), height, width, features, found.head)
        features = found.head
    yield everybody, Layer("MEAN", height, width, features, features)
    yield everybody, Layer("FULLY_CONNECTED", one, one, features, one * classes)
    yield everybody, Layer("SOFTMAX", one, one, one * classes, one * classes)


def _features(layer: Layer) -> Float:
    """[..., feature]: what work and weights are proportional to."""
    _, height, width, inputs, outputs = layer
    pixels = height * width
    products = (
        1,
        height,
        pixels,
        pixels * inputs,
        pixels * outputs,
        pixels * inputs * outputs,
        inputs,
        outputs,
        inputs * outputs,
    )
    return np.stack(np.broadcast_arrays(*products), axis=-1).astype(np.float64)


def _least_squares(features: Float, prices: Float) -> Float:
    """Coefficients with the least relative error, each price by itself."""
    size = np.maximum(np.abs(features).max(axis=0), 1)
    columns = []
    for price in prices.T:
        weight = 1 / np.maximum(price, 1)[:, None]
        columns.append(np.linalg.lstsq(weight * features / size, weight[:, 0] * price, rcond=1e-9)[0] / size)
    return np.stack(columns, axis=1)
