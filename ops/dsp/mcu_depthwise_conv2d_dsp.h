/* DEPTHWISE_CONV_2D with windows up to 3x3, 5x5 or 7x7 and stride 1 or 2, on channel-major rows of 16-bit values.

   The output is computed in tiles. Four channels at a time, the input of a tile is gathered into planes in scratch: rows of int16
   with zero points around them. In a plane, a word is two neighbouring columns, so SMLAD multiplies two taps. Then for every
   output channel weights are widened to 16 bits, and a kernel walks down the tile in blocks of 4, 2, 3 or 5 columns.

   Four tails finish a block:  scaled     smmla, ssat: zero point and least output are -128, the greatest 127, and weights are scaled
                                          so that all channels share one shift;
                               rectified  smmlar, asr, ssat: as before with a shift per channel;
                               linear     the same with the sign term, for outputs -128..127 around any zero point;
                               raw        the sums themselves, which C then requantises: any clamp, any multiplier. */
#ifndef TFLM_MCUNET_DEPTHWISE_CONV2D_DSP_H
#define TFLM_MCUNET_DEPTHWISE_CONV2D_DSP_H

#include "mcu_dsp.h"
#include "mcu_fixed_point.h"
#include "mcu_rows.h"

/* `channels` holds, per output channel: int32 bias, with the input's zero point folded in and scaled as the weights will be; int32
   multiplier; kernel * kernel weights plus 128; a byte: 32 * (scale - 1) + shift; for the raw tail another, TFLM's shift. In the
   tails, t = smmlar(acc << scale, multiplier, offset) >> shift; scaled is smmla(...) >> MCU_DW_SHARED_SHIFT.
   `window_h`, `window_w` are the window: what is below it or to the right of it has zero weights. A tile is `strip` rows and
   `tile` columns, at the right edge up to three more; a plane holds the `plane_rows` input rows of `pitch` bytes for it.
   Scratch, in bytes: 4 planes (or in_c if fewer), 4 * (12 + kernel * words) for the record, 4 * strip for the table of output rows,
   and for the raw tail 4 per output of a tile. */
struct mcu_depthwise_conv2d_dsp {
    const struct mcu_tensor *input, *output;
    const uint8_t *channels;
    uint32_t scratch;
    int16_t in_h, in_w, in_c, out_w, depth_multiplier;
    int16_t kernel, window_h, window_w, stride, pad_h, pad_w;
    int16_t in_zero, out_zero, out_min, out_max;
    int16_t strip, tile, plane_rows, pitch;
};

#if defined(__GNUC__) || defined(__clang__)
#define MCU_DW_SHARED static __attribute__((noinline, unused))
#else
#define MCU_DW_SHARED static
#endif

enum { MCU_DW_SCALED, MCU_DW_RECTIFIED, MCU_DW_LINEAR, MCU_DW_RAW };

#define MCU_DW_SHARED_SHIFT 10
#define MCU_DW_SHARED_SHIFT_TEXT "10"

/* Words of the record before the weights. */
#define MCU_DW_HEAD 10

/* A tile: output rows [row, row + rows) and columns [column, column + columns). */
struct mcu_dw_tile {
    int32_t row, rows, column, columns;
};

/* ---- gathering ---- */

/* What of a tile's input is in the image: `rows` rows from input row `first_row` on, which is row `to_row` of a plane; likewise
   columns. `edge`: some of it is not. */
struct mcu_dw_source {
    int32_t first_row, to_row, rows, first_column, to_column, columns, edge;
};

static inline int32_t mcu_dw_clip(int32_t from, int32_t count, int32_t size, int32_t *first, int32_t *to)
{
    const int32_t skipped = from < 0 ? -from : 0;
    const int32_t inside = from + count > size ? size - from - skipped : count - skipped;
    *first = from + skipped;
    *to = skipped;
    return inside > 0 ? inside : 0;
}

static inline struct mcu_dw_source mcu_dw_source_of(const struct mcu_depthwise_conv2d_dsp *op, const struct mcu_dw_tile *tile)
{
    const int32_t rows = (tile->rows - 1) * op->stride + op->window_h;
    const int32_t columns = (tile->columns - 1) * op->stride + op->window_w;
    struct mcu_dw_source from;
    from.rows = mcu_dw_clip(tile->row * op->stride - op->pad_h, rows, op->in_h, &from.first_row, &from.to_row);
    from.columns = mcu_dw_clip(tile->column * op->stride - op->pad_w, columns, op->in_w, &from.first_column, &from.to_column);
    from.edge = from.rows < rows || from.columns < columns;
    return from;
}

