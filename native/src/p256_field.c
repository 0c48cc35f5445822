/* The field of P-256, with 32-bit limbs: plain C, and the same on every machine. */
#include "p256_field.h"

#include "secrecy.h"

/* p = 2^256 - 2^224 + 2^192 + 2^96 - 1. Its lowest limb is -1, so that -1/p mod 2^32 is 1 and
 * a Montgomery step multiplies by the limb that it gets rid of. */
static const uint32_t p[KF_LIMBS] = {0xffffffffu, 0xffffffffu, 0xffffffffu, 0x00000000u,
                                     0x00000000u, 0x00000000u, 0x00000001u, 0xffffffffu};

const kf_fe kf_fe_one = {{0x00000001u, 0x00000000u, 0x00000000u, 0xffffffffu, 0xffffffffu,
                          0xffffffffu, 0xfffffffeu, 0x00000000u}};

void kf_fe_select(kf_fe *to, const kf_fe *from, uint32_t mask)
{
    for (uint32_t i = 0; i < KF_LIMBS; i++) {
        to->limb[i] ^= (to->limb[i] ^ from->limb[i]) & mask;
    }
}

/* Bring a number with one limb more, below 2p, below p. */
static void reduce(kf_fe *out, const kf_fe *low, uint32_t high)
{
    kf_fe reduced;
    uint64_t borrow = 0;

    for (uint32_t i = 0; i < KF_LIMBS; i++) {
        const uint64_t difference = (uint64_t)low->limb[i] - p[i] - borrow;
        reduced.limb[i] = (uint32_t)difference;
        borrow = difference >> 63;
    }
    /* It was below p when taking p away borrows more than the limb above has. */
    const uint32_t below = kf_opaque(0u - (uint32_t)(((uint64_t)high - borrow) >> 63));
    *out = *low;
    kf_fe_select(out, &reduced, ~below);
}

void kf_fe_add(kf_fe *sum, const kf_fe *a, const kf_fe *b)
{
    kf_fe low;
    uint64_t carry = 0;

    for (uint32_t i = 0; i < KF_LIMBS; i++) {
        carry += (uint64_t)a->limb[i] + b->limb[i];
        low.limb[i] = (uint32_t)carry;
        carry >>= 32;
    }
    reduce(sum, &low, (uint32_t)carry);
}

void kf_fe_subtract(kf_fe *difference, const kf_fe *a, const kf_fe *b)
{
    uint64_t borrow = 0;
    uint64_t carry = 0;

    for (uint32_t i = 0; i < KF_LIMBS; i++) {
        const uint64_t limb = (uint64_t)a->limb[i] - b->limb[i] - borrow;
        difference->limb[i] = (uint32_t)limb;
        borrow = limb >> 63;
    }
    /* Below zero: p back. */
    const uint32_t mask = kf_opaque(0u - (uint32_t)borrow);
    for (uint32_t i = 0; i < KF_LIMBS; i++) {
        carry += (uint64_t)difference->limb[i] + (p[i] & mask);
        difference->limb[i] = (uint32_t)carry;
        carry >>= 32;
    }
}

/* Montgomery multiplication, operand scanning; above stays below 2^32 because a, b < p. */
void kf_fe_multiply(kf_fe *product, const kf_fe *a, const kf_fe *b)
{
    kf_fe t = {{0}};
    uint32_t above = 0;

    for (uint32_t i = 0; i < KF_LIMBS; i++) {
        const uint64_t digit = b->limb[i];
        uint64_t v = a->limb[0] * digit + t.limb[0];
        const uint64_t m = (uint32_t)v;
        uint64_t carry = v >> 32;
        uint64_t carry_p = (m * p[0] + m) >> 32;
        for (uint32_t j = 1; j < KF_LIMBS; j++) {
            v = a->limb[j] * digit + t.limb[j] + carry;
            carry = v >> 32;
            v = m * p[j] + (uint32_t)v + carry_p;
            t.limb[j - 1] = (uint32_t)v;
            carry_p = v >> 32;
        }
        v = above + carry + carry_p;
        t.limb[KF_LIMBS - 1] = (uint32_t)v;
        above = (uint32_t)(v >> 32);
    }
    reduce(product, &t, above);
}

/* a^(p - 2); the exponent is public. */
void kf_fe_invert(kf_fe *inverse, const kf_fe *a)
{
    const kf_fe base = *a;
    kf_fe power = kf_fe_one;

    for (uint32_t i = 32 * KF_LIMBS; i-- > 0;) {
        const uint32_t exponent = i / 32 == 0 ? p[0] - 2 : p[i / 32];
        kf_fe_multiply(&power, &power, &power);
        if (exponent >> i % 32 & 1) {
            kf_fe_multiply(&power, &power, &base);
        }
    }
    *inverse = power;
}

void kf_fe_write(uint8_t out[KF_FIELD_SIZE], const kf_fe *a)
{
    const kf_fe one = {{1}};
    kf_fe plain;

    kf_fe_multiply(&plain, a, &one);
    for (uint32_t i = 0; i < KF_FIELD_SIZE; i++) {
        out[KF_FIELD_SIZE - 1 - i] = (uint8_t)(plain.limb[i / 4] >> 8 * (i % 4));
    }
}
