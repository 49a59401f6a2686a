/* Tables of 256 outputs for Helium: sixteen gathered at a time. */
#ifndef TFLM_MCUNET_LOOKUP_MVE_H
#define TFLM_MCUNET_LOOKUP_MVE_H

#include "mcu_lookup.h"
#include "mcu_mve.h"

static inline void mcu_lookup_mve(const void *record, unsigned char *arena, int32_t first, int32_t last)
{
#if MCU_MVE
    const struct mcu_lookup *op = (const struct mcu_lookup *)record;
    int32_t row;
    for (row = first; row < last; ++row) {
        const uint8_t *in = (const uint8_t *)mcu_read(op->input, arena, row);
        uint8_t *out = (uint8_t *)mcu_write(op->output, arena, row);
        __asm__ volatile(MCU_MVE_SYNTAX
                         "wlstp.8 lr, %[width], 2f\n"
                         "1:\n"
                         "vldrb.8 q0, [%[in]], #16\n"
                         "vldrb.u8 q1, [%[table], q0]\n"
                         "vstrb.8 q1, [%[out]], #16\n"
                         "letp lr, 1b\n"
                         "2:\n"
                         : [in] "+r"(in), [out] "+r"(out)
                         : [table] "r"(op->table), [width] "r"(op->width)
                         : "lr", "q0", "q1", "memory");
    }
#else
    mcu_lookup(record, arena, first, last);
#endif
}

#endif
