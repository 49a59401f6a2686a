/* FULLY_CONNECTED for Helium: batches are pixels. */
#ifndef TFLM_MCUNET_FULLY_CONNECTED_MVE_H
#define TFLM_MCUNET_FULLY_CONNECTED_MVE_H

#include "mcu_matrix_mve.h"

/* `weights` are a stream of mcu_matrix_mve.h. All batches are one step. */
struct mcu_fully_connected_mve {
    const struct mcu_tensor *input, *output;
    const int32_t *weights;
    int32_t batches, in_c, out_c;
    int16_t out_zero, out_min, out_max;
};

static inline void mcu_fully_connected_mve_all(const struct mcu_fully_connected_mve *op, unsigned char *arena,
                                               const struct mcu_matrix_mve_kernels *kernels)
{
    struct mcu_matrix_mve_run run;
    run.pitch = op->in_c;
    run.weights = op->weights;
    run.depth = op->in_c;
    run.channels = op->out_c;
    run.zero = op->out_zero;
    run.low = op->out_min;
    run.high = op->out_max;
    mcu_matrix_mve(&run, kernels, (const int8_t *)mcu_read(op->input, arena, 0), (int8_t *)mcu_write(op->output, arena, 0),
                   op->batches);
}

#define MCU_FULLY_CONNECTED_MVE(name, kernels)                                                          \
    static MCU_UNUSED void name(const void *record, unsigned char *arena, int32_t first, int32_t last)   \
    {                                                                                                   \
        (void)first;                                                                                    \
        (void)last;                                                                                     \
        mcu_fully_connected_mve_all((const struct mcu_fully_connected_mve *)record, arena, kernels);    \
    }

MCU_FULLY_CONNECTED_MVE(mcu_fully_connected_mve_relu, &mcu_matrix_mve_relu)
MCU_FULLY_CONNECTED_MVE(mcu_fully_connected_mve_linear, &mcu_matrix_mve_linear)
MCU_FULLY_CONNECTED_MVE(mcu_fully_connected_mve_clamped, &mcu_matrix_mve_clamped)

#endif
