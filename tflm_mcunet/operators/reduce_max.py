"""REDUCE_MAX over any axes (tensorflow/lite/micro/kernels/reduce_common.cc, EvalMinMaxHelper)."""

from __future__ import annotations

from dataclasses import dataclass

from tflm_mcunet.operators.base import Record, same_quantization
from tflm_mcunet.operators.reduction import Reduction


@dataclass(frozen=True, eq=False)
class ReduceMax(Reduction):
    """The largest of the elements along some axes."""

    kind = "REDUCE_MAX"
    constraints = (*Reduction.constraints, same_quantization)

    accumulator_bytes = 1

    def record(self) -> Record:
        return self.accumulate(self.accumulation, "mcu_reduce_max")
