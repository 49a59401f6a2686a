/* CONV_2D of one group for the DSP extension: three pixels by two output channels at a time.
   benchmarks/kernels/conv.md says what was tried and what it gave. */
#ifndef TFLM_MCUNET_CONV2D_DSP_H
#define TFLM_MCUNET_CONV2D_DSP_H

#include "mcu_dsp.h"
#include "mcu_rows.h"

/* The window of one output pixel is expanded (mcu_dsp.h), three pixels at a time, as quads of four taps: taps {2:0} of each
   pixel, taps {3:1} of each pixel. First come `whole` quads of each kernel row, read in place; then what is left of the rows,
   gathered and filled up to `rest` quads. A 1x1 window's last quad is its last four bytes instead, and may overlap.

   `stream` holds what the inner loop reads, in its order; tflm_mcunet/kernels/dsp/packing.py writes it. A run of channel pairs has
       1 + 32 * tail, two constants of the tail
   and then per pair of channels (0, 1)
       512 * bias1 + 2 * bias0, 2 * bias0, weights: two words per quad, lanes 256 * w1 + w0,
       then for channel 1 and for channel 0 what the tail reads; channel 0 says whether the pair is the run's last.
   At the end: 0, 0, the number of constant channels, and of each its value in the low byte + 256 * its place.

   Scratch: expanded pixels, 24 bytes per quad; then, but for pointwise windows, zero points for a kernel row, room for one of
   each pixel, and 12 bytes per quad of the rest, which is gathered there. */
struct mcu_conv2d_dsp {
    const struct mcu_tensor *input, *output;
    const int32_t *stream;
    uint32_t scratch;
    int16_t in_h, in_w, in_c, out_w, out_c;
    int16_t kernel_h, kernel_w, stride_h, stride_w, dilation_h, dilation_w, pad_h, pad_w;
    int16_t in_zero;
    int16_t whole, rest;
    int16_t quads;
};

/* Quads that are unrolled. */
#define MCU_DSP_CHAIN 12

/* Tails turn sums into outputs. Those for one shift are numbered in units of 32 bytes of code. */
#define MCU_DSP_LEAST 5
#define MCU_DSP_MOST 11
#define MCU_DSP_SHIFTS 7
#define MCU_DSP_RECTIFIED 0                        /* results below the zero point, -128, saturate: per channel m, place */
#define MCU_DSP_LINEAR (4 * MCU_DSP_SHIFTS)        /* the same with the sign term */
#define MCU_DSP_ANY_RECTIFIED (9 * MCU_DSP_SHIFTS) /* shift from a register: per channel m, offset, shift and place */
#define MCU_DSP_ANY_LINEAR (9 * MCU_DSP_SHIFTS + 5)
#define MCU_DSP_ANY_CLAMPED (9 * MCU_DSP_SHIFTS + 11)

/* What the block works on; read by the assembly: keep the order. */
struct mcu_dsp_block {
    int8_t *out[3];
    int32_t out_step; /* from an output to that of the next three pixels */
    uint32_t *pixels;
    const int32_t *stream;
    int32_t passes, entry; /* through the chain: (quads - 1) / MCU_DSP_CHAIN + 1, and (quads - 1) % MCU_DSP_CHAIN in the first */
    int32_t triples;
    const int8_t *in[3];
    int32_t in_step;     /* from the end of a segment to that of the next three pixels */
    int32_t whole, back; /* quads to expand, 0 where that is done already; then one more, after going back */
    int32_t quads;
};

/* Three windows side by side in an image row; read by the assembly: keep the order. */
struct mcu_dsp_span {
    const int8_t *const *rows; /* of the image, one per kernel row, NULL where there is none */
    int32_t kernel_h;
    uint32_t *to;
    int8_t *gathered;
    int32_t offset, step; /* of the first window in a row, and to the next window, in bytes */
    const int8_t *blank;
    int32_t whole;       /* quads of a kernel row */
    int32_t left, pitch; /* further bytes of a kernel row; from a pixel's gathered bytes to the next pixel's */
};

#if MCU_DSP

/* Four values of three pixels, expanded. */
#define MCU_DSP_EXPAND \
    ".macro mcu_expand\n\t" \
    "ldr r4, [r1], #4\n\t" \
    "ldr r5, [r2], #4\n\t" \
    "ldr r6, [r3], #4\n\t" \
    "eor r4, r4, #0x80808080\n\t" \
    "eor r5, r5, #0x80808080\n\t" \
    "eor r6, r6, #0x80808080\n\t" \
    "and r8, lr, r4, lsr #7\n\t" \
    "and r9, lr, r5, lsr #7\n\t" \
    "and r10, lr, r6, lsr #7\n\t" \
    "and r4, lr, r4, lsl #1\n\t" \
    "and r5, lr, r5, lsl #1\n\t" \
    "and r6, lr, r6, lsl #1\n\t" \
    "stmia r0!, {r4, r5, r6, r8, r9, r10}\n\t" \
    ".endm\n\t"

