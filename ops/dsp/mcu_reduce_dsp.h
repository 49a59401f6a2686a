/* MEAN, SUM and global average pooling for the DSP extension, where each channel keeps a sum of its own: four channels at a time. */
#ifndef TFLM_MCUNET_REDUCE_DSP_H
#define TFLM_MCUNET_REDUCE_DSP_H

#include "mcu_dsp.h"
#include "mcu_reduce.h"

#if MCU_DSP

/* Lanes plus the signed bytes 0 and 2, or 1 and 3, of a word. */
static inline uint32_t mcu_reduce_dsp_even(uint32_t lanes, uint32_t word)
{
    __asm__("sxtab16 %0, %0, %1" : "+r"(lanes) : "r"(word));
    return lanes;
}

static inline uint32_t mcu_reduce_dsp_odd(uint32_t lanes, uint32_t word)
{
    __asm__("sxtab16 %0, %0, %1, ror #8" : "+r"(lanes) : "r"(word));
    return lanes;
}

/* Adds `width` pixels (1 to 256, so that their sums fit 16 bits) to the sums of the channels. */
static __attribute__((noinline)) void mcu_reduce_dsp_pixels(const int8_t *in, uint32_t *sums, int32_t width, int32_t channels)
{
    int32_t c = 0, pixels;
    for (; c + 4 <= channels; c += 4, sums += 4) {
        const int8_t *from = in + c;
        uint32_t even = 0, odd = 0;
        for (pixels = width; pixels > 1; pixels -= 2) {
            const uint32_t one = mcu_dsp_load(from), other = mcu_dsp_load(from + channels);
            from += 2 * channels;
            even = mcu_reduce_dsp_even(mcu_reduce_dsp_even(even, one), other);
            odd = mcu_reduce_dsp_odd(mcu_reduce_dsp_odd(odd, one), other);
        }
        if (pixels) {
            even = mcu_reduce_dsp_even(even, mcu_dsp_load(from));
            odd = mcu_reduce_dsp_odd(odd, mcu_dsp_load(from));
        }
        sums[0] += (uint32_t)(int32_t)(int16_t)even;
        sums[1] += (uint32_t)(int32_t)(int16_t)odd;
        sums[2] += (uint32_t)((int32_t)even >> 16);
        sums[3] += (uint32_t)((int32_t)odd >> 16);
    }
    for (; c < channels; ++c, ++sums) {
        int32_t sum = 0;
        for (pixels = 0; pixels < width; ++pixels) {
            sum += in[pixels * channels + c];
        }
        *sums += (uint32_t)sum;
    }
}

static inline void mcu_reduce_dsp_add_sums(const struct mcu_reduce *op, const int8_t *in, void *accumulators, int32_t place)
{
    uint32_t *sums = (uint32_t *)accumulators + place;
    int32_t w, width;
    if (op->channel_stride == 0 || op->channels < 4) {
        mcu_reduce_add_sums(op, in, accumulators, place);
        return;
    }
    for (w = 0; w < op->width; w += width) {
        width = op->width_stride ? 1 : op->width - w < 256 ? op->width - w : 256;
        mcu_reduce_dsp_pixels(in, sums, width, op->channels);
        in += (ptrdiff_t)width * op->channels;
        sums += op->width_stride;
    }
}

#else
#define mcu_reduce_dsp_add_sums mcu_reduce_add_sums
#endif

static inline void mcu_reduce_sum_dsp(const void *record, unsigned char *arena, int32_t first, int32_t last)
{
    const struct mcu_reduce *op = (const struct mcu_reduce *)record;
    mcu_reduce_rows(op, arena, first, last, mcu_reduce_clear_sums, mcu_reduce_dsp_add_sums, mcu_reduce_rescale);
}

static inline void mcu_reduce_average_dsp(const void *record, unsigned char *arena, int32_t first, int32_t last)
{
    const struct mcu_reduce *op = (const struct mcu_reduce *)record;
    mcu_reduce_rows(op, arena, first, last, mcu_reduce_clear_sums, mcu_reduce_dsp_add_sums, mcu_reduce_divide);
}

#endif
