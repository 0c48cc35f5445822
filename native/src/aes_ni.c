/* AES with the x86 AES instructions.
 *
 * A C-MAC is one long chain of AESENC, so its floor is blocks * rounds * latency, and all else
 * has to happen beside the chain. AESENCLAST adds its operand last: given (last round key ^
 * first round key ^ next block), the state that it leaves is ready for the next block's first
 * AESENC, and not a cycle goes into the seam.
 */
#include "aes_ni.h"

#ifdef KF_HAVE_AESNI

#include <string.h>

KF_NI static void ni_encrypt(const kf_key *key, const uint8_t in[KF_BLOCK],
                             uint8_t out[KF_BLOCK])
{
    ni_store(out, ni_block(key, ni_load(in)));
}

/* ---------------------------------------------------------------- CMAC */

/* Windows into these make (bytes of a part, 80, zeros): what to take, and what to add. */
static const uint8_t take[32] = {0,    1,    2,    3,    4,    5,    6,    7,    8,    9,    10,
                                 11,   12,   13,   14,   15,   0x80, 0x80, 0x80, 0x80, 0x80, 0x80,
                                 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80};
static const uint8_t padding[32] = {[16] = 0x80};

/* Less than a block, with zeros behind. Not by way of memory: bytes that are loaded as a block
 * wait until they have left the store buffer, and the chain waits with them. */
KF_NI_INLINE __m128i few_bytes(const uint8_t *message, size_t size)
{
    uint64_t whole = 0; /* the first 8, when there are so many */
    uint64_t rest = 0;
    unsigned at = 0; /* bits of the rest that have been filled */

    if (size & 8) {
        memcpy(&whole, message, 8);
        message += 8;
    }
    if (size & 4) {
        uint32_t four;
        memcpy(&four, message, 4);
        message += 4;
        rest = four;
        at = 32;
    }
    if (size & 2) {
        uint16_t two;
        memcpy(&two, message, 2);
        message += 2;
        rest |= (uint64_t)two << at;
        at += 16;
    }
    if (size & 1) {
        rest |= (uint64_t)*message << at;
    }
    if (size < 8) {
        whole = rest;
        rest = 0;
    }
    return _mm_set_epi64x((long long)rest, (long long)whole);
}

/* The last block with its subkey (NIST SP 800-38B, 6.2): the end of size bytes, of which the
 * last part belongs to it. 16 bytes are read backwards from the end if that many are there. */
KF_NI_INLINE __m128i last_block(const kf_key *key, const uint8_t *message, size_t size, size_t part)
{
    const uint8_t *subkey = part == KF_BLOCK ? key->k1 : key->k2;
    __m128i block;

    if (size >= KF_BLOCK) {
        block = ni_load(message + size - KF_BLOCK);
        block = _mm_shuffle_epi8(block, ni_load(take + KF_BLOCK - part));
    } else {
        block = few_bytes(message, size);
    }
    block = _mm_xor_si128(block, ni_load(padding + KF_BLOCK - part));
    return _mm_xor_si128(block, ni_load(subkey));
}

/* CMAC of first || message, where size is 1 or more. */
KF_NI_INLINE __m128i mac_after(const kf_key *key, __m128i first, const uint8_t *message,
                               size_t size, __m128i final, unsigned rounds)
{
    const uint8_t *keys = key->encryption;
    const __m128i last = ni_key(keys + rounds * KF_BLOCK);
    const __m128i seam = _mm_xor_si128(last, ni_key(keys));
    __m128i state = _mm_xor_si128(first, ni_key(keys));

    final = _mm_xor_si128(final, seam);
    for (; size > KF_BLOCK; size -= KF_BLOCK, message += KF_BLOCK) {
        const __m128i next = _mm_xor_si128(ni_load(message), seam);

        state = _mm_aesenclast_si128(ni_middle(keys, state, rounds), next);
    }
    state = _mm_aesenclast_si128(ni_middle(keys, state, rounds), final);
    return _mm_aesenclast_si128(ni_middle(keys, state, rounds), last);
}

