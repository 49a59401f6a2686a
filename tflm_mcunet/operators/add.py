"""ADD: the sum of two int8 tensors in their common scale (reference/integer_ops/add.h, lite/micro/kernels/add_common.cc)."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, NamedTuple

import numpy as np

from tflm_mcunet.errors import Error
from tflm_mcunet.fixed_point import multiply, quantize_multiplier, requantize
from tflm_mcunet.operators.base import Record, activation_is_clamp, has_one_output, operands_are_int8
from tflm_mcunet.operators.broadcast import Arithmetic, Values, has_two_inputs, scale_fields, shapes_broadcast
from tflm_mcunet.operators.unary import factors_are_representable

EXTRA_BITS = 20
"""Bits by which operands are raised before they are rescaled."""

NEARBY = sorted(itertools.product(range(-2, 3), repeat=2), key=lambda pair: abs(pair[0]) + abs(pair[1]))
"""Changes to the factors of a linear form that are tried, the smallest first."""


class Linear(NamedTuple):
    """ADD as round((a_factor * a + b_factor * b + offset) / 2^shift) + zero point, ties away from zero."""

    a_factor: int
    b_factor: int
    offset: int
    shift: int


@dataclass(frozen=True, eq=False)
class Add(Arithmetic):
    """a + b. The kernel takes a linear form of the operands where one gives all 65,536 results."""

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

    sign: ClassVar[int] = 1
    """That of b."""

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
        operands = scale_fields("a_scale", a, EXTRA_BITS + 8) | scale_fields("b_scale", b, EXTRA_BITS + 8)
        return operands | scale_fields("scale", result, EXTRA_BITS + 9) | self.zero_points

    def compute(self, a: Values, b: Values) -> Values:
        first, second, result = self.factors
        left = multiply((a - self.input(0).zero_point) << EXTRA_BITS, *first)
        right = multiply((b - self.input(1).zero_point) << EXTRA_BITS, *second)
        return requantize(left + self.sign * right, *result, self.output.zero_point, *self.limits)

    @cached_property
    def linear(self) -> Linear | None:
        """A linear form that gives the outputs for all pairs of values, or None where none was found."""
        a, b = np.arange(-128, 128)[:, None], np.arange(-128, 128)[None, :]
        expected = self.compute(a, b)
        ratios = self.input(0).scale / self.output.scale, self.sign * self.input(1).scale / self.output.scale
        largest = 256 * (abs(ratios[0]) + abs(ratios[1])) + 130
        shift = math.floor(math.log2((2**31 - 1) / largest))
        if shift < 1:
            return None
        low, high = self.limits
        for change in NEARBY:
            factors = [round(ratio * 2**shift) + delta for ratio, delta in zip(ratios, change, strict=True)]
            offset = -factors[0] * self.input(0).zero_point - factors[1] * self.input(1).zero_point
            sums = factors[0] * a + factors[1] * b + offset
            rounded = sums + (sums >> 31) + self._round(shift)
            least = np.max(((expected << shift) - rounded)[expected > low], initial=-(1 << 31))
            most = np.min(((expected + 1 << shift) - 1 - rounded)[expected < high], initial=1 << 31)
            form = Linear(factors[0], factors[1], offset + int(min(max(0, least), most)), shift)
            if least <= most and np.array_equal(self._evaluated(form, a, b), expected):
                return form
        return None

    def _round(self, shift: int) -> int:
        return (1 << shift - 1) + (self.output.zero_point << shift)

    def _evaluated(self, form: Linear, a: Values, b: Values) -> Values:
        """What the kernel of linear forms computes."""
        sums = form.a_factor * a + form.b_factor * b + form.offset
        return np.clip((sums + (sums >> 31) + self._round(form.shift)) >> form.shift, *self.limits)

    def record(self) -> Record:
        if self.linear is None:
            return super().record()
        low, high = self.limits
        fields = self.linear._asdict() | {"round": self._round(self.linear.shift), "low": low, "high": high}
        return Record("add_linear", self.operands | fields)


def _below_one(real: float) -> tuple[int, int]:
    """Multiplier and shift of a factor in (0, 1), as QuantizeMultiplierSmallerThanOneExp, which aborts on others."""
    multiplier, shift = quantize_multiplier(real)
    if real <= 0 or shift > 0:
        raise Error(f"a rescaling factor of {real} is not between 0 and 1")
    return multiplier, shift