/* Expands `quads` quads from three pixels' addresses, and so on for `segments` such triples of addresses. Returns the end of
   what it wrote.
   r0 addresses, then the end   r1 r2 r3 addresses   r4 r5 r6, r8 r9 r10 values   r7 quads left   r11 quads   r12 segments left   lr mask */
__attribute__((naked, noinline, unused)) static uint32_t *mcu_dsp_expand3(const int8_t *const *from __attribute__((unused)),
                                                                          int32_t segments __attribute__((unused)),
                                                                          int32_t quads __attribute__((unused)),
                                                                          uint32_t *to __attribute__((unused)))
{
    __asm__ volatile(
        ".syntax unified\n\t"
        MCU_DSP_EXPAND
        "push {r4, r5, r6, r7, r8, r9, r10, r11, r12, lr}\n\t"
        "movw lr, #0x01fe\n\t"
        "movt lr, #0x01fe\n\t"
        "mov r12, r1\n\t"
        "mov r11, r2\n\t"
        "mov r7, r0\n\t"
        "mov r0, r3\n\t"
        "1:\n\t"
        "ldmia r7!, {r1, r2, r3}\n\t"
        "push {r7}\n\t"
        "lsrs r7, r11, #1\n\t"
        "bcc 2f\n\t"
        "mcu_expand\n\t"
        "cbz r7, 3f\n\t"
        "2:\n\t"
        "mcu_expand\n\t"
        "mcu_expand\n\t"
        "subs r7, r7, #1\n\t"
        "bne 2b\n\t"
        "3:\n\t"
        "pop {r7}\n\t"
        "subs r12, r12, #1\n\t"
        "bne 1b\n\t"
        "pop {r4, r5, r6, r7, r8, r9, r10, r11, r12, pc}\n\t"
        ".purgem mcu_expand\n\t");
}

/* The same for three pixels of one output row: of each kernel row first the whole quads, then what is left, to be gathered.
   r0 to   r1 r2 r3 addresses   r4 r5 r6, r8 r9 r10 values   r7 quads left   r11 span   r12 gathered   lr mask
   stack: 0 rows, 4 rows left */
__attribute__((naked, noinline, unused)) static void mcu_dsp_expand_span(const struct mcu_dsp_span *span __attribute__((unused)))
{
    __asm__ volatile(
        ".syntax unified\n\t"
        MCU_DSP_EXPAND
        "push {r4, r5, r6, r7, r8, r9, r10, r11, r12, lr}\n\t"
        "ldmia r0, {r5, r6}\n\t"
        "push {r5, r6}\n\t"
        "mov r11, r0\n\t"
        "ldrd r0, r12, [r11, #8]\n\t"
        "movw lr, #0x01fe\n\t"
        "movt lr, #0x01fe\n\t"
        "1:\n\t"
        "ldr r4, [sp]\n\t"
        "ldr r1, [r4], #4\n\t"
        "str r4, [sp]\n\t"
        "cmp r1, #0\n\t"
        "beq.w 4f\n\t"
        "ldrd r5, r6, [r11, #16]\n\t"
        "add r1, r1, r5\n\t"
        "add r2, r1, r6\n\t"
        "add r3, r2, r6\n\t"
        "5:\n\t"
        "ldr r7, [r11, #28]\n\t"
        "lsrs r7, r7, #1\n\t"
        "bcc 6f\n\t"
        "mcu_expand\n\t"
        "6:\n\t"
        "cbz r7, 3f\n\t"
        "2:\n\t"
        "mcu_expand\n\t"
        "mcu_expand\n\t"
        "subs r7, r7, #1\n\t"
        "bne 2b\n\t"
        "3:\n\t"
        "ldrd r7, r8, [r11, #32]\n\t"
        "cbz r7, 8f\n\t"
        "7:\n\t"
        "ldrb r4, [r1], #1\n\t"
        "ldrb r5, [r2], #1\n\t"
        "ldrb r6, [r3], #1\n\t"
        "strb r5, [r12, r8]\n\t"
        "strb r6, [r12, r8, lsl #1]\n\t"
        "strb r4, [r12], #1\n\t"
        "subs r7, r7, #1\n\t"
        "bne 7b\n\t"
        "8:\n\t"
        "ldr r4, [sp, #4]\n\t"
        "subs r4, r4, #1\n\t"
        "str r4, [sp, #4]\n\t"
        "bne 1b\n\t"
        "add sp, sp, #8\n\t"
        "pop {r4, r5, r6, r7, r8, r9, r10, r11, r12, pc}\n\t"
        "4:\n\t"
        "ldr r1, [r11, #24]\n\t"
        "mov r2, r1\n\t"
        "mov r3, r1\n\t"
        "b 5b\n\t"
        ".purgem mcu_expand\n\t");
}

#define MCU_TEXT_(x) #x
#define MCU_TEXT(x) MCU_TEXT_(x)

