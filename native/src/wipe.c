/* Overwriting secrets. */
#include "kf_core.h"

#include <string.h>

#if defined(_MSC_VER)
#include <windows.h>

void kf_wipe(uint8_t *data, uint32_t size)
{
    SecureZeroMemory(data, size);
}

#elif defined(__GNUC__)

void kf_wipe(uint8_t *data, uint32_t size)
{
    memset(data, 0, size);
    /* For all that the compiler knows, what follows reads the zeros. */
    __asm__ __volatile__("" : : "r"(data) : "memory");
}

#else

void kf_wipe(uint8_t *data, uint32_t size)
{
    volatile uint8_t *at = data;

    while (size-- > 0) {
        *at++ = 0;
    }
}

#endif
