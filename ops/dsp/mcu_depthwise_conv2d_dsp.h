/* DEPTHWISE_CONV_2D with windows of 3x3, 5x5 or 7x7 and stride 1 or 2, on channel-major rows of 16-bit values.

   Four channels at a time, the input rows of a strip of output rows are gathered into planes in scratch: rows of int16 with zero
   points around them. In a plane, a word is two neighbouring columns, so SMLAD multiplies two taps. Then for every output channel
   weights are widened to 16 bits and scaled, and a kernel walks down the strip in blocks of 4, 2 or 3 columns.

   Three tails finish a block:  rectified  smmlar, asr, ssat: zero point and least output are -128, the greatest 127;
                                linear     the same with the sign term, for outputs -128..127 around any zero point;
                                raw        the accumulators themselves, which C then requantises: any clamp, any multiplier. */
#ifndef TFLM_MCUNET_DEPTHWISE_CONV2D_DSP_H
#define TFLM_MCUNET_DEPTHWISE_CONV2D_DSP_H

#include "mcu_dsp.h"
#include "mcu_fixed_point.h"
#include "mcu_rows.h"

/* `weights` are [out_c][kernel][kernel], `bias` has the input's zero point folded in. `window_h` is the height of the window: what
   is below it or to the right of it has zero weights. `pitch` is the bytes of a row in a plane, `columns` the input columns that
   windows touch, `strip` the output rows that planes hold rows for.
   Scratch, in bytes: planes, record (4 * (12 + kernel * words)), table (4 * strip) and for the raw tail 4 * strip * max(out_w, 2). */
struct mcu_depthwise_conv2d_dsp {
    const struct mcu_tensor *input, *output;
    const int8_t *weights;
    const int32_t *bias;
    const int32_t *multiplier;
    const int8_t *shift;
    uint32_t scratch;
    int16_t in_h, in_c, out_w, depth_multiplier;
    int16_t kernel, window_h, stride, pad_h, pad_w;
    int16_t in_zero, out_zero, out_min, out_max;
    int16_t columns, pitch, strip;
};

#if defined(__GNUC__) || defined(__clang__)
#define MCU_DW_SHARED static inline __attribute__((noinline))
#else
#define MCU_DW_SHARED static
#endif

enum { MCU_DW_RECTIFIED, MCU_DW_LINEAR, MCU_DW_RAW };

static inline int32_t mcu_dw_plane_bytes(const struct mcu_depthwise_conv2d_dsp *op)
{
    return ((op->strip - 1) * op->stride + op->kernel) * op->pitch;
}

/* ---- gathering ---- */

/* Pixels of `planes` channels into the same column of as many planes. */
static inline void mcu_dw_gather_pixel(const int8_t *in, int16_t *to, int32_t planes, int32_t plane_bytes)
{
    int32_t plane;
    for (plane = 0; plane < planes; ++plane) {
        *to = in[plane];
        to = (int16_t *)((char *)to + plane_bytes);
    }
}

/* `pairs` pairs of pixels of four channels into four planes. `to` is a whole word. */
static inline void mcu_dw_gather_pairs(const int8_t *in, int16_t *to, int32_t pixel_bytes, int32_t plane_bytes, int32_t pairs)
{
#if MCU_DSP
    /* r4 r5 two pixels: c3 c2 c1 c0; then r6 = b1 b0 a1 a0 and r7 = b3 b2 a3 a2, of which SXTB16 takes every other byte */
    const int32_t third = 3 * plane_bytes;
    __asm__ volatile(
        "1:\n"
        "ldr r5, [%[in], %[pixel]]\n"
        "ldr r4, [%[in]]\n"
        "add %[in], %[in], %[pixel], lsl #1\n"
        "pkhbt r6, r4, r5, lsl #16\n"
        "pkhtb r8, r5, r4, asr #16\n"
        "sxtb16 r4, r6\n"
        "sxtb16 r5, r6, ror #8\n"
        "sxtb16 r6, r8\n"
        "sxtb16 r8, r8, ror #8\n"
        "str r5, [%[to], %[plane]]\n"
        "str r6, [%[to], %[plane], lsl #1]\n"
        "str r8, [%[to], %[third]]\n"
        "str r4, [%[to]], #4\n"
        "subs %[pairs], #1\n"
        "bne 1b\n"
        : [in] "+r"(in), [to] "+r"(to), [pairs] "+r"(pairs)
        : [pixel] "r"(pixel_bytes), [plane] "r"(plane_bytes), [third] "r"(third)
        : "r4", "r5", "r6", "r8", "cc", "memory");
#else
    for (; pairs; --pairs, in += 2 * pixel_bytes, to += 2) {
        mcu_dw_gather_pixel(in, to, 4, plane_bytes);
        mcu_dw_gather_pixel(in + pixel_bytes, to + 1, 4, plane_bytes);
    }
#endif
}

