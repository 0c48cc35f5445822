/* kf_wrap_batch: any bytes as commands, in a session whose card reads what comes of them. */
#include "card.h"

#define COMMANDS_MAX 16u
#define OVERHEAD_MAX (2u + 16u + 16u) /* extended Lc, padding, MAC */

typedef struct {
    exact commands;
    uint32_t ends[COMMANDS_MAX];
    uint32_t count;
} batch;

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    CLAIM(kf_start(1) == KF_OK);
    return 0;
}

/* Some lengths, and then the commands. The last may be as long as the input is. */
static batch take_batch(input *from)
{
    batch made = {.count = input_byte(from) % COMMANDS_MAX};
    uint32_t end = 0;

    for (uint32_t i = 0; i < made.count; i++) {
        end += input_byte(from);
        made.ends[i] = end;
    }
    made.commands = input_rest(from);
    for (uint32_t i = 0; i < made.count; i++) {
        if (made.ends[i] > made.commands.size || i == made.count - 1) {
            made.ends[i] = made.commands.size;
        }
    }
    return made;
}

/* The case of ISO/IEC 7816-4 that a plain command is, read backwards from what was sent. */
static void claim_same(const uint8_t *plain, uint32_t size, const uint8_t *secured,
                       const uint8_t *data, uint32_t data_size, const uint8_t *le,
                       uint32_t le_size)
{
    CLAIM(secured[0] == (plain[0] | 0x04) && memcmp(secured + 1, plain + 1, 3) == 0);
    const int extended = size >= 7 && plain[4] == 0;
    const uint32_t lengths = data_size == 0 ? (extended ? 1 : 0) : (extended ? 3 : 1);
    CLAIM(4 + lengths + data_size <= size);
    CLAIM(data_size == 0 || memcmp(plain + 4 + lengths, data, data_size) == 0);
    const uint32_t plain_le_size = size - 4 - lengths - data_size;
    const uint8_t *plain_le = plain + size - plain_le_size;
    if (plain_le_size == le_size) {
        CLAIM(le_size == 0 || memcmp(plain_le, le, le_size) == 0);
    } else {
        /* It has outgrown the short form; 00 means 256 there. */
        CLAIM(plain_le_size == 1 && le_size == 2 && le[1] == plain_le[0]);
        CLAIM(le[0] == (plain_le[0] == 0 ? 1 : 0));
    }
}

static void claim_received(card *of, const batch *sent, const uint8_t *out, const uint32_t *ends)
{
    const exact data = exact_new(sent->commands.size + 2 * OVERHEAD_MAX);
    uint32_t begin = 0;
    uint32_t from = 0;

    for (uint32_t i = 0; i < sent->count; i++) {
        uint32_t le_at;
        const uint32_t size =
            card_receive(of, out + begin, ends[i] - begin, data.data, &le_at);
        claim_same(sent->commands.data + from, sent->ends[i] - from, out + begin, data.data, size,
                   out + begin + le_at, ends[i] - begin - le_at);
        begin = ends[i];
        from = sent->ends[i];
    }
    exact_free(data);
}

/* Refused or not, the session goes on as if nothing had been. */
static void claim_alive(card *of, kf_slot *slot)
{
    const uint8_t command[] = {0x80, 0xe2, 0x80, 0x01, 0x02, 0xa5, 0x5a};
    const uint32_t size = sizeof command;
    uint8_t out[64];
    uint8_t data[64];
    uint32_t end;
    uint32_t le_at;

    CLAIM(kf_wrap_batch(slot, command, &size, 1, out, sizeof out, &end) == KF_OK);
    CLAIM(card_receive(of, out, end, data, &le_at) == 2 && le_at == end);
    CLAIM(memcmp(data, command + 5, 2) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    input from = {data, size};
    card of;

    card_make(&of, &from);
    const uint32_t short_by = input_byte(&from);
    const batch sent = take_batch(&from);
    const uint32_t room = sent.commands.size + sent.count * OVERHEAD_MAX;
    exact out = exact_new(room);
    uint32_t ends[COMMANDS_MAX];
    card again = of;
    kf_slot *slot = card_open(&of, KF_TIER_PORTABLE);
    kf_slot *other = card_open(&again, KF_TIER_BEST);
    int32_t result = kf_wrap_batch(slot, sent.commands.data, sent.ends, sent.count, out.data,
                                   room, ends);

    CLAIM(result == KF_OK || result == KF_E_FORMAT);
    if (result == KF_OK) {
        claim_received(&of, &sent, out.data, ends);
    } else {
        CLAIM(is_zero(out.data, room) && is_zero(ends, sent.count * sizeof *ends));
    }
    /* The other tier, into a buffer that is just large enough, or a little too small. */
    const uint32_t needed = result == KF_OK && sent.count > 0 ? ends[sent.count - 1] : room;
    const exact tight = exact_new(needed - (short_by < needed ? short_by : needed));
    uint32_t tight_ends[COMMANDS_MAX];
    const int32_t tight_result = kf_wrap_batch(other, sent.commands.data, sent.ends, sent.count,
                                               tight.data, tight.size, tight_ends);
    if (result == KF_OK && tight.size == needed) {
        CLAIM(tight_result == KF_OK);
        CLAIM(needed == 0 || sent.count == 0 || memcmp(tight.data, out.data, needed) == 0);
        CLAIM(memcmp(tight_ends, ends, sent.count * sizeof *ends) == 0);
        claim_received(&again, &sent, tight.data, tight_ends);
    } else if (result != KF_OK || sent.count > 0) {
        CLAIM(tight_result == (result == KF_OK ? KF_E_SPACE : result));
        CLAIM(is_zero(tight.data, tight.size));
    }
    claim_alive(&of, slot);
    claim_alive(&again, other);
    kf_slot_put(other);
    kf_slot_put(slot);
    exact_free(tight);
    exact_free(out);
    exact_free(sent.commands);
    return 0;
}
