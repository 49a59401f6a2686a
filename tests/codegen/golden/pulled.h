/* pulled: a neural network as static C.
 * model: pulled.tflite
 * target: generic
 * compiler: tflm-mcunet 0.1.0
 *
 * Generated code; it belongs to whoever generated it.
 */
#ifndef PULLED_H
#define PULLED_H

#include <stdint.h>

#define PULLED_ARENA_BYTES 96
#define PULLED_INPUTS 1
#define PULLED_OUTPUTS 1

/* input 0: tensor_0 1x6x5x3 */
#define PULLED_INPUT_0_BYTES 90
#define PULLED_INPUT_0_ROWS 6
#define PULLED_INPUT_0_SCALE 5.0e-02f
#define PULLED_INPUT_0_ZERO_POINT 3

/* output 0: tensor_11 1x2 */
#define PULLED_OUTPUT_0_BYTES 2
#define PULLED_OUTPUT_0_ROWS 1
#define PULLED_OUTPUT_0_SCALE 3.0e-01f
#define PULLED_OUTPUT_0_ZERO_POINT (-7)

#ifdef __cplusplus
extern "C" {
#endif

/* Where to put input `index`, dense, in the model's own order; NULL where there is no such input, and for input 0, which is pulled. */
void *pulled_input(int index);

/* Supplies a row of input 0: fills `buffer` (PULLED_INPUT_0_BYTES / PULLED_INPUT_0_ROWS bytes) and returns it, or returns a row that
   stays where it is until the next call. Rows are asked for in order, each once; NULL ends the inference. */
typedef const int8_t *(*pulled_row_source)(void *context, int row, int8_t *buffer);

/* Runs the network on the rows that `source` supplies. Returns 0 on success, -1 where it returned NULL. */
int pulled_invoke_rows(pulled_row_source source, void *context);

/* Output `index`, valid until the next invoke; NULL where there is no such output. */
const void *pulled_output(int index);

#ifdef PULLED_EXTERNAL_ARENA
/* Gives the network its PULLED_ARENA_BYTES of memory, aligned to 8 bytes. Call it before everything else. */
void pulled_set_arena(void *arena);
#endif

#ifdef __cplusplus
}
#endif

#endif
