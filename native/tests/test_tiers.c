/* Every tier of AES that this CPU has, against its own single blocks and against the portable one,
 * and with forbidden memory on both sides of its buffers.
 *
 *   cd native
 *   cc -std=c11 -O2 -Iinclude -Isrc tests/test_tiers.c src/aes_*.c src/tier.c src/known_answers.c \
 *       src/primitives.c src/wipe.c -o /tmp/test_tiers && /tmp/test_tiers
 *
 * Also with -fsanitize=address,undefined, under valgrind, with x86_64-w64-mingw32-gcc under wine,
 * and with aarch64-linux-gnu-gcc under qemu-aarch64 -L /usr/aarch64-linux-gnu.
 */
#define _DEFAULT_SOURCE /* MAP_ANONYMOUS */

#include <string.h>

#include "aes.h"
#include "check.h"
#include "kf_core.h"

#if !defined(_WIN32)
#include <sys/mman.h>
#include <unistd.h>
#endif

#define SIZE_MAX_TESTED 300

/* ---------------------------------------------------------------- a tier against itself */

/* CMAC by the letter of NIST SP 800-38B, 6.2, out of single blocks. */
static void plain_cmac(const kf_aes *aes, const kf_key *key, const uint8_t *message, size_t size,
                       uint8_t mac[KF_BLOCK])
{
    memset(mac, 0, KF_BLOCK);
    do {
        const size_t part = size < KF_BLOCK ? size : KF_BLOCK;
        for (size_t i = 0; i < part; i++) {
            mac[i] ^= message[i];
        }
        if (size <= KF_BLOCK) {
            const uint8_t *subkey = part == KF_BLOCK ? key->k1 : key->k2;
            if (part < KF_BLOCK) {
                mac[part] ^= 0x80;
            }
            for (size_t i = 0; i < KF_BLOCK; i++) {
                mac[i] ^= subkey[i];
            }
        }
        aes->encrypt(key, mac, mac);
        message += part;
        size -= part;
    } while (size > 0);
}

static void test_macs(const kf_aes *aes)
{
    uint8_t data[KF_BLOCK + SIZE_MAX_TESTED + KF_BLOCK];
    uint8_t expected[KF_BLOCK];
    uint8_t chain[2 * KF_BLOCK];
    uint8_t mac[KF_BLOCK];
    kf_key key;
    int passed = 1;
    int chained = 1;

    fill(data, sizeof data, 1);
    for (uint32_t key_size = 16; key_size <= 32; key_size += 8) {
        aes->expand(&key, data + key_size, key_size, KF_FOR_CMAC);
        for (size_t size = 0; size <= SIZE_MAX_TESTED; size++) {
            const size_t shift = size % KF_BLOCK;
            const uint8_t *message = data + shift;

            plain_cmac(aes, &key, message, size, expected);
            aes->mac(&key, message, size, mac);
            passed &= memcmp(mac, expected, KF_BLOCK) == 0;
            if (size > 0) {
                uint8_t *unaligned = chain + shift;
                memcpy(unaligned, message, KF_BLOCK);
                plain_cmac(aes, &key, message, KF_BLOCK + size, expected);
                aes->chain_mac(&key, unaligned, message + KF_BLOCK, size);
                chained &= memcmp(unaligned, expected, KF_BLOCK) == 0;
            }
        }
    }
    report(aes->name, "mac, sizes 0 to 300, unaligned", passed);
    report(aes->name, "chain_mac is mac of both, sizes 1 to 300, unaligned", chained);
}

static void test_cbc(const kf_aes *aes)
{
    uint8_t data[8 * KF_BLOCK];
    uint8_t cipher[sizeof data + KF_BLOCK];
    uint8_t back[sizeof data + KF_BLOCK];
    uint8_t block[KF_BLOCK];
    kf_key key;
    int passed = 1;

    fill(data, sizeof data, 2);
    for (uint32_t key_size = 16; key_size <= 32; key_size += 8) {
        aes->expand(&key, data + 1, key_size, KF_FOR_BLOCKS);
        for (size_t blocks = 0; blocks < 8; blocks++) {
            const size_t size = blocks * KF_BLOCK;
            const uint8_t *previous = data + 3;

            aes->cbc_encrypt(&key, data + 3, data + blocks, cipher + blocks, blocks);
            for (size_t i = 0; i < size; i++) {
                block[i % KF_BLOCK] = data[blocks + i] ^ previous[i % KF_BLOCK];
                if (i % KF_BLOCK == KF_BLOCK - 1) {
                    aes->encrypt(&key, block, block);
                    previous = cipher + blocks + i + 1 - KF_BLOCK;
                    passed &= memcmp(block, previous, KF_BLOCK) == 0;
                }
            }
            aes->cbc_decrypt(&key, data + 3, cipher + blocks, back + 2 * blocks, blocks);
            passed &= memcmp(back + 2 * blocks, data + blocks, size) == 0;
        }
    }
    report(aes->name, "cbc is its blocks, and goes back, unaligned", passed);
}

