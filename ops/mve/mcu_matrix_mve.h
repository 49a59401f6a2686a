/* Pixels times weights for Helium, int8 in and out: the product under CONV_2D and FULLY_CONNECTED. */
#ifndef TFLM_MCUNET_MATRIX_MVE_H
#define TFLM_MCUNET_MATRIX_MVE_H

#include "mcu_fixed_point.h"
#include "mcu_mve.h"
#include "mcu_rows.h"

/* `weights` is one stream of little-endian words. It holds groups of four channels, c = 0, 4, ...; the last group is the last
   four channels, so that it may overlap the one before (fewer than four channels are filled up with zeros). A group is two
   pairs, (c, c + 2) and (c + 1, c + 3). A pair is ceil(depth / 16) chunks of 16 weights of the one channel and 16 of the other,
   zeros behind depth; then bias * 256 + (shift & 255), multiplier of the one, and the same of the other channel. Biases have
   the input's zero point folded in; shifts are 0 or negative (to the right). Proven offline: |bias| < 2^23, |sum| < 2^30. */

/* One call: `pixels` inputs of depth values, `pitch` bytes apart; outputs lie densely. Kernels advance `in` and `out`. */
struct mcu_matrix_mve_run {
    const int8_t *in;         /*  0 */
    int32_t pitch;            /*  4 */
    int8_t *out;              /*  8 */
    int32_t pixels;           /* 12: in units of what the kernel does at once */
    const int32_t *weights;   /* 16 */
    int32_t depth, channels;  /* 20, 24 */
    int32_t zero, low, high;  /* 28, 32, 36 */
};

/* Kernels of one rounding and clamp: 4 pixels of more than 16 values, 4 pixels of up to 16, pixels one by one. */
struct mcu_matrix_mve_kernels {
    void (*deep)(struct mcu_matrix_mve_run *run);
    void (*shallow)(struct mcu_matrix_mve_run *run);
    void (*one)(struct mcu_matrix_mve_run *run);
};

#if MCU_MVE

/* Requantises two vectors of four pixels of one channel each, q4 and q5, and narrows them to 16 bits.
   r3, r5: bias and shift, multiplier of the first channel; r7, r9: of the second; spoils r0, r2, r4.
   VQRDMULH is gemmlowp's doubling high multiply. FIX turns the rounding shift's ties away from zero: y + floor(y / 2^31)
   is y - 1 where y is negative. Without FIX ties of negative y differ, which a clamp at the zero point makes equal. */
#define MCU_MATRIX_FIX(first, second)        \
    "mov r4, #1\n"                           \
    "vqdmlah.s32 " first ", " first ", r4\n" \
    "vqdmlah.s32 " second ", " second ", r4\n"
#define MCU_MATRIX_NO_FIX(first, second) ""
#define MCU_MATRIX_REQUANTIZE(FIX, to, first, second) \
    "asr r0, r3, #8\n"                                \
    "asr r2, r7, #8\n"                                \
    "vadd.i32 " first ", " first ", r0\n"             \
    "vadd.i32 " second ", " second ", r2\n"           \
    "vqrdmulh.s32 " first ", " first ", r5\n"         \
    "vqrdmulh.s32 " second ", " second ", r9\n"       \
    FIX(first, second)                                \
    "vrshl.s32 " first ", r3\n"                       \
    "vrshl.s32 " second ", r7\n"                      \
    "vqmovnb.s32 " to ", " first "\n"                 \
    "vqmovnt.s32 " to ", " second "\n"

/* Clamps 16 outputs in `q` to [low, high], whose vectors lie at sp + `at` and behind; spoils `other`. */
#define MCU_MATRIX_CLAMP(q, other, at)        \
    "vldrw.u32 " other ", [sp, #" at "]\n"    \
    "vmax.s8 " q ", " q ", " other "\n"       \
    "vldrw.u32 " other ", [sp, #" at "+16]\n" \
    "vmin.s8 " q ", " q ", " other "\n"
#define MCU_MATRIX_NO_CLAMP(q, other, at) ""

/* A chunk of two channels times four pixels. r1: weights; r3, r5, r9, r11: pixels; q0, q1: weights; q2, q3: pixels.
   Sums: r0, r2, r4, r6 of the first channel, r8, r10, r12, lr of the second. */
