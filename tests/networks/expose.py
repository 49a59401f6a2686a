"""Variants of a .tflite with other outputs: all intermediate activations, so that saturated outputs cannot hide errors."""

from __future__ import annotations

import warnings

import flatbuffers
from tflite_micro.tensorflow.lite.micro.python import schema_py_generated as schema


def unpack(model: bytes) -> schema.ModelT:
    """The flatbuffer as objects."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return schema.ModelT.InitFromPackedBuf(model, 0)


def pack(model: schema.ModelT) -> bytes:
    """The objects as a flatbuffer."""
    builder = flatbuffers.Builder(1 << 16)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def computed(model: bytes) -> list[int]:
    """The tensors that operators compute, in their order."""
    return [int(t) for op in unpack(model).subgraphs[0].operators for t in op.outputs]


def producer(model: bytes, tensor: int) -> str:
    """`operator 3 (ADD 'name')`: the operator that computes a tensor."""
    tree = unpack(model)
    graph = tree.subgraphs[0]
    names = {v: k for k, v in vars(schema.BuiltinOperator).items() if not k.startswith("_")}
    for index, op in enumerate(graph.operators):
        if tensor in op.outputs:
            code = tree.operatorCodes[op.opcodeIndex]
            kind = names[max(code.builtinCode, code.deprecatedBuiltinCode)]
            return f"operator {index} ({kind} '{(graph.tensors[tensor].name or b'').decode(errors='replace')}')"
    return f"tensor {tensor}"


def with_outputs(model: bytes, outputs: list[int]) -> bytes:
    """The model with other outputs."""
    tree = unpack(model)
    tree.subgraphs[0].outputs = outputs
    tree.signatureDefs = None  # they name the old outputs
    return pack(tree)


def expose(model: bytes) -> bytes:
    """The model with everything that is computed as an output."""
    return with_outputs(model, computed(model))
