/* The reference provider: fob content from a directory of containers, with its own durable
 * memory of who got what. It shows what the interface asks of a library, call by call. */
#define _DEFAULT_SOURCE /* MAP_ANONYMOUS */

#include "kf_provider.h"

#include "container.h"
#include "lease.h"
#include "sentence.h"
#include "settings.h"
#include "turn.h"

#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#define VERSION_1 1u

struct kf_provider_ctx {
    container_scratch scratch; /* first, so that it has whole pages of its own start */
    turn turn;
    opened_settings opened;
    content_pool pool;
};

/* ---------------------------------------------------------------- what is asked of arguments */

static int32_t too_small(const char *what) {
    return sentence_keep(KFP_E_STRUCT, "%s is too small for version 1", what);
}

static int32_t refuse(const char *what) {
    return sentence_keep(KFP_E_ARGUMENT, "%s", what);
}

static int is_version_1(uint32_t size, uint32_t version, size_t wanted) {
    return size >= wanted && version >= VERSION_1;
}

static int32_t require_unit(const kf_unit_v1 *unit) {
    if (!is_version_1(unit->struct_size, unit->struct_version, sizeof *unit)) {
        return too_small("kf_unit_v1");
    }
    if ((unit->uid_size != 4 && unit->uid_size != 7 && unit->uid_size != 10) ||
        unit->diversification_uid_size > sizeof unit->diversification_uid ||
        unit->atr_size > sizeof unit->atr || unit->aid_size > sizeof unit->aid ||
        memchr(unit->profile, '\0', sizeof unit->profile) == NULL) {
        return refuse("a field of the unit is out of range");
    }
    return KFP_OK;
}

static int32_t require_lease(const kf_lease_v1 *lease) {
    if (!is_version_1(lease->struct_size, lease->struct_version, sizeof *lease)) {
        return too_small("kf_lease_v1");
    }
    if ((lease->items == NULL && lease->items_capacity > 0) ||
        (lease->secrets == NULL && lease->secrets_capacity > 0)) {
        return refuse("a buffer that has a capacity is NULL");
    }
    return KFP_OK;
}

static int32_t require_end(const kf_provider_ctx *ctx, const char *lease_id, const kf_end_v1 *end) {
    if (ctx == NULL || lease_id == NULL || end == NULL) {
        return refuse("an argument is NULL");
    }
    if (!is_version_1(end->struct_size, end->struct_version, sizeof *end)) {
        return too_small("kf_end_v1");
    }
    return KFP_OK;
}

/* ---------------------------------------------------------------- open and close */

static int32_t open_in(kf_provider_ctx *ctx, const char *config, uint32_t size,
                       uint32_t deadline_ms) {
    int32_t result = settings_open(config, size, &ctx->opened);
    if (result != KFP_OK) {
        return result;
    }
    ctx->pool.containers = ctx->opened.containers;
    ctx->pool.journal = ctx->opened.journal;
    if ((result = turn_open(&ctx->turn, ctx->opened.journal)) == KFP_OK) {
        if ((result = turn_take(&ctx->turn, deadline_ms)) == KFP_OK) {
            if ((result = pool_scan(&ctx->pool)) == KFP_OK) {
                result = pool_refresh(&ctx->pool);
            }
            turn_give(&ctx->turn);
        }
        if (result != KFP_OK) {
            turn_close(&ctx->turn);
        }
    }
    if (result != KFP_OK) {
        settings_close(&ctx->opened);
    }
    return result;
}

