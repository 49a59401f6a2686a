"""LEAKY_RELU: negative values are multiplied by alpha (reference/leaky_relu.h)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tflm_mcunet.fixed_point import multiply, quantize_multiplier
from tflm_mcunet.graph import Array
from tflm_mcunet.operators.base import Options
from tflm_mcunet.operators.unary import Unary, saturated


@dataclass(frozen=True, eq=False)
class LeakyRelu(Unary):
    """x where it is positive, alpha * x elsewhere; alpha may be anything."""

    kind = "LEAKY_RELU"

    alpha: float = field(default=0.0, kw_only=True)

    @classmethod
    def attributes(cls, options: Options) -> dict[str, Any]:
        return {"alpha": float(options["Alpha"])}

    def table(self) -> Array:
        source, target = self.input(0).scale, self.output.scale
        slope = source * self.alpha / target
        above = multiply(self.centred, *quantize_multiplier(source / target))
        below = multiply(self.centred, *quantize_multiplier(abs(slope)))
        values = np.where(self.centred >= 0, above, below * (1 if slope >= 0 else -1))
        return saturated(self.output.zero_point + values, self.output)

    def describe(self) -> str:
        return f"alpha {self.alpha:g}"
