/* Primitives of the kernels for the DSP extension of Armv7E-M and Armv8-M, each with a portable twin of equal results. */
#ifndef TFLM_MCUNET_DSP_H
#define TFLM_MCUNET_DSP_H

#include <stdint.h>
#include <string.h>

#include "mcu_fixed_point.h"

/* MCU_DSP: inline assembly may use SXTB16, SMLAD, SMMLAR, SSAT. MCU_PORTABLE_TWINS asks for the twins in any case. */
#if defined(__ARM_FEATURE_DSP) && defined(__thumb2__) && !defined(MCU_PORTABLE_TWINS)
#define MCU_DSP 1
#else
#define MCU_DSP 0
#endif

/* What runs once per event or tile is compiled for size, and so is what only that calls, unless it is said to run often. */
#if defined(__GNUC__) || defined(__clang__)
#define MCU_DSP_SELDOM static __attribute__((cold, noinline, unused))
#define MCU_DSP_OFTEN static __attribute__((hot, noinline, unused))
#else
#define MCU_DSP_SELDOM static
#define MCU_DSP_OFTEN static
#endif

/* ---- pixels ----

   Expanded, an int8 value x becomes the 16-bit lane (x + 128) * 2: never negative, and the doubling that requantisation wants
   is done. Four values x0 x1 x2 x3 of a row become the two words {x2:x0} and {x3:x1} (high lane : low lane). */

static inline uint32_t mcu_dsp_load(const void *from)
{
    uint32_t word;
    memcpy(&word, from, sizeof word);
    return word;
}

/* The even or odd lanes of four values, given as one word. */
static inline uint32_t mcu_dsp_even(uint32_t word)
{
    return ((word ^ 0x80808080u) << 1) & 0x01fe01feu;
}

static inline uint32_t mcu_dsp_odd(uint32_t word)
{
    return ((word ^ 0x80808080u) >> 7) & 0x01fe01feu;
}

/* ---- arithmetic ---- */

/* sum + low lane * low lane + high lane * high lane, all signed, modulo 2^32. */
static inline int32_t mcu_dsp_smlad(uint32_t a, uint32_t b, int32_t sum)
{
#if MCU_DSP
    int32_t result;
    __asm__("smlad %0, %1, %2, %3" : "=r"(result) : "r"(a), "r"(b), "r"(sum));
    return result;
#else
    const int32_t low = (int32_t)(int16_t)(a & 0xffffu) * (int16_t)(b & 0xffffu);
    const int32_t high = (int32_t)(int16_t)(a >> 16) * (int16_t)(b >> 16);
    return (int32_t)((uint32_t)sum + (uint32_t)low + (uint32_t)high);
#endif
}

/* The sign-extended bytes 0 and 2 of a word as lanes. */
static inline uint32_t mcu_dsp_sxtb16(uint32_t word)
{
#if MCU_DSP
    uint32_t result;
    __asm__("sxtb16 %0, %1" : "=r"(result) : "r"(word));
    return result;
#else
    const uint32_t low = (uint32_t)(int32_t)(int8_t)(word & 0xffu);
    const uint32_t high = (uint32_t)(int32_t)(int8_t)((word >> 16) & 0xffu);
    return (low & 0xffffu) | (high << 16);
#endif
}

/* ---- requantisation ----

   TFLM: clamp(zero + divide_by_power(multiply_high(acc, m), e), -128, 127). Exactly the same, for |acc| < 2^30, from acc2 = 2 * acc:

       e >= 1:  offset = 2^(e-1) + (zero << e);  t = smmlar(acc2, m, offset - [acc2 < 0]);  ssat(t >> e)
       e = 0:   offset = zero;                   t = smmlar(acc2, m, offset);               ssat(t)

   since multiply_high is floor((acc * m + 2^30) / 2^31), the division floor((y + 2^(e-1) - [y < 0]) / 2^e), nested floors merge,
   and [y < 0] = [acc < 0]  wherever that matters. Where results below the zero point are clamped away (zero = -128), the sign
   term may be left out, for it only moves negative ties. An accumulator scaled by 2^(1+k) takes smmla with
   (offset << k) + 2^(k-1) and then e + k; the sign term must then be shifted by k too. */

/* floor((a * b + (sum << 32) + 2^31) / 2^32) */
static inline int32_t mcu_dsp_smmlar(int32_t a, int32_t b, int32_t sum)
{
#if MCU_DSP
    int32_t result;
    __asm__("smmlar %0, %1, %2, %3" : "=r"(result) : "r"(a), "r"(b), "r"(sum));
    return result;
#else
    const int64_t product = ((int64_t)a * b + (INT64_C(1) << 31)) >> 32;
    return (int32_t)((uint32_t)sum + (uint32_t)(int32_t)product);
#endif
}

static inline int32_t mcu_dsp_ssat8(int32_t value)
{
#if MCU_DSP
    int32_t result;
    __asm__("ssat %0, #8, %1" : "=r"(result) : "r"(value) : "cc");
    return result;
#else
    return mcu_clamp(value, -128, 127);
#endif
}

/* The general case, shift from a register: acc2 = 2 * acc, offset as above, e in [1, 23]. */
static inline int32_t mcu_dsp_requantize(int32_t acc2, int32_t multiplier, int32_t offset, int32_t e)
{
    return mcu_dsp_ssat8(mcu_dsp_smmlar(acc2, multiplier, offset + (acc2 >> 31)) >> e);
}

#endif
