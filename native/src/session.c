/* Opening and closing an SCP03 session (GP Amendment D v1.2, 6.2.2 and 7.1). */
#include "session.h"

#include <string.h>

#include "answer.h"
#include "kdf.h"
#include "secrecy.h"
#include "wrap.h"

#define AID_MIN 5
#define AID_MAX 16

static int is_level(uint32_t level)
{
    return level == 0x01 || level == 0x03 || level == 0x11 || level == 0x13 || level == 0x33;
}

int kf_opening_is_sound(const kf_opening *opening)
{
    const kf_terms *terms = opening->terms;

    if (terms == NULL || opening->host_challenge == NULL || opening->answer == NULL) {
        return 0;
    }
    if (!is_level(terms->security_level) || (terms->mac_size != 8 && terms->mac_size != 16) ||
        terms->aid_size < AID_MIN || terms->aid_size > AID_MAX) {
        return 0;
    }
    if (terms->layout_count < 1 || terms->layout_count > KF_LAYOUTS) {
        return 0;
    }
    for (uint32_t i = 0; i < terms->layout_count; i++) {
        if (terms->layouts[i] >= KF_LAYOUTS) {
            return 0;
        }
    }
    return 1;
}

/* ---------------------------------------------------------------- derivations */

/* Derive a session key and expand it. */
static void session_key(kf_slot *slot, kf_key *key, const kf_key *from, uint32_t constant,
                        const kf_answer *answer, uint32_t use)
{
    uint8_t *derived = slot->session.derived;

    kf_derive(slot->aes, from, constant, answer->context, answer->context_size,
              8 * slot->key_size, derived);
    slot->aes->expand(key, derived, slot->key_size, use);
}

/* Derive one of the cryptograms, which S-MAC makes. */
static void cryptogram(const kf_slot *slot, uint32_t constant, const kf_answer *answer,
                       uint32_t size, uint8_t out[KF_BLOCK])
{
    kf_derive(slot->aes, &slot->session.s_mac, constant, answer->context, answer->context_size,
              8 * size, out);
}

/* ---------------------------------------------------------------- the card */

/* S-MAC, and whether the card has it too. The host's cryptogram is derived here already: each
 * is a chain that the CPU waits for, and two side by side take as long as one. */
static int verify_by(kf_slot *slot, const kf_answer *answer, uint32_t size)
{
    kf_session *session = &slot->session;

    session_key(slot, &session->s_mac, &slot->mac, KF_DERIVE_S_MAC, answer, KF_FOR_CMAC);
    cryptogram(slot, KF_DERIVE_CARD_CRYPTOGRAM, answer, size, session->derived);
    cryptogram(slot, KF_DERIVE_HOST_CRYPTOGRAM, answer, size, session->host_cryptogram);
    return kf_equal(session->derived, answer->cryptogram, size);
}

/* Find the first layout that verifies. */
static int32_t verify(kf_slot *slot, const kf_opening *opening, kf_answer *answer,
                      uint32_t *layout)
{
    const kf_terms *terms = opening->terms;
    const uint32_t size = terms->mac_size;
    int32_t result = KF_E_ANSWER;

    for (uint32_t i = 0; i < terms->layout_count; i++) {
        *layout = terms->layouts[i];
        if (kf_answer_read(answer, *layout, size, opening->host_challenge, opening->answer,
                           opening->answer_size) != KF_OK) {
            continue;
        }
        /* Another key version would fail the cryptogram too, but would then be called wrong
         * keys. It is named only when no layout reads the one that was asked for. */
        if (terms->key_version != 0 && terms->key_version != answer->key_version) {
            result = result == KF_E_ANSWER ? KF_E_KEY_VERSION : result;
            continue;
        }
        if (verify_by(slot, answer, size)) {
            return KF_OK;
        }
        result = KF_E_CRYPTOGRAM;
    }
    return result;
}

/* Ask nothing of the card that its i-param does not announce (Amendment D v1.2, table 5-1). */
static int32_t check_capabilities(const kf_answer *answer, const kf_terms *terms)
{
    uint32_t wanted = 0;

    wanted |= terms->mac_size == 16 ? KF_I_S16 : 0;
    wanted |= terms->security_level & KF_R_MAC ? KF_I_R_MAC : 0;
    wanted |= terms->security_level & KF_R_ENCRYPTION ? KF_I_R_ENCRYPTION : 0;
    return answer->has_i_param && wanted & ~answer->i_param ? KF_E_CAPABILITY : KF_OK;
}

