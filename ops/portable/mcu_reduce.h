/* MEAN, SUM, REDUCE_MAX and global pooling: rows fall onto accumulators, which become the output. */
#ifndef TFLM_MCUNET_REDUCE_H
#define TFLM_MCUNET_REDUCE_H

#include "mcu_fixed_point.h"
#include "mcu_rows.h"

/* A step is one input row of width x channels values; value (w, c) falls onto accumulator w * width_stride + c * channel_stride
   behind the row's place. Without `out_rows`, the row makes an output row, and its accumulators lie in scratch. With them,
   all rows fall onto the accumulators in `state`, of which `last_row` makes `out_rows` output rows; a row's place is made of
   the digits of its number, of `extent` values each, innermost first, times their `stride`. */
struct mcu_reduce {
    const struct mcu_tensor *input, *output;
    const int32_t *extent, *stride;
    uint32_t scratch, state;
    int32_t digits, last_row, out_rows, out_elements;
    int32_t width, channels, width_stride, channel_stride;
    uint32_t initial;   /* sums start here: minus the zero points of all their terms */
    int32_t multiplier; /* of mcu_reduce_sum */
    int32_t count;      /* of mcu_reduce_average */
    int16_t shift, out_zero, out_min, out_max;
};

/* Prepare `count` accumulators, add a row to those behind `place`, make an output row of those behind `place`. */
typedef void (*mcu_reduce_clear)(const struct mcu_reduce *op, void *accumulators, int32_t count);
typedef void (*mcu_reduce_add)(const struct mcu_reduce *op, const int8_t *in, void *accumulators, int32_t place);
typedef void (*mcu_reduce_finish)(const struct mcu_reduce *op, const void *accumulators, int32_t place, int8_t *out);

static inline int32_t mcu_reduce_place(const struct mcu_reduce *op, int32_t row)
{
    int32_t digit, place = 0;
    for (digit = 0; digit < op->digits; ++digit) {
        place += row % op->extent[digit] * op->stride[digit];
        row /= op->extent[digit];
    }
    return place;
}

static inline void mcu_reduce_rows(const struct mcu_reduce *op, unsigned char *arena, int32_t first, int32_t last,
                                   mcu_reduce_clear clear, mcu_reduce_add add, mcu_reduce_finish finish)
{
    const int alone = !op->out_rows;
    const int32_t rows = alone ? 1 : op->out_rows;
    void *accumulators = arena + (alone ? op->scratch : op->state);
    int32_t row, i;
    for (row = first; row < last; ++row) {
        const int8_t *in = (const int8_t *)mcu_read(op->input, arena, row);
        if (alone || row == 0) {
            clear(op, accumulators, rows * op->out_elements);
        }
        add(op, in, accumulators, alone ? 0 : mcu_reduce_place(op, row));
        for (i = 0; (alone || row == op->last_row) && i < rows; ++i) {
            finish(op, accumulators, i * op->out_elements, (int8_t *)mcu_write(op->output, arena, alone ? row : i));
        }
    }
}

static inline void mcu_reduce_clear_sums(const struct mcu_reduce *op, void *accumulators, int32_t count)
{
    uint32_t *sums = (uint32_t *)accumulators;
    int32_t i;
    for (i = 0; i < count; ++i) {
        sums[i] = op->initial;
    }
}

/* Sums wrap around as those of TFLM do. */
static inline void mcu_reduce_add_sums(const struct mcu_reduce *op, const int8_t *in, void *accumulators, int32_t place)
{
    uint32_t *sums = (uint32_t *)accumulators + place;
    int32_t w, c;
    for (w = 0; w < op->width; ++w, in += op->channels, sums += op->width_stride) {
        if (op->channel_stride) {
            for (c = 0; c < op->channels; ++c) {
                const int32_t value = in[c];
                sums[c] += (uint32_t)value;
            }
        } else {
            uint32_t sum = *sums;
            for (c = 0; c < op->channels; ++c) {
                const int32_t value = in[c];
                sum += (uint32_t)value;
            }
            *sums = sum;
        }
    }
}

static inline void mcu_reduce_rescale(const struct mcu_reduce *op, const void *accumulators, int32_t place, int8_t *out)
{
    const uint32_t *sums = (const uint32_t *)accumulators + place;
    int32_t i;
    for (i = 0; i < op->out_elements; ++i) {
        out[i] = mcu_requantize((int32_t)sums[i], op->multiplier, op->shift, op->out_zero, op->out_min, op->out_max);
    }
}

static inline void mcu_reduce_divide(const struct mcu_reduce *op, const void *accumulators, int32_t place, int8_t *out)
{
    const uint32_t *sums = (const uint32_t *)accumulators + place;
    int32_t i;
    for (i = 0; i < op->out_elements; ++i) {
        out[i] = (int8_t)mcu_clamp(mcu_average(sums[i], op->count), op->out_min, op->out_max);
    }
}

static inline void mcu_reduce_clear_largest(const struct mcu_reduce *op, void *accumulators, int32_t count)
{
    (void)op;
    memset(accumulators, INT8_MIN, (size_t)count);
}

static inline void mcu_reduce_add_largest(const struct mcu_reduce *op, const int8_t *in, void *accumulators, int32_t place)
{
    int8_t *largest = (int8_t *)accumulators + place;
    int32_t w, c;
    for (w = 0; w < op->width; ++w, in += op->channels, largest += op->width_stride) {
        for (c = 0; c < op->channels; ++c) {
            int8_t *one = largest + c * op->channel_stride;
            *one = in[c] > *one ? in[c] : *one;
        }
    }
}

static inline void mcu_reduce_clamp(const struct mcu_reduce *op, const void *accumulators, int32_t place, int8_t *out)
{
    const int8_t *largest = (const int8_t *)accumulators + place;
    int32_t i;
    for (i = 0; i < op->out_elements; ++i) {
        out[i] = (int8_t)mcu_clamp(largest[i], op->out_min, op->out_max);
    }
}

/* MEAN and SUM. */
static inline void mcu_reduce_sum(const void *record, unsigned char *arena, int32_t first, int32_t last)
{
    const struct mcu_reduce *op = (const struct mcu_reduce *)record;
    mcu_reduce_rows(op, arena, first, last, mcu_reduce_clear_sums, mcu_reduce_add_sums, mcu_reduce_rescale);
}

/* AVERAGE_POOL_2D over the whole image. */
static inline void mcu_reduce_average(const void *record, unsigned char *arena, int32_t first, int32_t last)
{
    const struct mcu_reduce *op = (const struct mcu_reduce *)record;
    mcu_reduce_rows(op, arena, first, last, mcu_reduce_clear_sums, mcu_reduce_add_sums, mcu_reduce_divide);
}

/* REDUCE_MAX, and MAX_POOL_2D over the whole image. */
static inline void mcu_reduce_max(const void *record, unsigned char *arena, int32_t first, int32_t last)
{
    const struct mcu_reduce *op = (const struct mcu_reduce *)record;
    mcu_reduce_rows(op, arena, first, last, mcu_reduce_clear_largest, mcu_reduce_add_largest, mcu_reduce_clamp);
}

#endif
