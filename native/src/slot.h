/* One fob: its static keys and its session. */
#ifndef KF_SLOT_H
#define KF_SLOT_H

#include <stdatomic.h>
#include <stdint.h>

#include "aes.h"
#include "kf_core.h"

/* Bits of the security level (GP Amendment D v1.2, table 7-5). */
#define KF_C_DECRYPTION 0x02u
#define KF_R_MAC 0x10u
#define KF_R_ENCRYPTION 0x20u

/* A session, from EXTERNAL AUTHENTICATE on. */
typedef struct {
    kf_key s_enc; /* not at levels 01 and 11 */
    kf_key s_mac;
    kf_key s_rmac;                        /* with R-MAC */
    _Alignas(16) uint8_t chain[KF_BLOCK]; /* MAC chaining value (6.2.4) */
    _Alignas(16) uint8_t derived[2 * KF_BLOCK]; /* what has just been derived or computed */
    uint8_t host_cryptogram[KF_BLOCK];
    uint64_t counter; /* commands prepared so far: the encryption counter (6.2.6) */
    uint64_t sealed;  /* with R-MAC: those of them that have their C-MAC; all, between calls */
    uint64_t pending; /* those that wait for their answers */
    uint32_t used;    /* something may be in here */
    uint32_t open;    /* the card has been verified, and nothing has failed since */
    uint8_t level;
    uint8_t mac_size;
} kf_session;

struct kf_slot {
    _Alignas(64) atomic_uint busy;
    uint32_t loaded;
    const kf_aes *aes;
    uint32_t key_size;
    kf_key enc;
    kf_key mac;
    kf_key dek;
    kf_session session;
    /* The MAC chaining values of the commands that wait for their answers, as a ring; with
     * R-MAC only, which covers them (6.2.5). */
    _Alignas(16) uint8_t chains[KF_PENDING_MAX][KF_BLOCK];
};

/* A slot has one owner at a time: KF_OK, KF_E_BUSY, or KF_E_ARGUMENT when it is none. */
int32_t kf_slot_enter(kf_slot *slot);
void kf_slot_leave(kf_slot *slot);

/* The same, but wait for a thread that is inside; KF_OK or KF_E_ARGUMENT. */
int32_t kf_slot_enter_at_last(kf_slot *slot);

/* The place of the chaining value of command number counter, which begins with 1. */
static inline uint8_t *kf_slot_chain(kf_slot *slot, uint64_t counter)
{
    return slot->chains[(counter - 1) % KF_PENDING_MAX];
}

/* Of the chaining values only those places that were used: all of them would cost more than the
 * rest of the slot. */
void kf_slot_wipe_chains(kf_slot *slot);

/* From inside: forget the session, the keys of which may be half derived. */
void kf_session_end(kf_slot *slot);

#endif
