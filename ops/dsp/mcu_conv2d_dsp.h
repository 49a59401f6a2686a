/* CONV_2D of one group for the DSP extension: three pixels by two output channels at a time.
   Every line below was found by counting: benchmarks/kernels/conv.md says what was tried and what it gave. */
#ifndef TFLM_MCUNET_CONV2D_DSP_H
#define TFLM_MCUNET_CONV2D_DSP_H

#include "mcu_dsp.h"
#include "mcu_rows.h"

/* The window of one output pixel is `segments` (one per kernel row, or one in all) of `length` contiguous input bytes; it is
   expanded (mcu_dsp.h) for three pixels at a time into scratch, as quads: {2:0} of each pixel, {3:1} of each pixel.

   `stream` holds what the inner loop reads, in its order; see tflm_mcunet/kernels/dsp/packing.py. Words of a run of channel pairs:
       bytes of its pairs (0 ends the stream), tail, and two constants of the tail
   and of a pair of channels (0, 1):
       bias1 * 512 + bias0 * 2, bias0 * 2, quads * 2 words of weights: lanes 256 * w1 + w0; then per channel, 1 first, what the tail reads.

   Scratch: expanded pixels, then what gathering needs. */
struct mcu_conv2d_dsp {
    const struct mcu_tensor *input, *output;
    const int32_t *stream;
    uint32_t scratch;
    int16_t in_h, in_w, in_c, out_w, out_c;
    int16_t kernel_h, kernel_w, stride_h, stride_w, dilation_h, dilation_w, pad_h, pad_w;
    int16_t in_zero;
    int16_t segments, length;
    int16_t quads;
    int16_t passes, entry; /* (quads - 1) / MCU_DSP_CHAIN + 1 and (quads - 1) % MCU_DSP_CHAIN */
};

/* Tails are MCU_DSP_TAIL bytes times their number behind the first one. Shifts MCU_DSP_LEAST .. MCU_DSP_MOST have tails of their own. */
#define MCU_DSP_CHAIN 12
#define MCU_DSP_LEAST 5
#define MCU_DSP_MOST 11
#define MCU_DSP_SHIFTS (MCU_DSP_MOST - MCU_DSP_LEAST + 1)
#define MCU_DSP_RECTIFIED 0                     /* 4 units each: results below the zero point, -128, saturate */
#define MCU_DSP_LINEAR (4 * MCU_DSP_SHIFTS)     /* 5 units each */
#define MCU_DSP_GENERAL (9 * MCU_DSP_SHIFTS)    /* any shift, any clamp */

/* Arguments of the block, read by the assembly: keep the order. */
struct mcu_dsp_block {
    int8_t *out[3];
    const uint32_t *pixels;
    const int32_t *stream;
    int32_t passes, entry;
    int32_t quads;
};

#if MCU_DSP

/* quads * 4 values of three pixels, expanded. Returns the end of what it wrote. */
static inline uint32_t *mcu_dsp_expand3(const int8_t *p0, const int8_t *p1, const int8_t *p2, uint32_t *to, int32_t quads)
{
    const uint32_t mask = 0x01fe01feu;
    __asm__ volatile(
        "1:\n\t"
        "ldr r4, [%[p0]], #4\n\t"
        "ldr r5, [%[p1]], #4\n\t"
        "ldr r6, [%[p2]], #4\n\t"
        "eor r4, r4, #0x80808080\n\t"
        "eor r5, r5, #0x80808080\n\t"
        "eor r6, r6, #0x80808080\n\t"
        "and r8, %[mask], r4, lsr #7\n\t"
        "and r9, %[mask], r5, lsr #7\n\t"
        "and r10, %[mask], r6, lsr #7\n\t"
        "and r4, %[mask], r4, lsl #1\n\t"
        "and r5, %[mask], r5, lsl #1\n\t"
        "and r6, %[mask], r6, lsl #1\n\t"
        "stmia %[to]!, {r4, r5, r6, r8, r9, r10}\n\t"
        "subs %[quads], %[quads], #1\n\t"
        "bne 1b"
        : [p0] "+r"(p0), [p1] "+r"(p1), [p2] "+r"(p2), [to] "+r"(to), [quads] "+r"(quads)
        : [mask] "r"(mask)
        : "r4", "r5", "r6", "r8", "r9", "r10", "cc", "memory");
    return to;
}

#define MCU_TEXT_(x) #x
#define MCU_TEXT(x) MCU_TEXT_(x)

