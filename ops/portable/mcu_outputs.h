/* From accumulators to outputs, bit for bit as TFLM's requantisation does it, in few instructions. */
#ifndef TFLM_MCUNET_OUTPUTS_H
#define TFLM_MCUNET_OUTPUTS_H

#include "mcu_fixed_point.h"
#include "mcu_rows.h"

#define MCU_ANY_SHIFT 64

/* Per channel: what is added to its sum, and how that is rescaled. A `shift` from 0 on goes to the right, for channels with
   |accumulator| < 2^30, multiplier >= 0 and shift <= 22; a negative one is TFLM's, less MCU_ANY_SHIFT. */
struct mcu_outputs {
    const int32_t *bias;
    const int32_t *multiplier;
    const int8_t *shift;
    int16_t zero, least, most;
};

/* gcc does not find the instruction in loops. */
static MCU_INLINE int8_t mcu_saturate(int32_t value)
{
#if defined(__ARM_FEATURE_SAT) && defined(__GNUC__) && __GNUC__ >= 10
    return (int8_t)(int32_t)__builtin_arm_ssat(value, 8);
#else
    return (int8_t)mcu_clamp(value, INT8_MIN, INT8_MAX);
#endif
}

/* zero + the rounded quotient of value * multiplier / 2^(31 + shift). TFLM rounds twice, y = floor((value * multiplier + 2^30) / 2^31)
   and floor((y + 2^(shift - 1) - [y < 0]) / 2^shift); the floors nest, and [y < 0] = [value < 0] as far as it matters. */
static MCU_INLINE int32_t mcu_requantize_right(int32_t value, int32_t multiplier, int32_t shift, int32_t zero)
{
    /* 2^(shift - 1) + zero * 2^shift - [value < 0]; just zero where shift is 0, as halving drops the sign then. */
    const int32_t offset = ((int32_t)((uint32_t)(2 * zero + 1) << shift) + (value >> 31)) >> 1;
    const int64_t start = (int64_t)((uint64_t)(uint32_t)offset << 32 | UINT32_C(1) << 31);
    return (int32_t)((start + (int64_t)(2 * value) * multiplier) >> 32) >> shift;
}

MCU_APART static int8_t mcu_output_any(int32_t value, int32_t multiplier, int32_t shift, int32_t zero)
{
    return mcu_requantize(value, multiplier, shift + MCU_ANY_SHIFT, zero, INT8_MIN, INT8_MAX);
}

/* The output for a channel's sum, saturated; it still has to be clamped. */
static MCU_INLINE int8_t mcu_output(int32_t sum, int32_t bias, int32_t multiplier, int32_t shift, int32_t zero)
{
    const int32_t value = (int32_t)((uint32_t)bias + (uint32_t)sum);
    if (shift < 0) {
        return mcu_output_any(value, multiplier, shift, zero);
    }
    return mcu_saturate(mcu_requantize_right(value, multiplier, shift, zero));
}

/* The outputs of `count` channels from `first` on, of one pixel. */
MCU_APART static void mcu_outputs(const struct mcu_outputs *op, int32_t first, int32_t count, const int32_t *sums, int8_t *out)
{
    const int32_t *bias = op->bias + first, *multiplier = op->multiplier + first;
    const int8_t *shift = op->shift + first;
    const int32_t zero = op->zero;
    int32_t i;
    for (i = 0; i < count; ++i) {
        out[i] = mcu_output(sums[i], bias[i], multiplier[i], shift[i], zero);
    }
}

/* Narrows outputs, which are saturated, to the range of the activation. */
static inline void mcu_outputs_clamp(const struct mcu_outputs *op, int8_t *out, int32_t count)
{
    int32_t i;
    if (op->least > INT8_MIN || op->most < INT8_MAX) {
        for (i = 0; i < count; ++i) {
            out[i] = (int8_t)mcu_clamp(out[i], op->least, op->most);
        }
    }
}

#endif
