/* layers: a neural network as static C.
 * model: layers.tflite
 * target: generic
 * compiler: tflm-mcunet 0.1.0
 *
 * Generated code; it belongs to whoever generated it.
 */
#ifndef LAYERS_H
#define LAYERS_H

#include <stdint.h>

#define LAYERS_ARENA_BYTES 182
#define LAYERS_INPUTS 1
#define LAYERS_OUTPUTS 1

/* input 0: tensor_0 1x6x5x3 */
#define LAYERS_INPUT_0_BYTES 90
#define LAYERS_INPUT_0_ROWS 6
#define LAYERS_INPUT_0_SCALE 5.0e-02f
#define LAYERS_INPUT_0_ZERO_POINT 3

/* output 0: tensor_9 1x2 */
#define LAYERS_OUTPUT_0_BYTES 2
#define LAYERS_OUTPUT_0_ROWS 1
#define LAYERS_OUTPUT_0_SCALE 3.0e-01f
#define LAYERS_OUTPUT_0_ZERO_POINT (-7)

#ifdef __cplusplus
extern "C" {
#endif

/* Where to put input `index`, dense, in the model's own order; NULL where there is no such input. */
void *layers_input(int index);

/* Runs the network; may overwrite the inputs. Returns 0 on success. */
int layers_invoke(void);

/* Output `index`, valid until the next invoke; NULL where there is no such output. */
const void *layers_output(int index);

#ifdef LAYERS_EXTERNAL_ARENA
/* Gives the network its LAYERS_ARENA_BYTES of memory, aligned to 8 bytes. Call it before everything else. */
void layers_set_arena(void *arena);
#endif

#ifdef __cplusplus
}
#endif

#endif
