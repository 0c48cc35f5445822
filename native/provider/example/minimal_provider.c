/* The smallest content provider that passes every check: made-up content, one file of state. */
#define _POSIX_C_SOURCE 200809L /* fsync, fileno */

#include "kf_provider.h"

#include "json.h"
#include "kf_core.h"
#include "sentence.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Everything is made up here. The bytes of content number n, for one purpose: */
static void make_up(uint32_t number, uint32_t purpose, uint8_t *out, uint32_t size) {
    uint64_t x = (uint64_t)number << 32 | purpose;
    for (uint32_t i = 0; i < size; i++) {
        x = x * 6364136223846793005u + 1442695040888963407u;
        out[i] = (uint8_t)(x >> 56);
    }
}

#define SPID_DIGITS 40u
#define CERTIFICATE_SIZE 279u
#define ITEMS_SIZE (4u * 6u + SPID_DIGITS + 3u * CERTIFICATE_SIZE)

/* An X.509 certificate by "made up". No card asks who has signed it; yours are real. */
#define SERIAL_AT 16u
#define FESN_AT 95u
#define POINT_AT 129u
static const char certificate[CERTIFICATE_SIZE + 1] =
    "\x30\x82\x01\x13\x30\x81\xbb\xa0\x03\x02\x01\x02\x02\x04\x11\x22\x33\x44\x30\x0a\x06\x08"
    "\x2a\x86\x48\xce\x3d\x04\x03\x02\x30\x12\x31\x10\x30\x0e\x06\x03\x55\x04\x03\x0c\x07\x6d"
    "\x61\x64\x65\x20\x75\x70\x30\x1e\x17\x0d\x32\x36\x30\x31\x30\x31\x30\x30\x30\x30\x30\x30"
    "\x5a\x17\x0d\x34\x36\x30\x31\x30\x31\x30\x30\x30\x30\x30\x30\x5a\x30\x13\x31\x11\x30\x0f"
    "\x06\x03\x55\x04\x03\x0c\x08\x30\x30\x30\x30\x30\x30\x30\x30\x30\x59\x30\x13\x06\x07\x2a"
    "\x86\x48\xce\x3d\x02\x01\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07\x03\x42\x00\x04\x4d\x5e"
    "\x82\xed\x5f\x5c\xe8\xce\x09\xb7\x7d\xa5\xa0\x15\x01\xcf\xb5\xa4\x6c\x72\xf1\x15\x32\xa2"
    "\x2b\xd8\xe6\x0b\xf1\x15\xfd\xcf\x27\x05\x32\xe9\x01\x57\x7f\xe9\x9d\x1f\x56\xae\x8e\xbb"
    "\x6d\x39\x18\x14\xdc\x93\x47\x4e\x9b\xab\xa1\x7b\x50\xf2\x33\x75\x7b\x90\x30\x0a\x06\x08"
    "\x2a\x86\x48\xce\x3d\x04\x03\x02\x03\x47\x00\x30\x44\x02\x20\x48\xfd\xea\x92\xf2\x43\x22"
    "\x73\x88\x3b\xe5\x4c\x8a\xc4\x53\x48\xa6\xc2\xbc\x37\x39\xca\xf4\xb5\x99\x86\x75\x55\xc6"
    "\x7b\x12\x5c\x02\x20\x40\x7e\xf9\xe8\x94\xe4\x80\x54\x12\xe9\x5e\x29\x0b\xa3\x59\xd2\x9a"
    "\x73\xa7\x8d\xf5\xd2\x16\x10\xac\xac\xb8\xc5\x88\x54\xdb\x6f";

static uint8_t *item(uint8_t *at, uint32_t dgi, uint32_t size) {
    const uint8_t header[6] = {(uint8_t)(dgi >> 8), (uint8_t)dgi, 0, 0, (uint8_t)(size >> 8),
                               (uint8_t)size};
    memcpy(at, header, sizeof header);
    return at + sizeof header;
}

