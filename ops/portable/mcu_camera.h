/* Rows of a camera as rows of a network's int8 input: pixel - 128, which is what models trained on pixels / 255, or on
   pixels / 127.5 - 1, take. The row is scaled to `columns` pixels by taking the nearest of `width`. */
#ifndef TFLM_MCUNET_CAMERA_H
#define TFLM_MCUNET_CAMERA_H

#include <stdint.h>

/* One pixel to `channels` values, 1 (grey) or 3 (red, green, blue); returns the next place. */
static inline int8_t *mcu_camera_pixel(int8_t *row, int32_t red, int32_t green, int32_t blue, int32_t channels)
{
    if (channels == 1) {
        *row++ = (int8_t)((red * 77 + green * 150 + blue * 29 + 128) / 256 - 128);
    } else {
        *row++ = (int8_t)(red - 128);
        *row++ = (int8_t)(green - 128);
        *row++ = (int8_t)(blue - 128);
    }
    return row;
}

/* From grey pixels of one byte. */
static inline void mcu_camera_grey(const uint8_t *pixels, int32_t width, int8_t *row, int32_t columns, int32_t channels)
{
    int32_t column;
    for (column = 0; column < columns; ++column) {
        const int32_t grey = pixels[column * width / columns];
        row = mcu_camera_pixel(row, grey, grey, grey, channels);
    }
}

/* From pixels of three bytes: red, green, blue. */
static inline void mcu_camera_rgb888(const uint8_t *pixels, int32_t width, int8_t *row, int32_t columns, int32_t channels)
{
    int32_t column;
    for (column = 0; column < columns; ++column) {
        const uint8_t *pixel = pixels + 3 * (column * width / columns);
        row = mcu_camera_pixel(row, pixel[0], pixel[1], pixel[2], channels);
    }
}

/* From pixels of two bytes, the high one first, as cameras send them: five bits of red, six of green, five of blue. */
static inline void mcu_camera_rgb565(const uint8_t *pixels, int32_t width, int8_t *row, int32_t columns, int32_t channels)
{
    int32_t column;
    for (column = 0; column < columns; ++column) {
        const uint8_t *pixel = pixels + 2 * (column * width / columns);
        const int32_t red = pixel[0] >> 3;
        const int32_t green = (pixel[0] & 7) << 3 | pixel[1] >> 5;
        const int32_t blue = pixel[1] & 31;
        row = mcu_camera_pixel(row, red << 3 | red >> 2, green << 2 | green >> 4, blue << 3 | blue >> 2, channels);
    }
}

#endif
