/* What is refused once a session is open or is to be opened, and what is left then.
 *
 *   cd native
 *   cc -std=c11 -O2 -Iinclude -Isrc tests/test_channel.c src/[a-z]*.c -o /tmp/test && /tmp/test
 */
#include "opening.h"

/* ---------------------------------------------------------------- batches */

static void check_batches(void)
{
    const opening from = read_opening(session_called("pysim-aes128-33"));
    const uint8_t two[] = {0x80, 0xca, 0x9f, 0x7f, 0x00, 0x80, 0xe2, 0x00, 0x00, 0x02, 0x01, 0x02};
    const uint32_t ends[] = {5, 12};
    uint8_t expected[128];
    uint8_t out[128];
    uint32_t expected_ends[2];
    uint32_t out_ends[2];
    uint8_t bad[12];
    kf_slot *slot = open_session(&from);

    kf_wrap_batch(slot, two, ends, 2, expected, sizeof expected, expected_ends);
    kf_slot_put(slot);
    slot = open_session(&from);

    memcpy(bad, two, sizeof bad);
    bad[9] = 3;
    check("a batch with a malformed command",
          kf_wrap_batch(slot, bad, ends, 2, out, sizeof out, out_ends) == KF_E_FORMAT &&
              is_zero(out, sizeof out) && is_zero(out_ends, sizeof out_ends));
    bad[9] = 2;
    bad[5] = 0xc0;
    check("a command on a further channel",
          kf_wrap_batch(slot, bad, ends, 2, out, sizeof out, out_ends) == KF_E_FORMAT);
    check("commands that end before they begin",
          kf_wrap_batch(slot, two, (uint32_t[]){5, 4}, 2, out, sizeof out, out_ends) ==
              KF_E_ARGUMENT);
    int refused = 1;
    for (uint32_t space = 0; space < expected_ends[1]; space++) {
        memset(out, 0xff, sizeof out);
        refused = refused &&
                  kf_wrap_batch(slot, two, ends, 2, out, space, out_ends) == KF_E_SPACE &&
                  is_zero(out, space) && out[space] == 0xff;
    }
    check("a space that is too small, by any number of bytes", refused);
    check("all of them leave the session as it was",
          kf_wrap_batch(slot, two, ends, 2, out, expected_ends[1], out_ends) == KF_OK &&
              memcmp(out_ends, expected_ends, sizeof out_ends) == 0 &&
              memcmp(out, expected, expected_ends[1]) == 0);
    check("an empty batch", kf_wrap_batch(slot, two, ends, 0, out, 0, out_ends) == KF_OK);
    kf_slot_put(slot);
}

static void check_pending(void)
{
    const opening from = read_opening(session_called("pysim-aes128-11"));
    static uint8_t plain[KF_PENDING_MAX * 4];
    static uint8_t out[KF_PENDING_MAX * 16];
    static uint32_t ends[KF_PENDING_MAX];
    static uint32_t out_ends[KF_PENDING_MAX];
    uint8_t refusal[2] = {0x69, 0x82};
    uint32_t size = sizeof refusal;
    kf_slot *slot = open_session(&from);

    for (uint32_t i = 0; i < KF_PENDING_MAX; i++) {
        plain[4 * i] = 0x80;
        ends[i] = 4 * (i + 1);
    }
    check("as many commands as may wait",
          kf_wrap_batch(slot, plain, ends, KF_PENDING_MAX, out, sizeof out, out_ends) == KF_OK);
    check("and one more",
          kf_wrap_batch(slot, plain, ends, 1, out, sizeof out, out_ends) == KF_E_STATE);
    check("a refusal comes back as it is",
          kf_unwrap(slot, refusal, &size) == KF_OK && size == 2 && refusal[0] == 0x69);
    check("and ends the session",
          kf_wrap_batch(slot, plain, ends, 1, out, sizeof out, out_ends) == KF_E_STATE);
    kf_slot_put(slot);
}

/* ---------------------------------------------------------------- what a card does wrong */

static int fails(opening from, int32_t expected)
{
    uint8_t command[KF_EXTERNAL_AUTHENTICATE_MAX];
    uint32_t layout = 9;
    kf_slot *slot = kf_slot_get(tier);

    memset(command, 0xff, sizeof command);
    const int as_expected =
        load(slot, &from) == KF_OK &&
        kf_session_open(slot, &from.terms, from.host_challenge, from.answer, from.answer_size,
                        &layout, command) == expected &&
        layout == 0 && is_zero(command, 5 + 2 * (size_t)from.terms.mac_size);
    kf_slot_put(slot);
    return as_expected;
}

static void check_cards(void)
{
    const opening right = read_opening(session_called("pysim-aes128-33"));
    opening from = right;

    from.answer_size--;
    check("an answer too short", fails(from, KF_E_ANSWER));
    from.answer_size += 2;
    check("an answer too long", fails(from, KF_E_ANSWER));
    from = right;
    from.answer[11] = 0x02;
    check("an answer of SCP02", fails(from, KF_E_ANSWER));
    from = right;
    from.terms.key_version = 1;
    check("another key version", fails(from, KF_E_KEY_VERSION));
    from = right;
    from.answer[28] ^= 1;
    check("another card cryptogram", fails(from, KF_E_CRYPTOGRAM));
    from = right;
    from.answer[12] &= 0xdf;
    check("R-MAC that is not announced", fails(from, KF_E_CAPABILITY));
    from = right;
    from.answer[12] &= 0xbf;
    check("R-ENCRYPTION that is not announced", fails(from, KF_E_CAPABILITY));
    from = right;
    from.answer[31] ^= 1;
    check("a challenge that is not derived from the counter", fails(from, KF_E_CHALLENGE));
    from = right;
    from.terms.aid[0] ^= 1;
    check("a challenge that is not derived from the AID", fails(from, KF_E_CHALLENGE));
}

