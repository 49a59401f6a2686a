"""gemmlowp's fixed-point exp, logistic and tanh on arrays, computed offline bit for bit (gemmlowp/fixedpoint/fixedpoint.h).

Values are 32-bit integers in int64 arrays; one with `bits` integer bits stands for value / 2^(31 - bits).
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from tflm_mcunet.fixed_point import divide_by_power, multiply_high

Fixed = NDArray[np.int64]

ONE = (1 << 31) - 1
"""1.0 without integer bits: the largest value there is."""


def fixed(real: float, bits: int = 0) -> int:
    """A real constant as a fixed-point number."""
    return round(real * 2.0 ** (31 - bits))


def exp_on_negative_values(value: Fixed, bits: int) -> Fixed:
    """exp(value) without integer bits, for value <= 0: a polynomial on [-1/4, 0), and a factor for each further bit."""
    quarter = fixed(0.25, bits)
    fraction = (value & (quarter - 1)) - quarter
    result = _exp_above_minus_quarter(fraction << bits)
    remainder = fraction - value
    for exponent in range(-2, bits):
        factor = fixed(math.exp(-(2.0**exponent)))
        has_bit = remainder & fixed(2.0**exponent, bits) != 0
        result = np.where(has_bit, multiply_high(result, factor), result)
    return np.where(value == 0, ONE, result)


def _exp_above_minus_quarter(value: Fixed) -> Fixed:
    """exp(value) for value in [-1/4, 0): exp(-1/8) * (1 + x + x^2/2 + x^3/6 + x^4/24) with x = value + 1/8."""
    x = value + fixed(1 / 8)
    square = multiply_high(x, x)
    cube, fourth = multiply_high(square, x), multiply_high(square, square)
    higher = multiply_high(divide_by_power(fourth, 2) + cube, fixed(1 / 3)) + square
    start = fixed(math.exp(-1 / 8))
    return start + multiply_high(x + divide_by_power(higher, 1), start)


def _two_over_one_plus(value: Fixed) -> Fixed:
    """2 / (1 + value) with two integer bits, for value in [0, 1], by three steps of Newton's division."""
    denominator = (value + ONE + 1) >> 1
    x = fixed(48 / 17, 2) + multiply_high(denominator, fixed(-32 / 17, 2))
    for _ in range(3):
        error = fixed(1, 2) - multiply_high(denominator, x)
        x = x + 4 * multiply_high(x, error)
    return x


def one_over_one_plus(value: Fixed) -> Fixed:
    """1 / (1 + value) without integer bits, for value in [0, 1]."""
    return np.minimum(2 * _two_over_one_plus(value), ONE)


def logistic(value: Fixed, bits: int) -> Fixed:
    """1 / (1 + exp(-value)) without integer bits."""
    above = one_over_one_plus(exp_on_negative_values(-abs(value), bits))
    return np.where(value == 0, fixed(0.5), np.where(value > 0, above, ONE - above))


def tanh(value: Fixed, bits: int) -> Fixed:
    """tanh(value) without integer bits: (1 - y) / (1 + y) with y = exp(-2 |value|)."""
    quotient = _two_over_one_plus(exp_on_negative_values(-abs(value), bits + 1)) - fixed(1, 2)
    return np.sign(value) * np.minimum(4 * quotient, ONE)
