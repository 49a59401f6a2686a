/* Mel-frequency cepstral coefficients of 16-bit sound, in integers: Hann window, FFT, magnitudes, triangular mel filters,
   logarithms, DCT-II, and the result as the int8 input of a network. nas/data/mfcc.py computes the same, bit for bit. */
#ifndef TFLM_MCUNET_MFCC_H
#define TFLM_MCUNET_MFCC_H

#include <stdint.h>

#include "mcu_fixed_point.h"

/* window has 15 fractional bits; sines[k] is sin(2 pi k / fft) with 30, for k < 3/4 fft; filter f weighs magnitudes from bin
   filters[2 f] on with filters[2 f + 1] of the weights, with 15; logarithms[i] is log2(1 + i / 128) with 16; cosines
   [coefficients][mel] have `fraction`. A clip has `frames` windows, `stride` samples apart. epsilon, with 8 fractional bits, times
   the peak is what keeps the logarithms finite. */
struct mcu_mfcc {
    const int16_t *window;
    const int32_t *sines;
    const int16_t *filters;
    const uint16_t *weights;
    const int32_t *logarithms;
    const int16_t *cosines;
    int16_t samples, stride, frames, fft, bins, mel, coefficients, fraction;
    uint32_t epsilon;
    int32_t offset, multiplier, shift, zero;
};

static inline int32_t mcu_mfcc_rotated(int32_t a, int32_t b, int32_t cosine, int32_t sine)
{
    return (int32_t)(((int64_t)a * cosine + (int64_t)b * sine + (INT64_C(1) << 29)) >> 30);
}

/* The square root, rounded down, to 16 bits. */
static inline uint32_t mcu_mfcc_root(uint64_t value)
{
    uint32_t rest, root = 0, bit = UINT32_C(1) << 30;
    int32_t shift = 0;
    for (; value >> 40; shift += 4) {
        value >>= 8;
    }
    for (; value >> 32; ++shift) {
        value >>= 2;
    }
    for (rest = (uint32_t)value; bit; bit >>= 2) {
        if (rest >= root + bit) {
            rest -= root + bit;
            root = (root >> 1) + bit;
        } else {
            root >>= 1;
        }
    }
    return root << shift;
}

/* log2(value) with 16 fractional bits, interpolated between 128 places per octave; value > 0. */
static inline int32_t mcu_mfcc_log2(const int32_t *logarithms, uint64_t value)
{
    int32_t octave = 63, place, fraction;
    for (; !(value >> 63); --octave) {
        value <<= 1;
    }
    place = (int32_t)(value >> 56) & 127;
    fraction = (int32_t)(value >> 47) & 511;
    return octave * 65536 + logarithms[place] + (((logarithms[place + 1] - logarithms[place]) * fraction + 256) >> 9);
}

/* The windowed samples, with 6 fractional bits, as fft / 2 complex numbers in the order that the FFT starts from. */
static inline void mcu_mfcc_load(const struct mcu_mfcc *op, const int16_t *in, int32_t *z)
{
    const int32_t half = op->fft / 2;
    int32_t k, reversed = 0;
    for (k = 0; k < half; ++k) {
        const int32_t n = 2 * k;
        int32_t bit = half >> 1;
        z[2 * reversed] = n < op->samples ? (in[n] * op->window[n] + 256) >> 9 : 0;
        z[2 * reversed + 1] = n + 1 < op->samples ? (in[n + 1] * op->window[n + 1] + 256) >> 9 : 0;
        for (; bit && (reversed & bit); bit >>= 1) {
            reversed ^= bit;
        }
        reversed |= bit;
    }
}

/* Complex FFT of fft / 2 numbers, radix 2, in place. Nothing overflows: with at most 1,024 samples sums stay below 2^30. */
static inline void mcu_mfcc_transform(const struct mcu_mfcc *op, int32_t *z)
{
    const int32_t size = op->fft / 2, quarter = op->fft / 4;
    int32_t half, j, i;
    for (half = 1; half < size; half *= 2) {
        for (j = 0; j < half; ++j) {
            const int32_t angle = j * size / half;
            const int32_t sine = op->sines[angle], cosine = op->sines[angle + quarter];
            for (i = j; i < size; i += 2 * half) {
                int32_t *a = z + 2 * i, *b = a + 2 * half;
                const int32_t re = mcu_mfcc_rotated(b[0], b[1], cosine, sine);
                const int32_t im = mcu_mfcc_rotated(b[1], b[0], cosine, -sine);
                b[0] = a[0] - re;
                b[1] = a[1] - im;
                a[0] += re;
                a[1] += im;
            }
        }
    }
}

