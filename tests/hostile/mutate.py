"""Damages .tflite files: bytes (cut, flipped, spliced) and structure (sizes, indices, types, options, quantisation)."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any

import numpy as np
from tflite_micro.tensorflow.lite.micro.python import schema_py_generated as schema

from tests.networks.expose import pack, unpack

SMALL = (0, 1, -1, 2, 3, 4, 7, 8)
NUMBERS = (*SMALL, 127, 128, -128, 255, 256, 32767, 32768, -32768, 65536, 1 << 20, 1 << 30, 2**31 - 1, -(2**31))
REALS = (0.0, -0.0, 1.0, -1.0, 1e-30, 1e30, 1e-45, float("nan"), float("inf"), float("-inf"), 3.4e38, 0.5, 1 / 256, 1e-6)


def some(rng: np.random.Generator, options: Any) -> Any:
    return options[int(rng.integers(len(options)))]


# ---- bytes ----


def cut(model: bytes, rng: np.random.Generator) -> bytes:
    return model[: int(rng.integers(0, len(model)))]


def flip_bits(model: bytes, rng: np.random.Generator) -> bytes:
    data = bytearray(model)
    for _ in range(int(rng.integers(1, 9))):
        data[int(rng.integers(len(data)))] ^= 1 << int(rng.integers(8))
    return bytes(data)


def set_words(model: bytes, rng: np.random.Generator) -> bytes:
    """Overwrites aligned words, near the start or the end, where flatbuffers keep their tables and vectors."""
    data = bytearray(model)
    for _ in range(int(rng.integers(1, 5))):
        near = some(rng, (min(len(data), 400), min(len(data), 4000), len(data)))
        place = int(rng.integers(0, max(1, near - 4))) & ~3
        place = place if rng.random() < 0.5 else max(0, (len(data) - 4 - place) & ~3)
        number = some(rng, NUMBERS) if rng.random() < 0.7 else int(rng.integers(0, len(data)))
        data[place : place + 4] = struct.pack("<I", number & 0xFFFFFFFF)
    return bytes(data[: len(model)])


def splice(model: bytes, rng: np.random.Generator) -> bytes:
    """Copies a run of bytes elsewhere, removes it, or puts in noise."""
    data = bytearray(model)
    length = int(rng.integers(1, min(200, len(data))))
    source, place = (int(rng.integers(0, len(data) - length + 1)) for _ in range(2))
    how = int(rng.integers(4))
    if how == 0:
        data[place : place + length] = data[source : source + length]
    elif how == 1:
        del data[place : place + length]
    elif how == 2:
        data[place:place] = data[source : source + length]
    else:
        data[place : place + length] = rng.integers(0, 256, length, np.uint8).tobytes()
    return bytes(data)


def stretch(model: bytes, rng: np.random.Generator) -> bytes:
    """Doubles what looks like a small count or offset, all over the file."""
    data = bytearray(model)
    for place in range(0, len(data) - 3, 4):
        (number,) = struct.unpack_from("<I", data, place)
        if 0 < number < 64 and rng.random() < 0.02:
            struct.pack_into("<I", data, place, number * some(rng, (2, 3, 1000)))
    return bytes(data)


# ---- structure ----


def number(rng: np.random.Generator, old: int = 0) -> int:
    """Another integer: near the old one, or one that hurts."""
    return int(old + rng.integers(-2, 3)) if rng.random() < 0.4 else some(rng, NUMBERS)


def real(rng: np.random.Generator, old: float = 1.0) -> float:
    return float(old * some(rng, (2.0, 0.5, -1.0, 1000.0, 1e-3))) if rng.random() < 0.3 else some(rng, REALS)


def listed(values: Any) -> list[Any]:
    """A vector of the object API as a list, whatever it was."""
    return [] if values is None else [v.item() if hasattr(v, "item") else v for v in values]


def vector(values: Any, change: Callable[..., Any], rng: np.random.Generator) -> list[Any]:
    """A vector with an element changed, dropped, added or doubled, or none left."""
    items, how = listed(values), int(rng.integers(8))
    if how == 0 and items:
        items.pop(int(rng.integers(len(items))))
    elif how == 1:
        items.insert(int(rng.integers(len(items) + 1)), change(rng))
    elif how == 2:
        items = items * 2
    elif how == 3:
        items = []
    elif items:
        place = int(rng.integers(len(items)))
        items[place] = change(rng, items[place])
    return items


def change_shape(tree: Any, graph: Any, rng: np.random.Generator) -> None:
    tensor = some(rng, graph.tensors)
    tensor.shape = vector(tensor.shape, number, rng)


def change_shape_of_activation(tree: Any, graph: Any, rng: np.random.Generator) -> None:
    """The shapes at one operator; mild changes that survive the first checks."""
    op = some(rng, graph.operators)
    tensor = graph.tensors[some(rng, [i for i in (*op.inputs, *op.outputs) if i >= 0])]
    shape = listed(tensor.shape)
    how = int(rng.integers(4))
    if how == 0:
        rng.shuffle(shape)
    elif how == 1:
        shape = [*shape, 1] if rng.random() < 0.5 else [1, *shape]
    elif how == 2 and shape:
        place = int(rng.integers(len(shape)))
        shape[place] = max(1, shape[place] + int(rng.integers(-1, 2)))
    elif shape:
        shape = [int(np.prod(shape))]
    tensor.shape = shape


def change_type(tree: Any, graph: Any, rng: np.random.Generator) -> None:
    some(rng, graph.tensors).type = int(rng.integers(0, 20))


def change_buffer(tree: Any, graph: Any, rng: np.random.Generator) -> None:
    """Constants become activations, activations constants, or another constant."""
    tensor = some(rng, graph.tensors)
    tensor.buffer = some(rng, (0, int(rng.integers(len(tree.buffers))), len(tree.buffers), 2**32 - 1))


def change_data(tree: Any, graph: Any, rng: np.random.Generator) -> None:
    """Values of a constant, so that axes, sizes and paddings go wild; or its length."""
    constants = [t for t in graph.tensors if tree.buffers[t.buffer].data is not None and len(tree.buffers[t.buffer].data)]
    if not constants:
        return
    small = [t for t in constants if t.type == schema.TensorType.INT32 and np.prod(listed(t.shape)) <= 10]
    tensor = some(rng, small if small and rng.random() < 0.8 else constants)
    data = np.array(tree.buffers[tensor.buffer].data, np.uint8)
    if rng.random() < 0.2:
        data = data[: int(rng.integers(len(data)))] if rng.random() < 0.5 else np.resize(data, len(data) + 4)
    elif tensor.type == schema.TensorType.INT32 and len(data) >= 4:
        words = data[: len(data) & ~3].view(np.int32).copy()
        place = int(rng.integers(len(words)))
        words[place] = np.int64(number(rng, int(words[place]))).astype(np.int32)
        data = words.view(np.uint8)
    else:
        data = rng.integers(0, 256, len(data), np.uint8)
    tree.buffers.append(schema.BufferT())
    tree.buffers[-1].data = data
    tensor.buffer = len(tree.buffers) - 1


def change_quantization(tree: Any, graph: Any, rng: np.random.Generator) -> None:
    tensor = some(rng, [t for t in graph.tensors if t.quantization is not None] or graph.tensors)
    how = int(rng.integers(6))
    if how == 0 or tensor.quantization is None:
        tensor.quantization = None if tensor.quantization is not None else schema.QuantizationParametersT()
        return
    q = tensor.quantization
    if how == 1:
        q.scale = vector(q.scale, real, rng)
    elif how == 2:
        q.zeroPoint = vector(q.zeroPoint, number, rng)
    elif how == 3:
        q.quantizedDimension = number(rng, q.quantizedDimension)
    elif how == 4:
        q.scale, q.zeroPoint = listed(q.scale)[:1] * 3, listed(q.zeroPoint)[:1] * 3
    else:
        q.scale = [real(rng, s) for s in listed(q.scale)]


def change_operands(tree: Any, graph: Any, rng: np.random.Generator) -> None:
    """Indices of tensors: missing, out of range, doubled, swapped, cyclic."""
    op = some(rng, graph.operators)
    name = some(rng, ("inputs", "inputs", "outputs"))

    def index(rng: np.random.Generator, old: int = 0) -> int:
        return int(rng.integers(-1, len(graph.tensors))) if rng.random() < 0.7 else number(rng, old)

    values = vector(getattr(op, name), index, rng)
    if rng.random() < 0.2:
        rng.shuffle(values)
    setattr(op, name, values)


def change_interface(tree: Any, graph: Any, rng: np.random.Generator) -> None:
    """Inputs and outputs of the model."""

    def index(rng: np.random.Generator, old: int = 0) -> int:
        return int(rng.integers(-1, len(graph.tensors) + 1))

    name = some(rng, ("inputs", "outputs"))
    setattr(graph, name, vector(getattr(graph, name), index, rng))


def change_kind(tree: Any, graph: Any, rng: np.random.Generator) -> None:
    """Another operator under the same operands and options, or an operator code that is not there."""
    if rng.random() < 0.3:
        some(rng, graph.operators).opcodeIndex = int(rng.integers(0, len(tree.operatorCodes) + 2))
        return
    code = some(rng, tree.operatorCodes)
    code.builtinCode = int(rng.integers(-1, 210))
    code.deprecatedBuiltinCode = min(max(code.builtinCode, 0), 127)


def change_options(tree: Any, graph: Any, rng: np.random.Generator) -> None:
    """Fields of builtin options: strides, windows, axes, activations; or no options, or those of another operator."""
    op = some(rng, [o for o in graph.operators if o.builtinOptions is not None] or graph.operators)
    how = rng.random()
    if how < 0.1 or op.builtinOptions is None:
        op.builtinOptions, op.builtinOptionsType = None, 0
        return
    if how < 0.2:
        other = some(rng, graph.operators)
        op.builtinOptions, op.builtinOptionsType = other.builtinOptions, other.builtinOptionsType
        return
    fields = list(vars(op.builtinOptions))
    if not fields:
        return
    for name in rng.choice(fields, min(len(fields), int(rng.integers(1, 3))), replace=False):
        old = getattr(op.builtinOptions, name)
        if isinstance(old, bool):
            new: Any = not old
        elif isinstance(old, float):
            new = real(rng, old)
        elif isinstance(old, int):
            new = number(rng, old)
        else:
            new = vector(old, number, rng)
        setattr(op.builtinOptions, name, new)


def change_order(tree: Any, graph: Any, rng: np.random.Generator) -> None:
    """Operators in another order, twice, or gone."""
    how = int(rng.integers(3))
    if how == 0:
        rng.shuffle(graph.operators)
    elif how == 1:
        graph.operators.insert(int(rng.integers(len(graph.operators) + 1)), some(rng, graph.operators))
    else:
        graph.operators.pop(int(rng.integers(len(graph.operators))))


def change_name(tree: Any, graph: Any, rng: np.random.Generator) -> None:
    """Names that would end a C comment or a string."""
    hostile = (b"", b"*/ int x; /*", b"\\\n", b"a\nb", b"\xff\xfe", b'"', b"??/", b"%s%n", b"//", b"x" * 5000, b"\0")
    for _ in range(3):
        some(rng, graph.tensors).name = some(rng, hostile)


def change_model(tree: Any, graph: Any, rng: np.random.Generator) -> None:
    """Subgraphs, variables, external data."""
    how = int(rng.integers(5))
    if how == 0:
        tree.subgraphs = tree.subgraphs * 2
    elif how == 1:
        some(rng, graph.tensors).isVariable = True
    elif how == 2:
        some(rng, graph.tensors).sparsity = schema.SparsityParametersT()
    elif how == 3:
        buffer = some(rng, tree.buffers)
        buffer.offset, buffer.size = number(rng) & 0xFFFFFFFF, number(rng) & 0xFFFFFFFF
    else:
        tree.subgraphs = []


BYTES = (cut, flip_bits, set_words, splice, stretch)
STRUCTURE = (
    change_shape,
    change_shape_of_activation,
    change_type,
    change_buffer,
    change_data,
    change_quantization,
    change_operands,
    change_interface,
    change_kind,
    change_options,
    change_order,
    change_name,
    change_model,
)
MODEST = (change_shape_of_activation, change_data, change_quantization, change_operands, change_options, change_kind)


def mutate(model: bytes, rng: np.random.Generator) -> tuple[str, bytes]:
    """A damaged copy, and what was done to it. Most damage is structural, since it gets past the reader."""
    if rng.random() < 0.25:
        function = some(rng, BYTES)
        return function.__name__, function(model, rng)
    tree = unpack(model)
    done = []
    try:
        for _ in range(int(rng.integers(1, 4))):
            function = some(rng, MODEST if rng.random() < 0.6 else STRUCTURE)
            function(tree, tree.subgraphs[0], rng)
            done.append(function.__name__)
        return " ".join(done), pack(tree)
    except (struct.error, LookupError, TypeError, ValueError, OverflowError, AttributeError):
        return "flip_bits", flip_bits(model, rng)  # damage upon damage that the object API cannot write
