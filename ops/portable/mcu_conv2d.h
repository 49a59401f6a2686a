/* CONV_2D: each output pixel is a gathered window times the weights, int8 in and out. */
#ifndef TFLM_MCUNET_CONV2D_H
#define TFLM_MCUNET_CONV2D_H

#include "mcu_channels.h"
#include "mcu_rows.h"

/* Channels come in groups of group_in inputs and group_out outputs. Scratch: one window of one group, or two of them. */
struct mcu_conv2d {
    const struct mcu_tensor *input, *output;
    struct mcu_channels channels;
    uint32_t scratch;
    int16_t in_h, in_w, in_c, out_w, out_c;
    int16_t group_in, group_out;
    int16_t kernel_h, kernel_w, stride_h, stride_w, dilation_h, dilation_w, pad_h, pad_w;
    int16_t in_zero;
};

/* Copies the window of channels [channel, channel + group_in) around output (row, column); zero points where it leaves the image. */
static inline void mcu_conv2d_gather(const struct mcu_conv2d *op, const unsigned char *arena, int32_t row, int32_t column,
                                     int32_t channel, int8_t *window)
{
    const size_t depth = (size_t)op->group_in, taps_bytes = (size_t)(op->kernel_w * op->group_in);
    const int dense = op->dilation_w == 1 && op->group_in == op->in_c;
    int32_t ky, kx;
    for (ky = 0; ky < op->kernel_h; ++ky) {
        const int32_t y = row * op->stride_h - op->pad_h + ky * op->dilation_h;
        const int32_t left = column * op->stride_w - op->pad_w;
        const int8_t *in;
        if (y < 0 || y >= op->in_h) {
            memset(window, op->in_zero, taps_bytes);
            window += taps_bytes;
            continue;
        }
        in = (const int8_t *)mcu_read(op->input, arena, y) + channel;
        if (dense && left >= 0 && left + op->kernel_w <= op->in_w) {
            memcpy(window, in + (ptrdiff_t)left * op->in_c, taps_bytes);
            window += taps_bytes;
            continue;
        }
        for (kx = 0; kx < op->kernel_w; ++kx, window += depth) {
            const int32_t x = left + kx * op->dilation_w;
            if (x < 0 || x >= op->in_w) {
                memset(window, op->in_zero, depth);
            } else {
                memcpy(window, in + (ptrdiff_t)x * op->in_c, depth);
            }
        }
    }
}

/* Any window: the groups of a pixel, one after the other. */
static inline void mcu_conv2d(const void *record, unsigned char *arena, int32_t first, int32_t last)
{
    const struct mcu_conv2d *op = (const struct mcu_conv2d *)record;
    const ptrdiff_t group_weights = (ptrdiff_t)((op->group_out + MCU_BLOCK - 1) & ~(MCU_BLOCK - 1)) * op->channels.taps;
    int8_t *window = (int8_t *)(arena + op->scratch);
    int32_t row, column, channel, in_channel;
    for (row = first; row < last; ++row) {
        int8_t *out = (int8_t *)mcu_write(op->output, arena, row);
        for (column = 0; column < op->out_w; ++column, out += op->out_c) {
            const int8_t *weights = op->channels.weights;
            for (channel = 0, in_channel = 0; channel < op->out_c; channel += op->group_out, in_channel += op->group_in) {
                mcu_conv2d_gather(op, arena, row, column, in_channel, window);
                mcu_channels_one(&op->channels, weights, channel, op->group_out, window, out + channel);
                weights += group_weights;
            }
            mcu_outputs_clamp(&op->channels.outputs, out, op->out_c);
        }
    }
}

/* Windows of one group, two at a time. */
static inline void mcu_conv2d_pairs(const void *record, unsigned char *arena, int32_t first, int32_t last)
{
    const struct mcu_conv2d *op = (const struct mcu_conv2d *)record;
    int8_t *window = (int8_t *)(arena + op->scratch);
    int32_t row, column;
    for (row = first; row < last; ++row) {
        int8_t *out = (int8_t *)mcu_write(op->output, arena, row);
        for (column = 0; column < op->out_w; column += 2) {
            const int32_t pixels = column + 1 < op->out_w ? 2 : 1;
            mcu_conv2d_gather(op, arena, row, column, 0, window);
            if (pixels == 2) {
                mcu_conv2d_gather(op, arena, row, column + 1, 0, window + op->channels.taps);
            }
            mcu_channels_pixels(&op->channels, op->out_c, pixels, window, op->channels.taps, out);
            out += pixels * op->out_c;
        }
    }
}

/* 1x1 windows of one group without padding: pixels are read where they lie. */
static inline void mcu_conv2d_pointwise(const void *record, unsigned char *arena, int32_t first, int32_t last)
{
    const struct mcu_conv2d *op = (const struct mcu_conv2d *)record;
    const ptrdiff_t stride = (ptrdiff_t)op->stride_w * op->in_c;
    int32_t row;
    for (row = first; row < last; ++row) {
        mcu_channels_pixels(&op->channels, op->out_c, op->out_w, (const int8_t *)mcu_read(op->input, arena, row * op->stride_h),
                            stride, (int8_t *)mcu_write(op->output, arena, row));
    }
}

#endif
