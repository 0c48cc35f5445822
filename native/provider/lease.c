#define _POSIX_C_SOURCE 200809L /* strnlen */

#include "lease.h"

#include "kf_core.h"
#include "sentence.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What the unit has, else what it would get; nothing is written down yet. */
static int32_t choose(content_pool *pool, const char *unit, content **chosen) {
    *chosen = pool_of_unit(pool, unit);
    if (*chosen == NULL && (*chosen = pool_free(pool)) == NULL) {
        int32_t result = pool_scan(pool);
        if (result != KFP_OK) {
            return result;
        }
        *chosen = pool_free(pool);
    }
    if (*chosen == NULL) {
        return sentence_keep(KFP_E_EMPTY, "containers: none is free");
    }
    if ((*chosen)->state == CONSUMED || (*chosen)->state == QUARANTINED) {
        return sentence_keep(KFP_E_UNIT, "this unit has had %s, and that is final",
                             (*chosen)->fesn);
    }
    return KFP_OK;
}

int32_t lease_take(content_pool *pool, const shared_files *shared, container_scratch *scratch,
                   const char *unit, kf_lease_v1 *lease) {
    content *chosen;
    /* Filled in beside the caller's, of which a failure changes nothing but the sizes. */
    kf_lease_v1 made = *lease;
    int32_t result = pool_refresh(pool);
    if (result != KFP_OK || (result = choose(pool, unit, &chosen)) != KFP_OK ||
        (result = container_measure(pool, chosen, shared, &made)) != KFP_OK) {
        return result;
    }
    if (made.items_size > lease->items_capacity || made.secrets_size > lease->secrets_capacity) {
        lease->items_size = made.items_size;
        lease->secrets_size = made.secrets_size;
        return sentence_keep(KFP_E_SPACE, "a buffer is too small for %s", chosen->fesn);
    }
    result = container_read(pool, chosen, shared, scratch, &made);
    if (result == KFP_OK && chosen->state == FREE) {
        result = pool_write(pool, EVENT_LEASED, unit, chosen->fesn);
        if (result != KFP_OK) {
            kf_wipe(made.secrets, made.secrets_size);
        }
    }
    if (result != KFP_OK) {
        return result;
    }
    made.ttl_ms = 0;
    made.flags = 0;
    memset(made.reserved, 0, sizeof made.reserved);
    memset(made.lease_id, 0, sizeof made.lease_id);
    (void)snprintf(made.lease_id, sizeof made.lease_id, "%s.%u", chosen->fesn,
                   (unsigned)chosen->lease);
    memcpy(lease, &made, sizeof made);
    return KFP_OK;
}

static int32_t no_such_lease(void) {
    return sentence_keep(KFP_E_LEASE, "there is no such lease, or it has ended in another way");
}

/* A lease is named after its FESN and the record that made it, so that an id of long ago is
 * told from one that never was. *current is 0 when the content has been leased anew since. */
static int32_t find_lease(content_pool *pool, const char *lease_id, content **found, int *current) {
    journal_record record;
    char fesn[FESN_SIZE] = {0};
    char canonical[32];
    *found = NULL;
    *current = 0;
    int32_t result = pool_refresh(pool);
    if (result != KFP_OK) {
        return result;
    }
    if (strnlen(lease_id, sizeof canonical) == sizeof canonical ||
        strcspn(lease_id, ".") != FESN_SIZE - 1) {
        return no_such_lease();
    }
    memcpy(fesn, lease_id, FESN_SIZE - 1);
    unsigned long index = strtoul(lease_id + FESN_SIZE, NULL, 10);
    (void)snprintf(canonical, sizeof canonical, "%s.%lu", fesn, index);
    *found = pool_of_fesn(pool, fesn);
    if (strcmp(canonical, lease_id) != 0 || *found == NULL || index >= pool->seen) {
        return no_such_lease();
    }
    if ((result = journal_read(pool->journal, (uint32_t)index, &record)) != KFP_OK) {
        return result;
    }
    if (record.event != EVENT_LEASED || strcmp(record.fesn, fesn) != 0) {
        return no_such_lease();
    }
    *current = (*found)->state != FREE && (*found)->lease == index;
    return KFP_OK;
}

int32_t lease_commit(content_pool *pool, const char *lease_id, uint32_t outcome) {
    content *found;
    int current;
    int32_t result = find_lease(pool, lease_id, &found, &current);
    if (result != KFP_OK) {
        return result;
    }
    content_state wanted = outcome == KFP_OUTCOME_PASS ? CONSUMED : QUARANTINED;
    if (!current || ((found->state == CONSUMED || found->state == QUARANTINED) &&
                     found->state != wanted)) {
        return no_such_lease();
    }
    if (found->state == wanted) {
        return KFP_OK;
    }
    return pool_write(pool, wanted == CONSUMED ? EVENT_PASSED : EVENT_REJECTED, found->unit,
                      found->fesn);
}

int32_t lease_abort(content_pool *pool, const char *lease_id, uint32_t touched) {
    content *found;
    int current;
    int32_t result = find_lease(pool, lease_id, &found, &current);
    if (result != KFP_OK) {
        return result;
    }
    if (current && (found->state == CONSUMED || found->state == QUARANTINED)) {
        return no_such_lease();
    }
    if (!current || found->state == BOUND) {
        return KFP_OK;
    }
    return pool_write(pool, touched == KFP_TOUCHED_NONE ? EVENT_FREED : EVENT_BOUND, found->unit,
                      found->fesn);
}
