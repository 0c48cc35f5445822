/* No branch and no address depends on a secret: memcheck follows every bit of the keys, scalars
 * and items that are marked as undefined here, through all that handles them. Built with
 * KF_VALGRIND, run as
 *
 *     valgrind --error-exitcode=9 valgrind_secrecy TIER
 *
 * What may be known, and from where on, is said by kf_declassify and nothing else. That the marks
 * are not lost on the way is claimed too: a tool that forgot them would find nothing. */
#include <valgrind/memcheck.h>

#include "../fuzz/card.h"

#define BITS_MAX 4096u

static uint32_t tier;

static void hide(void *data, size_t size)
{
    (void)VALGRIND_MAKE_MEM_UNDEFINED(data, size);
}

static void show(void *data, size_t size)
{
    (void)VALGRIND_MAKE_MEM_DEFINED(data, size);
}

/* Every byte of it depends on something that is hidden. */
static int is_hidden(void *data, size_t size)
{
    static uint8_t bits[BITS_MAX];

    CLAIM(size <= sizeof bits && VALGRIND_GET_VBITS(data, bits, size) == 1);
    for (size_t i = 0; i < size; i++) {
        if (bits[i] == 0) {
            return 0;
        }
    }
    return 1;
}

/* ---------------------------------------------------------------- primitives */

static void check_primitives(uint32_t key_size)
{
    uint8_t key[32] = {1, 2, 3};
    uint8_t icv[16] = {0};
    uint8_t data[80] = {4, 5, 6};
    uint8_t out[80];

    hide(key, sizeof key);
    CLAIM(kf_encrypt_block(tier, key, key_size, icv, out) == KF_OK && is_hidden(out, 16));
    CLAIM(kf_cbc_encrypt(tier, key, key_size, icv, data, 80, out) == KF_OK && is_hidden(out, 80));
    CLAIM(kf_cbc_decrypt(tier, key, key_size, icv, data, 80, out) == KF_OK && is_hidden(out, 80));
    hide(data, sizeof data);
    for (uint32_t size = 0; size <= sizeof data; size++) {
        CLAIM(kf_cmac(tier, key, key_size, data, size, out) == KF_OK && is_hidden(out, 16));
    }
    CLAIM(kf_kdf(tier, key, key_size, 4, icv, 16, 256, out) == KF_OK && is_hidden(out, 32));
    CLAIM(kf_kdf(tier, key, key_size, 4, icv, 0, 64, out) == KF_OK && is_hidden(out, 8));
    /* Data alone, under a key that everybody knows. */
    show(key, sizeof key);
    CLAIM(kf_cbc_encrypt(tier, key, key_size, icv, data, 80, out) == KF_OK && is_hidden(out, 80));
    CLAIM(kf_cbc_decrypt(tier, key, key_size, icv, data, 80, out) == KF_OK && is_hidden(out, 80));
}

/* ---------------------------------------------------------------- what is read */

static void check_scalar(void)
{
    /* PKCS#8 of the scalar 3, which stands at the end. */
    uint8_t der[67] = {0x30, 0x41, 0x02, 0x01, 0x00, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48,
                       0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03,
                       0x01, 0x07, 0x04, 0x27, 0x30, 0x25, 0x02, 0x01, 0x01, 0x04, 0x20, [66] = 3};
    uint8_t scalar[32];
    uint8_t point[65];

    hide(der, sizeof der);
    CLAIM(kf_pkcs8_scalar(der, sizeof der, scalar, point) == KF_OK && is_hidden(scalar, 32) &&
          !is_hidden(point, 65));
    CLAIM(kf_p256_public(scalar, point) == KF_OK && !is_hidden(point, 65));
    memset(scalar, 0, sizeof scalar);
    hide(scalar, sizeof scalar);
    CLAIM(kf_p256_public(scalar, point) == KF_E_SCALAR);
    memset(scalar, 0xff, sizeof scalar);
    hide(scalar, sizeof scalar);
    CLAIM(kf_p256_public(scalar, point) == KF_E_SCALAR);
}

