/* What the core takes, measured inside of it. */
#if !defined(_WIN32)
#define _POSIX_C_SOURCE 200809L /* clock_gettime */
#endif

#include "kf_bench.h"

#include <string.h>

#include "aes.h"
#include "rounds.h"

#if defined(_WIN32)
#include <windows.h>
#else
#include <time.h>
#endif

/* In a batch this long, two readings of the clock are a few thousandths. */
#define BATCH_NS 20000.0

static double now_ns(void)
{
#if defined(_WIN32)
    LARGE_INTEGER ticks;
    LARGE_INTEGER per_second;

    QueryPerformanceCounter(&ticks);
    QueryPerformanceFrequency(&per_second);
    return (double)ticks.QuadPart * 1e9 / (double)per_second.QuadPart;
#else
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
#endif
}

/* One kind of work, count times; what it needs is behind context. */
typedef int32_t work(void *context, uint32_t count);

static int32_t time_batch(work *piece, void *context, uint32_t count, double *taken)
{
    const double begin = now_ns();
    const int32_t result = piece(context, count);

    *taken = now_ns() - begin;
    return result;
}

static int32_t best_of(work *piece, void *context, uint32_t repeats, double *best_ns)
{
    uint32_t count = 1;
    double taken = 0;

    *best_ns = 0;
    if (repeats == 0) {
        return KF_E_ARGUMENT;
    }
    int32_t result = time_batch(piece, context, count, &taken);
    while (result == KF_OK && taken < BATCH_NS && count < UINT32_MAX / 2) {
        count *= 2;
        result = time_batch(piece, context, count, &taken);
    }
    double best = taken;
    for (uint32_t i = 0; result == KF_OK && i < repeats; i++) {
        result = time_batch(piece, context, count, &taken);
        best = taken < best || i == 0 ? taken : best;
    }
    if (result == KF_OK) {
        *best_ns = best / count;
    }
    return result;
}

/* ---------------------------------------------------------------- primitives */

typedef struct {
    const kf_aes *aes;
    kf_key key;
    uint32_t key_size;
    uint32_t size;
    const uint32_t *lengths;
    uint32_t count;
    uint8_t data[KF_BENCH_BYTES_MAX];
} primitive;

/* No key of anybody's: bytes that are not all the same. */
static int32_t prepare(primitive *p, uint32_t tier, uint32_t key_size, double *best_ns)
{
    if (best_ns == NULL) {
        return KF_E_ARGUMENT;
    }
    *best_ns = 0;
    p->aes = kf_aes_tier(tier);
    if (p->aes == NULL) {
        return KF_E_TIER;
    }
    if (key_size != 16 && key_size != 24 && key_size != 32) {
        return KF_E_KEY_LENGTH;
    }
    for (uint32_t i = 0; i < sizeof p->data; i++) {
        p->data[i] = (uint8_t)(i * 7);
    }
    p->key_size = key_size;
    p->aes->expand(&p->key, p->data, key_size, KF_FOR_CMAC);
    return KF_OK;
}

static int32_t rounds(void *context, uint32_t count)
{
    (void)context;
    return kf_rounds(count);
}

int32_t kf_bench_aesenc(uint32_t repeats, double *best_ns)
{
    if (best_ns == NULL) {
        return KF_E_ARGUMENT;
    }
    const int32_t result = best_of(rounds, NULL, repeats, best_ns);
    *best_ns /= KF_ROUNDS_IN_STEP;
    return result;
}

static int32_t chains(void *context, uint32_t count)
{
    primitive *p = context;
    uint8_t chain[KF_BLOCK] = {0};

    for (uint32_t i = 0; i < count; i++) {
        const uint8_t *message = p->data;

        for (uint32_t j = 0; j < p->count; j++) {
            p->aes->chain_mac(&p->key, chain, message, p->lengths[j]);
            message += p->lengths[j];
        }
    }
    return KF_OK;
}

int32_t kf_bench_chain(uint32_t tier, uint32_t key_size, const uint32_t *lengths, uint32_t count,
                       uint32_t repeats, double *best_ns)
{
    primitive p = {.lengths = lengths, .count = count};
    uint32_t left = KF_BENCH_BYTES_MAX;
    int32_t result = prepare(&p, tier, key_size, best_ns);

    if (result == KF_OK && (lengths == NULL || count == 0)) {
        result = KF_E_ARGUMENT;
    }
    for (uint32_t i = 0; result == KF_OK && i < count; i++) {
        result = lengths[i] > 0 && lengths[i] <= left ? KF_OK : KF_E_ARGUMENT;
        left -= lengths[i];
    }
    return result == KF_OK ? best_of(chains, &p, repeats, best_ns) : result;
}

