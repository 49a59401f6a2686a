/* CONV_2D for Helium: pixels are read where they lie (1x1 windows), or windows are gathered a few at a time. */
#ifndef TFLM_MCUNET_CONV2D_MVE_H
#define TFLM_MCUNET_CONV2D_MVE_H

#include "mcu_block_mve.h"
#include "mcu_matrix_mve.h"

/* `weights` are a stream of mcu_matrix_mve.h. A window is `kernel_h` times `pieces` contiguous pieces of `piece` pixels; piece p
   lies inside the image for the columns from inside[2 * p] up to inside[2 * p + 1].
   Scratch: `batch` windows, `pitch` bytes apart. */
struct mcu_conv2d_mve {
    const struct mcu_tensor *input, *output;
    const int32_t *weights;
    const int16_t *inside;
    uint32_t scratch;
    int16_t depth, in_h, in_w, in_c, out_w, out_c;
    int16_t kernel_h, pieces, piece, stride_h, stride_w, dilation_h, dilation_w, pad_h, pad_w;
    int16_t batch, pitch;
    int16_t in_zero, out_zero, out_min, out_max;
};

static inline void mcu_conv2d_mve_prepare(const struct mcu_conv2d_mve *op, int32_t pitch, struct mcu_matrix_mve_run *run)
{
    run->pitch = pitch;
    run->weights = op->weights;
    run->depth = op->depth;
    run->channels = op->out_c;
    run->zero = op->out_zero;
    run->low = op->out_min;
    run->high = op->out_max;
}

/* Piece `piece` of row `in` for one window at the image's edge. */
static inline void mcu_conv2d_mve_edge(const struct mcu_conv2d_mve *op, const int8_t *in, int32_t x, int8_t *to)
{
    const int32_t length = op->piece * op->in_c;
    const int32_t before = x >= 0 ? 0 : -x < op->piece ? -x : op->piece;
    const int32_t inside = op->in_w - x < op->piece ? op->in_w - x : op->piece;
    const int32_t end = inside > before ? inside : before;
    mcu_fill_mve(to, op->in_zero, length, 0, 1);
    if (end > before) {
        const ptrdiff_t skip = (ptrdiff_t)before * op->in_c;
        mcu_copy_mve(to + skip, in + (ptrdiff_t)x * op->in_c + skip, (end - before) * op->in_c, 0, 0, 1);
    }
}

/* The windows of `count` outputs from (row, column) on. */
static inline void mcu_conv2d_mve_gather(const struct mcu_conv2d_mve *op, const unsigned char *arena, int32_t row, int32_t column,
                                         int32_t count, int8_t *to)
{
    const int32_t length = op->piece * op->in_c, step = op->stride_w * op->in_c;
    int32_t ky, piece, i;
    for (ky = 0; ky < op->kernel_h; ++ky) {
        const int32_t y = row * op->stride_h - op->pad_h + ky * op->dilation_h;
        const int8_t *in;
        if (y < 0 || y >= op->in_h) {
            mcu_fill_mve(to, op->in_zero, length * op->pieces, op->pitch, count);
            to += length * op->pieces;
            continue;
        }
        in = (const int8_t *)mcu_read(op->input, arena, y);
        for (piece = 0; piece < op->pieces; ++piece, to += length) {
            const int32_t x = column * op->stride_w - op->pad_w + piece * op->dilation_w;
            const int32_t first = mcu_clamp(op->inside[2 * piece] - column, 0, count);
            const int32_t end = mcu_clamp(op->inside[2 * piece + 1] - column, first, count);
            for (i = 0; i < first; ++i) {
                mcu_conv2d_mve_edge(op, in, x + i * op->stride_w, to + i * op->pitch);
            }
            if (end > first) {
                mcu_copy_mve(to + first * op->pitch, in + (ptrdiff_t)(x + first * op->stride_w) * op->in_c, length, op->pitch, step,
                             end - first);
            }
            for (i = end; i < count; ++i) {
                mcu_conv2d_mve_edge(op, in, x + i * op->stride_w, to + i * op->pitch);
            }
        }
    }
}

