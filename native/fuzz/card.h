/* The card: the other side of a session, put together anew from the primitives alone, so that
 * both sides cannot be wrong in the same place. It wants all that Amendment D wants. */
#ifndef KF_FUZZ_CARD_H
#define KF_FUZZ_CARD_H

#include "input.h"
#include "kf_core.h"

#define ANSWER_MAX (10 + 6 + 32 + 3)

typedef struct {
    kf_terms terms;
    uint32_t layout; /* the one that it answers by */
    uint32_t key_size;
    uint8_t enc[32], mac[32], dek[32];
    uint8_t kcv[9];
    uint8_t host_challenge[16];
    uint8_t challenge[16];
    uint8_t context[35];
    uint32_t context_size;
    uint8_t s_enc[32], s_mac[32], s_rmac[32];
    uint8_t chain[16];
    uint64_t counter;
} card;

/* Keys, terms and challenges that a few bytes of the input choose. */
void card_make(card *of, input *from);

/* The data field of its INITIALIZE UPDATE answer; returns the size. */
uint32_t card_answer(card *of, uint8_t answer[ANSWER_MAX]);

/* A slot with the card's keys in it, and one with a session, whose opening command the card has
 * accepted. NULL where this CPU has no such tier. */
kf_slot *card_load(const card *of, uint32_t tier);
kf_slot *card_open(card *of, uint32_t tier);

/* EXTERNAL AUTHENTICATE is this session's; the chain begins with it. */
void card_authenticate(card *of, const uint8_t *command);

/* A secured command: that its C-MAC is right, and what its data field was before it was secured.
 * Returns the size of it; *le_at is where the rest of the command begins. */
uint32_t card_receive(card *of, const uint8_t *command, uint32_t size, uint8_t *data,
                      uint32_t *le_at);

/* Data that is in out already, as it is: only R-MAC and status word come behind it. */
uint32_t card_seal(const card *of, uint8_t *out, uint32_t size, uint32_t sw);

/* The answer to the command received last: encrypted and with R-MAC, as the level wants. out has
 * room for the data, 16 + 16 + 2 bytes more; returns the size. */
uint32_t card_respond(const card *of, const uint8_t *data, uint32_t size, uint32_t sw,
                      uint8_t *out);

#endif
