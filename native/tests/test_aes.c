/* Every tier of AES that this CPU has, against published vectors.
 *
 *   cd native
 *   cc -std=c11 -O2 -Iinclude -Isrc tests/test_aes.c src/aes_*.c src/tier.c src/known_answers.c \
 *       src/primitives.c src/wipe.c -o /tmp/test_aes && /tmp/test_aes
 *
 * Also with -fsanitize=address,undefined, under valgrind, with x86_64-w64-mingw32-gcc under wine,
 * and with aarch64-linux-gnu-gcc under qemu-aarch64 -L /usr/aarch64-linux-gnu.
 */
#include <stdlib.h>
#include <string.h>

#include "aes.h"
#include "check.h"
#include "kf_core.h"

/* The bytes of a string of hex digits; returns how many. */
static uint32_t hex(const char *text, uint8_t *out)
{
    uint32_t size = 0;

    for (; *text != '\0'; text += 2) {
        const char digits[3] = {text[0], text[1], '\0'};
        out[size++] = (uint8_t)strtoul(digits, NULL, 16);
    }
    return size;
}

static int is(const uint8_t *data, const char *text)
{
    uint8_t expected[64];
    const uint32_t size = hex(text, expected);

    return memcmp(data, expected, size) == 0;
}

/* ---------------------------------------------------------------- published vectors */

/* The plain text of NIST SP 800-38A and 800-38B, and their three keys. */
static const char *const message_hex =
    "6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51"
    "30c81c46a35ce411e5fbc1191a0a52eff69f2445df4f9b17ad2b417be66c3710";
static const char *const keys_hex[3] = {
    "2b7e151628aed2a6abf7158809cf4f3c",
    "8e73b0f7da0e6452c810f32b809079e562f8ead2522c6b7b",
    "603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4",
};

/* FIPS 197, appendix C. */
static void test_fips_197(uint32_t tier, const char *name)
{
    static const char *const answers[3] = {"69c4e0d86a7b0430d8cdb78070b4c55a",
                                           "dda97ca4864cdfe06eaf70a0ec0d7191",
                                           "8ea2b7ca516745bfeafc49904b496089"};
    uint8_t key[32];
    uint8_t block[KF_BLOCK];
    int passed = 1;

    hex("000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f", key);
    for (uint32_t i = 0; i < 3; i++) {
        hex("00112233445566778899aabbccddeeff", block);
        passed &= kf_encrypt_block(tier, key, 16 + 8 * i, block, block) == KF_OK;
        passed &= is(block, answers[i]);
    }
    report(name, "FIPS 197, appendix C", passed);
}

/* NIST SP 800-38A, F.2.1 to F.2.6. */
static void test_cbc_vectors(uint32_t tier, const char *name)
{
    static const char *const answers[3] = {
        "7649abac8119b246cee98e9b12e9197d5086cb9b507219ee95db113a917678b2"
        "73bed6b8e3c1743b7116e69e222295163ff1caa1681fac09120eca307586e1a7",
        "4f021db243bc633d7178183a9fa071e8b4d9ada9ad7dedf4e5e738763f69145a"
        "571b242012fb7ae07fa9baac3df102e008b0e27988598881d920a9e64f5615cd",
        "f58c4c04d6e5f1ba779eabfb5f7bfbd69cfc4e967edb808d679f777bc6702c7d"
        "39f23369a9d9bacfa530e26304231461b2eb05e2c39be9fcda6c19078c6a9d1b"};
    uint8_t key[32];
    uint8_t icv[KF_BLOCK];
    uint8_t data[64];
    int passed = 1;

    hex("000102030405060708090a0b0c0d0e0f", icv);
    for (uint32_t i = 0; i < 3; i++) {
        const uint32_t key_size = hex(keys_hex[i], key);
        hex(message_hex, data);
        passed &= kf_cbc_encrypt(tier, key, key_size, icv, data, sizeof data, data) == KF_OK;
        passed &= is(data, answers[i]);
        passed &= kf_cbc_decrypt(tier, key, key_size, icv, data, sizeof data, data) == KF_OK;
        passed &= is(data, message_hex);
    }
    report(name, "NIST SP 800-38A, CBC, in place", passed);
}

/* NIST SP 800-38B, appendix D. */
static void test_cmac_vectors(uint32_t tier, const char *name)
{
    static const uint32_t sizes[4] = {0, 16, 40, 64};
    static const char *const answers[3][4] = {
        {"bb1d6929e95937287fa37d129b756746", "070a16b46b4d4144f79bdd9dd04a287c",
         "dfa66747de9ae63030ca32611497c827", "51f0bebf7e3b9d92fc49741779363cfe"},
        {"d17ddf46adaacde531cac483de7a9367", "9e99a7bf31e710900662f65e617c5184",
         "8a1de5be2eb31aad089a82e6ee908b0e", "a1d5df0eed790f794d77589659f39a11"},
        {"028962f61b7bf89efc6b551f4667d983", "28a7023f452e8f82bd4bf28d8c37c35c",
         "aaf3d8f1de5640c232f5b169b9c911e6", "e1992190549f6ed5696a2c056c315410"}};
    uint8_t key[32];
    uint8_t message[64];
    uint8_t mac[KF_BLOCK];
    int passed = kf_tier_check(tier) == KF_OK;

    hex(message_hex, message);
    for (uint32_t i = 0; i < 3; i++) {
        const uint32_t key_size = hex(keys_hex[i], key);
        for (uint32_t j = 0; j < 4; j++) {
            passed &= kf_cmac(tier, key, key_size, message, sizes[j], mac) == KF_OK;
            passed &= is(mac, answers[i][j]);
        }
    }
    report(name, "NIST SP 800-38B, CMAC", passed);
}

/* The wrong arguments and what becomes of the output. */
static void test_refusals(uint32_t tier, const char *name)
{
    static const uint8_t zeros[32] = {0};
    uint8_t out[32] = {1};
    int passed = 1;

    passed &= kf_encrypt_block(tier, zeros, 17, zeros, out) == KF_E_KEY_LENGTH && out[0] == 0;
    out[0] = 1;
    passed &= kf_cmac(99, zeros, 16, zeros, 1, out) == KF_E_TIER && out[0] == 0;
    out[0] = 1;
    passed &= kf_cbc_encrypt(tier, zeros, 16, zeros, zeros, 17, out) == KF_E_ARGUMENT;
    passed &= out[0] == 0;
    passed &= kf_cmac(tier, NULL, 16, zeros, 1, out) == KF_E_ARGUMENT;
    passed &= kf_tier_check(99) == KF_E_TIER && !kf_tier_available(99);
    memset(out, 7, sizeof out);
    kf_wipe(out + 1, 30);
    passed &= out[0] == 7 && memcmp(out + 1, zeros, 30) == 0 && out[31] == 7;
    report(name, "wrong arguments are refused, and zeros come out", passed);
}

int main(void)
{
    for (uint32_t tier = KF_TIER_PORTABLE; tier <= KF_TIER_ARMV8; tier++) {
        const kf_aes *aes = kf_aes_tier(tier);

        if (aes == NULL) {
            continue;
        }
        test_fips_197(tier, aes->name);
        test_cbc_vectors(tier, aes->name);
        test_cmac_vectors(tier, aes->name);
        test_refusals(tier, aes->name);
    }
    printf("%d failures\n", failures);
    return failures != 0;
}
