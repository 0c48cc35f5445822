/* The key block: a fob's secrets as tag(1) length(2) value. Tags and lengths are public. */
#include <string.h>

#include "kf_core.h"
#include "secrecy.h"

#define HEADER_SIZE 3u
#define SCALAR_SIZE 32u
#define IRK_SIZE 16u
#define DGI_SIZE 2u

/* Which tags have been there, and the one length of the static keys. */
typedef struct {
    uint32_t seen;
    uint32_t key_size;
} kf_progress;

#define SEEN(tag) (1u << (tag))
#define KEYS (SEEN(KF_TAG_ENC) | SEEN(KF_TAG_MAC) | SEEN(KF_TAG_DEK))

static int has_right_size(const kf_entry *entry, kf_progress *progress)
{
    switch (entry->tag) {
    case KF_TAG_ENC:
    case KF_TAG_MAC:
    case KF_TAG_DEK:
        if (progress->key_size == 0) {
            progress->key_size = entry->size;
        }
        return entry->size == progress->key_size &&
               (entry->size == 16 || entry->size == 24 || entry->size == 32);
    case KF_TAG_SCALAR:
        return entry->size == SCALAR_SIZE;
    case KF_TAG_IRK:
        return entry->size == IRK_SIZE;
    case KF_TAG_ITEM:
        return entry->size >= DGI_SIZE;
    default:
        return 0;
    }
}

static int32_t check(const kf_entry *entry, kf_progress *progress)
{
    if (!has_right_size(entry, progress)) {
        return KF_E_FORMAT;
    }
    if (entry->tag != KF_TAG_ITEM) {
        if (progress->seen & SEEN(entry->tag)) {
            return KF_E_FORMAT;
        }
        progress->seen |= SEEN(entry->tag);
    }
    return KF_OK;
}

/* *count counts all of them, whether there is room or not. */
static int32_t list(const uint8_t *block, uint32_t size, kf_entry *entries, uint32_t capacity,
                    uint32_t *count)
{
    kf_progress progress = {0, 0};
    uint32_t at = 0;

    while (at < size) {
        if (size - at < HEADER_SIZE) {
            return KF_E_FORMAT;
        }
        kf_declassify(block + at, HEADER_SIZE);
        const kf_entry entry = {.tag = block[at],
                                .offset = at + HEADER_SIZE,
                                .size = (uint32_t)block[at + 1] << 8 | block[at + 2]};
        if (size - entry.offset < entry.size || check(&entry, &progress) != KF_OK) {
            return KF_E_FORMAT;
        }
        if (*count < capacity) {
            entries[*count] = entry;
        }
        (*count)++;
        at = entry.offset + entry.size;
    }
    if ((progress.seen & KEYS) != KEYS) {
        return KF_E_FORMAT;
    }
    return *count <= capacity ? KF_OK : KF_E_SPACE;
}

int32_t kf_key_block(const uint8_t *block, uint32_t size, kf_entry *entries, uint32_t *count)
{
    if (block == NULL || entries == NULL || count == NULL) {
        return KF_E_ARGUMENT;
    }
    const uint32_t capacity = *count;
    *count = 0;
    const int32_t result = list(block, size, entries, capacity, count);
    if (result != KF_OK) {
        memset(entries, 0, capacity * sizeof *entries);
        *count = 0;
    }
    return result;
}
