/* A card of SCP03 (GP Amendment D v1.2, 6.2 and 7.1), from the primitives. */
#include "card.h"

#define TIER KF_TIER_BEST
#define BLOCK 16u
#define R_MAC 0x10u
#define R_ENCRYPTION 0x20u
#define C_DECRYPTION 0x02u

#define I_S16 0x01u
#define I_PSEUDO_RANDOM 0x10u
#define I_R_MAC 0x20u
#define I_R_ENCRYPTION 0x40u

/* ---------------------------------------------------------------- what it is made of */

/* Bytes that are different everywhere, so that nothing is mistaken for something else. */
static void fill(uint8_t *data, uint32_t size, uint32_t seed)
{
    uint32_t state = seed * 2654435761u + 1;

    for (uint32_t i = 0; i < size; i++) {
        state = state * 1664525u + 1013904223u;
        data[i] = (uint8_t)(state >> 24);
    }
}

static void check_value(const card *of, const uint8_t *key, uint8_t kcv[3])
{
    uint8_t block[BLOCK];

    memset(block, 1, sizeof block);
    CLAIM(kf_encrypt_block(TIER, key, of->key_size, block, block) == KF_OK);
    memcpy(kcv, block, 3);
}

void card_make(card *of, input *from)
{
    static const uint8_t levels[] = {0x01, 0x03, 0x11, 0x13, 0x33};
    static const uint8_t sizes[] = {16, 24, 32};
    const uint32_t choice = input_word(from);
    const uint32_t seed = input_byte(from);

    memset(of, 0, sizeof *of);
    of->key_size = sizes[choice % 3];
    of->layout = choice >> 2 & 3;
    of->terms.security_level = levels[(choice >> 4) % 5];
    of->terms.mac_size = choice >> 8 & 1 ? 16 : 8;
    of->terms.key_version = choice >> 9 & 1 ? 0x30 : 0;
    of->terms.layout_count = KF_LAYOUTS;
    for (uint32_t i = 0; i < KF_LAYOUTS; i++) {
        of->terms.layouts[i] = (uint8_t)((i + (choice >> 10)) % KF_LAYOUTS);
    }
    of->terms.store_data_p1 = 0x80;
    of->terms.store_data_last_p1 = 0x90;
    of->terms.block_size = 245;
    of->terms.aid_size = (uint8_t)(5 + (choice >> 12) % 12);
    fill(of->terms.aid, sizeof of->terms.aid, seed + 1);
    fill(of->enc, sizeof of->enc, seed + 2);
    fill(of->mac, sizeof of->mac, seed + 3);
    fill(of->dek, sizeof of->dek, seed + 4);
    fill(of->host_challenge, sizeof of->host_challenge, seed + 5);
    check_value(of, of->enc, of->kcv);
    check_value(of, of->mac, of->kcv + 3);
    check_value(of, of->dek, of->kcv + 6);
}

static void derive(const card *of, const uint8_t *key, uint32_t constant, const uint8_t *context,
                   uint32_t size, uint32_t bits, uint8_t *out)
{
    CLAIM(kf_kdf(TIER, key, of->key_size, constant, context, size, bits, out) == KF_OK);
}

/* ---------------------------------------------------------------- opening */

/* The counter, the challenge derived from it, and what all keys are derived over. */
static void begin(card *of, const uint8_t counter[3])
{
    const uint32_t size = of->terms.mac_size;
    uint8_t over[3 + 16];
    uint8_t *at = of->context;

    memcpy(over, counter, 3);
    memcpy(over + 3, of->terms.aid, of->terms.aid_size);
    derive(of, of->enc, 0x02, over, 3 + (uint32_t)of->terms.aid_size, 8 * size, of->challenge);
    if (of->layout == KF_LAYOUT_REV3 || of->layout == KF_LAYOUT_GP_REV3_CONTEXT) {
        memcpy(at, counter, 3);
        at += 3;
    }
    memcpy(at, of->host_challenge, size);
    memcpy(at + size, of->challenge, size);
    of->context_size = (uint32_t)(at + 2 * size - of->context);
    derive(of, of->enc, 0x04, of->context, of->context_size, 8 * of->key_size, of->s_enc);
    derive(of, of->mac, 0x06, of->context, of->context_size, 8 * of->key_size, of->s_mac);
    derive(of, of->mac, 0x07, of->context, of->context_size, 8 * of->key_size, of->s_rmac);
    memset(of->chain, 0, sizeof of->chain);
    of->counter = 0;
}

uint32_t card_answer(card *of, uint8_t answer[ANSWER_MAX])
{
    const uint32_t size = of->terms.mac_size;
    const int rev3 = of->layout == KF_LAYOUT_REV3 || of->layout == KF_LAYOUT_REV3_GP_CONTEXT;
    static const uint8_t counter[3] = {0x00, 0x01, 0x2a};
    uint8_t *at = answer;

    begin(of, counter);
    memset(at, 0xd1, 10);
    at += 10;
    if (rev3) {
        const uint8_t middle[6] = {0x00, counter[0], counter[1], counter[2], 0x00, 0x30};
        memcpy(at, middle, sizeof middle);
        at += sizeof middle;
    } else {
        *at++ = 0x30;
        *at++ = 0x03;
        *at++ = (uint8_t)(I_PSEUDO_RANDOM | I_R_MAC | I_R_ENCRYPTION | (size == 16 ? I_S16 : 0));
    }
    memcpy(at, of->challenge, size);
    at += size;
    derive(of, of->s_mac, 0x00, of->context, of->context_size, 8 * size, at);
    at += size;
    if (!rev3) {
        memcpy(at, counter, 3);
        at += 3;
    }
    return (uint32_t)(at - answer);
}

