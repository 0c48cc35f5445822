/* The arena: all of the memory that secrets are kept in, mapped once. */
#include "arena.h"

#include <string.h>

#include "pages.h"

#define WORD_BITS 32u
#define SLOT_WORDS (KF_SLOTS / WORD_BITS)
#define CELL_WORDS (KF_CELLS / WORD_BITS)

enum { EMPTY = 0, STARTING = 1, READY = 2 };

/* All of it lies in the pages, the bookkeeping too: in a forked child it is zeros with
 * everything else, and zeros say that there is nothing to be had. */
typedef struct {
    atomic_uint state;
    uint32_t locked;
    /* A place that is being wiped is neither free nor taken. */
    atomic_uint free_slots[SLOT_WORDS];
    atomic_uint taken_slots[SLOT_WORDS];
    atomic_uint free_cells[CELL_WORDS];
    atomic_uint taken_cells[CELL_WORDS];
    kf_slot slots[KF_SLOTS];
    _Alignas(64) uint8_t cells[KF_CELLS][KF_CELL_SIZE];
} kf_arena;

/* Under the default RLIMIT_MEMLOCK of 8 MiB there is room for a second process's. */
_Static_assert(sizeof(kf_arena) < 4u << 20, "the arena is below 4 MiB");

/* Set once, by the first kf_start. */
static _Atomic(kf_arena *) the_arena;

static kf_arena *arena_now(void)
{
    return atomic_load_explicit(&the_arena, memory_order_acquire);
}

/* ---------------------------------------------------------------- places */

/* Take the first place that is free: its number, or -1. */
static int32_t take(atomic_uint *free_words, atomic_uint *taken, uint32_t words)
{
    for (uint32_t word = 0; word < words; word++) {
        unsigned seen = atomic_load_explicit(&free_words[word], memory_order_relaxed);
        while (seen != 0) {
            const unsigned lowest = seen & (0u - seen);
            if (!atomic_compare_exchange_weak_explicit(&free_words[word], &seen, seen & ~lowest,
                                                       memory_order_acquire,
                                                       memory_order_relaxed)) {
                continue;
            }
            int32_t bit = 0;
            while (lowest >> bit != 1) {
                bit++;
            }
            atomic_fetch_or_explicit(&taken[word], lowest, memory_order_release);
            return (int32_t)(word * WORD_BITS) + bit;
        }
    }
    return -1;
}

/* 1 when the place was taken and is now the caller's to wipe, else 0. */
static int withdraw(atomic_uint *taken, int32_t place)
{
    const unsigned bit = 1u << (uint32_t)place % WORD_BITS;
    atomic_uint *word = &taken[(uint32_t)place / WORD_BITS];

    return (atomic_fetch_and_explicit(word, ~bit, memory_order_acq_rel) & bit) != 0;
}

static void set_free(atomic_uint *free_words, int32_t place)
{
    const unsigned bit = 1u << (uint32_t)place % WORD_BITS;

    atomic_fetch_or_explicit(&free_words[(uint32_t)place / WORD_BITS], bit, memory_order_release);
}

/* The number of the place at an address, or -1 when none begins there. */
static inline int32_t place_at(const void *address, const void *first, size_t size, size_t count)
{
    /* An address below the first wraps around to a large offset. */
    const uintptr_t offset = (uintptr_t)address - (uintptr_t)first;

    if (offset >= size * count || offset % size != 0) {
        return -1;
    }
    return (int32_t)(offset / size);
}

static inline int32_t slot_place(const kf_arena *arena, const kf_slot *slot)
{
    return arena == NULL ? -1 : place_at(slot, arena->slots, sizeof(kf_slot), KF_SLOTS);
}

/* ---------------------------------------------------------------- start */

static kf_arena *map_once(void)
{
    kf_arena *arena = arena_now();

    if (arena != NULL) {
        return arena;
    }
    kf_arena *mine = (kf_arena *)(void *)kf_pages_map(sizeof(kf_arena));
    if (mine == NULL) {
        return NULL;
    }
    if (atomic_compare_exchange_strong_explicit(&the_arena, &arena, mine, memory_order_acq_rel,
                                                memory_order_acquire)) {
        return mine;
    }
    kf_pages_unmap((uint8_t *)mine, sizeof(kf_arena));
    return arena;
}

