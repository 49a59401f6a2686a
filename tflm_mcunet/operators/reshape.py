"""RESHAPE, SQUEEZE and EXPAND_DIMS: another shape for the same bytes; no code, the scheduler lets both share a buffer."""

from __future__ import annotations

from dataclasses import dataclass

from tflm_mcunet.graph import Array
from tflm_mcunet.operators.base import Operator, has_one_output


def moves_no_data(op: Reshape) -> str | None:
    """Input and output have the same type, size and quantisation."""
    source, target = op.input(0), op.output
    if source.dtype != target.dtype or source.elements != target.elements:
        return f"tensors {source} and {target}"
    return None


@dataclass(frozen=True, eq=False)
class Reshape(Operator):
    """A view: the output is the input in another shape. The shape operand is not read; the output's own shape decides."""

    kind = "RESHAPE"
    constraints = (has_one_output, moves_no_data)

    def evaluate(self, constants: tuple[Array | None, ...]) -> tuple[Array, ...] | None:
        assert constants[0] is not None
        return (constants[0].reshape(self.output.shape),)


@dataclass(frozen=True, eq=False)
class Squeeze(Reshape):
    """A RESHAPE that drops dimensions of size 1."""

    kind = "SQUEEZE"


@dataclass(frozen=True, eq=False)
class ExpandDims(Reshape):
    """A RESHAPE that adds a dimension of size 1."""

    kind = "EXPAND_DIMS"
