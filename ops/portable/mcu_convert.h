/* QUANTIZE between integer types of which at least one has 16 or 32 bits. */
#ifndef TFLM_MCUNET_CONVERT_H
#define TFLM_MCUNET_CONVERT_H

#include "mcu_fixed_point.h"
#include "mcu_rows.h"

/* `width` elements of in_size and out_size bytes a row; `low` and `high` are the limits of the output's type. */
struct mcu_convert {
    const struct mcu_tensor *input, *output;
    int32_t width, in_zero, zero, low, high;
    int32_t multiplier;
    int8_t shift, in_size, out_size;
};

static inline int32_t mcu_load_integer(const void *data, int32_t index, int32_t size)
{
    switch (size) {
    case 1:
        return ((const int8_t *)data)[index];
    case 2:
        return ((const int16_t *)data)[index];
    default:
        return ((const int32_t *)data)[index];
    }
}

static inline void mcu_store_integer(void *data, int32_t index, int32_t size, int32_t value)
{
    switch (size) {
    case 1:
        ((int8_t *)data)[index] = (int8_t)value;
        break;
    case 2:
        ((int16_t *)data)[index] = (int16_t)value;
        break;
    default:
        ((int32_t *)data)[index] = value;
        break;
    }
}

static inline void mcu_convert(const void *record, unsigned char *arena, int32_t first, int32_t last)
{
    const struct mcu_convert op = *(const struct mcu_convert *)record;
    int32_t row, i;
    for (row = first; row < last; ++row) {
        const void *in = mcu_read(op.input, arena, row);
        void *out = mcu_write(op.output, arena, row);
        for (i = 0; i < op.width; ++i) {
            const uint32_t centred = (uint32_t)mcu_load_integer(in, i, op.in_size) - (uint32_t)op.in_zero;
            const uint32_t value = (uint32_t)mcu_rescale((int32_t)centred, op.multiplier, op.shift) + (uint32_t)op.zero;
            mcu_store_integer(out, i, op.out_size, mcu_clamp((int32_t)value, op.low, op.high));
        }
    }
}

#endif
