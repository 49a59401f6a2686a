"""SPLIT: a tensor cut into equal parts along an axis (kernels/split.cc)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

from tflm_mcunet.graph import Array
from tflm_mcunet.operators.base import Constraint
from tflm_mcunet.operators.movement import Move, Movement, along, moves_types


def axis_exists(op: Split) -> str | None:
    """The axis is one int32 constant and one of the input's dimensions."""
    values, shape = op.integers(op.axis_position), op.input(op.data[0]).shape
    return None if len(values) == 1 and -len(shape) <= values[0] < len(shape) else f"axis {values[:4]} of shape {shape}"


def outputs_add_up(op: Split) -> str | None:
    """The outputs have the input's shape but along the axis, where they add up to it."""
    source, axis, total = op.input(op.data[0]).shape, op.axis, 0
    for tensor in op.outputs:
        shape = tensor.shape
        if len(shape) != len(source) or shape[:axis] + shape[axis + 1 :] != source[:axis] + source[axis + 1 :]:
            return f"tensors {op.input(op.data[0])} and {tensor}, axis {axis}"
        total += shape[axis]
    return None if total == source[axis] else f"{total} for tensor {op.input(op.data[0])}, axis {axis}"


def outputs_are_equal(op: Split) -> str | None:
    """All outputs have one shape."""
    shapes = {tensor.shape for tensor in op.outputs}
    return None if len(shapes) == 1 else f"shapes {sorted(shapes)[:4]}"


@dataclass(frozen=True, eq=False)
class Split(Movement):
    """The outputs lie in the input one after the other along the axis; their own shapes say where each begins."""

    kind = "SPLIT"
    deals = True
    constraints: ClassVar[tuple[Constraint, ...]] = (
        moves_types("int8", "int16", "int32", "float32"),
        axis_exists,
        outputs_add_up,
        outputs_are_equal,
    )

    axis_position: ClassVar[int] = 0

    @property
    def data(self) -> tuple[int, ...]:
        return (1,)

    @property
    def axis(self) -> int:
        """The axis counted from the first."""
        return self.integers(self.axis_position)[0] % len(self.input(self.data[0]).shape)

    def moves(self, inputs: Sequence[Array], outputs: Sequence[Array]) -> Iterator[Move]:
        begin, source = 0, self.data[0]
        for position, target in enumerate(outputs):
            end = begin + target.shape[self.axis]
            yield Move(target, inputs[source][along(self.axis, slice(begin, end))], input=source, output=position)
            begin = end

    def describe(self) -> str:
        return f"axis {self.axis}"
