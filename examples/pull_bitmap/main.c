/* Classifies a picture that stays in flash: the network asks for its rows one by one, so no copy of it is ever in SRAM. */
#include "bitmap.h"
#include "fashion.h"
#include "port.h"

#define COLUMNS (FASHION_INPUT_0_BYTES / FASHION_INPUT_0_ROWS)

static const char *const names[FASHION_OUTPUT_0_BYTES] = {
    "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot",
};

void port_message(const char *text);

/* Row `row` of the picture: pixels of 0 to 255 become -128 to 127. Where flash holds int8 rows already, return their address instead. */
static const int8_t *next_row(void *context, int row, int8_t *buffer)
{
    const uint8_t *pixels = (const uint8_t *)context + row * COLUMNS;
    int column;
    for (column = 0; column < COLUMNS; ++column) {
        buffer[column] = (int8_t)(pixels[column] - 128);
    }
    return buffer;
}

int main(void)
{
    const int8_t *scores = (const int8_t *)fashion_output(0);
    int best = 0, i;
    if (fashion_invoke_rows(next_row, (void *)(uintptr_t)bitmap) != 0) {
        port_exit(4);
    }
    for (i = 1; i < FASHION_OUTPUT_0_BYTES; ++i) {
        if (scores[i] > scores[best]) {
            best = i;
        }
    }
    port_message("it is: ");
    port_message(names[best]);
    port_message("\n");
    port_exit(0);
    return 0;
}
