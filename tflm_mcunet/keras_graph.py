"""The int8 graph that a Keras model will become, from its layers alone: random weights stand in for those not trained yet.

Shapes, operators and fused activations are those of TensorFlow's converter. What the compiler plans for such a graph holds for
the trained model, but for channels that training happens to make constant.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from tflm_mcunet.errors import Error
from tflm_mcunet.graph import Array, Graph, Quantization, Tensor
from tflm_mcunet.operators.add import Add
from tflm_mcunet.operators.average_pool_2d import AveragePool2D
from tflm_mcunet.operators.base import Clamped, Operator
from tflm_mcunet.operators.concatenation import Concatenation
from tflm_mcunet.operators.conv_2d import Conv2D
from tflm_mcunet.operators.convolution import Convolution
from tflm_mcunet.operators.depthwise_conv_2d import DepthwiseConv2D
from tflm_mcunet.operators.fully_connected import FullyConnected
from tflm_mcunet.operators.hard_swish import HardSwish
from tflm_mcunet.operators.leaky_relu import LeakyRelu
from tflm_mcunet.operators.logistic import Logistic
from tflm_mcunet.operators.max_pool_2d import MaxPool2D
from tflm_mcunet.operators.mean import Mean
from tflm_mcunet.operators.mul import Mul
from tflm_mcunet.operators.pad import Pad
from tflm_mcunet.operators.quantize import Quantize
from tflm_mcunet.operators.reduce_max import ReduceMax
from tflm_mcunet.operators.relu import Relu
from tflm_mcunet.operators.relu6 import Relu6
from tflm_mcunet.operators.reshape import Reshape
from tflm_mcunet.operators.resize_bilinear import ResizeBilinear
from tflm_mcunet.operators.resize_nearest_neighbor import ResizeNearestNeighbor
from tflm_mcunet.operators.softmax import Softmax
from tflm_mcunet.operators.sub import Sub
from tflm_mcunet.operators.tanh import Tanh
from tflm_mcunet.operators.transpose_conv import TransposeConv

IMAGE = Quantization((1 / 255,), (-128,))
RELU6 = Quantization((6 / 255,), (-128,))
LINEAR = Quantization((0.05,), (3,))
UNIT = Quantization((1 / 256,), (-128,))
SIGNED_UNIT = Quantization((1 / 128,), (0,))

_IDENTITIES = """
ActivityRegularization AlphaDropout Dropout GaussianDropout GaussianNoise Identity Normalization Rescaling SpatialDropout2D
RandomBrightness RandomContrast RandomFlip RandomRotation RandomTranslation RandomZoom
"""
IDENTITIES = frozenset(_IDENTITIES.split())
"""Layers that are not there, or part of their neighbours, once a model is converted."""

FUSED = {"relu": "RELU", "relu6": "RELU6"}


class KerasError(Error):
    """The model cannot be looked at layer by layer, or has a layer that int8 models do not have."""


def keras_graph(model: Any) -> tuple[Graph, dict[str, str]]:
    """The graph of a functional or sequential model of Keras 3 or tf_keras, and for each layer that of its operator.

    Operators are called after the layer that they come from; a layer that became part of another maps to that one.

    Raises:
        KerasError: the model is not built of layers, or has one that no int8 model can hold.
    """
    nodes = list(_nodes(model))
    builder = _Builder(Counter(id(tensor) for node in nodes for tensor in node.inputs))
    inputs = tuple(builder.image(tensor) for tensor in model.inputs)
    for node in nodes:
        builder.add_layer(node)
    outputs = tuple(builder.values[id(tensor)] for tensor in model.outputs)
    graph = Graph(str(model.name), inputs, outputs, tuple(builder.operators))
    return graph.substitute(builder.requantised), builder.layers


class _Node:
    """One call of a layer."""

    def __init__(self, layer: Any, inputs: Sequence[Any], outputs: Sequence[Any]) -> None:
        self.layer, self.inputs, self.outputs = layer, list(inputs), list(outputs)
        self.name, self.kind = str(layer.name), type(layer).__name__

    def get(self, name: str, default: Any = None) -> Any:
        """An attribute of the layer."""
        return getattr(self.layer, name, default)

    def pair(self, name: str) -> tuple[int, int]:
        """An attribute that is a number or two."""
        value = self.get(name)
        return (int(value), int(value)) if isinstance(value, int) else (int(value[0]), int(value[1]))

    @property
    def activation(self) -> str:
        """The name of the layer's activation function, `relu6` for that of ReLU(6)."""
        function = self.get("activation")
        return "linear" if function is None else str(getattr(function, "__name__", type(function).__name__)).lower()

    def fail(self, text: str) -> KerasError:
        return KerasError(f"layer '{self.name}' ({self.kind}): {text}")