/* Every bit of an answer with R-MAC counts, and so does every length. */
static void check_answers(void)
{
    const vector_session *vector = session_called("pysim-aes128-33");
    const opening from = read_opening(vector);
    const uint8_t command[] = {0x80, 0xe2, 0x91, 0x00, 0x06, 0xbf,
                               0x3e, 0x03, 0x5c, 0x01, 0x5a, 0x00};
    const uint32_t command_ends[] = {sizeof command};
    uint8_t out[64];
    uint8_t data[64];
    uint32_t ends[1];
    uint32_t size;
    const uint32_t whole = hex(vector->exchanges[0].response, data);
    int flipped = 1;
    int cut = 1;

    for (uint32_t i = 0; i < whole - 1; i++) {
        kf_slot *slot = open_session(&from);
        kf_wrap_batch(slot, command, command_ends, 1, out, sizeof out, ends);
        size = hex(vector->exchanges[0].response, data);
        /* Of the status word, a bit that leaves it a success: 9000 becomes 6200. */
        data[i] ^= i < whole - 2 ? 1 : 0xf2;
        flipped = flipped && kf_unwrap(slot, data, &size) == KF_E_RMAC && size == 0 &&
                  is_zero(data, whole) &&
                  kf_wrap_batch(slot, command, command_ends, 1, out, sizeof out, ends) ==
                      KF_E_STATE;
        kf_slot_put(slot);
    }
    check("an answer that was changed kills the session", flipped);
    for (uint32_t i = 0; i < whole; i++) {
        const int32_t expected = i < 2 ? KF_E_FORMAT : i < 10 ? KF_E_NO_RMAC : KF_E_RMAC;
        kf_slot *slot = open_session(&from);
        kf_wrap_batch(slot, command, command_ends, 1, out, sizeof out, ends);
        size = i;
        hex(vector->exchanges[0].response, data);
        if (i >= 2) {
            data[i - 2] = 0x90;
            data[i - 1] = 0x00;
        }
        cut = cut && kf_unwrap(slot, data, &size) == expected && size == 0;
        kf_slot_put(slot);
    }
    check("an answer that was cut does too", cut);
}

/* ---------------------------------------------------------------- order */

static void check_order(void)
{
    const opening from = read_opening(session_called("pysim-aes128-33"));
    const uint8_t command[] = {0x80, 0xca, 0x9f, 0x7f};
    const uint32_t command_ends[] = {4};
    uint8_t out[KF_EXTERNAL_AUTHENTICATE_MAX];
    uint8_t answer[] = {0x90, 0x00};
    uint32_t size = 2;
    uint32_t ends[1];
    opening wrong = from;
    kf_slot *slot = kf_slot_get(tier);

    check("a session without keys", open_with(slot, &from, out) == KF_E_STATE);
    check("keys of no length",
          kf_slot_load(slot, from.keys[0], from.keys[1], from.keys[2], 20, from.kcv) ==
              KF_E_KEY_LENGTH);
    int found = 1;
    for (int32_t i = 0; i < 3; i++) {
        wrong = from;
        wrong.kcv[3 * i + 2] ^= 1;
        found = found && load(slot, &wrong) == KF_E_KCV_ENC - i &&
                open_with(slot, &from, out) == KF_E_STATE;
    }
    check("keys without their check values are not kept", found);
    load(slot, &from);
    check("a command without a session",
          kf_wrap_batch(slot, command, command_ends, 1, out, sizeof out, ends) == KF_E_STATE);
    open_with(slot, &from, out);
    check("an answer without a command",
          kf_unwrap(slot, answer, &size) == KF_E_STATE && size == 0 && is_zero(answer, 2));
    check("does not end the session",
          kf_wrap_batch(slot, command, command_ends, 1, out, sizeof out, ends) == KF_OK);
    kf_session_close(slot);
    check("a session that was closed",
          kf_wrap_batch(slot, command, command_ends, 1, out, sizeof out, ends) == KF_E_STATE);
    check("can be opened again: the keys have stayed", open_with(slot, &from, out) == KF_OK);
    wrong = from;
    wrong.answer[28] ^= 1;
    check("a session that fails to open ends the one before",
          open_with(slot, &wrong, out) == KF_E_CRYPTOGRAM &&
              kf_wrap_batch(slot, command, command_ends, 1, out, sizeof out, ends) == KF_E_STATE);
    wrong.terms.security_level = 0x02;
    check("no such level", open_with(slot, &wrong, out) == KF_E_ARGUMENT);
    kf_slot_put(slot);
    check("a slot that was put back", load(slot, &from) == KF_E_ARGUMENT);
}

static void check_all(void)
{
    check_batches();
    check_pending();
    check_cards();
    check_answers();
    check_order();
}

int main(void)
{
    return on_every_tier(check_all);
}