static void check_base64(void)
{
    char right[] = "AAECAwQFBgcICQoLDA0ODw==";
    char wrong[] = "AAECAwQFBgcICQoLDA0OD*==";
    uint8_t out[16];
    uint32_t written;

    hide(right, sizeof right);
    hide(wrong, sizeof wrong);
    CLAIM(kf_base64_decode((const uint8_t *)right, 24, out, 16, &written) == KF_OK);
    CLAIM(written == 16 && is_hidden(out, 16));
    CLAIM(kf_base64_decode((const uint8_t *)wrong, 24, out, 16, &written) == KF_E_FORMAT);
}

static void check_key_block(void)
{
    uint8_t block[3 * 19 + 35 + 19 + 8] = {[0] = 1,  [2] = 16, [19] = 2,   [21] = 16,
                                           [38] = 3, [40] = 16, [57] = 16, [59] = 32,
                                           [92] = 17, [94] = 16, [111] = 32, [113] = 5};
    kf_entry entries[6];
    uint32_t count = 6;

    hide(block, sizeof block);
    CLAIM(kf_key_block(block, sizeof block, entries, &count) == KF_OK && count == 6);
    for (uint32_t i = 0; i < count; i++) {
        CLAIM(is_hidden(block + entries[i].offset, entries[i].size));
    }
}

/* ---------------------------------------------------------------- a fob */

/* Hidden copies: the card goes on with its own, which compute the same. */
static kf_slot *load(const card *of)
{
    uint8_t keys[3][32];
    uint8_t kcv[9];
    kf_slot *slot = kf_slot_get(tier);

    CLAIM(slot != NULL);
    memcpy(keys[0], of->enc, 32);
    memcpy(keys[1], of->mac, 32);
    memcpy(keys[2], of->dek, 32);
    hide(keys, sizeof keys);
    for (uint32_t i = 0; i < 3; i++) {
        memcpy(kcv, of->kcv, sizeof kcv);
        kcv[3 * i + 2] ^= 1;
        CLAIM(kf_slot_load(slot, keys[0], keys[1], keys[2], of->key_size, kcv) ==
              KF_E_KCV_ENC - (int32_t)i);
    }
    CLAIM(kf_slot_load(slot, keys[0], keys[1], keys[2], of->key_size, of->kcv) == KF_OK);
    return slot;
}

static void open_session(card *of, kf_slot *slot)
{
    uint8_t answer[ANSWER_MAX];
    uint8_t command[KF_EXTERNAL_AUTHENTICATE_MAX];
    uint32_t layout;
    const uint32_t size = card_answer(of, answer);

    answer[20] ^= 1;
    CLAIM(kf_session_open(slot, &of->terms, of->host_challenge, answer, size, &layout, command) !=
          KF_OK);
    answer[20] ^= 1;
    CLAIM(kf_session_open(slot, &of->terms, of->host_challenge, answer, size, &layout, command) ==
          KF_OK);
    card_authenticate(of, command);
}

static void receive_all(card *of, const uint8_t *out, const uint32_t *ends, uint32_t count)
{
    uint8_t data[512];
    uint32_t le_at;

    for (uint32_t i = 0; i < count; i++) {
        const uint32_t begin = i == 0 ? 0 : ends[i - 1];
        (void)card_receive(of, out + begin, ends[i] - begin, data, &le_at);
    }
}