/* One input row of `planes` channels into the planes, `to` being its first column that is not padding. */
MCU_DW_SHARED void mcu_dw_gather_row(const struct mcu_depthwise_conv2d_dsp *op, const int8_t *in, int16_t *to, int32_t planes)
{
    const int32_t plane_bytes = mcu_dw_plane_bytes(op);
    const int32_t pixel_bytes = op->in_c;
    int32_t columns = op->columns;
    if (planes < 4) {
        for (; columns; --columns, in += pixel_bytes) {
            mcu_dw_gather_pixel(in, to++, planes, plane_bytes);
        }
        return;
    }
    if (op->pad_w & 1) {
        mcu_dw_gather_pixel(in, to++, 4, plane_bytes);
        in += pixel_bytes;
        --columns;
    }
    if (columns > 1) {
        mcu_dw_gather_pairs(in, to, pixel_bytes, plane_bytes, columns / 2);
    }
    if (columns & 1) {
        mcu_dw_gather_pixel(in + (ptrdiff_t)(columns - 1) * pixel_bytes, to + columns - 1, 4, plane_bytes);
    }
}

/* `count` lanes of zero points. */
static inline void mcu_dw_fill(int16_t *to, int32_t count, int32_t zero)
{
    while (count--) {
        *to++ = (int16_t)zero;
    }
}

/* Rows [begin, end) of the planes, of which row 0 is input row `top`, of channels from `channel` on. */
static inline void mcu_dw_gather(const struct mcu_depthwise_conv2d_dsp *op, const unsigned char *arena, int16_t *planes_start,
                                 int32_t channel, int32_t planes, int32_t top, int32_t begin, int32_t end)
{
    int32_t row, plane;
    for (row = begin; row < end; ++row) {
        int16_t *to = (int16_t *)((char *)planes_start + row * op->pitch) + op->pad_w;
        if (top + row >= 0 && top + row < op->in_h) {
            mcu_dw_gather_row(op, (const int8_t *)mcu_read(op->input, arena, top + row) + channel, to, planes);
        } else {
            for (plane = 0; plane < planes; ++plane) {
                mcu_dw_fill((int16_t *)((char *)to + plane * mcu_dw_plane_bytes(op)), op->columns, op->in_zero);
            }
        }
    }
}

/* The rows that the next strip shares with this one move to its start. */
static inline void mcu_dw_slide(const struct mcu_depthwise_conv2d_dsp *op, int16_t *planes_start, int32_t planes)
{
    const int32_t shared = op->window_h - op->stride;
    char *to = (char *)planes_start;
    int32_t row;
    for (; planes; --planes, to += mcu_dw_plane_bytes(op)) {
        for (row = 0; row < shared; ++row) {
            memcpy(to + row * op->pitch, to + (row + op->strip * op->stride) * op->pitch, (size_t)op->pitch);
        }
    }
}

/* ---- arithmetic ---- */

/* A kernel computes `passes` groups of columns of one output channel; its argument is the first of the record's weights. */
typedef void (*mcu_dw_kernel)(int32_t *weights);

/* How a channel is requantised: acc2 = acc << scale; t = smmlar(acc2, multiplier, offset); ssat(t >> shift). */
struct mcu_dw_finish {
    int32_t scale, shift, offset;
};

static inline struct mcu_dw_finish mcu_dw_finish_of(const struct mcu_depthwise_conv2d_dsp *op, int32_t channel, int32_t tail)
{
    const int32_t shift = op->shift[channel];
    struct mcu_dw_finish finish = {0, 0, 0};
    if (tail == MCU_DW_RAW) {
        return finish;
    }
    if (shift < 0) {
        finish.scale = 1;
        finish.shift = -shift;
        finish.offset = (int32_t)((UINT32_C(1) << (-shift - 1)) + ((uint32_t)op->out_zero << -shift));
    } else {
        finish.scale = 1 + shift;
        finish.offset = op->out_zero;
    }
    return finish;
}

/* The outputs of a row from its accumulators. */
MCU_DW_SHARED void mcu_dw_requantize(const struct mcu_depthwise_conv2d_dsp *op, const int32_t *raw, int32_t channel, int8_t *out)
{
    const ptrdiff_t pixel_bytes = (ptrdiff_t)op->in_c * op->depth_multiplier;
    int32_t column;
    for (column = 0; column < op->out_w; ++column, out += pixel_bytes) {
        *out = mcu_requantize(raw[column], op->multiplier[channel], op->shift[channel], op->out_zero, op->out_min, op->out_max);
    }
}

#if MCU_DSP

/* Registers: r0..r3 accumulators; r4 r5 r7 r8 weights; r8 r9 r10 data; r6 table of output rows; r11 window; r12 pitch; lr weights.
   The record, in words relative to the first weight word: */
enum {
    MCU_DW_PITCH = -10,  /* bytes */
    MCU_DW_WINDOW = -9,  /* address */
    MCU_DW_PASSES = -8,
    MCU_DW_TABLE = -7,   /* address */
    MCU_DW_PIXEL = -6,   /* r4 in tails: bytes from one output column to the next */
    MCU_DW_SHIFT = -5,   /* r5 */
    MCU_DW_MULTIPLIER = -4, /* r7 */
    MCU_DW_OFFSET = -3,  /* r8 */
    MCU_DW_COLUMN = -2,  /* r9: bytes from the start of an output row */
    MCU_DW_END = -1,     /* r10: address of the table's end */
    MCU_DW_HEAD = 10
};

/* a = b + lanes of d * lanes of w: both, or top/bottom of d by bottom/top of w */
#define MCU_DW_2(a, d, w, b) "smlad r" #a ", r" #d ", r" #w ", r" #b "\n"
#define MCU_DW_TB(a, d, w, b) "smlatb r" #a ", r" #d ", r" #w ", r" #b "\n"
#define MCU_DW_BT(a, d, w, b) "smlabt r" #a ", r" #d ", r" #w ", r" #b "\n"
#define MCU_DW_BB(a, d, w, b) "smlabb r" #a ", r" #d ", r" #w ", r" #b "\n"
#define MCU_DW_DOWN "add r11, r12\n"

