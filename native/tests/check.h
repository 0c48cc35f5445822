/* How a check says what came of it. */
#ifndef KF_CHECK_H
#define KF_CHECK_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

static int failures;

static inline void report(const char *tier, const char *what, int passed)
{
    printf("%-6s %-8s %s\n", passed ? "ok" : "FAILED", tier, what);
    failures += !passed;
}

/* Bytes without a pattern, the same ones every time. */
static inline void fill(uint8_t *data, size_t size, uint32_t seed)
{
    for (size_t i = 0; i < size; i++) {
        seed = seed * 1664525u + 1013904223u;
        data[i] = (uint8_t)(seed >> 24);
    }
}

#endif
