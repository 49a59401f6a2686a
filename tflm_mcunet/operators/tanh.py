"""TANH in fixed point (reference/integer_ops/tanh.h)."""

from __future__ import annotations

from dataclasses import dataclass

from tflm_mcunet import gemmlowp
from tflm_mcunet.operators.base import has_one_output, operands_are_int8
from tflm_mcunet.operators.logistic import Sigmoid, scale_fits_sixteen
from tflm_mcunet.operators.unary import has_one_input, same_shape


@dataclass(frozen=True, eq=False)
class Tanh(Sigmoid):
    """Hyperbolic tangent at scale 1/128."""

    kind = "TANH"
    constraints = (has_one_input, has_one_output, operands_are_int8, same_shape, scale_fits_sixteen)

    curve = gemmlowp.tanh
    fraction_bits = 7
    zero = 0
