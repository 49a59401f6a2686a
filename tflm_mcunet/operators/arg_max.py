"""ARG_MAX along a constant axis (tensorflow/lite/kernels/internal/reference/arg_min_max.h)."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from patch_scheduler.geometry import Ranges, each, whole
from tflm_mcunet.operators.base import Operator, Record, has_one_output


def axis_is_constant(op: ArgMax) -> str | None:
    """The operator reads data and a constant int32 axis within the rank of the data."""
    if len(op.inputs) != 2:
        return f"{len(op.inputs)} inputs"
    operand, rank = op.input(1), len(op.input(0).shape)
    if operand.dtype != np.int32 or operand.data is None or operand.elements != 1:
        return f"tensor {operand}" + ("" if operand.constant else ", not constant")
    axis = int(operand.data.reshape(-1)[0])
    return None if -rank <= axis < rank else f"axis {axis} of tensor {op.input(0)}"


def data_and_indices(op: ArgMax) -> str | None:
    """Data is int8; the output is int32 and has one index for each position along the other axes."""
    source, target = op.input(0), op.output
    if source.dtype != np.int8 or target.dtype != np.int32 or target.elements != source.elements // source.shape[op.axis]:
        return f"tensors {source} and {target}"
    return None


@dataclass(frozen=True, eq=False)
class ArgMax(Operator):
    """The index of the first of the largest elements along an axis. A step is a row where rows of input and output agree."""

    kind = "ARG_MAX"
    constraints = (has_one_output, axis_is_constant, data_and_indices)

    @property
    def axis(self) -> int:
        """The axis, counted from 0."""
        return int(self.constant(1).reshape(-1)[0]) % len(self.input(0).shape)

    @property
    def steps(self) -> int:
        within_rows = self.axis >= len(self.input(0).shape) - 2
        return self.output.rows if within_rows and self.output.rows == self.input(0).rows else 1

    def reads(self, position: int) -> Ranges:
        rows = self.input(0).rows
        return each(rows) if self.steps == rows else whole(1, rows)

    def writes(self, position: int) -> Ranges:
        rows = self.output.rows
        return each(rows) if self.steps == rows else whole(1, rows)

    @property
    def row_pointers(self) -> bool:
        return self.steps == self.input(0).rows == self.output.rows

    def describe(self) -> str:
        return f"axis {self.axis}"

    def record(self) -> Record:
        shape = self.input(0).shape
        return Record(
            "arg_max",
            {
                "input": self.input(0),
                "output": self.output,
                "outer": self.output.elements // self.steps // math.prod(shape[self.axis + 1 :]),
                "extent": shape[self.axis],
                "inner": math.prod(shape[self.axis + 1 :]),
            },
        )
