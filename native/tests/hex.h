/* Bytes as text. */
#ifndef KF_HEX_H
#define KF_HEX_H

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* The bytes of a string of hex digits; returns how many. */
static inline uint32_t hex(const char *text, uint8_t *out)
{
    uint32_t size = 0;

    for (; *text != '\0'; text += 2) {
        const char digits[3] = {text[0], text[1], '\0'};
        out[size++] = (uint8_t)strtoul(digits, NULL, 16);
    }
    return size;
}

/* 1 when the data are these, else 0. */
static inline int is_hex(const uint8_t *data, uint32_t size, const char *text)
{
    uint8_t expected[1024];

    return strlen(text) == 2 * (size_t)size && hex(text, expected) == size &&
           memcmp(data, expected, size) == 0;
}

/* 1 when all of them are zero, else 0. */
static inline int is_zero(const void *data, size_t size)
{
    const uint8_t *bytes = data;
    uint8_t any = 0;

    for (size_t i = 0; i < size; i++) {
        any |= bytes[i];
    }
    return any == 0;
}

#endif
