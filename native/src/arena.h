/* The arena: where all slots and cells are. */
#ifndef KF_ARENA_H
#define KF_ARENA_H

#include "kf_core.h"
#include "slot.h"

#define KF_SLOTS 128
#define KF_CELLS 512

/* A slot that nobody has, all zeros; NULL when there is none. */
kf_slot *kf_arena_take_slot(void);

/* 1 when it is a slot of the arena, else 0; and when, besides, somebody has it. */
int kf_arena_is_slot(const kf_slot *slot);
int kf_arena_has_slot(const kf_slot *slot);

/* Giving back takes two steps, so that of two threads which give the same slot back only one
 * goes on to wipe it, and nobody gets it before that is done. The first returns 1 for that one,
 * else 0. */
int kf_arena_withdraw_slot(const kf_slot *slot);
void kf_arena_free_slot(const kf_slot *slot);

#endif
