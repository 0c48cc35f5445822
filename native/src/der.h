/* Reading DER (ITU-T X.690, 8.1 and 10.1): definite lengths in as few bytes as they need. */
#ifndef KF_DER_H
#define KF_DER_H

#include <stdint.h>

#define KF_DER_INTEGER 0x02u
#define KF_DER_BIT_STRING 0x03u
#define KF_DER_OCTET_STRING 0x04u
#define KF_DER_OBJECT_IDENTIFIER 0x06u
#define KF_DER_SEQUENCE 0x30u
#define KF_DER_CONTEXT 0xa0u /* plus the number; constructed */

/* What is left to be read. Tags and lengths are public, values are what they are. */
typedef struct {
    const uint8_t *at;
    uint32_t left;
} kf_der;

/* 1 when there is a value of that tag next, else 0. */
int kf_der_is_next(const kf_der *from, uint32_t tag);

/* Take the next value, which has that tag. KF_E_FORMAT. */
int32_t kf_der_take(kf_der *from, uint32_t tag, kf_der *value);

/* Take a value that is known byte for byte, and public. KF_E_FORMAT. */
int32_t kf_der_demand(kf_der *from, uint32_t tag, const uint8_t *expected, uint32_t size);

/* There is nothing left. KF_E_FORMAT. */
int32_t kf_der_end(const kf_der *from);

#endif
