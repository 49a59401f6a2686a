"""SUB: the difference of two int8 tensors in their common scale (reference/sub.h, lite/micro/kernels/sub_common.cc)."""

from __future__ import annotations

from dataclasses import dataclass

from tflm_mcunet.operators.add import Add
from tflm_mcunet.operators.broadcast import Values


@dataclass(frozen=True, eq=False)
class Sub(Add):
    """a - b."""

    kind = "SUB"

    def compute(self, a: Values, b: Values) -> Values:
        left, right = self.scaled(a, b)
        return self.rescaled(left - right)
