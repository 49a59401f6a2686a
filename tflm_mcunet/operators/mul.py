"""MUL: the product of two int8 tensors (reference/integer_ops/mul.h)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tflm_mcunet.fixed_point import quantize_multiplier, requantize
from tflm_mcunet.operators.base import activation_is_clamp, has_one_output, operands_are_int8
from tflm_mcunet.operators.broadcast import Arithmetic, Values, has_two_inputs, scale_fields, shapes_broadcast
from tflm_mcunet.operators.unary import factors_are_representable


@dataclass(frozen=True, eq=False)
class Mul(Arithmetic):
    """a * b."""

    kind = "MUL"
    kernel = "mul"
    constraints = (
        has_two_inputs,
        has_one_output,
        operands_are_int8,
        shapes_broadcast,
        activation_is_clamp,
        factors_are_representable,
    )

    @property
    def factor(self) -> tuple[int, int]:
        """Multiplier and shift of the products."""
        return quantize_multiplier(self.input(0).scale * self.input(1).scale / self.output.scale)

    @property
    def parameters(self) -> dict[str, Any]:
        return scale_fields("scale", self.factor, 16) | self.zero_points

    def compute(self, a: Values, b: Values) -> Values:
        products = (a - self.input(0).zero_point) * (b - self.input(1).zero_point)
        return requantize(products, *self.factor, self.output.zero_point, *self.limits)
