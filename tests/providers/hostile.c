/* A provider that does what the configuration tells it not to do.
 *
 *     {"misbehave": "segfault", "call": "lease", "unit": 13, "directory": "/tmp/x"}
 *
 * Only the named call for the unit whose UID ends with that number misbehaves; everything else is
 * answered as it should be, with content that is a function of the UID, so that nothing has to
 * outlive the process. Units from 100 on are patient: see patient(). */
#define _POSIX_C_SOURCE 200809L
#include "kf_provider.h"

#include "certificate.h"
#include "hostile.h"

#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#ifndef THREADING
#define THREADING KFP_FREE
#endif

enum { CONTEXTS = 16, PATIENT = 100, LARGE = 100 * 1000 };

struct kf_provider_ctx {
    atomic_bool used;
    atomic_bool cancelled;
};

static struct kf_provider_ctx contexts[CONTEXTS];
static _Thread_local const char *sentence = "";

/* The first time: says through the pipe in the directory that it is here, and waits until it is
 * cancelled or its process ends. From the second time on there is nothing to wait for. */
static int32_t patient(kf_provider_ctx *ctx, int number) {
    char path[PATH_SIZE];
    if (!path_in_directory(path, sizeof path, "here-", number) || mkdir(path, 0700) != 0) {
        return KFP_OK;
    }
    path_in_directory(path, sizeof path, "pipe-", 0);
    int pipe = open(path, O_WRONLY);
    if (pipe < 0 || write(pipe, "!", 1) != 1 || close(pipe) != 0) {
        return KFP_E_INTERNAL;
    }
    while (!atomic_load(&ctx->cancelled)) {
        rest();
    }
    return KFP_E_CANCELLED;
}

/* ---------------------------------------------------------------- content */

static uint8_t *put(uint8_t *at, unsigned dgi, uint32_t size, uint8_t fill) {
    *at++ = (uint8_t)(dgi >> 8);
    *at++ = (uint8_t)dgi;
    for (int shift = 24; shift >= 0; shift -= 8) {
        *at++ = (uint8_t)(size >> shift);
    }
    memset(at, fill, size);
    return at + size;
}

static uint8_t *put_secret(uint8_t *at, uint8_t tag, uint8_t size, uint8_t fill) {
    *at++ = tag;
    *at++ = 0;
    *at++ = size;
    memset(at, fill, size);
    return at + size;
}

static int wants(int chosen, const char *word) {
    return chosen && says("misbehave", word);
}

/* Whose secrets the unit gets. */
static unsigned whose(unsigned number, int chosen) {
    return wants(chosen, "twin") ? 1 : number;
}

static uint32_t fill_items(const kf_lease_v1 *lease, unsigned number, int chosen) {
    uint8_t *at = put(lease->items, 0xA001, 40, 0);
    memcpy(at - 40, lease->spid, 40);
    uint8_t scalar[32];
    memset(scalar, (uint8_t)(0xA0 + whose(number, chosen)), sizeof scalar);
    scalar[31] ^= wants(chosen, "other-key");
    uint32_t size = wants(chosen, "large") ? LARGE : CERTIFICATE_SIZE;
    if (!wants(chosen, "short")) {
        at = put(at, wants(chosen, "clear") ? 0xA003 : 0xA002, size, (uint8_t)number);
        if (!wants(chosen, "large") && !wants(chosen, "foreign")) {
            (void)certificate_write(at - size, wants(chosen, "cn") ? "HOST9999" : lease->fesn,
                                    scalar);
        }
    }
    at = put(at, 0xA004, CERTIFICATE_SIZE, 4);
    memcpy(at - CERTIFICATE_SIZE, certificate_form, CERTIFICATE_SIZE);
    at = put(at, wants(chosen, "twice") ? 0xA004 : 0xA005, CERTIFICATE_SIZE, 5);
    memcpy(at - CERTIFICATE_SIZE, certificate_form, CERTIFICATE_SIZE);
    if (wants(chosen, "wrong-spid")) {
        lease->items[6] = 'X';
    }
    return (uint32_t)(at - lease->items);
}

