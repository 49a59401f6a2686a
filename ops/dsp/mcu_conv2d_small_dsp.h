/* CONV_2D for the DSP extension in less code: a shorter chain, and tails of their own for fewer shifts. */
#ifndef TFLM_MCUNET_CONV2D_SMALL_DSP_H
#define TFLM_MCUNET_CONV2D_SMALL_DSP_H

#define MCU_DSP_SINGLES 0
#define MCU_DSP_MULTIPLES 6
#define MCU_DSP_RECTIFIED_LEAST 6
#define MCU_DSP_RECTIFIED_SHIFTS 4
#define MCU_DSP_LINEAR_LEAST 8
#define MCU_DSP_LINEAR_SHIFTS 2

#include "mcu_conv2d_dsp.h"

#endif