/* One window row for 4, 3 or 2 outputs. x, y, z: what outputs 1, 2 and 3 start from: themselves, or a register with the bias.
   Weights at stride 1: (w0 w1) (w1 w2) (w2 w3) ...; at stride 2: (w0 w1) (w2 w3) ..., with a zero at the end. */

#define MCU_DW_ROW_3S1_4(x, y, z) \
    "ldm r11, {r8, r9, r10}\n" \
    MCU_DW_TB(1, 8, 4, x) MCU_DW_2(2, 9, 4, y) MCU_DW_TB(3, 9, 4, z) MCU_DW_2(0, 8, 4, 0) \
    MCU_DW_BT(0, 9, 5, 0) MCU_DW_2(1, 9, 5, 1) MCU_DW_BT(2, 10, 5, 2) MCU_DW_2(3, 10, 5, 3)
#define MCU_DW_ROW_3S1_3(x, y, z) \
    "ldm r11, {r8, r9, r10}\n" \
    MCU_DW_TB(1, 8, 4, x) MCU_DW_2(2, 9, 4, y) MCU_DW_2(0, 8, 4, 0) \
    MCU_DW_BT(0, 9, 5, 0) MCU_DW_2(1, 9, 5, 1) MCU_DW_BT(2, 10, 5, 2)
#define MCU_DW_ROW_3S1_2(x, y, z) \
    "ldrd r8, r9, [r11]\n" \
    MCU_DW_TB(1, 8, 4, x) MCU_DW_2(0, 8, 4, 0) MCU_DW_BT(0, 9, 5, 0) MCU_DW_2(1, 9, 5, 1)
#define MCU_DW_ROWS_3S1(row) \
    "ldm lr, {r0, r4, r5}\n" row(0, 0, 0) MCU_DW_DOWN \
    "ldrd r4, r5, [lr, #12]\n" row(1, 2, 3) MCU_DW_DOWN \
    "ldrd r4, r5, [lr, #20]\n" row(1, 2, 3) \
    "sub r11, r12\n"

#define MCU_DW_ROW_3S2_4(x, y, z) \
    "ldm r11, {r8, r9, r10}\n" \
    MCU_DW_2(1, 9, 4, x) MCU_DW_2(2, 10, 4, y) MCU_DW_2(0, 8, 4, 0) MCU_DW_BB(0, 9, 5, 0) MCU_DW_BB(1, 10, 5, 1) \
    "ldrd r8, r9, [r11, #12]\n" \
    MCU_DW_BB(2, 8, 5, 2) MCU_DW_2(3, 8, 4, 3) MCU_DW_BB(3, 9, 5, 3)
#define MCU_DW_ROW_3S2_3(x, y, z) \
    "ldm r11, {r8, r9, r10}\n" \
    MCU_DW_2(1, 9, 4, x) MCU_DW_2(2, 10, 4, y) MCU_DW_2(0, 8, 4, 0) MCU_DW_BB(0, 9, 5, 0) MCU_DW_BB(1, 10, 5, 1) \
    "ldr r8, [r11, #12]\n" \
    MCU_DW_BB(2, 8, 5, 2)
#define MCU_DW_ROW_3S2_2(x, y, z) \
    "ldm r11, {r8, r9, r10}\n" \
    MCU_DW_2(1, 9, 4, x) MCU_DW_2(0, 8, 4, 0) MCU_DW_BB(0, 9, 5, 0) MCU_DW_BB(1, 10, 5, 1)
#define MCU_DW_ROWS_3S2(row) \
    "ldm lr, {r0, r3, r4, r5}\n" row(3, 3, 3) MCU_DW_DOWN \
    "ldrd r4, r5, [lr, #16]\n" row(1, 2, 3) MCU_DW_DOWN \
    "ldrd r4, r5, [lr, #24]\n" row(1, 2, 3)

#define MCU_DW_ROW_5S1_4(x, y, z) \
    "ldrd r9, r10, [r11]\n" \
    MCU_DW_TB(1, 9, 4, x) MCU_DW_2(2, 10, 4, y) MCU_DW_TB(3, 10, 4, z) MCU_DW_2(0, 9, 4, 0) \
    MCU_DW_2(0, 10, 7, 0) MCU_DW_2(1, 10, 5, 1) \
    "ldrd r9, r10, [r11, #8]\n" \
    MCU_DW_BT(0, 9, 8, 0) MCU_DW_2(1, 9, 8, 1) MCU_DW_2(2, 9, 7, 2) MCU_DW_2(3, 9, 5, 3) \
    MCU_DW_BT(2, 10, 8, 2) MCU_DW_2(3, 10, 8, 3)
#define MCU_DW_ROW_5S1_3(x, y, z) \
    "ldrd r9, r10, [r11]\n" \
    MCU_DW_TB(1, 9, 4, x) MCU_DW_2(2, 10, 4, y) MCU_DW_2(0, 9, 4, 0) \
    MCU_DW_2(0, 10, 7, 0) MCU_DW_2(1, 10, 5, 1) \
    "ldrd r9, r10, [r11, #8]\n" \
    MCU_DW_BT(0, 9, 8, 0) MCU_DW_2(1, 9, 8, 1) MCU_DW_2(2, 9, 7, 2) MCU_DW_BT(2, 10, 8, 2)