#define MCU_MATRIX_CHUNK(multiply)  \
    "vldrb.8 q0, [r1], #16\n"       \
    "vldrb.8 q1, [r1], #16\n"       \
    "vldrb.8 q2, [r3], #16\n"       \
    "vldrb.8 q3, [r5], #16\n"       \
    multiply ".s8 r0, q0, q2\n"     \
    multiply ".s8 r8, q1, q2\n"     \
    "vldrb.8 q2, [r9], #16\n"       \
    multiply ".s8 r2, q0, q3\n"     \
    multiply ".s8 r10, q1, q3\n"    \
    "vldrb.8 q3, [r11], #16\n"      \
    multiply ".s8 r4, q0, q2\n"     \
    multiply ".s8 r12, q1, q2\n"    \
    multiply ".s8 r6, q0, q3\n"     \
    multiply ".s8 lr, q1, q3\n"

/* A pair of channels for four pixels: the first chunk, `r7` chunks, and the last one, whose pixels are predicated. */
#define MCU_MATRIX_PAIR(FIX, to)          \
    "ldm sp, {r3, r5, r7, r9, r11}\n"     \
    MCU_MATRIX_CHUNK("vmladav")           \
    "cbz r7, 5f\n"                        \
    "4:\n"                                \
    MCU_MATRIX_CHUNK("vmladava")          \
    "subs r7, r7, #1\n"                   \
    "bne 4b\n"                            \
    "5:\n"                                \
    "vldrb.8 q0, [r1], #16\n"             \
    "vldrb.8 q1, [r1], #16\n"             \
    "vpstttt\n"                           \
    "vldrbt.8 q2, [r3]\n"                 \
    "vldrbt.8 q3, [r5]\n"                 \
    "vldrbt.8 q4, [r9]\n"                 \
    "vldrbt.8 q5, [r11]\n"                \
    "vmladava.s8 r0, q0, q2\n"            \
    "vmladava.s8 r8, q1, q2\n"            \
    "vmladava.s8 r2, q0, q3\n"            \
    "vmladava.s8 r10, q1, q3\n"           \
    "vmladava.s8 r4, q0, q4\n"            \
    "vmladava.s8 r12, q1, q4\n"           \
    "vmladava.s8 r6, q0, q5\n"            \
    "vmladava.s8 lr, q1, q5\n"            \
    "ldm r1!, {r3, r5, r7, r9}\n"         \
    "vmov q4[2], q4[0], r0, r4\n"         \
    "vmov q4[3], q4[1], r2, r6\n"         \
    "vmov q5[2], q5[0], r8, r12\n"        \
    "vmov q5[3], q5[1], r10, lr\n"        \
    MCU_MATRIX_REQUANTIZE(FIX, to, "q4", "q5")

/* Stack frame of `deep` and `shallow`, above what is pushed:
   0 pixel 0, 4 pixel 1, 8 chunks between the first and the last, 12 pixel 2, 16 pixel 3, 20 out, 24 groups left, 28 run,
   32 offsets of four pixels in the output, 48 low and 64 high as vectors, 80 zero point, 84 tiles left, 88 channels % 4. */
#define MCU_MATRIX_ENTER              \
    "push {r4-r11, lr}\n"             \
    "vpush {d8-d15}\n"                \
    "sub sp, sp, #92\n"               \
    "str r0, [sp, #28]\n"             \
    "ldr r1, [r0, #20]\n"             \
    "subs r1, r1, #1\n"               \
    "and r2, r1, #15\n"               \
    "adds r2, r2, #1\n"               \
    "vctp.8 r2\n" /* the values of the last chunk; stays in P0 */ \
    "lsrs r1, r1, #4\n"               \
    "subs r1, r1, #1\n"               \
    "str r1, [sp, #8]\n"              \
    "ldr r1, [r0, #24]\n"             \
    "movs r2, #0\n"                   \
    "lsls r3, r1, #1\n"               \
    "adds r4, r3, r1\n"               \
    "strd r2, r1, [sp, #32]\n"        \
    "strd r3, r4, [sp, #40]\n"        \
    "and r1, r1, #3\n"                \
    "str r1, [sp, #88]\n"             \
    "ldrd r1, r2, [r0, #28]\n"        \
    "str r1, [sp, #80]\n"             \
    "vdup.8 q0, r2\n"                 \
    "vstrw.32 q0, [sp, #48]\n"        \
    "ldr r1, [r0, #36]\n"             \
    "vdup.8 q0, r1\n"                 \
    "vstrw.32 q0, [sp, #64]\n"        \
    "ldr r1, [r0, #12]\n"             \
    "str r1, [sp, #84]\n"

