/* The harness port for an emulated Cortex-M: semihosting calls, and the painted stack. */
#include "port.h"

#include <stdint.h>

enum { SYS_OPEN = 0x01, SYS_WRITE0 = 0x04, SYS_WRITE = 0x05, SYS_READ = 0x06, SYS_EXIT_EXTENDED = 0x20 };
enum { MODE_READ_BINARY = 1, MODE_WRITE_BINARY = 5, APPLICATION_EXIT = 0x20026 };

#define PAINT 0xA5C3963Cu

extern uint32_t stack_limit[];
uint32_t *port_stack_base; /* the stack pointer when the stack was painted */

void port_message(const char *text);

static int32_t semihosting(uint32_t operation, const void *argument)
{
    register uint32_t r0 __asm__("r0") = operation;
    register const void *r1 __asm__("r1") = argument;
    __asm__ volatile("bkpt 0xAB" : "+r"(r0) : "r"(r1) : "memory");
    return (int32_t)r0;
}

void port_message(const char *text)
{
    semihosting(SYS_WRITE0, text);
}

int port_open(const char *name, int mode)
{
    uint32_t length = 0;
    while (name[length] != 0) {
        ++length;
    }
    uint32_t block[3] = {(uint32_t)name, mode == PORT_WRITE ? MODE_WRITE_BINARY : MODE_READ_BINARY, length};
    int32_t file = semihosting(SYS_OPEN, block);
    if (file < 0) {
        port_message("cannot open ");
        port_message(name);
        port_message("\n");
        port_exit(2);
    }
    return file;
}

size_t port_read(int file, void *data, size_t bytes)
{
    uint32_t block[3] = {(uint32_t)file, (uint32_t)data, bytes};
    return bytes - (uint32_t)semihosting(SYS_READ, block);
}

void port_write(int file, const void *data, size_t bytes)
{
    uint32_t block[3] = {(uint32_t)file, (uint32_t)data, bytes};
    if (semihosting(SYS_WRITE, block) != 0) {
        port_exit(2);
    }
}

void port_exit(int status)
{
    uint32_t block[2] = {APPLICATION_EXIT, (uint32_t)status};
    semihosting(SYS_EXIT_EXTENDED, block);
    for (;;) {
    }
}

/* Leaf code without a frame: the stack pointer it sees is the caller's, as a model's invoke will see it. */
__attribute__((naked)) void port_stack_paint(void)
{
    __asm__ volatile(".syntax unified\n\t" /* else gcc picks another for ARMv6-M */
                     "mov r0, sp\n\t"
                     "ldr r1, =port_stack_base\n\t"
                     "str r0, [r1]\n\t"
                     "ldr r1, =stack_limit\n\t"
                     "ldr r2, =%c0\n\t"
                     "b 2f\n"
                     "1:\tstr r2, [r1]\n\t"
                     "adds r1, r1, #4\n"
                     "2:\tcmp r1, r0\n\t"
                     "bne 1b\n\t"
                     "bx lr\n\t"
                     ".ltorg" ::"i"(PAINT));
}

unsigned port_stack_used(void)
{
    const uint32_t *lowest = stack_limit;
    while (lowest != port_stack_base && *lowest == PAINT) {
        ++lowest;
    }
    return (unsigned)((uintptr_t)port_stack_base - (uintptr_t)lowest);
}