static int32_t write_items(uint32_t number, const uint8_t *scalar, kf_lease_v1 *lease) {
    static const uint32_t certificates[3] = {0xA002, 0xA004, 0xA005};
    uint8_t *at = item(lease->items, 0xA001, SPID_DIGITS);
    memcpy(at, lease->spid, SPID_DIGITS);
    at += SPID_DIGITS;
    for (uint32_t i = 0; i < 3; i++) {
        at = item(at, certificates[i], CERTIFICATE_SIZE);
        memcpy(at, certificate, CERTIFICATE_SIZE);
        at[SERIAL_AT] = (uint8_t)(number >> 8);
        at[SERIAL_AT + 1] = (uint8_t)number;
        /* The device certificate is for this FESN and the fob's own key: the station compares. */
        memcpy(at + FESN_AT, lease->fesn, 8);
        if (i == 0 && kf_p256_public(scalar, at + POINT_AT) != KF_OK) {
            return sentence_keep(KFP_E_INTERNAL, "content %u has no key", (unsigned)number);
        }
        at += CERTIFICATE_SIZE;
    }
    return KFP_OK;
}

#define SECRETS_SIZE (5u * 3u + 3u * 16u + 32u + 16u)

static uint8_t *secret(uint8_t *at, uint32_t number, uint8_t tag, uint8_t size) {
    at[0] = tag;
    at[1] = 0;
    at[2] = size;
    make_up(number, tag, at + 3, size);
    return at + 3 + size;
}

/* Made where they are wanted: a local variable would be one more place to wipe. */
static int32_t write_content(uint32_t number, kf_lease_v1 *lease) {
    static const uint8_t ones[16] = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1};
    uint8_t *at = lease->secrets;
    for (uint8_t i = 0; i < 3; i++) {
        const uint8_t *key = at + 3;
        uint8_t block[16];
        at = secret(at, number, (uint8_t)(KF_TAG_ENC + i), 16);
        if (kf_encrypt_block(KF_TIER_BEST, key, 16, ones, block) != KF_OK) {
            return sentence_keep(KFP_E_INTERNAL, "AES is not available");
        }
        memcpy(lease->kcv + (size_t)3 * i, block, 3); /* key check values */
    }
    uint8_t *scalar = at + 3;
    at = secret(at, number, KF_TAG_SCALAR, 32);
    scalar[0] &= 0x7F; /* below the order of P-256 */
    (void)secret(at, number, KF_TAG_IRK, 16);
    return write_items(number, scalar, lease);
}

/* The state: record n says which unit has content n, and what became of it: L leased, P passed,
 * R rejected. */
#define RECORD_SIZE 23u /* 20 hex digits, a space, the letter, a line feed */
#define CONTENTS 1000u

struct kf_provider_ctx {
    FILE *state;
};

typedef struct {
    char unit[21];
    char letter;
} record;

/* Nonzero when there is such a record. */
static int read_record(FILE *state, uint32_t number, record *found) {
    char line[RECORD_SIZE];
    if (fseek(state, (long)number * (long)RECORD_SIZE, SEEK_SET) != 0 ||
        fread(line, sizeof line, 1, state) != 1) {
        return 0;
    }
    memcpy(found->unit, line, 20);
    found->unit[20] = '\0';
    found->letter = line[21];
    return 1;
}

/* On disk when it returns, and only then told to the host: fflush() alone survives a killed
 * process, but no power failure. */
static int32_t write_record(FILE *state, uint32_t number, const char *unit, char letter) {
    char line[RECORD_SIZE + 1];
    (void)snprintf(line, sizeof line, "%-20s %c\n", unit, letter);
    if (fseek(state, (long)number * (long)RECORD_SIZE, SEEK_SET) != 0 ||
        fwrite(line, RECORD_SIZE, 1, state) != 1 || fflush(state) != 0 ||
        fsync(fileno(state)) != 0) {
        return sentence_keep(KFP_E_UNAVAILABLE, "state: cannot be written");
    }
    return KFP_OK;
}

