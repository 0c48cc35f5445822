/* The answer to INITIALIZE UPDATE (GP Amendment D v1.2, table 7-3, and the other layout in use). */
#include "answer.h"

#include <string.h>

#include "kf_core.h"

#define DIVERSIFICATION_SIZE 10u
#define SCP03 0x03u

/* div(10) key information(1) counter(3) KVN(2) challenge cryptogram */
static int32_t read_rev3(kf_answer *answer, uint32_t size, const uint8_t *data, uint32_t data_size)
{
    if (data_size != DIVERSIFICATION_SIZE + 6 + 2 * size) {
        return KF_E_ANSWER;
    }
    const uint8_t *rest = data + DIVERSIFICATION_SIZE;
    answer->counter = rest + 1;
    answer->key_version = (uint32_t)rest[4] << 8 | rest[5];
    answer->has_i_param = 0;
    answer->i_param = 0;
    answer->challenge = rest + 6;
    return KF_OK;
}

/* div(10) KVN 03 i challenge cryptogram [counter(3)] */
static int32_t read_gp(kf_answer *answer, uint32_t size, const uint8_t *data, uint32_t data_size)
{
    const uint32_t least = DIVERSIFICATION_SIZE + 3 + 2 * size;

    if (data_size < least) {
        return KF_E_ANSWER;
    }
    const uint8_t *rest = data + DIVERSIFICATION_SIZE;
    answer->key_version = rest[0];
    answer->has_i_param = 1;
    answer->i_param = rest[2];
    answer->challenge = rest + 3;
    answer->counter = NULL;
    /* The counter is there when, and only when, the challenge is derived from it. */
    const uint32_t derived = answer->i_param & KF_I_PSEUDO_RANDOM_CHALLENGE;
    if (rest[1] != SCP03 || data_size != least + (derived ? KF_COUNTER_SIZE : 0)) {
        return KF_E_ANSWER;
    }
    if (derived) {
        answer->counter = data + least;
    }
    return KF_OK;
}

/* [counter] || host challenge || card challenge */
static int32_t make_context(kf_answer *answer, uint32_t layout, uint32_t size,
                            const uint8_t *host_challenge)
{
    uint8_t *at = answer->context;

    if (layout == KF_LAYOUT_REV3 || layout == KF_LAYOUT_GP_REV3_CONTEXT) {
        if (answer->counter == NULL) {
            return KF_E_ANSWER;
        }
        memcpy(at, answer->counter, KF_COUNTER_SIZE);
        at += KF_COUNTER_SIZE;
    }
    memcpy(at, host_challenge, size);
    memcpy(at + size, answer->challenge, size);
    answer->context_size = (uint32_t)(at + 2 * size - answer->context);
    return KF_OK;
}

int32_t kf_answer_read(kf_answer *answer, uint32_t layout, uint32_t size,
                       const uint8_t *host_challenge, const uint8_t *data, uint32_t data_size)
{
    const int is_rev3 = layout == KF_LAYOUT_REV3 || layout == KF_LAYOUT_REV3_GP_CONTEXT;
    const int32_t result = is_rev3 ? read_rev3(answer, size, data, data_size)
                                   : read_gp(answer, size, data, data_size);

    if (result != KF_OK) {
        return result;
    }
    answer->cryptogram = answer->challenge + size;
    return make_context(answer, layout, size, host_challenge);
}
