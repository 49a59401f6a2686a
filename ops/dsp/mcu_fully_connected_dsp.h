/* FULLY_CONNECTED for the DSP extension: four outputs at a time, two weights per 16-bit lane. */
#ifndef TFLM_MCUNET_FULLY_CONNECTED_DSP_H
#define TFLM_MCUNET_FULLY_CONNECTED_DSP_H

#include "mcu_dsp.h"
#include "mcu_rows.h"

/* `stream` has per four outputs (0 .. 3) the sums' starts, 512 * bias1 + 2 * bias0, 2 * bias0, and the same of 3 and 2, then per
   quad of inputs four words of weights: inputs {2:0} and {3:1} in lanes 256 * w1 + w0, and the same for 3 and 2.
   `parameters` has multiplier, offset and shift of each output, or of all where `uniform` is set.
   Scratch: the inputs, expanded (mcu_dsp.h) and filled up to a multiple of eight: `chunks` times eight. */
struct mcu_fully_connected_dsp {
    const struct mcu_tensor *input, *output;
    const int32_t *stream;
    const int32_t *parameters;
    uint32_t scratch;
    int32_t batches, in_c, out_c;
    int16_t chunks, uniform, out_min, out_max;
};

/* Chunks of eight inputs that are unrolled. */
#define MCU_DSP_DOTS 8

/* Four outputs at a time; read by the assembly: keep the order. */
struct mcu_dsp_dot {
    const int32_t *stream; /* moves on */
    int8_t *out;
    const int32_t *parameters;
    int32_t step; /* from the parameters of one output to the next, in bytes */
    const int8_t *end; /* of the outputs */
    const uint32_t *inputs;
    int32_t chunks, entry; /* entry: how many of them the first pass through the unrolled ones runs */
    int32_t clamped, least, most;
};

#if MCU_DSP

/* r0 stream   r1 inputs   r2 - r5 weights   r6 - r9 inputs, two each   r10 r11 r12 lr sums: raw lanes, low bytes; for 0 and 1, 2 and 3
   in the tails: r1 parameters, r2 their step, r3 out, r5 multiplier, r6 offset, r7 shift, r8 start of the product
   stack: 0 out, 4 multiplier, offset and shift where all outputs share them, 16 end of the outputs, 20 inputs, 24 their end, 28 entry,
   32 tail, 36 block, 40 parameters */
