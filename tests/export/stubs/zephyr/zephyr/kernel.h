/* A stand-in for Zephyr's kernel. */
#include <stdint.h>

uint32_t k_cycle_get_32(void);
uint64_t k_cyc_to_us_floor64(uint64_t cycles);