/* All channels of three pixels.

   r0 stream   r1 pixels   r2 r3 weights   r4 r5 r6 three pixels, two values each   lr passes through the chain
   r7 r8 r9    sums of the raw lanes, 512 * acc1 + 2 * acc0, per pixel
   r10 r11 r12 sums of their low bytes, 2 * acc0
   in tails: r1 r2 r3 where the three pixels' outputs go, r4 r5 constants of the run, r6 multiplier, lr channel
   stack: 0 outputs (3), 12 constants (2), 20 entry of the chain, 24 pixels, passes, 32 tail, 36 end of the run */
__attribute__((naked, noinline, unused)) static void mcu_dsp_block3(const struct mcu_dsp_block *block __attribute__((unused)))
{
    __asm__ volatile(
        ".syntax unified\n\t"
        ".macro mcu_quad\n\t"
        "ldmia r0!, {r2, r3}\n\t"
        "ldmia r1!, {r4, r5, r6}\n\t"
        "smlad r7, r2, r4, r7\n\t"
        "smlad r8, r2, r5, r8\n\t"
        "smlad r9, r2, r6, r9\n\t"
        "sxtb16 r2, r2\n\t"
        "smlad r10, r2, r4, r10\n\t"
        "smlad r11, r2, r5, r11\n\t"
        "smlad r12, r2, r6, r12\n\t"
        "ldmia r1!, {r4, r5, r6}\n\t"
        "smlad r7, r3, r4, r7\n\t"
        "smlad r8, r3, r5, r8\n\t"
        "smlad r9, r3, r6, r9\n\t"
        "sxtb16 r3, r3\n\t"
        "smlad r10, r3, r4, r10\n\t"
        "smlad r11, r3, r5, r11\n\t"
        "smlad r12, r3, r6, r12\n\t"
        ".endm\n\t"
        /* the end of each tail: next pair, or next run */
        ".macro mcu_next\n\t"
        "ldr r1, [sp, #36]\n\t"
        "cmp r0, r1\n\t"
        "bne.w 2b\n\t"
        "b.w 1b\n\t"
        ".endm\n\t"

        "push {r4, r5, r6, r7, r8, r9, r10, r11, lr}\n\t"
        "sub sp, sp, #44\n\t"
        "mov r7, r0\n\t"
        "ldmia r7!, {r1, r2, r3, r4}\n\t"
        "str r4, [sp, #24]\n\t"
        "ldmia r7, {r0, r4, r5}\n\t"
        "str r4, [sp, #28]\n\t"
        "stmia sp, {r1, r2, r3}\n\t"
        "adr.w r6, 4f\n\t"
        "movs r4, #62\n\t"
        "mls r6, r5, r4, r6\n\t"
        "adds r6, r6, #1\n\t"
        "str r6, [sp, #20]\n\t"
        "b 1f\n\t"

        /* a run; its end points here */
        ".balign 4\n\t"
        "1:\n\t"
        "ldmia r0!, {r1, r2, r3, r4}\n\t"
        "cbz r1, 9f\n\t"
        "adr.w r5, 5f\n\t"
        "add r2, r5, r2, lsl #5\n\t"
        "adds r2, r2, #1\n\t"
        "add r5, r0, r1\n\t"
        "strd r3, r4, [sp, #12]\n\t"
        "strd r2, r5, [sp, #32]\n\t"

        /* a pair: the first quad starts from the biases */
        "2:\n\t"
        "ldrd r1, lr, [sp, #24]\n\t"
        "ldmia r0!, {r7, r10}\n\t"
        "ldmia r0!, {r2, r3}\n\t"
        "ldmia r1!, {r4, r5, r6}\n\t"
        "smlad r8, r2, r5, r7\n\t"
        "smlad r9, r2, r6, r7\n\t"
        "smlad r7, r2, r4, r7\n\t"
        "sxtb16 r2, r2\n\t"
        "smlad r11, r2, r5, r10\n\t"
        "smlad r12, r2, r6, r10\n\t"
        "smlad r10, r2, r4, r10\n\t"
        "ldmia r1!, {r4, r5, r6}\n\t"
        "smlad r7, r3, r4, r7\n\t"
        "smlad r8, r3, r5, r8\n\t"
        "smlad r9, r3, r6, r9\n\t"
        "sxtb16 r3, r3\n\t"
        "smlad r10, r3, r4, r10\n\t"
        "smlad r11, r3, r5, r11\n\t"
        "smlad r12, r3, r6, r12\n\t"
        "ldr pc, [sp, #20]\n\t"
        "9:\n\t"
        "add sp, sp, #44\n\t"
        "pop {r4, r5, r6, r7, r8, r9, r10, r11, pc}\n\t"

        ".balign 4\n\t"
        "3:\n\t"
        ".rept " MCU_TEXT(MCU_DSP_CHAIN) "\n\t"
        "mcu_quad\n\t"
        ".endr\n\t"
        "4:\n\t"
        ".if (4b - 3b) - 62 * " MCU_TEXT(MCU_DSP_CHAIN) "\n\t"
        ".error \"a quad is not 62 bytes\"\n\t"
        ".endif\n\t"
        "subs lr, lr, #1\n\t"
        "bne.w 3b\n\t"
        "ldr pc, [sp, #32]\n\t"

        /* tails for results that saturate at the zero point: m1, c1, m0, c0; constants of channel 1, of channel 0 */
        ".balign 32\n\t"
        "5:\n\t"
        ".set mcu_e, " MCU_TEXT(MCU_DSP_LEAST) "\n\t"
        ".rept " MCU_TEXT(MCU_DSP_MOST) " - " MCU_TEXT(MCU_DSP_LEAST) " + 1\n\t"
        ".balign 32\n\t"
        "ldmia sp, {r1, r2, r3, r4, r5}\n\t"
        "ldmia r0!, {r6, lr}\n\t"
        "sub r7, r7, r10\n\t"
        "sub r8, r8, r11\n\t"
        "sub r9, r9, r12\n\t"
        "smmla r7, r7, r6, r4\n\t"
        "smmla r8, r8, r6, r4\n\t"
        "smmla r9, r9, r6, r4\n\t"
        "ssat r7, #8, r7, asr #(mcu_e + 8)\n\t"
        "ssat r8, #8, r8, asr #(mcu_e + 8)\n\t"
        "ssat r9, #8, r9, asr #(mcu_e + 8)\n\t"
        "strb r7, [r1, lr]\n\t"
        "strb r8, [r2, lr]\n\t"
        "strb r9, [r3, lr]\n\t"
        "ldmia r0!, {r6, lr}\n\t"
        "smmlar r10, r10, r6, r5\n\t"
        "smmlar r11, r11, r6, r5\n\t"
        "smmlar r12, r12, r6, r5\n\t"
        "ssat r10, #8, r10, asr #mcu_e\n\t"
        "ssat r11, #8, r11, asr #mcu_e\n\t"
        "ssat r12, #8, r12, asr #mcu_e\n\t"
        "strb r10, [r1, lr]\n\t"
        "strb r11, [r2, lr]\n\t"
        "strb r12, [r3, lr]\n\t"
        "mcu_next\n\t"
        ".set mcu_e, mcu_e + 1\n\t"
        ".endr\n\t"

        /* tails with the sign term: m1, c1, m0, c0; constants: of both channels, unused */
        ".set mcu_e, " MCU_TEXT(MCU_DSP_LEAST) "\n\t"
        ".rept " MCU_TEXT(MCU_DSP_MOST) " - " MCU_TEXT(MCU_DSP_LEAST) " + 1\n\t"
        ".balign 32\n\t"
        "ldmia sp, {r1, r2, r3, r4}\n\t"
        "ldmia r0!, {r6, lr}\n\t"
        ".irp n, 7, 8, 9\n\t"
        ".if \\n == 7\n\t"
        "sub r7, r7, r10\n\t"
        ".elseif \\n == 8\n\t"
        "sub r8, r8, r11\n\t"
        ".else\n\t"
        "sub r9, r9, r12\n\t"
        ".endif\n\t"
        "asr r\\n, r\\n, #8\n\t"
        "add r5, r4, r\\n, asr #31\n\t"
        "smmlar r\\n, r\\n, r6, r5\n\t"
        "ssat r\\n, #8, r\\n, asr #mcu_e\n\t"
        ".endr\n\t"
        "strb r7, [r1, lr]\n\t"
        "strb r8, [r2, lr]\n\t"
        "strb r9, [r3, lr]\n\t"
        "ldmia r0!, {r6, lr}\n\t"
        ".irp n, 10, 11, 12\n\t"
        "add r5, r4, r\\n, asr #31\n\t"
        "smmlar r\\n, r\\n, r6, r5\n\t"
        "ssat r\\n, #8, r\\n, asr #mcu_e\n\t"
        ".endr\n\t"
        "strb r10, [r1, lr]\n\t"
        "strb r11, [r2, lr]\n\t"
        "strb r12, [r3, lr]\n\t"
        "mcu_next\n\t"
        ".set mcu_e, mcu_e + 1\n\t"
        ".endr\n\t"

        /* any shift, any clamp: per channel m, offset, shift + 256 * channel; constants: least and most of the output */
        ".balign 32\n\t"
        "ldmia sp, {r1, r2, r3}\n\t"
        "ldmia r0!, {r4, r5, r6}\n\t"
        "add r1, r1, r6, lsr #8\n\t"
        "add r2, r2, r6, lsr #8\n\t"
        "add r3, r3, r6, lsr #8\n\t"
        "sub r7, r7, r10\n\t"
        "sub r8, r8, r11\n\t"
        "sub r9, r9, r12\n\t"
        ".irp n, 7, 8, 9\n\t"
        "asr r\\n, r\\n, #8\n\t"
        "add lr, r5, r\\n, asr #31\n\t"
        "smmlar r\\n, r\\n, r4, lr\n\t"
        "asr r\\n, r\\n, r6\n\t"
        ".endr\n\t"
        "ldrd r4, r5, [sp, #12]\n\t"
        ".irp n, 7, 8, 9\n\t"
        "cmp r\\n, r4\n\t"
        "it lt\n\t"
        "movlt r\\n, r4\n\t"
        "cmp r\\n, r5\n\t"
        "it gt\n\t"
        "movgt r\\n, r5\n\t"
        ".endr\n\t"
        "strb r7, [r1]\n\t"
        "strb r8, [r2]\n\t"
        "strb r9, [r3]\n\t"
        "ldmia sp, {r1, r2, r3}\n\t"
        "ldmia r0!, {r4, r5, r6}\n\t"
        ".irp n, 10, 11, 12\n\t"
        "add lr, r5, r\\n, asr #31\n\t"
        "smmlar r\\n, r\\n, r4, lr\n\t"
        "asr r\\n, r\\n, r6\n\t"
        ".endr\n\t"
        "ldrd r4, r5, [sp, #12]\n\t"
        "lsr r6, r6, #8\n\t"
        ".irp n, 10, 11, 12\n\t"
        "cmp r\\n, r4\n\t"
        "it lt\n\t"
        "movlt r\\n, r4\n\t"
        "cmp r\\n, r5\n\t"
        "it gt\n\t"
        "movgt r\\n, r5\n\t"
        ".endr\n\t"
        "strb r10, [r1, r6]\n\t"
        "strb r11, [r2, r6]\n\t"
        "strb r12, [r3, r6]\n\t"
        "mcu_next\n\t"
        ".purgem mcu_quad\n\t"
        ".purgem mcu_next\n\t");
}

