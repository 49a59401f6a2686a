"""MINIMUM: the smaller integers of two int8 tensors; TFLM does not look at their scales (reference/maximum_minimum.h)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tflm_mcunet.operators.base import Operator, has_one_output
from tflm_mcunet.operators.broadcast import Binary, Values, has_two_inputs, shapes_broadcast


def types_are_int8(op: Operator) -> str | None:
    """Inputs and output are int8."""
    return next((f"tensor {t}" for t in (*op.present_inputs, *op.outputs) if t.dtype != np.int8), None)


@dataclass(frozen=True, eq=False)
class Minimum(Binary):
    """min(a, b)."""

    kind = "MINIMUM"
    kernel = "minimum"
    constraints = (has_two_inputs, has_one_output, types_are_int8, shapes_broadcast)

    def compute(self, a: Values, b: Values) -> Values:
        return np.minimum(a, b)
