/* MUL of two int8 operands. */
#ifndef TFLM_MCUNET_MUL_H
#define TFLM_MCUNET_MUL_H

#include "mcu_broadcast.h"
#include "mcu_fixed_point.h"
#include "mcu_scale.h"

struct mcu_mul {
    struct mcu_broadcast operands;
    struct mcu_scale scale;
    int16_t a_zero, b_zero, zero, low, high;
};

MCU_RUN void mcu_mul_run(const void *record, const int8_t *a, int32_t a_step, const int8_t *b, int32_t b_step, int8_t *out,
                         int32_t count)
{
    const struct mcu_mul op = *(const struct mcu_mul *)record;
    for (; count > 0; --count, a += a_step, b += b_step) {
        const int32_t product = (*a - op.a_zero) * (*b - op.b_zero);
        *out++ = (int8_t)mcu_clamp(mcu_scaled(&op.scale, product) + op.zero, op.low, op.high);
    }
}

static inline void mcu_mul(const void *record, unsigned char *arena, int32_t first, int32_t last)
{
    mcu_broadcast(&((const struct mcu_mul *)record)->operands, mcu_mul_run, record, arena, first, last);
}

#endif
