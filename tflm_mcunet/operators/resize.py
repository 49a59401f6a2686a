"""What RESIZE_NEAREST_NEIGHBOR and RESIZE_BILINEAR share: all coordinates are computed offline, as tables per row and column."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

from tflm_mcunet.operators.base import Constraint, Operator, Options, has_one_output


def is_one_image(op: Resize) -> str | None:
    """The operator reads one NHWC image, and writes one of the same type and channels, with sides below 32,768."""
    if len(op.inputs) != 2:
        return f"{len(op.inputs)} inputs"
    source, target = op.input(0), op.output
    fits = (
        len(source.shape) == len(target.shape) == 4
        and source.dtype == target.dtype
        and source.shape[0] == target.shape[0] == 1
        and source.shape[3] == target.shape[3]
        and max(*source.shape[1:3], *target.shape[1:3]) < 1 << 15
    )
    return None if fits else f"tensors {source} and {target}"


def size_is_constant(op: Resize) -> str | None:
    """The new size is a constant int32 vector, height and width of the output."""
    operand, wanted = op.input(1), op.output.shape[1:3]
    if operand.dtype != np.int32 or operand.data is None or operand.shape != (2,):
        return f"tensor {operand}" + ("" if operand.constant else ", not constant")
    size = tuple(int(extent) for extent in operand.data)
    return None if size == wanted else f"{size} for an output of {wanted}"


@dataclass(frozen=True, eq=False)
class Resize(Operator):
    """An operator that samples an image at coordinates that rise from row to row and from column to column."""

    constraints: ClassVar[tuple[Constraint, ...]] = (has_one_output, is_one_image, size_is_constant)

    align_corners: bool = field(default=False, kw_only=True)
    half_pixel_centers: bool = field(default=False, kw_only=True)

    @classmethod
    def attributes(cls, options: Options) -> dict[str, Any]:
        return {
            "align_corners": bool(options["AlignCorners"]),
            "half_pixel_centers": bool(options["HalfPixelCenters"]),
        }

    @property
    def sides(self) -> list[tuple[int, int]]:
        """Input and output size along height and along width."""
        return list(zip(self.input(0).nhwc[1:3], self.output.nhwc[1:3], strict=True))

    @property
    def row_pointers(self) -> bool:
        return True

    def describe(self) -> str:
        text = "to " + "x".join(map(str, self.output.nhwc[1:3]))
        text += " align corners" if self.align_corners else ""
        return text + (" half-pixel centers" if self.half_pixel_centers else "")
