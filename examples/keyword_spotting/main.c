/* Says which word a second of sound is: int16 samples at 16 kHz, from a file here, from a microphone on a board. */
#include <stdio.h>

#include "keywords.h"
#include "keywords_mfcc.h"

static const char *const words[KEYWORDS_OUTPUT_0_BYTES] = {
    "Down", "Go", "Left", "No", "Off", "On", "Right", "Stop", "Up", "Yes", "Silence", "Unknown",
};

static int16_t clip[KEYWORDS_MFCC_SAMPLES];
static int32_t scratch[KEYWORDS_MFCC_SCRATCH];

/* Fills the clip from a file of raw little-endian samples; silence follows where it is short. */
static int read_clip(const char *path)
{
    FILE *file = fopen(path, "rb");
    int i, low, high;
    if (!file) {
        return 0;
    }
    for (i = 0; i < KEYWORDS_MFCC_SAMPLES && (low = getc(file)) != EOF && (high = getc(file)) != EOF; ++i) {
        clip[i] = (int16_t)(uint16_t)(high << 8 | low);
    }
    fclose(file);
    return 1;
}

int main(int count, char **arguments)
{
    const int8_t *scores;
    int best = 0, i;
    if (count != 2 || !read_clip(arguments[1])) {
        fprintf(stderr, "usage: %s FILE, 16-bit samples at 16 kHz\n", arguments[0]);
        return 2;
    }
    mcu_mfcc_clip(&keywords_mfcc, clip, KEYWORDS_MFCC_PEAK(clip), scratch, keywords_input(0));
    if (keywords_invoke() != 0) {
        return 1;
    }
    scores = (const int8_t *)keywords_output(0);
    for (i = 1; i < KEYWORDS_OUTPUT_0_BYTES; ++i) {
        if (scores[i] > scores[best]) {
            best = i;
        }
    }
    printf("%s %d\n", words[best], scores[best]);
    return 0;
}
