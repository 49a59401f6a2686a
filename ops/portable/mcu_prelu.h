/* PRELU: negative inputs (operand a) are multiplied by alpha (operand b). */
#ifndef TFLM_MCUNET_PRELU_H
#define TFLM_MCUNET_PRELU_H

#include "mcu_broadcast.h"
#include "mcu_fixed_point.h"
#include "mcu_scale.h"

/* `positive` rescales inputs, `negative` products with alpha. */
struct mcu_prelu {
    struct mcu_broadcast operands;
    struct mcu_scale positive, negative;
    int16_t a_zero, b_zero, zero, low, high;
};

MCU_RUN void mcu_prelu_run(const void *record, const int8_t *a, int32_t a_step, const int8_t *b, int32_t b_step, int8_t *out,
                           int32_t count)
{
    const struct mcu_prelu op = *(const struct mcu_prelu *)record;
    for (; count > 0; --count, a += a_step, b += b_step) {
        const int32_t value = *a - op.a_zero;
        const int32_t scaled =
            value >= 0 ? mcu_scaled(&op.positive, value) : mcu_scaled(&op.negative, value * (*b - op.b_zero));
        *out++ = (int8_t)mcu_clamp(scaled + op.zero, op.low, op.high);
    }
}

static inline void mcu_prelu(const void *record, unsigned char *arena, int32_t first, int32_t last)
{
    mcu_broadcast(&((const struct mcu_prelu *)record)->operands, mcu_prelu_run, record, arena, first, last);
}

#endif
