/* Tensors as rows in an arena, and the loop that runs a schedule's events. */
#ifndef TFLM_MCUNET_ROWS_H
#define TFLM_MCUNET_ROWS_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Alignment of an object, spelled for the compiler at hand. */
#if defined(__GNUC__) || defined(__clang__)
#define MCU_ALIGNED(bytes) __attribute__((aligned(bytes)))
#elif defined(__STDC_VERSION__) && __STDC_VERSION__ >= 201112L
#define MCU_ALIGNED(bytes) _Alignas(bytes)
#else
#define MCU_ALIGNED(bytes)
#endif

/* A function that is not to be compiled into its callers, whose registers it would need; and one that always is. */
#if defined(__GNUC__) || defined(__clang__)
#define MCU_APART __attribute__((noinline, unused))
#define MCU_INLINE inline __attribute__((always_inline))
#else
#define MCU_APART
#define MCU_INLINE inline
#endif

/* An entry of a table of places: 32 bits where a model says so before it includes this, since its arena is too large for 16. */
#ifdef MCU_WIDE_PLACES
typedef uint32_t mcu_row_place;
#else
typedef uint16_t mcu_row_place;
#endif

/* A tensor: `rows` rows of `row_bytes` bytes in the arena, or in flash where `constant` is set. Rows lie one after the other
   from `offset` on, or, where there are `places`, in groups of 1 << `group` rows: group g at places[g] * unit. */
struct mcu_tensor {
    const void *constant;
    const mcu_row_place *places;
    uint32_t offset;
    int32_t row_bytes;
    int32_t rows;
    uint16_t unit;
    uint16_t group;
};

static inline ptrdiff_t mcu_place(const struct mcu_tensor *tensor, int32_t row)
{
    if (tensor->places) {
        const int32_t group = row >> tensor->group;
        const int32_t within = row - (group << tensor->group);
        return (ptrdiff_t)tensor->places[group] * tensor->unit + (ptrdiff_t)within * tensor->row_bytes;
    }
    return (ptrdiff_t)tensor->offset + (ptrdiff_t)row * tensor->row_bytes;
}

static inline const void *mcu_read(const struct mcu_tensor *tensor, const unsigned char *arena, int32_t row)
{
    const unsigned char *base = tensor->constant ? (const unsigned char *)tensor->constant : arena;
    return base + mcu_place(tensor, row);
}

static inline void *mcu_write(const struct mcu_tensor *tensor, unsigned char *arena, int32_t row)
{
    return arena + mcu_place(tensor, row);
}

/* Runs steps [first, last) of an operator; `op` is the kernel's own record. */
typedef void (*mcu_kernel)(const void *op, unsigned char *arena, int32_t first, int32_t last);

/* An operator: its kernel, the kernel's own record, and how many steps there are. */
struct mcu_operator {
    mcu_kernel run;
    const void *op;
    int32_t steps;
};

/* One event of a loop: in repetition k, `block` steps of an operator from first + k * advance on, as far as there are so many. */
struct mcu_event {
    uint16_t index;
    int16_t first;
    int16_t advance;
    int16_t block;
};

/* The next `events` entries of the event table, `repeat` times. */
struct mcu_loop {
    uint16_t events;
    uint16_t repeat;
};

/* Runs all loops, or as many events as come before `*stop` is set; `stop` may be NULL. */
static inline void mcu_run(const struct mcu_loop *loops, int32_t count, const struct mcu_event *events,
                           const struct mcu_operator *operators, unsigned char *arena, const int *stop)
{
    int32_t loop, repetition, index;
    for (loop = 0; loop < count; ++loop) {
        for (repetition = 0; repetition < loops[loop].repeat; ++repetition) {
            for (index = 0; index < loops[loop].events; ++index) {
                const struct mcu_event *event = &events[index];
                const struct mcu_operator *called = &operators[event->index];
                const int32_t first = event->first + repetition * event->advance;
                const int32_t last = first + event->block < called->steps ? first + event->block : called->steps;
                called->run(called->op, arena, first, last);
                if (stop && *stop) {
                    return;
                }
            }
        }
        events += loops[loop].events;
    }
}

#endif
