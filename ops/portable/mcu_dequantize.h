/* DEQUANTIZE: integers to floats. One multiplication and nothing to add: no compiler can contract it to FMA. */
#ifndef TFLM_MCUNET_DEQUANTIZE_H
#define TFLM_MCUNET_DEQUANTIZE_H

#include "mcu_rows.h"

/* `width` elements a row. */
struct mcu_dequantize {
    const struct mcu_tensor *input, *output;
    float scale;
    int32_t zero, width;
};

static inline void mcu_dequantize_int8(const void *record, unsigned char *arena, int32_t first, int32_t last)
{
    const struct mcu_dequantize op = *(const struct mcu_dequantize *)record;
    int32_t row, i;
    for (row = first; row < last; ++row) {
        const int8_t *in = (const int8_t *)mcu_read(op.input, arena, row);
        float *out = (float *)mcu_write(op.output, arena, row);
        for (i = 0; i < op.width; ++i) {
            out[i] = (float)(in[i] - op.zero) * op.scale;
        }
    }
}

static inline void mcu_dequantize_uint8(const void *record, unsigned char *arena, int32_t first, int32_t last)
{
    const struct mcu_dequantize op = *(const struct mcu_dequantize *)record;
    int32_t row, i;
    for (row = first; row < last; ++row) {
        const uint8_t *in = (const uint8_t *)mcu_read(op.input, arena, row);
        float *out = (float *)mcu_write(op.output, arena, row);
        for (i = 0; i < op.width; ++i) {
            out[i] = (float)(in[i] - op.zero) * op.scale;
        }
    }
}

static inline void mcu_dequantize_int16(const void *record, unsigned char *arena, int32_t first, int32_t last)
{
    const struct mcu_dequantize op = *(const struct mcu_dequantize *)record;
    int32_t row, i;
    for (row = first; row < last; ++row) {
        const int16_t *in = (const int16_t *)mcu_read(op.input, arena, row);
        float *out = (float *)mcu_write(op.output, arena, row);
        for (i = 0; i < op.width; ++i) {
            out[i] = (float)(in[i] - op.zero) * op.scale;
        }
    }
}

#endif