static void check_items(card *of, kf_slot *slot)
{
    uint8_t value[300] = {7};
    const kf_item items[] = {{value, 300, 0xa002, 0}, {value, 20, 0xa003, 1}};
    uint8_t out[1024];
    uint32_t ends[8];
    uint32_t count = 8;
    uint32_t layout;
    uint8_t answer[ANSWER_MAX];

    hide(value, sizeof value);
    CLAIM(kf_wrap_store_data(slot, &of->terms, items, 2, out, sizeof out, ends, &count) == KF_OK);
    receive_all(of, out, ends, count);
    const uint32_t size = card_answer(of, answer);
    count = 8;
    CLAIM(kf_open_and_wrap(slot, &of->terms, of->host_challenge, answer, size, &layout, items, 2,
                           out, sizeof out, ends, &count) == KF_OK);
    card_authenticate(of, out);
    for (uint32_t i = 1; i < count; i++) {
        uint8_t data[512];
        uint32_t le_at;
        (void)card_receive(of, out + ends[i - 1], ends[i] - ends[i - 1], data, &le_at);
    }
}

static void check_commands(card *of, kf_slot *slot)
{
    uint8_t command[] = {0x80, 0xe2, 0x00, 0x00, 0x10, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11,
                         12,   13,   14,   15,   16,   0};
    const uint32_t size = sizeof command;
    uint8_t out[64];
    uint32_t end;

    hide(command + 5, 16);
    CLAIM(kf_wrap_batch(slot, command, &size, 1, out, sizeof out, &end) == KF_OK);
    receive_all(of, out, &end, 1);
}

/* The answer to the last of the commands, opened; then one with a wrong R-MAC or padding. */
static void check_answers(card *of, kf_slot *slot)
{
    uint8_t plain[21] = {9, 8, 7};
    uint8_t answer[128];

    open_session(of, slot);
    check_commands(of, slot);
    uint32_t size = card_respond(of, plain, sizeof plain, 0x9000, answer);
    CLAIM(kf_unwrap(slot, answer, &size) == KF_OK && size == sizeof plain + 2);
    if (of->terms.security_level & 0x20) {
        CLAIM(is_hidden(answer, sizeof plain));
    }
    show(answer, sizeof answer);
    CLAIM(memcmp(answer, plain, sizeof plain) == 0);
    check_commands(of, slot);
    size = card_respond(of, plain, sizeof plain, 0x9000, answer);
    answer[size - 3] ^= 1;
    const int32_t result = kf_unwrap(slot, answer, &size);
    CLAIM(result == (of->terms.security_level & 0x10 ? KF_E_RMAC : KF_OK));
}

static void check_fob(uint32_t level, uint32_t key_size, uint32_t s16, uint32_t layout)
{
    /* As card_make reads them. */
    uint32_t choice = 0;
    while (choice % 3 != key_size || (choice >> 2 & 3) != layout || (choice >> 4) % 5 != level ||
           (choice >> 8 & 1) != s16) {
        choice++;
    }
    const uint8_t bytes[3] = {(uint8_t)(choice >> 8), (uint8_t)choice, 3};
    input from = {bytes, sizeof bytes};
    card of;

    card_make(&of, &from);
    kf_slot *slot = load(&of);
    open_session(&of, slot);
    check_items(&of, slot);
    check_commands(&of, slot);
    check_answers(&of, slot);
    kf_slot_put(slot);
}

int main(int argc, char **argv)
{
    static const char *const names[] = {"best", "portable", "aesni", "armv8"};

    CLAIM(argc == 2 && RUNNING_ON_VALGRIND);
    for (tier = 0; tier < 4 && strcmp(argv[1], names[tier]) != 0; tier++) {
    }
    CLAIM(kf_tier_available(tier) && kf_start(1) == KF_OK);
    for (uint32_t key_size = 16; key_size <= 32; key_size += 8) {
        check_primitives(key_size);
    }
    check_scalar();
    check_base64();
    check_key_block();
    for (uint32_t level = 0; level < 5; level++) {
        for (uint32_t i = 0; i < 3; i++) {
            check_fob(level, i, (level + i) & 1, (level + i) % KF_LAYOUTS);
        }
    }
    (void)printf("%s: nothing depends on a secret\n", argv[1]);
    return 0;
}