static int32_t KF_CALL provider_open(const char *config, uint32_t config_size,
                                     uint32_t deadline_ms, kf_provider_ctx **ctx) {
    (void)deadline_ms; /* nothing here waits */
    if (config == NULL || ctx == NULL) {
        return sentence_keep(KFP_E_ARGUMENT, "an argument is NULL");
    }
    json_reader reader = {config, config_size, 0};
    json_member member;
    char path[JSON_TEXT_MAX] = "";
    int32_t kind;
    while ((kind = json_next(&reader, &member)) == JSON_STRING &&
           strcmp(member.key, "state") == 0) {
        memcpy(path, member.text, sizeof path);
    }
    if (kind != JSON_END) {
        return sentence_keep(KFP_E_CONFIG, "not {\"state\": FILE}: %s", member.key);
    }
    kf_provider_ctx *made = malloc(sizeof *made);
    if (made == NULL) {
        return sentence_keep(KFP_E_UNAVAILABLE, "no memory is left");
    }
    made->state = fopen(path, "r+b");
    made->state = made->state != NULL ? made->state : fopen(path, "w+b");
    if (made->state == NULL) {
        free(made);
        return sentence_keep(KFP_E_CONFIG, "state: not a file that can be written");
    }
    *ctx = made;
    return KFP_OK;
}

static void KF_CALL provider_close(kf_provider_ctx *ctx) {
    (void)fclose(ctx->state);
    free(ctx);
}

static int is_version_1(uint32_t size, uint32_t version, size_t wanted) {
    return size >= wanted && version >= 1;
}

static int32_t refuse_arguments(const kf_provider_ctx *ctx, const kf_unit_v1 *unit,
                                const kf_lease_v1 *lease) {
    if (ctx == NULL || unit == NULL || lease == NULL) {
        return sentence_keep(KFP_E_ARGUMENT, "an argument is NULL");
    }
    if (!is_version_1(unit->struct_size, unit->struct_version, sizeof *unit) ||
        !is_version_1(lease->struct_size, lease->struct_version, sizeof *lease)) {
        return sentence_keep(KFP_E_STRUCT, "a structure is too small");
    }
    if (unit->uid_size != 4 && unit->uid_size != 7 && unit->uid_size != 10) {
        return sentence_keep(KFP_E_ARGUMENT, "a UID has 4, 7 or 10 bytes");
    }
    return KFP_OK;
}

static int32_t KF_CALL provider_lease(kf_provider_ctx *ctx, const kf_unit_v1 *unit,
                                      uint32_t deadline_ms, kf_lease_v1 *lease) {
    (void)deadline_ms;
    int32_t result = refuse_arguments(ctx, unit, lease);
    if (result != KFP_OK) {
        return result;
    }
    char name[21];
    (void)snprintf(name, sizeof name, "%-20s", "");
    for (uint32_t i = 0; i < unit->uid_size; i++) {
        static const char digits[] = "0123456789ABCDEF";
        name[2 * i] = digits[unit->uid[i] >> 4];
        name[2 * i + 1] = digits[unit->uid[i] & 15];
    }
    record found;
    uint32_t number = 0;
    int known = 0;
    while (!known && read_record(ctx->state, number, &found)) {
        known = strcmp(found.unit, name) == 0;
        number += known ? 0 : 1;
    }
    if (known && found.letter != 'L') {
        return sentence_keep(KFP_E_UNIT, "this unit has had content %u", (unsigned)number);
    }
    if (number >= CONTENTS) {
        return sentence_keep(KFP_E_EMPTY, "all %u contents are issued", CONTENTS);
    }
    lease->items_size = ITEMS_SIZE;
    lease->secrets_size = SECRETS_SIZE;
    if (lease->items_capacity < ITEMS_SIZE || lease->secrets_capacity < SECRETS_SIZE) {
        return sentence_keep(KFP_E_SPACE, "a buffer is too small");
    }
    if (!known && (result = write_record(ctx->state, number, name, 'L')) != KFP_OK) {
        return result;
    }
    lease->ttl_ms = 0;
    lease->flags = 0;
    lease->kvn = 255;
    (void)snprintf(lease->lease_id, sizeof lease->lease_id, "%u", (unsigned)number);
    (void)snprintf(lease->fesn, sizeof lease->fesn, "EX%06u", (unsigned)number);
    (void)snprintf(lease->spid, sizeof lease->spid, "%040u", (unsigned)number);
    return write_content(number, lease);
}

