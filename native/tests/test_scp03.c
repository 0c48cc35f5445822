/* SCP03 sessions against published ones, on every tier that this CPU has.
 *
 *   cd native
 *   cc -std=c11 -O2 -Iinclude -Isrc tests/test_scp03.c src/[a-z]*.c -o /tmp/test && /tmp/test
 */
#include "opening.h"

#define OUT_MAX 8192u

static int32_t unwrap_hex(kf_slot *slot, const char *answer, uint8_t *data, uint32_t *size)
{
    *size = hex(answer, data);
    return kf_unwrap(slot, data, size);
}

/* ---------------------------------------------------------------- published vectors */

/* Answers can be opened as long as none is missing, which matters with R-MAC only. */
static int exchanges_agree(kf_slot *slot, const vector_session *vector)
{
    uint8_t plain[512];
    uint8_t out[512];
    uint32_t ends[1];
    uint32_t size;
    int answered = 1;

    for (uint32_t i = 0; i < COUNT(vector->exchanges); i++) {
        const vector_exchange *one = &vector->exchanges[i];
        if (one->plain == NULL) {
            return 1;
        }
        const uint32_t plain_ends[1] = {hex(one->plain, plain)};
        if (kf_wrap_batch(slot, plain, plain_ends, 1, out, sizeof out, ends) != KF_OK ||
            !is_hex(out, ends[0], one->wrapped)) {
            return 0;
        }
        answered = answered && one->response[0] != '\0';
        if (answered && (unwrap_hex(slot, one->response, out, &size) != KF_OK ||
                         !is_hex(out, size, one->opened))) {
            return 0;
        }
    }
    return 1;
}

static void check_derivations(void)
{
    uint8_t key[32];
    uint8_t context[64];
    uint8_t derived[32];

    for (uint32_t i = 0; i < COUNT(vector_derivations); i++) {
        const vector_derivation *vector = &vector_derivations[i];
        const uint32_t key_size = hex(vector->key, key);
        const uint32_t context_size = hex(vector->context, context);
        check(vector->name,
              kf_kdf(tier, key, key_size, vector->constant, context, context_size, vector->bits,
                     derived) == KF_OK &&
                  is_hex(derived, vector->bits / 8, vector->derived));
    }
}

static void check_sessions(void)
{
    uint8_t command[KF_EXTERNAL_AUTHENTICATE_MAX];

    for (uint32_t i = 0; i < COUNT(vector_sessions); i++) {
        const vector_session *vector = &vector_sessions[i];
        const opening from = read_opening(vector);
        kf_slot *slot = kf_slot_get(tier);
        check(vector->name,
              load(slot, &from) == KF_OK && open_with(slot, &from, command) == KF_OK &&
                  is_hex(command, 5 + 2 * vector->mac_size, vector->external_authenticate) &&
                  exchanges_agree(slot, vector));
        kf_slot_put(slot);
    }
}

/* All 11 commands in one call. */
static int fob_agrees(const vector_fob *vector)
{
    const opening from = read_opening(&vector->session);
    uint8_t plain[11 * 250];
    uint8_t out[OUT_MAX];
    uint32_t plain_ends[11];
    uint32_t ends[11];
    uint32_t at = 0;
    kf_slot *slot = open_session(&from);

    for (uint32_t block = 0; block < 11; block++) {
        const uint8_t header[5] = {0x80, 0xe2, block == 10 ? 0x80 : 0, (uint8_t)block,
                                   (uint8_t)vector->data_size};
        memcpy(plain + at, header, 5);
        at += 5;
        for (uint32_t i = 0; i < vector->data_size; i++) {
            plain[at++] = (uint8_t)(block * 37 + i);
        }
        plain_ends[block] = at;
    }
    const int agrees =
        kf_wrap_batch(slot, plain, plain_ends, 11, out, sizeof out, ends) == KF_OK &&
        is_hex(out, ends[0], vector->first) &&
        is_hex(out + ends[9], ends[10] - ends[9], vector->last);
    kf_slot_put(slot);
    return agrees;
}

static void check_fobs(void)
{
    for (uint32_t i = 0; i < COUNT(vector_fobs); i++) {
        check(vector_fobs[i].session.name, fob_agrees(&vector_fobs[i]));
    }
}

static void check_all(void)
{
    check_derivations();
    check_sessions();
    check_fobs();
}

int main(void)
{
    return on_every_tier(check_all);
}
