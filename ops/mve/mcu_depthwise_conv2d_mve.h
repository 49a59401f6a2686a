/* DEPTHWISE_CONV_2D for Helium: sixteen channels at a time are turned channel by channel, then a window is one to four vectors. */
#ifndef TFLM_MCUNET_DEPTHWISE_CONV2D_MVE_H
#define TFLM_MCUNET_DEPTHWISE_CONV2D_MVE_H

#include "mcu_block_mve.h"
#include "mcu_fixed_point.h"

/* Scratch holds units. A unit has, for each column of a strip of the image and each of 16 channels, one word: the bytes of four
   rows; large windows (more than 4x4, at most 8x8) have a second such layer for four more rows. So four columns of a channel are
   a vector that VLDRW gathers, and VMLADAV multiplies it by a window. A unit is an output row, or with `pair` two: a 3x3 window
   moved down by a row is the same vector times weights moved up by a byte. Then come 44 bytes per layer, about its rows, and 8 bytes per
   block of four outputs.

   `weights` is a stream. Per channel it has a word for each column of the window, rows from the lowest byte on (and again for the
   other four rows of large windows), then bias * 256 + (shift & 255) and the multiplier, as mcu_matrix_mve.h has them. */
struct mcu_depthwise_conv2d_mve {
    const struct mcu_tensor *input, *output;
    const int32_t *weights;
    uint32_t scratch;
    int16_t in_h, in_w, channels, out_h, out_w;
    int16_t kernel_h, kernel_w, stride_h, stride_w, dilation_h, pad_h, pad_w;
    int16_t pair;       /* whether units are pairs of rows, and steps too */
    int16_t words;      /* of the stream, per channel */
    int16_t strip;      /* output columns at a time */
    int16_t units;      /* at a time */
    int16_t columns;    /* of a unit */
    int16_t in_zero, out_zero, out_min, out_max;
};

/* The output row that a step begins with. */
static inline int32_t mcu_depthwise_mve_row(const struct mcu_depthwise_conv2d_mve *op, int32_t step)
{
    const int32_t row = op->pair ? 2 * step : step;
    return row < op->out_h ? row : op->out_h;
}

#if MCU_MVE

/* A block of four outputs: where their inputs lie in scratch, and the first one's place. */
struct mcu_depthwise_mve_block {
    const int8_t *in;
    int8_t *out;
};

struct mcu_depthwise_mve_run {
    const struct mcu_depthwise_mve_block *table; /*  0 */
    int32_t blocks;                              /*  4 */
    const int32_t *weights;                      /*  8 */
    int32_t channels;                            /* 12: at most 16 */
    int32_t kernel_w, further_w;                 /* 16, 20: words of a row of the window, and what exceeds four of them */
    int32_t lanes;                               /* 24: outputs of a block */
    int32_t layer;                               /* 28: bytes from the first four rows to the others */
    int32_t zero, low, high;                     /* 32, 36, 40 */
    int32_t offsets[4];                          /* 44: of the outputs of a block */
};

typedef void (*mcu_depthwise_mve_kernel)(const struct mcu_depthwise_mve_run *run);

/* Four sums r0, r2, r4, r6 of one channel to the lowest bytes of the lanes of q4. r3: shift; r5: multiplier; r7: zero point;
   r8: bias; r11: 1. FIX as in mcu_matrix_mve.h. */
#define MCU_DEPTHWISE_REQUANTIZE(FIX, CLAMP) \
    "vmov q4[2], q4[0], r0, r4\n"            \
    "vmov q4[3], q4[1], r2, r6\n"            \
    "vadd.i32 q4, q4, r8\n"                  \
    "vqrdmulh.s32 q4, q4, r5\n"              \
    FIX                                      \
    "vrshl.s32 q4, r3\n"                     \
    "vadd.i32 q4, q4, r7\n"                  \
    CLAMP

#define MCU_DEPTHWISE_FIX "vqdmlah.s32 q4, q4, r11\n"
#define MCU_DEPTHWISE_SATURATE "vqmovnb.s32 q4, q4\n" "vqmovnb.s16 q4, q4\n"
#define MCU_DEPTHWISE_CLAMP       \
    "vldrw.u32 q5, [sp, #32]\n"   \
    "vmax.s32 q4, q4, q5\n"       \
    "vldrw.u32 q5, [sp, #48]\n"   \
    "vmin.s32 q4, q4, q5\n"

