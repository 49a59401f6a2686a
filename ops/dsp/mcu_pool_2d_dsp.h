/* MAX_POOL_2D for the DSP extension: four channels at a time. */
#ifndef TFLM_MCUNET_POOL_2D_DSP_H
#define TFLM_MCUNET_POOL_2D_DSP_H

#include "mcu_dsp.h"
#include "mcu_pool_2d.h"

#if MCU_DSP

/* Four times the larger of two signed bytes; SSUB8 sets a flag per byte, by which SEL chooses. */
static inline uint32_t mcu_pool_dsp_larger(uint32_t a, uint32_t b)
{
    uint32_t result;
    __asm__("ssub8 %0, %1, %2\n\tsel %0, %1, %2" : "=&r"(result) : "r"(a), "r"(b) : "cc");
    return result;
}

static inline uint32_t mcu_pool_dsp_smaller(uint32_t a, uint32_t b)
{
    uint32_t result;
    __asm__("ssub8 %0, %1, %2\n\tsel %0, %2, %1" : "=&r"(result) : "r"(a), "r"(b) : "cc");
    return result;
}

static inline void mcu_pool_dsp_largest(const struct mcu_pool_2d *op, const unsigned char *arena, const struct mcu_pool_window *window,
                                        int8_t *out)
{
    const uint32_t least = ((uint32_t)op->out_min & 0xffu) * 0x01010101u, most = ((uint32_t)op->out_max & 0xffu) * 0x01010101u;
    const int32_t columns = window->right - window->left;
    int32_t y, x, c;
    for (y = window->top; y < window->bottom; ++y) {
        const int8_t *row = (const int8_t *)mcu_read(op->input, arena, y) + (ptrdiff_t)window->left * op->channels;
        for (c = 0; c < op->channels; c += 4) {
            /* The last four may hold channels that are done: once more changes nothing. */
            const int32_t at = c + 4 <= op->channels ? c : op->channels - 4;
            const int8_t *in = row + at;
            uint32_t largest = least;
            if (y > window->top) {
                largest = mcu_dsp_load(out + at);
            }
            for (x = columns; x; --x, in += op->channels) {
                largest = mcu_pool_dsp_larger(largest, mcu_dsp_load(in));
            }
            if (y + 1 == window->bottom) {
                largest = mcu_pool_dsp_smaller(largest, most);
            }
            memcpy(out + at, &largest, sizeof largest);
        }
    }
}

#endif

static inline void mcu_max_pool_2d_dsp(const void *record, unsigned char *arena, int32_t first, int32_t last)
{
#if MCU_DSP
    const struct mcu_pool_2d *op = (const struct mcu_pool_2d *)record;
    int32_t row, column;
    for (row = first; op->channels >= 4 && row < last; ++row) {
        int8_t *out = (int8_t *)mcu_write(op->output, arena, row);
        for (column = 0; column < op->out_w; ++column, out += op->channels) {
            const struct mcu_pool_window window = mcu_pool_clip(op, row, column);
            mcu_pool_dsp_largest(op, arena, &window, out);
        }
    }
    if (op->channels >= 4) {
        return;
    }
#endif
    mcu_max_pool_2d(record, arena, first, last);
}

#endif
