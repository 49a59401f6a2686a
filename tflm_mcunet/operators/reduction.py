"""What MEAN, SUM, REDUCE_MAX and global pooling share: rows that are added up, one after the other, into accumulators."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from patch_scheduler.geometry import Ranges, each, last
from tflm_mcunet.errors import Error
from tflm_mcunet.fixed_point import quantize_multiplier
from tflm_mcunet.graph import Tensor
from tflm_mcunet.operators.base import Clamped, Constraint, Operator, Record, has_one_output, int8_fault


def axes_are_constant(op: Reduction) -> str | None:
    """The operator reads data and a constant int32 tensor of axes, each within the rank of the data."""
    if len(op.inputs) != 2:
        return f"{len(op.inputs)} inputs"
    operand, rank = op.input(1), max(len(op.input(0).shape), 1)
    if operand.dtype != np.int32 or operand.data is None:
        return f"tensor {operand}" + ("" if operand.constant else ", not constant")
    wrong = [int(axis) for axis in operand.data.reshape(-1) if not -rank <= axis < rank]
    return f"axis {wrong[0]} of tensor {op.input(0)}" if wrong else None


def data_is_int8(op: Operator) -> str | None:
    """Data and output are int8 with one scale and zero point per tensor."""
    return int8_fault(op.input(0)) or int8_fault(op.output)


def output_holds_what_is_left(op: Reduction) -> str | None:
    """The output has one element for each position along the axes that are kept."""
    kept = math.prod(extent for axis, extent in enumerate(op.input(0).shape) if axis not in op.axes)
    return None if op.output.elements == kept else f"tensor {op.output} where {kept} elements are left of {op.input(0)}"


def rescaling_is_representable(op: Reduction) -> str | None:
    """The ratio of the scales of data and output fits a 32-bit fixed-point multiplier."""
    try:
        quantize_multiplier(op.input(0).scale / op.output.scale)
    except Error as error:
        return str(error)
    return None


@dataclass(frozen=True)
class Accumulation:
    """How rows of width x channels values fall onto accumulators of `size` bytes; a step is a row.

    Either every row of the source makes a row of the target, with accumulators of its own. Or (as in global pooling) there is
    one accumulator per element of the target; they live from the first step to the last, so that the source need never be whole.
    """

    source: Tensor
    target: Tensor
    axes: tuple[int, ...]
    size: int

    @property
    def extents(self) -> list[tuple[int, bool]]:
        """Extent of every dimension and whether it is kept; at least two dimensions, the last of which are width and channels."""
        shape = self.source.shape
        found = [(extent, axis not in self.axes) for axis, extent in enumerate(shape)]
        return [(1, True)] * (2 - len(shape)) + found

    @property
    def row_by_row(self) -> bool:
        """Whether every row makes a row."""
        across = any(extent > 1 and not kept for extent, kept in self.extents[:-2])
        return not across and self.source.rows == self.target.rows

    @property
    def bytes(self) -> int:
        """Bytes of all accumulators."""
        return self.size * (self.target.elements // self.target.rows if self.row_by_row else self.target.elements)

    def writes(self) -> Ranges:
        """Rows of the target that each step completes."""
        return each(self.source.rows) if self.row_by_row else last(self.source.rows, self.target.rows)

    def fields(self) -> dict[str, Any]:
        """The fields of the C record that say which row falls where."""
        (width, width_kept), (channels, channels_kept) = self.extents[-2:]
        places = [(1, 0)] if self.row_by_row else self._places()
        return {
            "extent": np.array([extent for extent, _ in places], np.int32),
            "stride": np.array([stride for _, stride in places], np.int32),
            "digits": len(places),
            "last_row": self.source.rows - 1,
            "out_rows": 0 if self.row_by_row else self.target.rows,
            "out_elements": self.target.elements // self.target.rows,
            "width": width,
            "channels": channels,
            "width_stride": (channels if channels_kept else 1) if width_kept else 0,
            "channel_stride": int(channels_kept),
        }

    def _places(self) -> list[tuple[int, int]]:
        """Extent and accumulator stride of the dimensions that number the rows, innermost first, neighbours of a kind merged."""
        stride = math.prod(extent for extent, kept in self.extents[-2:] if kept)
        found: list[tuple[int, int]] = []
        before = None
        for extent, kept in reversed(self.extents[:-2]):
            if extent == 1:
                continue
            if kept == before:
                found[-1] = (found[-1][0] * extent, found[-1][1])
            else:
                found.append((extent, stride if kept else 0))
            before = kept
            stride *= extent if kept else 1
        return found or [(1, 0)]


@dataclass(frozen=True, eq=False)
class Accumulating(Clamped):
    """An operator that may be an accumulation of rows; where it is none, it behaves as the next class says."""

    @property
    def accumulation(self) -> Accumulation | None:
        """The rows and accumulators, or None."""
        raise NotImplementedError

    @property
    def steps(self) -> int:
        return super().steps if self.accumulation is None else self.accumulation.source.rows

    def reads(self, position: int) -> Ranges:
        return super().reads(position) if self.accumulation is None else each(self.steps)

    def writes(self, position: int) -> Ranges:
        return super().writes(position) if self.accumulation is None else self.accumulation.writes()

    @property
    def row_pointers(self) -> bool:
        return True

    @property
    def scratch(self) -> int:
        accumulation = self.accumulation
        return accumulation.bytes if accumulation is not None and accumulation.row_by_row else 0

    @property
    def state(self) -> int:
        accumulation = self.accumulation
        return accumulation.bytes if accumulation is not None and not accumulation.row_by_row else 0

    def accumulate(self, accumulation: Accumulation, function: str, **fields: int) -> Record:
        """The record of an accumulation."""
        low, high = self.limits
        clamp = {"out_min": low, "out_max": high}
        return Record(
            "reduce", {"input": accumulation.source, "output": self.output, **accumulation.fields(), **fields, **clamp}, function
        )


@dataclass(frozen=True, eq=False)
class Reduction(Accumulating):
    """An operator that makes one element of all elements along some axes; keep_dims shows in the output's shape alone."""

    constraints: ClassVar[tuple[Constraint, ...]] = (has_one_output, axes_are_constant, data_is_int8, output_holds_what_is_left)

    accumulator_bytes: ClassVar[int] = 4

    @property
    def axes(self) -> tuple[int, ...]:
        """The axes, from 0 on, ascending, each once."""
        source = self.input(0)
        return tuple(sorted({int(axis) % len(source.shape) for axis in self.constant(1).reshape(-1)})) if source.shape else ()

    @property
    def accumulation(self) -> Accumulation:
        return Accumulation(self.input(0), self.output, self.axes, self.accumulator_bytes)

    @property
    def count(self) -> int:
        """How many elements make one."""
        return self.input(0).elements // self.output.elements

    def describe(self) -> str:
        return f"axes {', '.join(map(str, self.axes))}"
