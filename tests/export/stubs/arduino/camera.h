/* A stand-in for the Camera library of the boards that use Mbed. */
#ifndef CAMERA_H
#define CAMERA_H

#include <stdint.h>

enum { CAMERA_R320x240, CAMERA_GRAYSCALE, CAMERA_RGB565 };

struct ImageSensor {};

struct FrameBuffer {
    uint8_t *getBuffer();
};

struct Camera {
    explicit Camera(ImageSensor &sensor);
    bool begin(int resolution, int format, int rate);
    int grabFrame(FrameBuffer &frame, uint32_t timeout);
};

#endif