__attribute__((naked, noinline, unused)) static void mcu_dsp_dot4(struct mcu_dsp_dot *dot __attribute__((unused)))
{
    __asm__ volatile(
        ".syntax unified\n\t"
        ".macro mcu_output sum\n\t"
        "add r8, r6, \\sum, asr #31\n\t"
        "smmlar \\sum, \\sum, r5, r8\n\t"
        "asr \\sum, \\sum, r7\n\t"
        "ssat \\sum, #8, \\sum\n\t"
        ".endm\n\t"
        ".macro mcu_own_output sum\n\t"
        "ldmia r1, {r5, r6, r7}\n\t"
        "add r1, r1, r2\n\t"
        "mcu_output \\sum\n\t"
        ".endm\n\t"
        ".macro mcu_limit sum\n\t"
        "cmp \\sum, r5\n\t"
        "it lt\n\t"
        "movlt \\sum, r5\n\t"
        "cmp \\sum, r6\n\t"
        "it gt\n\t"
        "movgt \\sum, r6\n\t"
        ".endm\n\t"

        "push {r4, r5, r6, r7, r8, r9, r10, r11, lr}\n\t"
        "sub sp, sp, #44\n\t"
        "str r0, [sp, #36]\n\t"
        "ldmia r0, {r0, r1, r2, r3, r4, r5, r6, r7, r8}\n\t"
        "str r1, [sp]\n\t"
        "strd r4, r5, [sp, #16]\n\t"
        "add r5, r5, r6, lsl #4\n\t"
        "movs r1, #104\n\t"
        "adr.w r6, 4f\n\t"
        "mls r6, r7, r1, r6\n\t"
        "adds r6, r6, #1\n\t"
        "strd r5, r6, [sp, #24]\n\t"
        "str r2, [sp, #40]\n\t"
        "adr.w r1, 5f\n\t"
        "orrs r3, r3, r8\n\t"
        "it ne\n\t"
        "adrne.w r1, 6f\n\t"
        "adds r1, r1, #1\n\t"
        "str r1, [sp, #32]\n\t"
        "ldmia r2, {r2, r3, r4}\n\t"
        "add r1, sp, #4\n\t"
        "stmia r1, {r2, r3, r4}\n\t"

        "1:\n\t"
        "ldr r1, [sp, #20]\n\t"
        "ldmia r0!, {r10, r11, r12, lr}\n\t"
        "ldr pc, [sp, #28]\n\t"
        ".balign 4\n\t"
        "3:\n\t"
        ".rept 8\n\t" /* MCU_DSP_DOTS */
        "ldmia r0!, {r2, r3, r4, r5}\n\t"
        "ldmia r1!, {r6, r7, r8, r9}\n\t"
        "smlad r10, r2, r6, r10\n\t"
        "sxtb16 r2, r2\n\t"
        "smlad r12, r4, r6, r12\n\t"
        "sxtb16 r4, r4\n\t"
        "smlad r11, r2, r6, r11\n\t"
        "smlad lr, r4, r6, lr\n\t"
        "smlad r10, r3, r7, r10\n\t"
        "sxtb16 r3, r3\n\t"
        "smlad r12, r5, r7, r12\n\t"
        "sxtb16 r5, r5\n\t"
        "smlad r11, r3, r7, r11\n\t"
        "smlad lr, r5, r7, lr\n\t"
        "ldmia r0!, {r2, r3, r4, r5}\n\t"
        "smlad r10, r2, r8, r10\n\t"
        "sxtb16 r2, r2\n\t"
        "smlad r12, r4, r8, r12\n\t"
        "sxtb16 r4, r4\n\t"
        "smlad r11, r2, r8, r11\n\t"
        "smlad lr, r4, r8, lr\n\t"
        "smlad r10, r3, r9, r10\n\t"
        "sxtb16 r3, r3\n\t"
        "smlad r12, r5, r9, r12\n\t"
        "sxtb16 r5, r5\n\t"
        "smlad r11, r3, r9, r11\n\t"
        "smlad lr, r5, r9, lr\n\t"
        ".endr\n\t"
        "4:\n\t" /* 104 bytes per chunk */
        "ldr r2, [sp, #24]\n\t"
        "cmp r1, r2\n\t"
        "bne.w 3b\n\t"
        "sub r10, r10, r11\n\t"
        "sub r12, r12, lr\n\t"
        "asr r10, r10, #8\n\t"
        "asr r12, r12, #8\n\t"
        "ldr pc, [sp, #32]\n\t"

        /* the same multiplier for all outputs, no clamp */
        ".balign 4\n\t"
        "5:\n\t"
        "ldmia sp, {r3, r5, r6, r7}\n\t"
        "mcu_output r11\n\t"
        "mcu_output r10\n\t"
        "mcu_output lr\n\t"
        "mcu_output r12\n\t"
        "7:\n\t"
        "strb r11, [r3], #1\n\t"
        "strb r10, [r3], #1\n\t"
        "strb lr, [r3], #1\n\t"
        "strb r12, [r3], #1\n\t"
        "ldr r2, [sp, #16]\n\t"
        "str r3, [sp]\n\t"
        "cmp r3, r2\n\t"
        "bne.w 1b\n\t"
        "ldr r1, [sp, #36]\n\t"
        "str r0, [r1]\n\t"
        "add sp, sp, #44\n\t"
        "pop {r4, r5, r6, r7, r8, r9, r10, r11, pc}\n\t"

        ".balign 4\n\t"
        "6:\n\t"
        "ldr r4, [sp, #36]\n\t"
        "ldr r1, [sp, #40]\n\t"
        "ldr r2, [r4, #12]\n\t"
        "mcu_own_output r11\n\t"
        "mcu_own_output r10\n\t"
        "mcu_own_output lr\n\t"
        "mcu_own_output r12\n\t"
        "str r1, [sp, #40]\n\t"
        "ldrd r5, r6, [r4, #36]\n\t"
        "mcu_limit r11\n\t"
        "mcu_limit r10\n\t"
        "mcu_limit lr\n\t"
        "mcu_limit r12\n\t"
        "ldr r3, [sp]\n\t"
        "b 7b\n\t"
        ".purgem mcu_output\n\t"
        ".purgem mcu_own_output\n\t"
        ".purgem mcu_limit\n\t");
}

