"""DEPTH_TO_SPACE: groups of channels become a square of pixels (kernels/depth_to_space.cc, reference/depth_to_space.h)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tflm_mcunet.graph import Array, Tensor
from tflm_mcunet.operators.movement import Move
from tflm_mcunet.operators.space_to_depth import SpaceToDepth


@dataclass(frozen=True, eq=False)
class DepthToSpace(SpaceToDepth):
    """SPACE_TO_DEPTH the other way round."""

    kind = "DEPTH_TO_SPACE"

    @property
    def large(self) -> Tensor:
        return self.output

    @property
    def small(self) -> Tensor:
        return self.input(0)

    def moves(self, inputs: Sequence[Array], outputs: Sequence[Array]) -> Iterator[Move]:
        large, small = self.squares(outputs[0], inputs[0])
        yield Move(large, small)
