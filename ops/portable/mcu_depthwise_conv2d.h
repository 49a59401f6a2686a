/* DEPTHWISE_CONV_2D: every channel has a window of its own, int8 in and out. */
#ifndef TFLM_MCUNET_DEPTHWISE_CONV2D_H
#define TFLM_MCUNET_DEPTHWISE_CONV2D_H

#include "mcu_outputs.h"
#include "mcu_rows.h"

#define MCU_DEPTHWISE_ROWS 16   /* the most a window may have */
#define MCU_DEPTHWISE_COLUMNS 4 /* computed together, in one channel */
#define MCU_DEPTHWISE_BLOCK 4   /* channels that are computed together, in one column; there are no fewer */

/* `weights` are blocks of four channels, [block][kernel_h][kernel_w][channel]; where the channels are no multiple of four, the last
   block is that of the last four. From output column `interior` on, `columns` windows lie inside the image from left to right. */
struct mcu_depthwise_conv2d {
    const struct mcu_tensor *input, *output;
    const int8_t *weights;
    struct mcu_outputs outputs;
    int16_t in_h, in_w, in_c, out_w;
    int16_t kernel_h, kernel_w, stride_h, stride_w, dilation_h, dilation_w, pad_h, pad_w;
    int16_t interior, columns;
    int16_t in_zero;
};

/* The part of a window inside the image: `rows` rows at `row`, the first of which has the weights from tap `tap` on. Then
   `columns` taps from `left` on, which lie `at` bytes into the rows. */
