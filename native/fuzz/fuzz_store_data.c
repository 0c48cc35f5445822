/* kf_wrap_store_data and kf_open_and_wrap: items of any kind, put together again by the card. */
#include "card.h"

#define ITEMS_MAX 12u
#define BLOCK 16u
#define SECURED_MAX (7u + 255u + 16u + 16u)

typedef struct {
    kf_item items[ITEMS_MAX];
    exact values[ITEMS_MAX];
    uint32_t count;
} content;

typedef struct {
    exact out;
    exact ends;
    uint32_t count;
} sink;

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    CLAIM(kf_start(1) == KF_OK);
    return 0;
}

/* A long value repeats what little the input has for it. */
static exact take_value(input *from)
{
    const uint32_t scale = input_byte(from);
    const uint32_t size = scale < 0xf8 ? scale : (scale & 7) * 9363 + input_byte(from);
    const exact value = exact_new(size);
    const uint32_t fill = input_byte(from);

    for (uint32_t i = 0; i < size; i++) {
        value.data[i] = (uint8_t)(fill + i);
    }
    return value;
}

static content take_content(input *from)
{
    content made = {.count = input_byte(from) % (ITEMS_MAX + 1)};

    for (uint32_t i = 0; i < made.count; i++) {
        made.values[i] = take_value(from);
        made.items[i] = (kf_item){.value = made.values[i].data,
                                  .size = made.values[i].size,
                                  .dgi = (uint16_t)(0xa000 | input_byte(from)),
                                  .under_dek = (uint16_t)(input_byte(from) & 1)};
    }
    return made;
}

static sink sink_new(uint32_t capacity, uint32_t count)
{
    const sink made = {exact_new(capacity), exact_new(count * (uint32_t)sizeof(uint32_t)), count};
    return made;
}

/* Of a block of its own, for one of no elements is not aligned. */
static uint32_t *ends_of(sink to)
{
    return (uint32_t *)(void *)(to.ends.size > 0 ? to.ends.data : to.ends.block);
}

static void sink_free(sink used)
{
    exact_free(used.ends);
    exact_free(used.out);
}

/* ---------------------------------------------------------------- what is expected */

/* DGI, length, value (EMV CPS 1.1, 2.2); returns the size, 0 when it is too long. */
static uint32_t encode(const card *of, const kf_item *item, uint8_t *out)
{
    const uint32_t padding = item->under_dek ? BLOCK - item->size % BLOCK : 0;
    const uint32_t size = item->size + padding;
    const uint8_t zeros[BLOCK] = {0};
    uint8_t *at = out;

    if (size > 65535) {
        return 0;
    }
    *at++ = (uint8_t)(item->dgi >> 8);
    *at++ = (uint8_t)item->dgi;
    if (size > 254) {
        *at++ = 0xff;
        *at++ = (uint8_t)(size >> 8);
    }
    *at++ = (uint8_t)size;
    if (item->size > 0) {
        memcpy(at, item->value, item->size);
    }
    if (padding > 0) {
        memset(at + item->size, 0, padding);
        at[item->size] = 0x80;
        CLAIM(kf_cbc_encrypt(KF_TIER_BEST, of->dek, of->key_size, zeros, at, size, at) ==
              KF_OK);
    }
    return (uint32_t)(at - out) + size;
}

static int is_issued_twice(const content *one)
{
    for (uint32_t i = 0; i < one->count; i++) {
        for (uint32_t k = 0; k < i; k++) {
            if (one->items[i].dgi == one->items[k].dgi) {
                return 1;
            }
        }
    }
    return 0;
}

/* How many commands it takes, or 0 when it cannot be written. */
static uint32_t blocks_of(const card *of, const content *one, uint8_t *scratch)
{
    uint32_t blocks = 1;

    if (one->count == 0 || is_issued_twice(one)) {
        return 0;
    }
    for (uint32_t i = 0; i < one->count; i++) {
        const uint32_t size = encode(of, &one->items[i], scratch);
        if (size == 0) {
            return 0;
        }
        blocks += (size + of->terms.block_size - 1) / of->terms.block_size;
    }
    return blocks <= KF_BLOCKS_MAX ? blocks : 0;
}

/* ---------------------------------------------------------------- what came */

/* One command with the header that it must have; data gets its data field. */
static uint32_t receive(card *of, sink from, uint32_t index, uint32_t p2, int last, uint8_t *data)
{
    const uint32_t *ends = ends_of(from);
    const uint32_t begin = index == 0 ? 0 : ends[index - 1];
    const uint8_t *command = from.out.data + begin;
    uint32_t le_at;
    const uint32_t size = card_receive(of, command, ends[index] - begin, data, &le_at);

    CLAIM(le_at == ends[index] - begin);
    CLAIM(command[0] == 0x84 && command[1] == 0xe2 && command[3] == (uint8_t)p2);
    CLAIM(command[2] == (last ? of->terms.store_data_last_p1 : of->terms.store_data_p1));
    return size;
}

