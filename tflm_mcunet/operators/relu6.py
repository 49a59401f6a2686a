"""RELU6: a clamp in the input's quantisation; TFLM does not look at the output's (lite/micro/kernels/activations_common.cc)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tflm_mcunet.fixed_point import activation_range
from tflm_mcunet.graph import Array
from tflm_mcunet.operators.unary import Unary, domain


@dataclass(frozen=True, eq=False)
class Relu6(Unary):
    """min(max(x, 0), 6)."""

    kind = "RELU6"

    def table(self) -> Array:
        source = self.input(0)
        return np.clip(domain(source), *activation_range("RELU6", source)).astype(self.output.dtype)
