/* A fob's content as STORE DATA commands, and content that is none.
 *
 *   cd native
 *   cc -std=c11 -O2 -Iinclude -Isrc tests/test_store_data.c src/[a-z]*.c -o /tmp/test && /tmp/test
 */
#include "opening.h"

#define OUT_MAX 8192u

/* ---------------------------------------------------------------- content */

/* One call gives what the calls one by one give, byte for byte; whatever the size of a block. */
static int one_call_agrees(const opening *from, const kf_item *items, uint32_t item_count)
{
    uint8_t one[OUT_MAX];
    uint8_t other[OUT_MAX];
    uint32_t one_ends[KF_BLOCKS_MAX + 1];
    uint32_t other_ends[KF_BLOCKS_MAX + 1];
    uint32_t one_count = KF_BLOCKS_MAX + 1;
    uint32_t other_count = KF_BLOCKS_MAX;
    uint32_t layout;
    const uint32_t first = 5 + 2 * (uint32_t)from->terms.mac_size;
    kf_slot *slot = kf_slot_get(tier);

    int agrees = load(slot, from) == KF_OK &&
                 kf_open_and_wrap(slot, &from->terms, from->host_challenge, from->answer,
                                  from->answer_size, &layout, items, item_count, one, sizeof one,
                                  one_ends, &one_count) == KF_OK &&
                 open_with(slot, from, other) == KF_OK &&
                 kf_wrap_store_data(slot, &from->terms, items, item_count, other + first,
                                    sizeof other - first, other_ends, &other_count) == KF_OK;
    agrees = agrees && one_count == other_count + 1 && one_ends[0] == first;
    for (uint32_t i = 0; agrees && i < other_count; i++) {
        agrees = one_ends[i + 1] == other_ends[i] + first;
    }
    agrees = agrees && memcmp(one, other, one_ends[one_count - 1]) == 0;
    kf_slot_put(slot);
    return agrees;
}

/* The DGI stream in the commands of level 01, where it goes in clear. */
static int stream_agrees(const opening *from, const kf_item *items, const char *stream,
                         uint32_t commands)
{
    uint8_t out[OUT_MAX];
    uint8_t found[512];
    uint32_t ends[64];
    uint32_t count = 64;
    uint32_t size = 0;
    uint32_t begin = 0;
    kf_slot *slot = open_session(from);

    if (kf_wrap_store_data(slot, &from->terms, items, 2, out, sizeof out, ends, &count) != KF_OK) {
        count = 0;
    }
    for (uint32_t i = 0; i < count; i++) {
        const uint32_t data = ends[i] - begin - 5 - from->terms.mac_size;
        memcpy(found + size, out + begin + 5, data);
        size += data;
        begin = ends[i];
    }
    kf_slot_put(slot);
    return count == commands && is_hex(found, size, stream);
}

/* EMV CPS 1.1, 2.2: FF announces two bytes more. */
static int lengths_agree(const opening *from)
{
    static const uint8_t value[255];
    const kf_item items[] = {{value, 254, 0xa002, 0}, {value, 255, 0xa005, 0}};
    uint8_t out[OUT_MAX];
    uint32_t ends[5];
    uint32_t count = 5;
    kf_slot *slot = open_session(from);

    const int agrees =
        kf_wrap_store_data(slot, &from->terms, items, 2, out, sizeof out, ends, &count) == KF_OK &&
        count == 5 && is_hex(out + 5, 4, "A002FE00") && is_hex(out + ends[1] + 5, 5, "A005FF00FF");
    kf_slot_put(slot);
    return agrees;
}

