"""Reads a .tflite flatbuffer into a Graph, trusting no size, offset or index in it."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import tflite

from tflm_mcunet.errors import Error
from tflm_mcunet.graph import Array, Graph, Quantization, Tensor
from tflm_mcunet.operators import OPERATORS
from tflm_mcunet.operators.base import Operator, Unsupported

MAX_TENSOR_BYTES = 1 << 26
"""No tensor of a microcontroller comes near 64 MB; larger ones are refused before anything is allocated for them."""

MAX_NAME = 300
"""Characters of a tensor's name that messages, comments and reports show."""

MAX_ROWS = (1 << 15) - 1
"""Rows are counted in int16 on the device."""

MAX_OPERATORS = (1 << 15) - 1
"""Operators are numbered in uint16 on the device, also those that the compiler adds."""

DTYPES: dict[int, np.dtype[Any]] = {
    tflite.TensorType.FLOAT32: np.dtype(np.float32),
    tflite.TensorType.INT32: np.dtype(np.int32),
    tflite.TensorType.UINT8: np.dtype(np.uint8),
    tflite.TensorType.INT64: np.dtype(np.int64),
    tflite.TensorType.INT16: np.dtype(np.int16),
    tflite.TensorType.INT8: np.dtype(np.int8),
    tflite.TensorType.BOOL: np.dtype(np.bool_),
}


REMEDIES = {"TILE": "Keras 3 makes it of UpSampling2D: give tflm_mcunet.compile the Keras model, or upsample by tf.image.resize"}
"""What to do about operators that TFLM does not have either."""

UNKNOWN = "see tflm-mcunet operators"


class MalformedModel(Error):
    """The file is not a usable .tflite."""


def read(model: bytes, name: str) -> Graph:
    """The graph of subgraph 0 of a .tflite.

    Raises MalformedModel where the flatbuffer is damaged, Unsupported where it is sound but asks for what we do not do.
    """
    if len(model) < 8 or model[4:8] != b"TFL3":
        raise MalformedModel("not a .tflite file: the identifier TFL3 is missing")
    try:
        return _Reader(model, name).graph()
    except Error:
        raise
    except (struct.error, ValueError, TypeError, IndexError, OverflowError, KeyError, AttributeError, MemoryError) as error:
        raise MalformedModel("the .tflite file is damaged: a value in it leads nowhere; make or fetch it again") from error


def _printable(name: bytes | None) -> str:
    """A name that fits a one-line message."""
    text = "".join(c if c.isprintable() else "?" for c in (name or b"").decode("utf-8", "replace"))
    return text if len(text) <= MAX_NAME else f"{text[: MAX_NAME - 3]}..."


def _names(enum: type) -> dict[int, str]:
    return {value: name for name, value in vars(enum).items() if not name.startswith("_")}


TYPE_NAMES = _names(tflite.TensorType)
OPTION_NAMES = _names(tflite.BuiltinOptions)
ENUMS: dict[str, dict[int, str]] = {
    "Padding": _names(tflite.Padding),
    "FusedActivationFunction": _names(tflite.ActivationFunctionType),
    "WeightsFormat": _names(tflite.FullyConnectedOptionsWeightsFormat),
    "Mode": _names(tflite.MirrorPadMode),
}


class _Options(dict[str, Any]):
    """Builtin options by field name; enumerations as their names."""

    def __init__(self, table: Any, label: str) -> None:
        super().__init__()
        self.table, self.label = table, label

    def __missing__(self, key: str) -> Any:
        field = getattr(self.table, key, None)
        if field is None:
            raise MalformedModel(f"{self.label}: its builtin options lack {key}")
        value = field()
        if key in ENUMS:
            if value not in ENUMS[key]:
                raise MalformedModel(f"{self.label}: {key} has the unknown value {value}")
            value = ENUMS[key][value]
        return value


