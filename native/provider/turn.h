/* Waiting for one's turn with a context and its journal: never past the deadline, and not when
 * the context has been cancelled meanwhile. */
#ifndef KF_PROVIDER_TURN_H
#define KF_PROVIDER_TURN_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>

typedef struct {
    pthread_mutex_t mutex; /* between threads */
    int journal;           /* its lock, between processes and contexts */
    atomic_uint cancels;   /* how often */
} turn;

int32_t turn_open(turn *of, int journal);
void turn_close(turn *of);

/* KFP_OK, KFP_E_DEADLINE or KFP_E_CANCELLED. */
int32_t turn_take(turn *of, uint32_t deadline_ms);
void turn_give(turn *of);

void turn_cancel(turn *of);

#endif
