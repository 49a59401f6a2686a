/* A stand-in for what the guides' snippets take from a vendor's headers and from the application. */
#include <stdint.h>
#include <stdio.h>
#include <string.h>

typedef struct {
    volatile uint32_t DEMCR;
} CoreDebug_Type;

typedef struct {
    volatile uint32_t CTRL, CYCCNT;
} DWT_Type;

#define CoreDebug ((CoreDebug_Type *)0xE000EDFCu)
#define CoreDebug_DEMCR_TRCENA_Msk (1u << 24)
#define DWT ((DWT_Type *)0xE0001000u)
#define DWT_CTRL_CYCCNTENA_Msk 1u
#define IWDG_KR (*(volatile uint32_t *)0x40003000u)

void SCB_CleanInvalidateDCache_by_Addr(volatile void *address, int32_t bytes);
void SCB_InvalidateDCache_by_Addr(volatile void *address, int32_t bytes);
void start_dma(void *target, unsigned bytes);
void wait_dma(void);
