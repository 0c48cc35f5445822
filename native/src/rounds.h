/* Rounds of AES in a chain, for their latency: what no chain of blocks can be faster than. */
#ifndef KF_ROUNDS_H
#define KF_ROUNDS_H

#include <stdint.h>

#define KF_ROUNDS_IN_STEP 10

/* steps * KF_ROUNDS_IN_STEP rounds of the CPU's AES instructions, each on the outcome of the one
 * before. KF_E_TIER when the CPU has none. */
int32_t kf_rounds(uint32_t steps);

#endif