static void check_content(void)
{
    uint8_t value[300];
    const vector_fob *vector = &vector_fobs[0];
    opening from = read_opening(&vector->session);

    fill(value, sizeof value, 1);
    const kf_item items[] = {{value, 32, 0xa003, 1}, {value, 254, 0xa002, 0},
                             {value, 300, 0xa004, 1}, {value, 0, 0xa001, 0},
                             {value, 255, 0xa005, 0}, {value, 15, 0xa006, 1}};
    int agrees = 1;
    for (uint32_t block_size = 7; block_size < 256; block_size++) {
        from.terms.block_size = (uint8_t)block_size;
        agrees = agrees && one_call_agrees(&from, items, COUNT(items));
    }
    check("one call for a fob gives what three calls give", agrees);

    /* The key under the DEK is kaoh/globalplatform's storeDataTest: AES-CBC, IV 0; the padding
     * block behind it was computed with openssl. */
    opening other = from;
    hex("000102030405060708090A0B0C0D0E0F", other.keys[2]);
    hex("C35280", other.kcv + 6);
    hex("404142434445464748494A4B4C4D4E4F", value);
    const kf_item short_items[] = {{value, 16, 0x8113, 1}, {value, 2, 0xa001, 0}};
    const char *stream = "811320"
                         "D533E59B45A153ED7E5E9C5DFCFD4AAA"
                         "3E35B36E1E8D3260352B43D7269EB202"
                         "A001024041";
    other.terms.block_size = 200;
    agrees = stream_agrees(&other, short_items, stream, 3);
    for (uint32_t block_size = 1; block_size < 40; block_size++) {
        other.terms.block_size = (uint8_t)block_size;
        const uint32_t commands =
            (35 + block_size - 1) / block_size + (5 + block_size - 1) / block_size + 1;
        agrees = agrees && stream_agrees(&other, short_items, stream, commands);
    }
    check("a DGI is cut anywhere, under the DEK or not", agrees);
    other.terms.block_size = 200;
    check("a length of 254 is one byte, of 255 three", lengths_agree(&other));
}

static int refuses(kf_slot *slot, const kf_terms *terms, const kf_item *items, uint32_t item_count,
                   int32_t expected)
{
    static uint8_t out[1u << 17];
    uint32_t ends[KF_BLOCKS_MAX];
    uint32_t count = KF_BLOCKS_MAX;

    memset(out, 0xff, sizeof out);
    memset(ends, 0xff, sizeof ends);
    return kf_wrap_store_data(slot, terms, items, item_count, out, sizeof out, ends, &count) ==
               expected &&
           count == 0 && is_zero(out, sizeof out) && is_zero(ends, sizeof ends);
}

static void check_refused_content(void)
{
    static uint8_t value[65536];
    static uint8_t out[8192];
    static kf_item many[300];
    const opening from = read_opening(&vector_fobs[0].session);
    kf_terms terms = from.terms;
    const kf_item twice[] = {{value, 1, 1, 0}, {value, 1, 2, 0}, {value, 1, 1, 0}};
    const kf_item too_long[] = {{value, 65536, 1, 0}};
    const kf_item too_long_padded[] = {{value, 65520, 1, 1}};
    const kf_item no_value[] = {{NULL, 1, 1, 0}};
    uint32_t ends[KF_BLOCKS_MAX];
    uint32_t count = KF_BLOCKS_MAX;
    kf_slot *slot = open_session(&from);

    for (uint32_t i = 0; i < COUNT(many); i++) {
        many[i] = (kf_item){value, 1, (uint16_t)i, 0};
    }
    check("no items", refuses(slot, &terms, twice, 0, KF_E_CONTENT));
    check("a DGI given twice", refuses(slot, &terms, twice, 3, KF_E_CONTENT));
    check("a value too long", refuses(slot, &terms, too_long, 1, KF_E_CONTENT));
    check("a padded value too long", refuses(slot, &terms, too_long_padded, 1, KF_E_CONTENT));
    check("256 items and the last command", refuses(slot, &terms, many, 256, KF_E_CONTENT));
    check("no value", refuses(slot, &terms, no_value, 1, KF_E_ARGUMENT));
    terms.block_size = 1;
    check("257 commands", refuses(slot, &terms, (kf_item[]){{value, 253, 1, 0}}, 1, KF_E_CONTENT));
    terms.block_size = 0;
    check("blocks of no bytes", refuses(slot, &terms, twice, 2, KF_E_ARGUMENT));
    terms.block_size = 1;
    check("none of which ends the session: 256 commands",
          kf_wrap_store_data(slot, &terms, (kf_item[]){{value, 252, 1, 0}}, 1, out,
                             sizeof out, ends, &count) == KF_OK &&
              count == KF_BLOCKS_MAX);
    kf_slot_put(slot);
}

static void check_all(void)
{
    check_content();
    check_refused_content();
}

int main(void)
{
    return on_every_tier(check_all);
}
