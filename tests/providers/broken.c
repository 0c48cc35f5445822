/* The reference provider with one fault, chosen when it is compiled (-DBREAK_...): each fault
 * fails the check that was made for it, and no other.
 *
 * The reference's own entry is renamed by -Dkf_provider_entry=reference_entry where it is
 * compiled; what stands here goes around it. A fault is written as it happens: a field that is
 * not looked at, a copy that is kept, a promise that is made in memory only. */
#define _DEFAULT_SOURCE

#include "kf_provider.h"

#include "broken_lease.h"
#include "broken_manners.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

int32_t KF_CALL reference_entry(uint32_t host_abi, const kf_host_v1 *host,
                                const kf_provider_v1 **provider);

/* ---------------------------------------------------------------- loading */

#ifdef BREAK_PRINTS_WHEN_LOADED
__attribute__((constructor)) static void greet(void) {
    say("thank you for choosing this library\n");
}
#endif

/* ---------------------------------------------------------------- open and close */

static int32_t KF_CALL broken_open(const char *config, uint32_t size, uint32_t deadline_ms,
                                   kf_provider_ctx **ctx) {
#ifdef BREAK_FORGETS_AT_EXIT
    /* Leases are kept as long as the process lives: what an earlier one wrote is not read. */
    static int first = 1;
    char text[4096] = {0};
    char name[1024] = {0};
    memcpy(text, config, size < sizeof text ? size : sizeof text - 1);
    const char *path = strstr(text, "\"state\":\"");
    if (first && path != NULL && sscanf(path + 9, "%1023[^\"]", name) == 1) {
        (void)unlink(name);
        first = 0;
    }
#endif
#ifdef BREAK_CONFIG_IS_A_STRING
    size = (uint32_t)strlen(config);
#endif
#ifdef BREAK_OPEN_DEADLINE
    sleep_ms(deadline_ms < 1000 ? 2000 : 0);
#endif
#ifdef BREAK_LEAKS_A_FILE
    if (open("/dev/null", O_RDONLY) < 0) {
        return KFP_E_UNAVAILABLE;
    }
#endif
#ifdef BREAK_EXITS
    static int opened;
    if (++opened > 8) {
        exit(3); /* "too many sessions" */
    }
#endif
    rearrange();
    return reference->open(config, size, deadline_ms, ctx);
}

#ifdef BREAK_CONFIG_UNNAMED
static uint32_t KF_CALL vague_error(kf_provider_ctx *ctx, char *text, uint32_t capacity) {
    if (ctx != NULL) {
        return reference->last_error(ctx, text, capacity);
    }
    (void)snprintf(text, capacity, "the configuration is wrong");
    return 26;
}
#endif

#ifdef BREAK_ERROR_UNBOUNDED
static uint32_t KF_CALL unbounded_error(kf_provider_ctx *ctx, char *text, uint32_t capacity) {
    uint32_t size = reference->last_error(ctx, NULL, 0);
    return text == NULL || capacity == 0 ? size : reference->last_error(ctx, text, size + 1);
}
#endif

#ifdef BREAK_TELLS_A_SECRET
/* "the key starts with ...", as it was useful when it was written. */
static uint8_t leased_irk[16];
static uint32_t KF_CALL telling_error(kf_provider_ctx *ctx, char *text, uint32_t capacity) {
    char said[512] = {0};
    (void)reference->last_error(ctx, said, 400);
    size_t at = strlen(said);
    for (int i = 4; i < 14; i++) {
        at += (size_t)snprintf(said + at, sizeof said - at, " %02X", leased_irk[i]);
    }
    if (capacity > 0) {
        (void)snprintf(text, capacity, "%s", said);
    }
    return (uint32_t)at;
}
#endif

/* ---------------------------------------------------------------- lease */

static int32_t KF_CALL broken_lease(kf_provider_ctx *ctx, const kf_unit_v1 *unit,
                                    uint32_t deadline_ms, kf_lease_v1 *lease) {
    if (unit == NULL || lease == NULL || unit->struct_size < sizeof *unit) {
        return reference->lease(ctx, unit, deadline_ms, lease);
    }
    const uint32_t given = lease->struct_size;
    const uint32_t capacity = lease->secrets_capacity;
#ifdef BREAK_SHORT_LEASE
    lease->struct_size = sizeof *lease;
#else
    if (given < sizeof *lease) {
        return reference->lease(ctx, unit, deadline_ms, lease);
    }
#endif
    kf_unit_v1 own;
    memcpy(&own, unit, sizeof own);
    own.struct_size = sizeof own;
    int32_t result;
    if (!before_lease(ctx, &own, deadline_ms, lease, &result)) {
        result = reference->lease(ctx, &own, deadline_ms, lease);
#ifdef BREAK_OUTCOME_FORGOTTEN
        if (result == KFP_E_UNIT) {
            own.uid[1] ^= 0x80; /* a fob that is placed gets content */
            result = reference->lease(ctx, &own, deadline_ms, lease);
        }
#endif
        if (result == KFP_OK) {
            after_lease(ctx, unit, given, lease);
            litter();
#ifdef BREAK_TELLS_A_SECRET
            memcpy(leased_irk, secret_of(lease, 0x11), sizeof leased_irk);
#endif
        }
    }
    lease->struct_size = given;
    lease->secrets_capacity = capacity;
    return result;
}

static void KF_CALL sticking_cancel(kf_provider_ctx *ctx) {
    atomic_store(&cancelled, 1);
    reference->cancel(ctx);
}

/* ---------------------------------------------------------------- commit and abort */

