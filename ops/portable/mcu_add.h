/* ADD and SUB: both operands are brought to one scale, with 20 further bits, before they meet. */
#ifndef TFLM_MCUNET_ADD_H
#define TFLM_MCUNET_ADD_H

#include "mcu_broadcast.h"
#include "mcu_fixed_point.h"

/* No shift is positive. */
struct mcu_add {
    struct mcu_broadcast operands;
    int32_t a_multiplier, b_multiplier, multiplier;
    int8_t a_shift, b_shift, shift;
    int16_t a_zero, b_zero, zero, low, high;
};

static inline int32_t mcu_add_scaled(int8_t value, int32_t zero, int32_t multiplier, int32_t shift)
{
    return mcu_divide_by_power(mcu_multiply_high((value - zero) * (1 << 20), multiplier), -shift);
}

static inline int8_t mcu_add_output(const struct mcu_add *op, int32_t sum)
{
    const int32_t value = mcu_divide_by_power(mcu_multiply_high(sum, op->multiplier), -op->shift) + op->zero;
    return (int8_t)mcu_clamp(value, op->low, op->high);
}

static inline void mcu_add_run(const void *record, const int8_t *a, int32_t a_step, const int8_t *b, int32_t b_step, int8_t *out,
                               int32_t count)
{
    const struct mcu_add *op = (const struct mcu_add *)record;
    for (; count > 0; --count, a += a_step, b += b_step) {
        const int32_t left = mcu_add_scaled(*a, op->a_zero, op->a_multiplier, op->a_shift);
        const int32_t right = mcu_add_scaled(*b, op->b_zero, op->b_multiplier, op->b_shift);
        *out++ = mcu_add_output(op, left + right);
    }
}

static inline void mcu_sub_run(const void *record, const int8_t *a, int32_t a_step, const int8_t *b, int32_t b_step, int8_t *out,
                               int32_t count)
{
    const struct mcu_add *op = (const struct mcu_add *)record;
    for (; count > 0; --count, a += a_step, b += b_step) {
        const int32_t left = mcu_add_scaled(*a, op->a_zero, op->a_multiplier, op->a_shift);
        const int32_t right = mcu_add_scaled(*b, op->b_zero, op->b_multiplier, op->b_shift);
        *out++ = mcu_add_output(op, left - right);
    }
}

static inline void mcu_add(const void *record, unsigned char *arena, int32_t first, int32_t last)
{
    mcu_broadcast(&((const struct mcu_add *)record)->operands, mcu_add_run, record, arena, first, last);
}

static inline void mcu_sub(const void *record, unsigned char *arena, int32_t first, int32_t last)
{
    mcu_broadcast(&((const struct mcu_add *)record)->operands, mcu_sub_run, record, arena, first, last);
}

#endif
