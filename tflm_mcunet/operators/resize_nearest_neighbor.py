"""RESIZE_NEAREST_NEIGHBOR (tensorflow/lite/kernels/internal/reference/resize_nearest_neighbor.h)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from patch_scheduler.geometry import Ranges
from tflm_mcunet.graph import Array
from tflm_mcunet.operators.base import Record
from tflm_mcunet.operators.resize import Resize


def type_is_copied(op: ResizeNearestNeighbor) -> str | None:
    """The image is int8, int16 or float32."""
    source = op.input(0)
    return None if source.dtype in (np.int8, np.int16, np.float32) else f"tensor {source}"


@dataclass(frozen=True, eq=False)
class ResizeNearestNeighbor(Resize):
    """Every output pixel is a copy of an input pixel."""

    kind = "RESIZE_NEAREST_NEIGHBOR"
    constraints = (*Resize.constraints, type_is_copied)

    def sources(self, source: int, target: int) -> NDArray[np.int16]:
        """The input position of each output position along a side, in single precision as TFLM computes it."""
        corners = self.align_corners and target > 1
        scale = np.float32(source - 1) / np.float32(target - 1) if corners else np.float32(source) / np.float32(target)
        offset = np.float32(0.5 if self.half_pixel_centers else 0)
        place = (np.arange(target, dtype=np.float32) + offset) * scale
        if self.align_corners:  # round(), ties away from zero; exact in double precision
            place = np.floor(place.astype(np.float64) + 0.5)
        return np.minimum(np.floor(place), source - 1).astype(np.int16)

    def reads(self, position: int) -> Ranges:
        rows = self.sources(*self.sides[0]).astype(np.int64)
        return Ranges(rows, rows + 1)

    def record(self) -> Record:
        height, width = self.sides
        return Record(
            "resize_nearest",
            {
                "input": self.input(0),
                "output": self.output,
                "rows": self.sources(*height),
                "columns": self.sources(*width),
                "out_w": width[1],
                "pixel_bytes": self.input(0).row_bytes // width[0],
            },
        )

    def evaluate(self, constants: tuple[Array | None, ...]) -> tuple[Array, ...] | None:
        image = constants[0]
        assert image is not None
        height, width = self.sides
        return (image[:, self.sources(*height)][:, :, self.sources(*width)],)