static void claim_received(card *of, const content *one, sink from, uint8_t *scratch)
{
    uint8_t data[SECURED_MAX];
    uint32_t index = 0;
    uint32_t p2 = 0;

    for (uint32_t i = 0; i < one->count; i++) {
        const uint32_t size = encode(of, &one->items[i], scratch);
        for (uint32_t at = 0; at < size;) {
            const uint32_t part = receive(of, from, index++, p2++, 0, data);
            const uint32_t left = size - at;
            CLAIM(part == (left < of->terms.block_size ? left : of->terms.block_size));
            CLAIM(memcmp(data, scratch + at, part) == 0);
            at += part;
        }
    }
    CLAIM(receive(of, from, index++, p2, 1, data) == 0);
    CLAIM(index == from.count);
}

/* ---------------------------------------------------------------- both ways */

/* Opens and writes in two calls, with room for everything. */
static sink write_slowly(card *of, const content *one, uint32_t blocks, uint8_t *scratch)
{
    sink to = sink_new(blocks * SECURED_MAX, blocks > 0 ? blocks : 3);
    kf_slot *slot = card_open(of, KF_TIER_PORTABLE);
    const int32_t result =
        kf_wrap_store_data(slot, &of->terms, one->items, one->count, to.out.data, to.out.size,
                           ends_of(to), &to.count);

    CLAIM(result == (blocks > 0 ? KF_OK : KF_E_CONTENT));
    if (result == KF_OK) {
        CLAIM(to.count == blocks);
        claim_received(of, one, to, scratch);
    } else {
        CLAIM(to.count == 0 && is_zero(to.ends.data, to.ends.size));
    }
    kf_slot_put(slot);
    return to;
}

/* In one call and on the other tier, into what is just enough, or a little too small. */
static void write_at_once(card *of, const content *one, sink slow, uint32_t needed,
                          uint32_t short_by, uint32_t fewer)
{
    uint8_t answer[ANSWER_MAX];
    const uint32_t answer_size = card_answer(of, answer);
    const uint32_t opening = 5 + 2 * (uint32_t)of->terms.mac_size;
    const uint32_t room = needed + opening;
    const uint32_t commands = slow.count + 1;
    sink to = sink_new(room - (short_by < room ? short_by : room),
                       commands - (fewer < commands ? fewer : commands));
    uint32_t layout;
    kf_slot *slot = card_load(of, KF_TIER_BEST);
    const uint32_t count_max = to.count;
    const int32_t result = kf_open_and_wrap(
        slot, &of->terms, of->host_challenge, answer, answer_size, &layout, one->items,
        one->count, to.out.data, to.out.size, ends_of(to), &to.count);

    if (to.out.size < room || count_max < commands) {
        CLAIM(result == KF_E_SPACE);
    } else {
        CLAIM(result == KF_OK && to.count == commands && ends_of(to)[0] == opening);
        CLAIM(memcmp(to.out.data + opening, slow.out.data, needed) == 0);
        card_authenticate(of, to.out.data);
    }
    if (result != KF_OK) {
        CLAIM(to.count == 0 && layout == 0 && is_zero(to.out.data, to.out.size));
        CLAIM(is_zero(to.ends.data, to.ends.size));
        CLAIM(kf_wrap_store_data(slot, &of->terms, one->items, one->count, answer, 0,
                                 ends_of(slow), &slow.count) == KF_E_STATE);
    }
    kf_slot_put(slot);
    sink_free(to);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    input from = {data, size};
    uint8_t *scratch = malloc(65536 + 16);
    card of;

    CLAIM(scratch != NULL);
    card_make(&of, &from);
    const uint32_t block_size = input_byte(&from);
    of.terms.block_size = (uint8_t)(block_size > 0 ? block_size : 1);
    const uint32_t short_by = input_byte(&from);
    const uint32_t fewer = input_byte(&from);
    const content one = take_content(&from);
    card again = of;
    const uint32_t blocks = blocks_of(&of, &one, scratch);
    const sink slow = write_slowly(&of, &one, blocks, scratch);
    if (blocks > 0) {
        write_at_once(&again, &one, slow, ends_of(slow)[blocks - 1], short_by, fewer);
    }
    sink_free(slow);
    for (uint32_t i = 0; i < one.count; i++) {
        exact_free(one.values[i]);
    }
    free(scratch);
    return 0;
}
