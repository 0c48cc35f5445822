/* A block of AES as bit planes, and the two forms that it takes on the way there.
 *
 * Packed: four words, plane j in the low nibbles of word j and plane j + 4 in the high ones.
 * Byte r of a word is row r, bit c of a nibble is column c. The four columns of a block turn
 * into it, and back, by one transposition of 4x4 bits.
 *
 * Planes: eight words, one bit of all 16 bytes each. Every nibble stands there twice, so that a
 * rotation by 8 + c leads to the next row and c columns on with one of the two still right.
 */
#ifndef KF_BITSLICE_H
#define KF_BITSLICE_H

#include "aes.h"
#include "sbox.h"

#define KF_LOW 0x0f0f0f0fu
#define KF_HIGH 0xf0f0f0f0u

typedef struct {
    uint32_t word[4];
} kf_packed;

/* ---------------------------------------------------------------- blocks and packed */

static inline uint32_t kf_column_load(const uint8_t *in)
{
    return (uint32_t)in[0] | (uint32_t)in[1] << 8 | (uint32_t)in[2] << 16 | (uint32_t)in[3] << 24;
}

static inline void kf_column_store(uint8_t *out, uint32_t column)
{
    out[0] = (uint8_t)column;
    out[1] = (uint8_t)(column >> 8);
    out[2] = (uint8_t)(column >> 16);
    out[3] = (uint8_t)(column >> 24);
}

static inline void kf_exchange(uint32_t *a, uint32_t *b, uint32_t mask, unsigned bits)
{
    const uint32_t difference = (*a >> bits ^ *b) & mask;

    *b ^= difference;
    *a ^= difference << bits;
}

/* Columns to packed, and packed to columns. */
static inline kf_packed kf_transpose(kf_packed p)
{
    kf_exchange(&p.word[0], &p.word[1], 0x55555555u, 1);
    kf_exchange(&p.word[2], &p.word[3], 0x55555555u, 1);
    kf_exchange(&p.word[0], &p.word[2], 0x33333333u, 2);
    kf_exchange(&p.word[1], &p.word[3], 0x33333333u, 2);
    return p;
}

static inline kf_packed kf_packed_load(const uint8_t *in)
{
    const kf_packed columns = {{kf_column_load(in), kf_column_load(in + 4), kf_column_load(in + 8),
                                kf_column_load(in + 12)}};

    return kf_transpose(columns);
}

static inline void kf_packed_store(uint8_t *out, kf_packed p)
{
    p = kf_transpose(p);
    kf_column_store(out, p.word[0]);
    kf_column_store(out + 4, p.word[1]);
    kf_column_store(out + 8, p.word[2]);
    kf_column_store(out + 12, p.word[3]);
}

static inline kf_packed kf_packed_add(kf_packed a, kf_packed b)
{
    const kf_packed sum = {{a.word[0] ^ b.word[0], a.word[1] ^ b.word[1], a.word[2] ^ b.word[2],
                            a.word[3] ^ b.word[3]}};
    return sum;
}

/* ---------------------------------------------------------------- packed and planes */

static inline uint32_t kf_double_low(uint32_t plane)
{
    plane &= KF_LOW;
    return plane | plane << 4;
}

static inline uint32_t kf_double_high(uint32_t plane)
{
    plane &= KF_HIGH;
    return plane | plane >> 4;
}

static inline kf_planes kf_unpack(kf_packed p)
{
    const kf_planes q = {kf_double_low(p.word[0]),  kf_double_low(p.word[1]),
                         kf_double_low(p.word[2]),  kf_double_low(p.word[3]),
                         kf_double_high(p.word[0]), kf_double_high(p.word[1]),
                         kf_double_high(p.word[2]), kf_double_high(p.word[3])};
    return q;
}

static inline kf_packed kf_pack(kf_planes q)
{
    const kf_packed p = {{(q.b0 & KF_LOW) | (q.b4 & KF_HIGH), (q.b1 & KF_LOW) | (q.b5 & KF_HIGH),
                          (q.b2 & KF_LOW) | (q.b6 & KF_HIGH), (q.b3 & KF_LOW) | (q.b7 & KF_HIGH)}};
    return p;
}

