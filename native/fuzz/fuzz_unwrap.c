/* kf_unwrap: a card's answers, right, nearly right, and any bytes at all. */
#include "card.h"

#define COMMANDS_MAX 8u
#define DATA_MAX 600u
#define OVERHEAD_MAX (16u + 16u + 2u)

enum { RIGHT, FLIPPED, CUT, WRONG_MAC, ANYTHING, SEALED, KINDS };

typedef struct {
    uint8_t plain[DATA_MAX + 2];
    uint32_t plain_size;
    uint8_t sent[DATA_MAX + OVERHEAD_MAX];
    uint32_t size;
    int is_right;
    int is_sealed; /* by the card, but not by its rules: what is in it is no padded ciphertext */
} reply;

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    CLAIM(kf_start(1) == KF_OK);
    return 0;
}

static uint32_t is_protected(uint32_t sw)
{
    return sw == 0x9000 || sw >> 8 == 0x62 || sw >> 8 == 0x63;
}

/* What the card means, and what arrives of it. */
static reply take_reply(const card *of, input *from)
{
    static const uint16_t words[] = {0x9000, 0x6283, 0x6310, 0x6985, 0x6100};
    reply made = {.is_right = 1};
    const uint32_t kind = input_byte(from) % KINDS;
    const uint32_t sw = words[input_byte(from) % 5];
    const uint32_t wanted = input_byte(from) * 3;
    const uint32_t size = wanted < DATA_MAX ? wanted : DATA_MAX;
    const exact data = input_take(from, size);

    if (data.size > 0) {
        memcpy(made.plain, data.data, data.size);
    }
    made.plain[data.size] = (uint8_t)(sw >> 8);
    made.plain[data.size + 1] = (uint8_t)sw;
    made.plain_size = data.size + 2;
    if (is_protected(sw)) {
        made.size = card_respond(of, data.data, data.size, sw, made.sent);
    } else {
        made.size = made.plain_size;
        memcpy(made.sent, made.plain, made.size);
    }
    exact_free(data);
    if (kind == FLIPPED) {
        made.sent[input_word(from) % made.size] ^= (uint8_t)(1u << input_byte(from) % 8);
        made.is_right = 0;
    } else if (kind == CUT) {
        const uint32_t cut = 1 + input_byte(from) % made.size;
        memmove(made.sent, made.sent + cut, made.size - cut);
        made.size -= cut;
        made.is_right = 0;
    } else if (kind == WRONG_MAC) {
        /* Right but for the last byte of the R-MAC that is compared. */
        if (made.size >= 3) {
            made.sent[made.size - 3] ^= 1;
            made.is_right = 0;
        }
    } else if (kind == SEALED && is_protected(sw)) {
        memcpy(made.sent, made.plain, made.plain_size - 2);
        made.size = card_seal(of, made.sent, made.plain_size - 2, sw);
        made.is_sealed = (of->terms.security_level & 0x20) != 0;
        made.is_right = !made.is_sealed;
    } else if (kind == ANYTHING) {
        const exact any = input_take(from, 40);
        made.size = any.size;
        if (any.size > 0) {
            memcpy(made.sent, any.data, any.size);
        }
        exact_free(any);
        made.is_right = 0;
    }
    return made;
}

static int32_t open_reply(kf_slot *slot, const reply *one, exact *answer)
{
    *answer = exact_copy(one->sent, one->size);
    return kf_unwrap(slot, answer->data, &answer->size);
}

/* What was read from sealed data is in it: padded and encrypted, it is how that begins. More than
 * a block of padding is accepted, so it need not be all of it. */
static void claim_within(const card *of, const reply *one, const uint8_t *data, uint32_t size,
                         uint32_t sw)
{
    uint8_t again[DATA_MAX + OVERHEAD_MAX];
    const uint32_t overhead = 2 + (uint32_t)of->terms.mac_size;
    const uint32_t whole = card_respond(of, data, size, sw, again) - overhead;

    CLAIM((one->plain_size - 2) % 16 == 0);
    CLAIM(whole + 2 <= one->plain_size && memcmp(again, one->plain, whole) == 0);
}