/* All channels of all pixels.

   r0 stream   r1 pixels   r2 r3 weights   r4 r5 r6 three pixels, two values each   lr passes through the chain
   r7 r8 r9    sums of the raw lanes, 512 * acc1 + 2 * acc0, per pixel
   r10 r11 r12 sums of their low bytes, 2 * acc0
   in tails: r1 r2 r3 where the three pixels' outputs go, r4 r5 constants of the run, r6 multiplier, lr place
   expanding: r0 to, r1 r2 r3 from, r4 - r6, r8 - r10 values, r7 quads, lr mask, r11 block, r12 back
   stack: 0 outputs (3), 12 constants (2), 20 entry of the chain, 24 pixels, 28 passes, 32 what follows the chain, 36 the tail after
   further passes, 40 block, 44 which of 32 and 36 holds the tail */
__attribute__((naked, noinline, unused)) static void mcu_dsp_block3(struct mcu_dsp_block *block __attribute__((unused)))
{
    __asm__ volatile(
        ".syntax unified\n\t"
        ".macro mcu_next\n\t"
        "bcc.w 2b\n\t"
        "b.w 1b\n\t"
        ".endm\n\t"

        "push {r4, r5, r6, r7, r8, r9, r10, r11, lr}\n\t"
        "sub sp, sp, #52\n\t"
        "str r0, [sp, #40]\n\t"
        "ldmia r0, {r1, r2, r3}\n\t"
        "stmia sp, {r1, r2, r3}\n\t"
        "ldr r4, [r0, #16]\n\t"
        "ldrd r5, r7, [r0, #24]\n\t"
        "strd r4, r5, [sp, #24]\n\t"
        "adr.w r6, 4f\n\t"
        "movs r4, #62\n\t"
        "mls r6, r7, r4, r6\n\t"
        "adds r6, r6, #1\n\t"
        "str r6, [sp, #20]\n\t"
        "adr.w r4, 8f\n\t"
        "adds r4, r4, #1\n\t"
        "str r4, [sp, #32]\n\t"
        "add r6, sp, #32\n\t"
        "cmp r5, #1\n\t"
        "it ne\n\t"
        "addne r6, r6, #4\n\t"
        "str r6, [sp, #44]\n\t"

        /* three pixels: expand them */
        "0:\n\t"
        "ldr r11, [sp, #40]\n\t"
        "ldrd r7, r12, [r11, #52]\n\t"
        "cbz r7, 7f\n\t"
        "ldr r0, [r11, #16]\n\t"
        "ldr r1, [r11, #36]\n\t"
        "ldrd r2, r3, [r11, #40]\n\t"
        "movw lr, #0x01fe\n\t"
        "movt lr, #0x01fe\n\t"
        "6:\n\t"
        "ldr r4, [r1], #4\n\t"
        "ldr r5, [r2], #4\n\t"
        "ldr r6, [r3], #4\n\t"
        "eor r4, r4, #0x80808080\n\t"
        "eor r5, r5, #0x80808080\n\t"
        "eor r6, r6, #0x80808080\n\t"
        "and r8, lr, r4, lsr #7\n\t"
        "and r9, lr, r5, lsr #7\n\t"
        "and r10, lr, r6, lsr #7\n\t"
        "and r4, lr, r4, lsl #1\n\t"
        "and r5, lr, r5, lsl #1\n\t"
        "and r6, lr, r6, lsl #1\n\t"
        "stmia r0!, {r4, r5, r6, r8, r9, r10}\n\t"
        "subs r7, r7, #1\n\t"
        "bne 6b\n\t"
        "cmp r12, #0\n\t"
        "beq 6f\n\t"
        "add r1, r1, r12\n\t"
        "add r2, r2, r12\n\t"
        "add r3, r3, r12\n\t"
        "mov r12, #0\n\t"
        "movs r7, #1\n\t"
        "b 6b\n\t"
        "6:\n\t"
        "ldr r4, [r11, #48]\n\t"
        "add r1, r1, r4\n\t"
        "add r2, r2, r4\n\t"
        "add r3, r3, r4\n\t"
        "str r1, [r11, #36]\n\t"
        "strd r2, r3, [r11, #40]\n\t"
        "7:\n\t"
        "ldr r0, [r11, #20]\n\t"

        /* a run of pairs */
        "1:\n\t"
        "ldmia r0!, {r2, r3, r4}\n\t"
        "cbz r2, 9f\n\t"
        "adr.w r5, 5f\n\t"
        "add r2, r2, r5\n\t"
        "strd r3, r4, [sp, #12]\n\t"
        "ldr r5, [sp, #44]\n\t"
        "str r2, [r5]\n\t"

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

        /* constant channels, then the next three pixels */
        "9:\n\t"
        "cbz r4, 9f\n\t"
        "ldmia sp, {r1, r2, r3}\n\t"
        "10:\n\t"
        "ldr r5, [r0], #4\n\t"
        "lsrs r6, r5, #8\n\t"
        "strb r5, [r1, r6]\n\t"
        "strb r5, [r2, r6]\n\t"
        "strb r5, [r3, r6]\n\t"
        "subs r4, r4, #1\n\t"
        "bne 10b\n\t"
        "9:\n\t"
        "ldr r11, [sp, #40]\n\t"
        "ldr r4, [r11, #32]\n\t"
        "subs r4, r4, #1\n\t"
        "str r4, [r11, #32]\n\t"
        "ittt eq\n\t"
        "addeq sp, sp, #52\n\t"
        "popeq {r4, r5, r6, r7, r8, r9, r10, r11, lr}\n\t"
        "bxeq lr\n\t"
        "ldmia sp, {r1, r2, r3}\n\t"
        "ldr r4, [r11, #12]\n\t"
        "add r1, r1, r4\n\t"
        "add r2, r2, r4\n\t"
        "add r3, r3, r4\n\t"
        "stmia sp, {r1, r2, r3}\n\t"
        "b 0b\n\t"

        /* between passes through the chain */
        ".balign 4\n\t"
        "8:\n\t"
        "subs lr, lr, #1\n\t"
        "bne 3f\n\t"
        "ldr pc, [sp, #36]\n\t"

        ".balign 4\n\t"
        "3:\n\t"
        ".rept " MCU_TEXT(MCU_DSP_CHAIN) "\n\t"
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
        ".endr\n\t"
        "4:\n\t" /* 62 bytes per quad, in a multiple of 4: aligned */
        "ldr pc, [sp, #32]\n\t"

        /* tails for results that saturate at the zero point; constants of channel 1, of channel 0 */
        ".balign 32\n\t"
        "5:\n\t"
        ".set mcu_e, " MCU_TEXT(MCU_DSP_LEAST) "\n\t"
        ".rept " MCU_TEXT(MCU_DSP_SHIFTS) "\n\t"
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
        "lsrs lr, lr, #1\n\t"
        "strb r10, [r1, lr]\n\t"
        "strb r11, [r2, lr]\n\t"
        "strb r12, [r3, lr]\n\t"
        "mcu_next\n\t"
        ".set mcu_e, mcu_e + 1\n\t"
        ".endr\n\t"

        /* tails with the sign term; constants: of both channels, unused */
        ".macro mcu_linear sum, shift\n\t"
        "add r5, r4, \\sum, asr #31\n\t"
        "smmlar \\sum, \\sum, r6, r5\n\t"
        "ssat \\sum, #8, \\sum, asr #\\shift\n\t"
        ".endm\n\t"
        ".macro mcu_divide\n\t"
        "sub r7, r7, r10\n\t"
        "sub r8, r8, r11\n\t"
        "sub r9, r9, r12\n\t"
        "asr r7, r7, #8\n\t"
        "asr r8, r8, #8\n\t"
        "asr r9, r9, #8\n\t"
        ".endm\n\t"
        ".set mcu_e, " MCU_TEXT(MCU_DSP_LEAST) "\n\t"
        ".rept " MCU_TEXT(MCU_DSP_SHIFTS) "\n\t"
        ".balign 32\n\t"
        "ldmia sp, {r1, r2, r3, r4}\n\t"
        "ldmia r0!, {r6, lr}\n\t"
        "mcu_divide\n\t"
        "mcu_linear r7, mcu_e\n\t"
        "mcu_linear r8, mcu_e\n\t"
        "mcu_linear r9, mcu_e\n\t"
        "strb r7, [r1, lr]\n\t"
        "strb r8, [r2, lr]\n\t"
        "strb r9, [r3, lr]\n\t"
        "ldmia r0!, {r6, lr}\n\t"
        "mcu_linear r10, mcu_e\n\t"
        "mcu_linear r11, mcu_e\n\t"
        "mcu_linear r12, mcu_e\n\t"
        "lsrs lr, lr, #1\n\t"
        "strb r10, [r1, lr]\n\t"
        "strb r11, [r2, lr]\n\t"
        "strb r12, [r3, lr]\n\t"
        "mcu_next\n\t"
        ".set mcu_e, mcu_e + 1\n\t"
        ".endr\n\t"

        /* any shift: r4 multiplier, r5 offset, r6 shift + 256 * last + 512 * place */
        ".balign 32\n\t"
        "ldmia sp, {r1, r2, r3}\n\t"
        "ldmia r0!, {r4, r5, r6}\n\t"
        "lsr lr, r6, #9\n\t"
        "sub r7, r7, r10\n\t"
        "sub r8, r8, r11\n\t"
        "sub r9, r9, r12\n\t"
        "smmla r7, r7, r4, r5\n\t"
        "smmla r8, r8, r4, r5\n\t"
        "smmla r9, r9, r4, r5\n\t"
        "asr r7, r7, r6\n\t"
        "asr r8, r8, r6\n\t"
        "asr r9, r9, r6\n\t"
        "ssat r7, #8, r7\n\t"
        "ssat r8, #8, r8\n\t"
        "ssat r9, #8, r9\n\t"
        "strb r7, [r1, lr]\n\t"
        "strb r8, [r2, lr]\n\t"
        "strb r9, [r3, lr]\n\t"
        "ldmia r0!, {r4, r5, r6}\n\t"
        "lsrs lr, r6, #9\n\t"
        "smmlar r10, r10, r4, r5\n\t"
        "smmlar r11, r11, r4, r5\n\t"
        "smmlar r12, r12, r4, r5\n\t"
        "asr r10, r10, r6\n\t"
        "asr r11, r11, r6\n\t"
        "asr r12, r12, r6\n\t"
        "ssat r10, #8, r10\n\t"
        "ssat r11, #8, r11\n\t"
        "ssat r12, #8, r12\n\t"
        "strb r10, [r1, lr]\n\t"
        "strb r11, [r2, lr]\n\t"
        "strb r12, [r3, lr]\n\t"
        "mcu_next\n\t"

        /* any shift with the sign term */
        ".macro mcu_any sum\n\t"
        "add lr, r5, \\sum, asr #31\n\t"
        "smmlar \\sum, \\sum, r4, lr\n\t"
        "asr \\sum, \\sum, r6\n\t"
        ".endm\n\t"
        ".balign 32\n\t"
        "ldmia sp, {r1, r2, r3}\n\t"
        "ldmia r0!, {r4, r5, r6}\n\t"
        "mcu_divide\n\t"
        "mcu_any r7\n\t"
        "mcu_any r8\n\t"
        "mcu_any r9\n\t"
        "ssat r7, #8, r7\n\t"
        "ssat r8, #8, r8\n\t"
        "ssat r9, #8, r9\n\t"
        "lsr lr, r6, #9\n\t"
        "strb r7, [r1, lr]\n\t"
        "strb r8, [r2, lr]\n\t"
        "strb r9, [r3, lr]\n\t"
        "ldmia r0!, {r4, r5, r6}\n\t"
        "mcu_any r10\n\t"
        "mcu_any r11\n\t"
        "mcu_any r12\n\t"
        "ssat r10, #8, r10\n\t"
        "ssat r11, #8, r11\n\t"
        "ssat r12, #8, r12\n\t"
        "lsrs lr, r6, #9\n\t"
        "strb r10, [r1, lr]\n\t"
        "strb r11, [r2, lr]\n\t"
        "strb r12, [r3, lr]\n\t"
        "mcu_next\n\t"

        /* any shift and any clamp; constants: least and most of the output */
        ".macro mcu_clamp_ sum\n\t"
        "cmp \\sum, r4\n\t"
        "it lt\n\t"
        "movlt \\sum, r4\n\t"
        "cmp \\sum, r5\n\t"
        "it gt\n\t"
        "movgt \\sum, r5\n\t"
        ".endm\n\t"
        ".balign 32\n\t"
        "ldmia sp, {r1, r2, r3}\n\t"
        "ldmia r0!, {r4, r5, r6}\n\t"
        "mcu_divide\n\t"
        "mcu_any r7\n\t"
        "mcu_any r8\n\t"
        "mcu_any r9\n\t"
        "ldrd r4, r5, [sp, #12]\n\t"
        "mcu_clamp_ r7\n\t"
        "mcu_clamp_ r8\n\t"
        "mcu_clamp_ r9\n\t"
        "lsr lr, r6, #9\n\t"
        "strb r7, [r1, lr]\n\t"
        "strb r8, [r2, lr]\n\t"
        "strb r9, [r3, lr]\n\t"
        "ldmia r0!, {r4, r5, r6}\n\t"
        "mcu_any r10\n\t"
        "mcu_any r11\n\t"
        "mcu_any r12\n\t"
        "ldrd r4, r5, [sp, #12]\n\t"
        "mcu_clamp_ r10\n\t"
        "mcu_clamp_ r11\n\t"
        "mcu_clamp_ r12\n\t"
        "lsrs lr, r6, #9\n\t"
        "strb r10, [r1, lr]\n\t"
        "strb r11, [r2, lr]\n\t"
        "strb r12, [r3, lr]\n\t"
        "mcu_next\n\t"
        ".purgem mcu_next\n\t"
        ".purgem mcu_linear\n\t"
        ".purgem mcu_divide\n\t"
        ".purgem mcu_any\n\t"
        ".purgem mcu_clamp_\n\t");
}

