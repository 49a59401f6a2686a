/* A stand-in for the header of newer releases of TFLM, which keep their types in a namespace. */
#ifndef STAND_IN_FOR_NEWER_TFLM
#define STAND_IN_FOR_NEWER_TFLM

#include <stddef.h>
#include <stdint.h>

namespace tflite {
namespace micro {
#include "../../../../tflm/tensorflow/lite/c/common.h"
}
} // namespace tflite

#endif