/* What a level promises of an answer that came through. size is that of the data opened. */
static void claim_sound(const card *of, const reply *one, int32_t result, const uint8_t *data,
                        uint32_t size)
{
    const uint32_t level = of->terms.security_level;

    if (result != KF_OK) {
        CLAIM(result == KF_E_FORMAT || result == KF_E_NO_RMAC || result == KF_E_RMAC ||
              result == KF_E_PADDING);
        CLAIM(!one->is_right && size == 0 && is_zero(data, one->size));
        return;
    }
    const uint32_t sw = (uint32_t)one->sent[one->size - 2] << 8 | one->sent[one->size - 1];
    if (one->is_right) {
        CLAIM(size == one->plain_size && memcmp(data, one->plain, size) == 0);
    } else if (one->is_sealed) {
        claim_within(of, one, data, size - 2, sw);
    } else if (level & 0x10) {
        /* Only an error, which nobody can protect, gets through when it was changed. */
        CLAIM(!is_protected(sw) && size == one->size);
    }
    if (!(level & 0x10) || !is_protected(sw)) {
        CLAIM(size == one->size && memcmp(data, one->sent, size) == 0);
    }
}

static uint32_t claim_dead(kf_slot *slot)
{
    uint8_t answer[2] = {0x90, 0x00};
    uint32_t size = sizeof answer;

    CLAIM(kf_unwrap(slot, answer, &size) == KF_E_STATE && size == 0 && answer[0] == 0);
    const uint8_t command[4] = {0x80, 0xf2, 0x40, 0x00};
    const uint32_t end_in = sizeof command;
    uint8_t out[64];
    uint32_t end;
    return kf_wrap_batch(slot, command, &end_in, 1, out, sizeof out, &end) == KF_E_STATE;
}

/* Sends so many commands that hold nothing; the card reads them one by one, when it answers. */
static void send_all(kf_slot *slot, uint32_t count, uint8_t *out, uint32_t capacity,
                     uint32_t *ends)
{
    uint8_t commands[4 * COMMANDS_MAX];
    uint32_t command_ends[COMMANDS_MAX];

    for (uint32_t i = 0; i < count; i++) {
        const uint8_t command[4] = {0x80, 0xe2, 0x00, (uint8_t)i};
        memcpy(commands + (size_t)4 * i, command, sizeof command);
        command_ends[i] = 4 * (i + 1);
    }
    CLAIM(kf_wrap_batch(slot, commands, command_ends, count, out, capacity, ends) == KF_OK);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    input from = {data, size};
    card of;
    uint8_t out[32 * COMMANDS_MAX];
    uint8_t field[32];
    uint32_t ends[COMMANDS_MAX];
    uint32_t begin = 0;
    int32_t result = KF_OK;
    int is_over = 0;

    card_make(&of, &from);
    const uint32_t count = 1 + input_byte(&from) % COMMANDS_MAX;
    card copy = of;
    kf_slot *other = card_open(&copy, KF_TIER_BEST);
    kf_slot *slot = card_open(&of, KF_TIER_PORTABLE);
    send_all(other, count, out, sizeof out, ends);
    send_all(slot, count, out, sizeof out, ends);
    for (uint32_t i = 0; i < count && !is_over; i++) {
        uint32_t le_at;
        exact answer;
        exact same;
        CLAIM(card_receive(&of, out + begin, ends[i] - begin, field, &le_at) == 0);
        begin = ends[i];
        const reply one = take_reply(&of, &from);
        result = open_reply(slot, &one, &answer);
        CLAIM(open_reply(other, &one, &same) == result);
        CLAIM(answer.size == same.size && memcmp(answer.data, same.data, answer.size) == 0);
        claim_sound(&of, &one, result, answer.data, answer.size);
        is_over = result != KF_OK ||
                  !is_protected((uint32_t)one.sent[one.size - 2] << 8 | one.sent[one.size - 1]);
        exact_free(same);
        exact_free(answer);
    }
    /* Over for good, or merely without a command that waits. */
    CLAIM(claim_dead(slot) == (uint32_t)is_over);
    kf_slot_put(other);
    kf_slot_put(slot);
    return 0;
}