#else /* the portable twin */

static inline uint32_t *mcu_dsp_expand3(const int8_t *const *from, int32_t segments, int32_t quads, uint32_t *to)
{
    int32_t quad, pixel;
    for (; segments > 0; --segments, from += 3) {
        for (quad = 0; quad < quads; ++quad, to += 6) {
            for (pixel = 0; pixel < 3; ++pixel) {
                const uint32_t word = mcu_dsp_load(from[pixel] + 4 * quad);
                to[pixel] = mcu_dsp_even(word);
                to[3 + pixel] = mcu_dsp_odd(word);
            }
        }
    }
    return to;
}

static inline void mcu_dsp_expand_span(const struct mcu_dsp_span *span)
{
    uint32_t *to = span->to;
    int32_t ky, pixel, i;
    for (ky = 0; ky < span->kernel_h; ++ky) {
        const int8_t *from[3] = {span->blank, span->blank, span->blank};
        for (pixel = 0; pixel < 3; ++pixel) {
            if (span->rows[ky]) {
                from[pixel] = span->rows[ky] + span->offset + pixel * span->step;
            }
            for (i = 0; i < span->left; ++i) {
                span->gathered[pixel * span->pitch + ky * span->left + i] = from[pixel][4 * span->whole + i];
            }
        }
        to = mcu_dsp_expand3(from, 1, span->whole, to);
    }
}

