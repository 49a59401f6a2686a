/* DEPTHWISE_CONV_2D with a 3x3 window at stride 1 or 2 and one output per channel, straight from rows of pixels: no scratch, and
   hardly more work for one row at a time than for whole maps.

   One channel after the other, a kernel slides along the rows of an event. Of each input column it loads three bytes: those of the
   window's upper two rows become the lanes of a word, so that SMLAD multiplies both. A column takes part in up to three outputs,
   whose sums are all in registers. Where the window's uppermost or lowest row is outside the image, its weights become zero, and the
   bias takes what zero points would have given. An output may lie exactly over the input pixel above its own.

   Two tails finish an output; zero point and least output are -128, the greatest is 127:
       scaled     smmla, ssat: weights are scaled so that all channels share one shift;
       rectified  smmlar, asr, ssat: a shift per channel. */
#ifndef TFLM_MCUNET_DEPTHWISE_DIRECT_DSP_H
#define TFLM_MCUNET_DEPTHWISE_DIRECT_DSP_H

#include "mcu_dsp.h"
#include "mcu_rows.h"

/* `channels` holds, per channel: int32 bias, with the input's zero point folded in and scaled as the weights will be; int32 multiplier;
   weights plus 128 in the order 00 01 10 11, 02 20 12 21, 22 (row, column); a byte: 32 * (scale - 1) + shift. In the tails,
   t = smmlar(acc << scale, multiplier, offset) >> shift; scaled is smmla(...) >> MCU_DWD_SHARED_SHIFT. */
struct mcu_depthwise_direct_dsp {
    const struct mcu_tensor *input, *output;
    const uint8_t *channels;
    int16_t in_h, in_w, in_c, out_w;
    int16_t stride, pad_h, pad_w;
    int16_t in_zero, out_zero;
};

#define MCU_DWD_SHARED_SHIFT 10
#define MCU_DWD_SHARED_SHIFT_TEXT "10"
#define MCU_DWD_CHANNEL_BYTES 18

/* Output rows that a kernel computes with one channel's weights. */
#define MCU_DWD_ROWS 8

/* An output row: its window's middle row at the first column that is in the image; from there to the rows above and below, 0 where
   these are outside the image; from the input column behind an output's window to that output. */
struct mcu_dwd_row {
    uint32_t middle;
    int32_t above, below, out;
};

/* What a kernel needs, in the order of its frame. `left` and `right`: windows of the first and last output reach beyond the image.
   `span` bytes of input from the first output's last column to the last one's. `phase`: the number of
   outputs of a row but the last, modulo the outputs of a turn of the kernel's loop, or 3 where it is zero. */
struct mcu_dwd_job {
    const uint8_t *channels;
    const struct mcu_dwd_row *rows, *end;
    int32_t pixel;
    uint32_t zero;
    int32_t base, count, left, right, span, phase;
};

#if MCU_DSP

typedef void (*mcu_dwd_kernel)(const struct mcu_dwd_job *job);

/* Registers: r0 input, r1 above, r2 below, r3 out; r4 r5 r6 weights of the upper two rows, by column; r7 those of the lowest row's
   columns 0 and 1; r8 that of column 2, and a pixel's bytes in the upper half; r9 r10 r11 sums; r12 lr data.
   The frame, in bytes: weights 0..16, bias 20, multiplier 24, offset 28, the row's bias 32, end of the row 36, next row 40, shift 44,
   channel 48; then the job: channels 52, rows 56, their end 60, pixel 64, zero 68, base 72, count 76, left 80, right 84, span 88,
   phase 92; left, right and phase become addresses in the code. */

/* A column of the input: r12 = its upper two rows, lr = the lowest. */
#define MCU_DWD_COLUMN \
    "ldrsb r12, [r0, r1]\n" \
    "ldrsb lr, [r0]\n" \
    "pkhbt r12, r12, lr, lsl #16\n" \
    "ldrsb lr, [r0, r2]\n" \
    "add r0, r0, r8, asr #16\n"

/* The column as the first, second or third of a sum's window. */
#define MCU_DWD_FIRST(sum) "smlad " sum ", r12, r4, " sum "\n" "smlabb " sum ", lr, r7, " sum "\n"
#define MCU_DWD_SECOND(sum) "smlad " sum ", r12, r5, " sum "\n" "smlabt " sum ", lr, r7, " sum "\n"
#define MCU_DWD_THIRD(sum) "smlad " sum ", r12, r6, " sum "\n" "smlabb " sum ", lr, r8, " sum "\n"
#define MCU_DWD_BIAS(sum) "ldr " sum ", [sp, #32]\n"