/* All of the planes, which are whole words, becomes zero points. */
MCU_DW_SHARED void mcu_dw_clear(unsigned char *planes, int32_t bytes, int32_t zero)
{
    const uint32_t word = ((uint32_t)zero & 0xffffu) * 0x10001u;
    unsigned char *const end = planes + bytes;
    for (; end - planes >= 16; planes += 16) {
        memcpy(planes, &word, 4);
        memcpy(planes + 4, &word, 4);
        memcpy(planes + 8, &word, 4);
        memcpy(planes + 12, &word, 4);
    }
    for (; planes < end; planes += 4) {
        memcpy(planes, &word, 4);
    }
}

/* A row of pixels in one channel into its plane. */
static inline void mcu_dw_gather_channel(const int8_t *in, int16_t *to, int32_t columns, int32_t pixel_bytes)
{
    int16_t *const end = to + columns;
    for (; to < end; in += pixel_bytes) {
        *to++ = *in;
    }
}

#if MCU_DSP

/* What the loop over rows of four channels needs, in the order of its registers. */
struct mcu_dw_walk {
    uint32_t in, to;
    int32_t pixel, plane, columns, third, row_to, row_in, rows;
};

#define MCU_DW_TWO_PIXELS \
    "ldr r5, [r0, r2]\n" \
    "ldr r4, [r0]\n" \
    "add r0, r0, r2, lsl #1\n" \
    "pkhbt r7, r4, r5, lsl #16\n" \
    "pkhtb r8, r5, r4, asr #16\n" \
    "sxtb16 r4, r7\n" \
    "sxtb16 r5, r7, ror #8\n" \
    "sxtb16 r7, r8\n" \
    "sxtb16 r8, r8, ror #8\n" \
    "str r5, [r1, r3]\n" \
    "str r7, [r1, r3, lsl #1]\n" \
    "str r8, [r1, r9]\n" \
    "str r4, [r1], #4\n"

/* Rows of pixels of four channels into four planes. A whole word of a plane is two pixels, in r4 (c3 c2 c1 c0) and r5: r7 is
   b1 b0 a1 a0 and r8 is b3 b2 a3 a2, of which SXTB16 takes every other byte. Single pixels come before and after.
   r0 in, r1 to, r2 pixel, r3 plane, r6 columns left, r9 three planes, r10 further to the next row of planes, r11 of the image, r12 rows;
   lr columns. */
MCU_DW_SHARED void mcu_dw_gather_rows(const struct mcu_dw_walk *walk)
{
    register const struct mcu_dw_walk *at __asm__("r0") = walk;
    __asm__ volatile("push {r7, r11}\n"
                     "ldm r0, {r0, r1, r2, r3, r6, r9, r10, r11, r12}\n"
                     "mov lr, r6\n"
                     "1:\n"
                     "tst r1, #2\n"
                     "beq 3f\n"
                     "2:\n"
                     "ldr r4, [r0]\n"
                     "add r0, r2\n"
                     "sxtb r5, r4, ror #8\n"
                     "strh r5, [r1, r3]\n"
                     "sxtb r5, r4, ror #16\n"
                     "strh r5, [r1, r3, lsl #1]\n"
                     "asrs r5, r4, #24\n"
                     "strh r5, [r1, r9]\n"
                     "sxtb r4, r4\n"
                     "strh r4, [r1], #2\n"
                     "subs r6, #1\n"
                     "3:\n"
                     "subs r6, #4\n"
                     "blt 5f\n"
                     "4:\n" MCU_DW_TWO_PIXELS MCU_DW_TWO_PIXELS
                     "subs r6, #4\n"
                     "bge 4b\n"
                     "5:\n"
                     "adds r6, #2\n"
                     "blt 6f\n" MCU_DW_TWO_PIXELS
                     "subs r6, #2\n"
                     "6:\n"
                     "adds r6, #2\n" /* 1: a pixel is left */
                     "bgt 2b\n"
                     "add r0, r11\n"
                     "add r1, r10\n"
                     "mov r6, lr\n"
                     "subs r12, #1\n"
                     "bne 1b\n"
                     "pop {r7, r11}\n"
                     : "+r"(at)
                     :
                     : "r1", "r2", "r3", "r4", "r5", "r6", "r8", "r9", "r10", "r12", "lr", "cc", "memory");
}

#endif

