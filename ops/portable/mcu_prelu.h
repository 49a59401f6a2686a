/* PRELU: negative inputs (operand a) are multiplied by alpha (operand b). */
#ifndef TFLM_MCUNET_PRELU_H
#define TFLM_MCUNET_PRELU_H

#include "mcu_broadcast.h"
#include "mcu_fixed_point.h"

/* `multiplier` and `shift` rescale inputs, the negative_ ones products with alpha. */
struct mcu_prelu {
    struct mcu_broadcast operands;
    int32_t multiplier, negative_multiplier;
    int8_t shift, negative_shift;
    int16_t a_zero, b_zero, zero, low, high;
};

static inline void mcu_prelu_run(const void *record, const int8_t *a, int32_t a_step, const int8_t *b, int32_t b_step,
                                 int8_t *out, int32_t count)
{
    const struct mcu_prelu *op = (const struct mcu_prelu *)record;
    for (; count > 0; --count, a += a_step, b += b_step) {
        const int32_t value = *a - op->a_zero;
        if (value >= 0) {
            *out++ = mcu_requantize(value, op->multiplier, op->shift, op->zero, op->low, op->high);
        } else {
            const int32_t product = value * (*b - op->b_zero);
            *out++ = mcu_requantize(product, op->negative_multiplier, op->negative_shift, op->zero, op->low, op->high);
        }
    }
}

static inline void mcu_prelu(const void *record, unsigned char *arena, int32_t first, int32_t last)
{
    mcu_broadcast(&((const struct mcu_prelu *)record)->operands, mcu_prelu_run, record, arena, first, last);
}

#endif
