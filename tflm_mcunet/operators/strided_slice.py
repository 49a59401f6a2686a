"""STRIDED_SLICE: every n-th element between two indices of each dimension (kernels/strided_slice.cc, strided_slice_logic.h)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from tflm_mcunet.graph import Array
from tflm_mcunet.operators.base import Options, has_one_output
from tflm_mcunet.operators.movement import Move, Movement, moves_types


def has_four_inputs(op: StridedSlice) -> str | None:
    """Begin, end and strides are constant int32, with a value for each of 1 to 4 dimensions."""
    rank = len(op.input(0).shape)
    lengths = [len(op.integers(position)) for position in (1, 2, 3)]
    return None if lengths == [rank] * 3 and 1 <= rank <= 4 else f"{lengths} values for tensor {op.input(0)}"


def strides_are_not_zero(op: StridedSlice) -> str | None:
    """No stride is zero; dimensions that go have positive strides."""
    for axis, stride in enumerate(op.integers(3)):
        if stride == 0 or (stride < 0 and op.shrink_mask >> axis & 1):
            return f"stride {stride} in dimension {axis}"
    return None


def masks_are_simple(op: StridedSlice) -> str | None:
    """There are no ellipses, new axes or relative ends (TFLM ignores them)."""
    if op.ellipsis_mask or op.new_axis_mask or op.offset:
        return f"ellipsis mask {op.ellipsis_mask}, new axis mask {op.new_axis_mask}, offset {op.offset}"
    return None


def selection_has_output_shape(op: StridedSlice) -> str | None:
    """What is selected has the output's shape."""
    counts = [len(indices) for indices in op.indices]
    shape = tuple(count for axis, count in enumerate(counts) if not op.shrink_mask >> axis & 1)
    return None if shape == op.output.shape and min(counts) > 0 else f"{counts} of tensor {op.input(0)} for tensor {op.output}"


@dataclass(frozen=True, eq=False)
class StridedSlice(Movement):
    """numpy's input[begin:end:stride, ...]; bit i of a mask is about dimension i."""

    kind = "STRIDED_SLICE"
    constraints = (
        has_one_output,
        moves_types("int8", "int16", "int32", "float32", "bool"),
        has_four_inputs,
        strides_are_not_zero,
        masks_are_simple,
        selection_has_output_shape,
    )

    begin_mask: int = field(default=0, kw_only=True)
    """Dimensions whose begin is not read: they start at the first element, or the last where the stride is negative."""
    end_mask: int = field(default=0, kw_only=True)
    """Dimensions whose end is not read."""
    shrink_mask: int = field(default=0, kw_only=True)
    """Dimensions of which one index is taken and which then go."""
    ellipsis_mask: int = field(default=0, kw_only=True)
    new_axis_mask: int = field(default=0, kw_only=True)
    offset: bool = field(default=False, kw_only=True)

    @classmethod
    def attributes(cls, options: Options) -> dict[str, Any]:
        return {
            "begin_mask": options["BeginMask"],
            "end_mask": options["EndMask"],
            "shrink_mask": options["ShrinkAxisMask"],
            "ellipsis_mask": options["EllipsisMask"],
            "new_axis_mask": options["NewAxisMask"],
            "offset": options["Offset"],
        }

    @property
    def indices(self) -> list[range]:
        """The indices taken in each dimension."""
        found = []
        for axis, (size, begin, end, stride) in enumerate(
            zip(self.input(0).shape, self.integers(1), self.integers(2), self.integers(3), strict=True)
        ):
            first = None if self.begin_mask >> axis & 1 else begin
            last = None if self.end_mask >> axis & 1 else end
            start, stop, _ = slice(first, last, stride).indices(size)
            found.append(range(start, min(start + 1, size)) if self.shrink_mask >> axis & 1 else range(start, stop, stride))
        return found

    def moves(self, inputs: Sequence[Array], outputs: Sequence[Array]) -> Iterator[Move]:
        picked = tuple(
            indices[0]
            if self.shrink_mask >> axis & 1
            else slice(indices.start, indices.stop if indices.stop >= 0 else None, indices.step)
            for axis, indices in enumerate(self.indices)
        )
        yield Move(outputs[0], inputs[0][(*picked, ...)])

    def describe(self) -> str:
        return ", ".join(f"{i.start}:{i.stop}:{i.step}" for i in self.indices)
