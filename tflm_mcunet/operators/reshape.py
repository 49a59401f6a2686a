"""RESHAPE, SQUEEZE and EXPAND_DIMS: another shape for the same bytes; no code, the scheduler lets both share a buffer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from tflm_mcunet.graph import Array
from tflm_mcunet.operators.base import Constraint, Operator, has_one_output


def moves_no_data(op: Reshape) -> str | None:
    """Input and output have the same type, size and quantisation."""
    source, target = op.input(0), op.output
    if source.dtype != target.dtype or source.elements != target.elements:
        return f"tensors {source} and {target}"
    return None


def shape_is_perhaps_given(op: Reshape) -> str | None:
    """There is one input, and perhaps the shape."""
    return None if len(op.inputs) in (1, 2) else f"{len(op.inputs)} inputs"


def only_ones_differ(op: Reshape) -> str | None:
    """Input and output have the same dimensions but for ones."""
    source, target = ([extent for extent in tensor.shape if extent != 1] for tensor in (op.input(0), op.output))
    return None if source == target else f"tensors {op.input(0)} and {op.output}"


def axis_is_constant(op: ExpandDims) -> str | None:
    """The inputs are data and a constant axis."""
    if len(op.inputs) != 2:
        return f"{len(op.inputs)} inputs"
    return None if op.input(1).constant else f"tensor {op.input(1)}"


def has_one_input(op: Squeeze) -> str | None:
    """There is exactly one input."""
    return None if len(op.inputs) == 1 else f"{len(op.inputs)} inputs"


@dataclass(frozen=True, eq=False)
class Reshape(Operator):
    """A view: the output is the input in another shape. The shape operand is not read; the output's own shape decides."""

    kind = "RESHAPE"
    constraints: ClassVar[tuple[Constraint, ...]] = (has_one_output, shape_is_perhaps_given, moves_no_data)

    def evaluate(self, constants: tuple[Array | None, ...]) -> tuple[Array, ...] | None:
        assert constants[0] is not None
        return (constants[0].reshape(self.output.shape),)


@dataclass(frozen=True, eq=False)
class Squeeze(Reshape):
    """A RESHAPE that drops dimensions of size 1."""

    kind = "SQUEEZE"
    constraints = (has_one_output, has_one_input, moves_no_data, only_ones_differ)


@dataclass(frozen=True, eq=False)
class ExpandDims(Reshape):
    """A RESHAPE that adds a dimension of size 1."""

    kind = "EXPAND_DIMS"
    constraints = (has_one_output, axis_is_constant, moves_no_data, only_ones_differ)