#define MCU_MATRIX_LEAVE              \
    "add sp, sp, #92\n"               \
    "vpop {d8-d15}\n"                 \
    "pop {r4-r11, pc}\n"

/* The next four pixels: r1, r3, r5, r7 their inputs, r2 the output, r4 the channels. */
#define MCU_MATRIX_TILE               \
    "ldr r0, [sp, #28]\n"             \
    "ldrd r1, r2, [r0]\n"             \
    "add r3, r1, r2\n"                \
    "add r5, r3, r2\n"                \
    "add r7, r5, r2\n"                \
    "add r2, r7, r2\n"                \
    "str r2, [r0]\n"                  \
    "ldr r2, [r0, #8]\n"              \
    "ldr r4, [r0, #24]\n"             \
    "add r6, r2, r4, lsl #2\n"        \
    "str r6, [r0, #8]\n"              \
    "lsr r4, r4, #2\n"

#define MCU_MATRIX_DEEP(name, FIX, CLAMP)                                    \
    static MCU_NAKED void name(struct mcu_matrix_mve_run *run MCU_UNUSED)    \
    {                                                                        \
        __asm__ volatile(MCU_MVE_SYNTAX                                      \
            MCU_MATRIX_ENTER                                                 \
            "1:\n"                                                           \
            MCU_MATRIX_TILE                                                  \
            "strd r1, r3, [sp]\n"                                            \
            "strd r5, r7, [sp, #12]\n"                                       \
            "strd r2, r4, [sp, #20]\n"                                       \
            "ldr r1, [r0, #16]\n"                                            \
            "2:\n"                                                           \
            MCU_MATRIX_PAIR(FIX, "q6")                                       \
            MCU_MATRIX_PAIR(FIX, "q7")                                       \
            "ldr r0, [sp, #80]\n"                                            \
            "vqadd.s16 q6, q6, r0\n"                                         \
            "vqadd.s16 q7, q7, r0\n"                                         \
            "ldrd r2, r4, [sp, #20]\n"                                       \
            "vldrw.u32 q0, [sp, #32]\n"                                      \
            "vqmovnb.s16 q6, q6\n"                                           \
            "vqmovnt.s16 q6, q7\n"                                           \
            CLAMP("q6", "q1", "48")                                          \
            "vstrw.32 q6, [r2, q0]\n"                                        \
            "adds r2, r2, #4\n"                                              \
            "subs r4, r4, #1\n"                                              \
            "strd r2, r4, [sp, #20]\n"                                       \
            "bgt 2b\n"                                                       \
            "blt 3f\n"                                                       \
            "ldr r0, [sp, #88]\n" /* one more group, r0 channels further on */ \
            "cbz r0, 3f\n"                                                   \
            "add r2, r2, r0\n"                                               \
            "subs r2, r2, #4\n"                                              \
            "str r2, [sp, #20]\n"                                            \
            "b 2b\n"                                                         \
            "3:\n"                                                           \
            "ldr r0, [sp, #84]\n"                                            \
            "subs r0, r0, #1\n"                                              \
            "str r0, [sp, #84]\n"                                            \
            "bne 1b\n"                                                       \
            MCU_MATRIX_LEAVE);                                               \
    }

/* A channel for four pixels whose values stay in q0 to q3: sums to the vector `q`. */
#define MCU_MATRIX_CHANNEL(q)         \
    "vldrb.8 " q ", [r1], #16\n"      \
    "vmladav.s8 r0, q0, " q "\n"      \
    "vmladav.s8 r2, q1, " q "\n"      \
    "vmladav.s8 r4, q2, " q "\n"      \
    "vmladav.s8 r6, q3, " q "\n"      \
    "vmov " q "[2], " q "[0], r0, r4\n" \
    "vmov " q "[3], " q "[1], r2, r6\n"

