/* The field of P-256 (FIPS 186-5; SP 800-186, 3.2.1.3), in constant time. */
#ifndef KF_P256_FIELD_H
#define KF_P256_FIELD_H

#include <stdint.h>

#define KF_LIMBS 8
#define KF_FIELD_SIZE 32

/* A number below p as x * 2^256 mod p (Montgomery), limbs from the least significant on. All
 * results are below p again; arguments may be the result. */
typedef struct {
    uint32_t limb[KF_LIMBS];
} kf_fe;

extern const kf_fe kf_fe_one;

void kf_fe_add(kf_fe *sum, const kf_fe *a, const kf_fe *b);
void kf_fe_subtract(kf_fe *difference, const kf_fe *a, const kf_fe *b);
void kf_fe_multiply(kf_fe *product, const kf_fe *a, const kf_fe *b);

/* The inverse of 0 is 0. */
void kf_fe_invert(kf_fe *inverse, const kf_fe *a);

/* to = mask is all ones ? from : to */
void kf_fe_select(kf_fe *to, const kf_fe *from, uint32_t mask);

/* Big-endian, out of Montgomery form. */
void kf_fe_write(uint8_t out[KF_FIELD_SIZE], const kf_fe *a);

#endif
