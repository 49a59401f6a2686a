/* CONV_2D: each output pixel is a gathered window times the weights, int8 in and out. */
#ifndef TFLM_MCUNET_CONV2D_H
#define TFLM_MCUNET_CONV2D_H

#include "mcu_fixed_point.h"
#include "mcu_rows.h"

/* `bias` has the input's zero point folded in; `weights` are [out_c][kernel_h][kernel_w][group_in];
   channels come in groups of group_in inputs and group_out outputs. Scratch: one window of one group. */
struct mcu_conv2d {
    const struct mcu_tensor *input, *output;
    const int8_t *weights;
    const int32_t *bias;
    const int32_t *multiplier;
    const int8_t *shift;
    uint32_t scratch;
    int16_t in_h, in_w, in_c, out_w, out_c;
    int16_t group_in, group_out;
    int16_t kernel_h, kernel_w, stride_h, stride_w, dilation_h, dilation_w, pad_h, pad_w;
    int16_t in_zero, out_zero, out_min, out_max;
};

/* `channels` outputs of one pixel: window (taps values) times weights[channel][taps]. */
static inline void mcu_conv2d_pixel(const struct mcu_conv2d *op, const int8_t *window, int32_t taps, int32_t first_channel,
                                    int32_t channels, int8_t *out)
{
    const int8_t *weights = op->weights + (ptrdiff_t)first_channel * taps;
    int32_t channel, tap;
    for (channel = 0; channel < channels; ++channel, weights += taps) {
        const int32_t c = first_channel + channel;
        uint32_t sum = (uint32_t)op->bias[c];
        int32_t value;
        for (tap = 0; tap < taps; ++tap) {
            sum += (uint32_t)(window[tap] * weights[tap]);
        }
        value = mcu_rescale((int32_t)sum, op->multiplier[c], op->shift[c]) + op->out_zero;
        out[channel] = (int8_t)mcu_clamp(value, op->out_min, op->out_max);
    }
}

/* Copies the window of channels [channel, channel + group_in) around output (row, column); zero points where it leaves the image. */
static inline void mcu_conv2d_gather(const struct mcu_conv2d *op, const unsigned char *arena, int32_t row, int32_t column,
                                     int32_t channel, int8_t *window)
{
    const size_t depth = (size_t)op->group_in, taps_bytes = (size_t)(op->kernel_w * op->group_in);
    int32_t ky, kx;
    for (ky = 0; ky < op->kernel_h; ++ky) {
        const int32_t y = row * op->stride_h - op->pad_h + ky * op->dilation_h;
        const int8_t *in;
        if (y < 0 || y >= op->in_h) {
            memset(window, op->in_zero, taps_bytes);
            window += taps_bytes;
            continue;
        }
        in = (const int8_t *)mcu_read(op->input, arena, y) + channel;
        for (kx = 0; kx < op->kernel_w; ++kx, window += depth) {
            const int32_t x = column * op->stride_w - op->pad_w + kx * op->dilation_w;
            if (x < 0 || x >= op->in_w) {
                memset(window, op->in_zero, depth);
            } else {
                memcpy(window, in + (ptrdiff_t)x * op->in_c, depth);
            }
        }
    }
}

/* Any window. */
static inline void mcu_conv2d(const void *record, unsigned char *arena, int32_t first, int32_t last)
{
    const struct mcu_conv2d *op = (const struct mcu_conv2d *)record;
    const int32_t taps = op->kernel_h * op->kernel_w * op->group_in;
    int8_t *window = (int8_t *)(arena + op->scratch);
    int32_t row, column, channel, in_channel;
    for (row = first; row < last; ++row) {
        int8_t *out = (int8_t *)mcu_write(op->output, arena, row);
        for (column = 0; column < op->out_w; ++column) {
            for (channel = 0, in_channel = 0; channel < op->out_c; channel += op->group_out, in_channel += op->group_in) {
                mcu_conv2d_gather(op, arena, row, column, in_channel, window);
                mcu_conv2d_pixel(op, window, taps, channel, op->group_out, out);
                out += op->group_out;
            }
        }
    }
}

/* 1x1 windows of one group without padding: pixels are read where they lie. */
static inline void mcu_conv2d_pointwise(const void *record, unsigned char *arena, int32_t first, int32_t last)
{
    const struct mcu_conv2d *op = (const struct mcu_conv2d *)record;
    const ptrdiff_t stride = (ptrdiff_t)op->stride_w * op->in_c;
    int32_t row, column;
    for (row = first; row < last; ++row) {
        const int8_t *in = (const int8_t *)mcu_read(op->input, arena, row * op->stride_h);
        int8_t *out = (int8_t *)mcu_write(op->output, arena, row);
        for (column = 0; column < op->out_w; ++column, in += stride, out += op->out_c) {
            mcu_conv2d_pixel(op, in, op->in_c, 0, op->out_c, out);
        }
    }
}

#endif
