/* AES in plain C11: one block at a time, bitsliced, constant in time on every machine.
 *
 * A chain of C-MACs is serial, so there is never a second block to fill a register with: what
 * counts is the latency of one. Hence fixslicing (Adomnicai and Peyrin, "Fixslicing AES-like
 * Ciphers", TCHES 2021/1): ShiftRows is not computed. After round i the state stands in a frame
 * that ShiftRows^i would lead out of, the round keys are kept in that frame, and MixColumns
 * finds row r + j in column c + i * j. There are four frames, for ShiftRows^4 changes nothing.
 */
#include "bitslice.h"
#include "subkeys.h"

#include <string.h>

/* What kf_sbox leaves out, in packed form: bits 0, 1, 5 and 6 of every byte. */
static const kf_packed sixty_three = {{0x0f0f0f0fu, 0xffffffffu, 0xf0f0f0f0u, 0}};

static inline kf_packed load_key(const uint8_t *keys, unsigned round)
{
    kf_packed p;

    memcpy(p.word, keys + round * KF_BLOCK, KF_BLOCK);
    return p;
}

/* ---------------------------------------------------------------- encryption */

/* MixColumns in frames 0 to 3. Of frame 2, twice two columns on is where one began; of frame 3,
 * three columns on is one back, and it is the high nibbles that stay right. */
static inline kf_planes mix_0(kf_planes q, kf_packed key)
{
    return kf_add_low(kf_mix_columns(q, 8, 16), key);
}

static inline kf_planes mix_1(kf_planes q, kf_packed key)
{
    return kf_add_low(kf_mix_columns(q, 9, 18), key);
}

static inline kf_planes mix_2(kf_planes q, kf_packed key)
{
    return kf_add_low(kf_mix_columns(q, 10, 16), key);
}

static inline kf_planes mix_3(kf_planes q, kf_packed key)
{
    return kf_add_high(kf_mix_columns(q, 7, 14), key);
}

/* The cipher (FIPS 197, 5.1) on a block in packed form. 10 and 14 rounds end in frame 2, 12
 * in frame 0; the last round key is kept in frame 0. */
static kf_packed encrypt_packed(const kf_key *key, kf_packed block)
{
    const uint8_t *keys = key->encryption;
    const unsigned rounds = key->rounds;
    kf_planes q = kf_unpack(kf_packed_add(block, load_key(keys, 0)));
    unsigned round = 1;

    for (;;) {
        q = mix_1(kf_sbox(q), load_key(keys, round));
        if (round + 1 == rounds) {
            break;
        }
        q = mix_2(kf_sbox(q), load_key(keys, round + 1));
        q = mix_3(kf_sbox(q), load_key(keys, round + 2));
        if (round + 3 == rounds) {
            break;
        }
        q = mix_0(kf_sbox(q), load_key(keys, round + 3));
        round += 4;
    }
    const kf_packed last = kf_pack(kf_sbox(q));
    return kf_packed_add(kf_unshift_rows(last, 4 - rounds % 4), load_key(keys, rounds));
}

/* ---------------------------------------------------------------- decryption */

/* The linear part of the affine map backwards: bit i is bits i + 2, i + 5 and i + 7. */
static inline kf_planes unmap(kf_planes q)
{
    const kf_planes out = {q.b2 ^ q.b5 ^ q.b7, q.b3 ^ q.b6 ^ q.b0, q.b4 ^ q.b7 ^ q.b1,
                           q.b5 ^ q.b0 ^ q.b2, q.b6 ^ q.b1 ^ q.b3, q.b7 ^ q.b2 ^ q.b4,
                           q.b0 ^ q.b3 ^ q.b5, q.b1 ^ q.b4 ^ q.b6};
    return out;
}

/* kf_sbox is an inversion, which is its own inverse, and then the map. */
static inline kf_planes unsubstitute(kf_planes q)
{
    return unmap(kf_sbox(unmap(q)));
}

/* MixColumns four times changes nothing, so three times undo it once. */
static inline kf_planes unmix(kf_planes q, unsigned frame)
{
    static const kf_packed none = {{0, 0, 0, 0}};

    for (unsigned i = 0; i < 3; i++) {
        switch (frame) {
        case 0:
            q = mix_0(q, none);
            break;
        case 1:
            q = mix_1(q, none);
            break;
        case 2:
            q = mix_2(q, none);
            break;
        default:
            q = mix_3(q, none);
            break;
        }
    }
    return q;
}

/* The cipher backwards (FIPS 197, 5.3), with the encryption's round keys. Only R-ENC needs it. */
static kf_packed decrypt_packed(const kf_key *key, kf_packed block)
{
    const uint8_t *keys = key->encryption;
    unsigned round = key->rounds;

    block = kf_packed_add(block, load_key(keys, round));
    block = kf_unshift_rows(block, round);
    block = kf_pack(unsubstitute(kf_unpack(block)));
    while (--round > 0) {
        block = kf_packed_add(block, load_key(keys, round));
        block = kf_pack(unsubstitute(unmix(kf_unpack(block), round % 4)));
    }
    return kf_packed_add(block, load_key(keys, 0));
}

/* ---------------------------------------------------------------- key expansion */