#define MCU_DW_ROW_5S1_2(x, y, z) \
    "ldrd r9, r10, [r11]\n" \
    MCU_DW_TB(1, 9, 4, x) MCU_DW_2(0, 9, 4, 0) MCU_DW_2(0, 10, 7, 0) MCU_DW_2(1, 10, 5, 1) \
    "ldr r9, [r11, #8]\n" \
    MCU_DW_BT(0, 9, 8, 0) MCU_DW_2(1, 9, 8, 1)
#define MCU_DW_NEXT_5S1(row) MCU_DW_DOWN "ldm lr!, {r4, r5, r7, r8}\n" row(1, 2, 3)
#define MCU_DW_ROWS_5S1(row) \
    "ldm lr!, {r0, r4, r5, r7, r8}\n" row(0, 0, 0) \
    MCU_DW_NEXT_5S1(row) MCU_DW_NEXT_5S1(row) MCU_DW_NEXT_5S1(row) MCU_DW_NEXT_5S1(row) \
    "sub lr, #84\n" "sub r11, r11, r12, lsl #1\n" "sub r11, r12\n"

#define MCU_DW_ROW_5S2_4(x, y, z) \
    "ldm r11, {r8, r9, r10}\n" \
    MCU_DW_2(1, 9, 4, x) MCU_DW_2(2, 10, 4, y) MCU_DW_2(0, 8, 4, 0) \
    MCU_DW_2(0, 9, 5, 0) MCU_DW_BB(0, 10, 7, 0) MCU_DW_2(1, 10, 5, 1) \
    "ldrd r8, r9, [r11, #12]\n" "ldr r10, [r11, #20]\n" \
    MCU_DW_BB(1, 8, 7, 1) MCU_DW_2(2, 8, 5, 2) MCU_DW_BB(2, 9, 7, 2) \
    MCU_DW_2(3, 8, 4, 3) MCU_DW_2(3, 9, 5, 3) MCU_DW_BB(3, 10, 7, 3)
#define MCU_DW_ROW_5S2_3(x, y, z) \
    "ldm r11, {r8, r9, r10}\n" \
    MCU_DW_2(1, 9, 4, x) MCU_DW_2(2, 10, 4, y) MCU_DW_2(0, 8, 4, 0) \
    MCU_DW_2(0, 9, 5, 0) MCU_DW_BB(0, 10, 7, 0) MCU_DW_2(1, 10, 5, 1) \
    "ldrd r8, r9, [r11, #12]\n" \
    MCU_DW_BB(1, 8, 7, 1) MCU_DW_2(2, 8, 5, 2) MCU_DW_BB(2, 9, 7, 2)
#define MCU_DW_ROW_5S2_2(x, y, z) \
    "ldm r11, {r8, r9, r10}\n" \
    MCU_DW_2(1, 9, 4, x) MCU_DW_2(0, 8, 4, 0) MCU_DW_2(0, 9, 5, 0) MCU_DW_BB(0, 10, 7, 0) MCU_DW_2(1, 10, 5, 1) \
    "ldr r8, [r11, #12]\n" \
    MCU_DW_BB(1, 8, 7, 1)
#define MCU_DW_NEXT_5S2(row) MCU_DW_DOWN "ldm lr!, {r4, r5, r7}\n" row(1, 2, 3)
#define MCU_DW_ROWS_5S2(row) \
    "ldm lr!, {r0, r3, r4, r5, r7}\n" row(3, 3, 3) \
    MCU_DW_NEXT_5S2(row) MCU_DW_NEXT_5S2(row) MCU_DW_NEXT_5S2(row) MCU_DW_NEXT_5S2(row) \
    "sub lr, #68\n" "sub r11, r11, r12, lsl #1\n"

#define MCU_DW_ROW_7S1_4(x, y, z) \
    "ldrd r9, r10, [r11]\n" \
    MCU_DW_TB(1, 9, 4, x) MCU_DW_2(2, 10, 4, y) MCU_DW_TB(3, 10, 4, z) MCU_DW_2(0, 9, 4, 0) \
    MCU_DW_2(0, 10, 7, 0) MCU_DW_2(1, 10, 5, 1) \
    "ldm lr!, {r4, r8}\n" "ldrd r9, r10, [r11, #8]\n" \
    MCU_DW_2(0, 9, 8, 0) MCU_DW_2(1, 9, 4, 1) MCU_DW_2(2, 9, 7, 2) MCU_DW_2(3, 9, 5, 3) \
    "ldr r5, [lr], #4\n" \
    MCU_DW_BT(0, 10, 5, 0) MCU_DW_2(1, 10, 5, 1) MCU_DW_2(2, 10, 8, 2) MCU_DW_2(3, 10, 4, 3) \
    "ldr r9, [r11, #16]\n" \
    MCU_DW_BT(2, 9, 5, 2) MCU_DW_2(3, 9, 5, 3)