/* Recompute a pseudo-random card challenge (GP Amendment D v1.2, 6.2.2.1). */
static int32_t check_challenge(kf_slot *slot, const kf_answer *answer, const kf_terms *terms)
{
    uint8_t context[KF_COUNTER_SIZE + AID_MAX];
    uint8_t *derived = slot->session.derived;

    if (!(answer->i_param & KF_I_PSEUDO_RANDOM_CHALLENGE)) {
        return KF_OK;
    }
    memcpy(context, answer->counter, KF_COUNTER_SIZE);
    memcpy(context + KF_COUNTER_SIZE, terms->aid, terms->aid_size);
    kf_derive(slot->aes, &slot->enc, KF_DERIVE_CARD_CHALLENGE, context,
              KF_COUNTER_SIZE + (uint32_t)terms->aid_size, 8 * (uint32_t)terms->mac_size,
              derived);
    return kf_equal(derived, answer->challenge, terms->mac_size) ? KF_OK : KF_E_CHALLENGE;
}

/* ---------------------------------------------------------------- the host */

/* EXTERNAL AUTHENTICATE has a C-MAC at every level and is never encrypted (7.1.2). */
static void authenticate(const kf_session *session, uint8_t *out)
{
    out[0] = 0x84;
    out[1] = 0x82;
    out[2] = session->level;
    out[3] = 0x00;
    out[4] = (uint8_t)(2 * session->mac_size);
    memcpy(out + KF_AUTHENTICATE_DATA_AT, session->host_cryptogram, session->mac_size);
}

/* The keys that this level has a use for, besides S-MAC. */
static void derive_the_others(kf_slot *slot, const kf_answer *answer)
{
    kf_session *session = &slot->session;

    if (session->level & KF_C_DECRYPTION) {
        session_key(slot, &session->s_enc, &slot->enc, KF_DERIVE_S_ENC, answer, KF_FOR_BLOCKS);
    }
    if (session->level & KF_R_MAC) {
        session_key(slot, &session->s_rmac, &slot->mac, KF_DERIVE_S_RMAC, answer, KF_FOR_CMAC);
    }
}

int32_t kf_session_begin(kf_slot *slot, const kf_opening *opening, uint32_t *layout,
                         uint8_t *external_authenticate)
{
    const kf_terms *terms = opening->terms;
    kf_session *session = &slot->session;
    kf_answer answer;

    kf_session_end(slot);
    if (!slot->loaded) {
        return KF_E_STATE;
    }
    session->used = 1;
    int32_t result = verify(slot, opening, &answer, layout);
    if (result == KF_OK) {
        result = check_capabilities(&answer, terms);
    }
    if (result == KF_OK) {
        result = check_challenge(slot, &answer, terms);
    }
    if (result != KF_OK) {
        kf_session_end(slot);
        return result;
    }
    session->level = terms->security_level;
    session->mac_size = terms->mac_size;
    authenticate(session, external_authenticate);
    derive_the_others(slot, &answer);
    session->open = 1;
    return KF_OK;
}

int32_t kf_session_open(kf_slot *slot, const kf_terms *terms, const uint8_t *host_challenge,
                        const uint8_t *answer, uint32_t answer_size, uint32_t *layout,
                        uint8_t *external_authenticate)
{
    const kf_opening opening = {terms, host_challenge, answer, answer_size};

    if (layout == NULL || external_authenticate == NULL) {
        return KF_E_ARGUMENT;
    }
    *layout = 0;
    if (!kf_opening_is_sound(&opening)) {
        return KF_E_ARGUMENT;
    }
    int32_t result = kf_slot_enter(slot);
    if (result == KF_OK) {
        result = kf_session_begin(slot, &opening, layout, external_authenticate);
        if (result == KF_OK) {
            kf_append_mac(slot, external_authenticate, kf_authenticate_size(terms));
        }
        kf_slot_leave(slot);
    }
    if (result != KF_OK) {
        *layout = 0;
        memset(external_authenticate, 0, kf_authenticate_size(terms) + terms->mac_size);
    }
    return result;
}

/* ---------------------------------------------------------------- the end */

void kf_session_end(kf_slot *slot)
{
    if (slot->session.used) {
        kf_slot_wipe_chains(slot);
        kf_wipe((uint8_t *)&slot->session, sizeof slot->session);
    }
}

void kf_session_close(kf_slot *slot)
{
    if (kf_slot_enter_at_last(slot) == KF_OK) {
        kf_session_end(slot);
        kf_slot_leave(slot);
    }
}
