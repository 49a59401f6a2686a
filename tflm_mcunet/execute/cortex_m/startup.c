/* Vector table, reset and faults, for every Cortex-M core alike. */
#include "port.h"

#include <stdint.h>

#define CPACR (*(volatile uint32_t *)0xE000ED88u)
#define CCR (*(volatile uint32_t *)0xE000ED14u)
#define CFSR (*(volatile uint32_t *)0xE000ED28u)

extern uint32_t stack_top[];

int main(void);
void reset(void);
void fault(void);
void fault_report(const uint32_t *frame);
void port_message(const char *text);

typedef void (*handler)(void);

__attribute__((section(".vectors"), used)) static const struct {
    uint32_t *stack;
    handler handlers[15];
} vectors = {
    stack_top,
    {reset, fault, fault, fault, fault, fault, fault, fault, fault, fault, fault, fault, fault, fault, fault},
};

void reset(void)
{
#if defined(__ARM_FP) || defined(__ARM_FEATURE_MVE)
    CPACR |= 0xFu << 20; /* floating point and Helium */
#endif
#ifdef __ARM_FEATURE_MVE
    CCR |= 1u << 19; /* low-overhead branches */
#endif
#ifdef TRAP_UNALIGNED
    CCR |= 1u << 3;
#endif
    __asm__ volatile("dsb\n\tisb" ::: "memory");
    main();
}

/* Any exception ends the run; the stack may be what broke, so a fresh one is used to report it. */
__attribute__((naked)) void fault(void)
{
    __asm__ volatile("mrs r0, msp\n\t"
                     "ldr r1, =stack_top\n\t"
                     "mov sp, r1\n\t"
                     "ldr r1, =fault_report\n\t"
                     "bx r1\n\t"
                     ".ltorg");
}

static char *append_hex(char *text, const char *label, uint32_t value)
{
    while (*label != 0) {
        *text++ = *label++;
    }
    for (int shift = 28; shift >= 0; shift -= 4) {
        *text++ = "0123456789abcdef"[value >> shift & 15u];
    }
    return text;
}

void fault_report(const uint32_t *frame)
{
    char text[64];
    char *end = text;
    uint32_t cfsr = CFSR;
    int stacked = (cfsr & 0x3030u) == 0; /* no error while the frame was stacked */
    end = append_hex(end, "fault: cfsr 0x", cfsr);
    end = append_hex(end, " pc 0x", stacked ? frame[6] : 0);
    *end++ = '\n';
    *end = 0;
    port_message(text);
    port_exit(3);
}
