/* pulled: a neural network as static C.
 * model: pulled.tflite
 * target: generic
 * compiler: tflm-mcunet 0.1.0
 *
 * Generated code; it belongs to whoever generated it.
 */
#include "pulled.h"

#include "mcu_conv2d.h"
#include "mcu_depthwise_conv2d.h"
#include "mcu_fully_connected.h"
#include "mcu_rows.h"
#include "mcu_source.h"

/* ---- arena ---- */

#ifdef PULLED_EXTERNAL_ARENA
static unsigned char *pulled_arena;

void pulled_set_arena(void *arena)
{
    pulled_arena = (unsigned char *)arena;
}
#else
#ifndef PULLED_ARENA_ALIGNMENT
#define PULLED_ARENA_ALIGNMENT 16
#endif
#ifndef PULLED_ARENA_ATTRIBUTES /* for example __attribute__((section(".dtcm"))) */
#define PULLED_ARENA_ATTRIBUTES
#endif
static MCU_ALIGNED(PULLED_ARENA_ALIGNMENT) PULLED_ARENA_ATTRIBUTES unsigned char pulled_arena[PULLED_ARENA_BYTES];
#endif

/* ---- constants and tensors: {constant or NULL, places of rows or NULL, offset in the arena, bytes per row, rows, unit of places, log2 of rows per place} ---- */

static const mcu_row_place pulled_places0[6] = {
    9, 14, 19, 9, 14, 9};
static const mcu_row_place pulled_places1[2] = {
    6, 5};
static const struct mcu_tensor pulled_t0 = {NULL, pulled_places0, 0, 15, 6, 3, 0}; /* tensor_0 1x6x5x3 */
static const struct mcu_tensor pulled_t1 = {NULL, pulled_places1, 0, 12, 3, 12, 1}; /* tensor_4 1x3x3x4 */
static const struct mcu_tensor pulled_t2 = {NULL, NULL, 0, 12, 3, 1, 0}; /* tensor_7 1x3x3x4 */
static const struct mcu_tensor pulled_t3 = {NULL, NULL, 36, 2, 1, 1, 0}; /* tensor_11 1x2 */

/* ---- operators ---- */

static struct mcu_supplier pulled_supplier;

/* -1: SOURCE tensor_0:  -> 1x6x5x3 */
static const struct mcu_source pulled_op0 = {
    .output = &pulled_t0,
    .supplier = &pulled_supplier,
};

/* 1: CONV_2D tensor_4: 1x6x5x3 -> 1x3x3x4, 3x3 stride 2x2 RELU */
static const int8_t pulled_op1_weights[108] = {
    -113, 75, -31, 36, -51, 51, -64, -117, -55, 31, 126, 62, 95, -41, -124, -7, 105, 125,
    -103, -104, -126, -9, -78, -65, 0, -73, 120, 10, 82, 88, 49, 58, -94, -87, 97, 2,
    76, 91, -76, 29, -97, 29, 56, 95, -8, -98, -33, 47, 81, -116, -3, -35, -50, -14,
    -127, 37, -40, -118, 30, 25, -57, -91, 84, -100, 56, 4, 42, -112, -63, 120, -88, 41,
    125, -9, 9, -29, -14, 79, -59, 25, -6, 106, 119, -45, 1, 82, 97, -70, 21, 33,
    -80, -89, 14, -15, 2, -30, 2, 4, 112, 81, 126, -60, 89, -25, 78, -1, 53, -31};
static const int32_t pulled_op1_bias[4] = {
    -189, -80, -765, 1022};
static const int32_t pulled_op1_multiplier[4] = {
    1975881728, 1268438272, 1143168128, 1151478400};
static const int8_t pulled_op1_shift[4] = {
    7, 6, 6, 7};
static const struct mcu_conv2d pulled_op1 = {
    .input = &pulled_t0,
    .output = &pulled_t1,
    .channels.weights = pulled_op1_weights,
    .channels.taps = 27,
    .channels.outputs.bias = pulled_op1_bias,
    .channels.outputs.multiplier = pulled_op1_multiplier,
    .channels.outputs.shift = pulled_op1_shift,
    .channels.outputs.zero = -128,
    .channels.outputs.least = -128,
    .channels.outputs.most = 127,
    .in_c = 3,
    .out_c = 4,
    .group_in = 3,
    .group_out = 4,
    .in_zero = 3,
    .in_h = 6,
    .in_w = 5,
    .out_w = 3,
    .kernel_h = 3,
    .kernel_w = 3,
    .stride_h = 2,
    .stride_w = 2,
    .dilation_h = 1,
    .dilation_w = 1,
    .pad_h = 0,
    .pad_w = 1,
    .scratch = 0u,
};

/* 2: DEPTHWISE_CONV_2D tensor_7: 1x3x3x4 -> 1x3x3x4, 3x3 */
static const int8_t pulled_op2_weights[36] = {
    16, -15, -36, -66, -114, -25, 83, -103, -24, 119, 115, -73, -126, 44, -124, -51, -1, 95,
    -104, 41, 8, -94, 88, 88, -4, 113, 27, 103, 117, 18, -56, -90, 16, -78, 64, 109};
