#define _POSIX_C_SOURCE 200809L

#include "container.h"

#include "file.h"
#include "kf_core.h"
#include "sentence.h"

#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#define FESN "FESN.txt"
#define IRK "irk_keyfob.key"
#define PRIVATE_KEY "keyfob_private.der"
#define DEVICE_CERTIFICATE "keyfob_public.der"
#define ICA "ica_cert.der"
#define CMS_ROOT "cms_root_cert.der"

#define SPID_DIGITS 40u
#define IRK_SIZE 16u /* Bluetooth Core Specification 5.4, vol 3, part H, 2.4.2.1 */
#define IRK_TEXT_SIZE 24u
#define SCALAR_SIZE 32u
#define POINT_SIZE 65u
#define CN_PREFIX_SIZE 7u

#define ITEM_HEADER_SIZE 6u   /* DGI and length */
#define SECRET_HEADER_SIZE 3u /* tag and length */

/* Where the next item or secret goes. */
typedef struct {
    uint8_t *at;
} cursor;

static uint8_t *item(cursor *items, uint32_t dgi, uint32_t size) {
    const uint8_t header[ITEM_HEADER_SIZE] = {(uint8_t)(dgi >> 8),   (uint8_t)dgi,
                                              (uint8_t)(size >> 24), (uint8_t)(size >> 16),
                                              (uint8_t)(size >> 8),  (uint8_t)size};
    memcpy(items->at, header, sizeof header);
    uint8_t *value = items->at + sizeof header;
    items->at = value + size;
    return value;
}

static uint8_t *secret(cursor *secrets, uint32_t tag, uint32_t size) {
    const uint8_t header[SECRET_HEADER_SIZE] = {(uint8_t)tag, (uint8_t)(size >> 8),
                                                (uint8_t)size};
    memcpy(secrets->at, header, sizeof header);
    uint8_t *value = secrets->at + sizeof header;
    secrets->at = value + size;
    return value;
}

