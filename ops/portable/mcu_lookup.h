/* LOGISTIC, TANH, RELU and every other operator that maps 8-bit values one by one: a table of 256 outputs. */
#ifndef TFLM_MCUNET_LOOKUP_H
#define TFLM_MCUNET_LOOKUP_H

#include "mcu_rows.h"

/* `table` is indexed by the input's byte; `width` elements a row. */
struct mcu_lookup {
    const struct mcu_tensor *input, *output;
    const uint8_t *table;
    int32_t width;
};

static inline void mcu_lookup(const void *record, unsigned char *arena, int32_t first, int32_t last)
{
    const struct mcu_lookup *op = (const struct mcu_lookup *)record;
    const uint8_t *table = op->table;
    const int32_t width = op->width;
    int32_t row, i;
    for (row = first; row < last; ++row) {
        const uint8_t *in = (const uint8_t *)mcu_read(op->input, arena, row);
        uint8_t *out = (uint8_t *)mcu_write(op->output, arena, row);
        for (i = 0; i < width; ++i) {
            out[i] = table[in[i]];
        }
    }
}

#endif
