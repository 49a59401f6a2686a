/* A matrix of int8 weights times pixels: blocks of four output channels by one or two pixels. */
#ifndef TFLM_MCUNET_CHANNELS_H
#define TFLM_MCUNET_CHANNELS_H

#include "mcu_outputs.h"

#define MCU_BLOCK 4 /* channels */

/* `weights` are blocks of four channels, tap by tap: [block][tap][channel]; zeros fill the last block (of each group). The biases of
   `outputs` have the input's zero point folded in. No sum of products leaves 32 bits. */
struct mcu_channels {
    const int8_t *weights;
    struct mcu_outputs outputs;
    int32_t taps;
};

/* sums[channel] = weights . in; four taps at a time, so that the loop itself costs little. */
MCU_APART static void mcu_channels_single(const int8_t *weights, const int8_t *in, int32_t taps, int32_t *sums)
{
    const int8_t *const end = in + taps, *const fours = in + (taps & ~3);
    int32_t a = 0, b = 0, c = 0, d = 0;
    for (; in != fours; in += 4, weights += 16) {
        a += in[0] * weights[0], b += in[0] * weights[1], c += in[0] * weights[2], d += in[0] * weights[3];
        a += in[1] * weights[4], b += in[1] * weights[5], c += in[1] * weights[6], d += in[1] * weights[7];
        a += in[2] * weights[8], b += in[2] * weights[9], c += in[2] * weights[10], d += in[2] * weights[11];
        a += in[3] * weights[12], b += in[3] * weights[13], c += in[3] * weights[14], d += in[3] * weights[15];
    }
    for (; in != end; ++in, weights += 4) {
        a += in[0] * weights[0], b += in[0] * weights[1], c += in[0] * weights[2], d += in[0] * weights[3];
    }
    sums[0] = a, sums[1] = b, sums[2] = c, sums[3] = d;
}

/* The same for two pixels: sums[4 + channel] = weights . second. */
MCU_APART static void mcu_channels_pair(const int8_t *weights, const int8_t *in, const int8_t *second, int32_t taps, int32_t *sums)
{
    int32_t a = 0, b = 0, c = 0, d = 0, e = 0, f = 0, g = 0, h = 0;
    for (; taps; --taps, weights += 4) {
        const int32_t s = *in++, t = *second++;
        a += s * weights[0], e += t * weights[0];
        b += s * weights[1], f += t * weights[1];
        c += s * weights[2], g += t * weights[2];
        d += s * weights[3], h += t * weights[3];
    }
    sums[0] = a, sums[1] = b, sums[2] = c, sums[3] = d;
    sums[4] = e, sums[5] = f, sums[6] = g, sums[7] = h;
}

/* The outputs of `count` channels from `first` on, of two pixels. */
static inline void mcu_channels_outputs(const struct mcu_outputs *op, int32_t first, int32_t count, const int32_t *sums,
                                            int8_t *out, int8_t *second)
{
    const int32_t *bias = op->bias + first, *multiplier = op->multiplier + first;
    const int8_t *shift = op->shift + first;
    const int32_t zero = op->zero;
    int32_t i;
    for (i = 0; i < count; ++i) {
        const int32_t b = bias[i], m = multiplier[i], s = shift[i];
        out[i] = mcu_output(sums[i], b, m, s, zero);
        second[i] = mcu_output(sums[MCU_BLOCK + i], b, m, s, zero);
    }
}

/* `count` outputs from channel `first` on, of one pixel; `weights` are theirs. */
static inline void mcu_channels_one(const struct mcu_channels *op, const int8_t *weights, int32_t first, int32_t count,
                                    const int8_t *in, int8_t *out)
{
    int32_t sums[MCU_BLOCK];
    for (; count > 0; count -= MCU_BLOCK, first += MCU_BLOCK, out += MCU_BLOCK, weights += MCU_BLOCK * op->taps) {
        mcu_channels_single(weights, in, op->taps, sums);
        mcu_outputs(&op->outputs, first, count < MCU_BLOCK ? count : MCU_BLOCK, sums, out);
    }
}

/* All outputs of two pixels. */
static inline void mcu_channels_two(const struct mcu_channels *op, int32_t count, const int8_t *in, const int8_t *second, int8_t *out)
{
    const int8_t *weights = op->weights;
    int32_t first, sums[2 * MCU_BLOCK];
    for (first = 0; first < count; first += MCU_BLOCK, weights += MCU_BLOCK * op->taps) {
        const int32_t left = count - first;
        mcu_channels_pair(weights, in, second, op->taps, sums);
        mcu_channels_outputs(&op->outputs, first, left < MCU_BLOCK ? left : MCU_BLOCK, sums, out + first, out + count + first);
    }
}

/* All outputs of pixels that lie `stride` bytes apart. */
static inline void mcu_channels_pixels(const struct mcu_channels *op, int32_t count, int32_t pixels, const int8_t *in,
                                       ptrdiff_t stride, int8_t *out)
{
    int32_t left;
    for (left = pixels; left >= 2; left -= 2, in += 2 * stride, out += 2 * count) {
        mcu_channels_two(op, count, in, in + stride, out);
    }
    if (left) {
        mcu_channels_one(op, op->weights, 0, count, in, out);
        out += count;
    }
    mcu_outputs_clamp(&op->outputs, out - (ptrdiff_t)pixels * count, pixels * count);
}

#endif
