/* What the core takes, measured inside of it: Python's own calls would drown these figures.
 *
 * Every function repeats its work in batches of 20 us or more, between two readings of the
 * monotonic clock, and writes nanoseconds for one piece of work into *best_ns: the smallest mean
 * of a batch, over repeats batches. What disturbs a measurement only ever makes it longer. Figures
 * that are to be compared come from calls that alternate, for a CPU changes its speed.
 *
 * repeats is 1 or more. The first batch, which is not counted, warms up. On failure *best_ns is
 * 0. Not for a station at work: keys come and go in plain memory.
 */
#ifndef KF_BENCH_H
#define KF_BENCH_H

#include <stdint.h>

#include "kf_core.h"

#define KF_BENCH_BYTES_MAX 16384

/* One round of AES in a chain of rounds, each of which needs the one before: the latency of
 * AESENC, or of AESE and AESMC together. No computation of AES blocks in a chain is faster than
 * blocks * rounds * this. KF_E_TIER on a CPU without such instructions. */
int32_t kf_bench_aesenc(uint32_t repeats, double *best_ns);

/* The C-MACs of a fob's commands, each chained to the one before: count messages of lengths[i]
 * bytes (1 or more; all of them together at most KF_BENCH_BYTES_MAX). A message takes 1 +
 * ceil(length / 16) serial blocks, since the chaining value stands in front of it. */
int32_t kf_bench_chain(uint32_t tier, uint32_t key_size, const uint32_t *lengths, uint32_t count,
                       uint32_t repeats, double *best_ns);

/* One CMAC of size bytes (at most KF_BENCH_BYTES_MAX) under an expanded key, each of what came
 * out of the one before. */
int32_t kf_bench_cmac(uint32_t tier, uint32_t key_size, uint32_t size, uint32_t repeats,
                      double *best_ns);

/* One key expanded, its CMAC subkeys too, each on what came out of the one before. */
int32_t kf_bench_expand(uint32_t tier, uint32_t key_size, uint32_t repeats, double *best_ns);

/* One fob, whole: kf_slot_get, kf_slot_load, kf_open_and_wrap, kf_slot_put. The arguments are
 * theirs; out is written anew by every repetition. Fails as they do, and without kf_start. */
int32_t kf_bench_fob(uint32_t tier, const uint8_t *enc, const uint8_t *mac, const uint8_t *dek,
                     uint32_t key_size, const uint8_t kcv[9], const kf_terms *terms,
                     const uint8_t *host_challenge, const uint8_t *answer, uint32_t answer_size,
                     const kf_item *items, uint32_t item_count, uint8_t *out, uint32_t capacity,
                     uint32_t repeats, double *best_ns);

/* A slot taken and given back, which wipes it. KF_E_MEMORY without kf_start. */
int32_t kf_bench_wipe(uint32_t repeats, double *best_ns);

#endif
