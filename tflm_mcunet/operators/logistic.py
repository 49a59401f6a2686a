"""LOGISTIC: 1 / (1 + exp(-x)) in fixed point (reference/integer_ops/logistic.h)."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from tflm_mcunet import gemmlowp
from tflm_mcunet.fixed_point import divide_by_power, multiply
from tflm_mcunet.graph import Array
from tflm_mcunet.operators.base import has_one_output, operands_are_int8
from tflm_mcunet.operators.unary import Unary, has_one_input, same_shape, saturated

INTEGER_BITS = 4


def scale_fits_sixteen(op: Unary) -> str | None:
    """The input's scale lies between 2^-28 and 2^31."""
    return None if 2.0**-28 <= op.input(0).scale < 2.0**31 else f"scale {op.input(0).scale}"


def output_starts_at_zero(op: Unary) -> str | None:
    """The output's zero point is -128."""
    return None if op.output.zero_point == -128 else f"zero point {op.output.zero_point}"


@dataclass(frozen=True, eq=False)
class Sigmoid(Unary):
    """A curve that TFLM evaluates for inputs between -16 and 16 and that saturates outside; it assumes the output's scale."""

    curve: ClassVar[Callable[[gemmlowp.Fixed, int], gemmlowp.Fixed]]
    fraction_bits: ClassVar[int]
    """Bits of the output's fraction: its scale is 2^-fraction_bits."""
    zero: ClassVar[int]
    """The output's zero point."""

    def table(self) -> Array:
        fraction, shift = math.frexp(self.input(0).scale * 2.0 ** (31 - INTEGER_BITS))
        radius = math.floor((2**INTEGER_BITS - 1) * 2.0 ** (31 - INTEGER_BITS - shift))
        scaled = multiply(np.clip(self.centred, -radius, radius), int(fraction * 2.0**31), shift)
        values = self.zero + divide_by_power(type(self).curve(scaled, INTEGER_BITS), 31 - self.fraction_bits)
        inside = np.where(self.centred >= radius, 127, values)
        return saturated(np.where(self.centred <= -radius, -128, inside), self.output)


@dataclass(frozen=True, eq=False)
class Logistic(Sigmoid):
    """1 / (1 + exp(-x)) at scale 1/256."""

    kind = "LOGISTIC"
    constraints = (has_one_input, has_one_output, operands_are_int8, same_shape, scale_fits_sixteen, output_starts_at_zero)

    curve = gemmlowp.logistic
    fraction_bits = 8
    zero = -128
