"""TFLM's fixed-point parameters, computed offline bit for bit (tensorflow/lite/kernels/internal/quantization_util.cc)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from tflm_mcunet.errors import Error
from tflm_mcunet.graph import Tensor

LIMITS = {np.dtype(kind): (np.iinfo(kind).min, np.iinfo(kind).max) for kind in (np.int8, np.uint8, np.int16, np.int32)}


def round_half_away(value: float) -> int:
    """C's round(): ties go away from zero."""
    return math.floor(abs(value) + 0.5) * (1 if value >= 0 else -1)


def quantize_multiplier(real: float) -> tuple[int, int]:
    """(multiplier, shift) with real = multiplier * 2^(shift - 31) and |multiplier| in [2^30, 2^31), as QuantizeMultiplier.

    Negative factors occur: mcunet_in3_320kb has weights with negative scales. Raises Error where `real` is not finite.
    """
    if not math.isfinite(real):
        raise Error(f"a rescaling factor of {real} is not usable")
    if real == 0:
        return 0, 0
    fraction, shift = math.frexp(real)
    multiplier = round_half_away(fraction * (1 << 31))
    if multiplier == 1 << 31:
        multiplier //= 2
        shift += 1
    if shift < -31:
        return 0, 0
    if shift > 30:
        raise Error(f"a rescaling factor of {real} is too large for 32-bit fixed point")
    return multiplier, shift


def quantize_multipliers(reals: Sequence[float]) -> tuple[NDArray[np.int32], NDArray[np.int8]]:
    """Vectors of multipliers (int32) and shifts (int8), one per output channel."""
    pairs = [quantize_multiplier(real) for real in reals]
    return np.array([m for m, _ in pairs], np.int32), np.array([s for _, s in pairs], np.int8)


Integers = TypeVar("Integers", int, NDArray[np.int64])


def divide_by_power(value: Integers, exponent: int) -> Integers:
    """value / 2^exponent, ties away from zero, as gemmlowp's RoundingDivideByPOT."""
    mask = (1 << exponent) - 1
    return (value >> exponent) + ((value & mask) > (mask >> 1) + (value < 0))


def multiply_high(value: Integers, multiplier: int | Integers) -> Integers:
    """value * multiplier / 2^31, ties up, as gemmlowp's SaturatingRoundingDoublingHighMul (what would saturate never occurs)."""
    return (value * multiplier + (1 << 30)) >> 31


def multiply(value: Integers, multiplier: int, shift: int) -> Integers:
    """MultiplyByQuantizedMultiplier with gemmlowp's double rounding (tensorflow/lite/kernels/internal/common.cc).

    `value` shifted left wraps to 32 bits as it does on the device.
    """
    return divide_by_power(multiply_high(wrapped(value << max(shift, 0)), multiplier), max(-shift, 0))


def requantize(values: NDArray[np.int64], multiplier: int, shift: int, zero_point: int, low: int, high: int) -> NDArray[np.int64]:
    """The outputs for accumulators, as mcu_requantize; the zero point is added with wrap-around."""
    return np.clip(wrapped(multiply(values, multiplier, shift) + zero_point), low, high)


def wrapped(value: Integers) -> Integers:
    """A value reduced to a signed integer of 32 bits."""
    return (value + (1 << 31)) % (1 << 32) - (1 << 31)


def quantize(real: float, tensor: Tensor) -> int:
    """The integer nearest to a real value in the tensor's scale, in TFLM's single precision; not clamped."""
    with np.errstate(all="ignore"):
        quotient = np.float32(real) / np.float32(tensor.scale)
    if not abs(quotient) < 2**31:
        raise Error(f"tensor {tensor}: {real} is not representable at scale {tensor.scale}")
    return tensor.zero_point + round_half_away(float(quotient))


def activation_range(activation: str, output: Tensor) -> tuple[int, int]:
    """(min, max) of the output after its fused activation, as CalculateActivationRangeQuantized (kernel_util.cc).

    `activation` is NONE, RELU, RELU6 or RELU_N1_TO_1.
    """
    low, high = LIMITS[output.dtype]
    if activation != "NONE":
        floor = -1.0 if activation == "RELU_N1_TO_1" else 0.0
        low = max(low, quantize(floor, output))
    if activation in ("RELU6", "RELU_N1_TO_1"):
        ceiling = 6.0 if activation == "RELU6" else 1.0
        high = min(high, quantize(ceiling, output))
    return low, high
