/* MEAN, SUM and global average pooling for Helium, where each channel keeps a sum of its own: eight channels at a time. */
#ifndef TFLM_MCUNET_REDUCE_MVE_H
#define TFLM_MCUNET_REDUCE_MVE_H

#include "mcu_mve.h"
#include "mcu_reduce.h"

#if MCU_MVE

/* Sums of `width` pixels (1 to 256, `step` bytes apart), added to `sums`; channels come by eights, the last ones predicated.
   Sums of 256 bytes fit 16 bits; they are widened in memory, as even and odd lanes would part otherwise. */
static MCU_NAKED void mcu_reduce_mve_pixels(const int8_t *in MCU_UNUSED, uint32_t *sums MCU_UNUSED, int32_t width MCU_UNUSED,
                                            int32_t channels MCU_UNUSED)
{
    __asm__ volatile(MCU_MVE_SYNTAX
        "push {r4-r6, lr}\n"
        "sub sp, sp, #16\n"
        "mov r6, r3\n"
        "1:\n"
        "mov r4, r0\n"
        "vmov.i16 q0, #0\n"
        "vctp.16 r3\n"
        "dls lr, r2\n"
        "2:\n"
        "vpst\n"
        "vldrbt.s16 q1, [r4]\n"
        "add r4, r4, r6\n"
        "vadd.i16 q0, q0, q1\n"
        "le lr, 2b\n"
        "vstrw.32 q0, [sp]\n"
        "mov r5, sp\n"
        "vldrh.s32 q1, [r5]\n"
        "vldrh.s32 q2, [r5, #8]\n"
        "vctp.32 r3\n"
        "vpst\n"
        "vldrwt.u32 q3, [r1]\n"
        "vadd.i32 q3, q3, q1\n"
        "vpst\n"
        "vstrwt.32 q3, [r1], #16\n"
        "subs r5, r3, #4\n"
        "ble 3f\n"
        "vctp.32 r5\n"
        "vpst\n"
        "vldrwt.u32 q3, [r1]\n"
        "vadd.i32 q3, q3, q2\n"
        "vpst\n"
        "vstrwt.32 q3, [r1], #16\n"
        "adds r0, r0, #8\n"
        "subs r3, r3, #8\n"
        "bgt 1b\n"
        "3:\n"
        "add sp, sp, #16\n"
        "pop {r4-r6, pc}\n");
}

static inline void mcu_reduce_mve_add_sums(const struct mcu_reduce *op, const int8_t *in, void *accumulators, int32_t place)
{
    uint32_t *sums = (uint32_t *)accumulators + place;
    int32_t w, width;
    if (op->channel_stride == 0 || op->channels < 4) {
        mcu_reduce_add_sums(op, in, accumulators, place);
        return;
    }
    for (w = 0; w < op->width; w += width) {
        width = op->width_stride ? 1 : op->width - w < 256 ? op->width - w : 256;
        mcu_reduce_mve_pixels(in, sums, width, op->channels);
        in += (ptrdiff_t)width * op->channels;
        sums += op->width_stride;
    }
}

#else
#define mcu_reduce_mve_add_sums mcu_reduce_add_sums
#endif

static inline void mcu_reduce_sum_mve(const void *record, unsigned char *arena, int32_t first, int32_t last)
{
    const struct mcu_reduce *op = (const struct mcu_reduce *)record;
    mcu_reduce_rows(op, arena, first, last, mcu_reduce_clear_sums, mcu_reduce_mve_add_sums, mcu_reduce_rescale);
}

static inline void mcu_reduce_average_mve(const void *record, unsigned char *arena, int32_t first, int32_t last)
{
    const struct mcu_reduce *op = (const struct mcu_reduce *)record;
    mcu_reduce_rows(op, arena, first, last, mcu_reduce_clear_sums, mcu_reduce_mve_add_sums, mcu_reduce_divide);
}

#endif
