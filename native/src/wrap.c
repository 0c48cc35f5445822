/* Secure messaging of commands (GP Amendment D v1.2, 6.2.4 and 6.2.6). */
#include "wrap.h"

#include <string.h>

#include "command.h"
#include "secrecy.h"

#define CLA_FURTHER_CHANNELS 0x40u /* channels 4 to 19, which code secure messaging otherwise */

void kf_encrypt(kf_slot *slot, uint8_t *data, uint32_t size)
{
    const kf_aes *aes = slot->aes;
    kf_session *session = &slot->session;
    uint8_t *icv = session->derived;
    const uint32_t padded = size + KF_BLOCK - size % KF_BLOCK;

    memset(data + size, 0, padded - size);
    data[size] = 0x80;
    kf_counter_block(icv, 0x00, session->counter);
    aes->encrypt(&session->s_enc, icv, icv);
    aes->cbc_encrypt(&session->s_enc, icv, data, data, padded / KF_BLOCK);
}

void kf_append_mac(kf_slot *slot, uint8_t *out, uint32_t size)
{
    kf_session *session = &slot->session;

    slot->aes->chain_mac(&session->s_mac, session->chain, out, size);
    memcpy(out + size, session->chain, 8);
    if (session->mac_size > 8) {
        memcpy(out + size + 8, session->chain + 8, 8);
    }
    kf_declassify(out, size + session->mac_size);
}

void kf_seal(kf_slot *slot, uint8_t *out, uint32_t size)
{
    kf_session *session = &slot->session;

    kf_append_mac(slot, out, size);
    session->pending++;
    if (session->level & KF_R_MAC) {
        memcpy(kf_slot_chain(slot, ++session->sealed), session->chain, KF_BLOCK);
    }
}

/* ---------------------------------------------------------------- a batch */

/* The size of a command once it is secured; 0 when it cannot be. */
static uint32_t secured_size(const kf_session *session, const kf_command *command, uint32_t *lc,
                             uint32_t *extended)
{
    *lc = kf_secured_lc(session, command->size);
    *extended = command->extended || *lc > KF_SHORT_MAX;
    if (command->header[0] & CLA_FURTHER_CHANNELS || *lc > KF_EXTENDED_MAX) {
        return 0;
    }
    const uint32_t le_size = command->le == 0 ? 0 : *extended ? 2 : 1;
    return KF_HEADER_SIZE + (*extended ? 3u : 1u) + *lc + le_size;
}

/* Read every command before any is secured, and see that all of them fit. */
static int32_t check_batch(const kf_slot *slot, const uint8_t *commands,
                           const uint32_t *command_ends, uint32_t count, uint32_t capacity)
{
    uint32_t begin = 0;
    uint32_t room = capacity;
    int32_t result = KF_OK;
    kf_command command;

    if (!slot->session.open || !kf_may_wait(&slot->session, count)) {
        return KF_E_STATE;
    }
    for (uint32_t i = 0; i < count; i++) {
        uint32_t lc;
        uint32_t extended;
        if (command_ends[i] < begin) {
            return KF_E_ARGUMENT;
        }
        if (kf_command_read(&command, commands + begin, command_ends[i] - begin) != KF_OK) {
            return KF_E_FORMAT;
        }
        const uint32_t size = secured_size(&slot->session, &command, &lc, &extended);
        if (size == 0) {
            return KF_E_FORMAT;
        }
        /* What cannot be read is the caller's to hear first, wherever in the batch it is. */
        if (size > room) {
            result = KF_E_SPACE;
        } else {
            room -= size;
        }
        begin = command_ends[i];
    }
    return result;
}

static uint32_t secure(kf_slot *slot, const kf_command *command, uint8_t *out)
{
    uint32_t lc;
    uint32_t extended;
    const uint32_t size = secured_size(&slot->session, command, &lc, &extended);

    memcpy(out, command->header, KF_HEADER_SIZE);
    out[0] |= KF_CLA_SECURE_MESSAGING;
    uint8_t *data = kf_write_lc(out + KF_HEADER_SIZE, lc, extended);
    memcpy(data, command->data, command->size);
    kf_encrypt_data(slot, data, command->size);
    kf_seal(slot, out, (uint32_t)(data - out) + lc - slot->session.mac_size);
    /* Le stays outside of the MAC (6.2.4), in the form that Lc has. */
    if (command->le != 0) {
        if (extended) {
            data[lc++] = (uint8_t)(command->le >> 8);
        }
        data[lc] = (uint8_t)command->le;
    }
    return size;
}

static void secure_batch(kf_slot *slot, const uint8_t *commands, const uint32_t *command_ends,
                         uint32_t count, uint8_t *out, uint32_t *ends)
{
    uint32_t begin = 0;
    uint32_t written = 0;
    kf_command command;

    for (uint32_t i = 0; i < count; i++) {
        (void)kf_command_read(&command, commands + begin, command_ends[i] - begin);
        written += secure(slot, &command, out + written);
        ends[i] = written;
        begin = command_ends[i];
    }
}

int32_t kf_wrap_batch(kf_slot *slot, const uint8_t *commands, const uint32_t *command_ends,
                      uint32_t count, uint8_t *out, uint32_t capacity, uint32_t *ends)
{
    if (out == NULL || ends == NULL) {
        return KF_E_ARGUMENT;
    }
    int32_t result = commands == NULL || command_ends == NULL ? KF_E_ARGUMENT : kf_slot_enter(slot);
    if (result == KF_OK) {
        result = check_batch(slot, commands, command_ends, count, capacity);
        if (result == KF_OK) {
            secure_batch(slot, commands, command_ends, count, out, ends);
        }
        kf_slot_leave(slot);
    }
    if (result != KF_OK) {
        memset(out, 0, capacity);
        memset(ends, 0, count * sizeof *ends);
    }
    return result;
}
