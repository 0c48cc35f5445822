/* Sessions that are opened from the published vectors, on the tier that is being tested. */
#ifndef KF_OPENING_H
#define KF_OPENING_H

#include "check.h"
#include "hex.h"
#include "kf_core.h"
#include "vectors.h"

#define COUNT(array) ((uint32_t)(sizeof(array) / sizeof *(array)))

static const char *tier_name;
static uint32_t tier;

static inline void check(const char *what, int passed)
{
    report(tier_name, what, passed);
}

/* A vector as the core wants it. */
typedef struct {
    kf_terms terms;
    uint8_t keys[3][32];
    uint8_t kcv[9];
    uint8_t host_challenge[16];
    uint8_t answer[64];
    uint32_t key_size;
    uint32_t answer_size;
} opening;

static inline opening read_opening(const vector_session *vector)
{
    opening made = {.terms = {.layout_count = 1, .store_data_last_p1 = 0x80, .block_size = 200}};
    uint8_t block[16];

    made.key_size = hex(vector->enc, made.keys[0]);
    hex(vector->mac, made.keys[1]);
    hex(vector->dek, made.keys[2]);
    for (uint32_t i = 0; i < 3; i++) {
        memset(block, 1, sizeof block);
        kf_encrypt_block(KF_TIER_PORTABLE, made.keys[i], made.key_size, block, block);
        memcpy(made.kcv + 3 * i, block, 3);
    }
    hex(vector->host_challenge, made.host_challenge);
    made.answer_size = hex(vector->answer, made.answer);
    made.terms.security_level = (uint8_t)vector->level;
    made.terms.mac_size = (uint8_t)vector->mac_size;
    made.terms.key_version = made.answer[10];
    made.terms.aid_size = (uint8_t)hex(vector->aid, made.terms.aid);
    if (!vector->aid_is_known) {
        /* Without the bit and without the counter, nothing is said about the challenge. */
        made.answer[12] &= 0xef;
        made.answer_size -= 3;
    }
    return made;
}

static inline int32_t load(kf_slot *slot, const opening *from)
{
    return kf_slot_load(slot, from->keys[0], from->keys[1], from->keys[2], from->key_size,
                        from->kcv);
}

static inline int32_t open_with(kf_slot *slot, const opening *from, uint8_t *command)
{
    uint32_t layout;

    return kf_session_open(slot, &from->terms, from->host_challenge, from->answer,
                           from->answer_size, &layout, command);
}

/* A slot with a session, or NULL. */
static inline kf_slot *open_session(const opening *from)
{
    uint8_t command[KF_EXTERNAL_AUTHENTICATE_MAX];
    kf_slot *slot = kf_slot_get(tier);

    if (slot != NULL && (load(slot, from) != KF_OK || open_with(slot, from, command) != KF_OK)) {
        kf_slot_put(slot);
        slot = NULL;
    }
    return slot;
}

static inline const vector_session *session_called(const char *name)
{
    for (uint32_t i = 0; i < COUNT(vector_sessions); i++) {
        if (strcmp(vector_sessions[i].name, name) == 0) {
            return &vector_sessions[i];
        }
    }
    exit(2);
}

/* Run checks on every tier that this CPU has; the exit status. */
static inline int on_every_tier(void (*checks)(void))
{
    static const char *const names[] = {"best", "portable", "aesni", "armv8"};

    if (kf_start(1) != KF_OK) {
        return 2;
    }
    for (tier = KF_TIER_BEST; tier <= KF_TIER_ARMV8; tier++) {
        tier_name = names[tier];
        if (kf_tier_available(tier)) {
            checks();
        }
    }
    return failures != 0;
}

#endif
