"""SLICE: a box cut out of a tensor of up to five dimensions (kernels/slice.cc, reference/slice.h)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tflm_mcunet.graph import Array
from tflm_mcunet.operators.base import has_one_output
from tflm_mcunet.operators.movement import Move, Movement, moves_types


def box_has_rank_of_input(op: Slice) -> str | None:
    """Begin and size are constant int32 or int64 vectors with a value for each of 1 to 5 dimensions."""
    rank = len(op.input(0).shape)
    lengths = len(op.integers(1, wide=True)), len(op.integers(2, wide=True))
    vectors = len(op.input(1).shape) == len(op.input(2).shape) == 1
    return None if lengths == (rank, rank) and vectors and 1 <= rank <= 5 else f"{lengths} values for tensor {op.input(0)}"


def box_is_inside(op: Slice) -> str | None:
    """The box lies inside the input and has the output's shape."""
    begin, size, shape = op.begin, op.size, op.input(0).shape
    if min(begin) < 0 or min(size) < 1 or any(b + s > n for b, s, n in zip(begin, size, shape, strict=True)):
        return f"begin {begin}, size {size} for tensor {op.input(0)}"
    return None if size == op.output.shape else f"size {size} for tensor {op.output}"


@dataclass(frozen=True, eq=False)
class Slice(Movement):
    """The elements from `begin` on, `size` of them in each dimension."""

    kind = "SLICE"
    constraints = (
        has_one_output,
        moves_types("int8", "int16", "int32", "float32", "bool"),
        box_has_rank_of_input,
        box_is_inside,
    )

    @property
    def begin(self) -> tuple[int, ...]:
        """The first index of each dimension."""
        return self.integers(1, wide=True)

    @property
    def size(self) -> tuple[int, ...]:
        """Indices of each dimension; in the model -1 stands for all that follow."""
        sizes = zip(self.integers(2, wide=True), self.begin, self.input(0).shape, strict=True)
        return tuple(n - begin if size == -1 else size for size, begin, n in sizes)

    def moves(self, inputs: Sequence[Array], outputs: Sequence[Array]) -> Iterator[Move]:
        box = tuple(slice(begin, begin + size) for begin, size in zip(self.begin, self.size, strict=True))
        yield Move(outputs[0], inputs[0][box])

    def describe(self) -> str:
        return f"from {'x'.join(map(str, self.begin))}"
