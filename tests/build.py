"""Builds .tflite flatbuffers tensor by tensor, for tests of single operators and of generated networks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import flatbuffers
import numpy as np
from tflite_micro.tensorflow.lite.micro.python import schema_py_generated as schema

TYPES = {
    np.dtype(np.float32): schema.TensorType.FLOAT32,
    np.dtype(np.int32): schema.TensorType.INT32,
    np.dtype(np.uint8): schema.TensorType.UINT8,
    np.dtype(np.int64): schema.TensorType.INT64,
    np.dtype(np.int16): schema.TensorType.INT16,
    np.dtype(np.int8): schema.TensorType.INT8,
    np.dtype(np.bool_): schema.TensorType.BOOL,
}


class ModelBuilder:
    """Adds tensors and operators, then `build()` gives the bytes of a .tflite. Tensors are numbers, in order of creation."""

    def __init__(self) -> None:
        self.tensors: list[Any] = []
        self.buffers: list[Any] = [schema.BufferT()]
        self.operators: list[Any] = []
        self.codes: list[Any] = []
        self.inputs: list[int] = []

    def tensor(
        self,
        shape: Sequence[int],
        dtype: Any = np.int8,
        scale: float | Sequence[float] | None = None,
        zero_point: int | Sequence[int] = 0,
        *,
        axis: int = 0,
        data: np.ndarray | None = None,
        name: str | None = None,
    ) -> int:
        """A tensor that an operator will compute (or, with `data`, a constant). No quantisation where `scale` is None."""
        t = schema.TensorT()
        t.shape = [int(d) for d in shape]
        t.type = TYPES[np.dtype(dtype)]
        t.name = (name or f"tensor_{len(self.tensors)}").encode()
        t.buffer = 0
        if data is not None:
            buffer = schema.BufferT()
            buffer.data = np.frombuffer(np.ascontiguousarray(data, dtype=dtype).tobytes(), np.uint8)
            self.buffers.append(buffer)
            t.buffer = len(self.buffers) - 1
        if scale is not None:
            q = schema.QuantizationParametersT()
            q.scale = [float(s) for s in np.atleast_1d(scale)]
            zeros = np.atleast_1d(zero_point)
            q.zeroPoint = [int(z) for z in (zeros if len(zeros) == len(q.scale) else np.repeat(zeros[:1], len(q.scale)))]
            q.quantizedDimension = axis
            t.quantization = q
        self.tensors.append(t)
        return len(self.tensors) - 1

    def input(self, shape: Sequence[int], dtype: Any = np.int8, scale: float | None = 0.05, zero_point: int = 0) -> int:
        """A model input."""
        index = self.tensor(shape, dtype, scale, zero_point)
        self.inputs.append(index)
        return index

    def constant(self, data: Any, dtype: Any = np.int8, scale: Any = None, zero_point: Any = 0, *, axis: int = 0) -> int:
        """A constant tensor."""
        array = np.asarray(data, dtype=dtype)
        return self.tensor(array.shape, dtype, scale, zero_point, axis=axis, data=array)

    def shape(self, tensor: int) -> tuple[int, ...]:
        return tuple(self.tensors[tensor].shape)

    def operator(
        self, kind: str, inputs: Sequence[int], outputs: Sequence[int], options: str | None = None, **values: Any
    ) -> None:
        """An operator; `options` names the options table of the schema (such as Conv2DOptions), `values` are its fields
        in the schema's camelCase (`strideW=2`)."""
        code = schema.OperatorCodeT()
        code.builtinCode = getattr(schema.BuiltinOperator, kind)
        code.deprecatedBuiltinCode = min(code.builtinCode, 127)
        code.version = 1
        numbers = [c.builtinCode for c in self.codes]
        if code.builtinCode not in numbers:
            self.codes.append(code)
            numbers.append(code.builtinCode)
        op = schema.OperatorT()
        op.opcodeIndex = numbers.index(code.builtinCode)
        op.inputs, op.outputs = list(inputs), list(outputs)
        if options is not None:
            table = getattr(schema, f"{options}T")()
            for key, value in values.items():
                assert hasattr(table, key), f"{options} has no {key}"
                setattr(table, key, value)
            op.builtinOptionsType = getattr(schema.BuiltinOptions, options)
            op.builtinOptions = table
        self.operators.append(op)

    def build(self, outputs: Sequence[int]) -> bytes:
        """The flatbuffer with the given tensors as outputs."""
        graph = schema.SubGraphT()
        graph.tensors, graph.operators = self.tensors, self.operators
        graph.inputs, graph.outputs = self.inputs, list(outputs)
        graph.name = b"main"
        model = schema.ModelT()
        model.version = 3
        model.description = b"test"
        model.operatorCodes, model.subgraphs, model.buffers = self.codes, [graph], self.buffers
        builder = flatbuffers.Builder(4096)
        builder.Finish(model.Pack(builder), b"TFL3")
        return bytes(builder.Output())
