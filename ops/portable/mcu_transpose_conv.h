/* TRANSPOSE_CONV: each output pixel gathers the input pixels that spread to it, int8 in and out. */
#ifndef TFLM_MCUNET_TRANSPOSE_CONV_H
#define TFLM_MCUNET_TRANSPOSE_CONV_H

#include "mcu_fixed_point.h"
#include "mcu_rows.h"

/* Output position p receives tap t from input (p + pad - t) / stride, where that is whole: the taps of its phase,
   (p + pad) % stride, with one input after the other going down. `weights` are sorted by phase_h, phase_w, output,
   tap_h, tap_w, input. Scratch: the inputs of one output pixel as int16, zero point taken off. */
struct mcu_transpose_conv {
    const struct mcu_tensor *input, *output;
    const int8_t *weights;
    const int32_t *bias;
    const int32_t *multiplier;
    const int8_t *shift;
    uint32_t scratch;
    int16_t in_h, in_w, in_c, out_w, out_c;
    int16_t kernel_h, kernel_w, stride_h, stride_w, pad_h, pad_w;
    int16_t in_zero, out_zero, out_min, out_max;
};

/* The taps that an output position receives along one axis. */
struct mcu_phase {
    int32_t taps;   /* how many */
    int32_t before; /* taps of all phases before this one */
    int32_t input;  /* where the first tap comes from; the others follow downwards */
};

static inline struct mcu_phase mcu_phase_at(int32_t place, int32_t kernel, int32_t stride)
{
    const int32_t number = place % stride;
    const int32_t longer = kernel % stride; /* phases that have a tap more than the others */
    struct mcu_phase phase;
    phase.taps = kernel / stride + (number < longer);
    phase.before = kernel / stride * number + (number < longer ? number : longer);
    phase.input = place / stride;
    return phase;
}

/* Expands the input pixels of an output pixel; those outside the image count as zero points. */
static inline void mcu_transpose_conv_gather(const struct mcu_transpose_conv *op, const unsigned char *arena,
                                             const struct mcu_phase *vertical, const struct mcu_phase *horizontal,
                                             int16_t *window)
{
    int32_t v, h, c;
    for (v = 0; v < vertical->taps; ++v) {
        const int32_t y = vertical->input - v;
        for (h = 0; h < horizontal->taps; ++h, window += op->in_c) {
            const int32_t x = horizontal->input - h;
            if (y < 0 || y >= op->in_h || x < 0 || x >= op->in_w) {
                memset(window, 0, (size_t)op->in_c * sizeof *window);
            } else {
                const int8_t *in = (const int8_t *)mcu_read(op->input, arena, y) + (ptrdiff_t)x * op->in_c;
                for (c = 0; c < op->in_c; ++c) {
                    window[c] = (int16_t)(in[c] - op->in_zero);
                }
            }
        }
    }
}

static inline void mcu_transpose_conv_pixel(const struct mcu_transpose_conv *op, const int16_t *window, const int8_t *weights,
                                            int32_t taps, int8_t *out)
{
    int32_t c, tap;
    for (c = 0; c < op->out_c; ++c, weights += taps) {
        uint32_t sum = (uint32_t)op->bias[c];
        for (tap = 0; tap < taps; ++tap) {
            sum += (uint32_t)(window[tap] * weights[tap]);
        }
        out[c] = mcu_requantize((int32_t)sum, op->multiplier[c], op->shift[c], op->out_zero, op->out_min, op->out_max);
    }
}

static inline void mcu_transpose_conv(const void *record, unsigned char *arena, int32_t first, int32_t last)
{
    const struct mcu_transpose_conv *op = (const struct mcu_transpose_conv *)record;
    int16_t *window = (int16_t *)(void *)(arena + op->scratch);
    int32_t row, column;
    for (row = first; row < last; ++row) {
        const struct mcu_phase vertical = mcu_phase_at(row + op->pad_h, op->kernel_h, op->stride_h);
        int8_t *out = (int8_t *)mcu_write(op->output, arena, row);
        for (column = 0; column < op->out_w; ++column, out += op->out_c) {
            const struct mcu_phase horizontal = mcu_phase_at(column + op->pad_w, op->kernel_w, op->stride_w);
            const int32_t before = vertical.before * op->kernel_w + vertical.taps * horizontal.before;
            mcu_transpose_conv_gather(op, arena, &vertical, &horizontal, window);
            mcu_transpose_conv_pixel(op, window, op->weights + (ptrdiff_t)before * op->in_c * op->out_c,
                                     vertical.taps * horizontal.taps * op->in_c, out);
        }
    }
}

#endif