/* ---------------------------------------------------------------- tiers against each other */

static void test_against(const kf_aes *aes, const kf_aes *other)
{
    uint8_t data[640];
    uint8_t a[256];
    uint8_t b[256];
    kf_key key;
    kf_key other_key;
    int passed = 1;

    for (uint32_t seed = 0; seed < 2000; seed++) {
        const uint32_t key_size = 16 + seed % 3 * 8;
        const size_t blocks = seed % 17;

        fill(data, sizeof data, seed);
        aes->expand(&key, data, key_size, KF_FOR_CMAC);
        other->expand(&other_key, data, key_size, KF_FOR_CMAC);
        passed &= memcmp(key.k1, other_key.k1, KF_BLOCK) == 0;
        passed &= memcmp(key.k2, other_key.k2, KF_BLOCK) == 0;
        aes->cbc_decrypt(&key, data + 32, data + 48, a, blocks);
        other->cbc_decrypt(&other_key, data + 32, data + 48, b, blocks);
        passed &= memcmp(a, b, blocks * KF_BLOCK) == 0;
        aes->mac(&key, data + 64, seed % 500, a);
        other->mac(&other_key, data + 64, seed % 500, b);
        passed &= memcmp(a, b, KF_BLOCK) == 0;
    }
    report(aes->name, "the same as the portable tier, 2000 random keys", passed);
}

/* ---------------------------------------------------------------- nothing beside the buffers */

#if !defined(_WIN32)

/* One page between two that kill whoever touches them; NULL when the system gives none. */
static uint8_t *fenced_page(size_t size)
{
    uint8_t *pages =
        mmap(NULL, 3 * size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (pages == MAP_FAILED || mprotect(pages, size, PROT_NONE) != 0 ||
        mprotect(pages + 2 * size, size, PROT_NONE) != 0) {
        return NULL;
    }
    return pages + size;
}

/* All that a tier reads or writes, once at the beginning and once at the end of a page. */
static void touch(const kf_aes *aes, uint8_t *page, size_t page_size, size_t size)
{
    const size_t whole = size / KF_BLOCK * KF_BLOCK;
    const uint32_t key_size = 16 + (uint32_t)(size % 3) * 8;
    uint8_t other[SIZE_MAX_TESTED + KF_BLOCK] = {0};
    kf_key key;

    for (int at_end = 0; at_end < 2; at_end++) {
        uint8_t *end = page + page_size;
        uint8_t *data = at_end ? end - size : page;
        uint8_t *blocks = at_end ? end - whole : page;
        uint8_t *block = at_end ? end - KF_BLOCK : page;

        aes->expand(&key, at_end ? end - key_size : page, key_size, KF_FOR_CMAC);
        aes->mac(&key, data, size, other);
        if (size > 0) {
            aes->chain_mac(&key, other, data, size);
        }
        aes->mac(&key, other, size, block);
        aes->chain_mac(&key, block, other, 1 + size);
        aes->encrypt(&key, block, block);
        aes->cbc_encrypt(&key, other, blocks, blocks, whole / KF_BLOCK);
        aes->cbc_decrypt(&key, other, blocks, blocks, whole / KF_BLOCK);
        aes->cbc_encrypt(&key, block, other, other, whole / KF_BLOCK);
        aes->cbc_decrypt(&key, block, other, other, whole / KF_BLOCK);
    }
}

static void test_fences(const kf_aes *aes)
{
    const size_t page_size = (size_t)sysconf(_SC_PAGESIZE);
    uint8_t *page = fenced_page(page_size);

    for (size_t size = 0; page != NULL && size <= SIZE_MAX_TESTED; size++) {
        touch(aes, page, page_size, size);
    }
    /* A byte too far would have ended the program. */
    report(aes->name, "nothing is touched beside the buffers, sizes 0 to 300", page != NULL);
}

#endif

int main(void)
{
    for (uint32_t tier = KF_TIER_PORTABLE; tier <= KF_TIER_ARMV8; tier++) {
        const kf_aes *aes = kf_aes_tier(tier);

        if (aes == NULL) {
            continue;
        }
        test_macs(aes);
        test_cbc(aes);
        if (tier != KF_TIER_PORTABLE) {
            test_against(aes, &kf_aes_portable);
        }
#if !defined(_WIN32)
        test_fences(aes);
#endif
    }
    printf("%d failures\n", failures);
    return failures != 0;
}
