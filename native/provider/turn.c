#define _POSIX_C_SOURCE 200809L

#include "turn.h"

#include "journal.h"
#include "kf_provider.h"
#include "sentence.h"

#include <time.h>

#define NS_PER_MS 1000000u

static uint64_t now_ns(void) {
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000u * NS_PER_MS + (uint64_t)now.tv_nsec;
}

int32_t turn_open(turn *of, int journal) {
    of->journal = journal;
    atomic_init(&of->cancels, 0);
    if (pthread_mutex_init(&of->mutex, NULL) != 0) {
        return sentence_keep(KFP_E_UNAVAILABLE, "the system has no mutex left");
    }
    return KFP_OK;
}

void turn_close(turn *of) {
    (void)pthread_mutex_destroy(&of->mutex);
}

/* Neither kind of lock can be waited for with a deadline and be called off; asking again every
 * millisecond can, and whoever has the turn needs hardly longer than that. */
int32_t turn_take(turn *of, uint32_t deadline_ms) {
    const uint64_t end = now_ns() + (uint64_t)deadline_ms * NS_PER_MS;
    const unsigned before = atomic_load(&of->cancels);
    int mine = 0;
    for (;;) {
        mine = mine || pthread_mutex_trylock(&of->mutex) == 0;
        if (mine && journal_try_lock(of->journal)) {
            return KFP_OK;
        }
        int32_t result = KFP_OK;
        if (atomic_load(&of->cancels) != before) {
            result = sentence_keep(KFP_E_CANCELLED, "cancelled by the host");
        } else if (now_ns() >= end) {
            result = sentence_keep(KFP_E_DEADLINE, "state: in use by another; ask again");
        }
        if (result != KFP_OK) {
            if (mine) {
                (void)pthread_mutex_unlock(&of->mutex);
            }
            return result;
        }
        const struct timespec moment = {0, (long)NS_PER_MS};
        (void)nanosleep(&moment, NULL);
    }
}

void turn_give(turn *of) {
    journal_unlock(of->journal);
    (void)pthread_mutex_unlock(&of->mutex);
}

void turn_cancel(turn *of) {
    (void)atomic_fetch_add(&of->cancels, 1);
}