#define MCU_DW_ROW_7S1_3(x, y, z) \
    "ldrd r9, r10, [r11]\n" \
    MCU_DW_TB(1, 9, 4, x) MCU_DW_2(2, 10, 4, y) MCU_DW_2(0, 9, 4, 0) \
    MCU_DW_2(0, 10, 7, 0) MCU_DW_2(1, 10, 5, 1) \
    "ldm lr!, {r4, r5, r8}\n" "ldrd r9, r10, [r11, #8]\n" \
    MCU_DW_2(0, 9, 5, 0) MCU_DW_2(1, 9, 4, 1) MCU_DW_2(2, 9, 7, 2) \
    MCU_DW_BT(0, 10, 8, 0) MCU_DW_2(1, 10, 8, 1) MCU_DW_2(2, 10, 5, 2) \
    "ldr r9, [r11, #16]\n" \
    MCU_DW_BT(2, 9, 8, 2)
#define MCU_DW_ROW_7S1_2(x, y, z) \
    "ldrd r9, r10, [r11]\n" \
    MCU_DW_TB(1, 9, 4, x) MCU_DW_2(0, 9, 4, 0) MCU_DW_2(0, 10, 7, 0) MCU_DW_2(1, 10, 5, 1) \
    "ldm lr!, {r4, r5, r8}\n" "ldrd r9, r10, [r11, #8]\n" \
    MCU_DW_2(0, 9, 5, 0) MCU_DW_2(1, 9, 4, 1) MCU_DW_BT(0, 10, 8, 0) MCU_DW_2(1, 10, 8, 1)
#define MCU_DW_NEXT_7S1(row) MCU_DW_DOWN "ldm lr!, {r4, r5, r7}\n" row(1, 2, 3)
#define MCU_DW_ROWS_7S1(row) \
    "ldm lr!, {r0, r4, r5, r7}\n" row(0, 0, 0) \
    MCU_DW_NEXT_7S1(row) MCU_DW_NEXT_7S1(row) MCU_DW_NEXT_7S1(row) \
    MCU_DW_NEXT_7S1(row) MCU_DW_NEXT_7S1(row) MCU_DW_NEXT_7S1(row) \
    "sub lr, #172\n" "sub r11, r11, r12, lsl #2\n" "sub r11, r12\n"

#define MCU_DW_ROW_7S2_4(x, y, z) \
    "ldrd r9, r10, [r11]\n" \
    MCU_DW_2(1, 10, 4, x) MCU_DW_2(0, 9, 4, 0) MCU_DW_2(0, 10, 5, 0) \
    "ldrd r9, r10, [r11, #8]\n" \
    MCU_DW_2(2, 9, 4, y) MCU_DW_2(3, 10, 4, z) MCU_DW_2(0, 9, 7, 0) MCU_DW_BB(0, 10, 8, 0) \
    MCU_DW_2(1, 9, 5, 1) MCU_DW_2(1, 10, 7, 1) MCU_DW_2(2, 10, 5, 2) \
    "ldrd r9, r10, [r11, #16]\n" \
    MCU_DW_BB(1, 9, 8, 1) MCU_DW_2(2, 9, 7, 2) MCU_DW_BB(2, 10, 8, 2) MCU_DW_2(3, 9, 5, 3) MCU_DW_2(3, 10, 7, 3) \
    "ldr r9, [r11, #24]\n" \
    MCU_DW_BB(3, 9, 8, 3)
#define MCU_DW_ROW_7S2_3(x, y, z) \
    "ldrd r9, r10, [r11]\n" \
    MCU_DW_2(1, 10, 4, x) MCU_DW_2(0, 9, 4, 0) MCU_DW_2(0, 10, 5, 0) \
    "ldrd r9, r10, [r11, #8]\n" \
    MCU_DW_2(2, 9, 4, y) MCU_DW_2(0, 9, 7, 0) MCU_DW_BB(0, 10, 8, 0) \
    MCU_DW_2(1, 9, 5, 1) MCU_DW_2(1, 10, 7, 1) MCU_DW_2(2, 10, 5, 2) \
    "ldrd r9, r10, [r11, #16]\n" \
    MCU_DW_BB(1, 9, 8, 1) MCU_DW_2(2, 9, 7, 2) MCU_DW_BB(2, 10, 8, 2)
#define MCU_DW_ROW_7S2_2(x, y, z) \
    "ldrd r9, r10, [r11]\n" \
    MCU_DW_2(1, 10, 4, x) MCU_DW_2(0, 9, 4, 0) MCU_DW_2(0, 10, 5, 0) \
    "ldrd r9, r10, [r11, #8]\n" \
    MCU_DW_2(0, 9, 7, 0) MCU_DW_BB(0, 10, 8, 0) MCU_DW_2(1, 9, 5, 1) MCU_DW_2(1, 10, 7, 1) \
    "ldr r9, [r11, #16]\n" \
    MCU_DW_BB(1, 9, 8, 1)
#define MCU_DW_NEXT_7S2(row) MCU_DW_DOWN "ldm lr!, {r4, r5, r7, r8}\n" row(1, 2, 3)
#define MCU_DW_ROWS_7S2(row) \
    "ldm lr!, {r0, r3, r4, r5, r7, r8}\n" row(3, 3, 3) \
    MCU_DW_NEXT_7S2(row) MCU_DW_NEXT_7S2(row) MCU_DW_NEXT_7S2(row) \
    MCU_DW_NEXT_7S2(row) MCU_DW_NEXT_7S2(row) MCU_DW_NEXT_7S2(row) \
    "sub lr, #120\n" "sub r11, r11, r12, lsl #2\n"

