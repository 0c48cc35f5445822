/* All contents and who has them: the directory's names and the journal, put together. */
#ifndef KF_PROVIDER_POOL_H
#define KF_PROVIDER_POOL_H

#include "journal.h"

#define POOL_MAX 4096u
#define SPID_SIZE 41u

typedef enum { FREE, LEASED, BOUND, CONSUMED, QUARANTINED } content_state;

typedef struct {
    char fesn[FESN_SIZE];
    char spid[SPID_SIZE];
    uint8_t there; /* a container of this FESN is in the directory */
    content_state state;
    char unit[UNIT_SIZE]; /* unless it is FREE */
    uint32_t lease;       /* index of the record that leased it */
} content;

typedef struct {
    int containers; /* the directory */
    int journal;
    uint32_t seen; /* records of the journal that have been taken in */
    uint32_t size;
    content contents[POOL_MAX];
} content_pool;

/* Takes in new containers; a name that is none of a container is refused. */
int32_t pool_scan(content_pool *pool);

/* Takes in what anybody has written to the journal since the last time. Needs its lock, as
 * pool_write does. */
int32_t pool_refresh(content_pool *pool);

/* The content that this unit has or had, or NULL. */
content *pool_of_unit(content_pool *pool, const char *unit);

/* The first that is free and there, or NULL. */
content *pool_free(content_pool *pool);

content *pool_of_fesn(content_pool *pool, const char *fesn);

/* One event, on disk when it returns. */
int32_t pool_write(content_pool *pool, char event, const char *unit, const char *fesn);

#endif
