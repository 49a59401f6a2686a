"""Networks for rewriting: with operators that only TFLM supports, tensors that outlive a region, signatures and metadata."""

from __future__ import annotations

import numpy as np
from tflite_micro.tensorflow.lite.micro.python import schema_py_generated as schema

from tests.build import ModelBuilder
from tests.networks.expose import pack, unpack


def _convolution(b: ModelBuilder, rng: np.random.Generator, x: int, channels: int, stride: int = 1, *, scale: float = 0.1) -> int:
    _, height, width, depth = b.shape(x)
    scales = rng.uniform(0.005, 0.02, channels)
    weights = b.constant(rng.integers(-127, 128, (channels, 3, 3, depth)), scale=scales)
    bias = b.constant(rng.integers(-500, 500, channels), np.int32, scale=scales * 0.05)
    y = b.tensor((1, -(-height // stride), -(-width // stride), channels), scale=scale, zero_point=-5)
    b.operator("CONV_2D", [x, weights, bias], [y], "Conv2DOptions", strideH=stride, strideW=stride)
    return y


def with_unsupported() -> bytes:
    """0 CONV, 1 CONV, 2 CONV, 3 ABS (not supported), 4 CONV, 5 ADD of 2 and 4, 6 MEAN; a wide head, two outputs."""
    rng = np.random.default_rng(3)
    b = ModelBuilder()
    x = b.input((1, 24, 20, 3))
    y = _convolution(b, rng, _convolution(b, rng, x, 16), 8, 2)
    skip = _convolution(b, rng, y, 8)
    absolute = b.tensor((1, 12, 10, 8), scale=0.1, zero_point=-128)
    b.operator("ABS", [skip], [absolute], "AbsOptions")
    z = _convolution(b, rng, absolute, 8)
    total = b.tensor((1, 12, 10, 8), scale=0.2, zero_point=3)
    b.operator("ADD", [skip, z], [total], "AddOptions", potScaleInt16=False)
    mean = b.tensor((1, 8), scale=0.15, zero_point=1)
    b.operator("MEAN", [total, b.constant([1, 2], np.int32)], [mean], "ReducerOptions", keepDims=False)
    return annotated(b.build([mean, z]))


def annotated(model: bytes) -> bytes:
    """The model with a signature and metadata."""
    tree = unpack(model)
    graph = tree.subgraphs[0]
    signature = schema.SignatureDefT()
    signature.signatureKey, signature.subgraphIndex = b"serving_default", 0
    for side, numbers in (("inputs", graph.inputs), ("outputs", graph.outputs)):
        maps = []
        for place, number in enumerate(numbers):
            entry = schema.TensorMapT()
            entry.name, entry.tensorIndex = f"{side}_{place}".encode(), number
            maps.append(entry)
        setattr(signature, side, maps)
    tree.signatureDefs = [signature]
    tree.metadata = []
    for name in (b"min_runtime_version", b"notes"):
        buffer, entry = schema.BufferT(), schema.MetadataT()
        buffer.data = np.frombuffer(name * 3, np.uint8)
        entry.name, entry.buffer = name, len(tree.buffers)
        tree.buffers.append(buffer)
        tree.metadata.append(entry)
    return pack(tree)


def with_second_subgraph(model: bytes) -> bytes:
    """The model with a copy of its subgraph, which nothing calls."""
    tree = unpack(model)
    tree.subgraphs.append(unpack(model).subgraphs[0])
    return pack(tree)
