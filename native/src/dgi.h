/* One data grouping on its way into STORE DATA commands. */
#ifndef KF_DGI_H
#define KF_DGI_H

#include <string.h>

#include "slot.h"

#define KF_DGI_HEADER_MAX 5
#define KF_DGI_VALUE_MAX 65535u
#define KF_DGI_LONG_LENGTH 0xffu /* in the place of a length: two more bytes hold it */

typedef struct {
    const uint8_t *value;
    uint32_t left; /* of the value, before it is encrypted */
    uint32_t under_dek;
    uint32_t header_at; /* how much of the header has been read, and of the block */
    uint32_t header_size;
    uint32_t block_at;
    uint8_t header[8];       /* tag and length; more than KF_DGI_HEADER_MAX, to copy it at once */
    uint8_t block[KF_BLOCK]; /* ciphertext, and the chaining value of the next block */
} kf_grouping;

/* ISO/IEC 9797-1 padding method 2 always adds at least one byte. */
static inline uint32_t kf_grouping_value_size(const kf_item *item)
{
    return item->under_dek ? item->size + KF_BLOCK - item->size % KF_BLOCK : item->size;
}

/* Bytes of tag, length and value as they go to the card; 0 when the value is too long. */
static inline uint32_t kf_grouping_size(const kf_item *item)
{
    const uint32_t size = kf_grouping_value_size(item);

    if (item->size > KF_DGI_VALUE_MAX || size > KF_DGI_VALUE_MAX) {
        return 0;
    }
    return (size < KF_DGI_LONG_LENGTH ? 3 : KF_DGI_HEADER_MAX) + size;
}

void kf_grouping_begin(kf_grouping *grouping, const kf_item *item);

void kf_grouping_read_piecewise(kf_grouping *grouping, kf_slot *slot, uint8_t *out,
                                uint32_t size);

/* Write the next size bytes of it, no more than are left. */
static inline void kf_grouping_read(kf_grouping *grouping, kf_slot *slot, uint8_t *out,
                                    uint32_t size)
{
    if (grouping->header_at == 0 && size >= sizeof grouping->header) {
        memcpy(out, grouping->header, sizeof grouping->header);
        grouping->header_at = grouping->header_size;
        out += grouping->header_size;
        size -= grouping->header_size;
    }
    if (grouping->under_dek || grouping->header_at < grouping->header_size) {
        kf_grouping_read_piecewise(grouping, slot, out, size);
    } else {
        memcpy(out, grouping->value, size);
        grouping->value += size;
    }
}

#endif
