"""SUM over any axes (tensorflow/lite/kernels/internal/reference/reduce.h, QuantizedMeanOrSum)."""

from __future__ import annotations

from dataclasses import dataclass

from tflm_mcunet.fixed_point import quantize_multiplier
from tflm_mcunet.operators.base import Record
from tflm_mcunet.operators.reduction import Reduction, rescaling_is_representable


@dataclass(frozen=True, eq=False)
class Sum(Reduction):
    """The sum of the elements along some axes."""

    kind = "SUM"
    constraints = (*Reduction.constraints, rescaling_is_representable)

    @property
    def rescaling(self) -> tuple[int, int]:
        """Multiplier and shift from a sum to the output."""
        return quantize_multiplier(self.input(0).scale / self.output.scale)

    def record(self) -> Record:
        multiplier, shift = self.rescaling
        return self.accumulate(
            self.accumulation,
            "mcu_reduce_sum",
            initial=-self.input(0).zero_point * self.count % (1 << 32),
            multiplier=multiplier,
            shift=shift,
            out_zero=self.output.zero_point,
        )