/* r1: weights; r10: out; r11: zero point; r12: channels % 4, 0 after the group that overlaps; lr: groups; q7: offsets. */
#define MCU_MATRIX_SHALLOW(name, FIX, CLAMP)                                 \
    static MCU_NAKED void name(struct mcu_matrix_mve_run *run MCU_UNUSED)    \
    {                                                                        \
        __asm__ volatile(MCU_MVE_SYNTAX                                      \
            MCU_MATRIX_ENTER                                                 \
            "vldrw.u32 q7, [sp, #32]\n"                                      \
            "ldr r11, [sp, #80]\n"                                           \
            "1:\n"                                                           \
            MCU_MATRIX_TILE                                                  \
            "vpstttt\n"                                                      \
            "vldrbt.8 q0, [r1]\n"                                            \
            "vldrbt.8 q1, [r3]\n"                                            \
            "vldrbt.8 q2, [r5]\n"                                            \
            "vldrbt.8 q3, [r7]\n"                                            \
            "ldr r1, [r0, #16]\n"                                            \
            "ldr r12, [sp, #88]\n"                                           \
            "mov r10, r2\n"                                                  \
            "dls lr, r4\n"                                                   \
            "2:\n"                                                           \
            MCU_MATRIX_CHANNEL("q4")                                         \
            MCU_MATRIX_CHANNEL("q5")                                         \
            "ldm r1!, {r3, r5, r7, r9}\n"                                    \
            MCU_MATRIX_REQUANTIZE(FIX, "q4", "q4", "q5")                     \
            MCU_MATRIX_CHANNEL("q5")                                         \
            MCU_MATRIX_CHANNEL("q6")                                         \
            "ldm r1!, {r3, r5, r7, r9}\n"                                    \
            MCU_MATRIX_REQUANTIZE(FIX, "q5", "q5", "q6")                     \
            "vqadd.s16 q4, q4, r11\n"                                        \
            "vqadd.s16 q5, q5, r11\n"                                        \
            "vqmovnb.s16 q4, q4\n"                                           \
            "vqmovnt.s16 q4, q5\n"                                           \
            CLAMP("q4", "q5", "48")                                          \
            "vstrw.32 q4, [r10, q7]\n"                                       \
            "add r10, r10, #4\n"                                             \
            "le lr, 2b\n"                                                    \
            "cmp r12, #0\n"                                                  \
            "beq 3f\n"                                                       \
            "add r10, r10, r12\n"                                            \
            "sub r10, r10, #4\n"                                             \
            "mov r12, #0\n"                                                  \
            "mov r4, #1\n"                                                   \
            "dls lr, r4\n"                                                   \
            "b 2b\n"                                                         \
            "3:\n"                                                           \
            "ldr r0, [sp, #84]\n"                                            \
            "subs r0, r0, #1\n"                                              \
            "str r0, [sp, #84]\n"                                            \
            "bne 1b\n"                                                       \
            MCU_MATRIX_LEAVE);                                               \
    }

/* Four channels of one pixel at a time, vectors of channels. r1, r3: weights of the two pairs; r10: pixel; r7: bytes of a pair;
   r8: depth; r9: the pixel's start; r5: out; r11: channels % 4; r12: groups left; q5: low; q6: high;
   q7: places of four channels' parameters. Sums: r0, r2, r4, r6. Frame: 0 run, 4 zero point, 8 one. */
