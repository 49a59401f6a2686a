"""TRANSPOSE: dimensions in another order, up to five of them (kernels/transpose_common.cc, reference/transpose.h)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tflm_mcunet.graph import Array
from tflm_mcunet.operators.base import has_one_output
from tflm_mcunet.operators.movement import Move, Movement, moves_types


def orders_all_dimensions(op: Transpose) -> str | None:
    """The permutation is a constant int32 vector that names each of 1 to 5 dimensions once, and gives the output's shape."""
    source, order = op.input(0).shape, op.permutation
    if sorted(order) != list(range(len(source))) or not 1 <= len(order) <= 5 or len(op.input(1).shape) != 1:
        return f"permutation {order[:6]} for tensor {op.input(0)}"
    return None if tuple(source[axis] for axis in order) == op.output.shape else f"permutation {order} for tensor {op.output}"


@dataclass(frozen=True, eq=False)
class Transpose(Movement):
    """Dimension i of the output is dimension permutation[i] of the input."""

    kind = "TRANSPOSE"
    constraints = (has_one_output, moves_types("int8", "int16", "float32"), orders_all_dimensions)

    @property
    def permutation(self) -> tuple[int, ...]:
        """For each dimension of the output, that of the input."""
        return self.integers(1)

    @property
    def moves_no_data(self) -> bool:
        """Whether only dimensions of size 1 change places, so that a RESHAPE does the same."""
        shape = self.input(0).shape
        long = [axis for axis in self.permutation if shape[axis] > 1]
        return long == sorted(long)

    def moves(self, inputs: Sequence[Array], outputs: Sequence[Array]) -> Iterator[Move]:
        yield Move(outputs[0], inputs[0].transpose(self.permutation))

    def describe(self) -> str:
        return f"permutation {' '.join(map(str, self.permutation))}"
