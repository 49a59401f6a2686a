"""ADD: the sum of two int8 tensors in their common scale (reference/integer_ops/add.h, lite/micro/kernels/add_common.cc)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tflm_mcunet.errors import Error
from tflm_mcunet.fixed_point import multiply, quantize_multiplier, requantize
from tflm_mcunet.operators.base import activation_is_clamp, has_one_output, operands_are_int8
from tflm_mcunet.operators.broadcast import Arithmetic, Values, has_two_inputs, shapes_broadcast
from tflm_mcunet.operators.unary import factors_are_representable

EXTRA_BITS = 20
"""Bits by which operands are raised before they are rescaled."""


@dataclass(frozen=True, eq=False)
class Add(Arithmetic):
    """a + b."""

    kind = "ADD"
    kernel = "add"
    constraints = (
        has_two_inputs,
        has_one_output,
        operands_are_int8,
        shapes_broadcast,
        activation_is_clamp,
        factors_are_representable,
    )

    @property
    def factors(self) -> tuple[tuple[int, int], ...]:
        """Multiplier and shift of a, of b and of the result; the common scale is twice the larger one."""
        scales = self.input(0).scale, self.input(1).scale
        common = 2 * max(scales)
        result = common / ((1 << EXTRA_BITS) * self.output.scale)
        return tuple(map(_below_one, (scales[0] / common, scales[1] / common, result)))

    @property
    def parameters(self) -> dict[str, Any]:
        a, b, result = self.factors
        multipliers = {"a_multiplier": a[0], "b_multiplier": b[0], "multiplier": result[0]}
        return multipliers | {"a_shift": a[1], "b_shift": b[1], "shift": result[1]} | self.zero_points

    def scaled(self, a: Values, b: Values) -> tuple[Values, Values]:
        """Both operands in their common scale."""
        first, second, _ = self.factors
        left = multiply((a - self.input(0).zero_point) << EXTRA_BITS, *first)
        return left, multiply((b - self.input(1).zero_point) << EXTRA_BITS, *second)

    def compute(self, a: Values, b: Values) -> Values:
        left, right = self.scaled(a, b)
        return self.rescaled(left + right)

    def rescaled(self, total: Values) -> Values:
        """The outputs for sums in the common scale."""
        return requantize(total, *self.factors[2], self.output.zero_point, *self.limits)


def _below_one(real: float) -> tuple[int, int]:
    """Multiplier and shift of a factor in (0, 1), as QuantizeMultiplierSmallerThanOneExp, which aborts on others."""
    multiplier, shift = quantize_multiplier(real)
    if real <= 0 or shift > 0:
        raise Error(f"a rescaling factor of {real} is not between 0 and 1")
    return multiplier, shift
