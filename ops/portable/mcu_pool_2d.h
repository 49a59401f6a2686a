/* AVERAGE_POOL_2D and MAX_POOL_2D over windows; taps outside the image do not count. */
#ifndef TFLM_MCUNET_POOL_2D_H
#define TFLM_MCUNET_POOL_2D_H

#include "mcu_fixed_point.h"
#include "mcu_rows.h"

#define MCU_POOL_CHANNELS 16 /* summed side by side */

struct mcu_pool_2d {
    const struct mcu_tensor *input, *output;
    int16_t in_h, in_w, out_w, channels;
    int16_t window_h, window_w, stride_h, stride_w, pad_h, pad_w;
    int16_t out_min, out_max;
};

/* The part of a window that lies inside the image: rows [top, bottom), columns [left, right); never empty. */
struct mcu_pool_window {
    int32_t top, bottom, left, right;
};

static inline struct mcu_pool_window mcu_pool_clip(const struct mcu_pool_2d *op, int32_t row, int32_t column)
{
    const int32_t y = row * op->stride_h - op->pad_h;
    const int32_t x = column * op->stride_w - op->pad_w;
    struct mcu_pool_window window;
    window.top = y > 0 ? y : 0;
    window.left = x > 0 ? x : 0;
    window.bottom = y + op->window_h < op->in_h ? y + op->window_h : op->in_h;
    window.right = x + op->window_w < op->in_w ? x + op->window_w : op->in_w;
    return window;
}

/* The means of channels [channel, channel + channels) of a window. */
static inline void mcu_pool_average(const struct mcu_pool_2d *op, const unsigned char *arena,
                                    const struct mcu_pool_window *window, int32_t channel, int32_t channels, int8_t *out)
{
    const int32_t count = (window->bottom - window->top) * (window->right - window->left);
    uint32_t sums[MCU_POOL_CHANNELS] = {0};
    int32_t y, x, c;
    for (y = window->top; y < window->bottom; ++y) {
        const int8_t *in = (const int8_t *)mcu_read(op->input, arena, y) + (ptrdiff_t)window->left * op->channels + channel;
        for (x = window->left; x < window->right; ++x, in += op->channels) {
            for (c = 0; c < channels; ++c) {
                const int32_t value = in[c];
                sums[c] += (uint32_t)value;
            }
        }
    }
    for (c = 0; c < channels; ++c) {
        out[c] = (int8_t)mcu_clamp(mcu_average(sums[c], count), op->out_min, op->out_max);
    }
}

static inline void mcu_average_pool_2d(const void *record, unsigned char *arena, int32_t first, int32_t last)
{
    const struct mcu_pool_2d *op = (const struct mcu_pool_2d *)record;
    int32_t row, column, channel;
    for (row = first; row < last; ++row) {
        int8_t *out = (int8_t *)mcu_write(op->output, arena, row);
        for (column = 0; column < op->out_w; ++column, out += op->channels) {
            const struct mcu_pool_window window = mcu_pool_clip(op, row, column);
            for (channel = 0; channel < op->channels; channel += MCU_POOL_CHANNELS) {
                const int32_t left = op->channels - channel;
                const int32_t channels = left < MCU_POOL_CHANNELS ? left : MCU_POOL_CHANNELS;
                mcu_pool_average(op, arena, &window, channel, channels, out + channel);
            }
        }
    }
}

/* The largest taps of a window, collected in the output. */
static inline void mcu_pool_largest(const struct mcu_pool_2d *op, const unsigned char *arena,
                                    const struct mcu_pool_window *window, int8_t *out)
{
    int32_t y, x, c;
    memset(out, op->out_min, (size_t)op->channels);
    for (y = window->top; y < window->bottom; ++y) {
        const int8_t *in = (const int8_t *)mcu_read(op->input, arena, y) + (ptrdiff_t)window->left * op->channels;
        for (x = window->left; x < window->right; ++x, in += op->channels) {
            for (c = 0; c < op->channels; ++c) {
                out[c] = in[c] > out[c] ? in[c] : out[c];
            }
        }
    }
    for (c = 0; c < op->channels; ++c) {
        out[c] = out[c] < op->out_max ? out[c] : (int8_t)op->out_max;
    }
}

static inline void mcu_max_pool_2d(const void *record, unsigned char *arena, int32_t first, int32_t last)
{
    const struct mcu_pool_2d *op = (const struct mcu_pool_2d *)record;
    int32_t row, column;
    for (row = first; row < last; ++row) {
        int8_t *out = (int8_t *)mcu_write(op->output, arena, row);
        for (column = 0; column < op->out_w; ++column, out += op->channels) {
            const struct mcu_pool_window window = mcu_pool_clip(op, row, column);
            mcu_pool_largest(op, arena, &window, out);
        }
    }
}

#endif
