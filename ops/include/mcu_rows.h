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
   from `offset` on, or, where there are `places`, row r at places[r] * unit. */
struct mcu_tensor {
    const void *constant;
    const mcu_row_place *places;
    uint32_t offset;
    int32_t row_bytes;
    int32_t rows;
    int32_t unit;
};

static inline ptrdiff_t mcu_place(const struct mcu_tensor *tensor, int32_t row)
{
    if (tensor->places) {
        return (ptrdiff_t)tensor->places[row] * tensor->unit;
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

/* One event of a loop: in repetition k, `block` steps from first + k * advance on, as far as there are `steps`. */
struct mcu_event {
    mcu_kernel run;
    const void *op;
    int16_t first;
    int16_t advance;
    int16_t block;
    int16_t steps;
};

/* The next `events` entries of the event table, `repeat` times. */
struct mcu_loop {
    uint16_t events;
    uint16_t repeat;
};

/* Runs all loops, or as many events as come before `*stop` is set; `stop` may be NULL. */
static inline void mcu_run(const struct mcu_loop *loops, int32_t count, const struct mcu_event *events, unsigned char *arena,
                           const int *stop)
{
    int32_t loop, repetition, index;
    for (loop = 0; loop < count; ++loop) {
        for (repetition = 0; repetition < loops[loop].repeat; ++repetition) {
            for (index = 0; index < loops[loop].events; ++index) {
                const struct mcu_event *event = &events[index];
                const int32_t first = event->first + repetition * event->advance;
                const int32_t last = first + event->block < event->steps ? first + event->block : event->steps;
                event->run(event->op, arena, first, last);
                if (stop && *stop) {
                    return;
                }
            }
        }
        events += loops[loop].events;
    }
}

#endif
