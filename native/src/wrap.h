/* Securing commands, from inside of a slot with an open session. */
#ifndef KF_WRAP_H
#define KF_WRAP_H

#include "slot.h"

#define KF_CLA_SECURE_MESSAGING 0x04u
#define KF_SHORT_MAX 255u
#define KF_EXTENDED_MAX 65535u

/* Lc of a secured command with so many plain bytes of data: padding and MAC count, which can make
 * it outgrow the short form. */
static inline uint32_t kf_secured_lc(const kf_session *session, uint32_t size)
{
    if (session->level & KF_C_DECRYPTION && size > 0) {
        size += KF_BLOCK - size % KF_BLOCK;
    }
    return size + session->mac_size;
}

/* Write Lc; returns the place behind it. */
static inline uint8_t *kf_write_lc(uint8_t *at, uint32_t lc, uint32_t extended)
{
    if (extended) {
        *at++ = 0x00;
        *at++ = (uint8_t)(lc >> 8);
    }
    *at++ = (uint8_t)lc;
    return at;
}

/* 1 when so many commands more may wait for their answers, else 0. */
static inline int kf_may_wait(const kf_session *session, uint64_t count)
{
    return !(session->level & KF_R_MAC) || session->pending + count <= KF_PENDING_MAX;
}

/* What is encrypted to an ICV (6.2.6, 6.2.7): the counter of a command, with its first byte. */
static inline void kf_counter_block(uint8_t block[KF_BLOCK], uint8_t first, uint64_t counter)
{
    for (uint32_t i = 1; i < KF_BLOCK; i++) {
        block[KF_BLOCK - i] = i <= 8 ? (uint8_t)(counter >> 8 * (i - 1)) : 0;
    }
    block[0] = first;
}

/* Pad and encrypt a data field in place (6.2.6). */
void kf_encrypt(kf_slot *slot, uint8_t *data, uint32_t size);

/* Count a command, also one that has nothing to encrypt (6.2.6), and encrypt what it has if the
 * level says so. */
static inline void kf_encrypt_data(kf_slot *slot, uint8_t *data, uint32_t size)
{
    slot->session.counter++;
    if (slot->session.level & KF_C_DECRYPTION && size > 0) {
        kf_encrypt(slot, data, size);
    }
}

/* Append the C-MAC to so many bytes, header and Lc among them (6.2.4). Commands get theirs in
 * the order in which they were counted. */
void kf_append_mac(kf_slot *slot, uint8_t *out, uint32_t size);

/* The same, and expect an answer, which EXTERNAL AUTHENTICATE has not (7.1.3). */
void kf_seal(kf_slot *slot, uint8_t *out, uint32_t size);

#endif