/* The column as the first or third of a sum's window, where it is zero points. */
#define MCU_DWD_FIRST_OUTSIDE "ldr r12, [sp, #68]\n" "smlad r9, r12, r4, r9\n" "smlabb r9, r12, r7, r9\n"
#define MCU_DWD_THIRD_OUTSIDE "ldr r12, [sp, #68]\n" "smlad r9, r12, r6, r9\n" "smlabb r9, r12, r8, r9\n"

#define MCU_DWD_TAIL_scaled(sum) \
    "ldrd r12, lr, [sp, #24]\n" \
    "smmla r12, " sum ", r12, lr\n" \
    "ssat r12, #8, r12, asr #" MCU_DWD_SHARED_SHIFT_TEXT "\n" \
    "strb r12, [r0, r3]\n"
#define MCU_DWD_TAIL_rectified(sum) \
    "ldrd r12, lr, [sp, #24]\n" \
    "smmlar r12, " sum ", r12, lr\n" \
    "ldr lr, [sp, #44]\n" \
    "asr r12, lr\n" \
    "ssat r12, #8, r12\n" \
    "strb r12, [r0, r3]\n"

/* From scale (r12) and shift (lr), the offset in r11; r2 and r3 are free. */
#define MCU_DWD_OFFSET_scaled "sub r2, r12, #2\n" "movs r11, #1\n" "lsl r11, r2\n" "ldr r2, [sp, #72]\n" "add r11, r2\n"
#define MCU_DWD_OFFSET_rectified "ldr r11, [sp, #72]\n" "lsl r11, lr\n" "asr r11, r11, #1\n" "str lr, [sp, #44]\n"

/* Four weights in a word become two words of lanes, times 2^scale (r12); r11 is 128 times that in both lanes. */
#define MCU_DWD_WIDEN(word, other) \
    "uxtb16 " other ", " word ", ror #8\n" \
    "uxtb16 " word ", " word "\n" \
    "lsl " word ", r12\n" \
    "lsl " other ", r12\n" \
    "ssub16 " word ", " word ", r11\n" \
    "ssub16 " other ", " other ", r11\n"

/* An output at stride 1: its last column, which is the second of the next output and the first of the one after; that one's bias
   was loaded before, and the next one's is loaded at last. */
#define MCU_DWD_STEP_1(tail, sum, next, after) \
    MCU_DWD_COLUMN MCU_DWD_THIRD(sum) MCU_DWD_SECOND(next) MCU_DWD_FIRST(after) MCU_DWD_TAIL_##tail(sum) MCU_DWD_BIAS(sum)
/* At stride 2 its second column, and the last, which is the first of the next output. */
#define MCU_DWD_STEP_2(tail, sum, next) \
    MCU_DWD_COLUMN MCU_DWD_SECOND(sum) MCU_DWD_BIAS(next) MCU_DWD_COLUMN MCU_DWD_THIRD(sum) MCU_DWD_FIRST(next) \
    MCU_DWD_TAIL_##tail(sum) "sub r3, r3, r8, asr #16\n"

/* Registers rotate, three or two outputs at a time. The loop is entered at 20, 21 or 22, where the number of outputs but the last
   asks for: it is divisible by three (or two), one more, or two more; or left out, at 40. The last output is in r9. */
#define MCU_DWD_SLIDE_1(tail) \
    MCU_DWD_COLUMN MCU_DWD_BIAS("r10") MCU_DWD_SECOND("r9") MCU_DWD_FIRST("r10") MCU_DWD_ENTER \
    "21:\n" \
    "mov r11, r9\n" "mov r9, r10\n" MCU_DWD_BIAS("r10") \
    "b 32f\n" \
    "22:\n" \
    "mov r11, r10\n" "mov r10, r9\n" MCU_DWD_BIAS("r9") \
    "b 31f\n" \
    "20:\n" MCU_DWD_BIAS("r11") \
    "30:\n" MCU_DWD_STEP_1(tail, "r9", "r10", "r11") \
    "31:\n" MCU_DWD_STEP_1(tail, "r10", "r11", "r9") \
    "32:\n" MCU_DWD_STEP_1(tail, "r11", "r9", "r10") MCU_DWD_AGAIN \
    "40:\n"
