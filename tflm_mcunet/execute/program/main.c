/* Runs a generated model on every sample of input.bin and writes its outputs to output.bin.
 *
 * harness_model.h, written per model, includes the model's header and defines
 *   MODEL_INPUT, MODEL_OUTPUT, MODEL_INVOKE (and MODEL_INVOKE_ROWS for pull mode: the model's functions)
 *   MODEL_INPUT_BYTES, MODEL_OUTPUT_BYTES   (initialisers: the size of each tensor)
 *   MODEL_ROWS                              (pull mode: rows of input 0)
 *
 * Exit status: 0, 2 (files), 4 (the model reported an error), 5 (rows not asked for in order, once each). */
#include "harness_model.h"
#include "port.h"

#include <stdint.h>

#define LENGTH(array) (sizeof(array) / sizeof((array)[0]))
#define OUT_OF_LINE __attribute__((noinline, noclone))

static const size_t input_bytes[] = {MODEL_INPUT_BYTES};
static const size_t output_bytes[] = {MODEL_OUTPUT_BYTES};

/* The counted region lies between calls of these two; the empty statements keep the calls. */
OUT_OF_LINE void harness_begin(void);
OUT_OF_LINE void harness_end(void);

void harness_begin(void)
{
    __asm__ volatile("" ::: "memory");
}

void harness_end(void)
{
    __asm__ volatile("" ::: "memory");
}

#ifdef MODEL_ROWS
/* The whole image: it stands for a camera, so it belongs to the harness and not to the model. */
static int8_t harness_image[MODEL_IMAGE_BYTES];
static int next_row;

const int8_t *harness_row(void *context, int row, int8_t *buffer);

const int8_t *harness_row(void *context, int row, int8_t *buffer)
{
    (void)buffer;
    if (row != next_row || row >= MODEL_ROWS) {
        port_exit(5);
    }
    ++next_row;
    return (const int8_t *)context + (size_t)row * (MODEL_IMAGE_BYTES / MODEL_ROWS);
}
#endif

OUT_OF_LINE int harness_infer(void);

int harness_infer(void)
{
    int status;
#ifdef MODEL_ROWS
    next_row = 0;
    port_stack_paint();
    harness_begin();
    status = MODEL_INVOKE_ROWS(harness_row, harness_image);
    harness_end();
    if (status == 0 && next_row != MODEL_ROWS) {
        port_exit(5);
    }
#else
    port_stack_paint();
    harness_begin();
    status = MODEL_INVOKE();
    harness_end();
#endif
    return status;
}

static void *input_address(size_t index)
{
#ifdef MODEL_ROWS
    if (index == 0) {
        return harness_image;
    }
#endif
    return MODEL_INPUT((int)index);
}

/* Fills all inputs with the next sample; 0 where there is none. */
static int read_sample(int file)
{
    for (size_t index = 0; index < LENGTH(input_bytes); ++index) {
        size_t got = port_read(file, input_address(index), input_bytes[index]);
        if (got != input_bytes[index]) {
            if (index != 0 || got != 0) {
                port_exit(2);
            }
            return 0;
        }
    }
    return 1;
}

static void write_outputs(int file)
{
    for (size_t index = 0; index < LENGTH(output_bytes); ++index) {
        port_write(file, MODEL_OUTPUT((int)index), output_bytes[index]);
    }
}

int main(void)
{
    int input = port_open("input.bin", PORT_READ);
    int output = port_open("output.bin", PORT_WRITE);
    int stack = port_open("stack.bin", PORT_WRITE);
    while (read_sample(input)) {
        uint32_t used;
        if (harness_infer() != 0) {
            port_exit(4);
        }
        used = port_stack_used();
        port_write(stack, &used, sizeof used);
        write_outputs(output);
    }
    port_exit(0);
    return 0;
}