#else /* the portable twin */

static inline void mcu_dsp_dot4(struct mcu_dsp_dot *dot)
{
    while (dot->out < dot->end) {
        int32_t sums[4], word, pair, i;
        memcpy(sums, dot->stream, sizeof sums);
        dot->stream += 4;
        for (word = 0; word < 4 * dot->chunks; ++word) {
            for (pair = 0; pair < 2; ++pair) {
                /* a quad's weights: two words for 0 and 1, two for 2 and 3 */
                const uint32_t weights = (uint32_t)dot->stream[word / 2 * 4 + word % 2 + 2 * pair];
                sums[2 * pair] = mcu_dsp_smlad(weights, dot->inputs[word], sums[2 * pair]);
                sums[2 * pair + 1] = mcu_dsp_smlad(mcu_dsp_sxtb16(weights), dot->inputs[word], sums[2 * pair + 1]);
            }
        }
        dot->stream += 8 * dot->chunks;
        for (i = 0; i < 4; ++i) {
            const int32_t low = sums[i | 1], high = (int32_t)((uint32_t)sums[i & 2] - (uint32_t)low) / 256;
            const int32_t *own = dot->parameters + i * dot->step / 4;
            const int32_t value = mcu_dsp_requantize(i & 1 ? high : low, own[0], own[1], own[2]);
            *dot->out++ = (int8_t)mcu_clamp(value, dot->least, dot->most);
        }
        dot->parameters += dot->step;
    }
}

#endif

/* `count` inputs expanded, filled up to whole chunks of eight. */
static inline void mcu_dsp_expand1(const int8_t *in, int32_t count, uint32_t *to, int32_t chunks)
{
    uint32_t *const end = to + 4 * chunks;
    for (; count >= 4; count -= 4, in += 4, to += 2) {
        const uint32_t word = mcu_dsp_load(in);
        to[0] = mcu_dsp_even(word);
        to[1] = mcu_dsp_odd(word);
    }
    for (; to < end; to += 2, count = 0) {
        uint32_t word = 0;
        int32_t i;
        for (i = 0; i < count; ++i) {
            word |= (uint32_t)(uint8_t)in[i] << (8 * i);
        }
        to[0] = mcu_dsp_even(word);
        to[1] = mcu_dsp_odd(word);
    }
}

MCU_DSP_SELDOM void mcu_fully_connected_dsp(const void *record, unsigned char *arena, int32_t first, int32_t last)
{
    const struct mcu_fully_connected_dsp *op = (const struct mcu_fully_connected_dsp *)record;
    const int8_t *in = (const int8_t *)mcu_read(op->input, arena, 0);
    int8_t *out = (int8_t *)mcu_write(op->output, arena, 0);
    uint32_t *const inputs = (uint32_t *)(void *)(arena + op->scratch);
    int32_t batch, i;
    (void)first;
    (void)last;
    for (batch = 0; batch < op->batches; ++batch, in += op->in_c, out += op->out_c) {
        const int32_t rest = op->out_c % 4;
        struct mcu_dsp_dot dot;
        int8_t spare[4];
        mcu_dsp_expand1(in, op->in_c, inputs, op->chunks);
        dot.stream = op->stream;
        dot.out = out;
        dot.parameters = op->parameters;
        dot.step = op->uniform ? 0 : 12;
        dot.end = out + op->out_c - rest;
        dot.inputs = inputs;
        dot.chunks = op->chunks;
        dot.entry = (op->chunks - 1) % MCU_DSP_DOTS + 1;
        dot.clamped = op->out_min > -128 || op->out_max < 127;
        dot.least = op->out_min;
        dot.most = op->out_max;
        if (op->out_c >= 4) {
            mcu_dsp_dot4(&dot);
        }
        if (rest) {
            dot.parameters = op->parameters + op->out_c / 4 * dot.step;
            dot.out = spare;
            dot.end = spare + 4;
            mcu_dsp_dot4(&dot);
            for (i = 0; i < rest; ++i) {
                out[op->out_c - rest + i] = spare[i];
            }
        }
    }
}

#endif
