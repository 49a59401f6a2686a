/* A compiled stage of a network as an operator of TensorFlow Lite Micro.
 *
 * `Stage` has static members: NAME, INPUTS, OUTPUTS, key(bytes), bytes_of_input(i), bytes_of_output(i), set_arena(), input(i), invoke(),
 * output(i). The operator's inputs and outputs are those of the stage; its last output is the stage's arena. Where the model's memory
 * plan puts inputs and outputs inside that arena nothing is copied; under any other plan they are.
 */
#ifndef TFLM_MCUNET_STAGE_H
#define TFLM_MCUNET_STAGE_H

#include <stddef.h>
#include <string.h>

#include "tensorflow/lite/c/common.h"
#include "tensorflow/lite/micro/kernels/kernel_util.h"
#include "tensorflow/lite/micro/micro_log.h"

namespace tflite {
namespace micro {
}
} // namespace tflite

namespace mcu {

/* TFLM has moved its types from the global namespace into tflite::micro; both are found from here. */
using namespace tflite;
using namespace tflite::micro;

using Status = TfLiteStatus;
constexpr Status OK = kTfLiteOk;

template <typename Stage> struct StageOperator {
    /* The model's custom options are the key of the stage that it was written with. */
    static void *init(TfLiteContext *, const char *options, size_t length)
    {
        size_t bytes = 0;
        const unsigned char *key = Stage::key(&bytes);
        const bool fits = options != nullptr && length == bytes && memcmp(options, key, bytes) == 0;
        return fits ? const_cast<unsigned char *>(key) : nullptr;
    }

    static Status prepare(TfLiteContext *, TfLiteNode *node)
    {
        if (node->user_data == nullptr || node->inputs->size != Stage::INPUTS || node->outputs->size != Stage::OUTPUTS + 1) {
            MicroPrintf("%s was compiled for another model: rewrite the model again and take all of its files", Stage::NAME());
            return kTfLiteError;
        }
        return kTfLiteOk;
    }

    static Status invoke(TfLiteContext *context, TfLiteNode *node)
    {
        Stage::set_arena(tflite::micro::GetEvalOutput(context, node, Stage::OUTPUTS)->data.data);
        for (int i = 0; i < Stage::INPUTS; ++i) {
            copy(Stage::input(i), tflite::micro::GetEvalInput(context, node, i)->data.data, Stage::bytes_of_input(i));
        }
        if (Stage::invoke() != 0) {
            return kTfLiteError;
        }
        for (int i = 0; i < Stage::OUTPUTS; ++i) {
            copy(tflite::micro::GetEvalOutput(context, node, i)->data.data, Stage::output(i), Stage::bytes_of_output(i));
        }
        return kTfLiteOk;
    }

    static void copy(void *target, const void *source, size_t bytes)
    {
        if (target != source) {
            memcpy(target, source, bytes);
        }
    }
};

/* Adds the operator to a MicroMutableOpResolver. */
template <typename Stage, typename Resolver> Status add_stage(Resolver &resolver)
{
    using Operator = StageOperator<Stage>;
    auto registration = tflite::micro::RegisterOp(Operator::init, Operator::prepare, Operator::invoke);
    return resolver.AddCustom(Stage::NAME(), &registration);
}

} // namespace mcu

#endif