kf_slot *card_load(const card *of, uint32_t tier)
{
    kf_slot *slot = kf_slot_get(tier);

    if (slot != NULL) {
        CLAIM(kf_slot_load(slot, of->enc, of->mac, of->dek, of->key_size, of->kcv) == KF_OK);
    }
    return slot;
}

kf_slot *card_open(card *of, uint32_t tier)
{
    uint8_t answer[ANSWER_MAX];
    uint8_t command[KF_EXTERNAL_AUTHENTICATE_MAX];
    uint32_t layout;
    kf_slot *slot = card_load(of, tier);
    const uint32_t size = card_answer(of, answer);

    if (slot != NULL) {
        CLAIM(kf_session_open(slot, &of->terms, of->host_challenge, answer, size, &layout,
                              command) == KF_OK);
        CLAIM(layout == of->layout);
        card_authenticate(of, command);
    }
    return slot;
}

/* ---------------------------------------------------------------- commands */

static void next_mac(card *of, const uint8_t *covered, uint32_t size)
{
    exact message = exact_new(BLOCK + size);

    memcpy(message.data, of->chain, BLOCK);
    memcpy(message.data + BLOCK, covered, size);
    CLAIM(kf_cmac(TIER, of->s_mac, of->key_size, message.data, message.size, of->chain) == KF_OK);
    exact_free(message);
}

void card_authenticate(card *of, const uint8_t *command)
{
    const uint32_t size = of->terms.mac_size;
    const uint8_t header[5] = {0x84, 0x82, of->terms.security_level, 0x00, (uint8_t)(2 * size)};
    uint8_t cryptogram[16];

    derive(of, of->s_mac, 0x01, of->context, of->context_size, 8 * size, cryptogram);
    next_mac(of, command, 5 + size);
    CLAIM(memcmp(command, header, sizeof header) == 0);
    CLAIM(memcmp(command + 5, cryptogram, size) == 0);
    CLAIM(memcmp(command + 5 + size, of->chain, size) == 0);
}

static void counter_icv(const card *of, uint8_t first, uint8_t icv[BLOCK])
{
    memset(icv, 0, BLOCK);
    icv[0] = first;
    for (uint32_t i = 0; i < 8; i++) {
        icv[BLOCK - 1 - i] = (uint8_t)(of->counter >> 8 * i);
    }
    CLAIM(kf_encrypt_block(TIER, of->s_enc, of->key_size, icv, icv) == KF_OK);
}

static uint32_t decipher(const card *of, uint8_t *data, uint32_t size)
{
    uint8_t icv[BLOCK];

    counter_icv(of, 0x00, icv);
    CLAIM(kf_cbc_decrypt(TIER, of->s_enc, of->key_size, icv, data, size, data) == KF_OK);
    const uint32_t padded = size;
    while (size > 0 && data[size - 1] == 0x00) {
        size--;
    }
    CLAIM(size > 0 && data[size - 1] == 0x80);
    CLAIM(padded - (size - 1) <= BLOCK);
    return size - 1;
}

uint32_t card_receive(card *of, const uint8_t *command, uint32_t size, uint8_t *data,
                      uint32_t *le_at)
{
    const uint32_t mac_size = of->terms.mac_size;

    CLAIM(size >= 5 + mac_size && command[0] & 0x04);
    const int extended = command[4] == 0;
    const uint32_t at = extended ? 7 : 5;
    const uint32_t lc = extended ? (uint32_t)command[5] << 8 | command[6] : command[4];
    CLAIM(lc >= mac_size && at + lc <= size && size - at - lc <= 2);
    of->counter++;
    next_mac(of, command, at + lc - mac_size);
    CLAIM(memcmp(command + at + lc - mac_size, of->chain, mac_size) == 0);
    *le_at = at + lc;
    memcpy(data, command + at, lc - mac_size);
    if (of->terms.security_level & C_DECRYPTION && lc > mac_size) {
        return decipher(of, data, lc - mac_size);
    }
    return lc - mac_size;
}

/* ---------------------------------------------------------------- answers */

uint32_t card_seal(const card *of, uint8_t *out, uint32_t size, uint32_t sw)
{
    const uint8_t status[2] = {(uint8_t)(sw >> 8), (uint8_t)sw};
    uint8_t mac[BLOCK];

    if (of->terms.security_level & R_MAC) {
        exact message = exact_new(BLOCK + size + 2);
        memcpy(message.data, of->chain, BLOCK);
        memcpy(message.data + BLOCK, out, size);
        memcpy(message.data + BLOCK + size, status, 2);
        CLAIM(kf_cmac(TIER, of->s_rmac, of->key_size, message.data, message.size, mac) == KF_OK);
        exact_free(message);
        memcpy(out + size, mac, of->terms.mac_size);
        size += of->terms.mac_size;
    }
    memcpy(out + size, status, 2);
    return size + 2;
}

uint32_t card_respond(const card *of, const uint8_t *data, uint32_t size, uint32_t sw,
                      uint8_t *out)
{
    uint8_t icv[BLOCK];

    if (size > 0) {
        memcpy(out, data, size);
    }
    if (of->terms.security_level & R_ENCRYPTION && size > 0) {
        const uint32_t padded = size + BLOCK - size % BLOCK;
        memset(out + size, 0, padded - size);
        out[size] = 0x80;
        counter_icv(of, 0x80, icv);
        CLAIM(kf_cbc_encrypt(TIER, of->s_enc, of->key_size, icv, out, padded, out) == KF_OK);
        size = padded;
    }
    return card_seal(of, out, size, sw);
}
