/* ADD and SUB for the DSP extension: a linear form of both operands, proven equal to mcu_add.h for all pairs of values. */
#ifndef TFLM_MCUNET_ADD_DSP_H
#define TFLM_MCUNET_ADD_DSP_H

#include "mcu_broadcast.h"
#include "mcu_dsp.h"

/* The output is (a_factor * (a << 8) / 2^16 + b_factor * (b << 8) / 2^16 + offset) / 2^20, each quotient rounded down, clamped to
   -128..127: SMLAW multiplies a word by a 16-bit lane, and an int8 value in the upper half of a lane needs no sign extension. */
struct mcu_add_dsp {
    struct mcu_broadcast operands;
    int32_t a_factor, b_factor, offset;
};

static inline int8_t mcu_add_dsp_output(const struct mcu_add_dsp *op, int32_t a, int32_t b)
{
    const int32_t left = (int32_t)(((int64_t)op->a_factor * (a * 256)) >> 16);
    const int32_t right = (int32_t)(((int64_t)op->b_factor * (b * 256)) >> 16);
    const int32_t sum = (int32_t)((uint32_t)op->offset + (uint32_t)left + (uint32_t)right);
    return (int8_t)mcu_dsp_ssat8(sum >> 20);
}

#if MCU_DSP

/* What the loop over words needs, in the order of its registers. */
struct mcu_add_dsp_walk {
    const int8_t *a, *b;
    int8_t *out;
    int32_t words, a_factor, b_factor, offset;
};

/* Four elements at a time. r0 a, r1 b, r2 out, r3 words, r8 and r9 factors, r10 offset, r12 mask; r4 and r6: elements 0 and 2 of a
   and b, r5 and lr: 1 and 3; then sums of elements 0 (r4), 2 (r7), 1 (r5) and 3 (r6). r7 may be a frame pointer. */
static inline void mcu_add_dsp_words(const struct mcu_add_dsp_walk *walk)
{
    register const struct mcu_add_dsp_walk *at __asm__("r0") = walk;
    __asm__ volatile("push {r7}\n"
                     "ldm r0, {r0, r1, r2, r3, r8, r9, r10}\n"
                     "mov r12, #0xff00ff00\n"
                     "1:\n"
                     "ldr r5, [r0], #4\n"
                     "ldr lr, [r1], #4\n"
                     "and r4, r12, r5, lsl #8\n"
                     "and r6, r12, lr, lsl #8\n"
                     "smlawt r7, r8, r4, r10\n"
                     "smlawb r4, r8, r4, r10\n"
                     "smlawt r7, r9, r6, r7\n"
                     "smlawb r4, r9, r6, r4\n"
                     "and r5, r12\n"
                     "and lr, r12\n"
                     "smlawt r6, r8, r5, r10\n"
                     "smlawb r5, r8, r5, r10\n"
                     "smlawt r6, r9, lr, r6\n"
                     "smlawb r5, r9, lr, r5\n"
                     "ssat r4, #8, r4, asr #20\n"
                     "ssat r5, #8, r5, asr #20\n"
                     "ssat r7, #8, r7, asr #20\n"
                     "ssat r6, #8, r6, asr #20\n"
                     "bfi r4, r5, #8, #8\n"
                     "bfi r4, r7, #16, #8\n"
                     "bfi r4, r6, #24, #8\n"
                     "str r4, [r2], #4\n"
                     "subs r3, #1\n"
                     "bne 1b\n"
                     "pop {r7}\n"
                     : "+r"(at)
                     :
                     : "r1", "r2", "r3", "r4", "r5", "r6", "r8", "r9", "r10", "r12", "lr", "cc", "memory");
}

#endif

MCU_RUN void mcu_add_dsp_run(const void *record, const int8_t *a, int32_t a_step, const int8_t *b, int32_t b_step, int8_t *out,
                             int32_t count)
{
    const struct mcu_add_dsp *op = (const struct mcu_add_dsp *)record;
#if MCU_DSP
    if (a_step && b_step && count > 3) {
        const int32_t done = count & ~3;
        const struct mcu_add_dsp_walk walk = {a, b, out, done / 4, op->a_factor, op->b_factor, op->offset};
        mcu_add_dsp_words(&walk);
        a += done;
        b += done;
        out += done;
        count -= done;
    }
#endif
    for (; count > 0; --count, a += a_step, b += b_step) {
        *out++ = mcu_add_dsp_output(op, *a, *b);
    }
}

MCU_DSP_SELDOM void mcu_add_dsp(const void *record, unsigned char *arena, int32_t first, int32_t last)
{
    mcu_broadcast(&((const struct mcu_add_dsp *)record)->operands, mcu_add_dsp_run, record, arena, first, last);
}

#endif
