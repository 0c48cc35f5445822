/* Base64 in constant time (RFC 4648, 4): no table, no branch on what a character is. */
#include <string.h>

#include "kf_core.h"
#include "secrecy.h"

/* The six bits of a character; ones in *wrong when it has none. */
static uint32_t six_bits(uint32_t character, uint32_t *wrong)
{
    const uint32_t upper = kf_mask_if_within(character, 'A', 'Z');
    const uint32_t lower = kf_mask_if_within(character, 'a', 'z');
    const uint32_t digit = kf_mask_if_within(character, '0', '9');
    const uint32_t plus = kf_mask_if_zero(character ^ '+');
    const uint32_t slash = kf_mask_if_zero(character ^ '/');

    *wrong |= ~(upper | lower | digit | plus | slash);
    return (upper & (character - 'A')) | (lower & (character - 'a' + 26)) |
           (digit & (character - '0' + 52)) | (plus & 62u) | (slash & 63u);
}

/* How many '=' the text ends with, as far as two: that is its length, which is public. */
static uint32_t padding(const uint8_t *text, uint32_t size)
{
    const uint32_t one = kf_mask_if_zero(text[size - 1] ^ (uint32_t)'=');
    const uint32_t two = one & kf_mask_if_zero(text[size - 2] ^ (uint32_t)'=');
    uint32_t count = (one & 1u) + (two & 1u);

    kf_declassify(&count, sizeof count);
    return count;
}

/* Returns ones when a character does not belong there, else 0. */
static uint32_t decode(const uint8_t *text, uint32_t characters, uint8_t *out)
{
    uint32_t wrong = 0;
    uint32_t bits = 0;

    for (uint32_t i = 0; i < characters; i++) {
        bits = bits << 6 | six_bits(text[i], &wrong);
        /* A byte is complete after every character but the first of four. Bits that are left
         * over at the end are dropped, as other decoders do, zeros or not. */
        if (i % 4 != 0) {
            *out++ = (uint8_t)(bits >> (6 - 2 * (i % 4)));
        }
    }
    kf_declassify(&wrong, sizeof wrong);
    return wrong;
}

static int32_t decode_all(const uint8_t *text, uint32_t size, uint8_t *out, uint32_t capacity,
                          uint32_t *written)
{
    if (text == NULL) {
        return KF_E_ARGUMENT;
    }
    if (size % 4 != 0) {
        return KF_E_FORMAT;
    }
    const uint32_t padded = size == 0 ? 0 : padding(text, size);
    const uint32_t length = size / 4 * 3 - padded;
    if (length > capacity) {
        return KF_E_SPACE;
    }
    if (decode(text, size - padded, out)) {
        return KF_E_FORMAT;
    }
    *written = length;
    return KF_OK;
}

int32_t kf_base64_decode(const uint8_t *text, uint32_t size, uint8_t *out, uint32_t capacity,
                         uint32_t *written)
{
    if (out == NULL || written == NULL) {
        return KF_E_ARGUMENT;
    }
    *written = 0;
    const int32_t result = decode_all(text, size, out, capacity, written);
    if (result != KF_OK) {
        memset(out, 0, capacity);
    }
    return result;
}