def _nodes(model: Any) -> Iterator[_Node]:
    """The calls of the model's layers in order of computation."""
    functional = getattr(model, "_functional", None) or model
    by_depth = getattr(functional, "_nodes_by_depth", None)
    if not by_depth or not getattr(model, "inputs", None):
        name = getattr(model, "name", type(model).__name__)
        raise KerasError(f"model '{name}' has no known inputs: build it of layers on an Input, not as a subclass")
    for depth in sorted(by_depth, reverse=True):
        for node in by_depth[depth]:
            if not node.is_input:
                layer = node.operation if hasattr(node, "operation") else node.layer
                inputs = node.input_tensors if hasattr(node, "operation") else node.keras_inputs
                outputs = node.output_tensors if hasattr(node, "operation") else node.outputs
                yield _Node(layer, _listed(inputs), _listed(outputs))


def _listed(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list | tuple) else [value]


class _Builder:
    """Operators so far, what Keras tensors became, and where layers went."""

    def __init__(self, readers: Counter[int]) -> None:
        self.rng = np.random.default_rng(0)
        self.readers = readers
        self.operators: list[Operator] = []
        self.values: dict[int, Tensor] = {}
        self.layers: dict[str, str] = {}
        self.requantised: dict[Tensor, Tensor] = {}

    def image(self, tensor: Any) -> Tensor:
        self.values[id(tensor)] = _tensor("input", _shape(tensor, "input"), IMAGE)
        return self.values[id(tensor)]

    def add_layer(self, node: _Node) -> None:
        if node.get("layers") is not None and node.get("inputs") is not None:
            self._add_model(node)
            return
        inputs = [self.values[id(tensor)] for tensor in node.inputs]
        before = len(self.operators)
        result = self._layer(node, inputs)
        for tensor in node.outputs:
            self.values[id(tensor)] = result
        if node.name not in self.layers:
            source = inputs[0].name
            self.layers[node.name] = node.name if len(self.operators) > before else self.layers.get(source, source)

    def _add_model(self, node: _Node) -> None:
        """A model inside the model, its layers one by one."""
        inner = node.layer
        for inside, outside in zip(inner.inputs, node.inputs, strict=True):
            self.values[id(inside)] = self.values[id(outside)]
            self.readers[id(inside)] += self.readers[id(outside)]
        nodes = list(_nodes(inner))
        self.readers.update(id(tensor) for each in nodes for tensor in each.inputs)
        for each in nodes:
            self.add_layer(each)
        for inside, outside in zip(inner.outputs, node.outputs, strict=True):
            self.values[id(outside)] = self.values[id(inside)]

    def _layer(self, node: _Node, inputs: list[Tensor]) -> Tensor:
        if node.kind in IDENTITIES:
            return inputs[0]
        if node.get("data_format") == "channels_first":
            raise node.fail("channels come first; int8 models have them last")
        make = LAYERS.get(node.kind)
        if make is None:
            near = ", ".join(sorted(LAYERS))
            raise node.fail(f"is not known here; known are {near}")
        return make(self, node, inputs)

    def place(self, x: Tensor) -> int | None:
        """The number of the operator that makes `x`."""
        return next((number for number, op in enumerate(self.operators) if op.output is x), None)

    # ---- pieces that layers are made of ----

    def append(self, operator: Operator) -> Tensor:
        operator.check()
        self.operators.append(replace(operator, index=len(self.operators)))
        return operator.output

    def activate(self, node: _Node, x: Tensor, name: str, *, alone: bool = True) -> Tensor:
        """`x` through an activation, as part of the operator before it where nobody else reads `x`."""
        if name == "linear":
            return x
        place = self.place(x)
        maker = None if place is None else self.operators[place]
        if name in FUSED and alone and isinstance(maker, Clamped) and maker.activation == "NONE":
            y = replace(x, quantization=RELU6)
            self.operators[place] = replace(maker, outputs=(y,), activation=FUSED[name])  # type: ignore[index]
            return y
        if name not in ACTIVATIONS:
            raise node.fail(f"activation '{name}' is not known here; known are {', '.join(sorted((*FUSED, *ACTIVATIONS)))}")
        return ACTIVATIONS[name](self, node, x)

    def weights(self, shape: Sequence[int], axis: int, x: Tensor) -> tuple[Tensor, Tensor]:
        """Normally distributed, with a scale per channel; and biases."""
        channels = shape[axis]
        taps = math.prod(shape) // channels
        data: Array = (self.rng.standard_normal(shape, np.float32) * 36).clip(-127, 127).astype(np.int8)
        steps = (math.sqrt(2 / taps) / 36,) * channels
        quantization = Quantization(steps, (0,) * channels, axis)
        bias = self.rng.integers(-500, 500, channels, np.int32)
        products = Quantization(tuple(x.scale * step for step in steps), (0,) * channels)
        return (
            Tensor("weights", tuple(shape), data.dtype, quantization, data),
            Tensor("bias", bias.shape, bias.dtype, products, bias),
        )

    def same(self, x: Tensor, quantization: Quantization, name: str) -> Tensor:
        """`x` in another quantisation, which operators that rescale give it at once."""
        if x.quantization == quantization:
            return x
        place = self.place(x)
        if place is not None and isinstance(self.operators[place], Convolution | Add | Sub | Mul):
            self.requantised[x] = replace(x, quantization=quantization)
            return self.requantised[x]
        return self.append(Quantize((x,), (_tensor(name, x.shape, quantization),)))


