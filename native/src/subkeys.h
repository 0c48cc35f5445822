/* The subkeys of CMAC (NIST SP 800-38B, 6.1). */
#ifndef KF_SUBKEYS_H
#define KF_SUBKEYS_H

#include "aes.h"

/* Multiply by x in GF(2^128): the carry becomes a mask, never a branch. */
static inline void kf_double(const uint8_t in[KF_BLOCK], uint8_t out[KF_BLOCK])
{
    const unsigned carry = in[0] >> 7;
    const unsigned reduction = 0x87u & (0u - carry);

    for (unsigned i = 0; i < KF_BLOCK - 1; i++) {
        out[i] = (uint8_t)(in[i] << 1 | in[i + 1] >> 7);
    }
    out[KF_BLOCK - 1] = (uint8_t)((unsigned)in[KF_BLOCK - 1] << 1 ^ reduction);
}

#endif