/* ---- tails: r4 pixel, r5 shift, r7 multiplier, r8 offset, r9 column, r10 end ---- */

#define MCU_DW_RECTIFY(a) "smmlar r" #a ", r" #a ", r7, r8\n" "asrs r" #a ", r5\n" "ssat r" #a ", #8, r" #a "\n"
#define MCU_DW_SIGNED(a) "add r10, r8, r" #a ", asr #31\n" "smmlar r" #a ", r" #a ", r7, r10\n" "asrs r" #a ", r5\n" "ssat r" #a ", #8, r" #a "\n"

/* With one column, pixel is 0: both outputs of a pair go to one place, the first of them last. */
#define MCU_DW_STORE_2 "strb r1, [r7, r4]\n" "strb r0, [r7]\n"
#define MCU_DW_STORE_3 "strb r0, [r7]\n" "strb r1, [r7, r4]\n" "strb r2, [r7, r4, lsl #1]\n"
#define MCU_DW_STORE_4 MCU_DW_STORE_3 "add r7, r7, r4, lsl #1\n" "strb r3, [r7, r4]\n"
#define MCU_DW_EACH_2(each) each(0) each(1)
#define MCU_DW_EACH_3(each) MCU_DW_EACH_2(each) each(2)
#define MCU_DW_EACH_4(each) MCU_DW_EACH_3(each) each(3)
#define MCU_DW_HEAD_OF_TAIL "ldmdb lr, {r4, r5, r7, r8, r9, r10}\n"
#define MCU_DW_ROW_OF_TABLE "ldr r7, [r6], #4\n" "add r7, r9\n"

#define MCU_DW_TAIL_rectified(n) MCU_DW_HEAD_OF_TAIL MCU_DW_EACH_##n(MCU_DW_RECTIFY) MCU_DW_ROW_OF_TABLE MCU_DW_STORE_##n
#define MCU_DW_TAIL_linear(n) \
    MCU_DW_HEAD_OF_TAIL MCU_DW_EACH_##n(MCU_DW_SIGNED) "ldr r10, [lr, #-4]\n" MCU_DW_ROW_OF_TABLE MCU_DW_STORE_##n
#define MCU_DW_SET_2 "{r0, r1}"
#define MCU_DW_SET_3 "{r0, r1, r2}"
#define MCU_DW_SET_4 "{r0, r1, r2, r3}"
#define MCU_DW_TAIL_raw(n) MCU_DW_HEAD_OF_TAIL MCU_DW_ROW_OF_TABLE "stm r7, " MCU_DW_SET_##n "\n"

/* r9 = r9 + n columns */
#define MCU_DW_ACROSS_2 "add r9, r9, r4, lsl #1\n"
#define MCU_DW_ACROSS_3 MCU_DW_ACROSS_2 "add r9, r4\n"
#define MCU_DW_ACROSS_4 "add r9, r9, r4, lsl #2\n"

/* Bytes of n output columns in a window row. */
#define MCU_DW_ADVANCE_S1_2 "4"
#define MCU_DW_ADVANCE_S1_3 "6"
#define MCU_DW_ADVANCE_S1_4 "8"
#define MCU_DW_ADVANCE_S2_2 "8"
#define MCU_DW_ADVANCE_S2_3 "12"
#define MCU_DW_ADVANCE_S2_4 "16"

/* r7 and r11 may be frame pointers, which no list of clobbered registers may name. */
#define MCU_DW_KERNEL(side, step, tail, n) \
    MCU_DW_SHARED void mcu_dw_##side##s##step##_##tail##_##n(int32_t *weights) \
    { \
        register int32_t *record __asm__("r0") = weights; \
        __asm__ volatile("push {r7, r11}\n" \
                         "mov lr, r0\n" \
                         "ldr r12, [lr, #-40]\n" \
                         "ldr r11, [lr, #-36]\n" \
                         "ldr r6, [lr, #-28]\n" \
                         "1:\n" MCU_DW_ROWS_##side##S##step(MCU_DW_ROW_##side##S##step##_##n) MCU_DW_TAIL_##tail(n) \
                         "cmp r6, r10\n" \
                         "bne 1b\n" \
                         "ldrd r11, r1, [lr, #-36]\n" MCU_DW_ACROSS_##n \
                         "add r11, #" MCU_DW_ADVANCE_S##step##_##n "\n" \
                         "subs r1, #1\n" \
                         "strd r11, r1, [lr, #-36]\n" \
                         "str r9, [lr, #-8]\n" \
                         "ldr r6, [lr, #-28]\n" \
                         "bne 1b\n" \
                         "pop {r7, r11}\n" \
                         : "+r"(record) \
                         : \
                         : "r1", "r2", "r3", "r4", "r5", "r6", "r8", "r9", "r10", "r12", "lr", "cc", "memory"); \
    }

#define MCU_DW_WORD(address) ((int32_t)(uintptr_t)(address))

static inline int32_t mcu_dw_pair(int32_t low, int32_t high)
{
    return (int32_t)((uint32_t)(low & 0xffff) | (uint32_t)high << 16);
}

