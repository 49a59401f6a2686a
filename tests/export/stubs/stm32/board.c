/* A stand-in for a CubeMX project on an STM32F405: start-up, HAL, main with the example's call, and an end for the emulator. */
#include "main.h"

extern uint32_t stack_top[], data_start[], data_end[], data_load[], bss_start[], bss_end[];

int main(void);
void reset(void);
void fault(void);
void tick(void);

__attribute__((section(".vectors"), used)) static void *const vectors[16] = {
    stack_top, (void *)reset, (void *)fault, (void *)fault, (void *)fault, (void *)fault, (void *)fault, 0, 0, 0, 0, (void *)fault, 0, 0, 0, (void *)tick,
};

UART_HandleTypeDef huart1 = {(USART_TypeDef *)0x40011000u};
static volatile uint32_t ticks;

static void leave(uint32_t status)
{
    uint32_t block[2] = {0x20026, status};
    register uint32_t r0 __asm__("r0") = 0x20;
    register uint32_t *r1 __asm__("r1") = block;
    __asm__ volatile("bkpt 0xAB" : : "r"(r0), "r"(r1) : "memory");
    for (;;) {
    }
}

void fault(void)
{
    leave(3);
}

void tick(void)
{
    ++ticks;
}

uint32_t HAL_GetTick(void)
{
    return ticks;
}

int HAL_UART_Transmit(UART_HandleTypeDef *port, uint8_t *data, uint16_t bytes, uint32_t timeout)
{
    (void)timeout;
    while (bytes--) {
        while (!(port->Instance->SR & 0x80u)) {
        }
        port->Instance->DR = *data++;
    }
    return 0;
}

void reset(void)
{
    uint32_t *to, *from = data_load;
    for (to = data_start; to < data_end;) {
        *to++ = *from++;
    }
    for (to = bss_start; to < bss_end;) {
        *to++ = 0;
    }
    *(volatile uint32_t *)0xE000ED88u |= 0xFu << 20;
    __asm__ volatile("dsb\n\tisb" ::: "memory");
    huart1.Instance->CR1 = 0x2008u;
    SysTick->LOAD = 168000u - 1u;
    SysTick->CTRL = 7u;
    main();
    leave(0);
}

void EXAMPLE(void);

int main(void)
{
    EXAMPLE();
    return 0;
}
