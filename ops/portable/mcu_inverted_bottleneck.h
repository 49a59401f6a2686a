/* INVERTED_BOTTLENECK: a 1x1 convolution, a depthwise one of what that expands, and a 1x1 convolution, int8 in and out. */
#ifndef TFLM_MCUNET_INVERTED_BOTTLENECK_H
#define TFLM_MCUNET_INVERTED_BOTTLENECK_H

#include "mcu_channels.h"
#include "mcu_rows.h"

#define MCU_INVERTED_ROWS 16 /* the most that the windows of a step may have */

/* Steps are `rows` rows of output. `channels` are those of expansion, depthwise convolution and projection. The depthwise weights are
   blocks of four channels, [block][kernel_w][kernel_h][channel]. Scratch: the expanded windows of pixels above one another,
   [kernel_w][span][inner_c] of span = (rows - 1) * stride_h + kernel_h, in which input column x has place (x + pad_w) % kernel_w; and
   a pixel's depthwise outputs, up to a multiple of four. */
struct mcu_inverted_bottleneck {
    const struct mcu_tensor *input, *output;
    const struct mcu_channels *channels;
    uint32_t scratch;
    int16_t in_h, in_w, in_c, inner_c, out_h, out_w, out_c;
    int16_t kernel_h, kernel_w, stride_h, stride_w, pad_h, pad_w;
    int16_t rows;
    int16_t inner_zero;
};

/* Expands one pixel of each of `rows` rows, `at` bytes into them. */
static inline void mcu_inverted_expand(const struct mcu_inverted_bottleneck *op, const int8_t *const *row, int32_t rows, ptrdiff_t at,
                                       int8_t *out)
{
    const struct mcu_channels *expand = op->channels;
    const int32_t inner = op->inner_c;
    int32_t y;
    for (y = 0; y + 1 < rows; y += 2) {
        mcu_channels_two(expand, inner, row[y] + at, row[y + 1] + at, out + y * inner);
    }
    if (y < rows) {
        mcu_channels_one(expand, expand->weights, 0, inner, row[y] + at, out + y * inner);
    }
    mcu_outputs_clamp(&expand->outputs, out, rows * inner);
}

/* The depthwise outputs of a window in columns of `height` bytes, of which the first has place `first`. */
MCU_APART static void mcu_inverted_depthwise(const struct mcu_inverted_bottleneck *op, const int8_t *window, int32_t height,
                                             int32_t first, int8_t *out)
{
    const struct mcu_channels *depthwise = op->channels + 1;
    const int32_t inner = op->inner_c, end = op->kernel_w * height;
    const int8_t *weights = depthwise->weights;
    int32_t channel, sums[MCU_BLOCK];
    for (channel = 0; channel < inner; channel += MCU_BLOCK, window += MCU_BLOCK) {
        const int32_t left = inner - channel;
        int32_t a = 0, b = 0, c = 0, d = 0, column, at = first * height;
        for (column = op->kernel_w; column > 0; --column) {
            const int8_t *in = window + at, *const last = weights + MCU_BLOCK * op->kernel_h;
            for (; weights != last; weights += MCU_BLOCK, in += inner) {
                a += in[0] * weights[0];
                b += in[1] * weights[1];
                c += in[2] * weights[2];
                d += in[3] * weights[3];
            }
            at = at + height == end ? 0 : at + height;
        }
        sums[0] = a, sums[1] = b, sums[2] = c, sums[3] = d;
        mcu_outputs(&depthwise->outputs, channel, left < MCU_BLOCK ? left : MCU_BLOCK, sums, out + channel);
    }
    mcu_outputs_clamp(&depthwise->outputs, out, inner);
}

/* The `count` rows of outputs of a step. Rows of the window outside the image stay what they are at first, zero points; columns are
   set to them. */
static inline void mcu_inverted_rows(const struct mcu_inverted_bottleneck *op, unsigned char *arena, int32_t row, int32_t count)
{
    const struct mcu_channels *project = op->channels + 2;
    const int32_t inner = op->inner_c, width = op->kernel_w, height = ((op->rows - 1) * op->stride_h + op->kernel_h) * inner;
    const int32_t y = row * op->stride_h - op->pad_h, top = y < 0 ? -y : 0;
    const int32_t span = (count - 1) * op->stride_h + op->kernel_h, rows = (op->in_h - y < span ? op->in_h - y : span) - top;
    int8_t *window = (int8_t *)(arena + op->scratch), *const pixel = window + width * height;
    const int8_t *in[MCU_INVERTED_ROWS];
    int8_t *out[MCU_INVERTED_ROWS];
    int32_t column, i, x = 0; /* from the left edge of the padding on */
    for (i = 0; i < rows; ++i) {
        in[i] = (const int8_t *)mcu_read(op->input, arena, y + top + i);
    }
    for (i = 0; i < count; ++i) {
        out[i] = (int8_t *)mcu_write(op->output, arena, row + i);
    }
    memset(window, op->inner_zero, (size_t)(width * height));
    for (column = 0; column < op->out_w; ++column) {
        const int32_t left = column * op->stride_w;
        for (x = x < left ? left : x; x < left + width; ++x) {
            const int32_t source = x - op->pad_w;
            int8_t *place = window + x % width * height;
            if (source < 0 || source >= op->in_w) {
                memset(place, op->inner_zero, (size_t)height);
            } else {
                mcu_inverted_expand(op, in, rows, (ptrdiff_t)source * op->in_c, place + top * inner);
            }
        }
        for (i = 0; i < count; ++i) {
            mcu_inverted_depthwise(op, window + i * op->stride_h * inner, height, left % width, pixel);
            mcu_channels_one(project, project->weights, 0, op->out_c, pixel, out[i]);
            mcu_outputs_clamp(&project->outputs, out[i], op->out_c);
            out[i] += op->out_c;
        }
    }
}

static inline void mcu_inverted_bottleneck(const void *record, unsigned char *arena, int32_t first, int32_t last)
{
    const struct mcu_inverted_bottleneck *op = (const struct mcu_inverted_bottleneck *)record;
    for (; first < last; ++first) {
        const int32_t row = first * op->rows, left = op->out_h - row;
        mcu_inverted_rows(op, arena, row, left < op->rows ? left : op->rows);
    }
}

#endif
