/* Secure messaging of responses (GP Amendment D v1.2, 6.2.5 and 6.2.7). */
#include <string.h>

#include "secrecy.h"
#include "slot.h"
#include "wrap.h"

#define SW_SIZE 2u
#define RESPONSE_ICV 0x80

/* Success and warnings; any other status word carries no R-MAC. */
static int carries_mac(const uint8_t *sw)
{
    return (sw[0] == 0x90 && sw[1] == 0x00) || sw[0] == 0x62 || sw[0] == 0x63;
}

/* Verify the R-MAC over chaining value, data and status word. size is without the status word;
 * what is left of it is the data field alone, with the status word behind. */
static int32_t check_mac(kf_slot *slot, uint64_t counter, uint8_t *answer, uint32_t *size)
{
    kf_session *session = &slot->session;
    uint8_t claimed[KF_BLOCK];

    if (*size < session->mac_size) {
        return KF_E_NO_RMAC;
    }
    const uint32_t cut = *size - session->mac_size;
    memcpy(claimed, answer + cut, session->mac_size);
    memmove(answer + cut, answer + *size, SW_SIZE);
    memcpy(session->derived, kf_slot_chain(slot, counter), KF_BLOCK);
    slot->aes->chain_mac(&session->s_rmac, session->derived, answer, cut + SW_SIZE);
    if (!kf_equal(session->derived, claimed, session->mac_size)) {
        return KF_E_RMAC;
    }
    *size = cut;
    return KF_OK;
}

/* Undo ISO/IEC 9797-1 padding method 2, looking at every byte whatever they are. More than a
 * block of zeros is accepted: published answers have it, and the R-MAC has been verified, so
 * nobody learns anything from what is refused here. */
static int32_t unpad(const uint8_t *data, uint32_t *size)
{
    uint32_t mark_at = 0;
    uint32_t mark = 0;

    for (uint32_t i = 0; i < *size; i++) {
        const uint32_t zero = kf_mask_if_zero(data[i]);
        mark_at = (mark_at & zero) | (i & ~zero);
        mark = (mark & zero) | (data[i] & ~zero);
    }
    uint32_t right = kf_mask_if_zero(mark ^ 0x80) & 1u;
    kf_declassify(&right, sizeof right);
    if (!right) {
        return KF_E_PADDING;
    }
    /* The length of an answer is what the caller gets to know, and so does who sees the time
     * that it takes from here. */
    kf_declassify(&mark_at, sizeof mark_at);
    *size = mark_at;
    return KF_OK;
}

/* Decrypt the data field in place and put the status word behind it again. The ICV is the
 * counter of the command, encrypted, its first byte being 80 (6.2.7). */
static int32_t decrypt(kf_slot *slot, uint64_t counter, uint8_t *answer, uint32_t *size)
{
    const kf_key *s_enc = &slot->session.s_enc;
    const uint8_t sw[SW_SIZE] = {answer[*size], answer[*size + 1]};
    uint8_t *icv = slot->session.derived;

    if (*size % KF_BLOCK != 0) {
        return KF_E_PADDING;
    }
    kf_counter_block(icv, RESPONSE_ICV, counter);
    slot->aes->encrypt(s_enc, icv, icv);
    slot->aes->cbc_decrypt(s_enc, icv, answer, answer, *size / KF_BLOCK);
    const int32_t result = unpad(answer, size);
    if (result == KF_OK) {
        memcpy(answer + *size, sw, SW_SIZE);
    }
    return result;
}

static int32_t unwrap(kf_slot *slot, uint8_t *answer, uint32_t *size)
{
    kf_session *session = &slot->session;

    if (*size < SW_SIZE) {
        return KF_E_FORMAT;
    }
    const uint64_t counter = session->counter - session->pending + 1;
    uint32_t data_size = *size - SW_SIZE;
    int32_t result = KF_OK;
    session->pending--;
    if (!carries_mac(answer + data_size)) {
        /* The card has ended the session with it. */
        kf_session_end(slot);
        return KF_OK;
    }
    if (session->level & KF_R_MAC) {
        result = check_mac(slot, counter, answer, &data_size);
    }
    if (result == KF_OK && session->level & KF_R_ENCRYPTION && data_size > 0) {
        result = decrypt(slot, counter, answer, &data_size);
    }
    *size = data_size + SW_SIZE;
    return result;
}

int32_t kf_unwrap(kf_slot *slot, uint8_t *answer, uint32_t *size)
{
    if (answer == NULL || size == NULL) {
        return KF_E_ARGUMENT;
    }
    const uint32_t given = *size;
    int32_t result = kf_slot_enter(slot);
    if (result == KF_OK) {
        if (!slot->session.open || slot->session.pending == 0) {
            result = KF_E_STATE;
        } else {
            result = unwrap(slot, answer, size);
            if (result != KF_OK) {
                kf_session_end(slot);
            }
        }
        kf_slot_leave(slot);
    }
    if (result != KF_OK) {
        memset(answer, 0, given);
        *size = 0;
    }
    return result;
}
