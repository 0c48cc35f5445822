/* Data groupings (GP Card Specification 2.3.1, 11.11.3, with the lengths of EMV CPS 1.1, 2.2). */
#include "dgi.h"

void kf_grouping_begin(kf_grouping *grouping, const kf_item *item)
{
    const uint32_t size = kf_grouping_value_size(item);
    const uint32_t is_long = size >= KF_DGI_LONG_LENGTH;

    grouping->value = item->value;
    grouping->left = item->size;
    grouping->under_dek = item->under_dek;
    grouping->header_at = 0;
    grouping->header_size = is_long ? KF_DGI_HEADER_MAX : 3;
    grouping->header[0] = (uint8_t)(item->dgi >> 8);
    grouping->header[1] = (uint8_t)item->dgi;
    grouping->header[2] = (uint8_t)(is_long ? KF_DGI_LONG_LENGTH : size);
    grouping->header[3] = (uint8_t)(size >> 8);
    grouping->header[4] = (uint8_t)size;
    grouping->block_at = KF_BLOCK;
    memset(grouping->block, 0, KF_BLOCK);
}

/* CBC under the DEK, IV 0: of so many whole blocks, the last of which chains the next ones. */
static void encrypt_blocks(kf_grouping *grouping, const kf_slot *slot, const uint8_t *plain,
                           uint8_t *out, uint32_t blocks)
{
    slot->aes->cbc_encrypt(&slot->dek, grouping->block, plain, out, blocks);
    memmove(grouping->block, out + (size_t)KF_BLOCK * (blocks - 1), KF_BLOCK);
}

/* Make a block of ciphertext that does not go out in one piece, or that ends with the padding. */
static void encrypt_next(kf_grouping *grouping, kf_slot *slot)
{
    static const uint8_t padding[KF_BLOCK] = {0x80};
    const uint32_t size = grouping->left < KF_BLOCK ? grouping->left : KF_BLOCK;
    const uint8_t *plain = padding;

    if (size > 0) {
        uint8_t *mixed = slot->session.derived;
        memset(mixed, 0, KF_BLOCK);
        mixed[size % KF_BLOCK] = 0x80;
        memcpy(mixed, grouping->value, size);
        plain = mixed;
    }
    encrypt_blocks(grouping, slot, plain, grouping->block, 1);
    grouping->value += size;
    grouping->left -= size;
    grouping->block_at = 0;
}

/* Copy what there is of a piece; returns how much. */
static uint32_t read_piece(const uint8_t *piece, uint32_t piece_size, uint32_t *at, uint8_t *out,
                           uint32_t size)
{
    const uint32_t left = piece_size - *at;
    const uint32_t part = left < size ? left : size;

    memcpy(out, piece + *at, part);
    *at += part;
    return part;
}

/* Some of the next bytes of the value, encrypted. */
static uint32_t read_encrypted(kf_grouping *grouping, kf_slot *slot, uint8_t *out, uint32_t size)
{
    const uint32_t direct = grouping->left < size ? grouping->left : size;
    const uint32_t whole = direct - direct % KF_BLOCK;

    if (grouping->block_at == KF_BLOCK && whole > 0) {
        encrypt_blocks(grouping, slot, grouping->value, out, whole / KF_BLOCK);
        grouping->value += whole;
        grouping->left -= whole;
        return whole;
    }
    if (grouping->block_at == KF_BLOCK) {
        encrypt_next(grouping, slot);
    }
    return read_piece(grouping->block, KF_BLOCK, &grouping->block_at, out, size);
}

void kf_grouping_read_piecewise(kf_grouping *grouping, kf_slot *slot, uint8_t *out, uint32_t size)
{
    while (size > 0) {
        uint32_t part;
        if (grouping->header_at < grouping->header_size) {
            part = read_piece(grouping->header, grouping->header_size, &grouping->header_at, out,
                              size);
        } else if (grouping->under_dek) {
            part = read_encrypted(grouping, slot, out, size);
        } else {
            part = read_piece(grouping->value, size, &(uint32_t){0}, out, size);
            grouping->value += part;
        }
        out += part;
        size -= part;
    }
}
