/* Reading DER (ITU-T X.690, 8.1 and 10.1). */
#include "der.h"

#include <string.h>

#include "kf_core.h"
#include "secrecy.h"

#define LONG_FORM 0x80u
#define LENGTH_BYTES_MAX 2u /* what is longer than 65535 is no key file */

int kf_der_is_next(const kf_der *from, uint32_t tag)
{
    if (from->left == 0) {
        return 0;
    }
    kf_declassify(from->at, 1);
    return from->at[0] == tag;
}

static void skip(kf_der *from, uint32_t size)
{
    from->at += size;
    from->left -= size;
}

static int32_t take_length(kf_der *from, uint32_t *length)
{
    if (from->left == 0) {
        return KF_E_FORMAT;
    }
    kf_declassify(from->at, 1);
    const uint32_t first = from->at[0];
    skip(from, 1);
    if (first < LONG_FORM) {
        *length = first;
        return KF_OK;
    }
    const uint32_t bytes = first - LONG_FORM;
    if (bytes == 0 || bytes > LENGTH_BYTES_MAX || from->left < bytes) {
        return KF_E_FORMAT;
    }
    kf_declassify(from->at, bytes);
    *length = bytes == 1 ? from->at[0] : (uint32_t)from->at[0] << 8 | from->at[1];
    skip(from, bytes);
    return *length < (bytes == 1 ? LONG_FORM : 0x100u) ? KF_E_FORMAT : KF_OK;
}

int32_t kf_der_take(kf_der *from, uint32_t tag, kf_der *value)
{
    uint32_t length;

    if (!kf_der_is_next(from, tag)) {
        return KF_E_FORMAT;
    }
    skip(from, 1);
    if (take_length(from, &length) != KF_OK || from->left < length) {
        return KF_E_FORMAT;
    }
    value->at = from->at;
    value->left = length;
    skip(from, length);
    return KF_OK;
}

int32_t kf_der_demand(kf_der *from, uint32_t tag, const uint8_t *expected, uint32_t size)
{
    kf_der value;

    if (kf_der_take(from, tag, &value) != KF_OK || value.left != size) {
        return KF_E_FORMAT;
    }
    kf_declassify(value.at, size);
    return memcmp(value.at, expected, size) == 0 ? KF_OK : KF_E_FORMAT;
}

int32_t kf_der_end(const kf_der *from)
{
    return from->left == 0 ? KF_OK : KF_E_FORMAT;
}