class _Reader:
    def __init__(self, model: bytes, name: str) -> None:
        self.bytes = model
        self.name = name
        self.model = tflite.Model.GetRootAs(model, 0)
        self.variables: list[str] = []

    def graph(self) -> Graph:
        if self.model.SubgraphsLength() < 1:
            raise MalformedModel("the model has no subgraph")
        if self.model.SubgraphsLength() > 1:
            raise Unsupported(f"the model has {self.model.SubgraphsLength()} subgraphs; control flow is not supported")
        subgraph = self.model.Subgraphs(0)
        tensors = list(self.tensors(subgraph))
        operators = tuple(self.operators(subgraph, tensors))
        inputs = self.interface(subgraph.Inputs, subgraph.InputsLength(), tensors, "input")
        outputs = self.interface(subgraph.Outputs, subgraph.OutputsLength(), tensors, "output")
        if self.variables:
            raise Unsupported(f"{self.variables[0]}: variables are not supported")
        self.check_definitions(operators, inputs, outputs)
        return Graph(self.name, inputs, outputs, operators)

    def length(self, count: int, what: str) -> int:
        """A vector's length, once it is known that its elements fit the file."""
        if count * 4 > len(self.bytes):
            raise MalformedModel(f"the .tflite file is damaged: {count} {what} in {len(self.bytes)} bytes")
        return count

    def tensors(self, subgraph: Any) -> Iterator[Tensor]:
        for index in range(self.length(subgraph.TensorsLength(), "tensors")):
            table = subgraph.Tensors(index)
            name = _printable(table.Name()) or f"tensor_{index}"
            shape = tuple(int(table.Shape(i)) for i in range(self.length(table.ShapeLength(), "dimensions")))
            if table.Type() not in DTYPES:
                kind = TYPE_NAMES.get(table.Type(), table.Type())
                raise Unsupported(f"tensor {index} '{name}': type {kind} is not supported; quantise the model to int8")
            dtype = DTYPES[table.Type()]
            self.check_shape(index, name, shape, dtype)
            if table.IsVariable():
                self.variables.append(f"tensor {index} '{name}'")
            if table.Sparsity() is not None:
                raise Unsupported(f"tensor {index} '{name}': sparse weights are not supported")
            data = self.data(index, name, table.Buffer(), shape, dtype)
            tensor = Tensor(name, shape, dtype, self.quantization(index, name, table.Quantization(), shape), data, index)
            if not tensor.constant and tensor.rows > MAX_ROWS:
                raise Unsupported(f"tensor {index} '{name}': {tensor.rows} rows are too many for a microcontroller")
            yield tensor

    @staticmethod
    def check_shape(index: int, name: str, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
        size = dtype.itemsize
        for position, extent in enumerate(shape):
            if extent < 1:
                raise Unsupported(
                    f"tensor {index} '{name}': dimension {position} is {extent}; shapes must be static and not empty"
                )
            size *= extent
            if size > MAX_TENSOR_BYTES:
                raise Unsupported(f"tensor {index} '{name}': shape {shape[:8]} is too large for a microcontroller")
        if len(shape) > 6:
            raise Unsupported(f"tensor {index} '{name}': {len(shape)} dimensions; at most 6 are supported")

    def data(self, index: int, name: str, buffer: int, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array | None:
        if not 0 <= buffer < self.length(self.model.BuffersLength(), "buffers"):
            raise MalformedModel(f"tensor {index} '{name}': buffer {buffer} does not exist")
        table = self.model.Buffers(buffer)
        if table.Offset() or table.Size():
            raise Unsupported(f"tensor {index} '{name}': its data lies outside the flatbuffer")
        count = table.DataLength()
        if count == 0:
            return None
        expected = int(np.prod(shape, dtype=np.int64)) * dtype.itemsize
        if count < expected:
            raise MalformedModel(f"tensor {index} '{name}': buffer {buffer} holds {count} bytes, {expected} are needed")
        raw = np.asarray(table.DataAsNumpy())
        if raw.size != count:
            raise MalformedModel(f"tensor {index} '{name}': buffer {buffer} ends past the file")
        return raw[:expected].view(np.uint8).copy().view(dtype.newbyteorder("<")).astype(dtype, copy=False).reshape(shape)

    def quantization(self, index: int, name: str, table: Any, shape: tuple[int, ...]) -> Quantization | None:
        if table is None or table.ScaleLength() == 0 or table.ZeroPointLength() == 0:
            return None
        label = f"tensor {index} '{name}'"
        self.length(table.ScaleLength(), "scales")
        self.length(table.ZeroPointLength(), "zero points")
        scales = tuple(np.asarray(table.ScaleAsNumpy()).astype(np.float64).tolist())
        zeros = tuple(np.asarray(table.ZeroPointAsNumpy()).tolist())
        if len(zeros) not in (1, len(scales)):
            raise MalformedModel(f"{label}: {len(scales)} scales but {len(zeros)} zero points")
        if not all(np.isfinite(scale) for scale in scales):
            raise MalformedModel(f"{label}: scales must be finite")
        if not all(-(1 << 15) <= zero < 1 << 16 for zero in zeros):
            raise MalformedModel(f"{label}: zero point out of range")
        axis = int(table.QuantizedDimension())
        return Quantization(scales, zeros if len(zeros) == len(scales) else zeros * len(scales), axis)

    def interface(self, item: Callable[[int], int], count: int, tensors: list[Tensor], what: str) -> tuple[Tensor, ...]:
        indices = [int(item(i)) for i in range(self.length(count, f"{what}s"))]
        if not indices:
            raise MalformedModel(f"the model has no {what}")
        for index in indices:
            if not 0 <= index < len(tensors):
                raise MalformedModel(f"{what} tensor {index} does not exist")
        return tuple(tensors[index] for index in indices)

    def operators(self, subgraph: Any, tensors: list[Tensor]) -> Iterator[Operator]:
        count = self.length(subgraph.OperatorsLength(), "operators")
        if count > MAX_OPERATORS:
            raise Unsupported(f"{count} operators are too many for a microcontroller")
        for index in range(count):
            table = subgraph.Operators(index)
            kind = self.kind(index, table.OpcodeIndex())
            ins = self.operands(index, kind, table.Inputs, table.InputsLength(), tensors)
            outs = self.operands(index, kind, table.Outputs, table.OutputsLength(), tensors)
            if not outs or None in outs:
                raise MalformedModel(f"operator {index} ({kind}): an output is missing")
            label = f"operator {index} ({kind} '{outs[0].name}')"  # type: ignore[union-attr]
            if kind not in OPERATORS:
                raise Unsupported(f"{label}: this operator is not supported; {REMEDIES.get(kind, UNKNOWN)}")
            attributes = OPERATORS[kind].attributes(_Options(self.options(table, label), label))
            yield OPERATORS[kind](ins, outs, index=index, **attributes)  # type: ignore[arg-type]

    def kind(self, index: int, opcode: int) -> str:
        if not 0 <= opcode < self.length(self.model.OperatorCodesLength(), "operator codes"):
            raise MalformedModel(f"operator {index}: operator code {opcode} does not exist")
        code = self.model.OperatorCodes(opcode)
        number = max(code.BuiltinCode(), code.DeprecatedBuiltinCode())
        name = tflite.BUILTIN_OPCODE2NAME.get(number)
        if name is None:
            raise Unsupported(f"operator {index}: builtin operator {number} is not supported")
        if name == "CUSTOM":
            raise Unsupported(f"operator {index}: the custom operator '{_printable(code.CustomCode())}' is not supported")
        return str(name)

    def operands(
        self, index: int, kind: str, item: Callable[[int], int], count: int, tensors: list[Tensor]
    ) -> tuple[Tensor | None, ...]:
        found: list[Tensor | None] = []
        for position in range(self.length(count, "operands")):
            number = int(item(position))
            if not -1 <= number < len(tensors):
                raise MalformedModel(f"operator {index} ({kind}): tensor {number} does not exist")
            found.append(None if number == -1 else tensors[number])
        return tuple(found)

    def options(self, table: Any, label: str) -> Any:
        name = OPTION_NAMES.get(table.BuiltinOptionsType(), "NONE")
        union = table.BuiltinOptions()
        if name == "NONE" or union is None:
            return None
        options = getattr(tflite, name)()
        options.Init(union.Bytes, union.Pos)
        return options

    @staticmethod
    def check_definitions(operators: tuple[Operator, ...], inputs: tuple[Tensor, ...], outputs: tuple[Tensor, ...]) -> None:
        """Every tensor is defined once, before it is read."""
        defined = set(inputs)
        for tensor in inputs:
            if tensor.constant:
                raise MalformedModel(f"input tensor {tensor} is a constant")
        for op in operators:
            for tensor in op.present_inputs:
                if not tensor.constant and tensor not in defined:
                    raise MalformedModel(f"{op.label}: tensor {tensor} is read before it is computed")
            for tensor in op.outputs:
                if tensor.constant or tensor in defined:
                    raise MalformedModel(f"{op.label}: tensor {tensor} is computed twice")
                defined.add(tensor)
        for tensor in outputs:
            if not tensor.constant and tensor not in defined:
                raise MalformedModel(f"output tensor {tensor} is never computed")
