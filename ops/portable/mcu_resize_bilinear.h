/* RESIZE_BILINEAR: weighted means of neighbouring pixels, with positions and weights from tables. */
#ifndef TFLM_MCUNET_RESIZE_BILINEAR_H
#define TFLM_MCUNET_RESIZE_BILINEAR_H

#include "mcu_rows.h"

#define MCU_RESIZE_ONE 1024 /* the weights of two neighbours together */

/* Per output row and column: the first input row and column, and the weight of the one after it, which is only read
   where that weight is not 0. */
struct mcu_resize_bilinear {
    const struct mcu_tensor *input, *output;
    const int16_t *rows, *row_weights;
    const int16_t *columns, *column_weights;
    int32_t out_w, channels;
};

/* A sum scaled by 2^20, to the nearest integer, ties away from zero. */
static inline int8_t mcu_resize_round(int32_t sum)
{
    const int32_t half = INT32_C(1) << 19;
    return (int8_t)((sum > 0 ? sum + half : sum - half) / (INT32_C(1) << 20));
}

static inline void mcu_resize_bilinear(const void *record, unsigned char *arena, int32_t first, int32_t last)
{
    const struct mcu_resize_bilinear *op = (const struct mcu_resize_bilinear *)record;
    int32_t row, column, c;
    for (row = first; row < last; ++row) {
        const int32_t down = op->row_weights[row];
        const int8_t *upper = (const int8_t *)mcu_read(op->input, arena, op->rows[row]);
        const int8_t *lower = (const int8_t *)mcu_read(op->input, arena, op->rows[row] + (down > 0));
        int8_t *out = (int8_t *)mcu_write(op->output, arena, row);
        for (column = 0; column < op->out_w; ++column, out += op->channels) {
            const int32_t right = op->column_weights[column];
            const int8_t *a = upper + (ptrdiff_t)op->columns[column] * op->channels;
            const int8_t *b = lower + (ptrdiff_t)op->columns[column] * op->channels;
            const ptrdiff_t next = right > 0 ? op->channels : 0;
            for (c = 0; c < op->channels; ++c) {
                const int32_t above = a[c] * (MCU_RESIZE_ONE - right) + a[c + next] * right;
                const int32_t below = b[c] * (MCU_RESIZE_ONE - right) + b[c + next] * right;
                out[c] = mcu_resize_round(above * (MCU_RESIZE_ONE - down) + below * down);
            }
        }
    }
}

#endif