/* Frame: 0 table, 4 blocks, 8 channels left, 12 kernel_w, 16 further_w, 20 lanes, 32 low, 48 high, 64 offsets of outputs.
   Leaves r1: weights, r7: zero point, r10: layer, r11: 1, q6: offsets of outputs, q7: offsets of four columns. */
#define MCU_DEPTHWISE_ENTER           \
    "push {r4-r11, lr}\n"             \
    "vpush {d8-d15}\n"                \
    "sub sp, sp, #84\n"               \
    "ldrd r1, r2, [r0]\n"             \
    "strd r1, r2, [sp]\n"             \
    "ldrd r1, r2, [r0, #12]\n"        \
    "strd r1, r2, [sp, #8]\n"         \
    "ldrd r1, r2, [r0, #20]\n"        \
    "strd r1, r2, [sp, #16]\n"        \
    "ldrd r10, r7, [r0, #28]\n"       \
    "ldrd r1, r2, [r0, #36]\n"        \
    "vdup.32 q0, r1\n"                \
    "vstrw.32 q0, [sp, #32]\n"        \
    "vdup.32 q0, r2\n"                \
    "vstrw.32 q0, [sp, #48]\n"        \
    "add r1, r0, #44\n"               \
    "vldrw.u32 q6, [r1]\n"            \
    "vstrw.32 q6, [sp, #64]\n"        \
    "movs r1, #0\n"                   \
    "movs r2, #64\n"                  \
    "movs r3, #128\n"                 \
    "movs r4, #192\n"                 \
    "vmov q7[2], q7[0], r1, r3\n"     \
    "vmov q7[3], q7[1], r2, r4\n"     \
    "ldr r1, [r0, #8]\n"              \
    "mov r11, #1\n"

#define MCU_DEPTHWISE_LEAVE           \
    "add sp, sp, #84\n"               \
    "vpop {d8-d15}\n"                 \
    "pop {r4-r11, pc}\n"

/* The channel's parameters and the loop over blocks: r3: shift and bias; r5: multiplier; r8: bias; r12: table. */
#define MCU_DEPTHWISE_CHANNEL         \
    "ldrd r3, r5, [r1], #8\n"         \
    "ldrd r12, r0, [sp]\n"            \
    "asr r8, r3, #8\n"                \
    "dls lr, r0\n"

/* 2x2 outputs of a 3x3 window. q0 to q3: weights as they are, moved by a column, by a row, by both. r10: channels left. */
#define MCU_DEPTHWISE_PAIR(name, FIX, CLAMP)                                            \
    static MCU_NAKED void name(const struct mcu_depthwise_mve_run *run MCU_UNUSED)      \
    {                                                                                   \
        __asm__ volatile(MCU_MVE_SYNTAX                                                 \
            MCU_DEPTHWISE_ENTER                                                         \
            "ldr r10, [sp, #8]\n"                                                       \
            "movs r2, #3\n"                                                             \
            "vctp.32 r2\n"                                                              \
            "1:\n"                                                                      \
            "vpst\n"                                                                    \
            "vldrwt.u32 q0, [r1], #12\n"                                                \
            "movs r0, #0\n"                                                             \
            "vmov q1, q0\n"                                                             \
            "vshl.i32 q2, q0, #8\n"                                                     \
            "vshlc q1, r0, #32\n"                                                       \
            "vshl.i32 q3, q1, #8\n"                                                     \
            MCU_DEPTHWISE_CHANNEL                                                       \
            "2:\n"                                                                      \
            "ldrd r0, r9, [r12], #8\n"                                                  \
            "vldrw.u32 q4, [r0, q7]\n"                                                  \
            "vmladav.s8 r0, q0, q4\n"                                                   \
            "vmladav.s8 r2, q1, q4\n"                                                   \
            "vmladav.s8 r4, q2, q4\n"                                                   \
            "vmladav.s8 r6, q3, q4\n"                                                   \
            MCU_DEPTHWISE_REQUANTIZE(FIX, CLAMP)                                        \
            "vstrb.32 q4, [r9, q6]\n"                                                   \
            "le lr, 2b\n"                                                               \
            "movs r0, #4\n"                                                             \
            "vadd.i32 q7, q7, r0\n"                                                     \
            "vadd.i32 q6, q6, r11\n"                                                    \
            "subs r10, r10, #1\n"                                                       \
            "bne 1b\n"                                                                  \
            MCU_DEPTHWISE_LEAVE);                                                       \
    }