#else /* the portable twin */

static inline uint32_t *mcu_dsp_expand3(const int8_t *p0, const int8_t *p1, const int8_t *p2, uint32_t *to, int32_t quads)
{
    for (; quads > 0; --quads, p0 += 4, p1 += 4, p2 += 4, to += 6) {
        const uint32_t v0 = mcu_dsp_load(p0), v1 = mcu_dsp_load(p1), v2 = mcu_dsp_load(p2);
        to[0] = mcu_dsp_even(v0);
        to[1] = mcu_dsp_even(v1);
        to[2] = mcu_dsp_even(v2);
        to[3] = mcu_dsp_odd(v0);
        to[4] = mcu_dsp_odd(v1);
        to[5] = mcu_dsp_odd(v2);
    }
    return to;
}

/* What a tail makes of acc2 = 2 * acc, and of acc512 = 512 * acc for channel 1 where it saturates at the zero point. */
static inline int8_t mcu_dsp_tail(int32_t tail, const int32_t *run, int32_t channel, int32_t acc2, const int32_t *parameters)
{
    if (tail < MCU_DSP_LINEAR) {
        const int32_t shift = tail / 4 + MCU_DSP_LEAST;
        if (channel) {
            const int64_t product = (int64_t)acc2 * 256 * parameters[0];
            return (int8_t)mcu_dsp_ssat8((int32_t)((product >> 32) + run[2]) >> (shift + 8));
        }
        return (int8_t)mcu_dsp_ssat8(mcu_dsp_smmlar(acc2, parameters[0], run[3]) >> shift);
    }
    if (tail < MCU_DSP_GENERAL) {
        return (int8_t)mcu_dsp_requantize(acc2, parameters[0], run[2], (tail - MCU_DSP_LINEAR) / 5 + MCU_DSP_LEAST);
    }
    acc2 = mcu_dsp_smmlar(acc2, parameters[0], parameters[1] + (acc2 >> 31)) >> (parameters[2] & 0xff);
    return (int8_t)mcu_clamp(acc2, run[2], run[3]);
}

