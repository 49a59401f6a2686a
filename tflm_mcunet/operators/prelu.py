"""PRELU: negative values are multiplied by a tensor alpha, constant or not (reference/prelu.h)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from tflm_mcunet.fixed_point import quantize_multiplier, requantize
from tflm_mcunet.operators.base import Options, has_one_output, operands_are_int8
from tflm_mcunet.operators.broadcast import Arithmetic, Values, has_two_inputs, scale_fields, shapes_broadcast
from tflm_mcunet.operators.unary import factors_are_representable


@dataclass(frozen=True, eq=False)
class Prelu(Arithmetic):
    """x where it is positive, alpha * x elsewhere."""

    kind = "PRELU"
    kernel = "prelu"
    constraints = (has_two_inputs, has_one_output, operands_are_int8, shapes_broadcast, factors_are_representable)

    @classmethod
    def attributes(cls, options: Options) -> dict[str, Any]:
        return {}

    @property
    def factors(self) -> tuple[tuple[int, int], tuple[int, int]]:
        """Multiplier and shift of inputs, and of products with alpha."""
        source, alpha, target = self.input(0).scale, self.input(1).scale, self.output.scale
        return quantize_multiplier(source / target), quantize_multiplier(source * alpha / target)

    @property
    def parameters(self) -> dict[str, Any]:
        positive, negative = self.factors
        return scale_fields("positive", positive, 8) | scale_fields("negative", negative, 16) | self.zero_points

    def compute(self, a: Values, b: Values) -> Values:
        positive, negative = self.factors
        values = a - self.input(0).zero_point
        products = values * (b - self.input(1).zero_point)
        clamp = (self.output.zero_point, *self.limits)
        return np.where(values >= 0, requantize(values, *positive, *clamp), requantize(products, *negative, *clamp))