#define MCU_DWD_SLIDE_2(tail) \
    MCU_DWD_ENTER \
    "21:\n" \
    "22:\n" \
    "mov r10, r9\n" \
    "b 31f\n" \
    "20:\n" \
    "30:\n" MCU_DWD_STEP_2(tail, "r9", "r10") \
    "31:\n" MCU_DWD_STEP_2(tail, "r10", "r9") MCU_DWD_AGAIN \
    "40:\n" MCU_DWD_COLUMN MCU_DWD_SECOND("r9")
#define MCU_DWD_ENTER "ldr r12, [sp, #88]\n" "add r12, r0\n" "str r12, [sp, #36]\n" "ldr pc, [sp, #92]\n"
#define MCU_DWD_AGAIN "ldr r12, [sp, #36]\n" "cmp r0, r12\n" "bne 30b\n"

/* Puts the address of one of two places, to be loaded into pc, where the frame has a number: the second where that is zero. */
#define MCU_DWD_PLACE(slot, place, other) \
    "ldr r1, [sp, #" slot "]\n" \
    "adr r2, " place "\n" \
    "cbnz r1, 11f\n" \
    "adr r2, " other "\n" \
    "11:\n" \
    "add r2, #1\n" \
    "str r2, [sp, #" slot "]\n"

/* r7 and r11 may be frame pointers, which no list of clobbered registers may name. */
#define MCU_DWD_KERNEL(step, tail) \
    static __attribute__((noinline, unused)) void mcu_dwd_##step##_##tail(const struct mcu_dwd_job *work) \
    { \
        register const struct mcu_dwd_job *job __asm__("r0") = work; \
        __asm__ volatile(".balign 4\n" /* adr counts from whole words; with -Os the function would begin anywhere */ \
                         "push {r7, r11}\n" \
                         "ldm r0, {r1, r2, r3, r4, r5, r6, r7, r8, r9, r10, r11}\n" \
                         "push {r1, r2, r3, r4, r5, r6, r7, r8, r9, r10, r11}\n" \
                         "sub sp, #52\n" \
                         "movs r0, #0\n" \
                         "str r0, [sp, #48]\n" MCU_DWD_PLACE("80", "15f", "5f") MCU_DWD_PLACE("84", "17f", "7f") \
                         "ldr r1, [sp, #92]\n" \
                         "adr r2, 20f\n" \
                         "cbz r1, 12f\n" \
                         "adr r2, 21f\n" \
                         "subs r1, #1\n" \
                         "beq 12f\n" \
                         "adr r2, 22f\n" \
                         "subs r1, #1\n" \
                         "beq 12f\n" \
                         "adr r2, 40f\n" \
                         "12:\n" \
                         "add r2, #1\n" \
                         "str r2, [sp, #92]\n" \
                         "1:\n" /* a channel */ \
                         "ldr r0, [sp, #52]\n" \
                         "ldr r9, [r0]\n" \
                         "ldr r10, [r0, #4]\n" \
                         "ldr r4, [r0, #8]\n" \
                         "ldr r6, [r0, #12]\n" \
                         "ldrb r8, [r0, #16]\n" \
                         "ldrb r12, [r0, #17]\n" \
                         "adds r0, #" MCU_DWD_TEXT(MCU_DWD_CHANNEL_BYTES) "\n" \
                         "str r0, [sp, #52]\n" \
                         "and lr, r12, #31\n" \
                         "lsr r12, r12, #5\n" \
                         "add r12, #1\n" \
                         "mov r11, #0x00800080\n" \
                         "lsl r11, r12\n" MCU_DWD_WIDEN("r4", "r5") MCU_DWD_WIDEN("r6", "r7") \
                         "lsl r8, r12\n" \
                         "ssub16 r8, r8, r11\n" MCU_DWD_OFFSET_##tail \
                         "ldr lr, [sp, #64]\n" \
                         "pkhbt r8, r8, lr, lsl #16\n" \
                         "stm sp, {r4, r5, r6, r7, r8, r9, r10, r11}\n" \
                         "str r9, [sp, #32]\n" \
                         "ldr r12, [sp, #56]\n" \
                         "2:\n" /* a row */ \
                         "ldm r12!, {r0, r1, r2, r3}\n" \
                         "str r12, [sp, #40]\n" \
                         "ldr lr, [sp, #48]\n" \
                         "add r0, lr\n" \
                         "cbnz r1, 3f\n" \
                         "ldr r12, [sp, #68]\n" \
                         "ldr lr, [sp, #32]\n" \
                         "smlabb lr, r12, r4, lr\n" \
                         "smlabb lr, r12, r5, lr\n" \
                         "smlabb lr, r12, r6, lr\n" \
                         "str lr, [sp, #32]\n" \
                         "bfc r4, #0, #16\n" \
                         "bfc r5, #0, #16\n" \
                         "bfc r6, #0, #16\n" \
                         "3:\n" \
                         "cbnz r2, 4f\n" \
                         "ldr r12, [sp, #68]\n" \
                         "ldr lr, [sp, #32]\n" \
                         "smlabb lr, r12, r7, lr\n" \
                         "smlabt lr, r12, r7, lr\n" \
                         "smlabb lr, r12, r8, lr\n" \
                         "str lr, [sp, #32]\n" \
                         "movs r7, #0\n" \
                         "bfc r8, #0, #16\n" \
                         "4:\n" MCU_DWD_BIAS("r9") \
                         "ldr pc, [sp, #80]\n" \
                         "5:\n" MCU_DWD_COLUMN MCU_DWD_FIRST("r9") \
                         "b 6f\n" \
                         "15:\n" MCU_DWD_FIRST_OUTSIDE \
                         "6:\n" MCU_DWD_SLIDE_##step(tail) \
                         "ldr pc, [sp, #84]\n" \
                         "7:\n" MCU_DWD_COLUMN MCU_DWD_THIRD("r9") \
                         "b 8f\n" \
                         "17:\n" MCU_DWD_THIRD_OUTSIDE \
                         "add r0, r0, r8, asr #16\n" \
                         "8:\n" MCU_DWD_TAIL_##tail("r9") \
                         "cbz r1, 9f\n" \
                         "cbnz r2, 10f\n" \
                         "9:\n" /* the weights without those rows' zeros */ \
                         "ldm sp, {r4, r5, r6, r7, r8, r9}\n" \
                         "str r9, [sp, #32]\n" \
                         "10:\n" \
                         "ldr r12, [sp, #40]\n" \
                         "ldr lr, [sp, #60]\n" \
                         "cmp r12, lr\n" \
                         "bne 2b\n" \
                         "ldr r12, [sp, #48]\n" \
                         "ldr lr, [sp, #76]\n" \
                         "add r12, #1\n" \
                         "str r12, [sp, #48]\n" \
                         "cmp r12, lr\n" \
                         "bne 1b\n" \
                         "add sp, #96\n" \
                         "pop {r7, r11}\n" \
                         : "+r"(job) \
                         : \
                         : "r1", "r2", "r3", "r4", "r5", "r6", "r8", "r9", "r10", "r12", "lr", "cc", "memory"); \
    }