struct mcu_depthwise_window {
    const int8_t *row[MCU_DEPTHWISE_ROWS];
    int32_t rows, tap;
    int32_t left, columns;
    ptrdiff_t at;
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

static inline void mcu_depthwise_rows(const struct mcu_depthwise_conv2d *op, const unsigned char *arena, int32_t row,
                                      struct mcu_depthwise_window *window)
{
    const int32_t y = row * op->stride_h - op->pad_h;
    const int32_t first = mcu_first_tap(y, op->dilation_h), end = mcu_end_tap(y, op->dilation_h, op->kernel_h, op->in_h);
    int32_t ky;
    for (ky = first; ky < end; ++ky) {
        window->row[ky - first] = (const int8_t *)mcu_read(op->input, arena, y + ky * op->dilation_h);
    }
    window->rows = end > first ? end - first : 0;
    window->tap = first * op->kernel_w;
}

static inline void mcu_depthwise_columns(const struct mcu_depthwise_conv2d *op, int32_t column, struct mcu_depthwise_window *window)
{
    const int32_t x = column * op->stride_w - op->pad_w;
    const int32_t end = mcu_end_tap(x, op->dilation_w, op->kernel_w, op->in_w);
    window->left = mcu_first_tap(x, op->dilation_w);
    window->columns = end > window->left ? end - window->left : 0;
    window->at = (ptrdiff_t)(x + window->left * op->dilation_w) * op->in_c;
}

/* The sums of four channels. */
MCU_APART static void mcu_depthwise_block(const struct mcu_depthwise_conv2d *op, const struct mcu_depthwise_window *window,
                                          int32_t channel, const int8_t *weights, int32_t *sums)
{
    const ptrdiff_t at = window->at + channel, tap = (ptrdiff_t)op->dilation_w * op->in_c;
    const int8_t *const *row = window->row, *const *const end = row + window->rows;
    const int32_t zero = op->in_zero, skipped = MCU_DEPTHWISE_BLOCK * (op->kernel_w - window->columns);
    int32_t a = 0, b = 0, c = 0, d = 0;
    weights += MCU_DEPTHWISE_BLOCK * (window->tap + window->left);
    for (; row != end; ++row, weights += skipped) {
        const int8_t *in = *row + at, *const last = weights + MCU_DEPTHWISE_BLOCK * window->columns;
        for (; weights != last; weights += MCU_DEPTHWISE_BLOCK, in += tap) {
            a += (in[0] - zero) * weights[0];
            b += (in[1] - zero) * weights[1];
            c += (in[2] - zero) * weights[2];
            d += (in[3] - zero) * weights[3];
        }
    }
    sums[0] = a, sums[1] = b, sums[2] = c, sums[3] = d;
}

/* `count` channels of a block from `channel` on, whose weights begin at `weights`, for four columns whose windows lie inside the image
   from left to right. What the zero point adds to all of them comes off at the end. */
MCU_APART static void mcu_depthwise_four(const struct mcu_depthwise_conv2d *op, const struct mcu_depthwise_window *window,
                                         int32_t channel, int32_t count, const int8_t *weights, int8_t *out)
{
    const ptrdiff_t tap = (ptrdiff_t)op->dilation_w * op->in_c, next = (ptrdiff_t)op->stride_w * op->in_c;
    const int8_t *const *const end = window->row + window->rows;
    const int32_t kernel_w = MCU_DEPTHWISE_BLOCK * op->kernel_w;
    weights += MCU_DEPTHWISE_BLOCK * window->tap;
    for (; count > 0; --count, ++channel, ++weights) {
        const int8_t *const *row = window->row, *from = weights;
        const struct mcu_outputs *outputs = &op->outputs;
        const int32_t shift = outputs->shift[channel], multiplier = outputs->multiplier[channel], zero = outputs->zero;
        int32_t a = 0, b = 0, c = 0, d = 0, bias = 0;
        int8_t *to = out + channel;
        for (; row != end; ++row) {
            const int8_t *in = *row + window->at + channel, *const last = from + kernel_w;
            for (; from != last; from += MCU_DEPTHWISE_BLOCK, in += tap) {
                const int32_t weight = *from;
                bias -= weight;
                a += in[0] * weight;
                b += in[next] * weight;
                c += in[2 * next] * weight;
                d += in[3 * next] * weight;
            }
        }
        bias = (int32_t)((uint32_t)outputs->bias[channel] + (uint32_t)(op->in_zero * bias));
        to[0] = mcu_output(a, bias, multiplier, shift, zero);
        to[op->in_c] = mcu_output(b, bias, multiplier, shift, zero);
        to[2 * op->in_c] = mcu_output(c, bias, multiplier, shift, zero);
        to[3 * op->in_c] = mcu_output(d, bias, multiplier, shift, zero);
    }
}

/* All channels of `count` columns from `column` on, one column at a time. */
static inline void mcu_depthwise_blocks(const struct mcu_depthwise_conv2d *op, struct mcu_depthwise_window *window, int32_t column,
                                        int32_t count, int8_t *out)
{
    const int32_t block_weights = MCU_DEPTHWISE_BLOCK * op->kernel_h * op->kernel_w, last = op->in_c - MCU_DEPTHWISE_BLOCK;
    int32_t sums[MCU_DEPTHWISE_BLOCK];
    for (; count > 0; --count, ++column, out += op->in_c) {
        const int8_t *weights = op->weights;
        int32_t channel;
        mcu_depthwise_columns(op, column, window);
        for (channel = 0; channel < op->in_c; channel += MCU_DEPTHWISE_BLOCK, weights += block_weights) {
            const int32_t first = channel < last ? channel : last;
            mcu_depthwise_block(op, window, first, weights, sums);
            mcu_outputs(&op->outputs, first, MCU_DEPTHWISE_BLOCK, sums, out + first);
        }
    }
}

/* All channels of `count` interior columns from `column` on, a multiple of four. */
static inline void mcu_depthwise_fours(const struct mcu_depthwise_conv2d *op, struct mcu_depthwise_window *window, int32_t column,
                                       int32_t count, int8_t *out)
{
    const int32_t block_weights = MCU_DEPTHWISE_BLOCK * op->kernel_h * op->kernel_w;
    for (; count > 0; count -= MCU_DEPTHWISE_COLUMNS, column += MCU_DEPTHWISE_COLUMNS, out += MCU_DEPTHWISE_COLUMNS * op->in_c) {
        const int8_t *weights = op->weights;
        int32_t channel;
        mcu_depthwise_columns(op, column, window);
        for (channel = 0; channel < op->in_c; channel += MCU_DEPTHWISE_BLOCK, weights += block_weights) {
            const int32_t left = op->in_c - channel, missing = left < MCU_DEPTHWISE_BLOCK ? MCU_DEPTHWISE_BLOCK - left : 0;
            mcu_depthwise_four(op, window, channel, MCU_DEPTHWISE_BLOCK - missing, weights + missing, out);
        }
    }
}

static inline void mcu_depthwise_conv2d(const void *record, unsigned char *arena, int32_t first, int32_t last)
{
    const struct mcu_depthwise_conv2d *op = (const struct mcu_depthwise_conv2d *)record;
    const int32_t channels = op->in_c;
    const int32_t fours = op->columns & ~(MCU_DEPTHWISE_COLUMNS - 1), rest = op->interior + fours;
    struct mcu_depthwise_window window;
    int32_t row;
    for (row = first; row < last; ++row) {
        int8_t *out = (int8_t *)mcu_write(op->output, arena, row);
        mcu_depthwise_rows(op, arena, row, &window);
        mcu_depthwise_blocks(op, &window, 0, op->interior, out);
        mcu_depthwise_fours(op, &window, op->interior, fours, out + (ptrdiff_t)op->interior * channels);
        mcu_depthwise_blocks(op, &window, rest, op->out_w - rest, out + (ptrdiff_t)rest * channels);
        mcu_outputs_clamp(&op->outputs, out, op->out_w * channels);
    }
}

#endif
