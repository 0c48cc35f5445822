/* kf_session_open: the answer of a card, changed anywhere, by terms of every kind. */
#include "card.h"

static const uint32_t tiers[] = {KF_TIER_PORTABLE, KF_TIER_BEST};

typedef struct {
    int32_t result;
    uint32_t layout;
    uint8_t command[KF_EXTERNAL_AUTHENTICATE_MAX];
} opened;

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    CLAIM(kf_start(1) == KF_OK);
    return 0;
}

/* Nothing but a new session leads out of a dead one. */
static void claim_dead(kf_slot *slot)
{
    const uint8_t command[4] = {0x80, 0xca, 0x00, 0x00};
    const uint32_t size = sizeof command;
    uint8_t out[64];
    uint32_t end;
    uint8_t answer[2] = {0x90, 0x00};
    uint32_t answer_size = sizeof answer;

    CLAIM(kf_wrap_batch(slot, command, &size, 1, out, sizeof out, &end) == KF_E_STATE);
    CLAIM(kf_unwrap(slot, answer, &answer_size) == KF_E_STATE);
}

static opened open_with(const card *of, uint32_t tier, const kf_terms *terms, exact answer)
{
    const uint32_t size = terms->mac_size == 16 ? 37 : 21;
    const exact command = exact_new(size);
    opened made = {.layout = 77};
    kf_slot *slot = card_load(of, tier);

    made.result = kf_session_open(slot, terms, of->host_challenge, answer.data, answer.size,
                                  &made.layout, command.data);
    if (made.result == KF_OK) {
        memcpy(made.command, command.data, size);
    } else if (made.result != KF_E_ARGUMENT) {
        CLAIM(made.layout == 0 && is_zero(command.data, size));
    }
    if (made.result != KF_OK) {
        claim_dead(slot);
    }
    kf_slot_put(slot);
    exact_free(command);
    return made;
}

/* What is asked for is what the answer says of itself, though no cryptogram covers it. */
static void claim_agreed(const kf_terms *terms, uint32_t layout, exact answer)
{
    const uint8_t *rest = answer.data + 10;

    if (layout == KF_LAYOUT_REV3 || layout == KF_LAYOUT_REV3_GP_CONTEXT) {
        CLAIM(answer.size == 16 + 2 * (uint32_t)terms->mac_size);
        CLAIM(terms->key_version == 0 || (rest[4] == 0 && rest[5] == terms->key_version));
        return;
    }
    CLAIM(terms->key_version == 0 || rest[0] == terms->key_version);
    CLAIM(rest[1] == 0x03 && (terms->mac_size == 8 || rest[2] & 0x01));
    CLAIM(!(terms->security_level & 0x10) || rest[2] & 0x20);
    CLAIM(!(terms->security_level & 0x20) || rest[2] & 0x40);
    CLAIM(answer.size == 13 + 2 * (uint32_t)terms->mac_size + (rest[2] & 0x10 ? 3 : 0));
}

/* Changes some of the answer, its length too, or nothing at all. */
static exact meddle(const uint8_t *answer, uint32_t size, input *from, int *changed)
{
    const uint32_t kind = input_byte(from);

    if (kind == 0xff) {
        *changed = 1;
        return input_take(from, 64);
    }
    uint8_t whole[ANSWER_MAX + 1] = {0};
    memcpy(whole, answer, size);
    const uint32_t wanted = kind & 1 ? input_byte(from) % (sizeof whole + 1) : size;
    for (uint32_t changes = kind >> 1 & 3; changes > 0; changes--) {
        const uint32_t at = input_byte(from) % ANSWER_MAX;
        whole[at] ^= (uint8_t)input_byte(from);
    }
    *changed = wanted != size || memcmp(whole, answer, size) != 0;
    return exact_copy(whole, wanted);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    input from = {data, size};
    uint8_t genuine[ANSWER_MAX];
    card of;
    int changed = 0;

    card_make(&of, &from);
    const uint32_t genuine_size = card_answer(&of, genuine);
    const exact answer = meddle(genuine, genuine_size, &from, &changed);
    kf_terms terms = of.terms;
    if (input_byte(&from) & 1) {
        uint8_t *field = (uint8_t *)&terms;
        field[input_byte(&from) % sizeof terms] ^= (uint8_t)input_byte(&from);
    }
    const opened first = open_with(&of, tiers[0], &terms, answer);
    const opened second = open_with(&of, tiers[1], &terms, answer);
    CLAIM(first.result == second.result);
    CLAIM(first.result == KF_E_ARGUMENT || first.layout == second.layout);
    CLAIM(first.result != KF_OK || memcmp(first.command, second.command, 37) == 0);
    if (first.result == KF_OK) {
        claim_agreed(&terms, first.layout, answer);
    }
    if (memcmp(&terms, &of.terms, sizeof terms) == 0) {
        CLAIM(changed || first.result == KF_OK);
        if (first.result == KF_OK) {
            /* What was changed does not enter the keys. */
            CLAIM(first.layout == of.layout);
            card_authenticate(&of, first.command);
        }
    }
    exact_free(answer);
    return 0;
}