/* The bias, at stride 2 twice, and the scaled weights of a channel as the kernels read them. Returns the end. */
static inline int32_t *mcu_dw_widen(const struct mcu_depthwise_conv2d_dsp *op, int32_t channel, int32_t scale, int32_t *to)
{
    const int32_t kernel = op->kernel;
    const int8_t *weight = op->weights + channel * kernel * kernel;
    const int32_t bias = (int32_t)((uint32_t)op->bias[channel] << scale);
    int32_t y, x;
    *to++ = bias;
    if (op->stride == 2) {
        *to++ = bias;
    }
    for (y = 0; y < kernel; ++y, weight += kernel) {
        int32_t now = weight[0] * (1 << scale);
        for (x = 1; x < kernel; ++x) {
            const int32_t next = weight[x] * (1 << scale);
            if (op->stride == 1 || (x & 1)) {
                *to++ = mcu_dw_pair(now, next);
            }
            now = next;
        }
        if (op->stride == 2) {
            *to++ = mcu_dw_pair(now, 0);
        }
    }
    return to;
}

/* `rows` output rows from `row` on of one output channel. */
static inline void mcu_dw_channel(const struct mcu_depthwise_conv2d_dsp *op, unsigned char *arena, const int16_t *plane,
                                  int32_t *record, int32_t channel, int32_t row, int32_t rows, int32_t tail, mcu_dw_kernel four,
                                  mcu_dw_kernel two, mcu_dw_kernel three)
{
    const struct mcu_dw_finish finish = mcu_dw_finish_of(op, channel, tail);
    int32_t *weights = record + MCU_DW_HEAD;
    int32_t *table = weights + 2 + op->kernel * (op->stride == 1 ? op->kernel - 1 : (op->kernel + 1) / 2);
    int32_t *raw = table + op->strip;
    const int32_t raw_pitch = op->out_w < 2 ? 2 : op->out_w;
    const int32_t odd = (op->out_w & 3) == 1 && op->out_w > 1;
    const int32_t fours = op->out_w / 4 - odd;
    int32_t index;
    mcu_dw_widen(op, channel, finish.scale, weights);
    weights[MCU_DW_PITCH] = op->pitch;
    weights[MCU_DW_WINDOW] = MCU_DW_WORD(plane);
    weights[MCU_DW_TABLE] = MCU_DW_WORD(table);
    weights[MCU_DW_PIXEL] = tail == MCU_DW_RAW ? 4 : op->out_w == 1 ? 0 : op->in_c * op->depth_multiplier;
    weights[MCU_DW_SHIFT] = finish.shift;
    weights[MCU_DW_MULTIPLIER] = op->multiplier[channel];
    weights[MCU_DW_OFFSET] = finish.offset;
    weights[MCU_DW_COLUMN] = tail == MCU_DW_RAW ? 0 : channel;
    weights[MCU_DW_END] = MCU_DW_WORD(table + rows);
    for (index = 0; index < rows; ++index) {
        table[index] = tail == MCU_DW_RAW ? MCU_DW_WORD(raw + index * raw_pitch) : MCU_DW_WORD(mcu_write(op->output, arena, row + index));
    }
    if (four) {
        weights[MCU_DW_PASSES] = fours;
        four(weights);
    }
    if (two) {
        weights[MCU_DW_PASSES] = 1;
        two(weights);
    }
    if (three) {
        weights[MCU_DW_PASSES] = 1;
        three(weights);
    }
    if (tail == MCU_DW_RAW) {
        for (index = 0; index < rows; ++index) {
            mcu_dw_requantize(op, raw + index * raw_pitch, channel, (int8_t *)mcu_write(op->output, arena, row + index) + channel);
        }
    }
}

#else

#define MCU_DW_KERNEL(side, step, tail, n) \
    static inline void mcu_dw_##side##s##step##_##tail##_##n(int32_t *weights) { (void)weights; }

/* Twin: one output row of one output channel. */
static inline void mcu_dw_row(const struct mcu_depthwise_conv2d_dsp *op, const int16_t *plane, int32_t *raw, int32_t channel,
                              int8_t *out, int32_t tail)
{
    const struct mcu_dw_finish finish = mcu_dw_finish_of(op, channel, tail);
    const int32_t kernel = op->kernel;
    const int8_t *weights = op->weights + channel * kernel * kernel;
    const ptrdiff_t pixel_bytes = (ptrdiff_t)op->in_c * op->depth_multiplier;
    int32_t column, y, x;
    for (column = 0; column < op->out_w; ++column) {
        uint32_t sum = (uint32_t)op->bias[channel] << finish.scale;
        for (y = 0; y < kernel; ++y) {
            const int16_t *from = plane + y * (op->pitch / 2) + column * op->stride;
            for (x = 0; x < kernel; ++x) {
                sum += (uint32_t)(from[x] * (weights[y * kernel + x] * (1 << finish.scale)));
            }
        }
        if (tail == MCU_DW_RAW) {
            raw[column] = (int32_t)sum;
        } else {
            const int32_t sign = tail == MCU_DW_LINEAR ? (int32_t)sum >> 31 : 0;
            const int32_t t = mcu_dsp_smmlar((int32_t)sum, op->multiplier[channel], finish.offset + sign);
            out[column * pixel_bytes] = (int8_t)mcu_dsp_ssat8(t >> finish.shift);
        }
    }
    if (tail == MCU_DW_RAW) {
        mcu_dw_requantize(op, raw, channel, out);
    }
}