/* What a tail makes of 2 * acc of channel 0 or 1, given the run's and the channel's words. */
static inline int32_t mcu_dsp_tail(int32_t tail, const int32_t *run, int32_t channel, int32_t acc2, const int32_t *own)
{
    const int32_t any = tail >= MCU_DSP_ANY_RECTIFIED;
    const int32_t rectified = tail < MCU_DSP_LINEAR || tail == MCU_DSP_ANY_RECTIFIED;
    int32_t shift = rectified ? tail / 4 + MCU_DSP_LEAST : (tail - MCU_DSP_LINEAR) / 5 + MCU_DSP_LEAST;
    const int32_t offset = any ? own[1] : rectified && !channel ? run[2] : run[1];
    if (any) {
        shift = own[2] & 0xff;
    } else if (rectified && channel) {
        shift += 8;
    }
    if (rectified && channel) {
        acc2 = (int32_t)(((int64_t)acc2 * 256 * own[0]) >> 32) + offset;
    } else {
        acc2 = mcu_dsp_smmlar(acc2, own[0], rectified ? offset : offset + (acc2 >> 31));
    }
    return tail == MCU_DSP_ANY_CLAMPED ? mcu_clamp(acc2 >> shift, run[1], run[2]) : mcu_dsp_ssat8(acc2 >> shift);
}

