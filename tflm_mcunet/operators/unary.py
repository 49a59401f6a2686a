"""Operators that map each element by itself, and those of them that are a table of 256 outputs."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from patch_scheduler.geometry import Ranges, each
from tflm_mcunet.errors import Error
from tflm_mcunet.graph import Array, Tensor
from tflm_mcunet.operators.base import Constraint, Operator, Record, has_one_output, operands_are_int8


def has_one_input(op: Operator) -> str | None:
    """There is exactly one input."""
    return None if len(op.present_inputs) == len(op.inputs) == 1 else f"{len(op.inputs)} inputs"


def same_shape(op: Operator) -> str | None:
    """Input and output have the same shape."""
    return None if op.input(0).shape == op.output.shape else f"{op.input(0)} and {op.output}"


def factors_are_representable(op: Operator) -> str | None:
    """The scales give rescaling factors that TFLM's 32-bit fixed point can hold."""
    try:
        op.record()
    except Error as error:
        return str(error)
    return None


@dataclass(frozen=True, eq=False)
class Elementwise(Operator):
    """An operator of one input whose output has the same shape; each row comes from the same row of the input."""

    def reads(self, position: int) -> Ranges:
        return each(self.steps)

    @property
    def row_pointers(self) -> bool:
        return True

    def in_place(self, position: int) -> bool:
        source, target = self.input(0).dtype, self.output.dtype
        return target == source or target.itemsize == 1

    @property
    def width(self) -> int:
        """Elements in a row."""
        return self.output.elements // self.output.rows


@dataclass(frozen=True, eq=False)
class Unary(Elementwise):
    """An operator that is a table of its 256 possible inputs; int8 to int8 except for some QUANTIZE."""

    constraints: ClassVar[tuple[Constraint, ...]] = (
        has_one_input,
        has_one_output,
        operands_are_int8,
        same_shape,
        factors_are_representable,
    )

    @property
    def tabular(self) -> bool:
        """Whether the operator is a table; all are but some conversions."""
        return True

    def table(self) -> Array:
        """The output, in its own type, for each of the 256 inputs in ascending order."""
        raise NotImplementedError

    @property
    def centred(self) -> NDArray[np.int64]:
        """All inputs in ascending order, less their zero point."""
        return domain(self.input(0)) - self.input(0).zero_point

    def evaluate(self, constants: tuple[Array | None, ...]) -> tuple[Array, ...] | None:
        assert constants[0] is not None
        return (self.table()[constants[0].astype(np.int64) - domain(self.input(0))[0]],)

    def record(self) -> Record:
        start = int(domain(self.input(0))[0])
        by_byte = np.roll(self.table().view(np.uint8), start)
        return Record("lookup", {"input": self.input(0), "output": self.output, "table": by_byte, "width": self.width})


@dataclass(frozen=True, eq=False)
class Lookup(Unary):
    """A table that a pass has made, such as the composition of two."""

    kind = "LOOKUP"
    internal: ClassVar[bool] = True

    values: Array = field(kw_only=True)

    def table(self) -> Array:
        return self.values


def domain(tensor: Tensor) -> NDArray[np.int64]:
    """All values of an 8-bit tensor in ascending order."""
    return np.arange(256) + np.iinfo(tensor.dtype).min


def saturated(values: Array, tensor: Tensor) -> Array:
    """Values clamped to a tensor's integer type."""
    limits = np.iinfo(tensor.dtype)
    return np.clip(values, limits.min, limits.max).astype(tensor.dtype)
