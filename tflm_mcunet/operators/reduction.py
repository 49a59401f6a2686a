"""What MEAN, SUM, REDUCE_MAX and global pooling share: rows that are added up, one after the other, into accumulators."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from patch_scheduler.geometry import Ranges, each, last, whole
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
    """How rows of width x channels values fall onto accumulators of `size` bytes, and in which steps.

    Where rows fall onto each other (as in global pooling) there is one accumulator per output element; they live from the
    first step to the last, and every step adds one row, so that the source need never be whole. Otherwise a row has
    accumulators of its own, and a step is a row if the target has the same rows, or else everything.
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
    def across_rows(self) -> bool:
        """Whether rows fall onto each other."""
        return any(extent > 1 and not kept for extent, kept in self.extents[:-2])

    @property
    def accumulators(self) -> int:
        """Number of accumulators."""
        return self.target.elements if self.across_rows else _kept(self.extents[-2:])

    @property
    def bytes(self) -> int:
        """Bytes of all accumulators."""
        return self.size * self.accumulators

    @property
    def steps(self) -> int:
        return self.source.rows if self.across_rows or self.source.rows == self.target.rows else 1

    def reads(self) -> Ranges:
        return each(self.steps) if self.steps == self.source.rows else whole(1, self.source.rows)

    def writes(self) -> Ranges:
        if self.across_rows:
            return last(self.steps, self.target.rows)
        return each(self.steps) if self.steps == self.target.rows else whole(1, self.target.rows)

    def fields(self) -> dict[str, Any]:
        """The fields of the C record that say which row falls where."""
        (width, width_kept), (channels, channels_kept) = self.extents[-2:]
        groups = self._groups() if self.across_rows else [(self.source.rows, 0)]
        return {
            "extent": np.array([extent for extent, _ in groups], np.int32),
            "stride": np.array([stride for _, stride in groups], np.int32),
            "groups": len(groups),
            "rows": self.source.rows // self.steps,
            "last_row": self.source.rows - 1 if self.across_rows else 0,
            "width": width,
            "channels": channels,
            "width_stride": (channels if channels_kept else 1) if width_kept else 0,
            "channel_stride": int(channels_kept),
            "accumulators": self.accumulators,
        }

    def _groups(self) -> list[tuple[int, int]]:
        """Extent and accumulator stride of the dimensions that number the rows, innermost first, neighbours of a kind merged."""
        stride = _kept(self.extents[-2:])
        groups: list[tuple[int, int]] = []
        before = None
        for extent, kept in reversed(self.extents[:-2]):
            if extent == 1:
                continue
            if kept == before:
                groups[-1] = (groups[-1][0] * extent, groups[-1][1])
            else:
                groups.append((extent, stride if kept else 0))
            before = kept
            stride *= extent if kept else 1
        return groups


def _kept(extents: list[tuple[int, bool]]) -> int:
    return math.prod(extent for extent, kept in extents if kept)


@dataclass(frozen=True, eq=False)
class Accumulating(Clamped):
    """An operator that may be an accumulation of rows; where it is none, it behaves as the next class says."""

    @property
    def accumulation(self) -> Accumulation | None:
        """The rows and accumulators, or None."""
        raise NotImplementedError

    @property
    def steps(self) -> int:
        return super().steps if self.accumulation is None else self.accumulation.steps

    def reads(self, position: int) -> Ranges:
        return super().reads(position) if self.accumulation is None else self.accumulation.reads()

    def writes(self, position: int) -> Ranges:
        return super().writes(position) if self.accumulation is None else self.accumulation.writes()

    @property
    def scratch(self) -> int:
        accumulation = self.accumulation
        return 0 if accumulation is None or accumulation.across_rows else accumulation.bytes

    @property
    def state(self) -> int:
        accumulation = self.accumulation
        return accumulation.bytes if accumulation is not None and accumulation.across_rows else 0

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