/* Two channels of three pixels. Returns whether they end their run. */
static inline int mcu_dsp_pair(const struct mcu_dsp_block *block, const int32_t *run, const int32_t *pair, const int32_t *own)
{
    const int32_t tail = run[0] >> 5, any = tail >= MCU_DSP_ANY_RECTIFIED;
    int32_t pixel, word, channel;
    for (pixel = 0; pixel < 3; ++pixel) {
        const uint32_t *x = block->pixels + pixel;
        int32_t both = pair[0], low = pair[1];
        for (word = 0; word < 2 * block->quads; ++word) {
            both = mcu_dsp_smlad((uint32_t)pair[2 + word], x[3 * word], both);
            low = mcu_dsp_smlad(mcu_dsp_sxtb16((uint32_t)pair[2 + word]), x[3 * word], low);
        }
        both = (int32_t)((uint32_t)both - (uint32_t)low) / 256;
        for (channel = 1; channel >= 0; --channel) {
            const int32_t *words = own + (channel ? 0 : 2 + any);
            const int32_t place = any ? words[2] >> 9 : channel ? words[1] : words[1] >> 1;
            block->out[pixel][place] = (int8_t)mcu_dsp_tail(tail, run, channel, channel ? both : low, words);
        }
    }
    return (any ? own[5] >> 8 : own[3]) & 1;
}

static inline void mcu_dsp_block3(struct mcu_dsp_block *block)
{
    int32_t pixel, constant;
    for (; block->triples > 0; --block->triples) {
        const int32_t *run = block->stream;
        const int8_t **in = block->in;
        if (block->whole) {
            uint32_t *to = mcu_dsp_expand3(in, 1, block->whole, block->pixels);
            const int32_t further = 4 * block->whole + block->back;
            if (block->back) {
                const int8_t *const rest[3] = {in[0] + further, in[1] + further, in[2] + further};
                (void)mcu_dsp_expand3(rest, 1, 1, to);
            }
            if (block->triples > 1) {
                for (pixel = 0; pixel < 3; ++pixel) {
                    in[pixel] += further + (block->back ? 4 : 0) + block->in_step;
                }
            }
        }
        while (run[0]) {
            const int32_t words = run[0] >> 5 >= MCU_DSP_ANY_RECTIFIED ? 6 : 4;
            const int32_t *pair = run + 3, *own;
            int last;
            do {
                own = pair + 2 + 2 * block->quads;
                last = mcu_dsp_pair(block, run, pair, own);
                pair = own + words;
            } while (!last);
            run = pair;
        }
        for (constant = 0; constant < run[2]; ++constant) {
            for (pixel = 0; pixel < 3; ++pixel) {
                block->out[pixel][run[3 + constant] >> 8] = (int8_t)(run[3 + constant] & 0xff);
            }
        }
        if (block->triples > 1) {
            for (pixel = 0; pixel < 3; ++pixel) {
                block->out[pixel] += block->out_step;
            }
        }
    }
}

