/* What the samples call, on this machine. */
#include <stdarg.h>
#include <stdio.h>

#include <zephyr/kernel.h>
#include <zephyr/sys/printk.h>

uint32_t k_cycle_get_32(void)
{
    static uint32_t now;
    return now += 1000;
}

uint64_t k_cyc_to_us_floor64(uint64_t cycles)
{
    return cycles;
}

void printk(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vprintf(format, arguments);
    va_end(arguments);
}
