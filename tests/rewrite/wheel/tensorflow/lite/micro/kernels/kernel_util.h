/* A stand-in for TFLM's header; the functions are those of the wheel's library. */
#ifndef STAND_IN_KERNEL_UTIL_H
#define STAND_IN_KERNEL_UTIL_H

#include "tensorflow/lite/c/common.h"

namespace tflite {
namespace micro {

struct TFLMRegistration {
    void *(*init)(TfLiteContext *, const char *, size_t);
    void (*free)(TfLiteContext *, void *);
    TfLiteStatus (*prepare)(TfLiteContext *, TfLiteNode *);
    TfLiteStatus (*invoke)(TfLiteContext *, TfLiteNode *);
    void (*reset)(TfLiteContext *, void *);
    int32_t builtin_code;
    const char *custom_name;
};

TFLMRegistration RegisterOp(void *(*init)(TfLiteContext *, const char *, size_t), TfLiteStatus (*prepare)(TfLiteContext *, TfLiteNode *),
                            TfLiteStatus (*invoke)(TfLiteContext *, TfLiteNode *), void (*free)(TfLiteContext *, void *) = nullptr,
                            void (*reset)(TfLiteContext *, void *) = nullptr);
const TfLiteEvalTensor *GetEvalInput(const TfLiteContext *, const TfLiteNode *, int);
TfLiteEvalTensor *GetEvalOutput(const TfLiteContext *, const TfLiteNode *, int);

} // namespace micro
} // namespace tflite

#endif
