"""HARD_SWISH: x * relu6(x + 3) / 6 in 16-bit fixed point (reference/hard_swish.h)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tflm_mcunet.fixed_point import quantize_multiplier
from tflm_mcunet.graph import Array
from tflm_mcunet.operators.base import has_one_output, operands_are_int8
from tflm_mcunet.operators.unary import Unary, factors_are_representable, has_one_input, same_shape, saturated

Values = NDArray[np.int64]

INPUT_BITS = 7
"""Bits by which inputs are raised, so that centred they fill 16 bits."""


def output_is_not_finer(op: HardSwish) -> str | None:
    """The output's scale is larger than 1/128 of the input's."""
    return None if op.output_ratio < 1 else f"scales {op.input(0).scale} and {op.output.scale}"


@dataclass(frozen=True, eq=False)
class HardSwish(Unary):
    """x * relu6(x + 3) / 6."""

    kind = "HARD_SWISH"
    constraints = (
        has_one_input,
        has_one_output,
        operands_are_int8,
        same_shape,
        output_is_not_finer,
        factors_are_representable,
    )

    @property
    def raised_scale(self) -> float:
        """The scale of the raised inputs."""
        return self.input(0).scale / (1 << INPUT_BITS)

    @property
    def output_ratio(self) -> float:
        """The factor from raised inputs to outputs."""
        return self.raised_scale / self.output.scale

    def table(self) -> Array:
        raised = self.centred << INPUT_BITS
        multiplier, exponent = _narrow(self.output_ratio)
        scaled = _round_high(raised, multiplier)
        product = np.fix(self._gate(raised) * scaled / 2**15).astype(np.int64)
        return saturated(_divide(product, -exponent) + self.output.zero_point, self.output)

    def _gate(self, raised: Values) -> Values:
        """relu6(x + 3) / 6 as a fraction of 2^15: x is scaled so that 3 is 2^15, where it saturates."""
        multiplier, exponent = _narrow(self.raised_scale / (3 / 2**15))
        value = _saturate(raised << exponent - 1) if exponent > 0 else raised
        value = _round_high(value, multiplier)
        value = _saturate(value << 1) if exponent > 0 else _divide(value, -exponent)
        return (value + (1 << 15)) >> 1


def _narrow(factor: float) -> tuple[int, int]:
    """A factor as a 16-bit multiplier and an exponent."""
    multiplier, exponent = quantize_multiplier(factor)
    return min((multiplier + (1 << 15)) >> 16, (1 << 15) - 1), exponent


def _saturate(values: Values) -> Values:
    return np.clip(values, -(1 << 15), (1 << 15) - 1)


def _round_high(values: Values, multiplier: int) -> Values:
    """The doubling high half of a 16-bit product, rounded."""
    return (values * multiplier + (1 << 14)) >> 15


def _divide(values: Values, exponent: int) -> Values:
    """gemmlowp's rounding division of 16-bit values; the mask wraps where the exponent exceeds their width."""
    mask = (1 << exponent) - 1 if exponent < 16 else -1
    return (values >> exponent) + ((values & mask) > (mask >> 1) + (values < 0))