#endif

static inline void mcu_dsp_start(const struct mcu_conv2d_dsp *op, unsigned char *arena, struct mcu_dsp_block *block)
{
    block->pixels = (uint32_t *)(void *)(arena + op->scratch);
    block->stream = op->stream;
    block->quads = op->quads;
    block->passes = (op->quads - 1) / MCU_DSP_CHAIN + 1;
    block->entry = (op->quads - 1) % MCU_DSP_CHAIN;
    block->whole = 0;
}

/* 1x1 windows without padding: pixels are expanded from where they lie. */
static inline void mcu_conv2d_dsp_pointwise(const void *record, unsigned char *arena, int32_t first, int32_t last)
{
    const struct mcu_conv2d_dsp *op = (const struct mcu_conv2d_dsp *)record;
    const int32_t stride = op->stride_w * op->in_c, out_c = op->out_c;
    struct mcu_dsp_block block;
    const int8_t *from[3] = {NULL, NULL, NULL};
    int8_t *to[3] = {NULL, NULL, NULL};
    int32_t waiting = 0, row = first, i;
    mcu_dsp_start(op, arena, &block);
    block.whole = op->whole;
    block.back = op->rest ? op->in_c % 4 - 4 : 0;
    block.in_step = 3 * stride - op->in_c;
    block.out_step = 3 * out_c;
    while (row < last || waiting > 0) {
        const int8_t *in = NULL;
        int8_t *out = NULL;
        int32_t pixels = 0;
        if (row < last) {
            /* rows that follow one another in memory are one long row */
            in = (const int8_t *)mcu_read(op->input, arena, row * op->stride_h);
            out = (int8_t *)mcu_write(op->output, arena, row);
            do {
                pixels += op->out_w;
                ++row;
            } while (row < last && (const int8_t *)mcu_read(op->input, arena, row * op->stride_h) == in + pixels * stride &&
                     (int8_t *)mcu_write(op->output, arena, row) == out + pixels * out_c);
        }
        while (pixels > 0 || (row == last && waiting > 0)) {
            if (waiting == 0 && pixels >= 3) {
                block.triples = pixels / 3;
                for (i = 0; i < 3; ++i) {
                    block.in[i] = in + i * stride;
                    block.out[i] = out + i * out_c;
                }
                mcu_dsp_block3(&block);
                in += pixels / 3 * 3 * stride;
                out += pixels / 3 * 3 * out_c;
                pixels %= 3;
                continue;
            }
            /* single pixels fill blocks that cross from row to row; the last one may fill the rest of its block */
            if (pixels > 0) {
                from[waiting] = in;
                to[waiting] = out;
                in += stride;
                out += out_c;
                --pixels;
            } else {
                from[waiting] = from[waiting - 1];
                to[waiting] = to[waiting - 1];
            }
            if (++waiting == 3) {
                block.triples = 1;
                for (i = 0; i < 3; ++i) {
                    block.in[i] = from[i];
                    block.out[i] = to[i];
                }
                mcu_dsp_block3(&block);
                waiting = 0;
            }
        }
    }
}

/* Windows have at most so many rows. */
#define MCU_DSP_ROWS 12

/* Three windows anywhere: first columns, and image rows, one per kernel row, NULL where there is none. */
struct mcu_dsp_windows {
    int32_t x[3];
    const int8_t *const *rows[3];
    int8_t *edge; /* room for a kernel row of each */
};

/* Copies a piece of a window, often of a few bytes. */
static inline void mcu_dsp_copy(int8_t *to, const int8_t *from, int32_t bytes)
{
    if (bytes > 16) {
        memcpy(to, from, (size_t)bytes);
    } else {
        do {
            *to++ = *from++;
        } while (--bytes > 0);
    }
}

/* The window's part of one image row, which begins in column x: what the row has of it, zero points around. */
static inline void mcu_dsp_gather(const struct mcu_conv2d_dsp *op, const int8_t *in, int32_t x, int8_t *to)
{
    const int32_t depth = op->in_c;
    const int32_t columns = op->kernel_w;
    int32_t i;
    if (op->dilation_w == 1) {
        /* all columns that are there at once */
        const int32_t before = x < 0 ? (-x < columns ? -x : columns) : 0;
        const int32_t there = op->in_w - x < columns ? op->in_w - x : columns;
        i = before * depth;
        memset(to, op->in_zero, (size_t)(columns * depth));
        if (there > before) {
            mcu_dsp_copy(to + i, in + (ptrdiff_t)(x + before) * depth, (there - before) * depth);
        }
        return;
    }
    for (i = 0; i < columns; ++i, x += op->dilation_w, to += depth) {
        if (x < 0 || x >= op->in_w) {
            memset(to, op->in_zero, (size_t)depth);
        } else {
            memcpy(to, in + (ptrdiff_t)x * depth, (size_t)depth);
        }
    }
}

