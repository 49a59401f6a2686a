"""MAXIMUM: the larger integers of two int8 tensors; TFLM does not look at their scales (reference/maximum_minimum.h)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tflm_mcunet.operators.broadcast import Values
from tflm_mcunet.operators.minimum import Minimum


@dataclass(frozen=True, eq=False)
class Maximum(Minimum):
    """max(a, b)."""

    kind = "MAXIMUM"

    def compute(self, a: Values, b: Values) -> Values:
        return np.maximum(a, b)
