/* ADD and SUB as linear forms for Helium, four elements at a time. */
#ifndef TFLM_MCUNET_ADD_LINEAR_MVE_H
#define TFLM_MCUNET_ADD_LINEAR_MVE_H

#include "mcu_add_linear.h"
#include "mcu_mve.h"

#if MCU_MVE

struct mcu_add_linear_mve {
    int32_t a_factor, b_factor; /*  0 */
    int32_t offset, round;      /*  8 */
    int32_t low, high;          /* 16 */
    int32_t right, count;       /* 24: minus the shift, elements */
};

/* r1: a; r2: b; r3: out; r4: right; r5: factor of b; r6: offset; r7: round; r8: 1; q2: factor of a; q3: low; q4: high.
   VQDMLAH by 1 adds floor(sum / 2^31), which is -1 for negative sums: ties go away from zero. */
static MCU_NAKED void mcu_add_linear_mve_elements(const struct mcu_add_linear_mve *op MCU_UNUSED, const int8_t *a MCU_UNUSED,
                                                  const int8_t *b MCU_UNUSED, int8_t *out MCU_UNUSED)
{
    __asm__ volatile(MCU_MVE_SYNTAX
        "push {r4-r8, lr}\n"
        "vpush {d8-d9}\n"
        "ldrd r4, r5, [r0]\n"
        "ldrd r6, r7, [r0, #8]\n"
        "vdup.32 q2, r4\n"
        "ldrd r4, r8, [r0, #16]\n"
        "vdup.32 q3, r4\n"
        "vdup.32 q4, r8\n"
        "ldrd r4, r12, [r0, #24]\n"
        "mov r8, #1\n"
        "dlstp.32 lr, r12\n"
        "1:\n"
        "vldrb.s32 q0, [r1], #4\n"
        "vldrb.s32 q1, [r2], #4\n"
        "vmlas.s32 q0, q2, r6\n"
        "vmla.s32 q0, q1, r5\n"
        "vqdmlah.s32 q0, q0, r8\n"
        "vadd.i32 q0, q0, r7\n"
        "vshl.s32 q0, r4\n"
        "vmax.s32 q0, q0, q3\n"
        "vmin.s32 q0, q0, q4\n"
        "vstrb.32 q0, [r3], #4\n"
        "letp lr, 1b\n"
        "vpop {d8-d9}\n"
        "pop {r4-r8, pc}\n");
}

MCU_RUN void mcu_add_linear_mve_run(const void *record, const int8_t *a, int32_t a_step, const int8_t *b, int32_t b_step,
                                    int8_t *out, int32_t count)
{
    const struct mcu_add_linear *op = (const struct mcu_add_linear *)record;
    struct mcu_add_linear_mve form;
    if (a_step == 0 || b_step == 0 || count < 1) {
        mcu_add_linear_run(record, a, a_step, b, b_step, out, count);
        return;
    }
    form.a_factor = op->a_factor;
    form.b_factor = op->b_factor;
    form.offset = op->offset;
    form.round = op->round;
    form.low = op->low;
    form.high = op->high;
    form.right = -op->shift;
    form.count = count;
    mcu_add_linear_mve_elements(&form, a, b, out);
}

static inline void mcu_add_linear_mve(const void *record, unsigned char *arena, int32_t first, int32_t last)
{
    mcu_broadcast(&((const struct mcu_add_linear *)record)->operands, mcu_add_linear_mve_run, record, arena, first, last);
}

#else

static inline void mcu_add_linear_mve(const void *record, unsigned char *arena, int32_t first, int32_t last)
{
    mcu_add_linear(record, arena, first, last);
}

#endif

#endif
