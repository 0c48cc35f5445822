/* The answer to INITIALIZE UPDATE, read by one layout. */
#ifndef KF_ANSWER_H
#define KF_ANSWER_H

#include <stdint.h>

#define KF_I_S16 0x01u /* i-param (GP Amendment D v1.2, table 5-1) */
#define KF_I_PSEUDO_RANDOM_CHALLENGE 0x10u
#define KF_I_R_MAC 0x20u
#define KF_I_R_ENCRYPTION 0x40u

#define KF_COUNTER_SIZE 3
#define KF_CHALLENGE_MAX 16
#define KF_CONTEXT_MAX (KF_COUNTER_SIZE + 2 * KF_CHALLENGE_MAX)

/* Pieces of the answer, where they stand in it, and what follows from them. */
typedef struct {
    const uint8_t *challenge;
    const uint8_t *cryptogram;
    const uint8_t *counter; /* NULL when there is none */
    uint32_t key_version;
    uint32_t has_i_param;
    uint32_t i_param;
    uint32_t context_size;
    uint8_t context[KF_CONTEXT_MAX]; /* what session keys and cryptograms are derived over */
} kf_answer;

/* KF_E_ANSWER when it is not of that layout. size is that of challenges and cryptogram. */
int32_t kf_answer_read(kf_answer *answer, uint32_t layout, uint32_t size,
                       const uint8_t *host_challenge, const uint8_t *data, uint32_t data_size);

#endif
