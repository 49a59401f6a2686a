/* A stand-in for what CubeMX generates and the HAL it brings in: a serial port, a clock of 1 ms, SysTick. */
#ifndef MAIN_H
#define MAIN_H

#include <stdint.h>

typedef struct {
    volatile uint32_t SR, DR, BRR, CR1, CR2, CR3;
} USART_TypeDef;

typedef struct {
    USART_TypeDef *Instance;
} UART_HandleTypeDef;

typedef struct {
    volatile uint32_t CTRL, LOAD, VAL, CALIB;
} SysTick_Type;

#define SysTick ((SysTick_Type *)0xE000E010u)

int HAL_UART_Transmit(UART_HandleTypeDef *port, uint8_t *data, uint16_t bytes, uint32_t timeout);
uint32_t HAL_GetTick(void);

#endif
