/* The faults of broken.c that concern a lease: before the reference is asked, and after. */
#ifndef BROKEN_LEASE_H
#define BROKEN_LEASE_H

#include "kf_provider.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static const kf_provider_v1 *reference;
static kf_provider_v1 table;
static pthread_t first_thread;

static void say(const char *text) {
    if (write(1, text, strlen(text)) < 0) {
        abort();
    }
}

static void sleep_ms(long ms) {
    struct timespec time = {ms / 1000, ms % 1000 * 1000000};
    (void)nanosleep(&time, NULL);
}

/* The context that made the last lease, for a library that keeps its leases per context. */
static kf_provider_ctx *owner;
static char owned[64];

/* What the reference gives, into buffers that are always large enough. */
static uint8_t spare_items[65536];
static uint8_t spare_secrets[4096];
static atomic_int cancelled;
uint8_t kept[32]; /* not static, so that writing it is not left out */

static int32_t lease_aside(kf_provider_ctx *ctx, const kf_unit_v1 *unit, uint32_t deadline_ms,
                           kf_lease_v1 *aside) {
    memset(aside, 0, sizeof *aside);
    aside->struct_size = sizeof *aside;
    aside->struct_version = 1;
    aside->items = spare_items;
    aside->secrets = spare_secrets;
    aside->items_capacity = sizeof spare_items;
    aside->secrets_capacity = sizeof spare_secrets;
    int32_t result = reference->lease(ctx, unit, deadline_ms, aside);
    memset(spare_secrets, 0, sizeof spare_secrets);
    return result;
}

/* The value of a tag of the key block. */
static uint8_t *secret_of(const kf_lease_v1 *lease, uint8_t tag) {
    uint8_t *at = lease->secrets;
    while (*at != tag) {
        at += 3 + (at[1] << 8 | at[2]);
    }
    return at + 3;
}

/* The value of a DGI of the items, and its size. */
static uint8_t *item_of(const kf_lease_v1 *lease, uint16_t dgi, uint32_t *size) {
    uint8_t *at = lease->items;
    for (;;) {
        *size = (uint32_t)at[2] << 24 | (uint32_t)at[3] << 16 | (uint32_t)at[4] << 8 | at[5];
        if ((at[0] << 8 | at[1]) == dgi) {
            return at + 6;
        }
        at += 6 + *size;
    }
}

/* A defect that is not in every content, and always in the same. */
static int every_third(const kf_lease_v1 *lease) {
    return lease->fesn[7] % 3 == 0;
}

/* The host's buffer, kept for later. */
static uint8_t *volatile theirs;

#ifdef BREAK_WRITES_FROM_A_THREAD
static void *write_after_a_moment(void *unused) {
    sleep_ms(50);
    theirs[0] = 0;
    return unused;
}
#endif

static void write_later(void) {
#ifdef BREAK_WRITES_FROM_A_THREAD
    pthread_t thread;
    if (pthread_create(&thread, NULL, write_after_a_moment, NULL) == 0) {
        (void)pthread_detach(thread);
    }
#endif
}

/* Faults that come before the reference is asked; nonzero when there is nothing more to do. */
static int before_lease(kf_provider_ctx *ctx, kf_unit_v1 *unit, uint32_t deadline_ms,
                        kf_lease_v1 *lease, int32_t *result) {
    kf_lease_v1 aside;
    (void)ctx, (void)unit, (void)deadline_ms, (void)lease, (void)result, (void)aside;
#ifdef BREAK_DEADLINE
    sleep_ms(deadline_ms < 1000 ? 2000 : 0);
#endif
#ifdef BREAK_CANCEL_STICKS
    if (atomic_load(&cancelled)) {
        *result = KFP_E_CANCELLED;
        return 1;
    }
#endif
#ifdef BREAK_UID_CUT
    unit->uid_size = unit->uid_size == 7 ? 4 : unit->uid_size;
#endif
#ifdef BREAK_THREADS
    /* "The current unit" is a variable of the process, and threads find each other's. */
    if (!pthread_equal(pthread_self(), first_thread)) {
        memset(unit->uid, 0xEE, sizeof unit->uid);
    }
#endif
#ifdef BREAK_SIZING_CONSUMES
    if (lease->items_capacity == 0) {
        *result = lease_aside(ctx, unit, deadline_ms, &aside);
        lease->items_size = aside.items_size;
        lease->secrets_size = aside.secrets_size;
        *result = *result == KFP_OK ? KFP_E_SPACE : *result;
        return 1;
    }
#endif
#ifdef BREAK_PARTIAL_WRITE
    if (lease->items_capacity > 0) {
        lease->items[0] = 0xA0; /* the first DGI, before it is known that all have room */
    }
#endif
#ifdef BREAK_EXACT_IS_TOO_SMALL
    lease->secrets_capacity -= lease->secrets_capacity > 0; /* "<" for "<=" */
#endif
    return 0;
}