/* Channels [channel, channel + planes) of a tile's input into the planes. */
MCU_DSP_SELDOM void mcu_dw_gather(const struct mcu_depthwise_conv2d_dsp *op, const struct mcu_dw_source *from, unsigned char *arena,
                                 int32_t channel, int32_t planes)
{
    const int32_t plane_bytes = op->plane_rows * op->pitch;
    const int32_t pixel_bytes = op->in_c;
    const int32_t offset = from->first_column * pixel_bytes + channel;
    unsigned char *to = arena + op->scratch + from->to_row * op->pitch + 2 * from->to_column;
    int32_t row, plane;
#if MCU_DSP
    if (planes == 4 && from->columns > 0) {
        struct mcu_dw_walk walk;
        const int32_t together = op->input->places ? 1 : from->rows;
        walk.pixel = pixel_bytes;
        walk.plane = plane_bytes;
        walk.third = 3 * plane_bytes;
        walk.columns = from->columns;
        walk.row_to = op->pitch - 2 * from->columns;
        walk.row_in = op->input->row_bytes - pixel_bytes * from->columns;
        for (row = 0; row < from->rows; row += together, to += op->pitch) {
            walk.in = (uint32_t)(uintptr_t)mcu_read(op->input, arena, from->first_row + row) + (uint32_t)offset;
            walk.to = (uint32_t)(uintptr_t)to;
            walk.rows = together;
            mcu_dw_gather_rows(&walk);
        }
        return;
    }
#endif
    for (row = 0; row < from->rows; ++row, to += op->pitch) {
        const int8_t *in = (const int8_t *)mcu_read(op->input, arena, from->first_row + row) + offset;
        for (plane = 0; plane < planes; ++plane) {
            mcu_dw_gather_channel(in + plane, (int16_t *)(void *)(to + plane * plane_bytes), from->columns, pixel_bytes);
        }
    }
}

/* ---- arithmetic ---- */

/* Parameters of a channel -> its record; returns the next channel's. Every tap comes with the next one at stride 1, and every
   other at stride 2. */
typedef const uint8_t *(*mcu_dw_widen)(const uint8_t *from, int32_t *to, int32_t base, int32_t tail);

/* A kernel computes `passes` groups of columns of one output channel; its argument is the first of the record's weights. */
typedef void (*mcu_dw_kernel)(int32_t *weights);

typedef void (*mcu_dw_requantizer)(const struct mcu_depthwise_conv2d_dsp *op, const uint8_t *parameters, const int32_t *raw,
                                   int32_t columns, int8_t *out);

/* The functions for a shape and tail; those for blocks that no tile has may be missing. */
struct mcu_dw_code {
    mcu_dw_widen widen;
    mcu_dw_kernel four, two, three;
    int32_t tail;
    mcu_dw_requantizer requantize; /* of the raw tail, else NULL: an image without that tail does not hold it */
};

/* Bytes of a channel's parameters. */
static inline int32_t mcu_dw_channel_bytes(const struct mcu_depthwise_conv2d_dsp *op, int32_t tail)
{
    return op->kernel * op->kernel + (tail == MCU_DW_RAW ? 10 : 9);
}

/* What smmlar adds. `base` is 2 * zero point + 1, for the scaled tail times 2^(MCU_DW_SHARED_SHIFT - 1). */
static inline int32_t mcu_dw_offset(int32_t base, int32_t scale, int32_t shift, int32_t tail)
{
    if (tail == MCU_DW_SCALED) {
        return base + (1 << (scale - 2));
    }
    return shift ? base * (1 << (shift - 1)) : base >> 1;
}

static inline int32_t mcu_dw_base(const struct mcu_depthwise_conv2d_dsp *op, int32_t tail)
{
    return (2 * op->out_zero + 1) * (1 << (tail == MCU_DW_SCALED ? MCU_DW_SHARED_SHIFT - 1 : 0));
}

