/* The key expansion of the AES-NI tier. */
#include "aes_ni.h"

#ifdef KF_HAVE_AESNI

/* SubWord of one word, rotated or not, in all four columns (FIPS 197, 5.2). With four
 * equal columns ShiftRows changes nothing, and AESENCLAST is SubBytes and the addition of rcon.
 * AESKEYGENASSIST is microcode on many CPUs. */
KF_NI_INLINE __m128i sub_word(__m128i words, __m128i which, uint32_t rcon)
{
    return _mm_aesenclast_si128(_mm_shuffle_epi8(words, which), _mm_set1_epi32((int)rcon));
}

/* Each word plus all the words before it. */
KF_NI_INLINE __m128i sums(__m128i words)
{
    words = _mm_xor_si128(words, _mm_slli_si128(words, 4));
    return _mm_xor_si128(words, _mm_slli_si128(words, 8));
}

KF_NI_INLINE __m128i pick(uint32_t bytes)
{
    return _mm_set1_epi32((int)bytes);
}

#define LAST_ROTATED 0x0c0f0e0du
#define LAST 0x0f0e0d0cu
#define SECOND_ROTATED 0x04070605u

KF_NI_INLINE __m128i next_16(uint8_t *out, __m128i words, uint32_t rcon)
{
    words = _mm_xor_si128(sums(words), sub_word(words, pick(LAST_ROTATED), rcon));
    ni_store(out, words);
    return words;
}

/* Unrolled, for three of these open every fob: the fewer instructions one has, the more of them
 * are under way at once. */
KF_NI_INLINE void expand_16(uint8_t *out, const uint8_t *bytes)
{
    __m128i words = ni_load(bytes);

    ni_store(out, words);
    words = next_16(out + 1 * KF_BLOCK, words, 0x01);
    words = next_16(out + 2 * KF_BLOCK, words, 0x02);
    words = next_16(out + 3 * KF_BLOCK, words, 0x04);
    words = next_16(out + 4 * KF_BLOCK, words, 0x08);
    words = next_16(out + 5 * KF_BLOCK, words, 0x10);
    words = next_16(out + 6 * KF_BLOCK, words, 0x20);
    words = next_16(out + 7 * KF_BLOCK, words, 0x40);
    words = next_16(out + 8 * KF_BLOCK, words, 0x80);
    words = next_16(out + 9 * KF_BLOCK, words, 0x1b);
    next_16(out + 10 * KF_BLOCK, words, 0x36);
}

/* Six words a step: four in one register, two in the other. */
KF_NI_INLINE void expand_24(uint8_t *out, const uint8_t *bytes)
{
    __m128i four = ni_load(bytes);
    __m128i two = _mm_loadl_epi64((const __m128i *)(const void *)(bytes + 16));

    ni_store(out, four);
    _mm_storel_epi64((__m128i *)(void *)(out + 16), two);
    for (unsigned i = 0; i < 8; i++) {
        four = _mm_xor_si128(sums(four), sub_word(two, pick(SECOND_ROTATED), 1u << i));
        ni_store(out += 24, four);
        if (i < 7) {
            two = _mm_xor_si128(two, _mm_slli_si128(two, 4));
            two = _mm_xor_si128(two, _mm_shuffle_epi32(four, 0xff));
            _mm_storel_epi64((__m128i *)(void *)(out + 16), two);
        }
    }
}

KF_NI_INLINE void expand_32(uint8_t *out, const uint8_t *bytes)
{
    __m128i even = ni_load(bytes);
    __m128i odd = ni_load(bytes + 16);

    ni_store(out, even);
    ni_store(out += KF_BLOCK, odd);
    for (unsigned i = 0; i < 7; i++) {
        even = _mm_xor_si128(sums(even), sub_word(odd, pick(LAST_ROTATED), 1u << i));
        ni_store(out += KF_BLOCK, even);
        if (i < 6) {
            odd = _mm_xor_si128(sums(odd), sub_word(even, pick(LAST), 0));
            ni_store(out += KF_BLOCK, odd);
        }
    }
}

/* Multiply by x in GF(2^128) (NIST SP 800-38B, 6.1). */
KF_NI_INLINE __m128i doubled(__m128i block)
{
    const __m128i reverse = _mm_set_epi8(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    const __m128i number = _mm_shuffle_epi8(block, reverse);
    /* Bit 63 goes on to bit 64, and bit 127 comes back as 87. */
    const __m128i carries = _mm_shuffle_epi32(_mm_srai_epi32(number, 31), _MM_SHUFFLE(0, 1, 0, 3));
    const __m128i carried = _mm_and_si128(carries, _mm_set_epi32(0, 1, 0, 0x87));

    return _mm_shuffle_epi8(_mm_xor_si128(_mm_add_epi64(number, number), carried), reverse);
}

KF_NI void kf_ni_expand(kf_key *key, const uint8_t *bytes, uint32_t size, uint32_t use)
{
    key->rounds = size / 4 + 6;
    if (size == 16) {
        expand_16(key->encryption, bytes);
    } else if (size == 24) {
        expand_24(key->encryption, bytes);
    } else {
        expand_32(key->encryption, bytes);
    }
    if (use & KF_FOR_CMAC) {
        const __m128i k1 = doubled(ni_block(key, _mm_setzero_si128()));

        ni_store(key->k1, k1);
        ni_store(key->k2, doubled(k1));
    }
}

#endif