/* Twice the magnitude of bin k of the real FFT, from numbers k and fft / 2 - k of the complex one. */
static inline uint32_t mcu_mfcc_magnitude(const struct mcu_mfcc *op, const int32_t *a, const int32_t *b, int32_t k)
{
    const int32_t sine = op->sines[k], cosine = op->sines[k + op->fft / 4];
    const int32_t even_re = a[0] + b[0], even_im = a[1] - b[1], odd_re = a[1] + b[1], odd_im = b[0] - a[0];
    const int64_t re = (int64_t)even_re + mcu_mfcc_rotated(odd_re, odd_im, cosine, sine);
    const int64_t im = (int64_t)even_im + mcu_mfcc_rotated(odd_im, odd_re, cosine, -sine);
    return mcu_mfcc_root((uint64_t)(re * re) + (uint64_t)(im * im));
}

/* Magnitudes of bins 1 to fft / 2 - 1 into z[2 k], as far as filters read them. */
static inline void mcu_mfcc_magnitudes(const struct mcu_mfcc *op, int32_t *z)
{
    const int32_t half = op->fft / 2;
    int32_t k;
    for (k = 1; k <= half / 2; ++k) {
        int32_t *a = z + 2 * k, *b = z + 2 * (half - k);
        const uint32_t low = k <= op->bins ? mcu_mfcc_magnitude(op, a, b, k) : 0;
        const uint32_t high = half - k <= op->bins ? mcu_mfcc_magnitude(op, b, a, half - k) : 0;
        b[0] = (int32_t)high;
        a[0] = (int32_t)low;
    }
}

/* Logarithms of the mel filters' sums, relative to the peak. */
static inline void mcu_mfcc_mel(const struct mcu_mfcc *op, const int32_t *z, uint32_t peak, int32_t *mel)
{
    const uint16_t *weight = op->weights;
    const int32_t level = op->offset + mcu_mfcc_log2(op->logarithms, peak);
    int32_t f, i;
    for (f = 0; f < op->mel; ++f) {
        const int32_t *magnitude = z + 2 * op->filters[2 * f];
        uint64_t sum = ((uint64_t)peak * op->epsilon >> 8) + 1;
        for (i = 0; i < op->filters[2 * f + 1]; ++i, magnitude += 2) {
            sum += (uint64_t)(uint32_t)*magnitude * *weight++;
        }
        mel[f] = mcu_mfcc_log2(op->logarithms, sum) - level;
    }
}

/* The loudest sample of a clip, at least 1. */
static inline uint32_t mcu_mfcc_peak(const int16_t *clip, int32_t samples)
{
    int32_t i, peak = 1;
    for (i = 0; i < samples; ++i) {
        const int32_t level = clip[i] < 0 ? -clip[i] : clip[i];
        peak = level > peak ? level : peak;
    }
    return (uint32_t)peak;
}

/* One frame: `samples` samples to `coefficients` values. Sound is taken relative to `peak`: 32768, or mcu_mfcc_peak of the clip
   where the network was trained so. scratch has fft + mel entries. */
static inline void mcu_mfcc_frame(const struct mcu_mfcc *op, const int16_t *in, uint32_t peak, int32_t *scratch, int8_t *out)
{
    const int16_t *cosine = op->cosines;
    int32_t *mel = scratch + op->fft;
    int32_t c, f;
    mcu_mfcc_load(op, in, scratch);
    mcu_mfcc_transform(op, scratch);
    mcu_mfcc_magnitudes(op, scratch);
    mcu_mfcc_mel(op, scratch, peak, mel);
    for (c = 0; c < op->coefficients; ++c) {
        int64_t sum = INT64_C(1) << (op->fraction - 1);
        for (f = 0; f < op->mel; ++f) {
            sum += (int64_t)mel[f] * *cosine++;
        }
        out[c] = mcu_requantize((int32_t)(sum >> op->fraction), op->multiplier, op->shift, op->zero, -128, 127);
    }
}

/* A whole clip: samples + (frames - 1) * stride samples to [frames][coefficients]. */
static inline void mcu_mfcc_clip(const struct mcu_mfcc *op, const int16_t *in, uint32_t peak, int32_t *scratch, int8_t *out)
{
    int32_t frame;
    for (frame = 0; frame < op->frames; ++frame) {
        mcu_mfcc_frame(op, in + frame * op->stride, peak, scratch, out + frame * op->coefficients);
    }
}

#endif
