"""SOFTMAX over the last axis, int8 to int8 or int16 (reference/softmax.h, lite/micro/kernels/softmax_common.cc)."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tflm_mcunet import gemmlowp
from tflm_mcunet.fixed_point import multiply_high, quantize_multiplier
from tflm_mcunet.graph import Array
from tflm_mcunet.operators.base import Options, Record, has_one_output, int8_fault
from tflm_mcunet.operators.unary import Elementwise, has_one_input, same_shape

INTEGER_BITS = 5
"""Integer bits of the differences whose exponential is taken."""

UNIT = 2.0 ** (31 - INTEGER_BITS)

MAX_DEPTH = 4095
"""Sums of exponentials have 12 integer bits, one of them for the sign of TFLM's integers."""


def input_is_int8(op: Softmax) -> str | None:
    """The input is int8 with one scale and zero point, and has at least one dimension."""
    source = op.input(0)
    return int8_fault(source) or (None if source.shape else f"tensor {source}")


def output_covers_one(op: Softmax) -> str | None:
    """The output is int8 with scale 1/256 and zero point -128, or int16 with scale 1/65536 and zero point -32768."""
    target = op.output
    if target.quantization is None or not target.quantization.per_tensor:
        return f"tensor {target} without per-tensor quantisation"
    exact = target.dtype == np.int8 and target.scale == 2.0**-8 and target.zero_point == -(1 << 7)
    near = target.dtype == np.int16 and abs(target.scale * 2.0**16 - 1) <= 0.001 and target.zero_point == -(1 << 15)
    return None if exact or near else f"tensor {target} with scale {target.scale}, zero point {target.zero_point}"


def axis_is_short(op: Softmax) -> str | None:
    """The last dimension is at most 4095."""
    return None if op.input(0).shape[-1] <= MAX_DEPTH else f"{op.input(0)}"


def differences_are_distinct(op: Softmax) -> str | None:
    """beta times the input's scale exceeds 2^-26."""
    return None if op.factor > 1 else f"beta {op.beta}, scale {op.input(0).scale}"


@dataclass(frozen=True, eq=False)
class Softmax(Elementwise):
    """exp(beta * x) over their sum. Exponentials of all differences from the largest input are a table."""

    kind = "SOFTMAX"
    constraints = (
        has_one_input,
        has_one_output,
        input_is_int8,
        output_covers_one,
        same_shape,
        axis_is_short,
        differences_are_distinct,
    )

    beta: float = field(default=1.0, kw_only=True)

    @classmethod
    def attributes(cls, options: Options) -> dict[str, Any]:
        return {"beta": float(options["Beta"])}

    @property
    def factor(self) -> float:
        """What differences are multiplied by to have 5 integer bits; capped where only the largest input counts."""
        return min(self.beta * self.input(0).scale * UNIT, 2.0**31 - 1)

    @property
    def exponentials(self) -> Array:
        """int32: exp(-d * scale * beta) for differences d = 0, 1, ... as far as TFLM does not take it for zero.

        Values below 2^-20 are left out: they add nothing to the sum, and give outputs below half a step.
        """
        shift = math.frexp(self.factor)[1]
        differences = np.arange(min(math.floor((2**INTEGER_BITS - 1) * UNIT / 2.0**shift), 255) + 1)
        multiplier = quantize_multiplier(self.factor / 2.0**shift)[0]
        scaled = multiply_high(-differences << shift, multiplier)
        values = gemmlowp.exp_on_negative_values(scaled, INTEGER_BITS).astype(np.int32)
        return values[: np.flatnonzero(values >= 1 << 11)[-1] + 1]

    def describe(self) -> str:
        return "" if self.beta == 1 else f"beta {self.beta:g}"

    def record(self) -> Record:
        exponentials = self.exponentials
        depth = self.input(0).shape[-1]
        fields = {
            "input": self.input(0),
            "output": self.output,
            "exponentials": exponentials,
            "differences": exponentials.size,
            "depth": depth,
            "pixels": self.width // depth,
        }
        return Record("softmax", fields, function=f"mcu_softmax_{self.output.dtype}")
