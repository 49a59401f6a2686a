"""RESIZE_BILINEAR in int8 (tensorflow/lite/kernels/internal/reference/resize_bilinear.h, ResizeBilinearInteger)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from patch_scheduler.geometry import Ranges
from tflm_mcunet.operators.base import Record
from tflm_mcunet.operators.resize import Resize

ONE = 1 << 10
"""Coordinates count 1/1024 of a pixel."""


def image_is_int8(op: ResizeBilinear) -> str | None:
    """The image is int8."""
    return None if op.input(0).dtype == np.int8 else f"tensor {op.input(0)}"


def one_convention(op: ResizeBilinear) -> str | None:
    """Not both align_corners and half_pixel_centers are set."""
    return "both" if op.align_corners and op.half_pixel_centers else None


def stays_inside(op: ResizeBilinear) -> str | None:
    """The enlargement is small enough for TFLM's fixed-point coordinates not to leave the image."""
    for source, target in op.sides:
        if op.scaled(source, target)[-1] // ONE >= source:
            return f"{source} to {target}"
    return None


@dataclass(frozen=True, eq=False)
class ResizeBilinear(Resize):
    """Every output pixel is a weighted mean of up to four input pixels."""

    kind = "RESIZE_BILINEAR"
    constraints = (*Resize.constraints, image_is_int8, one_convention, stays_inside)

    def scaled(self, source: int, target: int) -> NDArray[np.int64]:
        """Input coordinates of the output positions along a side."""
        if self.align_corners and target > 1:
            source, divisor = source - 1, target - 1
        else:
            divisor = target
        scale = (ONE * source + divisor // 2) // divisor
        places = np.arange(target, dtype=np.int64) * scale
        return places + scale // 2 - ONE // 2 if self.half_pixel_centers else places

    def taps(self, source: int, target: int) -> tuple[NDArray[np.int16], NDArray[np.int16]]:
        """The first of two input positions, and the weight (of 1024) of the second, which is not read where that is 0."""
        place = np.maximum(self.scaled(source, target), 0)
        first = place // ONE
        weight = np.where(first < source - 1, place - first * ONE, 0)
        return first.astype(np.int16), weight.astype(np.int16)

    def reads(self, position: int) -> Ranges:
        first, weight = self.taps(*self.sides[0])
        low = first.astype(np.int64)
        return Ranges(low, low + 1 + (weight > 0))

    def record(self) -> Record:
        rows, row_weights = self.taps(*self.sides[0])
        columns, column_weights = self.taps(*self.sides[1])
        return Record(
            "resize_bilinear",
            {
                "input": self.input(0),
                "output": self.output,
                "rows": rows,
                "row_weights": row_weights,
                "columns": columns,
                "column_weights": column_weights,
                "out_w": len(columns),
                "channels": self.output.nhwc[3],
            },
        )
