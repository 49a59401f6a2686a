/* What the Helium kernels share: whether the extension is there, and how naked functions are spelled. */
#ifndef TFLM_MCUNET_MVE_H
#define TFLM_MCUNET_MVE_H

#include "mcu_rows.h"

/* Kernels are written for integer MVE and GNU inline assembly; otherwise their portable twins run on the same packed data. */
#if defined(__ARM_FEATURE_MVE) && (__ARM_FEATURE_MVE & 1) && (defined(__GNUC__) || defined(__clang__)) && !defined(__ARM_BIG_ENDIAN)
#define MCU_MVE 1
#else
#define MCU_MVE 0
#endif

#if defined(__GNUC__) || defined(__clang__)
#define MCU_UNUSED __attribute__((unused))
#else
#define MCU_UNUSED
#endif

#if MCU_MVE
#define MCU_OUT_OF_LINE __attribute__((noinline, unused))
#define MCU_NAKED __attribute__((naked, noinline, unused))
#define MCU_MVE_SYNTAX ".syntax unified\n"
#endif

#endif
