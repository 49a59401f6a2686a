/* MEAN, SUM, REDUCE_MAX and global pooling: rows fall onto accumulators, which become the output. */
#ifndef TFLM_MCUNET_REDUCE_H
#define TFLM_MCUNET_REDUCE_H

#include "mcu_fixed_point.h"
#include "mcu_rows.h"

/* A step is `rows` input rows of width x channels values; value (w, c) of a row falls onto accumulator
   w * width_stride + c * channel_stride behind the row's place. With `last_row`, accumulators keep on growing up to that row,
   and the digits of a row's number (of `extent` values, innermost first) times `stride` are its place; without,
   every row has its own output, and accumulators lie in scratch instead of state. */
struct mcu_reduce {
    const struct mcu_tensor *input, *output;
    const int32_t *extent, *stride;
    uint32_t scratch, state;
    int32_t rows, last_row, groups;
    int32_t width, channels, width_stride, channel_stride, accumulators;
    uint32_t initial;    /* sums start here: minus the zero points of all their terms */
    int32_t multiplier;  /* mcu_reduce_sum alone */
    int32_t count;       /* mcu_reduce_average alone */
    int16_t shift, out_zero, out_min, out_max;
};

typedef void (*mcu_reduce_clear)(const struct mcu_reduce *op, void *accumulators);
typedef void (*mcu_reduce_add)(const struct mcu_reduce *op, const int8_t *in, void *accumulators, int32_t place);
typedef void (*mcu_reduce_finish)(const struct mcu_reduce *op, const void *accumulators, int8_t *out);

static inline int32_t mcu_reduce_place(const struct mcu_reduce *op, int32_t row)
{
    int32_t group, place = 0;
    for (group = 0; group < op->groups; ++group) {
        place += row % op->extent[group] * op->stride[group];
        row /= op->extent[group];
    }
    return place;
}

static inline void mcu_reduce_rows(const struct mcu_reduce *op, unsigned char *arena, int32_t first, int32_t last,
                                   mcu_reduce_clear clear, mcu_reduce_add add, mcu_reduce_finish finish)
{
    void *accumulators = arena + (op->last_row ? op->state : op->scratch);
    int32_t step, index;
    for (step = first; step < last; ++step) {
        for (index = 0; index < op->rows; ++index) {
            const int32_t row = step * op->rows + index;
            if (!op->last_row || row == 0) {
                clear(op, accumulators);
            }
            add(op, (const int8_t *)mcu_read(op->input, arena, row), accumulators, mcu_reduce_place(op, row));
            if (!op->last_row) {
                finish(op, accumulators, (int8_t *)mcu_write(op->output, arena, step) + (ptrdiff_t)index * op->accumulators);
            } else if (row == op->last_row) {
                finish(op, accumulators, (int8_t *)mcu_write(op->output, arena, 0));
            }
        }
    }
}

static inline void mcu_reduce_clear_sums(const struct mcu_reduce *op, void *accumulators)
{
    uint32_t *sums = (uint32_t *)accumulators;
    int32_t i;
    for (i = 0; i < op->accumulators; ++i) {
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
                sums[c] += (uint32_t)in[c];
            }
        } else {
            uint32_t sum = sums[0];
            for (c = 0; c < op->channels; ++c) {
                sum += (uint32_t)in[c];
            }
            sums[0] = sum;
        }
    }
}

static inline void mcu_reduce_rescale(const struct mcu_reduce *op, const void *accumulators, int8_t *out)
{
    const uint32_t *sums = (const uint32_t *)accumulators;
    int32_t i;
    for (i = 0; i < op->accumulators; ++i) {
        out[i] = mcu_requantize((int32_t)sums[i], op->multiplier, op->shift, op->out_zero, op->out_min, op->out_max);
    }
}

static inline void mcu_reduce_divide(const struct mcu_reduce *op, const void *accumulators, int8_t *out)
{
    const uint32_t *sums = (const uint32_t *)accumulators;
    int32_t i;
    for (i = 0; i < op->accumulators; ++i) {
        out[i] = (int8_t)mcu_clamp(mcu_average(sums[i], op->count), op->out_min, op->out_max);
    }
}

static inline void mcu_reduce_clear_largest(const struct mcu_reduce *op, void *accumulators)
{
    memset(accumulators, INT8_MIN, (size_t)op->accumulators);
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

static inline void mcu_reduce_clamp(const struct mcu_reduce *op, const void *accumulators, int8_t *out)
{
    const int8_t *largest = (const int8_t *)accumulators;
    int32_t i;
    for (i = 0; i < op->accumulators; ++i) {
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
