/* A stand-in. */
#define pdMS_TO_TICKS(milliseconds) (milliseconds)
