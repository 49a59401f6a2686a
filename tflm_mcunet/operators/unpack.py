"""UNPACK: the slices of a tensor along an axis, which goes, as tensors of their own (kernels/unpack.cc)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from tflm_mcunet.graph import Array
from tflm_mcunet.operators.base import Options
from tflm_mcunet.operators.movement import Move, Movement, along, moves_types


def axis_counts_outputs(op: Unpack) -> str | None:
    """There is an output for every index of the axis, of the input's shape without the axis."""
    shape, axis = op.input(0).shape, op.axis
    if not -len(shape) <= axis < len(shape) or not op.count == len(op.outputs) == shape[axis]:
        return f"{len(op.outputs)} of {op.count} outputs along axis {axis} of tensor {op.input(0)}"
    axis = op.positive_axis
    for tensor in op.outputs:
        if tensor.shape != shape[:axis] + shape[axis + 1 :]:
            return f"tensors {op.input(0)} and {tensor}, axis {axis}"
    return None


@dataclass(frozen=True, eq=False)
class Unpack(Movement):
    """Output i is slice i of the input along the axis."""

    kind = "UNPACK"
    deals = True
    constraints = (moves_types("int8", "int16", "int32", "float32"), axis_counts_outputs)

    axis: int = field(default=0, kw_only=True)
    count: int = field(default=0, kw_only=True)

    @classmethod
    def attributes(cls, options: Options) -> dict[str, Any]:
        return {"axis": options["Axis"], "count": options["Num"]}

    @property
    def positive_axis(self) -> int:
        """The axis counted from the first."""
        return self.axis % len(self.input(0).shape)

    @property
    def steps(self) -> int:
        """Rows of the input, or of the outputs where one of these takes from several rows of the input."""
        inside_row = self.positive_axis >= len(self.input(0).shape) - 2
        return self.output.rows if inside_row else self.input(0).rows

    def moves(self, inputs: Sequence[Array], outputs: Sequence[Array]) -> Iterator[Move]:
        for position, target in enumerate(outputs):
            yield Move(target, inputs[0][along(self.positive_axis, position)], output=position)

    def describe(self) -> str:
        return f"axis {self.positive_axis}"