/* Exactly the four files, besides hidden names; that none is missing is found by reading. */
static int32_t require_exact_files(int container) {
    int again = openat(container, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *directory = again < 0 ? NULL : fdopendir(again);
    if (directory == NULL) {
        if (again >= 0) {
            (void)close(again);
        }
        return sentence_keep(KFP_E_CONTENT, "cannot be read (%s)", sentence_errno());
    }
    int32_t result = KFP_OK;
    const struct dirent *entry;
    /* readdir() is for threads as long as each has a stream of its own. */
    /* NOLINTNEXTLINE(concurrency-mt-unsafe) */
    while (result == KFP_OK && (entry = readdir(directory)) != NULL) {
        const char *name = entry->d_name;
        if (name[0] != '.' && strcmp(name, FESN) != 0 && strcmp(name, IRK) != 0 &&
            strcmp(name, PRIVATE_KEY) != 0 && strcmp(name, DEVICE_CERTIFICATE) != 0) {
            result = sentence_keep(KFP_E_CONTENT, "%.80s is not a file of a container", name);
        }
    }
    (void)closedir(directory);
    return result;
}

static int32_t open_container(const content_pool *pool, const content *one, int *container) {
    char name[FESN_SIZE + SPID_SIZE];
    memcpy(name, one->fesn, FESN_SIZE);
    name[FESN_SIZE - 1] = '-';
    memcpy(name + FESN_SIZE, one->spid, SPID_SIZE);
    *container = openat(pool->containers, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (*container < 0) {
        return sentence_keep(KFP_E_CONTENT, "cannot be read (%s)", sentence_errno());
    }
    return KFP_OK;
}

int32_t container_measure(const content_pool *pool, const content *one, const shared_files *shared,
                          kf_lease_v1 *sizes) {
    int container;
    uint32_t device = 0;
    uint32_t ica = 0;
    uint32_t cms_root = 0;
    uint32_t keys = 0;
    int32_t result = open_container(pool, one, &container);
    if (result != KFP_OK) {
        return result;
    }
    if ((result = file_measure(container, DEVICE_CERTIFICATE, &device)) == KFP_OK &&
        (result = file_measure(shared->certificates, ICA, &ica)) == KFP_OK &&
        (result = file_measure(shared->certificates, CMS_ROOT, &cms_root)) == KFP_OK &&
        (result = file_measure(shared->keys_directory, shared->keys, &keys)) == KFP_OK) {
        sizes->items_size = 4 * ITEM_HEADER_SIZE + SPID_DIGITS + device + ica + cms_root;
        sizes->secrets_size = keys + 2 * SECRET_HEADER_SIZE + SCALAR_SIZE + IRK_SIZE;
    }
    (void)close(container);
    return result;
}

static int32_t require_fesn(int container, const content *one) {
    uint8_t fesn[FESN_SIZE - 1];
    int32_t result = file_read(container, FESN, fesn, sizeof fesn);
    if (result == KFP_OK && memcmp(fesn, one->fesn, sizeof fesn) != 0) {
        result = sentence_keep(KFP_E_CONTENT, FESN ": not the FESN of the container's name");
    }
    return result;
}

static int holds(const uint8_t *data, uint32_t size, const uint8_t *wanted, uint32_t length) {
    for (uint32_t at = 0; length <= size && at <= size - length; at++) {
        if (memcmp(data + at, wanted, length) == 0) {
            return 1;
        }
    }
    return 0;
}

/* That a certificate is this fob's: its CN and the private key's public point stand in it. No chance
 * puts them there, so a parser would find nothing more; who issued it is not checked. */
static int32_t require_own_certificate(const uint8_t *certificate, uint32_t size,
                                       const content *one, const uint8_t point[POINT_SIZE]) {
    /* id-at-commonName (RFC 5280, A.1), then a UTF8String of 8 bytes. */
    uint8_t cn[CN_PREFIX_SIZE + FESN_SIZE - 1] = {0x06, 0x03, 0x55, 0x04, 0x03, 0x0C, 0x08};
    memcpy(cn + CN_PREFIX_SIZE, one->fesn, FESN_SIZE - 1);
    if (!holds(certificate, size, cn, sizeof cn)) {
        return sentence_keep(KFP_E_CONTENT, DEVICE_CERTIFICATE ": its CN is not the FESN");
    }
    if (!holds(certificate, size, point, POINT_SIZE)) {
        return sentence_keep(KFP_E_CONTENT, PRIVATE_KEY ": not the key of " DEVICE_CERTIFICATE);
    }
    return KFP_OK;
}

static int32_t read_scalar(int container, container_scratch *scratch, uint8_t *scalar,
                           uint8_t point[POINT_SIZE]) {
    uint32_t size;
    int32_t result = file_measure(container, PRIVATE_KEY, &size);
    if (result == KFP_OK && size > PRIVATE_KEY_SIZE_MAX) {
        result = sentence_keep(KFP_E_CONTENT, PRIVATE_KEY ": too large for a P-256 key");
    }
    if (result == KFP_OK) {
        result = file_read(container, PRIVATE_KEY, scratch->private_key, size);
    }
    if (result == KFP_OK &&
        kf_pkcs8_scalar(scratch->private_key, size, scalar, point) != KF_OK) {
        result = sentence_keep(KFP_E_CONTENT, PRIVATE_KEY ": not one P-256 key as PKCS#8 in DER");
    }
    return result;
}

static int32_t read_irk(int container, container_scratch *scratch, uint8_t *irk) {
    uint32_t written = 0;
    int32_t result = file_read(container, IRK, scratch->text, IRK_TEXT_SIZE);
    if (result == KFP_OK && (kf_base64_decode(scratch->text, IRK_TEXT_SIZE, irk, IRK_SIZE,
                                              &written) != KF_OK ||
                             written != IRK_SIZE)) {
        result = sentence_keep(KFP_E_CONTENT, IRK ": not 16 bytes in base64");
    }
    return result;
}

int32_t container_check_keys(const uint8_t *block, uint32_t size, uint8_t kcv[9]) {
    static const uint8_t ones[16] = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1};
    kf_entry entries[3];
    uint32_t count = 3;
    if (kf_key_block(block, size, entries, &count) != KF_OK || count != 3) {
        return sentence_keep(KFP_E_CONFIG, "keys: not a key block of tags 01, 02 and 03");
    }
    for (uint32_t i = 0; i < count; i++) {
        /* First 3 bytes of AES over 16 bytes of 01 (GP Card Spec 2.3.1, B.6). */
        uint8_t block_of_ones[16];
        if (kf_encrypt_block(KF_TIER_BEST, block + entries[i].offset, entries[i].size, ones,
                             block_of_ones) != KF_OK) {
            return sentence_keep(KFP_E_CONFIG, "keys: not AES keys of 16, 24 or 32 bytes");
        }
        memcpy(kcv + (size_t)3 * (entries[i].tag - KF_TAG_ENC), block_of_ones, 3);
    }
    return KFP_OK;
}

static int32_t read_secrets(int container, const shared_files *shared, container_scratch *scratch,
                            kf_lease_v1 *lease, uint8_t point[POINT_SIZE]) {
    cursor secrets = {lease->secrets};
    uint32_t keys =
        lease->secrets_size - 2 * SECRET_HEADER_SIZE - SCALAR_SIZE - IRK_SIZE;
    int32_t result = file_read(shared->keys_directory, shared->keys, secrets.at, keys);
    if (result == KFP_OK) {
        result = container_check_keys(secrets.at, keys, lease->kcv);
    }
    secrets.at += keys;
    uint8_t *private_scalar = secret(&secrets, KF_TAG_SCALAR, SCALAR_SIZE);
    uint8_t *irk = secret(&secrets, KF_TAG_IRK, IRK_SIZE);
    if (result == KFP_OK) {
        result = read_scalar(container, scratch, private_scalar, point);
    }
    if (result == KFP_OK) {
        result = read_irk(container, scratch, irk);
    }
    kf_wipe((uint8_t *)scratch, sizeof *scratch);
    return result;
}

static int32_t read_items(int container, const content *one, const shared_files *shared,
                          const uint8_t point[POINT_SIZE], kf_lease_v1 *lease) {
    uint32_t device = 0;
    uint32_t ica = 0;
    uint32_t cms_root = 0;
    int32_t result;
    if ((result = file_measure(container, DEVICE_CERTIFICATE, &device)) != KFP_OK ||
        (result = file_measure(shared->certificates, ICA, &ica)) != KFP_OK ||
        (result = file_measure(shared->certificates, CMS_ROOT, &cms_root)) != KFP_OK) {
        return result;
    }
    if (4 * ITEM_HEADER_SIZE + SPID_DIGITS + device + ica + cms_root != lease->items_size) {
        return sentence_keep(KFP_E_CONTENT, "a certificate was changed while it was read");
    }
    cursor items = {lease->items};
    /* The applet keeps the SPID's digits, not their value. */
    memcpy(item(&items, 0xA001, SPID_DIGITS), one->spid, SPID_DIGITS);
    uint8_t *certificate = item(&items, 0xA002, device);
    if ((result = file_read(container, DEVICE_CERTIFICATE, certificate, device)) != KFP_OK ||
        (result = require_own_certificate(certificate, device, one, point)) != KFP_OK ||
        (result = file_read(shared->certificates, ICA, item(&items, 0xA004, ica), ica)) !=
            KFP_OK) {
        return result;
    }
    return file_read(shared->certificates, CMS_ROOT, item(&items, 0xA005, cms_root), cms_root);
}

int32_t container_read(const content_pool *pool, const content *one, const shared_files *shared,
                       container_scratch *scratch, kf_lease_v1 *lease) {
    int container;
    uint8_t point[POINT_SIZE];
    int32_t result = open_container(pool, one, &container);
    if (result != KFP_OK) {
        return result;
    }
    if ((result = require_exact_files(container)) == KFP_OK &&
        (result = require_fesn(container, one)) == KFP_OK &&
        (result = read_secrets(container, shared, scratch, lease, point)) == KFP_OK) {
        result = read_items(container, one, shared, point, lease);
    }
    (void)close(container);
    if (result != KFP_OK) {
        kf_wipe(lease->secrets, lease->secrets_size);
        return result;
    }
    lease->kvn = shared->kvn;
    memcpy(lease->fesn, one->fesn, FESN_SIZE);
    memcpy(lease->spid, one->spid, SPID_SIZE);
    return KFP_OK;
}
