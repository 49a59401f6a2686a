"""Tiny .tflite models, built with the flatbuffer object API of the TFLM wheel, for the tests of this folder."""

from __future__ import annotations

import flatbuffers
import numpy as np


def relu_model(shape: tuple[int, ...] = (1, 4), operator: str = "RELU", length: int = 1, kind: str = "INT8") -> bytes:
    """Chain of `length` operators of one input and no options; not float: at scale 0.5 and zero point -1."""
    from tflite_micro.tensorflow.lite.micro.python import schema_py_generated as schema

    model = schema.ModelT()
    model.version = 3
    model.buffers = [schema.BufferT()]
    code = schema.OperatorCodeT()
    code.builtinCode = getattr(schema.BuiltinOperator, operator)
    code.deprecatedBuiltinCode = min(code.builtinCode, 127)
    code.version = 1
    model.operatorCodes = [code]
    subgraph = schema.SubGraphT()
    subgraph.tensors = [_tensor(schema, shape, index, kind) for index in range(length + 1)]
    subgraph.inputs, subgraph.outputs = [0], [length]
    subgraph.operators = []
    for index in range(length):
        node = schema.OperatorT()
        node.opcodeIndex, node.inputs, node.outputs = 0, [index], [index + 1]
        subgraph.operators.append(node)
    model.subgraphs = [subgraph]
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), file_identifier=b"TFL3")
    return bytes(builder.Output())


def _tensor(schema, shape: tuple[int, ...], index: int, kind: str):
    tensor = schema.TensorT()
    tensor.name, tensor.shape, tensor.type = f"t{index}", list(shape), getattr(schema.TensorType, kind)
    tensor.shapeSignature = None
    if kind == "FLOAT32":
        return tensor
    tensor.quantization = schema.QuantizationParametersT()
    tensor.quantization.scale = np.array([0.5], np.float32)
    tensor.quantization.zeroPoint = np.array([-1], np.int64)
    return tensor
