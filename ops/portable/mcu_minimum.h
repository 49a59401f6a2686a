/* MINIMUM and MAXIMUM of two int8 operands. */
#ifndef TFLM_MCUNET_MINIMUM_H
#define TFLM_MCUNET_MINIMUM_H

#include "mcu_broadcast.h"

struct mcu_minimum {
    struct mcu_broadcast operands;
};

MCU_RUN void mcu_minimum_run(const void *record, const int8_t *a, int32_t a_step, const int8_t *b, int32_t b_step, int8_t *out,
                             int32_t count)
{
    (void)record;
    for (; count > 0; --count, a += a_step, b += b_step) {
        *out++ = *a < *b ? *a : *b;
    }
}

MCU_RUN void mcu_maximum_run(const void *record, const int8_t *a, int32_t a_step, const int8_t *b, int32_t b_step, int8_t *out,
                             int32_t count)
{
    (void)record;
    for (; count > 0; --count, a += a_step, b += b_step) {
        *out++ = *a > *b ? *a : *b;
    }
}

static inline void mcu_minimum(const void *record, unsigned char *arena, int32_t first, int32_t last)
{
    mcu_broadcast(&((const struct mcu_minimum *)record)->operands, mcu_minimum_run, record, arena, first, last);
}

static inline void mcu_maximum(const void *record, unsigned char *arena, int32_t first, int32_t last)
{
    mcu_broadcast(&((const struct mcu_minimum *)record)->operands, mcu_maximum_run, record, arena, first, last);
}

#endif