/* The record that a lease_id names, or KFP_E_LEASE. */
static int32_t find(kf_provider_ctx *ctx, const char *lease_id, const kf_end_v1 *end,
                    uint32_t *number, record *found) {
    if (ctx == NULL || lease_id == NULL || end == NULL) {
        return sentence_keep(KFP_E_ARGUMENT, "an argument is NULL");
    }
    if (!is_version_1(end->struct_size, end->struct_version, sizeof *end)) {
        return sentence_keep(KFP_E_STRUCT, "a structure is too small");
    }
    char canonical[16];
    *number = (uint32_t)strtoul(lease_id, NULL, 10);
    (void)snprintf(canonical, sizeof canonical, "%u", (unsigned)*number);
    if (strcmp(canonical, lease_id) != 0 || *number >= CONTENTS ||
        !read_record(ctx->state, *number, found)) {
        return sentence_keep(KFP_E_LEASE, "there is no such lease");
    }
    return KFP_OK;
}

static int32_t KF_CALL provider_commit(kf_provider_ctx *ctx, const char *lease_id,
                                       const kf_end_v1 *end, uint32_t deadline_ms) {
    (void)deadline_ms;
    uint32_t number;
    record found = {"", ' '};
    int32_t result = find(ctx, lease_id, end, &number, &found);
    if (result != KFP_OK) {
        return result;
    }
    if (end->outcome != KFP_OUTCOME_PASS && end->outcome != KFP_OUTCOME_FAIL) {
        return sentence_keep(KFP_E_ARGUMENT, "an outcome is pass or fail");
    }
    char letter = end->outcome == KFP_OUTCOME_PASS ? 'P' : 'R';
    if (found.letter == 'L') {
        return write_record(ctx->state, number, found.unit, letter);
    }
    return found.letter == letter ? KFP_OK : sentence_keep(KFP_E_LEASE, "it has ended otherwise");
}

/* The content waits for its unit, touched or not: KFP_ABORT_BINDS asks for nothing more. */
static int32_t KF_CALL provider_abort(kf_provider_ctx *ctx, const char *lease_id,
                                      const kf_end_v1 *end, uint32_t deadline_ms) {
    (void)deadline_ms;
    uint32_t number;
    record found = {"", ' '};
    int32_t result = find(ctx, lease_id, end, &number, &found);
    if (result == KFP_OK && end->touched > KFP_TOUCHED_UNKNOWN) {
        result = sentence_keep(KFP_E_ARGUMENT, "touched is none, partial or unknown");
    }
    return result;
}

static void KF_CALL provider_cancel(kf_provider_ctx *ctx) {
    (void)ctx; /* no call takes long enough */
}

static uint32_t KF_CALL provider_last_error(kf_provider_ctx *ctx, char *text, uint32_t capacity) {
    return (void)ctx, sentence_copy(text, capacity);
}

static const void *KF_CALL provider_interface(const char *id) {
    return (void)id, NULL;
}

KF_EXPORT int32_t KF_CALL kf_provider_entry(uint32_t host_abi, const kf_host_v1 *host,
                                            const kf_provider_v1 **provider) {
    static const kf_provider_v1 table = {
        sizeof table,        1,                  KFP_SERIAL,      KFP_ABORT_BINDS,
        "minimal example",   "1.0",              provider_open,   provider_lease,
        provider_commit,     provider_abort,     provider_cancel, provider_close,
        provider_last_error, provider_interface,
    };
    if (host_abi != KFP_ABI) {
        return sentence_keep(KFP_E_ABI, "this library speaks version 1");
    }
    if (host == NULL || provider == NULL) {
        return sentence_keep(KFP_E_ARGUMENT, "an argument is NULL");
    }
    if (!is_version_1(host->struct_size, host->struct_version, sizeof *host)) {
        return sentence_keep(KFP_E_STRUCT, "a structure is too small");
    }
    *provider = &table;
    return KFP_OK;
}