static inline void mcu_dsp_block3(const struct mcu_dsp_block *block)
{
    const int32_t *run = block->stream, *at;
    for (; run[0]; run = at) {
        const int32_t tail = run[1], size = tail < MCU_DSP_GENERAL ? 2 : 3;
        at = run + 4;
        while (at < run + 4 + run[0] / 4) {
            const int32_t *weights = at + 2, *parameters = weights + 2 * block->quads;
            int32_t pixel, word, channel;
            for (pixel = 0; pixel < 3; ++pixel) {
                const uint32_t *x = block->pixels + pixel;
                int32_t both = at[0], low = at[1];
                for (word = 0; word < 2 * block->quads; ++word) {
                    both = mcu_dsp_smlad((uint32_t)weights[word], x[3 * word], both);
                    low = mcu_dsp_smlad(mcu_dsp_sxtb16((uint32_t)weights[word]), x[3 * word], low);
                }
                both = (int32_t)((uint32_t)both - (uint32_t)low) / 256;
                for (channel = 1; channel >= 0; --channel) {
                    const int32_t *own = parameters + (1 - channel) * size;
                    const int32_t c = size == 2 ? own[1] : own[2] >> 8;
                    block->out[pixel][c] = mcu_dsp_tail(tail, run, channel, channel ? both : low, own);
                }
            }
            at = parameters + 2 * size;
        }
    }
}

