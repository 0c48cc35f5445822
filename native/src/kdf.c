/* The key derivation of SCP03 (GP Amendment D v1.2, 4.1.5; NIST SP 800-108r1, 4.1). */
#include "kdf.h"

#include <string.h>

#include "kf_core.h"

#define BITS_MAX 256u

/* Label(12) || 00 || L(2) || i: just one block. Amendment D puts the counter after L. A stock
 * KBKDF with the counter in front derives other keys, and no card cryptogram ever matches. */
#define FIXED(constant, bits, i)                                                                  \
    {[11] = (constant), [13] = (bits) >> 8, [14] = (bits)&0xff, [15] = (i)}
#define FIXED_OF_ALL_LENGTHS(constant)                                                            \
    FIXED(constant, 64, 1), FIXED(constant, 128, 1), FIXED(constant, 192, 1),                     \
        FIXED(constant, 192, 2), FIXED(constant, 256, 1), FIXED(constant, 256, 2)
#define LENGTHS 6u

/* All that sessions need, ready made: a block put together from bytes holds AES up until they
 * have left the store buffer, at every derivation for as long as that takes itself. */
static const uint8_t fixed_blocks[][KF_BLOCK] = {
    FIXED_OF_ALL_LENGTHS(0), FIXED_OF_ALL_LENGTHS(1), FIXED_OF_ALL_LENGTHS(2),
    FIXED_OF_ALL_LENGTHS(3), FIXED_OF_ALL_LENGTHS(4), FIXED_OF_ALL_LENGTHS(5),
    FIXED_OF_ALL_LENGTHS(6), FIXED_OF_ALL_LENGTHS(7),
};

static void fixed_block(uint8_t block[KF_BLOCK], uint32_t constant, uint32_t bits, uint32_t i)
{
    if (constant <= KF_DERIVE_S_RMAC && bits % 64 == 0) {
        const uint32_t length = bits / 64 - 1 + (bits == 256) + (i - 1);
        memcpy(block, fixed_blocks[LENGTHS * constant + length], KF_BLOCK);
        return;
    }
    memset(block, 0, KF_BLOCK);
    block[11] = (uint8_t)constant;
    block[13] = (uint8_t)(bits >> 8);
    block[14] = (uint8_t)bits;
    block[15] = (uint8_t)i;
}

void kf_derive(const kf_aes *aes, const kf_key *key, uint32_t constant, const uint8_t *context,
               uint32_t context_size, uint32_t bits, uint8_t *out)
{
    for (uint32_t i = 1; 128 * (i - 1) < bits; i++) {
        uint8_t *block = out + (size_t)KF_BLOCK * (i - 1);
        fixed_block(block, constant, bits, i);
        if (context_size == 0) {
            aes->mac(key, block, KF_BLOCK, block);
        } else {
            aes->chain_mac(key, block, context, context_size);
        }
    }
}

int32_t kf_kdf(uint32_t tier, const uint8_t *key, uint32_t key_size, uint32_t constant,
               const uint8_t *context, uint32_t context_size, uint32_t bits, uint8_t *out)
{
    uint8_t derived[BITS_MAX / 8];
    kf_key expanded;

    if (out == NULL || bits == 0 || bits % 8 != 0 || bits > BITS_MAX) {
        return KF_E_ARGUMENT;
    }
    memset(out, 0, bits / 8);
    const kf_aes *aes = kf_aes_tier(tier);
    if (aes == NULL) {
        return KF_E_TIER;
    }
    if (key == NULL || context == NULL || constant > 0xff) {
        return KF_E_ARGUMENT;
    }
    if (key_size != 16 && key_size != 24 && key_size != 32) {
        return KF_E_KEY_LENGTH;
    }
    aes->expand(&expanded, key, key_size, KF_FOR_CMAC);
    kf_derive(aes, &expanded, constant, context, context_size, bits, derived);
    memcpy(out, derived, bits / 8);
    kf_wipe((uint8_t *)&expanded, sizeof expanded);
    kf_wipe(derived, sizeof derived);
    return KF_OK;
}
