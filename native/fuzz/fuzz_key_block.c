/* kf_key_block on any bytes. */
#include "input.h"
#include "kf_core.h"

#define CAPACITY_MAX 32u
#define SIZE_MAX_READ 3072u
#define ENTRIES_MAX (SIZE_MAX_READ / 3)

static uint32_t count_of(const kf_entry *entries, uint32_t count, uint32_t tag)
{
    uint32_t found = 0;

    for (uint32_t i = 0; i < count; i++) {
        found += entries[i].tag == tag;
    }
    return found;
}

/* The entries are the whole block, in order, and the rules of kf_core.h hold. */
static void check(exact block, const kf_entry *entries, uint32_t count)
{
    uint32_t at = 0;
    uint32_t key_size = 0;

    for (uint32_t i = 0; i < count; i++) {
        const kf_entry one = entries[i];
        CLAIM(one.offset == at + 3 && one.size <= block.size - one.offset);
        CLAIM(one.tag == block.data[at]);
        CLAIM(one.size == ((uint32_t)block.data[at + 1] << 8 | block.data[at + 2]));
        at = one.offset + one.size;
        if (one.tag <= KF_TAG_DEK) {
            CLAIM(key_size == 0 || key_size == one.size);
            CLAIM(one.size == 16 || one.size == 24 || one.size == 32);
            key_size = one.size;
        }
        CLAIM(one.tag != KF_TAG_SCALAR || one.size == 32);
        CLAIM(one.tag != KF_TAG_IRK || one.size == 16);
        CLAIM(one.tag != KF_TAG_ITEM || one.size >= 2);
    }
    CLAIM(at == block.size);
    CLAIM(count_of(entries, count, KF_TAG_ENC) == 1 && count_of(entries, count, KF_TAG_MAC) == 1);
    CLAIM(count_of(entries, count, KF_TAG_DEK) == 1);
    CLAIM(count_of(entries, count, KF_TAG_SCALAR) <= 1);
    CLAIM(count_of(entries, count, KF_TAG_IRK) <= 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    input from = {data, size};
    const uint32_t capacity = input_byte(&from) % CAPACITY_MAX;
    const exact block = input_take(&from, SIZE_MAX_READ);
    const exact room = exact_new(capacity * (uint32_t)sizeof(kf_entry));
    const exact more = exact_new(ENTRIES_MAX * (uint32_t)sizeof(kf_entry));
    kf_entry *all = (kf_entry *)(void *)more.data;
    uint32_t count = capacity;
    uint32_t all_count = ENTRIES_MAX;
    /* With no capacity at all there is no entry that could be misaligned. */
    kf_entry *entries = capacity > 0 ? (kf_entry *)(void *)room.data : all;
    const int32_t result = kf_key_block(block.data, block.size, entries, &count);

    CLAIM(result == KF_OK || result == KF_E_FORMAT || result == KF_E_SPACE);
    if (result == KF_OK) {
        CLAIM(count <= capacity);
        check(block, entries, count);
    } else {
        CLAIM(count == 0 && is_zero(room.data, room.size));
    }
    const int32_t roomy = kf_key_block(block.data, block.size, all, &all_count);
    CLAIM(result == KF_E_SPACE ? roomy == KF_OK && all_count > capacity : roomy == result);
    exact_free(more);
    exact_free(room);
    exact_free(block);
    return 0;
}
