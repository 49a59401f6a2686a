/* A stand-in for TFLM's header: as much of its types as the interpreter in the `tflite-micro` wheel and our glue share. */
#ifndef STAND_IN_COMMON_H
#define STAND_IN_COMMON_H

#include <stddef.h>
#include <stdint.h>

namespace tflite {
namespace micro {

enum TfLiteStatus { kTfLiteOk = 0, kTfLiteError = 1 };

struct TfLiteContext;

struct TfLiteIntArray {
    int size;
    int data[];
};

struct TfLiteNode {
    TfLiteIntArray *inputs;
    TfLiteIntArray *outputs;
    TfLiteIntArray *intermediates;
    void *user_data;
};

union TfLitePtrUnion {
    void *data;
};

struct TfLiteEvalTensor {
    TfLitePtrUnion data;
    TfLiteIntArray *dims;
    int type;
};

} // namespace micro
} // namespace tflite

#endif
