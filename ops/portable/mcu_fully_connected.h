/* FULLY_CONNECTED: a matrix of int8 weights times each row of inputs. */
#ifndef TFLM_MCUNET_FULLY_CONNECTED_H
#define TFLM_MCUNET_FULLY_CONNECTED_H

#include "mcu_channels.h"
#include "mcu_rows.h"

/* All batches are one step. */
struct mcu_fully_connected {
    const struct mcu_tensor *input, *output;
    struct mcu_channels channels;
    int32_t batches, out_c;
};

static inline void mcu_fully_connected(const void *record, unsigned char *arena, int32_t first, int32_t last)
{
    const struct mcu_fully_connected *op = (const struct mcu_fully_connected *)record;
    (void)first;
    (void)last;
    mcu_channels_pixels(&op->channels, op->out_c, op->batches, (const int8_t *)mcu_read(op->input, arena, 0), op->channels.taps,
                        (int8_t *)mcu_write(op->output, arena, 0));
}

#endif
