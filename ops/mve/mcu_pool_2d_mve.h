/* MAX_POOL_2D over windows for Helium, sixteen channels at a time. */
#ifndef TFLM_MCUNET_POOL_2D_MVE_H
#define TFLM_MCUNET_POOL_2D_MVE_H

#include "mcu_mve.h"
#include "mcu_pool_2d.h"

#if MCU_MVE

/* One row of a window: the larger of `out` and of `width` pixels (at least 1), `channels` apart. */
static MCU_NAKED void mcu_pool_mve_largest(const int8_t *in MCU_UNUSED, int8_t *out MCU_UNUSED, int32_t width MCU_UNUSED,
                                           int32_t channels MCU_UNUSED)
{
    __asm__ volatile(MCU_MVE_SYNTAX
        "push {r4-r6, lr}\n"
        "mov r6, r3\n"
        "1:\n"
        "vctp.8 r3\n"
        "mov r4, r0\n"
        "vpst\n"
        "vldrbt.8 q0, [r1]\n"
        "dls lr, r2\n"
        "2:\n"
        "vpst\n"
        "vldrbt.8 q1, [r4]\n"
        "add r4, r4, r6\n"
        "vmax.s8 q0, q0, q1\n"
        "le lr, 2b\n"
        "vpst\n"
        "vstrbt.8 q0, [r1], #16\n"
        "adds r0, r0, #16\n"
        "subs r3, r3, #16\n"
        "bgt 1b\n"
        "pop {r4-r6, pc}\n");
}

/* out = min(out, high), `channels` of them. */
static MCU_OUT_OF_LINE void mcu_pool_mve_limit(int8_t *out, int32_t high, int32_t channels)
{
    __asm__ volatile(MCU_MVE_SYNTAX
                     "vdup.8 q1, %[high]\n"
                     "wlstp.8 lr, %[channels], 2f\n"
                     "1:\n"
                     "vldrb.8 q0, [%[out]]\n"
                     "vmin.s8 q0, q0, q1\n"
                     "vstrb.8 q0, [%[out]], #16\n"
                     "letp lr, 1b\n"
                     "2:\n"
                     : [out] "+r"(out)
                     : [high] "r"(high), [channels] "r"(channels)
                     : "lr", "q0", "q1", "memory");
}

static inline void mcu_max_pool_2d_mve(const void *record, unsigned char *arena, int32_t first, int32_t last)
{
    const struct mcu_pool_2d *op = (const struct mcu_pool_2d *)record;
    int32_t row, column, y;
    for (row = first; row < last; ++row) {
        int8_t *out = (int8_t *)mcu_write(op->output, arena, row);
        memset(out, op->out_min, (size_t)op->channels * (size_t)op->out_w);
        for (column = 0; column < op->out_w; ++column, out += op->channels) {
            const struct mcu_pool_window window = mcu_pool_clip(op, row, column);
            for (y = window.top; y < window.bottom; ++y) {
                const int8_t *in = (const int8_t *)mcu_read(op->input, arena, y) + (ptrdiff_t)window.left * op->channels;
                mcu_pool_mve_largest(in, out, window.right - window.left, op->channels);
            }
        }
        if (op->out_max < INT8_MAX) {
            mcu_pool_mve_limit((int8_t *)mcu_write(op->output, arena, row), op->out_max, op->channels * op->out_w);
        }
    }
}

#else

static inline void mcu_max_pool_2d_mve(const void *record, unsigned char *arena, int32_t first, int32_t last)
{
    mcu_max_pool_2d(record, arena, first, last);
}

#endif

#endif
