/* Rescaling by one factor for many values: as mcu_rescale, without branches, for values that leave room for a shift. */
#ifndef TFLM_MCUNET_SCALE_H
#define TFLM_MCUNET_SCALE_H

#include <stdint.h>

/* multiplier * 2^(left - 32 - right). `left` is at least 1; where `right` is not 0, `round` is half of 2^right and `sign` is -1,
   so that ties go away from zero; otherwise both are 0. */
struct mcu_scale {
    int32_t multiplier, round, sign;
    int8_t left, right;
};

/* |value| * 2^left must be less than 2^31, the multiplier not negative. The two roundings of mcu_rescale, to the high half of
   the doubled product and to the right shift, are nested floors; the first is what the carry of 2^31 does. */
static inline int32_t mcu_scaled(const struct mcu_scale *scale, int32_t value)
{
    const int64_t product = (int64_t)(value * (INT32_C(1) << scale->left)) * scale->multiplier + (INT64_C(1) << 31);
    return ((int32_t)(product >> 32) + ((value >> 31) & scale->sign) + scale->round) >> scale->right;
}

#endif
