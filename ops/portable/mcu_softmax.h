/* SOFTMAX: exponentials from a table, their sum, and its reciprocal by Newton's method, all in fixed point. */
#ifndef TFLM_MCUNET_SOFTMAX_H
#define TFLM_MCUNET_SOFTMAX_H

#include "mcu_fixed_point.h"
#include "mcu_rows.h"

/* exponentials[d] is exp of d steps below the largest input, times 2^31; from `differences` steps on it counts as zero.
   A row holds `pixels` vectors of `depth` values, depth <= 4095. */
struct mcu_softmax {
    const struct mcu_tensor *input, *output;
    const int32_t *exponentials;
    int16_t differences, depth;
    int32_t pixels;
};

/* Of one vector: its largest input, and what turns exponentials into outputs, factor * 2^-31 * 2^-exponent. */
struct mcu_softmax_scale {
    int32_t factor, exponent, largest;
};

/* 1 / (2 * value), where value is in [1/2, 1) and both have 31 fractional bits: three steps of x += x * (1 - value * x). */
static inline int32_t mcu_half_reciprocal(int32_t value)
{
    int32_t x = 1515870810 + mcu_multiply_high(value, -1010580540); /* 48/17 - 32/17 * value, with 29 fractional bits */
    int32_t step;
    for (step = 0; step < 3; ++step) {
        const int32_t error = (INT32_C(1) << 29) - mcu_multiply_high(value, x);
        x += mcu_multiply_high(x, error) * 4;
    }
    return x >= INT32_C(1) << 30 ? INT32_MAX : x * 2;
}

/* The scale of one vector, whose outputs have `bits` bits. */
static inline struct mcu_softmax_scale mcu_softmax_scale(const struct mcu_softmax *op, const int8_t *in, int32_t bits)
{
    struct mcu_softmax_scale scale = {0, 0, -128};
    uint32_t sum = 0; /* with 19 fractional bits */
    int32_t i;
    for (i = 0; i < op->depth; ++i) {
        scale.largest = in[i] > scale.largest ? in[i] : scale.largest;
    }
    for (i = 0; i < op->depth; ++i) {
        const int32_t difference = scale.largest - in[i];
        if (difference < op->differences) {
            sum += ((uint32_t)op->exponentials[difference] + (1u << 11)) >> 12;
        }
    }
    for (scale.exponent = 12 + 31 - bits; !(sum >> 31); --scale.exponent) {
        sum <<= 1; /* the largest input alone adds 2^19 */
    }
    scale.factor = mcu_half_reciprocal((int32_t)(sum >> 1));
    return scale;
}

/* One output above the lowest value of its type. TFLM stops the program where sums are so large that the exponent exceeds 31. */
static inline int32_t mcu_softmax_value(const struct mcu_softmax *op, const struct mcu_softmax_scale *scale, int8_t in)
{
    const int32_t difference = scale->largest - in;
    if (difference >= op->differences || scale->exponent > 31) {
        return 0;
    }
    return mcu_divide_by_power(mcu_multiply_high(scale->factor, op->exponentials[difference]), scale->exponent);
}

static inline void mcu_softmax_int8(const void *record, unsigned char *arena, int32_t first, int32_t last)
{
    const struct mcu_softmax *op = (const struct mcu_softmax *)record;
    int32_t row, pixel, i;
    for (row = first; row < last; ++row) {
        const int8_t *in = (const int8_t *)mcu_read(op->input, arena, row);
        int8_t *out = (int8_t *)mcu_write(op->output, arena, row);
        for (pixel = 0; pixel < op->pixels; ++pixel, in += op->depth) {
            const struct mcu_softmax_scale scale = mcu_softmax_scale(op, in, 8);
            for (i = 0; i < op->depth; ++i) {
                *out++ = (int8_t)mcu_clamp(mcu_softmax_value(op, &scale, in[i]) - 128, -128, 127);
            }
        }
    }
}

static inline void mcu_softmax_int16(const void *record, unsigned char *arena, int32_t first, int32_t last)
{
    const struct mcu_softmax *op = (const struct mcu_softmax *)record;
    int32_t row, pixel, i;
    for (row = first; row < last; ++row) {
        const int8_t *in = (const int8_t *)mcu_read(op->input, arena, row);
        int16_t *out = (int16_t *)mcu_write(op->output, arena, row);
        for (pixel = 0; pixel < op->pixels; ++pixel, in += op->depth) {
            const struct mcu_softmax_scale scale = mcu_softmax_scale(op, in, 16);
            for (i = 0; i < op->depth; ++i) {
                *out++ = (int16_t)mcu_clamp(mcu_softmax_value(op, &scale, in[i]) - 32768, -32768, 32767);
            }
        }
    }
}

#endif