/* Faults in what the reference has filled in. */
static void after_lease(kf_provider_ctx *ctx, const kf_unit_v1 *unit, uint32_t given,
                        kf_lease_v1 *lease) {
    (void)unit, (void)given;
    owner = ctx;
    memcpy(owned, lease->lease_id, sizeof owned);
#ifdef BREAK_TAIL_WRITTEN
    memset((uint8_t *)lease + sizeof *lease, 0, given - sizeof *lease);
#endif
#ifdef BREAK_OVERFLOW
    lease->secrets[lease->secrets_size] = 0; /* ended like a string */
#endif
#ifdef BREAK_KCV
    lease->kcv[4] ^= 1;
#endif
#ifdef BREAK_OTHERS_SCALAR
    secret_of(lease, 0x10)[31] ^= 1;
#endif
#ifdef BREAK_KCV_OF_EVERY_THIRD
    lease->kcv[0] ^= (uint8_t)every_third(lease);
#endif
#ifdef BREAK_CERTIFICATE_OF_EVERY_THIRD
    uint32_t size;
    uint8_t *certificate = item_of(lease, 0xA002, &size);
    for (uint32_t at = 0; every_third(lease) && at + 8 <= size; at++) {
        if (memcmp(certificate + at, lease->fesn, 8) == 0) {
            certificate[at] = '?'; /* the CN */
        }
    }
#endif
#ifdef BREAK_SCALAR_OF_EVERY_THIRD
    secret_of(lease, 0x10)[31] ^= (uint8_t)every_third(lease);
#endif
#ifdef BREAK_LEASE_ID_UNPRINTABLE
    *strchr(lease->lease_id, '.') = '\t'; /* ASCII, and yet a record is no place for it */
#endif
#ifdef BREAK_UNDERFLOW
    lease->secrets[-1] = 0; /* "for alignment" */
#endif
#if defined(BREAK_WIPES_LATE) || defined(BREAK_WRITES_FROM_A_THREAD)
    if (theirs == NULL) {
        theirs = lease->secrets;
        write_later();
    }
#endif
#ifdef BREAK_IRK_TWICE
    if (every_third(lease)) {
        /* Made from nothing by chance; step by step, or its bytes would stand in the code. */
        for (volatile uint8_t i = 0; i < 16; i++) {
            secret_of(lease, 0x11)[i] = (uint8_t)(37 * i + 11);
        }
    }
#endif
#ifdef BREAK_SPID_TWICE
    if (every_third(lease)) {
        uint32_t digits;
        memset(lease->spid, lease->fesn[6] % 2 ? 'a' : 'A', 40);
        memcpy(item_of(lease, 0xA001, &digits), lease->spid, 40);
    }
#endif
#ifdef BREAK_KEY_TWICE
    /* One key pair with its certificate, under more than one serial number. */
    static uint8_t scalar[32], certificate[512];
    static uint32_t certified;
    uint32_t certificate_size;
    uint8_t *own = item_of(lease, 0xA002, &certificate_size);
    if (certified == 0) {
        certified = certificate_size;
        memcpy(scalar, secret_of(lease, 0x10), sizeof scalar);
        memcpy(certificate, own, certified);
    } else if (certified == certificate_size) {
        memcpy(secret_of(lease, 0x10), scalar, sizeof scalar);
        memcpy(own, certificate, certified);
    }
#endif
#ifdef BREAK_SECRET_ELSEWHERE
    /* A name that was made in a buffer which had held the IRK. */
    memcpy(lease->lease_id + 40, secret_of(lease, 0x11), 16);
#endif
#ifdef BREAK_KEEPS_SCALAR
    memcpy(kept, secret_of(lease, 0x10), sizeof kept);
#endif
#ifdef BREAK_KEEPS_KEYS
    memcpy(kept, secret_of(lease, 0x01), 16);
#endif
#ifdef BREAK_CONTENT_CHANGES
    /* The IRK is made when it is asked for. */
    static uint8_t seen[16];
    secret_of(lease, 0x11)[0] ^= (uint8_t)(memcmp(seen, unit->uid, unit->uid_size) == 0);
    memcpy(seen, unit->uid, sizeof seen);
#endif
#ifdef BREAK_PRINTS
    say("lease granted\n");
#endif
#ifdef BREAK_SIGNALS
    (void)signal(SIGTERM, _exit);
#endif
#ifdef BREAK_BLOCKS_SIGNALS
    sigset_t most;
    (void)sigfillset(&most);
    (void)pthread_sigmask(SIG_BLOCK, &most, NULL);
#endif
}

#endif
