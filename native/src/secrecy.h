/* What may be known of a secret, and when: every place where that changes goes through here. */
#ifndef KF_SECRECY_H
#define KF_SECRECY_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* These bytes are public from here on: they go over the air, or only say whether a check passed.
 * A build with KF_VALGRIND runs under memcheck with all keys marked as undefined; memcheck then
 * finds every branch and every address that depends on something which did not come by here. */
#if defined(KF_VALGRIND)
#include <valgrind/memcheck.h>
static inline void kf_declassify(const void *data, size_t size)
{
    (void)VALGRIND_MAKE_MEM_DEFINED(data, size);
}
#else
static inline void kf_declassify(const void *data, size_t size)
{
    (void)data;
    (void)size;
}
#endif

/* The same number, of which the compiler knows nothing any more: a mask that it cannot see
 * through cannot become a branch. */
static inline uint32_t kf_opaque(uint32_t value)
{
#if defined(__GNUC__)
    __asm__("" : "+r"(value));
    return value;
#else
    volatile uint32_t opaque = value;
    return opaque;
#endif
}

/* All ones when value is 0, else 0. */
static inline uint32_t kf_mask_if_zero(uint32_t value)
{
    return kf_opaque((uint32_t)(((uint64_t)value - 1) >> 32));
}

/* All ones when low <= value <= high, else 0; all three below 2^31. */
static inline uint32_t kf_mask_if_within(uint32_t value, uint32_t low, uint32_t high)
{
    return kf_opaque(0u - (~((value - low) | (high - value)) >> 31));
}

/* 1 when all bytes are equal, else 0; takes as long wherever the first difference is. */
static inline int kf_equal(const uint8_t *a, const uint8_t *b, size_t size)
{
    uint64_t different = 0;
    size_t i = 0;

    for (; i + 8 <= size; i += 8) {
        uint64_t x;
        uint64_t y;
        memcpy(&x, a + i, sizeof x);
        memcpy(&y, b + i, sizeof y);
        different |= x ^ y;
    }
    for (; i < size; i++) {
        different |= (uint64_t)(a[i] ^ b[i]);
    }
    /* Both halves pass the compiler by, or it could leave off at the first difference. */
    uint32_t equal = kf_mask_if_zero(kf_opaque((uint32_t)different) |
                                     kf_opaque((uint32_t)(different >> 32)));
    kf_declassify(&equal, sizeof equal);
    return (int)(equal & 1u);
}

#endif
