/* CONV_2D of one group for the DSP extension: three pixels by two output channels at a time; or two pixels or one, for less scratch.
   benchmarks/kernels/conv.md says what was tried and what it gave. */
#ifndef TFLM_MCUNET_CONV2D_DSP_H
#define TFLM_MCUNET_CONV2D_DSP_H

#include "mcu_dsp.h"
#include "mcu_rows.h"

/* The window of one output pixel is expanded (mcu_dsp.h), `pixels` of them at a time, as quads of four taps: taps {2:0} of each
   pixel, taps {3:1} of each pixel. First come `whole` quads of each kernel row, read in place; then what is left of the rows,
   gathered and filled up to `rest` quads, or before if that is one. A 1x1 window's last quad is its last four bytes instead, and
   may overlap.

   `stream` holds what the inner loop reads, in its order; tflm_mcunet/kernels/dsp/packing.py writes it. A run of channel pairs has
       1 + 32 * tail, two constants of the tail
   and then per pair of channels (0, 1)
       weights of the first quad: two words, lanes 256 * w1 + w0; 512 * bias1 + 2 * bias0, 2 * bias0; the other quads' weights,
       then what the tail reads, which also says whether the pair is the run's last.
   At the end: 0, 0, the number of constant channels, and of each its value in the low byte + 256 * its place.

   Windows of `strip` output rows below one another are expanded together, since they share image rows: with one pixel at a time,
   or two, strips are single rows.

   Scratch: expanded pixels, 8 bytes per quad and pixel, where a single quad of the rest comes first, one per row; then, but for
   pointwise windows, zero points for a kernel row, room for one of each pixel, and what is left of the strip's kernel rows, per
   pixel. */
struct mcu_conv2d_dsp {
    const struct mcu_tensor *input, *output;
    const int32_t *stream;
    uint32_t scratch;
    int16_t in_h, in_w, in_c, out_w, out_c;
    int16_t kernel_h, kernel_w, stride_h, stride_w, dilation_h, dilation_w, pad_h, pad_w;
    int16_t in_zero;
    int16_t whole, rest;
    int16_t quads;
    int16_t pixels, strip;
    int8_t out_min, out_max;
};

#if defined(__GNUC__) || defined(__clang__)
#define MCU_DSP_SHARED static __attribute__((noinline, unused))
#else
#define MCU_DSP_SHARED static
#endif

/* Quads that are unrolled: first those that load word by word, which takes a cycle less and three instructions more. Bytes of
   code of each. */
#ifndef MCU_DSP_MULTIPLES
#define MCU_DSP_SINGLES 10
#define MCU_DSP_MULTIPLES 8
#endif
#define MCU_DSP_CHAIN (MCU_DSP_SINGLES + MCU_DSP_MULTIPLES)
#define MCU_DSP_SINGLE 78
#define MCU_DSP_MULTIPLE 62

/* Tails turn sums into outputs. They are numbered in units of 32 bytes of code; for the most frequent shifts there is one each. */
#ifndef MCU_DSP_RECTIFIED_SHIFTS
#define MCU_DSP_RECTIFIED_LEAST 5
#define MCU_DSP_RECTIFIED_SHIFTS 5
#define MCU_DSP_LINEAR_LEAST 7
#define MCU_DSP_LINEAR_SHIFTS 3
#endif
/* Results below the zero point, -128, saturate; and the same with the sign term. Per pair: m1, m0, place1 + 2^16 * last +
   2^17 * place0. */
#define MCU_DSP_RECTIFIED 0
#define MCU_DSP_LINEAR (4 * MCU_DSP_RECTIFIED_SHIFTS)
/* The shift comes from a register. Per channel: m, offset, shift + 256 * last + 512 * place. */
#define MCU_DSP_ANY_RECTIFIED (MCU_DSP_LINEAR + 5 * MCU_DSP_LINEAR_SHIFTS)
#define MCU_DSP_ANY_LINEAR (MCU_DSP_ANY_RECTIFIED + 5)

/* What the block works on; read by the assembly: keep the order. Where pixels are fewer than three, the last ones are used, and
   `out` of the others is that of the first one used: what is stored there first is overwritten. */
struct mcu_dsp_block {
    int8_t *out[3];
    int32_t out_step; /* from an output to that of the next block */
    uint32_t *pixels;
    const int32_t *stream;
    int32_t bytes, entry; /* of the expanded pixels, 0 for a single pass through the chain; bytes of code of its first pass */
    int32_t blocks;
    const int8_t *in[3];
    int32_t in_step;       /* from the end of a segment to that of the next three pixels */
    int32_t whole, back;   /* quads to expand, 0 where that is done already; then one more, after going back */
    int32_t pixel_step;    /* from the expanded pixels to those of the next block, where that is done already */
    int32_t before, after; /* bytes of weights to leave out, after the first quad and at the end */
    int32_t count;         /* pixels */
    int32_t quads;         /* of each pixel, but for those left out */
    uint32_t *first;       /* the pixels of the first quad, where they are not at `pixels` */
    int32_t first_step;    /* from the first quad's pixels to those of the next block */
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

