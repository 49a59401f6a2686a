/* A stand-in. */
#include "camera.h"
struct OV7670 : ImageSensor {};
