/* DEPTHWISE_CONV_2D: every channel has a window of its own, int8 in and out. */
#ifndef TFLM_MCUNET_DEPTHWISE_CONV2D_H
#define TFLM_MCUNET_DEPTHWISE_CONV2D_H

#include "mcu_fixed_point.h"
#include "mcu_rows.h"

/* `weights` are [kernel_h][kernel_w][in_c * depth_multiplier]. */
struct mcu_depthwise_conv2d {
    const struct mcu_tensor *input, *output;
    const int8_t *weights;
    const int32_t *bias;
    const int32_t *multiplier;
    const int8_t *shift;
    int16_t in_h, in_w, in_c, out_w, depth_multiplier;
    int16_t kernel_h, kernel_w, stride_h, stride_w, dilation_h, dilation_w, pad_h, pad_w;
    int16_t in_zero, out_zero, out_min, out_max;
};

/* The first tap of a window from `origin` on that is not before the image. */
static inline int32_t mcu_first_tap(int32_t origin, int32_t dilation)
{
    return origin >= 0 ? 0 : (dilation - 1 - origin) / dilation;
}

/* The first tap, of at most `size`, that is past an image of `extent` positions. */
static inline int32_t mcu_end_tap(int32_t origin, int32_t dilation, int32_t size, int32_t extent)
{
    const int32_t inside = origin >= extent ? 0 : (extent - origin + dilation - 1) / dilation;
    return inside < size ? inside : size;
}

static inline void mcu_depthwise_conv2d_pixel(const struct mcu_depthwise_conv2d *op, const unsigned char *arena, int32_t row,
                                              int32_t column, int8_t *out)
{
    const int32_t channels = op->in_c * op->depth_multiplier;
    const int32_t y = row * op->stride_h - op->pad_h;
    const int32_t x = column * op->stride_w - op->pad_w;
    const int32_t first_y = mcu_first_tap(y, op->dilation_h);
    const int32_t end_y = mcu_end_tap(y, op->dilation_h, op->kernel_h, op->in_h);
    const int32_t first_x = mcu_first_tap(x, op->dilation_w);
    const int32_t end_x = mcu_end_tap(x, op->dilation_w, op->kernel_w, op->in_w);
    const ptrdiff_t tap_bytes = (ptrdiff_t)op->dilation_w * op->in_c;
    int32_t c, in_channel, replica, ky, kx;
    for (c = 0, in_channel = 0; in_channel < op->in_c; ++in_channel) {
        for (replica = 0; replica < op->depth_multiplier; ++replica, ++c) {
            uint32_t sum = (uint32_t)op->bias[c];
            int32_t value;
            for (ky = first_y; ky < end_y; ++ky) {
                const int8_t *in = (const int8_t *)mcu_read(op->input, arena, y + ky * op->dilation_h);
                const int8_t *weight = op->weights + ((ptrdiff_t)ky * op->kernel_w + first_x) * channels + c;
                in += (x + first_x * op->dilation_w) * op->in_c + in_channel;
                for (kx = first_x; kx < end_x; ++kx, in += tap_bytes, weight += channels) {
                    sum += (uint32_t)((*in - op->in_zero) * *weight);
                }
            }
            value = mcu_rescale((int32_t)sum, op->multiplier[c], op->shift[c]) + op->out_zero;
            out[c] = (int8_t)mcu_clamp(value, op->out_min, op->out_max);
        }
    }
}

static inline void mcu_depthwise_conv2d(const void *record, unsigned char *arena, int32_t first, int32_t last)
{
    const struct mcu_depthwise_conv2d *op = (const struct mcu_depthwise_conv2d *)record;
    const int32_t channels = op->in_c * op->depth_multiplier;
    int32_t row, column;
    for (row = first; row < last; ++row) {
        int8_t *out = (int8_t *)mcu_write(op->output, arena, row);
        for (column = 0; column < op->out_w; ++column, out += channels) {
            mcu_depthwise_conv2d_pixel(op, arena, row, column, out);
        }
    }
}

#endif