/* Each MAC is written over the message of the next: without that the CPU would work on several
 * at once. */
static int32_t macs(void *context, uint32_t count)
{
    primitive *p = context;

    for (uint32_t i = 0; i < count; i++) {
        p->aes->mac(&p->key, p->data, p->size, p->data);
    }
    return KF_OK;
}

int32_t kf_bench_cmac(uint32_t tier, uint32_t key_size, uint32_t size, uint32_t repeats,
                      double *best_ns)
{
    primitive p = {.size = size};
    int32_t result = prepare(&p, tier, key_size, best_ns);

    if (result == KF_OK && size > KF_BENCH_BYTES_MAX) {
        result = KF_E_ARGUMENT;
    }
    return result == KF_OK ? best_of(macs, &p, repeats, best_ns) : result;
}

/* As with the MACs: a part of each key is what came of the one before. */
static int32_t expansions(void *context, uint32_t count)
{
    primitive *p = context;

    for (uint32_t i = 0; i < count; i++) {
        memcpy(p->data, p->key.k2, KF_BLOCK);
        p->aes->expand(&p->key, p->data, p->key_size, KF_FOR_CMAC);
    }
    return KF_OK;
}

int32_t kf_bench_expand(uint32_t tier, uint32_t key_size, uint32_t repeats, double *best_ns)
{
    primitive p = {.size = 0};
    const int32_t result = prepare(&p, tier, key_size, best_ns);

    return result == KF_OK ? best_of(expansions, &p, repeats, best_ns) : result;
}

/* ---------------------------------------------------------------- fobs */

typedef struct {
    const uint8_t *enc;
    const uint8_t *mac;
    const uint8_t *dek;
    const uint8_t *kcv;
    const kf_terms *terms;
    const uint8_t *host_challenge;
    const uint8_t *answer;
    const kf_item *items;
    uint8_t *out;
    uint32_t tier;
    uint32_t key_size;
    uint32_t answer_size;
    uint32_t item_count;
    uint32_t capacity;
} fob;

static int32_t provision(const fob *f)
{
    uint32_t ends[KF_BLOCKS_MAX + 1];
    uint32_t count = KF_BLOCKS_MAX + 1;
    uint32_t layout = 0;
    kf_slot *slot = kf_slot_get(f->tier);

    if (slot == NULL) {
        return KF_E_MEMORY;
    }
    int32_t result = kf_slot_load(slot, f->enc, f->mac, f->dek, f->key_size, f->kcv);
    if (result == KF_OK) {
        result = kf_open_and_wrap(slot, f->terms, f->host_challenge, f->answer, f->answer_size,
                                  &layout, f->items, f->item_count, f->out, f->capacity, ends,
                                  &count);
    }
    kf_slot_put(slot);
    return result;
}

static int32_t fobs(void *context, uint32_t count)
{
    int32_t result = KF_OK;

    for (uint32_t i = 0; result == KF_OK && i < count; i++) {
        result = provision(context);
    }
    return result;
}

int32_t kf_bench_fob(uint32_t tier, const uint8_t *enc, const uint8_t *mac, const uint8_t *dek,
                     uint32_t key_size, const uint8_t kcv[9], const kf_terms *terms,
                     const uint8_t *host_challenge, const uint8_t *answer, uint32_t answer_size,
                     const kf_item *items, uint32_t item_count, uint8_t *out, uint32_t capacity,
                     uint32_t repeats, double *best_ns)
{
    fob f = {enc,   mac, dek,  kcv,      terms,       host_challenge, answer,
             items, out, tier, key_size, answer_size, item_count,     capacity};

    if (best_ns == NULL) {
        return KF_E_ARGUMENT;
    }
    *best_ns = 0;
    return kf_tier_available(tier) ? best_of(fobs, &f, repeats, best_ns) : KF_E_TIER;
}

static int32_t slots(void *context, uint32_t count)
{
    (void)context;
    for (uint32_t i = 0; i < count; i++) {
        kf_slot *slot = kf_slot_get(KF_TIER_PORTABLE);

        if (slot == NULL) {
            return KF_E_MEMORY;
        }
        kf_slot_put(slot);
    }
    return KF_OK;
}

int32_t kf_bench_wipe(uint32_t repeats, double *best_ns)
{
    if (best_ns == NULL) {
        return KF_E_ARGUMENT;
    }
    return best_of(slots, NULL, repeats, best_ns);
}
