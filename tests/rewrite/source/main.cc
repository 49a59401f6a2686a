/* Runs model.tflite in TFLM's interpreter on every sample of input.bin and writes its outputs to output.bin, and the bytes of its arena to
 * arena.bin. STAGES_HEADER and STAGES: the header and the namespace of a rewritten model's stages.
 *
 * Exit status: 0, 2 (files), 4 (TFLM reported an error), 6 (it aborted). */
extern "C" {
#include "port.h"
}

#include <cstdarg>
#include <cstdint>
#include <cstdio>

#include "tensorflow/lite/micro/debug_log.h"
#include "tensorflow/lite/micro/micro_interpreter.h"
#include "tensorflow/lite/micro/micro_mutable_op_resolver.h"
#include "tensorflow/lite/schema/schema_generated.h"
#ifdef STAGES_HEADER
#include STAGES_HEADER
#endif

namespace {

constexpr size_t MODEL_BYTES = 2 << 20, ARENA_BYTES = 2 << 20;

alignas(16) uint8_t model[MODEL_BYTES];
alignas(16) uint8_t arena[ARENA_BYTES];

void check(bool well)
{
    if (!well) {
        port_exit(4);
    }
}

using Resolver = tflite::MicroMutableOpResolver<32>;

void add_operators(Resolver &resolver)
{
    resolver.AddAbs();
    resolver.AddAdd();
    resolver.AddAveragePool2D();
    resolver.AddConv2D();
    resolver.AddDepthwiseConv2D();
    resolver.AddDequantize();
    resolver.AddFullyConnected();
    resolver.AddMaxPool2D();
    resolver.AddMean();
    resolver.AddPad();
    resolver.AddQuantize();
    resolver.AddReshape();
    resolver.AddResizeNearestNeighbor();
    resolver.AddSoftmax();
    resolver.AddTranspose();
#ifdef STAGES_HEADER
    check(STAGES::RegisterStages(resolver) == mcu::OK);
#endif
}

void read_model()
{
    const int file = port_open("model.tflite", PORT_READ);
    if (port_read(file, model, sizeof model) == sizeof model) {
        port_exit(2); /* it may go on */
    }
}

/* Fills all inputs with the next sample; false where there is none. */
bool read_sample(tflite::MicroInterpreter &interpreter, int file)
{
    for (size_t index = 0; index < interpreter.inputs_size(); ++index) {
        const auto *tensor = interpreter.input(index);
        if (port_read(file, tensor->data.raw, tensor->bytes) != tensor->bytes) {
            return false;
        }
    }
    return true;
}

} // namespace

/* The counted region lies between calls of these two; the empty statements keep the calls. */
extern "C" __attribute__((noinline, noclone)) void harness_begin()
{
    __asm__ volatile("" ::: "memory");
}

extern "C" __attribute__((noinline, noclone)) void harness_end()
{
    __asm__ volatile("" ::: "memory");
}

#ifdef __arm__
extern "C" void port_message(const char *text);

/* The format alone says what went wrong, and formatting would take a heap. */
extern "C" void DebugLog(const char *format, va_list)
{
    port_message(format);
}

/* Those of the C library would bring its streams. */
extern "C" void abort()
{
    port_exit(6);
    for (;;) {
    }
}

extern "C" void __assert_func(const char *, int, const char *, const char *expression)
{
    port_message(expression);
    abort();
}
#else
extern "C" void DebugLog(const char *format, va_list arguments)
{
    vfprintf(stderr, format, arguments);
}
#endif

int main()
{
    read_model();
    Resolver resolver;
    add_operators(resolver);
    tflite::MicroInterpreter interpreter(tflite::GetModel(model), resolver, arena, sizeof arena);
    check(interpreter.AllocateTensors() == kTfLiteOk);
    const uint32_t used = interpreter.arena_used_bytes();
    port_write(port_open("arena.bin", PORT_WRITE), &used, sizeof used);
    const int input = port_open("input.bin", PORT_READ), output = port_open("output.bin", PORT_WRITE);
    while (read_sample(interpreter, input)) {
        harness_begin();
        const bool well = interpreter.Invoke() == kTfLiteOk;
        harness_end();
        check(well);
        for (size_t index = 0; index < interpreter.outputs_size(); ++index) {
            const auto *tensor = interpreter.output(index);
            port_write(output, tensor->data.raw, tensor->bytes);
        }
    }
    port_exit(0);
    return 0;
}
