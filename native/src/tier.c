/* Which tiers this CPU has, asked once per process: in a virtual machine CPUID traps, and one
 * question costs more than the cryptography of a whole fob. */
#include <stdatomic.h>

#include "aes.h"
#include "kf_core.h"

#if defined(KF_HAVE_AESNI) && defined(_MSC_VER)
#include <intrin.h>
#elif defined(KF_HAVE_AESNI)
#include <cpuid.h>
#elif defined(KF_HAVE_ARMV8) && defined(__linux__)
#include <sys/auxv.h>
#elif defined(KF_HAVE_ARMV8) && defined(_WIN32)
#include <windows.h>
#endif

/* ---------------------------------------------------------------- what the CPU says */

#if defined(KF_HAVE_AESNI)

#define LEAF_1_ECX_SSSE3 (1u << 9)
#define LEAF_1_ECX_SSE41 (1u << 19)
#define LEAF_1_ECX_AES (1u << 25)

/* The tier uses no register beyond XMM, whose saving every x86-64 system does for SSE2's sake
 * (and every 32-bit one that Python runs on); so there is no XGETBV to ask, as AVX would need. */
static int cpu_has_fast_tier(void)
{
    const unsigned needed = LEAF_1_ECX_SSSE3 | LEAF_1_ECX_SSE41 | LEAF_1_ECX_AES;
#if defined(_MSC_VER)
    int leaf[4];

    __cpuid(leaf, 1);
    return ((unsigned)leaf[2] & needed) == needed;
#else
    unsigned eax = 0;
    unsigned ebx = 0;
    unsigned ecx = 0;
    unsigned edx = 0;

    return __get_cpuid(1, &eax, &ebx, &ecx, &edx) && (ecx & needed) == needed;
#endif
}

#elif defined(KF_HAVE_ARMV8)

static int cpu_has_fast_tier(void)
{
#if defined(__linux__)
    return (getauxval(AT_HWCAP) & 1u << 3) != 0; /* HWCAP_AES */
#elif defined(__APPLE__)
    return 1; /* every Mac with an ARM processor */
#elif defined(_WIN32)
    return IsProcessorFeaturePresent(PF_ARM_V8_CRYPTO_INSTRUCTIONS_AVAILABLE) != 0;
#else
    return 0;
#endif
}

#else

static int cpu_has_fast_tier(void)
{
    return 0;
}

#endif

/* ---------------------------------------------------------------- the answer, kept */

#if defined(KF_HAVE_AESNI)
#define FAST_TIER KF_TIER_AESNI
#define FAST_AES kf_aes_ni
#elif defined(KF_HAVE_ARMV8)
#define FAST_TIER KF_TIER_ARMV8
#define FAST_AES kf_aes_armv8
#else
#define FAST_TIER KF_TIER_PORTABLE
#define FAST_AES kf_aes_portable
#endif

/* The best tier, 0 before the CPU was asked. Two threads that ask at once write the same. */
static _Atomic uint32_t best;

uint32_t kf_tier_best(void)
{
    uint32_t tier = atomic_load_explicit(&best, memory_order_relaxed);

    if (tier == 0) {
        tier = cpu_has_fast_tier() ? FAST_TIER : KF_TIER_PORTABLE;
        atomic_store_explicit(&best, tier, memory_order_relaxed);
    }
    return tier;
}

const kf_aes *kf_aes_tier(uint32_t tier)
{
    if (tier == KF_TIER_PORTABLE) {
        return &kf_aes_portable;
    }
    const uint32_t found = kf_tier_best();
    if (tier != KF_TIER_BEST && tier != found) {
        return NULL;
    }
    return found == KF_TIER_PORTABLE ? &kf_aes_portable : &FAST_AES;
}

int32_t kf_tier_available(uint32_t tier)
{
    return kf_aes_tier(tier) != NULL;
}
