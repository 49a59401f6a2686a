"""SPACE_TO_DEPTH: squares of pixels become channels of one pixel (kernels/space_to_depth.cc, reference/space_to_depth.h)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from tflm_mcunet.graph import Array, Tensor
from tflm_mcunet.operators.base import Options, has_one_output
from tflm_mcunet.operators.movement import Move, Movement, moves_types


def blocks_fit(op: SpaceToDepth) -> str | None:
    """Tensors are NHWC; squares of block size at least 1 divide the larger image and are the channels of the smaller."""
    large, small = op.large.shape, op.small.shape
    if len(large) != 4 or len(small) != 4 or op.block < 1:
        return f"tensors {op.large} and {op.small}, block size {op.block}"
    batches, height, width, channels = small
    if large != (batches, height * op.block, width * op.block, large[3]) or channels != large[3] * op.block**2:
        return f"tensors {op.large} and {op.small}, block size {op.block}"
    return None


@dataclass(frozen=True, eq=False)
class SpaceToDepth(Movement):
    """Pixel (y, x) of a square becomes group y * block + x of the channels."""

    kind = "SPACE_TO_DEPTH"
    constraints = (has_one_output, moves_types("int8", "float32"), blocks_fit)

    block: int = field(default=1, kw_only=True)

    @classmethod
    def attributes(cls, options: Options) -> dict[str, Any]:
        return {"block": options["BlockSize"]}

    @property
    def large(self) -> Tensor:
        """The image with more pixels."""
        return self.input(0)

    @property
    def small(self) -> Tensor:
        """The image with more channels."""
        return self.output

    def squares(self, large: Array, small: Array) -> tuple[Array, Array]:
        """Both images as [batch, row, y, column, x, channel], (y, x) inside the squares."""
        batches, height, width, channels = small.shape
        depth = channels // self.block**2
        return (
            large.reshape(batches, height, self.block, width, self.block, depth),
            small.reshape(batches, height, width, self.block, self.block, depth).transpose(0, 1, 3, 2, 4, 5),
        )

    def moves(self, inputs: Sequence[Array], outputs: Sequence[Array]) -> Iterator[Move]:
        """One move for each row of the squares, so that a step reads it from one row of the input."""
        large, small = self.squares(inputs[0], outputs[0])
        for y in range(self.block):
            yield Move(small[:, :, y], large[:, :, y])

    def describe(self) -> str:
        return f"block {self.block}"