/* Expands windows anywhere, kernel row by kernel row; `edge` has room for one of each pixel. */
static inline void mcu_dsp_expand_windows(const struct mcu_conv2d_dsp *op, const struct mcu_dsp_windows *at, const struct mcu_dsp_span *span)
{
    const int32_t bytes = op->kernel_w * op->in_c, last = op->in_w - (op->kernel_w - 1) * op->dilation_w;
    uint32_t *to = span->to;
    int32_t ky, pixel, i;
    for (ky = 0; ky < op->kernel_h; ++ky) {
        const int8_t *from[3];
        for (pixel = 0; pixel < 3; ++pixel) {
            const int32_t x = at->x[pixel];
            const int8_t *row = at->rows[pixel][ky];
            int8_t *gathered = span->gathered + pixel * span->pitch + ky * span->left;
            if (!row) {
                from[pixel] = span->blank;
            } else if (x >= 0 && x < last && op->dilation_w == 1) {
                from[pixel] = row + (ptrdiff_t)x * op->in_c;
            } else {
                from[pixel] = at->edge + pixel * bytes;
                mcu_dsp_gather(op, row, x, at->edge + pixel * bytes);
            }
            for (i = 0; i < span->left; ++i) {
                gathered[i] = from[pixel][4 * op->whole + i];
            }
        }
        if (op->whole) {
            to = mcu_dsp_expand3(from, 1, op->whole, to);
        }
    }
}

/* Any window. */
static inline void mcu_conv2d_dsp(const void *record, unsigned char *arena, int32_t first, int32_t last)
{
    const struct mcu_conv2d_dsp *op = (const struct mcu_conv2d_dsp *)record;
    const int32_t stride = op->stride_w * op->in_c, bytes = op->kernel_w * op->in_c;
    /* columns from which windows lie within the row, and from which no longer */
    const int32_t inner = (op->pad_w + op->stride_w - 1) / op->stride_w;
    const int32_t outer = op->dilation_w == 1 ? (op->in_w + op->pad_w - op->kernel_w) / op->stride_w + 1 : 0;
    const int8_t *rows[3][MCU_DSP_ROWS];
    struct mcu_dsp_block block;
    struct mcu_dsp_windows windows;
    struct mcu_dsp_span span;
    int32_t waiting = 0, row, column, ky, set = 0;
    mcu_dsp_start(op, arena, &block);
    span.to = block.pixels;
    span.kernel_h = op->kernel_h;
    span.step = stride;
    span.blank = (const int8_t *)(arena + op->scratch) + 24 * op->quads;
    windows.edge = (int8_t *)(arena + op->scratch) + 24 * op->quads + bytes;
    span.gathered = windows.edge + 3 * bytes;
    span.whole = op->whole;
    span.left = bytes - 4 * op->whole;
    span.pitch = 4 * op->rest;
    memset((int8_t *)(arena + op->scratch) + 24 * op->quads, op->in_zero, (size_t)bytes);
    for (row = first; row < last; ++row) {
        const int32_t top = row * op->stride_h - op->pad_h;
        int8_t *out = (int8_t *)mcu_write(op->output, arena, row);
        for (ky = 0; ky < op->kernel_h; ++ky) {
            const int32_t y = top + ky * op->dilation_h;
            rows[set][ky] = y < 0 || y >= op->in_h ? NULL : (const int8_t *)mcu_read(op->input, arena, y);
        }
        for (column = 0; column < op->out_w;) {
            if (waiting == 0 && column >= inner && column + 3 <= outer && column + 3 <= op->out_w) {
                span.rows = rows[set];
                span.offset = column * stride - op->pad_w * op->in_c;
                block.out[0] = out;
                block.out[1] = out + op->out_c;
                block.out[2] = out + 2 * op->out_c;
                mcu_dsp_expand_span(&span);
                column += 3;
                out += 3 * op->out_c;
            } else {
                windows.x[waiting] = column * op->stride_w - op->pad_w;
                windows.rows[waiting] = rows[set];
                block.out[waiting] = out;
                /* the last pixel of all may fill the rest of its block */
                if (row < last - 1 || column < op->out_w - 1 || waiting == 2) {
                    ++column;
                    out += op->out_c;
                }
                if (++waiting < 3) {
                    continue;
                }
                waiting = 0;
                mcu_dsp_expand_windows(op, &windows, &span);
            }
            if (op->rest) {
                const int8_t *const from[3] = {span.gathered, span.gathered + span.pitch, span.gathered + 2 * span.pitch};
                (void)mcu_dsp_expand3(from, 1, op->rest, span.to + 6 * op->kernel_h * op->whole);
            }
            block.triples = 1;
            mcu_dsp_block3(&block);
        }
        set = set < 2 ? set + 1 : 0;
    }
}

#endif