/* Nobody has anything yet. Locks are not inherited, so a forked child takes its own. */
static int32_t fill(kf_arena *arena, uint32_t unlocked_allowed)
{
    arena->locked = (uint32_t)kf_pages_lock((uint8_t *)arena, sizeof(kf_arena));
    if (!arena->locked && !unlocked_allowed) {
        atomic_store_explicit(&arena->state, EMPTY, memory_order_release);
        return KF_E_LOCK;
    }
    for (uint32_t word = 0; word < SLOT_WORDS; word++) {
        atomic_store_explicit(&arena->free_slots[word], UINT32_MAX, memory_order_relaxed);
    }
    for (uint32_t word = 0; word < CELL_WORDS; word++) {
        atomic_store_explicit(&arena->free_cells[word], UINT32_MAX, memory_order_relaxed);
    }
    atomic_store_explicit(&arena->state, READY, memory_order_release);
    return KF_OK;
}

int32_t kf_start(uint32_t unlocked_allowed)
{
    kf_arena *arena = map_once();

    if (arena == NULL) {
        return KF_E_MEMORY;
    }
    for (;;) {
        unsigned state = EMPTY;
        if (atomic_compare_exchange_strong_explicit(&arena->state, &state, STARTING,
                                                    memory_order_acquire,
                                                    memory_order_acquire)) {
            return fill(arena, unlocked_allowed);
        }
        if (state == READY) {
            /* An arena that somebody else put up with is not what this caller asked for. */
            return arena->locked || unlocked_allowed ? KF_OK : KF_E_LOCK;
        }
    }
}

int32_t kf_locked(void)
{
    kf_arena *arena = arena_now();

    return arena != NULL && atomic_load_explicit(&arena->state, memory_order_acquire) == READY &&
           arena->locked;
}

/* ---------------------------------------------------------------- slots */

kf_slot *kf_arena_take_slot(void)
{
    kf_arena *arena = arena_now();

    if (arena == NULL) {
        return NULL;
    }
    const int32_t place = take(arena->free_slots, arena->taken_slots, SLOT_WORDS);
    return place < 0 ? NULL : &arena->slots[place];
}

int kf_arena_is_slot(const kf_slot *slot)
{
    return slot_place(arena_now(), slot) >= 0;
}

int kf_arena_has_slot(const kf_slot *slot)
{
    kf_arena *arena = arena_now();
    const int32_t place = slot_place(arena, slot);

    if (place < 0) {
        return 0;
    }
    const unsigned word = atomic_load_explicit(&arena->taken_slots[(uint32_t)place / WORD_BITS],
                                               memory_order_acquire);
    return (int)(word >> (uint32_t)place % WORD_BITS & 1u);
}

int kf_arena_withdraw_slot(const kf_slot *slot)
{
    kf_arena *arena = arena_now();
    const int32_t place = slot_place(arena, slot);

    return place >= 0 && withdraw(arena->taken_slots, place);
}

void kf_arena_free_slot(const kf_slot *slot)
{
    kf_arena *arena = arena_now();

    set_free(arena->free_slots, slot_place(arena, slot));
}

/* ---------------------------------------------------------------- cells */

uint8_t *kf_cell_get(void)
{
    kf_arena *arena = arena_now();

    if (arena == NULL) {
        return NULL;
    }
    const int32_t place = take(arena->free_cells, arena->taken_cells, CELL_WORDS);
    return place < 0 ? NULL : arena->cells[place];
}

void kf_cell_put(uint8_t *cell)
{
    kf_arena *arena = arena_now();

    if (arena == NULL) {
        return;
    }
    const int32_t place = place_at(cell, arena->cells, KF_CELL_SIZE, KF_CELLS);
    if (place < 0 || !withdraw(arena->taken_cells, place)) {
        return;
    }
    kf_wipe(cell, KF_CELL_SIZE);
    set_free(arena->free_cells, place);
}