static uint32_t sub_word(uint32_t word)
{
    const kf_packed in = {{word, 0, 0, 0}};
    const kf_packed out = kf_pack(kf_sbox(kf_unpack(kf_transpose(in))));

    return kf_transpose(out).word[0] ^ 0x63636363u;
}

/* Into packed form and into the frame of their round; 63 goes along except into the first. */
static void slice_keys(kf_key *key)
{
    for (unsigned round = 0; round <= key->rounds; round++) {
        uint8_t *bytes = key->encryption + round * KF_BLOCK;
        kf_packed p = kf_packed_load(bytes);

        if (round > 0) {
            p = kf_packed_add(p, sixty_three);
        }
        if (round < key->rounds) {
            p = kf_unshift_rows(p, round);
        }
        memcpy(bytes, p.word, KF_BLOCK);
    }
}

static void portable_encrypt(const kf_key *key, const uint8_t in[KF_BLOCK], uint8_t out[KF_BLOCK])
{
    kf_packed_store(out, encrypt_packed(key, kf_packed_load(in)));
}

/* KeyExpansion (FIPS 197, 5.2). */
static void portable_expand(kf_key *key, const uint8_t *bytes, uint32_t size, uint32_t use)
{
    uint8_t *words = key->encryption;
    uint32_t rcon = 1;

    key->rounds = size / 4 + 6;
    memcpy(words, bytes, size);
    for (uint32_t at = size; at < (key->rounds + 1) * KF_BLOCK; at += 4) {
        uint32_t word = kf_column_load(words + at - 4);

        if (at % size == 0) {
            word = sub_word(kf_rotate(word, 8)) ^ rcon;
            rcon = rcon << 1 ^ (rcon >> 7) * 0x11b;
        } else if (size == 32 && at % size == 16) {
            word = sub_word(word);
        }
        kf_column_store(words + at, word ^ kf_column_load(words + at - size));
    }
    slice_keys(key);
    if (use & KF_FOR_CMAC) {
        static const uint8_t zeros[KF_BLOCK] = {0};

        portable_encrypt(key, zeros, key->k1);
        kf_double(key->k1, key->k1);
        kf_double(key->k1, key->k2);
    }
}

/* ---------------------------------------------------------------- modes */

static void portable_cbc_encrypt(const kf_key *key, const uint8_t icv[KF_BLOCK], const uint8_t *in,
                                 uint8_t *out, size_t blocks)
{
    kf_packed state = kf_packed_load(icv);

    for (size_t i = 0; i < blocks; i++) {
        state = encrypt_packed(key, kf_packed_add(state, kf_packed_load(in + i * KF_BLOCK)));
        kf_packed_store(out + i * KF_BLOCK, state);
    }
}

static void portable_cbc_decrypt(const kf_key *key, const uint8_t icv[KF_BLOCK], const uint8_t *in,
                                 uint8_t *out, size_t blocks)
{
    kf_packed previous = kf_packed_load(icv);

    for (size_t i = 0; i < blocks; i++) {
        const kf_packed block = kf_packed_load(in + i * KF_BLOCK);

        kf_packed_store(out + i * KF_BLOCK, kf_packed_add(decrypt_packed(key, block), previous));
        previous = block;
    }
}

/* The last block with its subkey: at most one block, padded when it is not whole. */
static kf_packed last_block(const kf_key *key, const uint8_t *message, size_t size)
{
    uint8_t padded[KF_BLOCK] = {0};

    if (size == KF_BLOCK) {
        return kf_packed_add(kf_packed_load(message), kf_packed_load(key->k1));
    }
    for (size_t i = 0; i < size; i++) {
        padded[i] = message[i];
    }
    padded[size] = 0x80;
    return kf_packed_add(kf_packed_load(padded), kf_packed_load(key->k2));
}

/* CMAC of first || message, where size is 1 or more (NIST SP 800-38B, 6.2). */
static kf_packed mac_after(const kf_key *key, kf_packed first, const uint8_t *message, size_t size)
{
    kf_packed state = encrypt_packed(key, first);

    for (; size > KF_BLOCK; size -= KF_BLOCK, message += KF_BLOCK) {
        state = encrypt_packed(key, kf_packed_add(state, kf_packed_load(message)));
    }
    return encrypt_packed(key, kf_packed_add(state, last_block(key, message, size)));
}

static void portable_chain_mac(const kf_key *key, uint8_t chain[KF_BLOCK], const uint8_t *message,
                               size_t size)
{
    kf_packed_store(chain, mac_after(key, kf_packed_load(chain), message, size));
}

static void portable_mac(const kf_key *key, const uint8_t *message, size_t size,
                         uint8_t out[KF_BLOCK])
{
    kf_packed mac;

    if (size > KF_BLOCK) {
        mac = mac_after(key, kf_packed_load(message), message + KF_BLOCK, size - KF_BLOCK);
    } else {
        mac = encrypt_packed(key, last_block(key, message, size));
    }
    kf_packed_store(out, mac);
}

const kf_aes kf_aes_portable = {
    "portable",           portable_expand,      portable_encrypt, portable_cbc_encrypt,
    portable_cbc_decrypt, portable_chain_mac,   portable_mac,
};
