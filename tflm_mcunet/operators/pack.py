"""PACK: tensors of one shape one after the other along a new axis (kernels/pack.cc)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from tflm_mcunet.graph import Array
from tflm_mcunet.operators.base import Options, has_one_output
from tflm_mcunet.operators.movement import Move, Movement, along, moves_types


def new_axis_counts_inputs(op: Pack) -> str | None:
    """The output's shape is that of every input with a new axis, as long as the number of inputs."""
    target, axis = op.output.shape, op.axis
    if not -len(target) <= axis < len(target) or not op.count == len(op.inputs) == target[axis]:
        return f"{len(op.inputs)} of {op.count} inputs along axis {axis} of tensor {op.output}"
    axis = op.positive_axis
    for position in op.data:
        if op.input(position).shape != target[:axis] + target[axis + 1 :]:
            return f"tensors {op.input(position)} and {op.output}, axis {axis}"
    return None


@dataclass(frozen=True, eq=False)
class Pack(Movement):
    """Input i is slice i of the output along the axis."""

    kind = "PACK"
    constraints = (has_one_output, moves_types("int8", "int16", "int32", "int64", "float32"), new_axis_counts_inputs)

    axis: int = field(default=0, kw_only=True)
    count: int = field(default=0, kw_only=True)

    @classmethod
    def attributes(cls, options: Options) -> dict[str, Any]:
        return {"axis": options["Axis"], "count": options["ValuesCount"]}

    @property
    def data(self) -> tuple[int, ...]:
        return tuple(range(len(self.inputs)))

    @property
    def positive_axis(self) -> int:
        """The new axis counted from the first."""
        return self.axis % len(self.output.shape)

    def moves(self, inputs: Sequence[Array], outputs: Sequence[Array]) -> Iterator[Move]:
        for position, source in enumerate(inputs):
            yield Move(outputs[0][along(self.positive_axis, position)], source, input=position)

    def describe(self) -> str:
        return f"axis {self.positive_axis}"
