/* AES with the ARMv8 Cryptography Extensions.
 *
 * AESE adds its operand first. So between two blocks of a chain nothing is left to be added to
 * the state: (last round key ^ next block ^ first round key) is the operand of the next block's
 * first AESE, and is computed beside the chain.
 */
#include "aes_armv8.h"

#ifdef KF_HAVE_ARMV8

#include <string.h>

#include "subkeys.h"

/* ---------------------------------------------------------------- rounds */

/* All rounds but the last key's addition; first is what the first of them adds. rounds is a
 * constant wherever this is inlined. */
KF_ARM_INLINE uint8x16_t rounds_after(const uint8_t *keys, uint8x16_t state, uint8x16_t first,
                                      unsigned rounds)
{
    state = vaesmcq_u8(vaeseq_u8(state, first));
    state = vaesmcq_u8(vaeseq_u8(state, vld1q_u8(keys + 1 * KF_BLOCK)));
    state = vaesmcq_u8(vaeseq_u8(state, vld1q_u8(keys + 2 * KF_BLOCK)));
    state = vaesmcq_u8(vaeseq_u8(state, vld1q_u8(keys + 3 * KF_BLOCK)));
    state = vaesmcq_u8(vaeseq_u8(state, vld1q_u8(keys + 4 * KF_BLOCK)));
    state = vaesmcq_u8(vaeseq_u8(state, vld1q_u8(keys + 5 * KF_BLOCK)));
    state = vaesmcq_u8(vaeseq_u8(state, vld1q_u8(keys + 6 * KF_BLOCK)));
    state = vaesmcq_u8(vaeseq_u8(state, vld1q_u8(keys + 7 * KF_BLOCK)));
    state = vaesmcq_u8(vaeseq_u8(state, vld1q_u8(keys + 8 * KF_BLOCK)));
    if (rounds > 10) {
        state = vaesmcq_u8(vaeseq_u8(state, vld1q_u8(keys + 9 * KF_BLOCK)));
        state = vaesmcq_u8(vaeseq_u8(state, vld1q_u8(keys + 10 * KF_BLOCK)));
    }
    if (rounds > 12) {
        state = vaesmcq_u8(vaeseq_u8(state, vld1q_u8(keys + 11 * KF_BLOCK)));
        state = vaesmcq_u8(vaeseq_u8(state, vld1q_u8(keys + 12 * KF_BLOCK)));
    }
    return vaeseq_u8(state, vld1q_u8(keys + (rounds - 1) * KF_BLOCK));
}

KF_ARM_INLINE uint8x16_t one_block(const kf_key *key, uint8x16_t block)
{
    const uint8_t *keys = key->encryption;
    const uint8x16_t first = vld1q_u8(keys);

    if (key->rounds == 10) {
        block = rounds_after(keys, block, first, 10);
    } else if (key->rounds == 12) {
        block = rounds_after(keys, block, first, 12);
    } else {
        block = rounds_after(keys, block, first, 14);
    }
    return veorq_u8(block, vld1q_u8(keys + key->rounds * KF_BLOCK));
}

KF_ARM static void armv8_encrypt(const kf_key *key, const uint8_t in[KF_BLOCK],
                                 uint8_t out[KF_BLOCK])
{
    vst1q_u8(out, one_block(key, vld1q_u8(in)));
}

/* ---------------------------------------------------------------- key expansion */

/* SubWord: with four equal columns the ShiftRows of AESE changes nothing. */
KF_ARM_INLINE uint32_t sub_word(uint32_t word)
{
    const uint8x16_t columns = vreinterpretq_u8_u32(vdupq_n_u32(word));

    return vgetq_lane_u32(vreinterpretq_u32_u8(vaeseq_u8(columns, vdupq_n_u8(0))), 0);
}

/* KeyExpansion (FIPS 197, 5.2); words are little-endian here, so RotWord turns right. */
KF_ARM_INLINE void expand_words(uint8_t *words, uint32_t size, uint32_t end)
{
    uint32_t rcon = 1;

    for (uint32_t at = size; at < end; at += 4) {
        uint32_t word;
        uint32_t before;

        memcpy(&word, words + at - 4, 4);
        memcpy(&before, words + at - size, 4);
        if (at % size == 0) {
            word = sub_word(word >> 8 | word << 24) ^ rcon;
            rcon = rcon << 1 ^ (rcon >> 7) * 0x11b;
        } else if (size == 32 && at % size == 16) {
            word = sub_word(word);
        }
        word ^= before;
        memcpy(words + at, &word, 4);
    }
}

