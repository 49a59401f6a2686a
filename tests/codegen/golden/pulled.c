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

/* ---- constants and tensors: {constant or NULL, places of rows or NULL, offset in the arena, bytes per row, rows, unit of places} ---- */

static const uint16_t pulled_places0[6] = {
    9, 14, 19, 9, 14, 9};
static const uint16_t pulled_places1[3] = {
    6, 7, 5};
static const struct mcu_tensor pulled_t0 = {NULL, pulled_places0, 0, 15, 6, 3}; /* tensor_0 1x6x5x3 */
static const struct mcu_tensor pulled_t1 = {NULL, pulled_places1, 0, 12, 3, 12}; /* tensor_4 1x3x3x4 */
static const struct mcu_tensor pulled_t2 = {NULL, NULL, 0, 12, 3, 1}; /* tensor_7 1x3x3x4 */
static const struct mcu_tensor pulled_t3 = {NULL, NULL, 36, 2, 1, 1}; /* tensor_11 1x2 */

/* ---- operators ---- */

static struct mcu_supplier pulled_supplier;

/* -1: SOURCE tensor_0:  -> 1x6x5x3 */
static const struct mcu_source pulled_op0 = {
    .output = &pulled_t0,
    .supplier = &pulled_supplier,
};

/* 1: CONV_2D tensor_4: 1x6x5x3 -> 1x3x3x4, 3x3 stride 2x2 RELU */
static const int8_t pulled_op1_weights[108] = {
    -113, -51, -55, 95, 105, -126, 0, 82, -94, 76, -97, -8, 81, -50, -40, -57, 56, -63,
    125, -14, -6, 1, 21, 14, 2, 126, 78, 75, 51, 31, -41, 125, -9, -73, 88, -87,
    91, 29, -98, -116, -14, -118, -91, 4, 120, -9, 79, 106, 82, 33, -15, 4, -60, -1,
    -31, -64, 126, -124, -103, -78, 120, 49, 97, -76, 56, -33, -3, -127, 30, 84, 42, -88,
    9, -59, 119, 97, -80, 2, 112, 89, 53, 36, -117, 62, -7, -104, -65, 10, 58, 2,
    29, 95, 47, -35, 37, 25, -100, -112, 41, -29, 25, -45, -70, -89, -30, 81, -25, -31};
static const int32_t pulled_op1_bias[4] = {
    -189, -80, -765, 1022};
static const int32_t pulled_op1_multiplier[4] = {
    1975881728, 1268438272, 1143168128, 1151478400};
static const int8_t pulled_op1_shift[4] = {
    -7, -6, -6, -7};
static const struct mcu_conv2d pulled_op1 = {
    .input = &pulled_t0,
    .output = &pulled_t1,
    .weights = pulled_op1_weights,
    .bias = pulled_op1_bias,
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
    .multiplier = pulled_op1_multiplier,
    .shift = pulled_op1_shift,
    .out_zero = -128,
    .out_min = -128,
    .out_max = 127,
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
    -6, -6, -6, -7};
static const struct mcu_depthwise_conv2d pulled_op2 = {
    .input = &pulled_t1,
    .output = &pulled_t2,
    .weights = pulled_op2_weights,
    .bias = pulled_op2_bias,
    .in_c = 4,
    .depth_multiplier = 1,
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
    .multiplier = pulled_op2_multiplier,
    .shift = pulled_op2_shift,
    .out_zero = 5,
    .out_min = -128,
    .out_max = 127,
};

/* 3: FULLY_CONNECTED tensor_11: 1x3x3x4 -> 1x2 */
static const int8_t pulled_op3_weights[72] = {
    -31, 98, 120, 36, 21, 18, -112, -32, 123, -23, -73, -66, 54, -118, 120, 96, 17, -8,
    67, 12, -6, -45, -14, 64, -113, -121, 56, -33, 77, -120, 104, -96, -21, 119, -100, 40,
    58, -18, -107, 6, -17, 95, 46, -40, -113, 23, -56, 47, 93, -37, 103, 5, 8, 68,
    74, 104, 127, -89, -22, 111, -49, -126, 19, 65, 62, 79, 37, -93, 89, -21, 89, 80};
static const int32_t pulled_op3_bias[2] = {
    -457, -3597};
static const int32_t pulled_op3_multiplier[2] = {
    1832519293, 1832519293};
static const int8_t pulled_op3_shift[2] = {
    -8, -8};
static const struct mcu_fully_connected pulled_op3 = {
    .input = &pulled_t2,
    .output = &pulled_t3,
    .weights = pulled_op3_weights,
    .bias = pulled_op3_bias,
    .batches = 1,
    .in_c = 36,
    .out_c = 2,
    .multiplier = pulled_op3_multiplier,
    .shift = pulled_op3_shift,
    .out_zero = -7,
    .out_min = -128,
    .out_max = 127,
};

/* ---- schedule ---- */

/* {kernel, operator, first step, advance per repetition, steps per event, steps} */
static const struct mcu_event pulled_events[] = {
    {mcu_source, &pulled_op0, 0, 1, 1, 6},
    {mcu_conv2d, &pulled_op1, 0, 0, 1, 3},
    {mcu_source, &pulled_op0, 3, 1, 1, 6},
    {mcu_conv2d, &pulled_op1, 1, 0, 1, 3},
    {mcu_source, &pulled_op0, 5, 0, 1, 6},
    {mcu_conv2d, &pulled_op1, 2, 0, 1, 3},
    {mcu_depthwise_conv2d, &pulled_op2, 0, 0, 3, 3},
    {mcu_fully_connected, &pulled_op3, 0, 0, 1, 1},
};

/* {events, repetitions} */
static const struct mcu_loop pulled_loops[] = {
    {1, 3},
    {1, 1},
    {1, 2},
    {1, 1},
    {1, 1},
    {1, 1},
    {1, 1},
    {1, 1},
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
    mcu_run(pulled_loops, 8, pulled_events, pulled_arena, &pulled_supplier.stop);
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
