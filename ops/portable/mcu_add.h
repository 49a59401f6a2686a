/* ADD and SUB: both operands are brought to one scale, with 20 further bits, before they meet. */
#ifndef TFLM_MCUNET_ADD_H
#define TFLM_MCUNET_ADD_H

#include "mcu_broadcast.h"
#include "mcu_fixed_point.h"
#include "mcu_scale.h"

struct mcu_add {
    struct mcu_broadcast operands;
    struct mcu_scale a_scale, b_scale, scale;
    int16_t a_zero, b_zero, zero, low, high;
};

MCU_RUN void mcu_add_run(const void *record, const int8_t *a, int32_t a_step, const int8_t *b, int32_t b_step, int8_t *out,
                         int32_t count)
{
    const struct mcu_add op = *(const struct mcu_add *)record;
    for (; count > 0; --count, a += a_step, b += b_step) {
        const int32_t left = mcu_scaled(&op.a_scale, (*a - op.a_zero) * (1 << 20));
        const int32_t right = mcu_scaled(&op.b_scale, (*b - op.b_zero) * (1 << 20));
        *out++ = (int8_t)mcu_clamp(mcu_scaled(&op.scale, left + right) + op.zero, op.low, op.high);
    }
}

MCU_RUN void mcu_sub_run(const void *record, const int8_t *a, int32_t a_step, const int8_t *b, int32_t b_step, int8_t *out,
                         int32_t count)
{
    const struct mcu_add op = *(const struct mcu_add *)record;
    for (; count > 0; --count, a += a_step, b += b_step) {
        const int32_t left = mcu_scaled(&op.a_scale, (*a - op.a_zero) * (1 << 20));
        const int32_t right = mcu_scaled(&op.b_scale, (*b - op.b_zero) * (1 << 20));
        *out++ = (int8_t)mcu_clamp(mcu_scaled(&op.scale, left - right) + op.zero, op.low, op.high);
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
