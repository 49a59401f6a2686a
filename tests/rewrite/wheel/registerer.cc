/* What the Python interpreter of TFLM looks up by name in the process: a function that adds custom operators to its resolver. */
#include STAGES_HEADER

namespace tflite {

/* The beginning of the wheel's class, a MicroMutableOpResolver<200>, whose AddCustom is inlined everywhere. */
class PythonOpsResolver {
public:
    micro::TfLiteStatus AddCustom(const char *name, micro::TFLMRegistration *registration)
    {
        const int32_t custom = 32;
        if (count_ >= CAPACITY) {
            return micro::kTfLiteError;
        }
        registrations_[count_] = *registration;
        registrations_[count_].builtin_code = custom;
        registrations_[count_].custom_name = name;
        ++count_;
        return micro::kTfLiteOk;
    }

private:
    enum { CAPACITY = 200 };
    virtual void first_virtual_function();
    micro::TFLMRegistration registrations_[CAPACITY];
    unsigned int count_;
};

} // namespace tflite

extern "C" bool register_stages(tflite::PythonOpsResolver *resolver)
{
    return STAGES::RegisterStages(*resolver) == mcu::OK;
}
