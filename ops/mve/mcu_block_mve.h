/* Copies and fills of strided blocks of bytes for Helium. */
#ifndef TFLM_MCUNET_BLOCK_MVE_H
#define TFLM_MCUNET_BLOCK_MVE_H

#include "mcu_mve.h"

#if MCU_MVE

/* Out of line, as gcc 12 knows no way to say that inline assembly spoils VPR.
   `count` pieces of `length` bytes (both at least 1), `to_step` and `from_step` bytes apart. */
static MCU_OUT_OF_LINE void mcu_copy_mve(int8_t *to, const int8_t *from, int32_t length, int32_t to_step, int32_t from_step, int32_t count)
{
    if (length <= 16) {
        __asm__ volatile(MCU_MVE_SYNTAX
                         "vctp.8 %[length]\n"
                         "dls lr, %[count]\n"
                         "1:\n"
                         "vpstt\n"
                         "vldrbt.8 q0, [%[from]]\n"
                         "vstrbt.8 q0, [%[to]]\n"
                         "add %[from], %[from], %[from_step]\n"
                         "add %[to], %[to], %[to_step]\n"
                         "le lr, 1b\n"
                         : [to] "+r"(to), [from] "+r"(from)
                         : [length] "r"(length), [to_step] "r"(to_step), [from_step] "r"(from_step), [count] "r"(count)
                         : "lr", "q0", "memory");
        return;
    }
    __asm__ volatile(MCU_MVE_SYNTAX
                     "1:\n"
                     "dlstp.8 lr, %[length]\n"
                     "2:\n"
                     "vldrb.8 q0, [%[from]], #16\n"
                     "vstrb.8 q0, [%[to]], #16\n"
                     "letp lr, 2b\n"
                     "add %[from], %[from], %[from_step]\n"
                     "add %[to], %[to], %[to_step]\n"
                     "subs %[count], %[count], #1\n"
                     "bne 1b\n"
                     : [to] "+r"(to), [from] "+r"(from), [count] "+r"(count)
                     : [length] "r"(length), [to_step] "r"(to_step - (length + 15) / 16 * 16),
                       [from_step] "r"(from_step - (length + 15) / 16 * 16)
                     : "lr", "q0", "cc", "memory");
}

/* `count` pieces of `length` bytes (both at least 1), `step` bytes apart. */
static MCU_OUT_OF_LINE void mcu_fill_mve(int8_t *to, int32_t value, int32_t length, int32_t step, int32_t count)
{
    __asm__ volatile(MCU_MVE_SYNTAX
                     "vdup.8 q0, %[value]\n"
                     "1:\n"
                     "dlstp.8 lr, %[length]\n"
                     "2:\n"
                     "vstrb.8 q0, [%[to]], #16\n"
                     "letp lr, 2b\n"
                     "add %[to], %[to], %[step]\n"
                     "subs %[count], %[count], #1\n"
                     "bne 1b\n"
                     : [to] "+r"(to), [count] "+r"(count)
                     : [value] "r"(value), [length] "r"(length), [step] "r"(step - (length + 15) / 16 * 16)
                     : "lr", "q0", "cc", "memory");
}

#else

static inline void mcu_copy_mve(int8_t *to, const int8_t *from, int32_t length, int32_t to_step, int32_t from_step, int32_t count)
{
    int32_t i;
    for (i = 0; i < count; ++i) {
        memcpy(to + (ptrdiff_t)i * to_step, from + (ptrdiff_t)i * from_step, (size_t)length);
    }
}

static inline void mcu_fill_mve(int8_t *to, int32_t value, int32_t length, int32_t step, int32_t count)
{
    int32_t i;
    for (i = 0; i < count; ++i) {
        memset(to + (ptrdiff_t)i * step, value, (size_t)length);
    }
}

#endif

#endif