/* The lease id as the reference knows it. */
static const char *known(const char *lease_id, char own[64]) {
#ifdef BREAK_LEASE_ID_UNPRINTABLE
    (void)snprintf(own, 64, "%s", lease_id);
    char *tab = strchr(own, '\t');
    if (tab != NULL) {
        *tab = '.';
        return own;
    }
#endif
    (void)own;
    return lease_id;
}

static int32_t KF_CALL broken_commit(kf_provider_ctx *ctx, const char *lease_id,
                                     const kf_end_v1 *end, uint32_t deadline_ms) {
    if (lease_id == NULL || end == NULL) {
        return reference->commit(ctx, lease_id, end, deadline_ms);
    }
    kf_end_v1 own = *end;
#ifdef BREAK_COMMIT_DEADLINE
    if (deadline_ms < 1000) {
        return KFP_E_INTERNAL; /* it was in time, and gives up for good */
    }
#endif
#ifdef BREAK_LEASE_OF_CONTEXT
    if (strcmp(owned, lease_id) == 0 && owner != ctx) {
        return KFP_E_LEASE;
    }
#endif
#ifdef BREAK_PASS_BY_DEFAULT
    own.outcome = own.outcome == KFP_OUTCOME_FAIL ? KFP_OUTCOME_FAIL : KFP_OUTCOME_PASS;
#endif
    char buffer[64];
    int32_t result = reference->commit(ctx, known(lease_id, buffer), &own, deadline_ms);
#ifdef BREAK_SECOND_COMMIT
    static char last[64];
    if (result == KFP_OK && strcmp(last, lease_id) == 0) {
        result = KFP_E_LEASE;
    }
    (void)snprintf(last, sizeof last, "%s", lease_id);
#endif
#ifdef BREAK_UNKNOWN_LEASE
    if (result == KFP_E_LEASE && strlen(lease_id) > 100) {
        result = KFP_OK;
    }
#endif
    return result;
}

static int32_t KF_CALL broken_abort(kf_provider_ctx *ctx, const char *lease_id,
                                    const kf_end_v1 *end, uint32_t deadline_ms) {
    if (lease_id == NULL || end == NULL) {
        return reference->abort(ctx, lease_id, end, deadline_ms);
    }
    kf_end_v1 own = *end;
#ifdef BREAK_ABORT_DEADLINE
    sleep_ms(deadline_ms < 1000 ? 700 : 0); /* less than a second late */
#endif
#ifdef BREAK_WIPES_LATE
    if (theirs != NULL) {
        theirs[0] = 0;
    }
#endif
#ifdef BREAK_ABORT_KEEPS
    own.touched = own.touched == KFP_TOUCHED_NONE ? KFP_TOUCHED_UNKNOWN : own.touched;
#endif
#ifdef BREAK_ABORT_ALWAYS_FREES
    own.touched = own.touched <= KFP_TOUCHED_UNKNOWN ? KFP_TOUCHED_NONE : own.touched;
#endif
    char buffer[64];
    return reference->abort(ctx, known(lease_id, buffer), &own, deadline_ms);
}

/* ---------------------------------------------------------------- the table */

#ifdef BREAK_COUNTS
static int32_t KF_CALL constant_count(kf_provider_ctx *ctx, kf_pool_counts_v1 *counts) {
    (void)ctx;
    counts->free = 1000;
    return KFP_OK;
}
#endif

static const void *KF_CALL broken_interface(const char *id) {
#ifdef BREAK_ANY_INTERFACE
    if (strncmp(id, "kf.", 3) == 0) {
        return reference->get_interface(KFP_POOL);
    }
#endif
#ifdef BREAK_COUNTS
    static const kf_pool_v1 counting = {sizeof counting, 1, constant_count};
    if (strcmp(id, KFP_POOL) == 0) {
        return &counting;
    }
#endif
    return reference->get_interface(id);
}

KF_EXPORT int32_t KF_CALL kf_provider_entry(uint32_t host_abi, const kf_host_v1 *host,
                                            const kf_provider_v1 **provider) {
    kf_host_v1 own = {.struct_size = sizeof own, .struct_version = 1};
    (void)own;
#ifdef BREAK_ANY_ABI
    host_abi = KFP_ABI;
#endif
#ifdef BREAK_SHORT_HOST
    host = &own;
#endif
    int32_t result = reference_entry(host_abi, host, &reference);
    if (result != KFP_OK) {
        return result;
    }
#ifdef BREAK_ENTRY_THREAD
    static pthread_t thread;
    static int started;
    if (!started) {
        started = pthread_create(&thread, NULL, idle, NULL) == 0;
    }
#endif
    table = *reference;
    first_thread = pthread_self();
    table.open = broken_open;
    table.lease = broken_lease;
    table.commit = broken_commit;
    table.abort = broken_abort;
    table.get_interface = broken_interface;
#ifdef BREAK_CONFIG_UNNAMED
    table.last_error = vague_error;
#endif
#ifdef BREAK_ERROR_UNBOUNDED
    table.last_error = unbounded_error;
#endif
#ifdef BREAK_TELLS_A_SECRET
    table.last_error = telling_error;
#endif
#ifdef BREAK_CANCEL_STICKS
    table.cancel = sticking_cancel;
#endif
#ifdef BREAK_NO_VERSION
    table.version = "";
#endif
    (void)sticking_cancel, (void)lease_aside, (void)secret_of, (void)item_of, (void)every_third, (void)write_later, (void)theirs, (void)idle, (void)say;
    *provider = &table;
    return KFP_OK;
}
