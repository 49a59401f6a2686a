/* A stand-in. */
void vTaskDelay(unsigned ticks);
