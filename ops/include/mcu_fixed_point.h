/* Rescaling of 32-bit accumulators, bit for bit as gemmlowp and TFLM's MultiplyByQuantizedMultiplier do it. */
#ifndef TFLM_MCUNET_FIXED_POINT_H
#define TFLM_MCUNET_FIXED_POINT_H

#include <stdint.h>

/* value / 2^exponent, ties away from zero; exponent in [0, 31]. */
static inline int32_t mcu_divide_by_power(int32_t value, int32_t exponent)
{
    const int32_t mask = (int32_t)((UINT32_C(1) << exponent) - 1u);
    const int32_t threshold = (mask >> 1) + (value < 0);
    return (value >> exponent) + ((value & mask) > threshold);
}

/* Saturating, rounding, doubling high multiply. Only INT32_MIN * INT32_MIN would saturate, and the two never meet. */
static inline int32_t mcu_multiply_high(int32_t value, int32_t multiplier)
{
    return (int32_t)(((int64_t)value * multiplier + (INT64_C(1) << 30)) >> 31);
}

/* value * multiplier * 2^(shift - 31); a positive shift comes first and wraps, a negative one comes last and rounds again. */
static inline int32_t mcu_rescale(int32_t value, int32_t multiplier, int32_t shift)
{
    if (shift > 0) {
        return mcu_multiply_high((int32_t)((uint32_t)value << shift), multiplier);
    }
    return mcu_divide_by_power(mcu_multiply_high(value, multiplier), -shift);
}

/* sum / count, ties away from zero; the sum may have wrapped around. */
static inline int32_t mcu_average(uint32_t sum, int32_t count)
{
    const uint32_t half = (uint32_t)(count / 2);
    return (int32_t)((int32_t)sum > 0 ? sum + half : sum - half) / count;
}

static inline int32_t mcu_clamp(int32_t value, int32_t low, int32_t high)
{
    return value < low ? low : value > high ? high : value;
}

/* The output for an accumulator; the zero point is added with wrap-around, for multipliers that fill all 32 bits. */
static inline int8_t mcu_requantize(int32_t value, int32_t multiplier, int32_t shift, int32_t zero, int32_t low, int32_t high)
{
    const int32_t sum = (int32_t)((uint32_t)mcu_rescale(value, multiplier, shift) + (uint32_t)zero);
    return (int8_t)mcu_clamp(sum, low, high);
}

#endif