#define MCU_MATRIX_ONE(name, FIX)                                            \
    static MCU_NAKED void name(struct mcu_matrix_mve_run *run MCU_UNUSED)    \
    {                                                                        \
        __asm__ volatile(MCU_MVE_SYNTAX                                      \
            "push {r4-r11, lr}\n"                                            \
            "vpush {d8-d15}\n"                                               \
            "sub sp, sp, #12\n"                                              \
            "str r0, [sp]\n"                                                 \
            "ldr r8, [r0, #20]\n"                                            \
            "add r7, r8, #15\n"                                              \
            "lsr r7, r7, #4\n"                                               \
            "lsls r7, r7, #5\n"                                              \
            "adds r7, r7, #16\n"                                             \
            "movs r1, #0\n"                                                  \
            "movs r2, #8\n"                                                  \
            "add r3, r7, #8\n"                                               \
            "vmov q7[2], q7[0], r1, r2\n"                                    \
            "vmov q7[3], q7[1], r7, r3\n"                                    \
            "ldrd r1, r2, [r0, #28]\n"                                       \
            "str r1, [sp, #4]\n"                                             \
            "vdup.32 q5, r2\n"                                               \
            "ldr r1, [r0, #36]\n"                                            \
            "vdup.32 q6, r1\n"                                               \
            "movs r1, #1\n"                                                  \
            "str r1, [sp, #8]\n"                                             \
            "ldr r2, [r0, #24]\n"                                            \
            "vctp.32 r2\n"                                                   \
            "1:\n" /* a pixel */                                             \
            "ldr r0, [sp]\n"                                                 \
            "ldrd r9, r2, [r0]\n"                                            \
            "add r2, r9, r2\n"                                               \
            "str r2, [r0]\n"                                                 \
            "ldr r5, [r0, #8]\n"                                            \
            "ldr r12, [r0, #24]\n"                                           \
            "add r2, r5, r12\n"                                             \
            "str r2, [r0, #8]\n"                                             \
            "and r11, r12, #3\n"                                             \
            "lsrs r12, r12, #2\n"                                            \
            "itt eq\n"                                                       \
            "moveq r12, #1\n"                                                \
            "moveq r11, #0\n"                                                \
            "ldr r1, [r0, #16]\n"                                            \
            "2:\n" /* a group */                                             \
            "add r3, r1, r7\n"                                               \
            "mov r10, r9\n"                                                   \
            "movs r0, #0\n"                                                  \
            "movs r2, #0\n"                                                  \
            "movs r4, #0\n"                                                  \
            "movs r6, #0\n"                                                  \
            "dlstp.8 lr, r8\n"                                               \
            "4:\n"                                                           \
            "vldrb.8 q0, [r10], #16\n"                                        \
            "vldrb.8 q1, [r1], #16\n"                                        \
            "vldrb.8 q2, [r1], #16\n"                                        \
            "vmladava.s8 r0, q1, q0\n"                                       \
            "vldrb.8 q3, [r3], #16\n"                                        \
            "vmladava.s8 r4, q2, q0\n"                                       \
            "vldrb.8 q4, [r3], #16\n"                                        \
            "vmladava.s8 r2, q3, q0\n"                                       \
            "vmladava.s8 r6, q4, q0\n"                                       \
            "letp lr, 4b\n"                                                  \
            "vldrw.u32 q1, [r1, q7]\n"                                       \
            "add r10, r1, #4\n"                                              \
            "vmov q0[2], q0[0], r0, r4\n"                                    \
            "vldrw.u32 q2, [r10, q7]\n"                                       \
            "vmov q0[3], q0[1], r2, r6\n"                                    \
            "vshr.s32 q3, q1, #8\n"                                          \
            "ldrd r2, r4, [sp, #4]\n"                                        \
            "vadd.i32 q0, q0, q3\n"                                          \
            "vqrdmulh.s32 q0, q0, q2\n"                                      \
            FIX                                                              \
            "vrshl.s32 q0, q0, q1\n"                                         \
            "vadd.i32 q0, q0, r2\n"                                          \
            "vmax.s32 q0, q0, q5\n"                                          \
            "vmin.s32 q0, q0, q6\n"                                          \
            "add r1, r3, #16\n"                                              \
            "vpst\n"                                                         \
            "vstrbt.32 q0, [r5], #4\n"                                      \
            "subs r12, r12, #1\n"                                            \
            "bgt 2b\n"                                                       \
            "blt 3f\n"                                                       \
            "cmp r11, #0\n"                                                  \
            "itt ne\n"                                                       \
            "addne r5, r5, r11\n"                                          \
            "subne r5, r5, #4\n"                                           \
            "bne 2b\n"                                                       \
            "3:\n"                                                           \
            "ldr r0, [sp]\n"                                                 \
            "ldr r2, [r0, #12]\n"                                            \
            "subs r2, r2, #1\n"                                              \
            "str r2, [r0, #12]\n"                                            \
            "bne 1b\n"                                                       \
            "add sp, sp, #12\n"                                              \
            "vpop {d8-d15}\n"                                                \
            "pop {r4-r11, pc}\n");                                           \
    }

MCU_MATRIX_DEEP(mcu_matrix_mve_deep_relu, MCU_MATRIX_NO_FIX, MCU_MATRIX_NO_CLAMP)
MCU_MATRIX_DEEP(mcu_matrix_mve_deep_linear, MCU_MATRIX_FIX, MCU_MATRIX_NO_CLAMP)
MCU_MATRIX_DEEP(mcu_matrix_mve_deep_clamped, MCU_MATRIX_FIX, MCU_MATRIX_CLAMP)
MCU_MATRIX_SHALLOW(mcu_matrix_mve_shallow_relu, MCU_MATRIX_NO_FIX, MCU_MATRIX_NO_CLAMP)
MCU_MATRIX_SHALLOW(mcu_matrix_mve_shallow_linear, MCU_MATRIX_FIX, MCU_MATRIX_NO_CLAMP)
MCU_MATRIX_SHALLOW(mcu_matrix_mve_shallow_clamped, MCU_MATRIX_FIX, MCU_MATRIX_CLAMP)
MCU_MATRIX_ONE(mcu_matrix_mve_one_relu, "")
MCU_MATRIX_ONE(mcu_matrix_mve_one, "vqdmlah.s32 q0, q0, r4\n")

