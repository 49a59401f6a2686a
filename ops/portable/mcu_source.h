/* SOURCE: the application supplies the rows of an input, one by one and in order. */
#ifndef TFLM_MCUNET_SOURCE_H
#define TFLM_MCUNET_SOURCE_H

#include "mcu_rows.h"

/* Fills `buffer` with a row and returns it, or returns the row where it lies; NULL aborts the inference. */
typedef const int8_t *(*mcu_row_source)(void *context, int row, int8_t *buffer);

/* Who is asked during this inference; `stop` is set when it gave up. */
struct mcu_supplier {
    mcu_row_source source;
    void *context;
    int stop;
};

struct mcu_source {
    const struct mcu_tensor *output;
    struct mcu_supplier *supplier;
};

static inline void mcu_source(const void *record, unsigned char *arena, int32_t first, int32_t last)
{
    const struct mcu_source *op = (const struct mcu_source *)record;
    struct mcu_supplier *supplier = op->supplier;
    int32_t row;
    for (row = first; row < last && !supplier->stop; ++row) {
        int8_t *buffer = (int8_t *)mcu_write(op->output, arena, row);
        const int8_t *given = supplier->source(supplier->context, (int)row, buffer);
        if (!given) {
            supplier->stop = 1;
        } else if (given != buffer) {
            memcpy(buffer, given, (size_t)op->output->row_bytes);
        }
    }
}

#endif
