"""What AVERAGE_POOL_2D and MAX_POOL_2D share: windows over an image, or one window over all of it, accumulated row by row."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

from tflm_mcunet.errors import Error
from tflm_mcunet.operators.base import Options, Record, activation_is_clamp, has_one_output, operands_are_int8
from tflm_mcunet.operators.convolution import Windowed, output_matches_window, window_fits_16_bits
from tflm_mcunet.operators.reduction import Accumulating, Accumulation


def is_one_image(op: Pool2D) -> str | None:
    """Input and output are single NHWC images with the same channels."""
    source, target = op.input(0), op.output
    if len(source.shape) == len(target.shape) == 4 and source.shape[0] == target.shape[0] == 1:
        return None if source.shape[3] == target.shape[3] else f"tensors {source} and {target}"
    return f"tensors {source} and {target}"


def nearly_same_quantization(op: Pool2D) -> str | None:
    """Input and output have the same zero point, and scales no more than 1e-6 apart."""
    source, target = op.input(0), op.output
    difference = abs(np.float32(source.scale) - np.float32(target.scale))
    if float(difference) <= 1e-6 and source.zero_point == target.zero_point:
        return None
    return f"{source.scale}, {source.zero_point} and {target.scale}, {target.zero_point}"


def bounds_are_representable(op: Pool2D) -> str | None:
    """The bounds of the activation fit 32 bits at the output's scale."""
    try:
        _ = op.limits
    except Error as error:
        return str(error)
    return None


@dataclass(frozen=True, eq=False)
class Pool2D(Accumulating, Windowed):
    """One value per window and channel; taps outside the image do not count."""

    constraints = (
        has_one_output,
        operands_are_int8,
        is_one_image,
        window_fits_16_bits,
        output_matches_window,
        nearly_same_quantization,
        activation_is_clamp,
        bounds_are_representable,
    )

    accumulator_bytes: ClassVar[int]
    size: tuple[int, int] = field(default=(1, 1), kw_only=True)

    @classmethod
    def attributes(cls, options: Options) -> dict[str, Any]:
        return super().attributes(options) | {"size": (options["FilterHeight"], options["FilterWidth"])}

    @property
    def window(self) -> tuple[int, int]:
        return self.size

    @property
    def accumulation(self) -> Accumulation | None:
        """Of all rows, where one window covers the whole image."""
        if all(axis.output == 1 and axis.before >= 0 and axis.size - axis.before >= axis.input for axis in self.axes):
            return Accumulation(self.input(0), self.output, (1, 2), self.accumulator_bytes)
        return None

    def pool(self, function: str) -> Record:
        """The record of a pooling over windows."""
        vertical, horizontal = self.axes
        low, high = self.limits
        return Record(
            "pool_2d",
            {
                "input": self.input(0),
                "output": self.output,
                "in_h": vertical.input,
                "in_w": horizontal.input,
                "out_w": horizontal.output,
                "channels": self.output.nhwc[3],
                "window_h": vertical.size,
                "window_w": horizontal.size,
                "stride_h": vertical.stride,
                "stride_w": horizontal.stride,
                "pad_h": vertical.before,
                "pad_w": horizontal.before,
                "out_min": low,
                "out_max": high,
            },
            function,
        )
