"""MAX_POOL_2D (tensorflow/lite/kernels/internal/reference/integer_ops/pooling.h)."""

from __future__ import annotations

from dataclasses import dataclass

from tflm_mcunet.operators.base import Record
from tflm_mcunet.operators.pooling import Pool2D


@dataclass(frozen=True, eq=False)
class MaxPool2D(Pool2D):
    """The largest of the taps that lie inside the image."""

    kind = "MAX_POOL_2D"
    accumulator_bytes = 1

    def record(self) -> Record:
        if self.accumulation is None:
            return self.pool("mcu_max_pool_2d")
        return self.accumulate(self.accumulation, "mcu_reduce_max")