KF_NI_INLINE __m128i mac_any(const kf_key *key, __m128i first, const uint8_t *message,
                             size_t size, __m128i final)
{
    if (key->rounds == 10) {
        return mac_after(key, first, message, size, final, 10);
    }
    if (key->rounds == 12) {
        return mac_after(key, first, message, size, final, 12);
    }
    return mac_after(key, first, message, size, final, 14);
}

KF_NI static void ni_chain_mac(const kf_key *key, uint8_t chain[KF_BLOCK], const uint8_t *message,
                               size_t size)
{
    const __m128i final = last_block(key, message, size, (size - 1) % KF_BLOCK + 1);

    ni_store(chain, mac_any(key, ni_load(chain), message, size, final));
}

KF_NI static void ni_mac(const kf_key *key, const uint8_t *message, size_t size,
                         uint8_t out[KF_BLOCK])
{
    if (size > KF_BLOCK) {
        const __m128i final = last_block(key, message, size, (size - 1) % KF_BLOCK + 1);
        const __m128i first = ni_load(message);

        ni_store(out, mac_any(key, first, message + KF_BLOCK, size - KF_BLOCK, final));
    } else {
        ni_store(out, ni_block(key, last_block(key, message, size, size)));
    }
}

/* ---------------------------------------------------------------- CBC */

/* Only a few blocks ever go through this, so a cycle a block for the plain seam is well spent. */
KF_NI_INLINE void cbc_encrypt(const kf_key *key, __m128i chain, const uint8_t *in, uint8_t *out,
                              size_t blocks, unsigned rounds)
{
    const uint8_t *keys = key->encryption;
    const __m128i first = ni_key(keys);
    const __m128i last = ni_key(keys + rounds * KF_BLOCK);

    for (; blocks > 0; blocks--, in += KF_BLOCK, out += KF_BLOCK) {
        const __m128i next = _mm_xor_si128(ni_load(in), first);

        chain = ni_middle(keys, _mm_xor_si128(chain, next), rounds);
        chain = _mm_aesenclast_si128(chain, last);
        ni_store(out, chain);
    }
}

KF_NI static void ni_cbc_encrypt(const kf_key *key, const uint8_t icv[KF_BLOCK], const uint8_t *in,
                                 uint8_t *out, size_t blocks)
{
    if (key->rounds == 10) {
        cbc_encrypt(key, ni_load(icv), in, out, blocks, 10);
    } else if (key->rounds == 12) {
        cbc_encrypt(key, ni_load(icv), in, out, blocks, 12);
    } else {
        cbc_encrypt(key, ni_load(icv), in, out, blocks, 14);
    }
}

/* The equivalent inverse cipher (FIPS 197, 5.3.5), with its round keys made on the way. */
KF_NI static void ni_cbc_decrypt(const kf_key *key, const uint8_t icv[KF_BLOCK], const uint8_t *in,
                                 uint8_t *out, size_t blocks)
{
    const uint8_t *keys = key->encryption;
    const unsigned rounds = key->rounds;
    __m128i chain = ni_load(icv);

    for (; blocks > 0; blocks--, in += KF_BLOCK, out += KF_BLOCK) {
        const __m128i cipher = ni_load(in);
        __m128i state = _mm_xor_si128(cipher, ni_key(keys + rounds * KF_BLOCK));

        for (unsigned round = rounds - 1; round > 0; round--) {
            const __m128i middle = _mm_aesimc_si128(ni_key(keys + round * KF_BLOCK));

            state = _mm_aesdec_si128(state, middle);
        }
        state = _mm_aesdeclast_si128(state, ni_key(keys));
        ni_store(out, _mm_xor_si128(state, chain));
        chain = cipher;
    }
}

const kf_aes kf_aes_ni = {
    "aes-ni", kf_ni_expand, ni_encrypt, ni_cbc_encrypt, ni_cbc_decrypt, ni_chain_mac, ni_mac,
};

#endif
