"""AVERAGE_POOL_2D (tensorflow/lite/kernels/internal/reference/integer_ops/pooling.h)."""

from __future__ import annotations

from dataclasses import dataclass

from tflm_mcunet.operators.base import Record
from tflm_mcunet.operators.pooling import Pool2D


@dataclass(frozen=True, eq=False)
class AveragePool2D(Pool2D):
    """The mean of the taps that lie inside the image, ties away from zero."""

    kind = "AVERAGE_POOL_2D"
    accumulator_bytes = 4

    def record(self) -> Record:
        if self.accumulation is None:
            return self.pool("mcu_average_pool_2d")
        _, height, width, _ = self.input(0).shape
        return self.accumulate(self.accumulation, "mcu_reduce_average", count=height * width)
