/* What the two halves of the AES-NI tier share: keys and modes. */
#ifndef KF_AES_NI_H
#define KF_AES_NI_H

#include "aes.h"

#ifdef KF_HAVE_AESNI

#include <tmmintrin.h>
#include <wmmintrin.h>

/* Only the functions so marked hold the instructions; MSVC compiles the intrinsics as they are. */
#if defined(__GNUC__)
#define KF_NI __attribute__((target("aes,ssse3")))
#define KF_NI_INLINE static inline __attribute__((target("aes,ssse3"), always_inline))
#else
#define KF_NI
#define KF_NI_INLINE static __forceinline
#endif

KF_NI_INLINE __m128i ni_load(const uint8_t *in)
{
    return _mm_loadu_si128((const __m128i *)(const void *)in);
}

KF_NI_INLINE void ni_store(uint8_t *out, __m128i block)
{
    _mm_storeu_si128((__m128i *)(void *)out, block);
}

/* The instructions take aligned operands only, so loads that are to become part of one say so. */
KF_NI_INLINE __m128i ni_key(const uint8_t *key)
{
    return _mm_load_si128((const __m128i *)(const void *)key);
}

/* The same pointer, of which the compiler knows nothing any more. The keys of 10 rounds stay in
 * registers. Those of 12 and 14 do not fit, and a compiler that fetches them all the same leaves
 * copies on the stack; behind this it lets AESENC read them from where they are. */
KF_NI_INLINE const uint8_t *ni_keys(const uint8_t *keys, unsigned rounds)
{
#if defined(__GNUC__)
    if (rounds > 10) {
        __asm__("" : "+r"(keys));
    }
#else
    (void)rounds;
#endif
    return keys;
}

/* All rounds but the first key's addition and the last. rounds is a constant wherever this is
 * inlined, so no test of it is left. */
KF_NI_INLINE __m128i ni_middle(const uint8_t *keys, __m128i state, unsigned rounds)
{
    keys = ni_keys(keys, rounds);
    state = _mm_aesenc_si128(state, ni_key(keys + 1 * KF_BLOCK));
    state = _mm_aesenc_si128(state, ni_key(keys + 2 * KF_BLOCK));
    state = _mm_aesenc_si128(state, ni_key(keys + 3 * KF_BLOCK));
    state = _mm_aesenc_si128(state, ni_key(keys + 4 * KF_BLOCK));
    state = _mm_aesenc_si128(state, ni_key(keys + 5 * KF_BLOCK));
    state = _mm_aesenc_si128(state, ni_key(keys + 6 * KF_BLOCK));
    state = _mm_aesenc_si128(state, ni_key(keys + 7 * KF_BLOCK));
    state = _mm_aesenc_si128(state, ni_key(keys + 8 * KF_BLOCK));
    state = _mm_aesenc_si128(state, ni_key(keys + 9 * KF_BLOCK));
    if (rounds > 10) {
        state = _mm_aesenc_si128(state, ni_key(keys + 10 * KF_BLOCK));
        state = _mm_aesenc_si128(state, ni_key(keys + 11 * KF_BLOCK));
    }
    if (rounds > 12) {
        state = _mm_aesenc_si128(state, ni_key(keys + 12 * KF_BLOCK));
        state = _mm_aesenc_si128(state, ni_key(keys + 13 * KF_BLOCK));
    }
    return state;
}

KF_NI_INLINE __m128i ni_block_of(const kf_key *key, __m128i block, unsigned rounds)
{
    const uint8_t *keys = key->encryption;

    block = ni_middle(keys, _mm_xor_si128(block, ni_key(keys)), rounds);
    return _mm_aesenclast_si128(block, ni_key(keys + rounds * KF_BLOCK));
}

KF_NI_INLINE __m128i ni_block(const kf_key *key, __m128i block)
{
    if (key->rounds == 10) {
        return ni_block_of(key, block, 10);
    }
    return key->rounds == 12 ? ni_block_of(key, block, 12) : ni_block_of(key, block, 14);
}

/* KeyExpansion, as kf_aes.expand says (aes_ni_keys.c). */
void kf_ni_expand(kf_key *key, const uint8_t *bytes, uint32_t size, uint32_t use);

#endif
#endif
