/* QUANTIZE of floats to int8 or int16. */
#ifndef TFLM_MCUNET_QUANTIZE_H
#define TFLM_MCUNET_QUANTIZE_H

#include "mcu_rows.h"

/* `width` elements a row; `low` and `high` are the limits of the output's type less its zero point. */
struct mcu_quantize {
    const struct mcu_tensor *input, *output;
    float scale, low, high;
    int32_t width, zero;
};

/* The nearest integer to value / scale, ties away from zero, plus the zero point. Clamping comes first, so that every float
   converts; NaN gives the lowest output. What is left over after truncation is exact, and nothing can be contracted to FMA. */
static inline int32_t mcu_quantize_value(const struct mcu_quantize *op, float value)
{
    const float quotient = value / op->scale;
    const float clamped = !(quotient > op->low) ? op->low : quotient < op->high ? quotient : op->high;
    const int32_t whole = (int32_t)clamped;
    const float rest = clamped - (float)whole;
    return whole + (rest >= 0.5f) - (rest <= -0.5f) + op->zero;
}

static inline void mcu_quantize_int8(const void *record, unsigned char *arena, int32_t first, int32_t last)
{
    const struct mcu_quantize op = *(const struct mcu_quantize *)record;
    int32_t row, i;
    for (row = first; row < last; ++row) {
        const float *in = (const float *)mcu_read(op.input, arena, row);
        int8_t *out = (int8_t *)mcu_write(op.output, arena, row);
        for (i = 0; i < op.width; ++i) {
            out[i] = (int8_t)mcu_quantize_value(&op, in[i]);
        }
    }
}

static inline void mcu_quantize_int16(const void *record, unsigned char *arena, int32_t first, int32_t last)
{
    const struct mcu_quantize op = *(const struct mcu_quantize *)record;
    int32_t row, i;
    for (row = first; row < last; ++row) {
        const float *in = (const float *)mcu_read(op.input, arena, row);
        int16_t *out = (int16_t *)mcu_write(op.output, arena, row);
        for (i = 0; i < op.width; ++i) {
            out[i] = (int16_t)mcu_quantize_value(&op, in[i]);
        }
    }
}

#endif