def _shape(tensor: Any, name: str) -> tuple[int, ...]:
    """A batch of one; raises KerasError where another length is open."""
    _, *lengths = tuple(tensor.shape)
    if None in lengths:
        raise KerasError(f"'{name}' has the shape {tuple(tensor.shape)}: give every length but the batch's")
    return (1, *map(int, lengths))


def _tensor(name: str, shape: Sequence[int], quantization: Quantization) -> Tensor:
    return Tensor(name, tuple(shape), np.dtype(np.int8), quantization)


def _constant(name: str, values: Sequence[Any]) -> Tensor:
    data = np.array(values, np.int32)
    return Tensor(name, data.shape, data.dtype, data=data)


def _output(node: _Node, quantization: Quantization = LINEAR) -> Tensor:
    return _tensor(node.name, _shape(node.outputs[0], node.name), quantization)


# ---- layers ----

Layer = Callable[[_Builder, _Node, list[Tensor]], Tensor]


def _convolution(b: _Builder, node: _Node, inputs: list[Tensor]) -> Tensor:
    (x,) = inputs
    y, (height, width) = _output(node), node.pair("kernel_size")
    weights, bias = b.weights((y.shape[3], height, width, x.shape[3] // int(node.get("groups", 1))), 0, x)
    b.append(Conv2D((x, weights, bias), (y,), **_window(node)))
    return b.activate(node, y, node.activation)


def _depthwise(b: _Builder, node: _Node, inputs: list[Tensor]) -> Tensor:
    (x,) = inputs
    y, (height, width) = _output(node), node.pair("kernel_size")
    weights, bias = b.weights((1, height, width, y.shape[3]), 3, x)
    b.append(DepthwiseConv2D((x, weights, bias), (y,), depth_multiplier=int(node.get("depth_multiplier")), **_window(node)))
    return b.activate(node, y, node.activation)


def _separable(b: _Builder, node: _Node, inputs: list[Tensor]) -> Tensor:
    (x,) = inputs
    y, (height, width), multiplier = _output(node), node.pair("kernel_size"), int(node.get("depth_multiplier"))
    middle = _tensor(f"{node.name}/depthwise", (*y.shape[:3], x.shape[3] * multiplier), LINEAR)
    depthwise = b.weights((1, height, width, middle.shape[3]), 3, x)
    b.append(DepthwiseConv2D((x, *depthwise), (middle,), depth_multiplier=multiplier, **_window(node)))
    b.append(Conv2D((middle, *b.weights((y.shape[3], 1, 1, middle.shape[3]), 0, middle)), (y,), padding="VALID"))
    return b.activate(node, y, node.activation)


def _transposed(b: _Builder, node: _Node, inputs: list[Tensor]) -> Tensor:
    (x,) = inputs
    y, (height, width) = _output(node), node.pair("kernel_size")
    weights, bias = b.weights((y.shape[3], height, width, x.shape[3]), 0, x)
    window = {key: value for key, value in _window(node).items() if key != "dilation"}
    b.append(TransposeConv((_constant("shape", y.shape), weights, x, bias), (y,), **window))
    return b.activate(node, y, node.activation)


def _window(node: _Node) -> dict[str, Any]:
    strides, dilation = node.pair("strides"), node.pair("dilation_rate")
    return {"padding": str(node.get("padding")).upper(), "stride": strides, "dilation": dilation}


def _dense(b: _Builder, node: _Node, inputs: list[Tensor]) -> Tensor:
    (x,) = inputs
    y = _output(node)
    b.append(FullyConnected((x, *b.weights((y.shape[-1], x.shape[-1]), 0, x)), (y,)))
    return b.activate(node, y, node.activation)


def _pooled(kind: type[MaxPool2D | AveragePool2D]) -> Layer:
    def make(b: _Builder, node: _Node, inputs: list[Tensor]) -> Tensor:
        (x,) = inputs
        assert x.quantization is not None
        padding = str(node.get("padding")).upper()
        y = _output(node, x.quantization)
        return b.append(kind((x,), (y,), size=node.pair("pool_size"), stride=node.pair("strides"), padding=padding))

    return make


def _global(kind: type[Mean | ReduceMax]) -> Layer:
    def make(b: _Builder, node: _Node, inputs: list[Tensor]) -> Tensor:
        (x,) = inputs
        assert x.quantization is not None
        return b.append(kind((x, _constant("axes", (1, 2))), (_output(node, x.quantization),)))

    return make


def _arithmetic(kind: type[Add | Sub | Mul]) -> Layer:
    def make(b: _Builder, node: _Node, inputs: list[Tensor]) -> Tensor:
        total, *others = inputs
        if not others:
            raise node.fail("has one input besides a constant; give it as a layer of its own")
        for number, other in enumerate(others, 1):
            last = number == len(others)
            shape = np.broadcast_shapes(total.shape, other.shape)
            total = b.append(kind((total, other), (_tensor(node.name if last else f"{node.name}/{number}", shape, LINEAR),)))
        return total

    return make


def _concatenation(b: _Builder, node: _Node, inputs: list[Tensor]) -> Tensor:
    quantization = inputs[0].quantization
    assert quantization is not None
    same = [b.same(x, quantization, f"{node.name}/{number}") for number, x in enumerate(inputs)]
    return b.append(Concatenation(tuple(same), (_output(node, quantization),), axis=int(node.get("axis", -1))))


def _reshaped(b: _Builder, node: _Node, inputs: list[Tensor]) -> Tensor:
    (x,) = inputs
    assert x.quantization is not None
    y = _output(node, x.quantization)
    return b.append(Reshape((x, _constant("shape", y.shape)), (y,)))


def _padded(b: _Builder, node: _Node, inputs: list[Tensor]) -> Tensor:
    (x,) = inputs
    assert x.quantization is not None
    pairs = ((0, 0), *node.get("padding"), (0, 0))
    return b.append(Pad((x, _constant("paddings", pairs)), (_output(node, x.quantization),)))


def _upsampled(b: _Builder, node: _Node, inputs: list[Tensor]) -> Tensor:
    (x,) = inputs
    assert x.quantization is not None
    y = _output(node, x.quantization)
    kind = {"nearest": ResizeNearestNeighbor, "bilinear": ResizeBilinear}.get(str(node.get("interpolation")))
    if kind is None:
        raise node.fail(f"interpolation '{node.get('interpolation')}' is not known here; known are nearest, bilinear")
    return b.append(kind((x, _constant("size", y.shape[1:3])), (y,), half_pixel_centers=True))


def _normalised(b: _Builder, node: _Node, inputs: list[Tensor]) -> Tensor:
    """Part of the convolution before it; where there is none, a product and a sum."""
    (x,) = inputs
    place = b.place(x)
    maker = None if place is None else b.operators[place]
    if b.readers[id(node.inputs[0])] == 1 and isinstance(maker, Convolution) and maker.activation == "NONE":
        return x
    values = b.rng.integers(-128, 128, (2, *x.shape[-1:]), np.int8)
    factor, offset = (replace(_tensor("scale", value.shape, UNIT), data=value) for value in values)
    product = b.append(Mul((x, factor), (_tensor(f"{node.name}/product", x.shape, LINEAR),)))
    return b.append(Add((product, offset), (_tensor(node.name, x.shape, LINEAR),)))


def _activation(b: _Builder, node: _Node, inputs: list[Tensor]) -> Tensor:
    alone = b.readers[id(node.inputs[0])] == 1
    return b.activate(node, inputs[0], _activation_name(node), alone=alone)


def _activation_name(node: _Node) -> str:
    if node.kind == "ReLU":
        leaky, limit = float(node.get("negative_slope") or 0), node.get("max_value")
        if leaky or float(node.get("threshold") or 0) or limit not in (None, 6):
            raise node.fail("only a plain ReLU and ReLU(6) are known here")
        return "relu6" if limit == 6 else "relu"
    return {"Softmax": "softmax", "LeakyReLU": "leaky_relu"}.get(node.kind) or (
        node.kind.lower() if node.kind in ("Relu", "Relu6", "Sigmoid", "Tanh") else node.activation
    )


LAYERS: dict[str, Layer] = {
    "Conv2D": _convolution,
    "DepthwiseConv2D": _depthwise,
    "SeparableConv2D": _separable,
    "Conv2DTranspose": _transposed,
    "Dense": _dense,
    "MaxPooling2D": _pooled(MaxPool2D),
    "AveragePooling2D": _pooled(AveragePool2D),
    "GlobalAveragePooling2D": _global(Mean),
    "GlobalMaxPooling2D": _global(ReduceMax),
    "Add": _arithmetic(Add),
    "Subtract": _arithmetic(Sub),
    "Multiply": _arithmetic(Mul),
    "BatchNormalization": _normalised,
    "Concatenate": _concatenation,
    "Flatten": _reshaped,
    "Reshape": _reshaped,
    "ZeroPadding2D": _padded,
    "UpSampling2D": _upsampled,
    **dict.fromkeys(("Activation", "ReLU", "LeakyReLU", "Softmax", "Relu", "Relu6", "Sigmoid", "Tanh"), _activation),
}
"""What layers become, by the name of their class; `x + y` and `keras.ops.relu(x)` of Keras 3 are such layers too."""


def _unary(kind: type[Operator], quantization: Quantization) -> Callable[[_Builder, _Node, Tensor], Tensor]:
    return lambda b, node, x: b.append(kind((x,), (_tensor(node.name, x.shape, quantization),)))


def _leaky(b: _Builder, node: _Node, x: Tensor) -> Tensor:
    slope = float(node.get("negative_slope", node.get("alpha", 0.2)))
    return b.append(LeakyRelu((x,), (_tensor(node.name, x.shape, LINEAR),), alpha=slope))


def _swish(b: _Builder, node: _Node, x: Tensor) -> Tensor:
    gate = b.append(Logistic((x,), (_tensor(f"{node.name}/sigmoid", x.shape, UNIT),)))
    return b.append(Mul((x, gate), (_tensor(node.name, x.shape, LINEAR),)))


ACTIVATIONS: dict[str, Callable[[_Builder, _Node, Tensor], Tensor]] = {
    "relu": _unary(Relu, RELU6),
    "relu6": _unary(Relu6, RELU6),
    "softmax": _unary(Softmax, UNIT),
    "sigmoid": _unary(Logistic, UNIT),
    "tanh": _unary(Tanh, SIGNED_UNIT),
    "hard_swish": _unary(HardSwish, LINEAR),
    "hard_silu": _unary(HardSwish, LINEAR),
    "leaky_relu": _leaky,
    "silu": _swish,
    "swish": _swish,
}
"""Activations that are operators of their own."""
