/* Known answers where there is a compiler for a processor and no C library: 32 bits, and
 * big-endian. What the core wants of a library stands here, and nothing of the arena is linked,
 * which is the system's business and no processor's. Linux only; exits with the number of the
 * first check that fails, or 0. */
#include <stddef.h>
#include <stdint.h>

#include "kf_core.h"

/* ---------------------------------------------------------------- instead of a library */

void *memcpy(void *restrict to, const void *restrict from, size_t size);
void *memmove(void *to, const void *from, size_t size);
void *memset(void *to, int value, size_t size);
int memcmp(const void *a, const void *b, size_t size);
unsigned long getauxval(unsigned long type);
_Noreturn void _start(void);

void *memmove(void *to, const void *from, size_t size)
{
    uint8_t *out = to;
    const uint8_t *in = from;

    if ((uintptr_t)to - (uintptr_t)from >= size) {
        for (size_t i = 0; i < size; i++) {
            out[i] = in[i];
        }
    } else {
        while (size-- > 0) {
            out[size] = in[size];
        }
    }
    return to;
}

void *memcpy(void *restrict to, const void *restrict from, size_t size)
{
    return memmove(to, from, size);
}

void *memset(void *to, int value, size_t size)
{
    uint8_t *out = to;

    while (size-- > 0) {
        *out++ = (uint8_t)value;
    }
    return to;
}

int memcmp(const void *a, const void *b, size_t size)
{
    const uint8_t *one = a;
    const uint8_t *other = b;

    while (size > 0 && *one == *other) {
        one++;
        other++;
        size--;
    }
    return size > 0 ? *one - *other : 0;
}

/* Of an ARM processor: it says that it can do nothing special. */
unsigned long getauxval(unsigned long type)
{
    (void)type;
    return 0;
}

static _Noreturn void leave(int status)
{
    for (;;) {
#if defined(__aarch64__)
        register long number __asm__("x8") = 93;
        register long argument __asm__("x0") = status;
        __asm__ volatile("svc 0" : : "r"(number), "r"(argument) : "memory");
#elif defined(__i386__)
        __asm__ volatile("int $0x80" : : "a"(1), "b"(status) : "memory");
#endif
    }
}

/* ---------------------------------------------------------------- checks */

/* The public point of the scalar 1 begins with this (SP 800-186, 3.2.1.3). */
static const uint8_t base_x[8] = {0x6b, 0x17, 0xd1, 0xf2, 0xe1, 0x2c, 0x42, 0x47};

/* PKCS#8 of the scalar 1. */
static const uint8_t file[67] = {0x30, 0x41, 0x02, 0x01, 0x00, 0x30, 0x13, 0x06, 0x07, 0x2a,
                                 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86,
                                 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x04, 0x27, 0x30, 0x25,
                                 0x02, 0x01, 0x01, 0x04, 0x20, [66] = 1};

/* NIST SP 800-38B, D.1: AES-128, the empty message. */
static const uint8_t key[16] = {0x2b, 0x7e, 0x15, 0x16, 0x28, 0xae, 0xd2, 0xa6,
                                0xab, 0xf7, 0x15, 0x88, 0x09, 0xcf, 0x4f, 0x3c};
static const uint8_t empty_mac[16] = {0xbb, 0x1d, 0x69, 0x29, 0xe9, 0x59, 0x37, 0x28,
                                      0x7f, 0xa3, 0x7d, 0x12, 0x9b, 0x75, 0x67, 0x46};

static int check_all(void)
{
    uint8_t out[65];
    uint8_t scalar[32];
    uint32_t written;

    if (kf_tier_check(KF_TIER_PORTABLE) != KF_OK) {
        return 1;
    }
    if (kf_tier_check(KF_TIER_BEST) != KF_OK) {
        return 2;
    }
    if (kf_cmac(KF_TIER_PORTABLE, key, 16, key, 0, out) != KF_OK ||
        memcmp(out, empty_mac, sizeof empty_mac) != 0) {
        return 3;
    }
    if (kf_pkcs8_scalar(file, sizeof file, scalar, out) != KF_OK || scalar[31] != 1) {
        return 4;
    }
    if (kf_p256_public(scalar, out) != KF_OK || memcmp(out + 1, base_x, sizeof base_x) != 0) {
        return 5;
    }
    if (kf_base64_decode((const uint8_t *)"a2Y=", 4, out, 2, &written) != KF_OK ||
        out[0] != 'k' || out[1] != 'f') {
        return 6;
    }
    return 0;
}

/* A 32-bit x86 kernel aligns the stack as a call never would. */
#if defined(__i386__)
__attribute__((force_align_arg_pointer))
#endif
_Noreturn void
_start(void)
{
    leave(check_all());
}