static const int32_t pulled_op2_bias[4] = {
    -255, 52, -451, -320};
static const int32_t pulled_op2_multiplier[4] = {
    1934569216, 2002478464, 2081753984, 1996113920};
static const int8_t pulled_op2_shift[4] = {
    6, 6, 6, 7};
static const struct mcu_depthwise_conv2d pulled_op2 = {
    .input = &pulled_t1,
    .output = &pulled_t2,
    .in_c = 4,
    .in_zero = -128,
    .in_h = 3,
    .in_w = 3,
    .out_w = 3,
    .kernel_h = 3,
    .kernel_w = 3,
    .stride_h = 1,
    .stride_w = 1,
    .dilation_h = 1,
    .dilation_w = 1,
    .pad_h = 1,
    .pad_w = 1,
    .interior = 1,
    .columns = 1,
    .weights = pulled_op2_weights,
    .outputs.bias = pulled_op2_bias,
    .outputs.multiplier = pulled_op2_multiplier,
    .outputs.shift = pulled_op2_shift,
    .outputs.zero = 5,
    .outputs.least = -128,
    .outputs.most = 127,
};

/* 3: FULLY_CONNECTED tensor_11: 1x3x3x4 -> 1x2 */
static const int8_t pulled_op3_weights[144] = {
    -31, 58, 0, 0, 98, -18, 0, 0, 120, -107, 0, 0, 36, 6, 0, 0, 21, -17,
    0, 0, 18, 95, 0, 0, -112, 46, 0, 0, -32, -40, 0, 0, 123, -113, 0, 0,
    -23, 23, 0, 0, -73, -56, 0, 0, -66, 47, 0, 0, 54, 93, 0, 0, -118, -37,
    0, 0, 120, 103, 0, 0, 96, 5, 0, 0, 17, 8, 0, 0, -8, 68, 0, 0,
    67, 74, 0, 0, 12, 104, 0, 0, -6, 127, 0, 0, -45, -89, 0, 0, -14, -22,
    0, 0, 64, 111, 0, 0, -113, -49, 0, 0, -121, -126, 0, 0, 56, 19, 0, 0,
    -33, 65, 0, 0, 77, 62, 0, 0, -120, 79, 0, 0, 104, 37, 0, 0, -96, -93,
    0, 0, -21, 89, 0, 0, 119, -21, 0, 0, -100, 89, 0, 0, 40, 80, 0, 0};
static const int32_t pulled_op3_bias[2] = {
    -457, -3597};
static const int32_t pulled_op3_multiplier[2] = {
    1832519293, 1832519293};
static const int8_t pulled_op3_shift[2] = {
    8, 8};
static const struct mcu_fully_connected pulled_op3 = {
    .input = &pulled_t2,
    .output = &pulled_t3,
    .channels.weights = pulled_op3_weights,
    .channels.taps = 36,
    .channels.outputs.bias = pulled_op3_bias,
    .channels.outputs.multiplier = pulled_op3_multiplier,
    .channels.outputs.shift = pulled_op3_shift,
    .channels.outputs.zero = -7,
    .channels.outputs.least = -128,
    .channels.outputs.most = 127,
    .batches = 1,
    .out_c = 2,
};

/* ---- schedule ---- */

/* {kernel, operator, steps} */
static const struct mcu_operator pulled_operators[] = {
    {mcu_source, &pulled_op0, 6},
    {mcu_conv2d, &pulled_op1, 3},
    {mcu_depthwise_conv2d, &pulled_op2, 3},
    {mcu_fully_connected, &pulled_op3, 1},
};

/* {operator, first step, advance per repetition, steps per event} */
static const struct mcu_event pulled_events[] = {
    {0, 0, 1, 1},
    {1, 0, 0, 1},
    {0, 3, 1, 1},
    {1, 1, 0, 1},
    {0, 5, 0, 1},
    {1, 2, 0, 1},
    {2, 0, 0, 3},
    {3, 0, 0, 1},
};

/* {events, repetitions} */
static const struct mcu_loop pulled_loops[] = {
    {1, 3},
    {1, 1},
    {1, 2},
    {5, 1},
};

void *pulled_input(int index)
{
#ifdef PULLED_EXTERNAL_ARENA
    if (!pulled_arena) {
        return NULL;
    }
#endif
    switch (index) {
    default:
        return NULL;
    }
}

int pulled_invoke_rows(pulled_row_source source, void *context)
{
#ifdef PULLED_EXTERNAL_ARENA
    if (!pulled_arena) {
        return -1;
    }
#endif
    pulled_supplier.source = source;
    pulled_supplier.context = context;
    pulled_supplier.stop = 0;
    mcu_run(pulled_loops, 4, pulled_events, pulled_operators, pulled_arena, &pulled_supplier.stop);
    return -pulled_supplier.stop;
}

const void *pulled_output(int index)
{
#ifdef PULLED_EXTERNAL_ARENA
    if (!pulled_arena) {
        return NULL;
    }
#endif
    switch (index) {
    case 0:
        return pulled_arena + 36; /* tensor_11 1x2 */
    default:
        return NULL;
    }
}
