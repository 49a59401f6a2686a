/* The loops of operators of two int8 operands, each of which may be broadcast to the output's shape. */
#ifndef TFLM_MCUNET_BROADCAST_H
#define TFLM_MCUNET_BROADCAST_H

#include "mcu_rows.h"

/* Each output row is `pixels` runs of `count` elements; from run to run a and b advance by a_pixel and b_pixel elements, within
   a run by a_step and b_step (0 or 1). Equal shapes are one run a row. An operand of one row gives it to all output rows;
   otherwise it has the output's rows, unless `rows` names, for each output row, the row of a and the row of b. */
struct mcu_broadcast {
    const struct mcu_tensor *a, *b, *output;
    const int16_t *rows;
    int32_t pixels, count, a_pixel, b_pixel;
    int8_t a_step, b_step;
};

/* A run is a function of its own: inlined into the loops around it, it would run out of registers. */
#if defined(__GNUC__) || defined(__clang__)
#define MCU_RUN static __attribute__((noinline, unused))
#else
#define MCU_RUN static inline
#endif

/* Computes `count` outputs from a[i * a_step] and b[i * b_step], in ascending order; `op` is the operator's own record. */
typedef void (*mcu_binary)(const void *op, const int8_t *a, int32_t a_step, const int8_t *b, int32_t b_step, int8_t *out,
                           int32_t count);

static inline void mcu_broadcast(const struct mcu_broadcast *shape, mcu_binary run, const void *op, unsigned char *arena,
                                 int32_t first, int32_t last)
{
    int32_t row, pixel;
    for (row = first; row < last; ++row) {
        const int32_t a_row = shape->rows ? shape->rows[2 * row] : shape->a->rows == 1 ? 0 : row;
        const int32_t b_row = shape->rows ? shape->rows[2 * row + 1] : shape->b->rows == 1 ? 0 : row;
        const int8_t *a = (const int8_t *)mcu_read(shape->a, arena, a_row);
        const int8_t *b = (const int8_t *)mcu_read(shape->b, arena, b_row);
        int8_t *out = (int8_t *)mcu_write(shape->output, arena, row);
        for (pixel = 0; pixel < shape->pixels; ++pixel) {
            run(op, a, shape->a_step, b, shape->b_step, out, shape->count);
            a += shape->a_pixel;
            b += shape->b_pixel;
            out += shape->count;
        }
    }
}

#endif
