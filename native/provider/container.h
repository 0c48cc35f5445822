/* What one fob gets, read strictly from its container and the files that every fob shares.
 *
 *     <FESN>-<SPID>/FESN.txt            8 ASCII letters and digits
 *                   irk_keyfob.key      base64 of the 16 bytes of the BLE IRK
 *                   keyfob_private.der  PKCS#8 of a P-256 key (RFC 5208, RFC 5915)
 *                   keyfob_public.der   device certificate (RFC 5280)
 *     <certificates>/ica_cert.der, cms_root_cert.der
 *     <keys>                            the static keys, as a key block of tags 01, 02 and 03
 */
#ifndef KF_PROVIDER_CONTAINER_H
#define KF_PROVIDER_CONTAINER_H

#include "kf_provider.h"
#include "pool.h"

#define KEYS_NAME_SIZE 256u
#define PRIVATE_KEY_SIZE_MAX 512u

/* Where what every fob shares comes from. */
typedef struct {
    int certificates;   /* a directory */
    int keys_directory; /* where the key file is */
    char keys[KEYS_NAME_SIZE];
    uint32_t kvn;
} shared_files;

/* Where secrets are while they are read; locked, and all zeros between two calls. */
typedef struct {
    uint8_t private_key[PRIVATE_KEY_SIZE_MAX];
    uint8_t text[64];
} container_scratch;

/* The sizes that the lease will have; no secret is read. */
int32_t container_measure(const content_pool *pool, const content *one, const shared_files *shared,
                          kf_lease_v1 *sizes);

/* Fills the buffers, which have the capacity, and kvn, kcv, fesn and spid. After a failure
 * there is no secret in them. */
int32_t container_read(const content_pool *pool, const content *one, const shared_files *shared,
                       container_scratch *scratch, kf_lease_v1 *lease);

/* The key check values of the key file: that there are three keys of one length is made sure. */
int32_t container_check_keys(const uint8_t *block, uint32_t size, uint8_t kcv[9]);

#endif