/* Four outputs of a row, windows of up to 4x4. q0: weights; r10: channels left; `step`: bytes between the windows. */
#define MCU_DEPTHWISE_SMALL(name, step, FIX, CLAMP)                                     \
    static MCU_NAKED void name(const struct mcu_depthwise_mve_run *run MCU_UNUSED)      \
    {                                                                                   \
        __asm__ volatile(MCU_MVE_SYNTAX                                                 \
            MCU_DEPTHWISE_ENTER                                                         \
            "ldr r10, [sp, #8]\n"                                                       \
            "1:\n"                                                                      \
            "ldr r0, [sp, #12]\n"                                                       \
            "ldr r2, [sp, #20]\n"                                                       \
            "vctp.32 r0\n"                                                              \
            "vpst\n"                                                                    \
            "vldrwt.u32 q0, [r1]\n"                                                     \
            "add r1, r1, r0, lsl #2\n"                                                  \
            "vctp.32 r2\n"                                                              \
            MCU_DEPTHWISE_CHANNEL                                                       \
            "2:\n"                                                                      \
            "ldrd r0, r9, [r12], #8\n"                                                  \
            "vadd.i32 q5, q7, r0\n"                                                     \
            "vldrw.u32 q1, [q5]\n"                                                      \
            "vldrw.u32 q2, [q5, #" step "]\n"                                           \
            "vmladav.s8 r0, q0, q1\n"                                                   \
            "vldrw.u32 q3, [q5, #2*" step "]\n"                                         \
            "vmladav.s8 r2, q0, q2\n"                                                   \
            "vldrw.u32 q4, [q5, #3*" step "]\n"                                         \
            "vmladav.s8 r4, q0, q3\n"                                                   \
            "vmladav.s8 r6, q0, q4\n"                                                   \
            MCU_DEPTHWISE_REQUANTIZE(FIX, CLAMP)                                        \
            "vpst\n"                                                                    \
            "vstrbt.32 q4, [r9, q6]\n"                                                  \
            "le lr, 2b\n"                                                               \
            "movs r0, #4\n"                                                             \
            "vadd.i32 q7, q7, r0\n"                                                     \
            "vadd.i32 q6, q6, r11\n"                                                    \
            "subs r10, r10, #1\n"                                                       \
            "bne 1b\n"                                                                  \
            MCU_DEPTHWISE_LEAVE);                                                       \
    }

/* One output of a large window: q0, q1: weights of the first four rows, columns 0 to 3 and 4 to 7; q2, q3: of the others.
   q5, q6: addresses of columns 0 to 3; `at`: bytes from there to the window, `move`: whether they move there for good. */
#define MCU_DEPTHWISE_WINDOW(sum, at, move, next)  \
    "vldrw.u32 q4, [q5, #" at "]" move "\n"        \
    "vmladav.s8 " sum ", q0, q4\n"                 \
    "vldrw.u32 q4, [q5, #" next "]\n"              \
    "vmladava.s8 " sum ", q1, q4\n"                \
    "vldrw.u32 q4, [q6, #" at "]" move "\n"        \
    "vmladava.s8 " sum ", q2, q4\n"                \
    "vldrw.u32 q4, [q6, #" next "]\n"              \
    "vmladava.s8 " sum ", q3, q4\n"

#define MCU_DEPTHWISE_WINDOWS_1                      \
    MCU_DEPTHWISE_WINDOW("r0", "0", "", "256")       \
    MCU_DEPTHWISE_WINDOW("r2", "64", "", "320")      \
    MCU_DEPTHWISE_WINDOW("r4", "128", "", "384")     \
    MCU_DEPTHWISE_WINDOW("r6", "192", "", "448")
