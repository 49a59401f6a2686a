/* A stand-in. */
#include "camera.h"
struct HM01B0 : ImageSensor {};
