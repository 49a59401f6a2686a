/* FULLY_CONNECTED: a matrix of int8 weights times each row of inputs. */
#ifndef TFLM_MCUNET_FULLY_CONNECTED_H
#define TFLM_MCUNET_FULLY_CONNECTED_H

#include "mcu_fixed_point.h"
#include "mcu_rows.h"

/* `bias` has the input's zero point folded in; `weights` are [out_c][in_c]. All batches are one step. */
struct mcu_fully_connected {
    const struct mcu_tensor *input, *output;
    const int8_t *weights;
    const int32_t *bias;
    const int32_t *multiplier;
    const int8_t *shift;
    int32_t batches, in_c, out_c;
    int16_t out_zero, out_min, out_max;
};

static inline void mcu_fully_connected(const void *record, unsigned char *arena, int32_t first, int32_t last)
{
    const struct mcu_fully_connected *op = (const struct mcu_fully_connected *)record;
    const int8_t *in = (const int8_t *)mcu_read(op->input, arena, 0);
    int8_t *out = (int8_t *)mcu_write(op->output, arena, 0);
    int32_t batch, c, k;
    (void)first;
    (void)last;
    for (batch = 0; batch < op->batches; ++batch, in += op->in_c) {
        const int8_t *weights = op->weights;
        for (c = 0; c < op->out_c; ++c, weights += op->in_c) {
            uint32_t sum = (uint32_t)op->bias[c];
            int32_t value;
            for (k = 0; k < op->in_c; ++k) {
                sum += (uint32_t)(in[k] * weights[k]);
            }
            value = mcu_rescale((int32_t)sum, op->multiplier[c], op->shift[c]) + op->out_zero;
            *out++ = (int8_t)mcu_clamp(value, op->out_min, op->out_max);
        }
    }
}

#endif