#define MCU_DEPTHWISE_WINDOWS_2                      \
    MCU_DEPTHWISE_WINDOW("r0", "0", "", "256")       \
    MCU_DEPTHWISE_WINDOW("r2", "128", "", "384")     \
    MCU_DEPTHWISE_WINDOW("r4", "256", "!", "256")    \
    MCU_DEPTHWISE_WINDOW("r6", "128", "", "384")

/* Four outputs of a row, windows of up to 8x8. r10: layer. */
#define MCU_DEPTHWISE_LARGE(name, WINDOWS, FIX, CLAMP)                                  \
    static MCU_NAKED void name(const struct mcu_depthwise_mve_run *run MCU_UNUSED)      \
    {                                                                                   \
        __asm__ volatile(MCU_MVE_SYNTAX                                                 \
            MCU_DEPTHWISE_ENTER                                                         \
            "1:\n"                                                                      \
            "ldrd r0, r2, [sp, #12]\n"                                                  \
            "ldr r6, [sp, #20]\n"                                                       \
            "add r4, r1, r0, lsl #2\n"                                                  \
            "vctp.32 r0\n"                                                              \
            "vpstt\n"                                                                   \
            "vldrwt.u32 q0, [r1]\n"                                                     \
            "vldrwt.u32 q2, [r4]\n"                                                     \
            "vctp.32 r2\n"                                                              \
            "vpstt\n"                                                                   \
            "vldrwt.u32 q1, [r1, #16]\n"                                                \
            "vldrwt.u32 q3, [r4, #16]\n"                                                \
            "add r1, r4, r0, lsl #2\n"                                                  \
            "vctp.32 r6\n"                                                              \
            MCU_DEPTHWISE_CHANNEL                                                       \
            "2:\n"                                                                      \
            "ldrd r0, r9, [r12], #8\n"                                                  \
            "vadd.i32 q5, q7, r0\n"                                                     \
            "vadd.i32 q6, q5, r10\n"                                                    \
            WINDOWS                                                                     \
            MCU_DEPTHWISE_REQUANTIZE(FIX, CLAMP)                                        \
            "vldrw.u32 q5, [sp, #64]\n"                                                 \
            "vpst\n"                                                                    \
            "vstrbt.32 q4, [r9, q5]\n"                                                  \
            "le lr, 2b\n"                                                               \
            "vldrw.u32 q5, [sp, #64]\n"                                                 \
            "movs r0, #4\n"                                                             \
            "vadd.i32 q7, q7, r0\n"                                                     \
            "vadd.i32 q5, q5, r11\n"                                                    \
            "vstrw.32 q5, [sp, #64]\n"                                                  \
            "ldr r0, [sp, #8]\n"                                                        \
            "subs r0, r0, #1\n"                                                         \
            "str r0, [sp, #8]\n"                                                        \
            "bne 1b\n"                                                                  \
            MCU_DEPTHWISE_LEAVE);                                                       \
    }

