"""RELU, with a rescaling where input and output are quantised differently (lite/micro/kernels/activations_common.cc)."""

from __future__ import annotations

from dataclasses import dataclass

from tflm_mcunet.fixed_point import activation_range, quantize_multiplier, requantize
from tflm_mcunet.graph import Array
from tflm_mcunet.operators.unary import Unary


@dataclass(frozen=True, eq=False)
class Relu(Unary):
    """max(x, 0)."""

    kind = "RELU"

    def table(self) -> Array:
        source, target = self.input(0), self.output
        factor = quantize_multiplier(source.scale / target.scale)
        return requantize(self.centred, *factor, target.zero_point, *activation_range("RELU", target)).astype(target.dtype)
