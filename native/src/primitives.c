/* The primitives by themselves, for known answers and for comparison. */
#include <string.h>

#include "aes.h"
#include "kf_core.h"

/* Expand a key for one call, which wipes it; KF_OK, or what is wrong with tier or key. */
static int32_t begin(uint32_t tier, const uint8_t *bytes, uint32_t size, uint32_t use,
                     const kf_aes **aes, kf_key *key)
{
    *aes = kf_aes_tier(tier);
    if (*aes == NULL) {
        return KF_E_TIER;
    }
    if (bytes == NULL) {
        return KF_E_ARGUMENT;
    }
    if (size != 16 && size != 24 && size != 32) {
        return KF_E_KEY_LENGTH;
    }
    (*aes)->expand(key, bytes, size, use);
    return KF_OK;
}

int32_t kf_encrypt_block(uint32_t tier, const uint8_t *key, uint32_t key_size,
                         const uint8_t block[16], uint8_t out[16])
{
    const kf_aes *aes;
    kf_key expanded;

    if (block == NULL || out == NULL) {
        return KF_E_ARGUMENT;
    }
    const int32_t result = begin(tier, key, key_size, KF_FOR_BLOCKS, &aes, &expanded);
    if (result != KF_OK) {
        memset(out, 0, KF_BLOCK);
        return result;
    }
    aes->encrypt(&expanded, block, out);
    kf_wipe((uint8_t *)&expanded, sizeof expanded);
    return KF_OK;
}

static int32_t cbc(uint32_t tier, const uint8_t *key, uint32_t key_size, const uint8_t icv[16],
                   const uint8_t *data, uint32_t size, uint8_t *out, uint32_t backwards)
{
    const kf_aes *aes;
    kf_key expanded;

    if (icv == NULL || data == NULL || out == NULL) {
        return KF_E_ARGUMENT;
    }
    int32_t result = size % KF_BLOCK == 0 ? KF_OK : KF_E_ARGUMENT;
    if (result == KF_OK) {
        result = begin(tier, key, key_size, KF_FOR_BLOCKS, &aes, &expanded);
    }
    if (result != KF_OK) {
        memset(out, 0, size);
        return result;
    }
    if (backwards) {
        aes->cbc_decrypt(&expanded, icv, data, out, size / KF_BLOCK);
    } else {
        aes->cbc_encrypt(&expanded, icv, data, out, size / KF_BLOCK);
    }
    kf_wipe((uint8_t *)&expanded, sizeof expanded);
    return KF_OK;
}

int32_t kf_cbc_encrypt(uint32_t tier, const uint8_t *key, uint32_t key_size,
                       const uint8_t icv[16], const uint8_t *data, uint32_t size, uint8_t *out)
{
    return cbc(tier, key, key_size, icv, data, size, out, 0);
}

int32_t kf_cbc_decrypt(uint32_t tier, const uint8_t *key, uint32_t key_size,
                       const uint8_t icv[16], const uint8_t *data, uint32_t size, uint8_t *out)
{
    return cbc(tier, key, key_size, icv, data, size, out, 1);
}

int32_t kf_cmac(uint32_t tier, const uint8_t *key, uint32_t key_size, const uint8_t *message,
                uint32_t size, uint8_t mac[16])
{
    const kf_aes *aes;
    kf_key expanded;

    if (message == NULL || mac == NULL) {
        return KF_E_ARGUMENT;
    }
    const int32_t result = begin(tier, key, key_size, KF_FOR_CMAC, &aes, &expanded);
    if (result != KF_OK) {
        memset(mac, 0, KF_BLOCK);
        return result;
    }
    aes->mac(&expanded, message, size, mac);
    kf_wipe((uint8_t *)&expanded, sizeof expanded);
    return KF_OK;
}