#define MCU_DEPTHWISE_FLAVOUR(flavour, FIX, CLAMP)                                                             \
    MCU_DEPTHWISE_PAIR(mcu_depthwise_mve_pair_##flavour, FIX, CLAMP)                                           \
    MCU_DEPTHWISE_SMALL(mcu_depthwise_mve_small_1_##flavour, "64", FIX, CLAMP)                                 \
    MCU_DEPTHWISE_SMALL(mcu_depthwise_mve_small_2_##flavour, "128", FIX, CLAMP)                                \
    MCU_DEPTHWISE_LARGE(mcu_depthwise_mve_large_1_##flavour, MCU_DEPTHWISE_WINDOWS_1, FIX, CLAMP)              \
    MCU_DEPTHWISE_LARGE(mcu_depthwise_mve_large_2_##flavour, MCU_DEPTHWISE_WINDOWS_2, FIX, CLAMP)

MCU_DEPTHWISE_FLAVOUR(relu, "", MCU_DEPTHWISE_SATURATE)
MCU_DEPTHWISE_FLAVOUR(linear, MCU_DEPTHWISE_FIX, MCU_DEPTHWISE_SATURATE)
MCU_DEPTHWISE_FLAVOUR(clamped, MCU_DEPTHWISE_FIX, MCU_DEPTHWISE_CLAMP)

/* Four rows of `columns` pixels, each advancing by its step, of which `channels` (up to 16) are turned. */
struct mcu_turn_mve {
    const int8_t *rows[4];
    int32_t steps[4];
    int32_t columns, channels;
    int8_t *to;
};

/* At least one column, to words. r1 to r4: rows; r5 to r8: steps; r9: to. */
static MCU_NAKED void mcu_turn_mve(const struct mcu_turn_mve *turn MCU_UNUSED)
{
    __asm__ volatile(MCU_MVE_SYNTAX
        "push {r4-r11, lr}\n"
        "ldrd r11, r12, [r0, #32]\n"
        "ldr r9, [r0, #40]\n"
        "vctp.8 r12\n"
        "ldm r0, {r1-r8}\n"
        "dls lr, r11\n"
        "1:\n"
        "vpstttt\n"
        "vldrbt.8 q0, [r1]\n"
        "vldrbt.8 q1, [r2]\n"
        "vldrbt.8 q2, [r3]\n"
        "vldrbt.8 q3, [r4]\n"
        "add r1, r1, r5\n"
        "add r2, r2, r6\n"
        "add r3, r3, r7\n"
        "add r4, r4, r8\n"
        "vst40.8 {q0, q1, q2, q3}, [r9]\n"
        "vst41.8 {q0, q1, q2, q3}, [r9]\n"
        "vst42.8 {q0, q1, q2, q3}, [r9]\n"
        "vst43.8 {q0, q1, q2, q3}, [r9]!\n"
        "le lr, 1b\n"
        "pop {r4-r11, pc}\n");
}

/* Prepares a layer of a unit for its first channels: four rows of the image from row y on, of which `needed` count, and the
   columns from x on. What lies outside the image is filled in here, once for all channels. */
static inline void mcu_depthwise_mve_layer(const struct mcu_depthwise_conv2d_mve *op, const unsigned char *arena, int32_t y,
                                           int32_t needed, int32_t x, int32_t columns, const int8_t *zeros, int8_t *to,
                                           struct mcu_turn_mve *turn)
{
    const int32_t first = mcu_clamp(-x, 0, columns), end = mcu_clamp(op->in_w - x, first, columns);
    int32_t i;
    if (first) {
        mcu_fill_mve(to, op->in_zero, 64 * first, 0, 1);
    }
    if (columns > end) {
        mcu_fill_mve(to + 64 * end, op->in_zero, 64 * (columns - end), 0, 1);
    }
    turn->columns = end - first;
    turn->to = to + 64 * first;
    for (i = 0; i < 4; ++i, y += op->dilation_h) {
        if (i < needed && y >= 0 && y < op->in_h) {
            turn->rows[i] = (const int8_t *)mcu_read(op->input, arena, y) + (ptrdiff_t)(x + first) * op->channels;
            turn->steps[i] = op->channels;
        } else {
            turn->rows[i] = zeros;
            turn->steps[i] = 0;
        }
    }
}

/* Turns a layer's next channels. */
static inline void mcu_depthwise_mve_turn(struct mcu_turn_mve *turn, int32_t channels)
{
    int32_t i;
    if (turn->columns) {
        turn->channels = channels;
        mcu_turn_mve(turn);
        for (i = 0; i < 4; ++i) {
            turn->rows[i] += turn->steps[i] ? 16 : 0;
        }
    }
}

/* Units of rows from `row` on, `across` rows each, columns [column, column + width): the last unit and block may overlap others. */
static inline void mcu_depthwise_mve_units(const struct mcu_depthwise_conv2d_mve *op, unsigned char *arena, int32_t row,
                                           int32_t last, int32_t across, int32_t units, int32_t column, int32_t width,
                                           mcu_depthwise_mve_kernel kernel)
{
    const int32_t large = op->kernel_h > 4 || op->kernel_w > 4;
    const int32_t layer = 64 * op->columns, unit = large ? 2 * layer : layer;
    const int32_t wide = across == 2 ? 2 : 4, lanes = width < wide ? width : wide;
    const int32_t columns = (width - 1) * op->stride_w + op->kernel_w + (across == 2), needed = op->kernel_h + across - 1;
    const int32_t x = column * op->stride_w - op->pad_w;
    int8_t *const words = (int8_t *)(arena + op->scratch);
    struct mcu_turn_mve *const turns = (struct mcu_turn_mve *)(void *)(words + op->units * unit);
    struct mcu_turn_mve *const turned = turns + (large ? 2 : 1) * units;
    struct mcu_depthwise_mve_block *const table = (struct mcu_depthwise_mve_block *)(void *)turned;
    struct mcu_depthwise_mve_block *block = table;
    struct mcu_turn_mve *turn = turns;
    struct mcu_depthwise_mve_run run;
    int8_t zeros[16];
    int32_t index, channel;
    memset(zeros, op->in_zero, sizeof zeros);
    for (index = 0; index < units; ++index) {
        const int32_t at = row + index * across < last - across ? row + index * across : last - across;
        const int32_t y = at * op->stride_h - op->pad_h;
        int8_t *const out = (int8_t *)mcu_write(op->output, arena, at) + (ptrdiff_t)column * op->channels;
        int8_t *const to = words + index * unit;
        int32_t left = 0, end = lanes;
        mcu_depthwise_mve_layer(op, arena, y, needed, x, columns, zeros, to, turn++);
        if (large) {
            mcu_depthwise_mve_layer(op, arena, y + 4 * op->dilation_h, needed - 4, x, columns, zeros, to + layer, turn++);
        }
        for (;;) {
            block->in = to + 64 * op->stride_w * left;
            block->out = out + (ptrdiff_t)left * op->channels;
            ++block;
            if (end == width) {
                break;
            }
            end = end + lanes < width ? end + lanes : width;
            left = end - lanes;
        }
        if (across == 2) {
            run.offsets[2] = (int32_t)((int8_t *)mcu_write(op->output, arena, at + 1) + (ptrdiff_t)column * op->channels - out);
        }
    }
    run.table = table;
    run.blocks = (int32_t)(block - table);
    run.weights = op->weights;
    run.kernel_w = op->kernel_w;
    run.further_w = op->kernel_w > 4 ? op->kernel_w - 4 : 0;
    run.lanes = lanes;
    run.layer = layer;
    run.zero = op->out_zero;
    run.low = op->out_min;
    run.high = op->out_max;
    run.offsets[0] = 0;
    run.offsets[1] = op->channels;
    if (across == 2) {
        run.offsets[3] = run.offsets[2] + op->channels;
    } else {
        run.offsets[2] = 2 * op->channels;
        run.offsets[3] = 3 * op->channels;
    }
    for (channel = 0; channel < op->channels; channel += 16) {
        run.channels = op->channels - channel < 16 ? op->channels - channel : 16;
        for (turn = turns; turn < turned; ++turn) {
            mcu_depthwise_mve_turn(turn, run.channels);
        }
        kernel(&run);
        run.weights += 16 * op->words;
        for (index = 0; index < 4; ++index) {
            run.offsets[index] += 16;
        }
    }
}

/* How many units of two rows, of at most `units` from `row` on, have the same distance between their rows. */
static inline int32_t mcu_depthwise_mve_alike(const struct mcu_depthwise_conv2d_mve *op, unsigned char *arena, int32_t row,
                                              int32_t last, int32_t units)
{
    ptrdiff_t distance = 0;
    int32_t index;
    for (index = 0; index < units; ++index) {
        const int32_t at = row + 2 * index < last - 2 ? row + 2 * index : last - 2;
        const ptrdiff_t this = (int8_t *)mcu_write(op->output, arena, at + 1) - (int8_t *)mcu_write(op->output, arena, at);
        if (index && this != distance) {
            break;
        }
        distance = this;
    }
    return index;
}

static inline void mcu_depthwise_mve_steps(const struct mcu_depthwise_conv2d_mve *op, unsigned char *arena, int32_t first,
                                           int32_t steps, mcu_depthwise_mve_kernel pair, mcu_depthwise_mve_kernel single)
{
    const int32_t last = mcu_depthwise_mve_row(op, steps);
    int32_t row = mcu_depthwise_mve_row(op, first), units, column;
    const int32_t across = op->pair && last - row > 1 && op->out_w > 1 ? 2 : 1;
    for (; row < last; row += units * across) {
        units = (last - row + across - 1) / across;
        units = units < op->units ? units : op->units;
        if (across == 2) {
            units = mcu_depthwise_mve_alike(op, arena, row, last, units);
        }
        for (column = 0; column < op->out_w; column += op->strip) {
            const int32_t left = op->out_w - column < op->strip ? op->out_w - op->strip : column;
            mcu_depthwise_mve_units(op, arena, row, last, across, units, left, op->strip, across == 2 ? pair : single);
        }
    }
}

#define MCU_DEPTHWISE_MVE(name, pair, single)                                                                    \
    static MCU_UNUSED void name(const void *record, unsigned char *arena, int32_t first, int32_t last)            \
    {                                                                                                            \
        mcu_depthwise_mve_steps((const struct mcu_depthwise_conv2d_mve *)record, arena, first, last, pair, single); \
    }

#else

static inline int8_t mcu_depthwise_mve_output(const struct mcu_depthwise_conv2d_mve *op, const unsigned char *arena, int32_t row,
                                              int32_t column, int32_t channel)
{
    const int32_t *words = op->weights + (ptrdiff_t)channel * op->words;
    const int32_t word = words[op->words - 2], multiplier = words[op->words - 1];
    uint32_t sum = (uint32_t)((word - (word & 255)) / 256);
    int32_t ky, kx;
    for (ky = 0; ky < op->kernel_h; ++ky) {
        const int32_t y = row * op->stride_h - op->pad_h + ky * op->dilation_h;
        const int8_t *in = y < 0 || y >= op->in_h ? NULL : (const int8_t *)mcu_read(op->input, arena, y) + channel;
        for (kx = 0; kx < op->kernel_w; ++kx) {
            const int32_t x = column * op->stride_w - op->pad_w + kx;
            const int32_t value = !in || x < 0 || x >= op->in_w ? op->in_zero : in[(ptrdiff_t)x * op->channels];
            const uint32_t taps = (uint32_t)words[ky / 4 * op->kernel_w + kx];
            sum += (uint32_t)(value * (int8_t)(taps >> ky % 4 * 8 & 255));
        }
    }
    return mcu_requantize((int32_t)sum, multiplier, -(-word & 255), op->out_zero, op->out_min, op->out_max);
}

static inline void mcu_depthwise_mve_steps(const struct mcu_depthwise_conv2d_mve *op, unsigned char *arena, int32_t first,
                                           int32_t steps)
{
    const int32_t last = mcu_depthwise_mve_row(op, steps);
    int32_t row, column, channel;
    for (row = mcu_depthwise_mve_row(op, first); row < last; ++row) {
        int8_t *out = (int8_t *)mcu_write(op->output, arena, row);
        for (column = 0; column < op->out_w; ++column) {
            for (channel = 0; channel < op->channels; ++channel) {
                *out++ = mcu_depthwise_mve_output(op, arena, row, column, channel);
            }
        }
    }
}

#define MCU_DEPTHWISE_MVE(name, pair, single)                                                           \
    static MCU_UNUSED void name(const void *record, unsigned char *arena, int32_t first, int32_t last)   \
    {                                                                                                   \
        mcu_depthwise_mve_steps((const struct mcu_depthwise_conv2d_mve *)record, arena, first, last);   \
    }

#endif

#define MCU_DEPTHWISE_MVE_FLAVOUR(flavour)                                                                                      \
    MCU_DEPTHWISE_MVE(mcu_depthwise_conv2d_mve_small_1_##flavour, mcu_depthwise_mve_pair_##flavour, mcu_depthwise_mve_small_1_##flavour) \
    MCU_DEPTHWISE_MVE(mcu_depthwise_conv2d_mve_small_2_##flavour, NULL, mcu_depthwise_mve_small_2_##flavour)                    \
    MCU_DEPTHWISE_MVE(mcu_depthwise_conv2d_mve_large_1_##flavour, NULL, mcu_depthwise_mve_large_1_##flavour)                    \
    MCU_DEPTHWISE_MVE(mcu_depthwise_conv2d_mve_large_2_##flavour, NULL, mcu_depthwise_mve_large_2_##flavour)

MCU_DEPTHWISE_MVE_FLAVOUR(relu)
MCU_DEPTHWISE_MVE_FLAVOUR(linear)
MCU_DEPTHWISE_MVE_FLAVOUR(clamped)

#endif
