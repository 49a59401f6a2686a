"""SUB: the difference of two int8 tensors in their common scale (reference/sub.h, lite/micro/kernels/sub_common.cc)."""

from __future__ import annotations

from dataclasses import dataclass

from tflm_mcunet.operators.add import Add


@dataclass(frozen=True, eq=False)
class Sub(Add):
    """a - b."""

    kind = "SUB"
    sign = -1
