/* The key derivation of SCP03 (GP Amendment D v1.2, 4.1.5). */
#ifndef KF_KDF_H
#define KF_KDF_H

#include <stdint.h>

#include "aes.h"

/* Last byte of the label (GP Amendment D v1.2, table 4-1). */
#define KF_DERIVE_CARD_CRYPTOGRAM 0x00u
#define KF_DERIVE_HOST_CRYPTOGRAM 0x01u
#define KF_DERIVE_CARD_CHALLENGE 0x02u
#define KF_DERIVE_S_ENC 0x04u
#define KF_DERIVE_S_MAC 0x06u
#define KF_DERIVE_S_RMAC 0x07u

/* out has room for whole blocks, so that nothing derived passes through any other memory. */
void kf_derive(const kf_aes *aes, const kf_key *key, uint32_t constant, const uint8_t *context,
               uint32_t context_size, uint32_t bits, uint8_t *out);

#endif