/* Of the three keys in fill_secrets. */
static const uint8_t check_values[9] = {0x95, 0x45, 0x41, 0x08, 0x57, 0xea, 0xdd, 0x9c, 0x90};

static uint32_t fill_secrets(const kf_lease_v1 *lease, unsigned number, int chosen) {
    uint8_t *at = lease->secrets;
    for (uint8_t tag = 1; tag <= 3; tag++) {
        at = put_secret(at, tag, 16, (uint8_t)(0xE0 + tag));
    }
    number = whose(number, chosen);
    at = put_secret(at, 0x10, 32, (uint8_t)(0xA0 + number));
    at = put_secret(at, wants(chosen, "tag") ? 0x12 : 0x11, 16, (uint8_t)(0xB0 + number));
    return (uint32_t)(at - lease->secrets);
}

/* What needs a lease to be wrong about. */
static void spoil(kf_lease_v1 *lease) {
    if (says("misbehave", "overflow-items")) {
        lease->items[lease->items_capacity] = 1;
    } else if (says("misbehave", "overflow-secrets")) {
        lease->secrets[lease->secrets_capacity] = 1;
    } else if (says("misbehave", "lie-items")) {
        lease->items_size = lease->items_capacity + 1;
    } else if (says("misbehave", "lie-secrets")) {
        lease->secrets_size = UINT32_MAX;
    } else if (says("misbehave", "cut")) {
        lease->secrets_size -= 1;
    } else if (says("misbehave", "unterminated")) {
        memset(lease->lease_id, 'x', sizeof lease->lease_id);
    } else if (says("misbehave", "latin")) {
        lease->fesn[0] = (char)0xE9;
    } else if (says("misbehave", "fesn")) {
        lease->fesn[7] = '\0';
    } else if (says("misbehave", "kvn")) {
        lease->kvn = 256;
    }
}

/* ---------------------------------------------------------------- the calls */

static int in_use(void) {
    int used = 0;
    for (int i = 0; i < CONTEXTS; i++) {
        used |= atomic_load(&contexts[i].used);
    }
    return used;
}

static int32_t hostile_open(const char *config, uint32_t size, uint32_t deadline_ms,
                            kf_provider_ctx **ctx) {
    (void)deadline_ms;
    if (size >= sizeof config_text) {
        sentence = "the configuration is too long";
        return KFP_E_CONFIG;
    }
    if (!in_use()) { /* one configuration at a time; further contexts come with the same */
        memcpy(config_text, config, size);
        config_text[size] = '\0';
    }
    if (misbehaves("open", 0)) {
        misbehave();
    }
    if (says("misbehave", "config")) {
        sentence = "the key \"misbehave\" is\nwrong";
        return KFP_E_CONFIG;
    }
    for (int i = 0; i < CONTEXTS; i++) {
        if (!atomic_exchange(&contexts[i].used, 1)) {
            *ctx = &contexts[i];
            return KFP_OK;
        }
    }
    return KFP_E_UNAVAILABLE;
}