#define MCU_DWD_TEXT(number) MCU_DWD_TEXT_OF(number)
#define MCU_DWD_TEXT_OF(number) #number

MCU_DWD_KERNEL(1, scaled)
MCU_DWD_KERNEL(1, rectified)
MCU_DWD_KERNEL(2, scaled)
MCU_DWD_KERNEL(2, rectified)

/* Output rows [first, last). */
MCU_DSP_SELDOM void mcu_dwd_run(const struct mcu_depthwise_direct_dsp *op, unsigned char *arena, int32_t first, int32_t last,
                                int32_t scaled, mcu_dwd_kernel kernel)
{
    const int32_t further = op->out_w - 1, left = op->pad_w > 0;
    const int32_t column = left ? 0 : -op->pad_w;
    const int32_t base = 2 * op->out_zero + 1;
    struct mcu_dwd_row rows[MCU_DWD_ROWS];
    struct mcu_dwd_row *end = rows;
    struct mcu_dwd_job job;
    job.rows = rows;
    job.pixel = op->in_c;
    job.zero = ((uint32_t)op->in_zero & 0xffffu) * 0x10001u;
    job.base = scaled ? base * (1 << (MCU_DWD_SHARED_SHIFT - 1)) : base;
    job.count = op->in_c;
    job.left = left;
    job.right = further * op->stride + 3 - op->pad_w > op->in_w;
    job.span = further * op->stride * op->in_c;
    job.phase = further ? further % (4 - op->stride) : 3;
    while (first < last) {
        const int32_t row = first * op->stride - op->pad_h;
        const int8_t *const middle = (const int8_t *)mcu_read(op->input, arena, row + 1) + column * op->in_c;
        const int8_t *const above = (const int8_t *)mcu_read(op->input, arena, row < 0 ? row + 1 : row) + column * op->in_c;
        const int8_t *const below = (const int8_t *)mcu_read(op->input, arena, row + 2 < op->in_h ? row + 2 : row + 1) + column * op->in_c;
        end->middle = (uint32_t)(uintptr_t)middle;
        end->above = (int32_t)(above - middle);
        end->below = (int32_t)(below - middle);
        end->out = (int32_t)((int8_t *)mcu_write(op->output, arena, first) - middle) - (3 - left) * op->in_c;
        ++end;
        if (++first == last || end == rows + MCU_DWD_ROWS) {
            job.channels = op->channels;
            job.end = end;
            kernel(&job);
            end = rows;
        }
    }
}

