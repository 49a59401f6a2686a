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

/* Taps that are unrolled, and channels whose sums are kept until they are rescaled together: so that loops and calls cost little. */
#ifdef __OPTIMIZE_SIZE__
#define MCU_TAPS 4
#define MCU_SUMS MCU_BLOCK
#else
#define MCU_TAPS 32
#define MCU_SUMS (8 * MCU_BLOCK)
#endif

#define MCU_TAP(t) \
    a += in[t] * weights[4 * (t)], b += in[t] * weights[4 * (t) + 1], c += in[t] * weights[4 * (t) + 2], d += in[t] * weights[4 * (t) + 3]
#define MCU_TAPS_4(t) MCU_TAP(t), MCU_TAP((t) + 1), MCU_TAP((t) + 2), MCU_TAP((t) + 3)
#define MCU_TAPS_16(t) MCU_TAPS_4(t), MCU_TAPS_4((t) + 4), MCU_TAPS_4((t) + 8), MCU_TAPS_4((t) + 12)

/* sums[channel] = weights . in, for the channels of all blocks that begin before `end`, at least one. */
MCU_APART static void mcu_channels_single(const int8_t *weights, const int8_t *first, int32_t taps, int32_t *sums, const int32_t *end)
{
    const int8_t *const rest = first + (taps & (MCU_TAPS - 1)), *next = weights;
    do {
        const int8_t *in;
        int32_t a = 0, b = 0, c = 0, d = 0;
        next += MCU_BLOCK * taps;
        for (in = first; in != rest; ++in, weights += MCU_BLOCK) {
            MCU_TAP(0);
        }
        for (; weights != next; in += MCU_TAPS, weights += MCU_BLOCK * MCU_TAPS) {
#if MCU_TAPS == 4
            MCU_TAPS_4(0);
#else
            MCU_TAPS_16(0), MCU_TAPS_16(16);
#endif
        }
        sums[0] = a, sums[1] = b, sums[2] = c, sums[3] = d;
        sums += MCU_BLOCK;
    } while (sums < end);
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
    int32_t sums[MCU_SUMS];
    for (; count > 0; count -= MCU_SUMS, first += MCU_SUMS, out += MCU_SUMS, weights += MCU_SUMS * op->taps) {
        const int32_t together = count < MCU_SUMS ? count : MCU_SUMS;
        mcu_channels_single(weights, in, op->taps, sums, sums + together);
        mcu_outputs(&op->outputs, first, together, sums, out);
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