static int32_t hostile_lease(kf_provider_ctx *ctx, const kf_unit_v1 *unit, uint32_t deadline_ms,
                             kf_lease_v1 *lease) {
    (void)deadline_ms;
    unsigned number = unit->uid[unit->uid_size - 1];
    int chosen = misbehaves("lease", number);
    atomic_store(&ctx->cancelled, 0);
    if (chosen) {
        misbehave();
    }
    if (wants(chosen, "slow")) {
        while (!atomic_load(&ctx->cancelled)) {
            rest();
        }
        return KFP_E_CANCELLED;
    }
    static atomic_bool stuck; /* for as long as this process lives, whoever asks */
    if (wants(chosen, "stuck")) {
        atomic_store(&stuck, 1);
    }
    if (atomic_load(&stuck)) {
        return KFP_E_UNAVAILABLE;
    }
    if (chosen && value_of("result") != NULL) {
        sentence = "as the configuration wants it";
        return atoi(value_of("result"));
    }
    if (number >= PATIENT && patient(ctx, (int)number) != KFP_OK) {
        return KFP_E_CANCELLED;
    }
    uint32_t large = wants(chosen, "large") ? LARGE + 2000 : 2000;
    if (wants(chosen, "greedy") || wants(chosen, "modest") || wants(chosen, "growing")) {
        lease->items_size = says("misbehave", "greedy")   ? UINT32_MAX
                            : says("misbehave", "growing") ? lease->items_capacity + 1
                                                           : 1;
        return KFP_E_SPACE;
    }
    if (lease->items_capacity < large || lease->secrets_capacity < 256) {
        lease->items_size = large;
        lease->secrets_size = 256;
        return KFP_E_SPACE;
    }
    snprintf(lease->lease_id, sizeof lease->lease_id, "lease-%u", number);
    snprintf(lease->fesn, sizeof lease->fesn, "HOST%04u", number);
    snprintf(lease->spid, sizeof lease->spid, "%040u", number);
    lease->kvn = 255;
    memcpy(lease->kcv, check_values, sizeof check_values);
    lease->ttl_ms = 60000;
    lease->items_size = fill_items(lease, number, chosen);
    lease->secrets_size = fill_secrets(lease, number, chosen);
    if (chosen) {
        spoil(lease);
    }
    return KFP_OK;
}

static int32_t hostile_end(kf_provider_ctx *ctx, const char *lease_id, const kf_end_v1 *end,
                           uint32_t deadline_ms) {
    (void)ctx;
    (void)end;
    (void)deadline_ms;
    if (strncmp(lease_id, "lease-", 6) != 0) {
        sentence = "no such lease";
        return KFP_E_LEASE;
    }
    if (misbehaves("end", (unsigned)atoi(lease_id + 6))) {
        misbehave();
        if (value_of("result") != NULL) {
            return atoi(value_of("result"));
        }
    }
    char path[PATH_SIZE];
    if (path_in_directory(path, sizeof path, "told-", atoi(lease_id + 6))) {
        (void)mkdir(path, 0700); /* for the test to see; told twice, it is there already */
    }
    return KFP_OK;
}

static void hostile_cancel(kf_provider_ctx *ctx) {
    atomic_store(&ctx->cancelled, 1);
}

static void hostile_close(kf_provider_ctx *ctx) {
    atomic_store(&ctx->used, 0);
    if (misbehaves("close", 0)) {
        misbehave();
    }
}

static uint32_t hostile_last_error(kf_provider_ctx *ctx, char *text, uint32_t capacity) {
    (void)ctx;
    return (uint32_t)snprintf(text, capacity, "%s", sentence);
}

static const void *hostile_get_interface(const char *id) {
    (void)id;
    return NULL;
}

#ifndef ABORT_POLICY
#define ABORT_POLICY KFP_ABORT_FREES
#endif
#ifndef NAME
#define NAME "hostile"
#endif
#ifndef TABLE_SIZE
#define TABLE_SIZE sizeof table
#endif
#ifndef CANCEL
#define CANCEL hostile_cancel
#endif

static const kf_provider_v1 table = {
    .struct_size = TABLE_SIZE,
    .struct_version = 1,
    .threading = THREADING,
    .abort_policy = ABORT_POLICY,
    .name = NAME,
    .version = "1.0",
    .open = hostile_open,
    .lease = hostile_lease,
    .commit = hostile_end,
    .abort = hostile_end,
    .cancel = CANCEL,
    .close = hostile_close,
    .last_error = hostile_last_error,
    .get_interface = hostile_get_interface,
};

int32_t kf_provider_entry(uint32_t host_abi, const kf_host_v1 *host,
                          const kf_provider_v1 **provider) {
    if (host_abi != KFP_ABI || host->struct_size < sizeof *host) {
        return KFP_E_ABI;
    }
    *provider = &table;
    return KFP_OK;
}
