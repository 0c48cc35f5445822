/* A session with a card made up here, which takes any number of commands. */
#ifndef KF_BUSY_H
#define KF_BUSY_H

#include <string.h>

#include "kf_core.h"

static const uint8_t key[16] = {0x40, 0x41, 0x42, 0x43, 0x44, 0x45, 0x46, 0x47,
                                0x48, 0x49, 0x4a, 0x4b, 0x4c, 0x4d, 0x4e, 0x4f};

static inline int32_t load(kf_slot *slot)
{
    static const uint8_t kcv[9] = {0x50, 0x4a, 0x77, 0x50, 0x4a, 0x77, 0x50, 0x4a, 0x77};

    return kf_slot_load(slot, key, key, key, sizeof key, kcv);
}

/* A session at the highest level with a card made up here: of the other layout, whose challenge
 * is random. */
static inline int32_t open_session(kf_slot *slot)
{
    const kf_terms terms = {.security_level = 0x33,
                            .mac_size = 8,
                            .layout_count = 1,
                            .layouts = {KF_LAYOUT_REV3},
                            .block_size = 200,
                            .aid_size = 5};
    const uint8_t host_challenge[8] = {1, 2, 3, 4, 5, 6, 7, 8};
    uint8_t answer[32] = {[16] = 9};
    uint8_t context[19] = {0};
    uint8_t s_mac[16];
    uint8_t command[KF_EXTERNAL_AUTHENTICATE_MAX];
    uint32_t layout;

    memcpy(context, answer + 11, 3);
    memcpy(context + 3, host_challenge, 8);
    memcpy(context + 11, answer + 16, 8);
    kf_kdf(KF_TIER_PORTABLE, key, 16, 6, context, sizeof context, 128, s_mac);
    kf_kdf(KF_TIER_PORTABLE, s_mac, 16, 0, context, sizeof context, 64, answer + 24);
    return kf_session_open(slot, &terms, host_challenge, answer, sizeof answer, &layout, command);
}

/* count commands of 65,519 bytes each, one after the other. */
#define BIG 65526u
#define BIG_COUNT 16u

static inline int32_t wrap_big(kf_slot *slot, uint32_t count)
{
    static uint8_t commands[BIG_COUNT * BIG];
    static uint8_t out[BIG_COUNT * (BIG + 64)];
    static uint32_t ends[BIG_COUNT];
    uint32_t out_ends[BIG_COUNT];

    for (uint32_t i = 0; i < count; i++) {
        const uint8_t header[7] = {0x80, 0xe2, 0, 0, 0, 0xff, 0xef};
        memcpy(commands + i * BIG, header, sizeof header);
        ends[i] = (i + 1) * BIG;
    }
    return kf_wrap_batch(slot, commands, ends, count, out, sizeof out, out_ends);
}

#endif
