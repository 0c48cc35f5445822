/* Opening a session, from inside of a slot. */
#ifndef KF_SESSION_H
#define KF_SESSION_H

#include "slot.h"

/* The INITIALIZE UPDATE exchange. */
typedef struct {
    const kf_terms *terms;
    const uint8_t *host_challenge;
    const uint8_t *answer;
    uint32_t answer_size;
} kf_opening;

/* 1 when nothing of it is NULL or out of range, else 0. */
int kf_opening_is_sound(const kf_opening *opening);

/* EXTERNAL AUTHENTICATE without its C-MAC: header, Lc, host cryptogram. */
#define KF_AUTHENTICATE_DATA_AT 5u

static inline uint32_t kf_authenticate_size(const kf_terms *terms)
{
    return KF_AUTHENTICATE_DATA_AT + terms->mac_size;
}

/* As kf_session_open, but EXTERNAL AUTHENTICATE still lacks its C-MAC. */
int32_t kf_session_begin(kf_slot *slot, const kf_opening *opening, uint32_t *layout,
                         uint8_t *external_authenticate);

#endif
