/* RESIZE_NEAREST_NEIGHBOR: pixels are copied from the rows and columns that tables name. */
#ifndef TFLM_MCUNET_RESIZE_NEAREST_H
#define TFLM_MCUNET_RESIZE_NEAREST_H

#include "mcu_rows.h"

struct mcu_resize_nearest {
    const struct mcu_tensor *input, *output;
    const int16_t *rows, *columns; /* per output row and column, that of the input */
    int32_t out_w, pixel_bytes;
};

static inline void mcu_resize_nearest(const void *record, unsigned char *arena, int32_t first, int32_t last)
{
    const struct mcu_resize_nearest *op = (const struct mcu_resize_nearest *)record;
    int32_t row, column;
    for (row = first; row < last; ++row) {
        const unsigned char *in = (const unsigned char *)mcu_read(op->input, arena, op->rows[row]);
        unsigned char *out = (unsigned char *)mcu_write(op->output, arena, row);
        for (column = 0; column < op->out_w; ++column, out += op->pixel_bytes) {
            memcpy(out, in + (ptrdiff_t)op->columns[column] * op->pixel_bytes, (size_t)op->pixel_bytes);
        }
    }
}

#endif
