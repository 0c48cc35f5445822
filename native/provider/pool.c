#define _POSIX_C_SOURCE 200809L

#include "pool.h"

#include "kf_provider.h"
#include "sentence.h"

#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

content *pool_of_fesn(content_pool *pool, const char *fesn) {
    for (uint32_t i = 0; i < pool->size; i++) {
        if (strcmp(pool->contents[i].fesn, fesn) == 0) {
            return &pool->contents[i];
        }
    }
    return NULL;
}

content *pool_of_unit(content_pool *pool, const char *unit) {
    for (uint32_t i = 0; i < pool->size; i++) {
        if (pool->contents[i].state != FREE && strcmp(pool->contents[i].unit, unit) == 0) {
            return &pool->contents[i];
        }
    }
    return NULL;
}

content *pool_free(content_pool *pool) {
    for (uint32_t i = 0; i < pool->size; i++) {
        if (pool->contents[i].there && pool->contents[i].state == FREE) {
            return &pool->contents[i];
        }
    }
    return NULL;
}

static content *content_of(content_pool *pool, const char *fesn) {
    content *found = pool_of_fesn(pool, fesn);
    if (found == NULL && pool->size < POOL_MAX) {
        found = &pool->contents[pool->size++];
        memset(found, 0, sizeof *found);
        memcpy(found->fesn, fesn, FESN_SIZE);
    }
    return found;
}

static int32_t too_many(void) {
    return sentence_keep(KFP_E_CONFIG, "containers: more than %u", (unsigned)POOL_MAX);
}

/* <FESN>-<SPID>: 8 letters and digits, a hyphen, 40 hex digits. */
static int is_container(const char *name) {
    return strspn(name, "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz") == 8 &&
           name[8] == '-' && strspn(name + 9, "0123456789ABCDEFabcdef") == 40 && name[49] == '\0';
}

static int32_t take_in_container(content_pool *pool, const char *name) {
    if (!is_container(name)) {
        return sentence_keep(KFP_E_CONTENT, "containers: %.80s is not the name of a container",
                             name);
    }
    char fesn[FESN_SIZE] = {0};
    memcpy(fesn, name, FESN_SIZE - 1);
    content *found = content_of(pool, fesn);
    if (found == NULL) {
        return too_many();
    }
    if (found->there && strcmp(found->spid, name + FESN_SIZE) != 0) {
        return sentence_keep(KFP_E_CONTENT, "containers: two of FESN %s, which is issued once",
                             fesn);
    }
    memcpy(found->spid, name + FESN_SIZE, SPID_SIZE);
    found->there = 1;
    return KFP_OK;
}

int32_t pool_scan(content_pool *pool) {
    int again = openat(pool->containers, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *directory = again < 0 ? NULL : fdopendir(again);
    if (directory == NULL) {
        if (again >= 0) {
            (void)close(again);
        }
        return sentence_keep(KFP_E_UNAVAILABLE, "containers: cannot be read (%s)",
                             sentence_errno());
    }
    for (uint32_t i = 0; i < pool->size; i++) {
        pool->contents[i].there = 0;
    }
    int32_t result = KFP_OK;
    const struct dirent *entry;
    /* readdir() is for threads as long as each has a stream of its own. */
    /* NOLINTNEXTLINE(concurrency-mt-unsafe) */
    while (result == KFP_OK && (entry = readdir(directory)) != NULL) {
        /* A container is copied in under a hidden name and renamed when it is whole. */
        if (entry->d_name[0] != '.') {
            result = take_in_container(pool, entry->d_name);
        }
    }
    (void)closedir(directory);
    return result;
}

static int32_t take_in_record(content_pool *pool, uint32_t index, const journal_record *record) {
    content *found = content_of(pool, record->fesn);
    if (found == NULL) {
        return too_many();
    }
    switch (record->event) {
    case EVENT_LEASED:
        found->state = LEASED;
        found->lease = index;
        memcpy(found->unit, record->unit, UNIT_SIZE);
        break;
    case EVENT_BOUND:
        found->state = BOUND;
        break;
    case EVENT_FREED:
        found->state = FREE;
        break;
    case EVENT_PASSED:
        found->state = CONSUMED;
        break;
    default:
        found->state = QUARANTINED;
        break;
    }
    return KFP_OK;
}

int32_t pool_refresh(content_pool *pool) {
    uint32_t count;
    int32_t result = journal_count(pool->journal, &count);
    if (result == KFP_OK && count < pool->seen) {
        result = sentence_keep(KFP_E_INTERNAL, "state: shorter than it was; nothing is issued");
    }
    while (result == KFP_OK && pool->seen < count) {
        journal_record record;
        result = journal_read(pool->journal, pool->seen, &record);
        if (result == KFP_OK) {
            result = take_in_record(pool, pool->seen, &record);
        }
        if (result == KFP_OK) {
            pool->seen++;
        }
    }
    return result;
}

int32_t pool_write(content_pool *pool, char event, const char *unit, const char *fesn) {
    journal_record record = {.event = event};
    memcpy(record.unit, unit, strlen(unit) + 1);
    memcpy(record.fesn, fesn, FESN_SIZE);
    int32_t result = journal_append(pool->journal, pool->seen, &record);
    return result == KFP_OK ? pool_refresh(pool) : result;
}