static int32_t KF_CALL provider_open(const char *config, uint32_t config_size,
                                     uint32_t deadline_ms, kf_provider_ctx **ctx) {
    if (config == NULL || ctx == NULL) {
        return refuse("an argument is NULL");
    }
    /* A mapping, not malloc: the scratch is locked, and locks hold for pages. */
    kf_provider_ctx *made = mmap(NULL, sizeof *made, PROT_READ | PROT_WRITE,
                                 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (made == MAP_FAILED) {
        return sentence_keep(KFP_E_UNAVAILABLE, "no memory is left");
    }
    int32_t result;
    if (mlock(&made->scratch, sizeof made->scratch) != 0) {
        result = sentence_keep(KFP_E_UNAVAILABLE, "memory cannot be locked (%s)", sentence_errno());
    } else {
        result = open_in(made, config, config_size, deadline_ms);
    }
    if (result != KFP_OK) {
        (void)munmap(made, sizeof *made);
        return result;
    }
    *ctx = made;
    return KFP_OK;
}

static void KF_CALL provider_close(kf_provider_ctx *ctx) {
    if (ctx != NULL) {
        turn_close(&ctx->turn);
        settings_close(&ctx->opened);
        (void)munmap(ctx, sizeof *ctx);
    }
}

static void KF_CALL provider_cancel(kf_provider_ctx *ctx) {
    if (ctx != NULL) {
        turn_cancel(&ctx->turn);
    }
}

/* ---------------------------------------------------------------- lease */

static void unit_name(const kf_unit_v1 *unit, char name[UNIT_SIZE]) {
    for (uint32_t i = 0; i < unit->uid_size; i++) {
        (void)snprintf(name + (size_t)2 * i, 3, "%02X", unit->uid[i]);
    }
}

static int32_t KF_CALL provider_lease(kf_provider_ctx *ctx, const kf_unit_v1 *unit,
                                      uint32_t deadline_ms, kf_lease_v1 *lease) {
    if (ctx == NULL || unit == NULL || lease == NULL) {
        return refuse("an argument is NULL");
    }
    char name[UNIT_SIZE];
    int32_t result;
    if ((result = require_unit(unit)) != KFP_OK || (result = require_lease(lease)) != KFP_OK ||
        (result = turn_take(&ctx->turn, deadline_ms)) != KFP_OK) {
        return result;
    }
    unit_name(unit, name);
    result = lease_take(&ctx->pool, &ctx->opened.shared, &ctx->scratch, name, lease);
    turn_give(&ctx->turn);
    return result;
}

/* ---------------------------------------------------------------- commit and abort */

static int32_t KF_CALL provider_commit(kf_provider_ctx *ctx, const char *lease_id,
                                       const kf_end_v1 *end, uint32_t deadline_ms) {
    int32_t result = require_end(ctx, lease_id, end);
    if (result != KFP_OK) {
        return result;
    }
    if (end->outcome != KFP_OUTCOME_PASS && end->outcome != KFP_OUTCOME_FAIL) {
        return refuse("an outcome is pass or fail");
    }
    if ((result = turn_take(&ctx->turn, deadline_ms)) == KFP_OK) {
        result = lease_commit(&ctx->pool, lease_id, end->outcome);
        turn_give(&ctx->turn);
    }
    return result;
}

static int32_t KF_CALL provider_abort(kf_provider_ctx *ctx, const char *lease_id,
                                      const kf_end_v1 *end, uint32_t deadline_ms) {
    int32_t result = require_end(ctx, lease_id, end);
    if (result != KFP_OK) {
        return result;
    }
    if (end->touched > KFP_TOUCHED_UNKNOWN) {
        return refuse("touched is none, partial or unknown");
    }
    if ((result = turn_take(&ctx->turn, deadline_ms)) == KFP_OK) {
        result = lease_abort(&ctx->pool, lease_id, end->touched);
        turn_give(&ctx->turn);
    }
    return result;
}

/* ---------------------------------------------------------------- the rest of the table */

static int32_t KF_CALL provider_count(kf_provider_ctx *ctx, kf_pool_counts_v1 *counts) {
    if (ctx == NULL || counts == NULL) {
        return refuse("an argument is NULL");
    }
    if (!is_version_1(counts->struct_size, counts->struct_version, sizeof *counts)) {
        return too_small("kf_pool_counts_v1");
    }
    /* A count has no deadline of its own; the host's patience is some seconds. */
    int32_t result = turn_take(&ctx->turn, 2000);
    if (result != KFP_OK) {
        return result;
    }
    if ((result = pool_scan(&ctx->pool)) == KFP_OK &&
        (result = pool_refresh(&ctx->pool)) == KFP_OK) {
        counts->free = counts->leased = counts->consumed = counts->quarantined = 0;
        for (uint32_t i = 0; i < ctx->pool.size; i++) {
            const content *one = &ctx->pool.contents[i];
            counts->free += one->state == FREE && one->there;
            counts->leased += one->state == LEASED || one->state == BOUND;
            counts->consumed += one->state == CONSUMED;
            counts->quarantined += one->state == QUARANTINED;
        }
    }
    turn_give(&ctx->turn);
    return result;
}

static uint32_t KF_CALL provider_last_error(kf_provider_ctx *ctx, char *text, uint32_t capacity) {
    (void)ctx; /* kept per thread: that of a failed open is there without a context */
    return sentence_copy(text, capacity);
}

static const void *KF_CALL provider_interface(const char *id) {
    static const kf_pool_v1 counting = {sizeof counting, VERSION_1, provider_count};
    return id != NULL && strcmp(id, KFP_POOL) == 0 ? &counting : NULL;
}

KF_EXPORT int32_t KF_CALL kf_provider_entry(uint32_t host_abi, const kf_host_v1 *host,
                                            const kf_provider_v1 **provider) {
    static const kf_provider_v1 table = {
        .struct_size = sizeof table,
        .struct_version = VERSION_1,
        .threading = KFP_FREE,
        .abort_policy = KFP_ABORT_FREES,
        .name = "kfasync containers",
        .version = "0.1.0",
        .open = provider_open,
        .lease = provider_lease,
        .commit = provider_commit,
        .abort = provider_abort,
        .cancel = provider_cancel,
        .close = provider_close,
        .last_error = provider_last_error,
        .get_interface = provider_interface,
    };
    if (host_abi != KFP_ABI) {
        return sentence_keep(KFP_E_ABI, "this library speaks version 1 of the interface");
    }
    if (host == NULL || provider == NULL) {
        return refuse("an argument is NULL");
    }
    if (!is_version_1(host->struct_size, host->struct_version, sizeof *host)) {
        return too_small("kf_host_v1");
    }
    *provider = &table;
    return KFP_OK;
}