/* The outputs of a row from twice its sums of products. */
MCU_DW_SHARED void mcu_dw_requantize(const struct mcu_depthwise_conv2d_dsp *op, const uint8_t *parameters, const int32_t *raw,
                                     int32_t columns, int8_t *out)
{
    const ptrdiff_t pixel_bytes = (ptrdiff_t)op->in_c * op->depth_multiplier;
    const uint32_t bias = mcu_dsp_load(parameters);
    const int32_t multiplier = (int32_t)mcu_dsp_load(parameters + 4);
    const int32_t shift = (int8_t)parameters[mcu_dw_channel_bytes(op, MCU_DW_RAW) - 1];
    int32_t column;
    for (column = 0; column < columns; ++column, out += pixel_bytes) {
        const int32_t sum = (int32_t)((uint32_t)(raw[column] / 2) + bias);
        *out = mcu_requantize(sum, multiplier, shift, op->out_zero, op->out_min, op->out_max);
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
    MCU_DW_END = -1      /* r10: address of the table's end */
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
/* Five outputs, of which r7 is the last. */
#define MCU_DW_ROW_3S1_5(x, y, z, last) \
    "ldm r11, {r8, r9, r10}\n" \
    MCU_DW_TB(1, 8, 4, x) MCU_DW_2(2, 9, 4, y) MCU_DW_TB(3, 9, 4, z) MCU_DW_2(7, 10, 4, last) MCU_DW_2(0, 8, 4, 0) \
    MCU_DW_BT(0, 9, 5, 0) MCU_DW_2(1, 9, 5, 1) MCU_DW_BT(2, 10, 5, 2) MCU_DW_2(3, 10, 5, 3) \
    "ldr r8, [r11, #12]\n" \
    MCU_DW_BT(7, 8, 5, 7)
#define MCU_DW_ROWS_3S1(row) \
    "ldm lr, {r0, r4, r5}\n" row(0, 0, 0) MCU_DW_DOWN \
    "ldrd r4, r5, [lr, #12]\n" row(1, 2, 3) MCU_DW_DOWN \
    "ldrd r4, r5, [lr, #20]\n" row(1, 2, 3) \
    "sub r11, r12\n"
#define MCU_DW_ROWS_3S1_5 \
    "ldm lr, {r0, r4, r5}\n" MCU_DW_ROW_3S1_5(0, 0, 0, 0) MCU_DW_DOWN \
    "ldrd r4, r5, [lr, #12]\n" MCU_DW_ROW_3S1_5(1, 2, 3, 7) MCU_DW_DOWN \
    "ldrd r4, r5, [lr, #20]\n" MCU_DW_ROW_3S1_5(1, 2, 3, 7) \
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

#define MCU_DW_SCALE(a) "smmla r" #a ", r" #a ", r7, r8\n" "ssat r" #a ", #8, r" #a ", asr #" MCU_DW_SHARED_SHIFT_TEXT "\n"
#define MCU_DW_RECTIFY(a) "smmlar r" #a ", r" #a ", r7, r8\n" "asrs r" #a ", r5\n" "ssat r" #a ", #8, r" #a "\n"
#define MCU_DW_SIGNED(a) \
    "add r10, r8, r" #a ", asr #31\n" \
    "smmlar r" #a ", r" #a ", r7, r10\n" "asrs r" #a ", r5\n" "ssat r" #a ", #8, r" #a "\n"

/* With one column, pixel is 0: both outputs of a pair go to one place, the first of them last. */
#define MCU_DW_STORE_2 "strb r1, [r7, r4]\n" "strb r0, [r7]\n"
#define MCU_DW_STORE_3 "strb r0, [r7]\n" "strb r1, [r7, r4]\n" "strb r2, [r7, r4, lsl #1]\n"
#define MCU_DW_STORE_4 MCU_DW_STORE_3 "add r7, r7, r4, lsl #1\n" "strb r3, [r7, r4]\n"
#define MCU_DW_EACH_2(each) each(0) each(1)
#define MCU_DW_EACH_3(each) MCU_DW_EACH_2(each) each(2)
#define MCU_DW_EACH_4(each) MCU_DW_EACH_3(each) each(3)
#define MCU_DW_HEAD_OF_TAIL "ldmdb lr, {r4, r5, r7, r8, r9, r10}\n"
#define MCU_DW_ROW_OF_TABLE "ldr r7, [r6], #4\n" "add r7, r9\n"

#define MCU_DW_TAIL_scaled(n) MCU_DW_HEAD_OF_TAIL MCU_DW_EACH_##n(MCU_DW_SCALE) MCU_DW_ROW_OF_TABLE MCU_DW_STORE_##n
/* r7 is a sum: r5 multiplier, r8 offset and then where outputs go. */
#define MCU_DW_SCALE_OF_5(a) "smmla r" #a ", r" #a ", r5, r8\n" "ssat r" #a ", #8, r" #a ", asr #" MCU_DW_SHARED_SHIFT_TEXT "\n"
#define MCU_DW_TAIL_OF_5 \
    "ldrd r5, r8, [lr, #-16]\n" MCU_DW_EACH_4(MCU_DW_SCALE_OF_5) MCU_DW_SCALE_OF_5(7) \
    "ldr r4, [lr, #-24]\n" "ldr r9, [lr, #-8]\n" "ldr r10, [lr, #-4]\n" "ldr r8, [r6], #4\n" "add r8, r9\n" \
    "strb r0, [r8]\n" "strb r1, [r8, r4]\n" "strb r2, [r8, r4, lsl #1]\n" "strb r7, [r8, r4, lsl #2]\n" \
    "add r8, r8, r4, lsl #1\n" "strb r3, [r8, r4]\n"
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
#define MCU_DW_KERNEL_OF(name, rows_and_tail, across) \
    MCU_DW_SHARED void name(int32_t *weights) \
    { \
        register int32_t *record __asm__("r0") = weights; \
        __asm__ volatile("push {r7, r11}\n" \
                         "mov lr, r0\n" \
                         "ldr r12, [lr, #-40]\n" \
                         "ldr r11, [lr, #-36]\n" \
                         "ldr r6, [lr, #-28]\n" \
                         "1:\n" rows_and_tail \
                         "cmp r6, r10\n" \
                         "bne 1b\n" \
                         "ldrd r11, r1, [lr, #-36]\n" across \
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
#define MCU_DW_KERNEL(side, step, tail, n) \
    MCU_DW_KERNEL_OF(mcu_dw_##side##s##step##_##tail##_##n, \
                     MCU_DW_ROWS_##side##S##step(MCU_DW_ROW_##side##S##step##_##n) MCU_DW_TAIL_##tail(n), \
                     MCU_DW_ACROSS_##n "add r11, #" MCU_DW_ADVANCE_S##step##_##n "\n")
/* A single group of five columns, always the last. */
#define MCU_DW_KERNEL_OF_5 MCU_DW_KERNEL_OF(mcu_dw_3s1_scaled_5, MCU_DW_ROWS_3S1_5 MCU_DW_TAIL_OF_5, "")

#define MCU_DW_WORD(address) ((int32_t)(uintptr_t)(address))

/* ---- weights ---- */

/* Lanes 0 and 1 of a result: some lane of a, then some lane of b. */
#define MCU_DW_LANES(name, text) \
    static inline uint32_t name(uint32_t a, uint32_t b) \
    { \
        uint32_t result; \
        __asm__(text : "=r"(result) : "r"(a), "r"(b)); \
        return result; \
    }
MCU_DW_LANES(mcu_dw_00, "pkhbt %0, %1, %2, lsl #16")
MCU_DW_LANES(mcu_dw_01, "pkhbt %0, %1, %2")
MCU_DW_LANES(mcu_dw_11, "pkhtb %0, %2, %1, asr #16")

/* Bytes 0 and 2, or 1 and 3, of a word as lanes, less 128, times 2^scale; `middle` is 128 times 2^scale in both lanes. */
static inline uint32_t mcu_dw_lanes(uint32_t lanes, int32_t scale, uint32_t middle)
{
    uint32_t result;
    __asm__("ssub16 %0, %1, %2" : "=r"(result) : "r"(lanes << scale), "r"(middle));
    return result;
}

static inline uint32_t mcu_dw_even(uint32_t word, int32_t scale, uint32_t middle)
{
    return mcu_dw_lanes(word & 0x00ff00ffu, scale, middle);
}

static inline uint32_t mcu_dw_odd(uint32_t word, int32_t scale, uint32_t middle)
{
    uint32_t lanes;
    __asm__("uxtb16 %0, %1, ror #8" : "=r"(lanes) : "r"(word));
    return mcu_dw_lanes(lanes, scale, middle);
}

#define MCU_DW_WIDEN(side, step, rest) \
    MCU_DW_SHARED const uint8_t *mcu_dw_widen_##side##s##step(const uint8_t *from, int32_t *to, int32_t base, int32_t tail) \
    { \
        const int32_t last = from[8 + side * side]; \
        const int32_t scale = 1 + (last >> 5); \
        const uint32_t middle = 0x00800080u << scale; \
        uint32_t *pair = (uint32_t *)to + step; \
        int32_t row; \
        to[MCU_DW_SHIFT] = last & 31; \
        to[MCU_DW_MULTIPLIER] = (int32_t)mcu_dsp_load(from + 4); \
        to[MCU_DW_OFFSET] = mcu_dw_offset(base, scale, last & 31, tail); \
        to[0] = (int32_t)mcu_dsp_load(from); \
        to[step - 1] = to[0]; \
        from += 8; \
        for (row = side; row; --row, from += side) { \
            const uint32_t word = mcu_dsp_load(from); \
            const uint32_t w02 = mcu_dw_even(word, scale, middle), w13 = mcu_dw_odd(word, scale, middle); \
            *pair++ = mcu_dw_00(w02, w13); \
            rest \
        } \
        return from + 1; \
    }

#define MCU_DW_LATER \
    const uint32_t later = mcu_dsp_load(from + 3); \
    const uint32_t w35 = mcu_dw_even(later, scale, middle), w46 = mcu_dw_odd(later, scale, middle);

MCU_DW_WIDEN(3, 1, *pair++ = mcu_dw_01(w13, w02);)
MCU_DW_WIDEN(3, 2, *pair++ = w02 >> 16;)
MCU_DW_WIDEN(5, 1, const uint32_t w24 = mcu_dw_odd(mcu_dsp_load(from + 1), scale, middle); *pair++ = mcu_dw_01(w13, w02);
             *pair++ = mcu_dw_11(w02, w13); *pair++ = mcu_dw_11(w13, w24);)
MCU_DW_WIDEN(5, 2, *pair++ = mcu_dw_11(w02, w13); *pair++ = (uint32_t)((from[4] - 128) * (1 << scale));)
MCU_DW_WIDEN(7, 1, MCU_DW_LATER *pair++ = mcu_dw_01(w13, w02); *pair++ = mcu_dw_11(w02, w13); *pair++ = mcu_dw_00(w35, w46);
             *pair++ = mcu_dw_01(w46, w35); *pair++ = mcu_dw_11(w35, w46);)
MCU_DW_WIDEN(7, 2, MCU_DW_LATER *pair++ = mcu_dw_11(w02, w13); *pair++ = mcu_dw_01(w46, w35); *pair++ = w46 >> 16;)

/* The record's fields that all channels of a tile share, and the table of output rows. */
static inline void mcu_dw_begin(const struct mcu_depthwise_conv2d_dsp *op, unsigned char *arena, int32_t *weights, int32_t *table,
                                const struct mcu_dw_tile *tile, int32_t tail)
{
    const int32_t pixel_bytes = op->in_c * op->depth_multiplier;
    int32_t *const raw = table + op->strip;
    int32_t index;
    weights[MCU_DW_PITCH] = op->pitch;
    weights[MCU_DW_TABLE] = MCU_DW_WORD(table);
    weights[MCU_DW_PIXEL] = tail == MCU_DW_RAW ? 4 : op->out_w == 1 ? 0 : pixel_bytes;
    weights[MCU_DW_END] = MCU_DW_WORD(table + tile->rows);
    for (index = 0; index < tile->rows; ++index) {
        table[index] = tail == MCU_DW_RAW ? MCU_DW_WORD(raw + index * (tile->columns < 2 ? 2 : tile->columns))
                                          : MCU_DW_WORD(mcu_write(op->output, arena, tile->row + index)) + tile->column * pixel_bytes;
    }
}

/* Output channels [channel, end) of a tile, of which the first sees the plane at `plane`; returns the parameters of the one after. */
static inline const uint8_t *mcu_dw_channels(const struct mcu_depthwise_conv2d_dsp *op, unsigned char *arena, const uint8_t *parameters,
                                             const unsigned char *plane, int32_t *weights, int32_t *table, int32_t channel, int32_t end,
                                             const struct mcu_dw_tile *tile, const struct mcu_dw_code *code)
{
    const int32_t plane_bytes = op->plane_rows * op->pitch;
    const int32_t tail = code->tail;
    const int32_t base = mcu_dw_base(op, tail);
    const int32_t fours = tile->columns / 4 - ((tile->columns & 3) == 1 && tile->columns > 1);
    const int32_t rest = tile->columns - 4 * fours; /* 5, or up to 3 */
    const mcu_dw_widen widen = code->widen;
    const mcu_dw_kernel four = fours > 0 ? code->four : NULL;
    const mcu_dw_kernel two = rest && rest != 3 ? code->two : NULL;
    const mcu_dw_kernel three = rest >= 3 ? code->three : NULL;
    int32_t replicas = op->depth_multiplier;
    for (; channel < end; ++channel) {
        const uint8_t *const from = parameters;
        parameters = widen(parameters, weights, base, tail);
        weights[MCU_DW_WINDOW] = MCU_DW_WORD(plane);
        weights[MCU_DW_COLUMN] = channel;
        if (tail == MCU_DW_RAW) {
            ++parameters;
            weights[MCU_DW_COLUMN] = 0;
            weights[0] = 0;
            weights[op->stride - 1] = 0;
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
            const ptrdiff_t at = (ptrdiff_t)tile->column * op->in_c * op->depth_multiplier + channel;
            int32_t row;
            for (row = 0; row < tile->rows; ++row) {
                int8_t *out = (int8_t *)mcu_write(op->output, arena, tile->row + row) + at;
                code->requantize(op, from, (const int32_t *)(uintptr_t)table[row], tile->columns, out);
            }
        }
        if (--replicas == 0) {
            replicas = op->depth_multiplier;
            plane += plane_bytes;
        }
    }
    return parameters;
}

#else

#define mcu_dw_widen_3s1 NULL
#define mcu_dw_widen_3s2 NULL
#define mcu_dw_widen_5s1 NULL
#define mcu_dw_widen_5s2 NULL
#define mcu_dw_widen_7s1 NULL
#define mcu_dw_widen_7s2 NULL

#define MCU_DW_KERNEL(side, step, tail, n) \
    static inline void mcu_dw_##side##s##step##_##tail##_##n(int32_t *weights) \
    { \
        (void)weights; \
    }

#define MCU_DW_KERNEL_OF_5 MCU_DW_KERNEL(3, 1, scaled, 5)

static inline void mcu_dw_begin(const struct mcu_depthwise_conv2d_dsp *op, unsigned char *arena, int32_t *weights, int32_t *table,
                                const struct mcu_dw_tile *tile, int32_t tail)
{
    (void)op;
    (void)arena;
    (void)weights;
    (void)table;
    (void)tile;
    (void)tail;
}

/* Twin: one output row of a tile in one channel; `raw` has room for its sums. */
static inline void mcu_dw_row(const struct mcu_depthwise_conv2d_dsp *op, const uint8_t *parameters, const unsigned char *plane,
                              int32_t *raw, int8_t *out, int32_t columns, int32_t tail)
{
    const uint8_t *const taps = parameters + 8;
    const int32_t last = taps[op->kernel * op->kernel];
    const int32_t scale = 1 + (last >> 5);
    const int32_t offset = tail == MCU_DW_RAW ? 0 : mcu_dw_offset(mcu_dw_base(op, tail), scale, last & 31, tail);
    const int32_t multiplier = (int32_t)mcu_dsp_load(parameters + 4);
    const ptrdiff_t pixel_bytes = (ptrdiff_t)op->in_c * op->depth_multiplier;
    int32_t column, y, x;
    for (column = 0; column < columns; ++column) {
        uint32_t sum = tail == MCU_DW_RAW ? 0u : mcu_dsp_load(parameters);
        for (y = 0; y < op->kernel; ++y) {
            const int16_t *from = (const int16_t *)(const void *)(plane + y * op->pitch) + column * op->stride;
            for (x = 0; x < op->kernel; ++x) {
                sum += (uint32_t)(from[x] * ((taps[y * op->kernel + x] - 128) * (1 << scale)));
            }
        }
        if (tail == MCU_DW_RAW) {
            raw[column] = (int32_t)sum;
        } else if (tail == MCU_DW_SCALED) {
            const int32_t product = (int32_t)(((int64_t)(int32_t)sum * multiplier) >> 32);
            out[column * pixel_bytes] = (int8_t)mcu_dsp_ssat8((product + offset) >> MCU_DW_SHARED_SHIFT);
        } else {
            const int32_t sign = tail == MCU_DW_LINEAR ? (int32_t)sum >> 31 : 0;
            const int32_t t = mcu_dsp_smmlar((int32_t)sum, multiplier, offset + sign);
            out[column * pixel_bytes] = (int8_t)mcu_dsp_ssat8(t >> (last & 31));
        }
    }
    if (tail == MCU_DW_RAW) {
        mcu_dw_requantize(op, parameters, raw, columns, out);
    }
}

static inline const uint8_t *mcu_dw_channels(const struct mcu_depthwise_conv2d_dsp *op, unsigned char *arena, const uint8_t *parameters,
                                             const unsigned char *plane, int32_t *weights, int32_t *table, int32_t channel, int32_t end,
                                             const struct mcu_dw_tile *tile, const struct mcu_dw_code *code)
{
    const ptrdiff_t at = (ptrdiff_t)tile->column * op->in_c * op->depth_multiplier;
    const int32_t plane_bytes = op->plane_rows * op->pitch;
    const int32_t begin = channel;
    int32_t row;
    (void)weights;
    for (; channel < end; ++channel, parameters += mcu_dw_channel_bytes(op, code->tail)) {
        const unsigned char *from = plane + (channel - begin) / op->depth_multiplier * plane_bytes;
        for (row = 0; row < tile->rows; ++row, from += op->stride * op->pitch) {
            int8_t *out = (int8_t *)mcu_write(op->output, arena, tile->row + row) + at + channel;
            mcu_dw_row(op, parameters, from, table + op->strip, out, tile->columns, code->tail);
        }
    }
    return parameters;
}

#endif

/* ---- the operator ---- */

MCU_DSP_SELDOM void mcu_dw_run(const struct mcu_depthwise_conv2d_dsp *op, unsigned char *arena, int32_t first, int32_t last,
                               int32_t tail, mcu_dw_requantizer requantize, mcu_dw_widen widen, mcu_dw_kernel four, mcu_dw_kernel two, mcu_dw_kernel three)
{
    const int32_t planes = op->in_c < 4 ? op->in_c : 4;
    const int32_t plane_bytes = op->plane_rows * op->pitch;
    const int32_t words = op->kernel * (op->stride == 1 ? op->kernel - 1 : (op->kernel + 1) / 2);
    unsigned char *const start = arena + op->scratch;
    int32_t *const weights = (int32_t *)(void *)(start + planes * plane_bytes) + MCU_DW_HEAD;
    int32_t *const table = weights + 2 + words;
    struct mcu_dw_tile tile;
    const uint8_t *parameters;
    const struct mcu_dw_code code = {widen, four, two, three, tail, requantize};
    int32_t done, channel;
    for (tile.row = first; tile.row < last; tile.row += tile.rows) {
        tile.rows = last - tile.row < op->strip ? last - tile.row : op->strip;
        for (tile.column = 0; tile.column < op->out_w; tile.column += tile.columns) {
            struct mcu_dw_source from;
            /* The last tile takes what would not fill a block of four. */
            tile.columns = op->out_w - tile.column < op->tile + 4 ? op->out_w - tile.column : op->tile;
            from = mcu_dw_source_of(op, &tile);
            if (from.edge) {
                mcu_dw_clear(start, planes * plane_bytes, op->in_zero);
            }
            mcu_dw_begin(op, arena, weights, table, &tile, code.tail);
            parameters = op->channels;
            for (done = 0; done < op->in_c; done = channel + planes) {
                /* The last planes may hold channels that are done already. */
                channel = done + planes <= op->in_c ? done : op->in_c - planes;
                mcu_dw_gather(op, &from, arena, channel, planes);
                parameters = mcu_dw_channels(op, arena, parameters, start + (done - channel) * plane_bytes, weights, table,
                                             done * op->depth_multiplier, (channel + planes) * op->depth_multiplier, &tile, &code);
            }
        }
    }
}

/* mcu_depthwise_conv2d_dsp_<kernel>s<stride>_<tail>_<widths of blocks>: an output width that is a multiple of 4 needs blocks of 4
   alone, others end with one of 2, one of 3, or both, which may be one of 5; narrow outputs have no block of 4. */
#define MCU_DW_OPERATOR(side, step, tail, TAIL, blocks, four, two, three) \
    static inline void mcu_depthwise_conv2d_dsp_##side##s##step##_##tail##_##blocks(const void *op, unsigned char *arena, \
                                                                                    int32_t first, int32_t last) \
    { \
        mcu_dw_run((const struct mcu_depthwise_conv2d_dsp *)op, arena, first, last, TAIL, \
                   TAIL == MCU_DW_RAW ? mcu_dw_requantize : NULL, mcu_dw_widen_##side##s##step, four, two, three); \
    }

#define MCU_DW_OPERATORS_OF(side, step, tail, TAIL, kernel) \
    MCU_DW_KERNEL(side, step, tail, 4) \
    MCU_DW_KERNEL(side, step, tail, 3) \
    MCU_DW_KERNEL(side, step, tail, 2) \
    MCU_DW_OPERATOR(side, step, tail, TAIL, 4, kernel##4, NULL, NULL) \
    MCU_DW_OPERATOR(side, step, tail, TAIL, 42, kernel##4, kernel##2, NULL) \
    MCU_DW_OPERATOR(side, step, tail, TAIL, 43, kernel##4, NULL, kernel##3) \
    MCU_DW_OPERATOR(side, step, tail, TAIL, 423, kernel##4, kernel##2, kernel##3) \
    MCU_DW_OPERATOR(side, step, tail, TAIL, 2, NULL, kernel##2, NULL) \
    MCU_DW_OPERATOR(side, step, tail, TAIL, 3, NULL, NULL, kernel##3) \
    MCU_DW_OPERATOR(side, step, tail, TAIL, 23, NULL, kernel##2, kernel##3)

#define MCU_DW_OPERATORS(side, step) \
    MCU_DW_OPERATORS_OF(side, step, scaled, MCU_DW_SCALED, mcu_dw_##side##s##step##_scaled_) \
    MCU_DW_OPERATORS_OF(side, step, rectified, MCU_DW_RECTIFIED, mcu_dw_##side##s##step##_rectified_) \
    MCU_DW_OPERATORS_OF(side, step, linear, MCU_DW_LINEAR, mcu_dw_##side##s##step##_linear_) \
    MCU_DW_OPERATORS_OF(side, step, raw, MCU_DW_RAW, mcu_dw_##side##s##step##_raw_)

MCU_DW_OPERATORS(3, 1)
MCU_DW_KERNEL_OF_5
MCU_DW_OPERATOR(3, 1, scaled, MCU_DW_SCALED, 5, NULL, NULL, mcu_dw_3s1_scaled_5)
MCU_DW_OPERATOR(3, 1, scaled, MCU_DW_SCALED, 45, mcu_dw_3s1_scaled_4, NULL, mcu_dw_3s1_scaled_5)
MCU_DW_OPERATORS(3, 2)
MCU_DW_OPERATORS(5, 1)
MCU_DW_OPERATORS(5, 2)
MCU_DW_OPERATORS(7, 1)
MCU_DW_OPERATORS(7, 2)

#endif