#define MCU_DWD_RUN(op, arena, first, last, scaled, kernel) mcu_dwd_run(op, arena, first, last, scaled, kernel)

#else

/* Twin: one output. */
static inline int8_t mcu_dwd_output(const struct mcu_depthwise_direct_dsp *op, const unsigned char *arena, const uint8_t *parameters,
                                    int32_t row, int32_t column, int32_t channel, int32_t scaled)
{
    static const uint8_t places[3][3] = {{0, 1, 4}, {2, 3, 6}, {5, 7, 8}};
    const int32_t last = parameters[17], scale = 1 + (last >> 5), shift = last & 31, base = 2 * op->out_zero + 1;
    const int32_t multiplier = (int32_t)mcu_dsp_load(parameters + 4);
    const int32_t top = row * op->stride - op->pad_h, left = column * op->stride - op->pad_w;
    uint32_t sum = mcu_dsp_load(parameters);
    int32_t y, x;
    for (y = 0; y < 3; ++y) {
        const int inside = top + y >= 0 && top + y < op->in_h;
        const int8_t *in = (const int8_t *)mcu_read(op->input, arena, inside ? top + y : 0) + channel;
        for (x = 0; x < 3; ++x) {
            const int32_t value = inside && left + x >= 0 && left + x < op->in_w ? in[(left + x) * op->in_c] : op->in_zero;
            sum += (uint32_t)(value * ((parameters[8 + places[y][x]] - 128) * (1 << scale)));
        }
    }
    if (scaled) {
        const int32_t offset = base * (1 << (MCU_DWD_SHARED_SHIFT - 1)) + (1 << (scale - 2));
        const int32_t product = (int32_t)(((int64_t)(int32_t)sum * multiplier) >> 32);
        return (int8_t)mcu_dsp_ssat8((product + offset) >> MCU_DWD_SHARED_SHIFT);
    }
    return (int8_t)mcu_dsp_ssat8(mcu_dsp_smmlar((int32_t)sum, multiplier, shift ? base * (1 << (shift - 1)) : base >> 1) >> shift);
}

static inline void mcu_dwd_run(const struct mcu_depthwise_direct_dsp *op, unsigned char *arena, int32_t first, int32_t last,
                               int32_t scaled)
{
    int32_t row, column, channel;
    for (row = first; row < last; ++row) {
        const uint8_t *parameters = op->channels;
        for (channel = 0; channel < op->in_c; ++channel, parameters += MCU_DWD_CHANNEL_BYTES) {
            int8_t *out = (int8_t *)mcu_write(op->output, arena, row) + channel;
            int8_t before = mcu_dwd_output(op, arena, parameters, row, 0, channel, scaled);
            for (column = 1; column < op->out_w; ++column, out += op->in_c) {
                /* the output before it may lie over an input of this one */
                const int8_t next = mcu_dwd_output(op, arena, parameters, row, column, channel, scaled);
                *out = before;
                before = next;
            }
            *out = before;
        }
    }
}

#define MCU_DWD_RUN(op, arena, first, last, scaled, kernel) mcu_dwd_run(op, arena, first, last, scaled)

#endif

/* mcu_depthwise_direct_dsp_<stride>_<tail> */
#define MCU_DWD_OPERATOR(step, tail, scaled) \
    static inline void mcu_depthwise_direct_dsp_##step##_##tail(const void *op, unsigned char *arena, int32_t first, int32_t last) \
    { \
        MCU_DWD_RUN((const struct mcu_depthwise_direct_dsp *)op, arena, first, last, scaled, mcu_dwd_##step##_##tail); \
    }

MCU_DWD_OPERATOR(1, scaled, 1)
MCU_DWD_OPERATOR(1, rectified, 0)
MCU_DWD_OPERATOR(2, scaled, 1)
MCU_DWD_OPERATOR(2, rectified, 0)

#endif