static inline void mcu_dw_channel(const struct mcu_depthwise_conv2d_dsp *op, unsigned char *arena, const int16_t *plane,
                                  int32_t *record, int32_t channel, int32_t row, int32_t rows, int32_t tail, mcu_dw_kernel four,
                                  mcu_dw_kernel two, mcu_dw_kernel three)
{
    int32_t index;
    (void)four;
    (void)two;
    (void)three;
    for (index = 0; index < rows; ++index) {
        int8_t *out = (int8_t *)mcu_write(op->output, arena, row + index) + channel;
        mcu_dw_row(op, plane + index * op->stride * (op->pitch / 2), record, channel, out, tail);
    }
}

#endif

/* ---- the operator ---- */

MCU_DW_SHARED void mcu_dw_run(const struct mcu_depthwise_conv2d_dsp *op, unsigned char *arena, int32_t first, int32_t last,
                              int32_t tail, mcu_dw_kernel four, mcu_dw_kernel two, mcu_dw_kernel three)
{
    const int32_t planes = op->in_c < 4 ? op->in_c : 4;
    const int32_t plane_bytes = mcu_dw_plane_bytes(op);
    int16_t *const start = (int16_t *)(void *)(arena + op->scratch);
    int32_t *const record = (int32_t *)(void *)(arena + op->scratch + planes * plane_bytes);
    int32_t done, channel, row, replica;
    mcu_dw_fill(start, planes * plane_bytes / 2, op->in_zero);
    for (done = 0; done < op->in_c; done = channel + planes) {
        /* The last planes may hold channels that are done already. */
        channel = done + planes <= op->in_c ? done : op->in_c - planes;
        for (row = first; row < last; row += op->strip) {
            const int32_t rows = last - row < op->strip ? last - row : op->strip;
            const int32_t shared = row == first ? 0 : op->window_h > op->stride ? op->window_h - op->stride : 0;
            int32_t c;
            if (shared) {
                mcu_dw_slide(op, start, planes);
            }
            mcu_dw_gather(op, arena, start, channel, planes, row * op->stride - op->pad_h, shared,
                          (rows - 1) * op->stride + op->window_h);
            for (c = done; c < channel + planes; ++c) {
                const int16_t *plane = (const int16_t *)((const char *)start + (c - channel) * plane_bytes);
                for (replica = 0; replica < op->depth_multiplier; ++replica) {
                    mcu_dw_channel(op, arena, plane, record, c * op->depth_multiplier + replica, row, rows, tail, four, two, three);
                }
            }
        }
    }
}

/* mcu_depthwise_conv2d_dsp_<kernel>s<stride>_<tail>_<widths of blocks>: an output width that is a multiple of 4 needs blocks of 4
   alone, others end with one of 2, one of 3, or both; narrow outputs have no block of 4. */
#define MCU_DW_OPERATOR(side, step, tail, TAIL, blocks, four, two, three) \
    static inline void mcu_depthwise_conv2d_dsp_##side##s##step##_##tail##_##blocks(const void *record, unsigned char *arena, int32_t first, \
                                                                              int32_t last) \
    { \
        mcu_dw_run((const struct mcu_depthwise_conv2d_dsp *)record, arena, first, last, TAIL, four, two, three); \
    }

#define MCU_DW_OPERATORS(side, step, tail, TAIL) \
    MCU_DW_KERNEL(side, step, tail, 4) \
    MCU_DW_KERNEL(side, step, tail, 3) \
    MCU_DW_KERNEL(side, step, tail, 2) \
    MCU_DW_OPERATOR(side, step, tail, TAIL, 4, mcu_dw_##side##s##step##_##tail##_4, NULL, NULL) \
    MCU_DW_OPERATOR(side, step, tail, TAIL, 42, mcu_dw_##side##s##step##_##tail##_4, mcu_dw_##side##s##step##_##tail##_2, NULL) \
    MCU_DW_OPERATOR(side, step, tail, TAIL, 43, mcu_dw_##side##s##step##_##tail##_4, NULL, mcu_dw_##side##s##step##_##tail##_3) \
    MCU_DW_OPERATOR(side, step, tail, TAIL, 423, mcu_dw_##side##s##step##_##tail##_4, mcu_dw_##side##s##step##_##tail##_2, mcu_dw_##side##s##step##_##tail##_3) \
    MCU_DW_OPERATOR(side, step, tail, TAIL, 2, NULL, mcu_dw_##side##s##step##_##tail##_2, NULL) \
    MCU_DW_OPERATOR(side, step, tail, TAIL, 3, NULL, NULL, mcu_dw_##side##s##step##_##tail##_3) \
    MCU_DW_OPERATOR(side, step, tail, TAIL, 23, NULL, mcu_dw_##side##s##step##_##tail##_2, mcu_dw_##side##s##step##_##tail##_3)

#define MCU_DW_SHAPE(side, step) \
    MCU_DW_OPERATORS(side, step, rectified, MCU_DW_RECTIFIED) \
    MCU_DW_OPERATORS(side, step, linear, MCU_DW_LINEAR) \
    MCU_DW_OPERATORS(side, step, raw, MCU_DW_RAW)

MCU_DW_SHAPE(3, 1)
MCU_DW_SHAPE(3, 2)
MCU_DW_SHAPE(5, 1)
MCU_DW_SHAPE(5, 2)
MCU_DW_SHAPE(7, 1)
MCU_DW_SHAPE(7, 2)

#endif
