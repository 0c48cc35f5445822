/* One way of computing AES: the seam between the tiers and everything above them. */
#ifndef KF_AES_H
#define KF_AES_H

#include <stddef.h>
#include <stdint.h>

#define KF_BLOCK 16
#define KF_ROUNDS_MAX 14

/* The tiers that this build can hold; whether the CPU has them is for tier.c to ask. clang
 * before 16 knows the ARMv8 intrinsics only when all of the build may use them. */
#if defined(__x86_64__) || defined(_M_X64) || defined(__i386__) || defined(_M_IX86)
#define KF_HAVE_AESNI
#endif
#if (defined(__aarch64__) && !defined(__AARCH64EB__)) || defined(_M_ARM64)
#if !defined(__clang__) || __clang_major__ >= 16 || defined(__ARM_FEATURE_AES)
#define KF_HAVE_ARMV8
#endif
#endif

/* An expanded key, in whatever form its tier wants it. Public knowledge: rounds. Everything
 * else is secret and wiped with the slot that it stands in. There are no round keys for the
 * inverse cipher: a few cycles make them again for the rare answer that is deciphered, and half
 * the size is half the time to wipe. */
typedef struct {
    _Alignas(16) uint8_t encryption[(KF_ROUNDS_MAX + 1) * KF_BLOCK];
    _Alignas(16) uint8_t k1[KF_BLOCK]; /* NIST SP 800-38B, 6.1 */
    _Alignas(16) uint8_t k2[KF_BLOCK];
    uint32_t rounds; /* 10, 12 or 14 */
} kf_key;

/* What a key is for; more than that is not computed. */
#define KF_FOR_BLOCKS 0u /* encrypt, cbc_encrypt, cbc_decrypt */
#define KF_FOR_CMAC 1u   /* also k1 and k2 */

/* All data pointers may be unaligned; sizes may be 0 unless said. In and out may be the same
 * buffer and do not overlap otherwise; icv may lie in out, for it is read before. No branch and
 * no address depends on key or data. Nothing is read or written outside of what the sizes say. */
typedef struct {
    const char *name;
    /* size is 16, 24 or 32. */
    void (*expand)(kf_key *key, const uint8_t *bytes, uint32_t size, uint32_t use);
    void (*encrypt)(const kf_key *key, const uint8_t in[KF_BLOCK], uint8_t out[KF_BLOCK]);
    void (*cbc_encrypt)(const kf_key *key, const uint8_t icv[KF_BLOCK], const uint8_t *in,
                        uint8_t *out, size_t blocks);
    void (*cbc_decrypt)(const kf_key *key, const uint8_t icv[KF_BLOCK], const uint8_t *in,
                        uint8_t *out, size_t blocks);
    /* CMAC of chain || message, where size is 1 or more; the result replaces chain. */
    void (*chain_mac)(const kf_key *key, uint8_t chain[KF_BLOCK], const uint8_t *message,
                      size_t size);
    /* CMAC of message alone, which may be empty. */
    void (*mac)(const kf_key *key, const uint8_t *message, size_t size, uint8_t out[KF_BLOCK]);
} kf_aes;

extern const kf_aes kf_aes_portable;
#ifdef KF_HAVE_AESNI
extern const kf_aes kf_aes_ni;
#endif
#ifdef KF_HAVE_ARMV8
extern const kf_aes kf_aes_armv8;
#endif

/* The tier, or NULL when the CPU has none of that number (tier.c). */
const kf_aes *kf_aes_tier(uint32_t tier);

#endif