/* Any window. A batch may run over from one row to the next where the output is dense. */
static inline void mcu_conv2d_mve_windows(const struct mcu_conv2d_mve *op, unsigned char *arena, int32_t first, int32_t last,
                                          const struct mcu_matrix_mve_kernels *kernels)
{
    int8_t *const windows = (int8_t *)(arena + op->scratch);
    struct mcu_matrix_mve_run run;
    int8_t *out = NULL;
    int32_t pixels = 0, row, column, count;
    mcu_conv2d_mve_prepare(op, op->pitch, &run);
    for (row = first; row < last; ++row) {
        int8_t *const next = (int8_t *)mcu_write(op->output, arena, row);
        if (pixels && next != out + pixels * op->out_c) {
            mcu_matrix_mve(&run, kernels, windows, out, pixels);
            pixels = 0;
        }
        for (column = 0; column < op->out_w; column += count) {
            if (pixels == 0) {
                out = next + column * op->out_c;
            }
            count = op->out_w - column < op->batch - pixels ? op->out_w - column : op->batch - pixels;
            mcu_conv2d_mve_gather(op, arena, row, column, count, windows + pixels * op->pitch);
            pixels += count;
            if (pixels == op->batch) {
                mcu_matrix_mve(&run, kernels, windows, out, pixels);
                pixels = 0;
            }
        }
    }
    if (pixels) {
        mcu_matrix_mve(&run, kernels, windows, out, pixels);
    }
}

/* 1x1 windows without padding; rows that lie one after the other are one. */
static inline void mcu_conv2d_mve_pixels(const struct mcu_conv2d_mve *op, unsigned char *arena, int32_t first, int32_t last,
                                         const struct mcu_matrix_mve_kernels *kernels)
{
    const int32_t merge = op->stride_h == 1 && op->stride_w == 1;
    struct mcu_matrix_mve_run run;
    int32_t row = first;
    mcu_conv2d_mve_prepare(op, op->stride_w * op->in_c, &run);
    while (row < last) {
        const int8_t *in = (const int8_t *)mcu_read(op->input, arena, row * op->stride_h);
        int8_t *out = (int8_t *)mcu_write(op->output, arena, row);
        int32_t pixels = op->out_w;
        while (++row < last && merge && mcu_read(op->input, arena, row) == in + pixels * op->in_c &&
               mcu_write(op->output, arena, row) == out + pixels * op->out_c) {
            pixels += op->out_w;
        }
        mcu_matrix_mve(&run, kernels, in, out, pixels);
    }
}

#define MCU_CONV2D_MVE(name, rows, kernels)                                                             \
    static MCU_UNUSED void name(const void *record, unsigned char *arena, int32_t first, int32_t last)   \
    {                                                                                                   \
        rows((const struct mcu_conv2d_mve *)record, arena, first, last, kernels);                       \
    }

MCU_CONV2D_MVE(mcu_conv2d_mve_relu, mcu_conv2d_mve_windows, &mcu_matrix_mve_relu)
MCU_CONV2D_MVE(mcu_conv2d_mve_linear, mcu_conv2d_mve_windows, &mcu_matrix_mve_linear)
MCU_CONV2D_MVE(mcu_conv2d_mve_clamped, mcu_conv2d_mve_windows, &mcu_matrix_mve_clamped)
MCU_CONV2D_MVE(mcu_conv2d_mve_pointwise_relu, mcu_conv2d_mve_pixels, &mcu_matrix_mve_relu)
MCU_CONV2D_MVE(mcu_conv2d_mve_pointwise_linear, mcu_conv2d_mve_pixels, &mcu_matrix_mve_linear)
MCU_CONV2D_MVE(mcu_conv2d_mve_pointwise_clamped, mcu_conv2d_mve_pixels, &mcu_matrix_mve_clamped)

#endif
