/* The scalar of a PKCS#8 file (RFC 5208, 5; RFC 5915, 3).
 *
 * The structure of the file is public, and so is the public key in it; the 32 bytes of the
 * scalar are looked at by nothing here, only copied.
 */
#include <string.h>

#include "der.h"
#include "kf_core.h"
#include "secrecy.h"

#define SCALAR_SIZE 32
#define COORDINATE_SIZE 32
#define POINT_SIZE (1 + 2 * COORDINATE_SIZE)

static const uint8_t id_ec_public_key[] = {0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01};
static const uint8_t prime256v1[] = {0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07};

/* INTEGER version: 0 for PrivateKeyInfo, 1 for ECPrivateKey. */
static int32_t read_version(kf_der *from, uint8_t version)
{
    return kf_der_demand(from, KF_DER_INTEGER, &version, 1);
}

/* SEQUENCE { id-ecPublicKey, prime256v1 } */
static int32_t read_algorithm(kf_der *from)
{
    kf_der algorithm;

    if (kf_der_take(from, KF_DER_SEQUENCE, &algorithm) != KF_OK ||
        kf_der_demand(&algorithm, KF_DER_OBJECT_IDENTIFIER, id_ec_public_key,
                      sizeof id_ec_public_key) != KF_OK ||
        kf_der_demand(&algorithm, KF_DER_OBJECT_IDENTIFIER, prime256v1, sizeof prime256v1) !=
            KF_OK) {
        return KF_E_FORMAT;
    }
    return kf_der_end(&algorithm);
}

/* [0] { prime256v1 }, which may be missing: the algorithm has said it already. */
static int32_t read_parameters(kf_der *from)
{
    kf_der parameters;

    if (!kf_der_is_next(from, KF_DER_CONTEXT + 0)) {
        return KF_OK;
    }
    if (kf_der_take(from, KF_DER_CONTEXT + 0, &parameters) != KF_OK ||
        kf_der_demand(&parameters, KF_DER_OBJECT_IDENTIFIER, prime256v1, sizeof prime256v1) !=
            KF_OK) {
        return KF_E_FORMAT;
    }
    return kf_der_end(&parameters);
}

/* [1] { BIT STRING }, which may be missing; point.at is NULL then. No bit of it is unused. */
static int32_t read_public_key(kf_der *from, kf_der *point)
{
    kf_der tagged;

    point->at = NULL;
    point->left = 0;
    if (!kf_der_is_next(from, KF_DER_CONTEXT + 1)) {
        return KF_OK;
    }
    if (kf_der_take(from, KF_DER_CONTEXT + 1, &tagged) != KF_OK ||
        kf_der_take(&tagged, KF_DER_BIT_STRING, point) != KF_OK ||
        kf_der_end(&tagged) != KF_OK || point->left < 1) {
        return KF_E_FORMAT;
    }
    kf_declassify(point->at, point->left);
    const uint8_t unused_bits = point->at[0];
    point->at++;
    point->left--;
    return unused_bits == 0 ? KF_OK : KF_E_FORMAT;
}

/* OCTET STRING { SEQUENCE { 1, scalar, parameters, public key } } */
static int32_t read_private_key(kf_der *from, kf_der *scalar, kf_der *point)
{
    kf_der octets;
    kf_der key;

    if (kf_der_take(from, KF_DER_OCTET_STRING, &octets) != KF_OK ||
        kf_der_take(&octets, KF_DER_SEQUENCE, &key) != KF_OK || kf_der_end(&octets) != KF_OK ||
        read_version(&key, 1) != KF_OK ||
        kf_der_take(&key, KF_DER_OCTET_STRING, scalar) != KF_OK ||
        scalar->left != SCALAR_SIZE || read_parameters(&key) != KF_OK ||
        read_public_key(&key, point) != KF_OK) {
        return KF_E_FORMAT;
    }
    return kf_der_end(&key);
}

/* [0] attributes, which may be missing; whatever they say, they do not concern the scalar. */
static int32_t read_attributes(kf_der *from)
{
    kf_der attributes;
    kf_der one;

    if (!kf_der_is_next(from, KF_DER_CONTEXT + 0)) {
        return KF_OK;
    }
    if (kf_der_take(from, KF_DER_CONTEXT + 0, &attributes) != KF_OK) {
        return KF_E_FORMAT;
    }
    while (attributes.left > 0) {
        if (kf_der_take(&attributes, KF_DER_SEQUENCE, &one) != KF_OK) {
            return KF_E_FORMAT;
        }
    }
    return KF_OK;
}

static int32_t read_file(const uint8_t *der, uint32_t size, kf_der *scalar, kf_der *point)
{
    kf_der file = {der, size};
    kf_der info;

    if (kf_der_take(&file, KF_DER_SEQUENCE, &info) != KF_OK || kf_der_end(&file) != KF_OK ||
        read_version(&info, 0) != KF_OK || read_algorithm(&info) != KF_OK ||
        read_private_key(&info, scalar, point) != KF_OK || read_attributes(&info) != KF_OK) {
        return KF_E_FORMAT;
    }
    return kf_der_end(&info);
}

/* Compressed or not (SEC 1, 2.3.3), it is the scalar's own. */
static int32_t check_point(const kf_der *claimed, const uint8_t point[POINT_SIZE])
{
    uint8_t compressed[1 + COORDINATE_SIZE];
    int same = 0;

    compressed[0] = (uint8_t)(0x02 | (point[POINT_SIZE - 1] & 1));
    memcpy(compressed + 1, point + 1, COORDINATE_SIZE);
    if (claimed->left == POINT_SIZE) {
        same = kf_equal(claimed->at, point, POINT_SIZE);
    } else if (claimed->left == sizeof compressed) {
        same = kf_equal(claimed->at, compressed, sizeof compressed);
    }
    return same ? KF_OK : KF_E_FORMAT;
}

static int32_t read_scalar(const uint8_t *der, uint32_t size, uint8_t scalar[SCALAR_SIZE],
                           uint8_t point[POINT_SIZE])
{
    kf_der found;
    kf_der claimed;

    if (der == NULL) {
        return KF_E_ARGUMENT;
    }
    int32_t result = read_file(der, size, &found, &claimed);
    if (result == KF_OK) {
        result = kf_p256_public(found.at, point);
    }
    if (result == KF_OK && claimed.at != NULL) {
        result = check_point(&claimed, point);
    }
    if (result == KF_OK) {
        memmove(scalar, found.at, SCALAR_SIZE);
    }
    return result;
}

int32_t kf_pkcs8_scalar(const uint8_t *der, uint32_t size, uint8_t scalar[32], uint8_t point[65])
{
    if (scalar == NULL || point == NULL) {
        return KF_E_ARGUMENT;
    }
    const int32_t result = read_scalar(der, size, scalar, point);
    if (result != KF_OK) {
        memset(scalar, 0, SCALAR_SIZE);
        memset(point, 0, POINT_SIZE);
    }
    return result;
}
