/* ARG_MAX: the index of the first of the largest values along an axis. */
#ifndef TFLM_MCUNET_ARG_MAX_H
#define TFLM_MCUNET_ARG_MAX_H

#include "mcu_rows.h"

/* A step is `outer` blocks of [extent][inner] values, each giving [inner] indices; it is a row of input and output, or all. */
struct mcu_arg_max {
    const struct mcu_tensor *input, *output;
    int32_t outer, extent, inner;
};

/* `stride` values lie from one candidate to the next. */
static inline int32_t mcu_largest_index(const int8_t *in, int32_t extent, int32_t stride)
{
    int32_t best = 0, largest = *in, i;
    for (i = 1; i < extent; ++i) {
        in += stride;
        if (*in > largest) {
            largest = *in;
            best = i;
        }
    }
    return best;
}

static inline void mcu_arg_max(const void *record, unsigned char *arena, int32_t first, int32_t last)
{
    const struct mcu_arg_max *op = (const struct mcu_arg_max *)record;
    int32_t step, block, i;
    for (step = first; step < last; ++step) {
        const int8_t *in = (const int8_t *)mcu_read(op->input, arena, step);
        int32_t *out = (int32_t *)mcu_write(op->output, arena, step);
        for (block = 0; block < op->outer; ++block, in += (ptrdiff_t)op->extent * op->inner) {
            for (i = 0; i < op->inner; ++i) {
                *out++ = mcu_largest_index(in + i, op->extent, op->inner);
            }
        }
    }
}

#endif