#define MCU_MATRIX_KERNELS(four, one) {mcu_matrix_mve_deep_##four, mcu_matrix_mve_shallow_##four, one}

#else

/* The bytes of the stream, whatever it is an array of. */
static inline int32_t mcu_matrix_mve_channel(const struct mcu_matrix_mve_run *run, int32_t channel, const int8_t *in)
{
    const int32_t chunks = (run->depth + 15) / 16;
    const int32_t whole = run->channels < 4 ? 4 : run->channels / 4 * 4;
    const int32_t slot = channel < whole ? channel : channel + whole + 4 - run->channels; /* of the overlapping group */
    const int32_t pair = slot / 4 * 2 + slot % 2, second = slot / 2 % 2;
    const int8_t *weights = (const int8_t *)run->weights + (ptrdiff_t)pair * (chunks * 32 + 16);
    int32_t tail[2], i, value;
    uint32_t sum = 0;
    for (i = 0; i < run->depth; ++i) {
        sum += (uint32_t)(in[i] * weights[i / 16 * 32 + second * 16 + i % 16]);
    }
    memcpy(tail, weights + (ptrdiff_t)chunks * 32 + second * 8, sizeof tail);
    value = (int32_t)(sum + (uint32_t)((tail[0] - (tail[0] & 255)) / 256));
    return mcu_requantize(value, tail[1], -(-tail[0] & 255), run->zero, run->low, run->high);
}

static inline void mcu_matrix_mve_pixels(struct mcu_matrix_mve_run *run, int32_t pixels)
{
    int32_t pixel, channel;
    for (pixel = 0; pixel < pixels; ++pixel, run->in += run->pitch) {
        for (channel = 0; channel < run->channels; ++channel) {
            *run->out++ = (int8_t)mcu_matrix_mve_channel(run, channel, run->in);
        }
    }
}

static inline void mcu_matrix_mve_four(struct mcu_matrix_mve_run *run)
{
    mcu_matrix_mve_pixels(run, 4 * run->pixels);
}

static inline void mcu_matrix_mve_one(struct mcu_matrix_mve_run *run)
{
    mcu_matrix_mve_pixels(run, run->pixels);
}

#define MCU_MATRIX_KERNELS(four, one) {mcu_matrix_mve_four, mcu_matrix_mve_four, mcu_matrix_mve_one}

#endif

/* Outputs from the zero point on, over the whole of int8; without a clamp; with one. */
static const struct mcu_matrix_mve_kernels mcu_matrix_mve_relu MCU_UNUSED = MCU_MATRIX_KERNELS(relu, mcu_matrix_mve_one_relu);
static const struct mcu_matrix_mve_kernels mcu_matrix_mve_linear MCU_UNUSED = MCU_MATRIX_KERNELS(linear, mcu_matrix_mve_one);
static const struct mcu_matrix_mve_kernels mcu_matrix_mve_clamped MCU_UNUSED = MCU_MATRIX_KERNELS(clamped, mcu_matrix_mve_one);

/* `pixels` inputs, `run->pitch` bytes apart, to dense outputs. */
static inline void mcu_matrix_mve(struct mcu_matrix_mve_run *run, const struct mcu_matrix_mve_kernels *kernels, const int8_t *in,
                                  int8_t *out, int32_t pixels)
{
    void (*const four)(struct mcu_matrix_mve_run *) = run->depth > 16 ? kernels->deep : kernels->shallow;
    int32_t rest = run->channels < 4 ? pixels : pixels % 4;
    run->in = in;
    run->out = out;
    if (rest < pixels) {
        run->pixels = pixels / 4;
        four(run);
        if (rest == 3) { /* the pixel before once more: cheaper than three one by one */
            run->in -= run->pitch;
            run->out -= run->channels;
            run->pixels = 1;
            four(run);
            rest = 0;
        }
    }
    if (rest) {
        run->pixels = rest;
        kernels->one(run);
    }
}

#endif
