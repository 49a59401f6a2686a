/* ADD and SUB as one linear form of both operands, where that has been proven equal to mcu_add.h for all pairs of values. */
#ifndef TFLM_MCUNET_ADD_LINEAR_H
#define TFLM_MCUNET_ADD_LINEAR_H

#include "mcu_broadcast.h"
#include "mcu_fixed_point.h"

/* The output is a_factor * a + b_factor * b + offset, rounded to multiples of 2^shift with ties away from zero; `round` is half of
   2^shift plus the output's zero point times 2^shift. */
struct mcu_add_linear {
    struct mcu_broadcast operands;
    int32_t a_factor, b_factor, offset, round;
    int16_t low, high;
    int8_t shift;
};

static inline int8_t mcu_add_linear_output(const struct mcu_add_linear *op, int32_t a, int32_t b)
{
    const int32_t sum = op->a_factor * a + op->b_factor * b + op->offset;
    return (int8_t)mcu_clamp((sum + (sum >> 31) + op->round) >> op->shift, op->low, op->high);
}

MCU_RUN void mcu_add_linear_run(const void *record, const int8_t *a, int32_t a_step, const int8_t *b, int32_t b_step,
                                int8_t *out, int32_t count)
{
    const struct mcu_add_linear op = *(const struct mcu_add_linear *)record;
    const int8_t *const end = out + count;
    if (a_step && b_step) { /* the usual case, with fewer registers */
        while (out < end) {
            *out++ = mcu_add_linear_output(&op, *a++, *b++);
        }
    }
    for (; out < end; a += a_step, b += b_step) {
        *out++ = mcu_add_linear_output(&op, *a, *b);
    }
}

static inline void mcu_add_linear(const void *record, unsigned char *arena, int32_t first, int32_t last)
{
    mcu_broadcast(&((const struct mcu_add_linear *)record)->operands, mcu_add_linear_run, record, arena, first, last);
}

#endif