KF_ARM static void armv8_expand(kf_key *key, const uint8_t *bytes, uint32_t size, uint32_t use)
{
    key->rounds = size / 4 + 6;
    memcpy(key->encryption, bytes, size);
    expand_words(key->encryption, size, (key->rounds + 1) * KF_BLOCK);
    if (use & KF_FOR_CMAC) {
        vst1q_u8(key->k1, one_block(key, vdupq_n_u8(0)));
        kf_double(key->k1, key->k1);
        kf_double(key->k1, key->k2);
    }
}

/* ---------------------------------------------------------------- CMAC */

/* The last block with its subkey (NIST SP 800-38B, 6.2). */
KF_ARM_INLINE uint8x16_t last_block(const kf_key *key, const uint8_t *message, size_t size)
{
    uint8_t padded[KF_BLOCK] = {0};

    if (size == KF_BLOCK) {
        return veorq_u8(vld1q_u8(message), vld1q_u8(key->k1));
    }
    for (size_t i = 0; i < size; i++) {
        padded[i] = message[i];
    }
    padded[size] = 0x80;
    return veorq_u8(vld1q_u8(padded), vld1q_u8(key->k2));
}

/* CMAC of first || message, where size is 1 or more. */
KF_ARM_INLINE uint8x16_t mac_after(const kf_key *key, uint8x16_t first, const uint8_t *message,
                                   size_t size, unsigned rounds)
{
    const uint8_t *keys = key->encryption;
    const uint8x16_t last = vld1q_u8(keys + rounds * KF_BLOCK);
    const uint8x16_t seam = veorq_u8(last, vld1q_u8(keys));
    uint8x16_t state = rounds_after(keys, first, vld1q_u8(keys), rounds);

    for (; size > KF_BLOCK; size -= KF_BLOCK, message += KF_BLOCK) {
        state = rounds_after(keys, state, veorq_u8(vld1q_u8(message), seam), rounds);
    }
    const uint8x16_t final = veorq_u8(last_block(key, message, size), seam);
    return veorq_u8(rounds_after(keys, state, final, rounds), last);
}

KF_ARM_INLINE uint8x16_t mac_any(const kf_key *key, uint8x16_t first, const uint8_t *message,
                                 size_t size)
{
    if (key->rounds == 10) {
        return mac_after(key, first, message, size, 10);
    }
    if (key->rounds == 12) {
        return mac_after(key, first, message, size, 12);
    }
    return mac_after(key, first, message, size, 14);
}

KF_ARM static void armv8_chain_mac(const kf_key *key, uint8_t chain[KF_BLOCK],
                                   const uint8_t *message, size_t size)
{
    vst1q_u8(chain, mac_any(key, vld1q_u8(chain), message, size));
}

KF_ARM static void armv8_mac(const kf_key *key, const uint8_t *message, size_t size,
                             uint8_t out[KF_BLOCK])
{
    if (size > KF_BLOCK) {
        vst1q_u8(out, mac_any(key, vld1q_u8(message), message + KF_BLOCK, size - KF_BLOCK));
    } else {
        vst1q_u8(out, one_block(key, last_block(key, message, size)));
    }
}

/* ---------------------------------------------------------------- CBC */

KF_ARM static void armv8_cbc_encrypt(const kf_key *key, const uint8_t icv[KF_BLOCK],
                                     const uint8_t *in, uint8_t *out, size_t blocks)
{
    uint8x16_t chain = vld1q_u8(icv);

    for (; blocks > 0; blocks--, in += KF_BLOCK, out += KF_BLOCK) {
        chain = one_block(key, veorq_u8(chain, vld1q_u8(in)));
        vst1q_u8(out, chain);
    }
}

/* The equivalent inverse cipher (FIPS 197, 5.3.5), with its round keys made on the way. */
KF_ARM static void armv8_cbc_decrypt(const kf_key *key, const uint8_t icv[KF_BLOCK],
                                     const uint8_t *in, uint8_t *out, size_t blocks)
{
    const uint8_t *keys = key->encryption;
    const unsigned rounds = key->rounds;
    uint8x16_t chain = vld1q_u8(icv);

    for (; blocks > 0; blocks--, in += KF_BLOCK, out += KF_BLOCK) {
        const uint8x16_t cipher = vld1q_u8(in);
        uint8x16_t state = vaesdq_u8(cipher, vld1q_u8(keys + rounds * KF_BLOCK));

        for (unsigned round = rounds - 1; round > 0; round--) {
            const uint8x16_t middle = vaesimcq_u8(vld1q_u8(keys + round * KF_BLOCK));

            state = vaesdq_u8(vaesimcq_u8(state), middle);
        }
        state = veorq_u8(state, vld1q_u8(keys));
        vst1q_u8(out, veorq_u8(state, chain));
        chain = cipher;
    }
}

const kf_aes kf_aes_armv8 = {
    "armv8",           armv8_expand,    armv8_encrypt, armv8_cbc_encrypt,
    armv8_cbc_decrypt, armv8_chain_mac, armv8_mac,
};

#endif