#endif

/* One segment of three pixels; the last quad may overlap the one before it. */
static inline uint32_t *mcu_dsp_expand_segment(const int8_t *const from[3], uint32_t *to, int32_t length)
{
    const int32_t back = length - 4;
    to = mcu_dsp_expand3(from[0], from[1], from[2], to, length >> 2);
    return length & 3 ? mcu_dsp_expand3(from[0] + back, from[1] + back, from[2] + back, to, 1) : to;
}

static inline void mcu_dsp_start(const struct mcu_conv2d_dsp *op, unsigned char *arena, struct mcu_dsp_block *block)
{
    block->pixels = (const uint32_t *)(const void *)(arena + op->scratch);
    block->stream = op->stream;
    block->passes = op->passes;
    block->entry = op->entry;
    block->quads = op->quads;
}

/* 1x1 windows without padding: pixels are expanded from where they lie. */
static inline void mcu_conv2d_dsp_pointwise(const void *record, unsigned char *arena, int32_t first, int32_t last)
{
    const struct mcu_conv2d_dsp *op = (const struct mcu_conv2d_dsp *)record;
    const ptrdiff_t stride = (ptrdiff_t)op->stride_w * op->in_c;
    uint32_t *const expanded = (uint32_t *)(void *)(arena + op->scratch);
    struct mcu_dsp_block block;
    const int8_t *from[3], *in = NULL;
    int8_t *out = NULL;
    int32_t left = 0, row = first, filled = 0;
    mcu_dsp_start(op, arena, &block);
    for (;;) {
        if (left == 0) {
            if (row == last) {
                break;
            }
            in = (const int8_t *)mcu_read(op->input, arena, row * op->stride_h);
            out = (int8_t *)mcu_write(op->output, arena, row);
            left = op->out_w;
            ++row;
        }
        from[filled] = in;
        block.out[filled] = out;
        in += stride;
        out += op->out_c;
        --left;
        if (++filled == 3) {
            (void)mcu_dsp_expand_segment(from, expanded, op->length);
            mcu_dsp_block3(&block);
            filled = 0;
        }
    }
    if (filled) {
        /* the last pixels fill the block more than once */
        for (; filled < 3; ++filled) {
            from[filled] = from[filled - 1];
            block.out[filled] = block.out[filled - 1];
        }
        (void)mcu_dsp_expand_segment(from, expanded, op->length);
        mcu_dsp_block3(&block);
    }
}

#endif