/* Add a round key where the low nibbles are the right ones, and double those. */
static inline kf_planes kf_add_low(kf_planes q, kf_packed k)
{
    q.b0 = kf_double_low(q.b0 ^ k.word[0]);
    q.b1 = kf_double_low(q.b1 ^ k.word[1]);
    q.b2 = kf_double_low(q.b2 ^ k.word[2]);
    q.b3 = kf_double_low(q.b3 ^ k.word[3]);
    q.b4 = kf_double_low(q.b4 ^ k.word[0] >> 4);
    q.b5 = kf_double_low(q.b5 ^ k.word[1] >> 4);
    q.b6 = kf_double_low(q.b6 ^ k.word[2] >> 4);
    q.b7 = kf_double_low(q.b7 ^ k.word[3] >> 4);
    return q;
}

/* The same where the high nibbles are the right ones. */
static inline kf_planes kf_add_high(kf_planes q, kf_packed k)
{
    q.b0 = kf_double_high(q.b0 ^ k.word[0] << 4);
    q.b1 = kf_double_high(q.b1 ^ k.word[1] << 4);
    q.b2 = kf_double_high(q.b2 ^ k.word[2] << 4);
    q.b3 = kf_double_high(q.b3 ^ k.word[3] << 4);
    q.b4 = kf_double_high(q.b4 ^ k.word[0]);
    q.b5 = kf_double_high(q.b5 ^ k.word[1]);
    q.b6 = kf_double_high(q.b6 ^ k.word[2]);
    q.b7 = kf_double_high(q.b7 ^ k.word[3]);
    return q;
}

/* ---------------------------------------------------------------- linear layers */

static inline uint32_t kf_rotate(uint32_t word, unsigned bits)
{
    return word >> bits | word << (32 - bits);
}

/* MixColumns (FIPS 197, 5.1.3): with t = a + next(a), a byte becomes 2 * t + next(a) +
 * next(next(t)). once and twice are the rotations that next does. */
static inline kf_planes kf_mix_columns(kf_planes a, unsigned once, unsigned twice)
{
    const kf_planes n = {kf_rotate(a.b0, once), kf_rotate(a.b1, once), kf_rotate(a.b2, once),
                         kf_rotate(a.b3, once), kf_rotate(a.b4, once), kf_rotate(a.b5, once),
                         kf_rotate(a.b6, once), kf_rotate(a.b7, once)};
    const kf_planes t = {a.b0 ^ n.b0, a.b1 ^ n.b1, a.b2 ^ n.b2, a.b3 ^ n.b3,
                         a.b4 ^ n.b4, a.b5 ^ n.b5, a.b6 ^ n.b6, a.b7 ^ n.b7};
    const kf_planes out = {t.b7 ^ n.b0 ^ kf_rotate(t.b0, twice),
                           t.b0 ^ t.b7 ^ n.b1 ^ kf_rotate(t.b1, twice),
                           t.b1 ^ n.b2 ^ kf_rotate(t.b2, twice),
                           t.b2 ^ t.b7 ^ n.b3 ^ kf_rotate(t.b3, twice),
                           t.b3 ^ t.b7 ^ n.b4 ^ kf_rotate(t.b4, twice),
                           t.b4 ^ n.b5 ^ kf_rotate(t.b5, twice),
                           t.b5 ^ n.b6 ^ kf_rotate(t.b6, twice),
                           t.b6 ^ n.b7 ^ kf_rotate(t.b7, twice)};
    return out;
}

static inline uint32_t kf_nibbles_left(uint32_t word, uint32_t rows, unsigned bits)
{
    const uint32_t high = bits == 1 ? 0xeeeeeeeeu : 0xccccccccu;
    const uint32_t turned = (word << bits & high) | (word >> (4 - bits) & ~high);

    return (word & ~rows) | (turned & rows);
}

/* ShiftRows^-times (FIPS 197, 5.3.1): row r goes times * r columns on. */
static inline kf_packed kf_unshift_rows(kf_packed p, unsigned times)
{
    /* The rows that go an odd number of columns, and those that go two or three. */
    static const uint32_t by_one[4] = {0, 0xff00ff00u, 0, 0xff00ff00u};
    static const uint32_t by_two[4] = {0, 0xffff0000u, 0xff00ff00u, 0x00ffff00u};

    for (unsigned i = 0; i < 4; i++) {
        p.word[i] = kf_nibbles_left(p.word[i], by_one[times % 4], 1);
        p.word[i] = kf_nibbles_left(p.word[i], by_two[times % 4], 2);
    }
    return p;
}

#endif
