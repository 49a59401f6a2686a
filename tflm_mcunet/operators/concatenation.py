"""CONCATENATION: tensors one after the other along an axis (kernels/concatenation.cc, reference/concatenation.h)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tflm_mcunet.graph import Array
from tflm_mcunet.operators.base import Options, has_one_output
from tflm_mcunet.operators.movement import Move, Movement, along, moves_types, parameters


def axis_exists(op: Concatenation) -> str | None:
    """The axis is one of the output's dimensions."""
    return None if -len(op.output.shape) <= op.axis < len(op.output.shape) else f"axis {op.axis} of tensor {op.output}"


def shapes_add_up(op: Concatenation) -> str | None:
    """All shapes agree but along the axis, where the inputs add up to the output."""
    target, axis, total = op.output.shape, op.positive_axis, 0
    for position in op.data:
        shape = op.input(position).shape
        if len(shape) != len(target) or shape[:axis] + shape[axis + 1 :] != target[:axis] + target[axis + 1 :]:
            return f"tensors {op.input(position)} and {op.output}, axis {axis}"
        total += shape[axis]
    return None if total == target[axis] else f"{total} for tensor {op.output}, axis {axis}"


def needs_no_rescaling(op: Concatenation) -> str | None:
    """int8 inputs have the output's scale and zero point; int16 tensors have zero point 0."""
    for tensor in (*map(op.input, op.data), op.output):
        if tensor.dtype == np.int8 and parameters(tensor) != parameters(op.output):
            return f"{parameters(tensor)} and {parameters(op.output)}"
        if tensor.dtype == np.int16 and parameters(tensor)[1] != 0:
            return f"zero point {parameters(tensor)[1]}"
    return None


def has_no_activation(op: Concatenation) -> str | None:
    """There is no fused activation."""
    return None if op.activation == "NONE" else op.activation


@dataclass(frozen=True, eq=False)
class Concatenation(Movement):
    """Any number of inputs, constants among them, as slices of the output."""

    kind = "CONCATENATION"
    constraints = (
        has_one_output,
        moves_types("int8", "int16", "int32", "int64", "bool", "float32"),
        axis_exists,
        shapes_add_up,
        needs_no_rescaling,
        has_no_activation,
    )

    axis: int = field(default=-1, kw_only=True)
    activation: str = field(default="NONE", kw_only=True)

    @classmethod
    def attributes(cls, options: Options) -> dict[str, Any]:
        return {"axis": options["Axis"], "activation": options["FusedActivationFunction"]}

    @property
    def data(self) -> tuple[int, ...]:
        return tuple(range(len(self.inputs)))

    @property
    def positive_axis(self) -> int:
        """The axis counted from the first."""
        return self.axis % len(self.output.shape)

    def moves(self, inputs: Sequence[Array], outputs: Sequence[Array]) -> Iterator[Move]:
        begin = 0
        for position, source in enumerate(inputs):
            end = begin + source.shape[self.positive_axis]
            yield Move(outputs[0][along(self.positive_axis, slice(begin, end))], source, input=position)
            begin = end

    def describe(self) -> str:
        return f"axis {self.positive_axis}"