   r0 stream   r1 pixels   r2 r3 weights   r4 r5 r6 three pixels, two values each   lr what follows the chain
   r7 r8 r9    sums of the raw lanes, 512 * acc1 + 2 * acc0, per pixel
   r10 r11 r12 sums of their low bytes, 2 * acc0
   in tails: r1 r2 r3 where the three pixels' outputs go, r4 r5 constants of the run, r6 multiplier, lr places
   expanding: r0 to, r1 r2 r3 from, r4 - r6, r8 - r10 values, r7 quads, lr mask, r11 block, r12 back
   stack: 0 outputs (3), 12 constants (2), 20 what follows the first quad, 24 its pixels, 28 what follows the chain,
   32 end of the pixels, 36 pixels, 40 block, 44 which of 28, 48 and 64 holds the tail, 48 what follows the last pass,
   52 entry of the chain, 56 weights left out after the first quad, 60 and at the end, 64 the tail after those */
__attribute__((naked, noinline, unused)) static void mcu_dsp_block3(struct mcu_dsp_block *block __attribute__((unused)))
{
    __asm__ volatile(
        ".syntax unified\n\t"
        MCU_DSP_EXPAND
        ".macro mcu_next\n\t"
        "bcc.w 2b\n\t"
        "b.w 1b\n\t"
        ".endm\n\t"

        "push {r4, r5, r6, r7, r8, r9, r10, r11, lr}\n\t"
        "sub sp, sp, #68\n\t"
        "str r0, [sp, #40]\n\t"
        "ldmia r0, {r1, r2, r3}\n\t"
        "stmia sp, {r1, r2, r3}\n\t"
        "ldr r4, [r0, #16]\n\t"
        "ldrd r5, r7, [r0, #24]\n\t"
        "add r1, r4, r5\n\t"
        "strd r1, r4, [sp, #32]\n\t"
        "adr.w r6, 4f\n\t"
        "sub r6, r6, r7\n\t"
        "adds r6, r6, #1\n\t"
        "str r6, [sp, #52]\n\t"
        "ldrd r7, r3, [r0, #64]\n\t"
        "strd r7, r3, [sp, #56]\n\t"
        "ldr r7, [r0, #80]\n\t"
        "cbz r7, 6f\n\t"
        "mov r4, r7\n\t"
        "adr.w r6, 20f\n\t"
        "adds r6, r6, #1\n\t"
        "6:\n\t"
        "str r4, [sp, #24]\n\t"
        "ldr r7, [r0, #72]\n\t"
        "cmp r7, #2\n\t"
        "bhi 7f\n\t"
        "ite eq\n\t"
        "adreq.w r6, 22f\n\t"
        "adrne.w r6, 21f\n\t"
        "adds r6, r6, #1\n\t"
        "7:\n\t"
        "str r6, [sp, #20]\n\t"
        "add r6, sp, #28\n\t"
        "cbz r3, 6f\n\t"
        "adr.w r4, 23f\n\t"
        "adds r4, r4, #1\n\t"
        "str r4, [sp, #28]\n\t"
        "str r4, [sp, #48]\n\t"
        "add r6, sp, #64\n\t"
        "6:\n\t"
        "cbz r5, 7f\n\t"
        "adr.w r4, 8f\n\t"
        "adds r4, r4, #1\n\t"
        "str r4, [sp, #28]\n\t"
        "cbnz r3, 7f\n\t"
        "add r6, sp, #48\n\t"
        "7:\n\t"
        "str r6, [sp, #44]\n\t"

        /* three pixels: expand them */
        "0:\n\t"
        "ldr r11, [sp, #40]\n\t"
        "ldrd r7, r12, [r11, #52]\n\t"
        "cmp r7, #0\n\t"
        "beq 7f\n\t"
        "ldr r0, [r11, #16]\n\t"
        "ldr r1, [r11, #36]\n\t"
        "ldrd r2, r3, [r11, #40]\n\t"
        "movw lr, #0x01fe\n\t"
        "movt lr, #0x01fe\n\t"
        "lsrs r7, r7, #1\n\t"
        "bcs 11f\n\t"
        "subs r7, r7, #1\n\t"
        "10:\n\t"
        "mcu_expand\n\t"
        "11:\n\t"
        "mcu_expand\n\t"
        "subs r7, r7, #1\n\t"
        "bpl 10b\n\t"
        "cmp r12, #0\n\t"
        "beq 6f\n\t"
        "add r1, r1, r12\n\t"
        "add r2, r2, r12\n\t"
        "add r3, r3, r12\n\t"
        "mov r12, #0\n\t"
        "movs r7, #0\n\t"
        "b 11b\n\t"
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
        "ldmia r0!, {r2, r3, r7, r10}\n\t"
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
        "addeq sp, sp, #68\n\t"
        "popeq {r4, r5, r6, r7, r8, r9, r10, r11, lr}\n\t"
        "bxeq lr\n\t"
        "ldmia sp, {r1, r2, r3}\n\t"
        "ldr r4, [r11, #12]\n\t"
        "add r1, r1, r4\n\t"
        "add r2, r2, r4\n\t"
        "add r3, r3, r4\n\t"
        "stmia sp, {r1, r2, r3}\n\t"
        "ldrd r1, r2, [sp, #32]\n\t"
        "ldr r3, [sp, #24]\n\t"
        "ldr r4, [r11, #60]\n\t"
        "ldr r5, [r11, #84]\n\t"
        "add r1, r1, r4\n\t"
        "add r2, r2, r4\n\t"
        "add r3, r3, r5\n\t"
        "strd r1, r2, [sp, #32]\n\t"
        "str r3, [sp, #24]\n\t"
        "b 0b\n\t"

        /* the first quad lies elsewhere, and weights are left out */
        ".balign 4\n\t"
        "20:\n\t"
        "ldr r1, [sp, #36]\n\t"
        "ldr r2, [sp, #56]\n\t"
        "add r0, r0, r2\n\t"
        "ldr pc, [sp, #52]\n\t"
        ".balign 4\n\t"
        "23:\n\t"
        "ldr r2, [sp, #60]\n\t"
        "add r0, r0, r2\n\t"
        "ldr pc, [sp, #64]\n\t"

        /* one pixel, the last of three: again from its first quad.   r9 r12 sums   r7 quads left */
        ".macro mcu_quad1\n\t"
        "ldmia r1!, {r4, r5}\n\t"
        "smlad r9, r2, r4, r9\n\t"
        "sxtb16 r2, r2\n\t"
        "smlad r12, r2, r4, r12\n\t"
        "smlad r9, r3, r5, r9\n\t"
        "sxtb16 r3, r3\n\t"
        "smlad r12, r3, r5, r12\n\t"
        ".endm\n\t"
        ".balign 4\n\t"
        "21:\n\t"
        "ldr r7, [sp, #40]\n\t"
        "ldr r7, [r7, #76]\n\t"
        "ldr r1, [sp, #24]\n\t"
        "ldmdb r0, {r2, r3, r9, r12}\n\t"
        "lsrs r7, r7, #1\n\t"
        "bcc 7f\n\t"
        "mcu_quad1\n\t"
        "beq 9f\n\t"
        "6:\n\t"
        "ldmia r0!, {r2, r3}\n\t"
        "7:\n\t"
        "mcu_quad1\n\t"
        "ldmia r0!, {r2, r3}\n\t"
        "mcu_quad1\n\t"
        "subs r7, r7, #1\n\t"
        "bne 6b\n\t"
        "9:\n\t"
        "bx lr\n\t"
        ".purgem mcu_quad1\n\t"

        /* two pixels, the last of three.   r8 r9, r11 r12 sums   r4 - r7 pixels   r10 quads left */
        ".macro mcu_quad2\n\t"
        "ldmia r1!, {r4, r5, r6, r7}\n\t"
        "smlad r8, r2, r4, r8\n\t"
        "smlad r9, r2, r5, r9\n\t"
        "sxtb16 r2, r2\n\t"
        "smlad r11, r2, r4, r11\n\t"
        "smlad r12, r2, r5, r12\n\t"
        "smlad r8, r3, r6, r8\n\t"
        "smlad r9, r3, r7, r9\n\t"
        "sxtb16 r3, r3\n\t"
        "smlad r11, r3, r6, r11\n\t"
        "smlad r12, r3, r7, r12\n\t"
        ".endm\n\t"
        ".balign 4\n\t"
        "22:\n\t"
        "ldr r10, [sp, #40]\n\t"
        "ldr r10, [r10, #76]\n\t"
        "ldr r1, [sp, #24]\n\t"
        "ldmdb r0, {r2, r3, r8, r11}\n\t"
        "mov r9, r8\n\t"
        "mov r12, r11\n\t"
        "lsrs r10, r10, #1\n\t"
        "bcc 7f\n\t"
        "mcu_quad2\n\t"
        "beq 9f\n\t"
        "6:\n\t"
        "ldmia r0!, {r2, r3}\n\t"
        "7:\n\t"
        "mcu_quad2\n\t"
        "ldmia r0!, {r2, r3}\n\t"
        "mcu_quad2\n\t"
        "subs r10, r10, #1\n\t"
        "bne 6b\n\t"
        "9:\n\t"
        "bx lr\n\t"
        ".purgem mcu_quad2\n\t"

        /* between passes through the chain */
        ".balign 4\n\t"
        "8:\n\t"
        "ldr r2, [sp, #32]\n\t"
        "cmp r1, r2\n\t"
        "bne 3f\n\t"
        "ldr pc, [sp, #48]\n\t"

        ".macro mcu_products\n\t"
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
        ".balign 4\n\t"
        "3:\n\t"
        ".rept " MCU_TEXT(MCU_DSP_SINGLES) "\n\t"
        "ldr r2, [r0], #4\n\t"
        "ldr r3, [r0], #4\n\t"
        "ldr r4, [r1], #4\n\t"
        "ldr r5, [r1], #4\n\t"
        "ldr r6, [r1], #4\n\t"
        "mcu_products\n\t"
        ".endr\n\t"
        ".rept " MCU_TEXT(MCU_DSP_MULTIPLES) "\n\t"
        "ldmia r0!, {r2, r3}\n\t"
        "ldmia r1!, {r4, r5, r6}\n\t"
        "mcu_products\n\t"
        ".endr\n\t"
        ".balign 4\n\t"
        "4:\n\t"
        "bx lr\n\t"
        ".purgem mcu_products\n\t"

        /* tails for results that saturate at the zero point; constants: of channel 1, which has that of channel 0 in its upper bits */
        ".balign 32\n\t"
        "5:\n\t"
        ".set mcu_e, " MCU_TEXT(MCU_DSP_RECTIFIED_LEAST) "\n\t"
        ".rept " MCU_TEXT(MCU_DSP_RECTIFIED_SHIFTS) "\n\t"
        ".balign 32\n\t"
        "ldmia sp, {r1, r2, r3, r4}\n\t"
        "ldmia r0!, {r5, r6, lr}\n\t"
        "sub r7, r7, r10\n\t"
        "sub r8, r8, r11\n\t"
        "sub r9, r9, r12\n\t"
        "smmla r7, r7, r5, r4\n\t"
        "smmla r8, r8, r5, r4\n\t"
        "smmla r9, r9, r5, r4\n\t"
        "asr r5, r4, #8\n\t"
        "uxth r4, lr\n\t"
        "lsrs lr, lr, #17\n\t"
        "ssat r7, #8, r7, asr #(mcu_e + 8)\n\t"
        "ssat r8, #8, r8, asr #(mcu_e + 8)\n\t"
        "ssat r9, #8, r9, asr #(mcu_e + 8)\n\t"
        "smmlar r10, r10, r6, r5\n\t"
        "smmlar r11, r11, r6, r5\n\t"
        "smmlar r12, r12, r6, r5\n\t"
        "ssat r10, #8, r10, asr #mcu_e\n\t"
        "ssat r11, #8, r11, asr #mcu_e\n\t"
        "ssat r12, #8, r12, asr #mcu_e\n\t"
        "strb r7, [r1, r4]\n\t"
        "strb r8, [r2, r4]\n\t"
        "strb r9, [r3, r4]\n\t"
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
        ".set mcu_e, " MCU_TEXT(MCU_DSP_LINEAR_LEAST) "\n\t"
        ".rept " MCU_TEXT(MCU_DSP_LINEAR_SHIFTS) "\n\t"
        ".balign 32\n\t"
        "ldmia sp, {r1, r2, r3, r4}\n\t"
        "ldr r6, [r0], #8\n\t"
        "ldr lr, [r0], #-4\n\t"
        "mcu_divide\n\t"
        "mcu_linear r7, mcu_e\n\t"
        "mcu_linear r8, mcu_e\n\t"
        "mcu_linear r9, mcu_e\n\t"
        "uxth r5, lr\n\t"
        "strb r7, [r1, r5]\n\t"
        "strb r8, [r2, r5]\n\t"
        "strb r9, [r3, r5]\n\t"
        "ldr r6, [r0], #8\n\t"
        "mcu_linear r10, mcu_e\n\t"
        "mcu_linear r11, mcu_e\n\t"
        "mcu_linear r12, mcu_e\n\t"
        "lsrs lr, lr, #17\n\t"
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

        ".purgem mcu_expand\n\t"
        ".purgem mcu_next\n\t"
        ".purgem mcu_linear\n\t"
        ".purgem mcu_divide\n\t"
        ".purgem mcu_any\n\t");
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
    int32_t shift = rectified ? tail / 4 + MCU_DSP_RECTIFIED_LEAST : (tail - MCU_DSP_LINEAR) / 5 + MCU_DSP_LINEAR_LEAST;
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
    return mcu_dsp_ssat8(acc2 >> shift);
}

/* Two channels of all pixels. Returns whether they end their run. */
static inline int mcu_dsp_pair(const struct mcu_dsp_block *block, const int32_t *run, const int32_t *pair, const int32_t *own)
{
    const int32_t tail = run[0] >> 5, any = tail >= MCU_DSP_ANY_RECTIFIED;
    const int32_t ahead = block->first ? 2 : 0;
    int32_t pixel, word, channel;
    for (pixel = 0; pixel < block->count; ++pixel) {
        const uint32_t *x = block->pixels + pixel;
        int32_t both = pair[2], low = pair[3];
        for (word = 0; word < 2 * block->quads; ++word) {
            /* after the first quad's two words come the biases, and what is left out */
            const uint32_t weights = (uint32_t)pair[word < 2 ? word : word + 2 + block->before / 4];
            const uint32_t values = word < 2 && block->first ? block->first[block->count * word + pixel] : x[block->count * (word - ahead)];
            both = mcu_dsp_smlad(weights, values, both);
            low = mcu_dsp_smlad(mcu_dsp_sxtb16(weights), values, low);
        }
        both = (int32_t)((uint32_t)both - (uint32_t)low) / 256;
        for (channel = 1; channel >= 0; --channel) {
            const int32_t *words = own + (channel ? 0 : any ? 3 : 1);
            const int32_t place = any ? words[2] >> 9 : channel ? own[2] & 0xffff : (int32_t)((uint32_t)own[2] >> 17);
            block->out[3 - block->count + pixel][place] = (int8_t)mcu_dsp_tail(tail, run, channel, channel ? both : low, words);
        }
    }
    return (any ? own[5] >> 8 : own[2] >> 16) & 1;
}

static inline void mcu_dsp_block3(struct mcu_dsp_block *block)
{
    int32_t pixel, constant;
    for (; block->blocks > 0; --block->blocks) {
        const int32_t *run = block->stream;
        const int8_t **in = block->in;
        if (block->whole) {
            uint32_t *to = mcu_dsp_expand3(in, 1, block->whole, block->pixels);
            const int32_t further = 4 * block->whole + block->back;
            if (block->back) {
                const int8_t *const rest[3] = {in[0] + further, in[1] + further, in[2] + further};
                (void)mcu_dsp_expand3(rest, 1, 1, to);
            }
            if (block->blocks > 1) {
                for (pixel = 0; pixel < 3; ++pixel) {
                    in[pixel] += further + (block->back ? 4 : 0) + block->in_step;
                }
            }
        }
        while (run[0]) {
            const int32_t words = run[0] >> 5 >= MCU_DSP_ANY_RECTIFIED ? 6 : 3;
            const int32_t *pair = run + 3, *own;
            int last;
            do {
                own = pair + 2 + 2 * block->quads + (block->before + block->after) / 4;
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
        if (block->blocks > 1) {
            for (pixel = 0; pixel < 3; ++pixel) {
                block->out[pixel] += block->out_step;
            }
            block->pixels += block->pixel_step / 4;
            block->first = block->first ? block->first + block->first_step / 4 : NULL;
        }
    }
}

#endif

/* Expands `quads` quads of one to three pixels. Returns the end of what it wrote. */
MCU_DSP_SHARED uint32_t *mcu_dsp_expand(const int8_t *const *from, int32_t pixels, int32_t quads, uint32_t *to)
{
    int32_t pixel, quad;
    if (pixels == 3) {
        return quads ? mcu_dsp_expand3(from, 1, quads, to) : to;
    }
    for (pixel = 0; pixel < pixels; ++pixel) {
        const int8_t *in = from[pixel];
        uint32_t *out = to + pixel;
        for (quad = 0; quad < quads; ++quad, in += 4, out += 2 * pixels) {
            const uint32_t word = mcu_dsp_load(in);
            out[0] = mcu_dsp_even(word);
            out[pixels] = mcu_dsp_odd(word);
        }
    }
    return to + 2 * pixels * quads;
}

static inline void mcu_dsp_start(const struct mcu_conv2d_dsp *op, unsigned char *arena, struct mcu_dsp_block *block)
{
    memset(block, 0, sizeof *block);
    block->pixels = (uint32_t *)(void *)(arena + op->scratch);
    block->stream = op->stream;
    block->count = op->pixels;
}

/* Sets how many quads of each pixel are used. */
MCU_DSP_SHARED void mcu_dsp_quads(struct mcu_dsp_block *block, int32_t quads)
{
    const int32_t chained = quads - 1, entry = chained > 0 ? (chained - 1) % MCU_DSP_CHAIN + 1 : 0;
    const int32_t singles = entry > MCU_DSP_MULTIPLES ? entry - MCU_DSP_MULTIPLES : 0;
    block->quads = quads;
    block->bytes = block->count == 3 && chained > MCU_DSP_CHAIN ? 24 * (block->first ? chained : quads) : 0;
    block->entry = MCU_DSP_SINGLE * singles + MCU_DSP_MULTIPLE * (entry - singles);
}

/* Where the outputs of a block's pixels go. */
static inline void mcu_dsp_outputs(struct mcu_dsp_block *block, int8_t *const *to)
{
    block->out[0] = to[0];
    block->out[1] = to[block->count == 3];
    block->out[2] = to[block->count - 1];
}

/* Pixels anywhere, with 1x1 windows: expanded from where they lie. */
static inline void mcu_dsp_scattered(const struct mcu_conv2d_dsp *op, struct mcu_dsp_block *block, const int8_t *const *from,
                                     int8_t *const *to)
{
    const int8_t *ends[3];
    int32_t pixel;
    uint32_t *rest = mcu_dsp_expand(from, op->pixels, op->whole, block->pixels);
    if (op->rest) {
        for (pixel = 0; pixel < op->pixels; ++pixel) {
            ends[pixel] = from[pixel] + op->in_c - 4;
        }
        (void)mcu_dsp_expand(ends, op->pixels, 1, rest);
    }
    mcu_dsp_outputs(block, to);
    block->whole = 0;
    block->blocks = 1;
    mcu_dsp_block3(block);
}

/* Limits the outputs further than int8 does, which few layers ask for. */
MCU_DSP_SELDOM void mcu_dsp_limit(const struct mcu_conv2d_dsp *op, unsigned char *arena, int32_t first, int32_t last)
{
    for (; (op->out_min > -128 || op->out_max < 127) && first < last; ++first) {
        int8_t *out = (int8_t *)mcu_write(op->output, arena, first);
        int8_t *const end = out + (ptrdiff_t)op->out_w * op->out_c;
        for (; out < end; ++out) {
            *out = (int8_t)mcu_clamp(*out, op->out_min, op->out_max);
        }
    }
}

/* 1x1 windows without padding. */
MCU_DSP_SELDOM void mcu_conv2d_dsp_pointwise(const void *record, unsigned char *arena, int32_t first, int32_t last)
{
    const struct mcu_conv2d_dsp *op = (const struct mcu_conv2d_dsp *)record;
    const int32_t stride = op->stride_w * op->in_c, out_c = op->out_c;
    struct mcu_dsp_block block;
    const int8_t *from[3] = {NULL, NULL, NULL};
    int8_t *to[3] = {NULL, NULL, NULL};
    int32_t waiting = 0, row = first, i;
    mcu_dsp_start(op, arena, &block);
    mcu_dsp_quads(&block, op->quads);
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
            if (waiting == 0 && pixels >= 3 && op->pixels == 3) {
                block.whole = op->whole;
                block.blocks = pixels / 3;
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
            if (++waiting == op->pixels) {
                mcu_dsp_scattered(op, &block, from, to);
                waiting = 0;
            }
        }
    }
    mcu_dsp_limit(op, arena, first, last);
}

/* The windows of a strip need at most so many image rows, and the strip has at most so many output rows. */
#define MCU_DSP_ROWS 26
#define MCU_DSP_STRIP 12

/* A strip of output rows, and windows in it. */
struct mcu_dsp_windows {
    const int8_t *rows[MCU_DSP_ROWS]; /* of the image, from the first window's top on; NULL where there is none */
    int8_t *out[MCU_DSP_STRIP];
    int32_t top, height; /* the first image row, and how many output rows */
    int8_t *edge;        /* room for a kernel row of each pixel */
    uint32_t *rests; /* rows' single quads of what is left of kernel rows */
    struct mcu_dsp_span span;
    struct mcu_dsp_block block;
};

/* Copies a piece of a window, often of a few bytes. */
static inline void mcu_dsp_copy(int8_t *to, const int8_t *from, int32_t bytes)
{
    if (bytes > 16) {
        memcpy(to, from, (size_t)bytes);
    } else {
        for (; bytes > 0; --bytes) {
            *to++ = *from++;
        }
    }
}

/* Copies what an image row has of a kernel row that begins in column x. */
static inline void mcu_dsp_gather(const struct mcu_conv2d_dsp *op, const int8_t *in, int32_t x, int8_t *to)
{
    const int32_t depth = op->in_c, columns = op->kernel_w;
    int32_t i;
    if (op->dilation_w == 1) {
        const int32_t before = x < 0 ? -x : 0, there = op->in_w - x < columns ? op->in_w - x : columns;
        mcu_dsp_copy(to + before * depth, in + (ptrdiff_t)(x + before) * depth, (there - before) * depth);
        return;
    }
    for (i = 0; i < columns; ++i, x += op->dilation_w, to += depth) {
        if (x >= 0 && x < op->in_w) {
            mcu_dsp_copy(to, in + (ptrdiff_t)x * depth, depth);
        }
    }
}

/* Whether windows that begin in columns x to `last_x` lie within the rows. */
static inline int mcu_dsp_inside(const struct mcu_conv2d_dsp *op, int32_t x, int32_t last_x)
{
    return x >= 0 && last_x <= op->in_w - op->kernel_w && op->dilation_w == 1;
}

/* Expands `count` kernel rows of windows that begin in columns x and in rows[down]. */
MCU_DSP_OFTEN void mcu_dsp_expand_windows(const struct mcu_conv2d_dsp *op, const struct mcu_dsp_windows *windows, int32_t count,
                                          const int32_t *x, const int32_t *down)
{
    const struct mcu_dsp_span *const span = &windows->span;
    const int32_t bytes = op->kernel_w * op->in_c, pixels = op->pixels, whole = op->whole, left = span->left;
    int inside[3];
    uint32_t *to = span->to;
    int32_t ky, pixel, i;
    for (pixel = 0; pixel < pixels; ++pixel) {
        inside[pixel] = mcu_dsp_inside(op, x[pixel], x[pixel]);
        if (!inside[pixel]) {
            memset(windows->edge + pixel * bytes, op->in_zero, (size_t)bytes);
        }
    }
    for (ky = 0; ky < count; ++ky) {
        const int8_t *from[3];
        for (pixel = 0; pixel < pixels; ++pixel) {
            const int8_t *row = windows->rows[down[pixel] + ky];
            if (!row) {
                from[pixel] = span->blank;
            } else if (inside[pixel]) {
                from[pixel] = row + (ptrdiff_t)x[pixel] * op->in_c;
            } else {
                from[pixel] = windows->edge + pixel * bytes;
                mcu_dsp_gather(op, row, x[pixel], windows->edge + pixel * bytes);
            }
            for (i = 0; i < left; ++i) {
                span->gathered[pixel * span->pitch + ky * left + i] = from[pixel][4 * whole + i];
            }
        }
        to = mcu_dsp_expand(from, pixels, whole, to);
    }
}

/* What is left of the kernel rows of a window in each of `count` output rows; more than one quad of it after the whole ones. */
MCU_DSP_SHARED void mcu_dsp_expand_rest(const struct mcu_conv2d_dsp *op, const struct mcu_dsp_windows *windows, int32_t row, int32_t count)
{
    const struct mcu_dsp_span *const span = &windows->span;
    const int32_t pixels = op->pixels, step = op->stride_h * span->left;
    uint32_t *const to = op->rest == 1 ? windows->rests : span->to + 2 * pixels * op->whole * (row * op->stride_h + op->kernel_h);
    const int8_t *from[3 * MCU_DSP_STRIP];
    int32_t pixel, i;
    for (pixel = 0; pixel < pixels; ++pixel) {
        const int8_t *in = span->gathered + pixel * span->pitch + row * step;
        for (i = 0; i < count; ++i, in += step) {
            from[pixels * i + pixel] = in;
        }
    }
    if (pixels == 3) {
        (void)mcu_dsp_expand3(from, count, op->rest, to);
    } else {
        (void)mcu_dsp_expand(from, pixels, op->rest, to);
    }
}

/* How many kernel rows of an output row lie above the image, or below it, where these are left out: expanded, they are zeros. */
static inline int32_t mcu_dsp_above(const struct mcu_conv2d_dsp *op, const struct mcu_dsp_windows *windows, int32_t row)
{
    const int32_t above = -(windows->top + row * op->stride_h);
    return above > 0 ? above < op->kernel_h ? above : op->kernel_h - 1 : 0;
}

static inline int32_t mcu_dsp_below(const struct mcu_conv2d_dsp *op, const struct mcu_dsp_windows *windows, int32_t row)
{
    const int32_t below = windows->top + row * op->stride_h + op->kernel_h - op->in_h;
    return below > 0 ? below < op->kernel_h ? below : op->kernel_h - 1 : 0;
}

/* Computes `count` rows of windows from expanded rows, the first of which is at `pixels`, and its rest at `rest`. */
MCU_DSP_SHARED void mcu_dsp_rows(const struct mcu_conv2d_dsp *op, struct mcu_dsp_block *block, uint32_t *pixels, uint32_t *rest,
                                 int32_t count, int32_t above, int32_t below)
{
    const int32_t words = 2 * op->pixels * op->whole;
    block->pixels = pixels + above * words;
    block->pixel_step = block->first_step = 4 * words * op->stride_h;
    block->before = 8 * above * op->whole;
    block->first = NULL;
    if (op->rest == 1 && op->pixels < 3) {
        block->pixels = rest;
    } else if (op->rest == 1) {
        block->first = rest;
        block->first_step = 8 * op->pixels;
    } else if (above) {
        /* the first quad is one of those above the image, which are zeros */
        block->first = pixels;
        block->before -= 8;
    }
    block->after = 8 * below * op->whole;
    block->blocks = count;
    mcu_dsp_quads(block, op->quads - (above + below) * op->whole + (above && op->rest == 0 ? 1 : 0));
    mcu_dsp_block3(block);
}

/* The outputs of windows side by side in all rows of the strip, from the expanded rows; `offset`: the first one's, in its row.
   Rows at equal distances and with equal padding go together. From the last row to the first, for several quads of what is left
   of kernel rows are expanded where the rows after it were. */
static inline void mcu_dsp_column(const struct mcu_conv2d_dsp *op, struct mcu_dsp_windows *windows, int32_t offset)
{
    struct mcu_dsp_block *const block = &windows->block;
    const int skips = op->in_zero == -128 && op->pixels == 3 && op->rest <= 1 && op->dilation_h == 1;
    const int32_t row_words = 2 * op->pixels * op->whole * op->stride_h;
    int32_t row = windows->height, i;
    if (op->rest == 1) {
        mcu_dsp_expand_rest(op, windows, 0, row);
    }
    while (row > 0) {
        int8_t *to[3];
        const int32_t last = row - 1, step = last ? (int32_t)(windows->out[last] - windows->out[last - 1]) : 0;
        const int32_t above = skips ? mcu_dsp_above(op, windows, last) : 0, below = skips ? mcu_dsp_below(op, windows, last) : 0;
        --row;
        while (row > 0 && op->rest <= 1 && windows->out[row] - windows->out[row - 1] == step &&
               (!skips || (mcu_dsp_above(op, windows, row - 1) == above && mcu_dsp_below(op, windows, row - 1) == below))) {
            --row;
        }
        if (op->rest > 1) {
            mcu_dsp_expand_rest(op, windows, row, 1);
        }
        for (i = 0; i < op->pixels; ++i) {
            to[i] = windows->out[row] + offset + i * op->out_c;
        }
        mcu_dsp_outputs(block, to);
        block->out_step = step;
        mcu_dsp_rows(op, block, windows->span.to + row * row_words, windows->rests + row * 2 * op->pixels, last - row + 1, above, below);
    }
}

/* The columns of the strip from `column` on, which do not fill a block in a row: blocks of windows one below the other. */
static inline void mcu_dsp_columns_left(const struct mcu_conv2d_dsp *op, struct mcu_dsp_windows *windows, int32_t column)
{
    int32_t x[3], down[3], row = 0, waiting = 0;
    int8_t *to[3];
    while (column < op->out_w) {
        x[waiting] = column * op->stride_w - op->pad_w;
        down[waiting] = row * op->stride_h;
        to[waiting] = windows->out[row] + column * op->out_c;
        /* the last window of all may fill the rest of its block */
        if (row < windows->height - 1) {
            ++row;
        } else if (column < op->out_w - 1 || waiting == op->pixels - 1) {
            row = 0;
            ++column;
        }
        if (++waiting == op->pixels) {
            waiting = 0;
            mcu_dsp_expand_windows(op, windows, op->kernel_h, x, down);
            if (op->rest) {
                mcu_dsp_expand_rest(op, windows, 0, 1);
            }
            mcu_dsp_outputs(&windows->block, to);
            mcu_dsp_rows(op, &windows->block, windows->span.to, windows->rests, 1, 0, 0);
        }
    }
}

/* Any window. */
MCU_DSP_SELDOM void mcu_conv2d_dsp(const void *record, unsigned char *arena, int32_t first, int32_t last)
{
    const struct mcu_conv2d_dsp *op = (const struct mcu_conv2d_dsp *)record;
    const int32_t stride = op->stride_w * op->in_c, bytes = op->kernel_w * op->in_c, left = bytes - 4 * op->whole;
    const int32_t further = (op->strip - 1) * op->stride_h;
    const int32_t begin = first;
    static const int32_t down[3] = {0, 0, 0};
    struct mcu_dsp_windows windows;
    int8_t *blank;
    mcu_dsp_start(op, arena, &windows.block);
    windows.rests = windows.block.pixels;
    windows.span.to = windows.rests + (op->rest == 1 ? 2 * op->pixels * op->strip : 0);
    blank = (int8_t *)(windows.span.to + 2 * op->pixels * (op->quads - (op->rest == 1) + further * op->whole));
    memset(blank, op->in_zero, (size_t)bytes);
    windows.edge = blank + bytes;
    windows.span.rows = windows.rows;
    windows.span.blank = blank;
    windows.span.gathered = windows.edge + op->pixels * bytes;
    windows.span.step = stride;
    windows.span.whole = op->whole;
    windows.span.left = left;
    windows.span.pitch = 4 * op->rest + further * left;
    for (; first < last; first += windows.height) {
        int32_t count, column, i;
        windows.height = last - first < op->strip ? last - first : op->strip;
        windows.top = first * op->stride_h - op->pad_h;
        count = (windows.height - 1) * op->stride_h + op->kernel_h;
        for (i = 0; i < count; ++i) {
            const int32_t y = windows.top + i * op->dilation_h;
            windows.rows[i] = y < 0 || y >= op->in_h ? NULL : (const int8_t *)mcu_read(op->input, arena, y);
        }
        for (i = 0; i < windows.height; ++i) {
            windows.out[i] = (int8_t *)mcu_write(op->output, arena, first + i);
        }
        for (column = 0; column + op->pixels <= op->out_w; column += op->pixels) {
            const int32_t left_x = column * op->stride_w - op->pad_w;
            const int32_t x[3] = {left_x, left_x + op->stride_w, left_x + 2 * op->stride_w};
            if (op->pixels == 3 && mcu_dsp_inside(op, left_x, x[2])) {
                windows.span.kernel_h = count;
                windows.span.offset = left_x * op->in_c;
                mcu_dsp_expand_span(&windows.span);
            } else {
                mcu_dsp_expand_windows(op, &windows, count, x, down);
            }
            mcu_dsp_column(op, &windows, column * op->out_c);
        }
        mcu_dsp_columns_left(op, &windows, column);
    }
    mcu_dsp_limit(op, arena, begin, last);
}

#endif
