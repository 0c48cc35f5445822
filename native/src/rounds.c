/* Rounds of AES in a chain: AESENC, or AESE and AESMC together. */
#include "rounds.h"

#include "aes.h"
#include "kf_core.h"

#if defined(KF_HAVE_AESNI)
#include "aes_ni.h"

KF_NI static uint32_t chain(uint32_t steps)
{
    const __m128i key = _mm_set1_epi32(1);
    __m128i state = _mm_setzero_si128();

    for (uint32_t i = 0; i < steps; i++) {
        state = _mm_aesenc_si128(state, key);
        state = _mm_aesenc_si128(state, key);
        state = _mm_aesenc_si128(state, key);
        state = _mm_aesenc_si128(state, key);
        state = _mm_aesenc_si128(state, key);
        state = _mm_aesenc_si128(state, key);
        state = _mm_aesenc_si128(state, key);
        state = _mm_aesenc_si128(state, key);
        state = _mm_aesenc_si128(state, key);
        state = _mm_aesenc_si128(state, key);
    }
    return (uint32_t)_mm_cvtsi128_si32(state);
}

#elif defined(KF_HAVE_ARMV8)
#include "aes_armv8.h"

KF_ARM static uint32_t chain(uint32_t steps)
{
    const uint8x16_t key = vdupq_n_u8(1);
    uint8x16_t state = vdupq_n_u8(0);

    for (uint32_t i = 0; i < steps; i++) {
        state = vaesmcq_u8(vaeseq_u8(state, key));
        state = vaesmcq_u8(vaeseq_u8(state, key));
        state = vaesmcq_u8(vaeseq_u8(state, key));
        state = vaesmcq_u8(vaeseq_u8(state, key));
        state = vaesmcq_u8(vaeseq_u8(state, key));
        state = vaesmcq_u8(vaeseq_u8(state, key));
        state = vaesmcq_u8(vaeseq_u8(state, key));
        state = vaesmcq_u8(vaeseq_u8(state, key));
        state = vaesmcq_u8(vaeseq_u8(state, key));
        state = vaesmcq_u8(vaeseq_u8(state, key));
    }
    return vgetq_lane_u32(vreinterpretq_u32_u8(state), 0);
}

#else

static uint32_t chain(uint32_t steps)
{
    return steps;
}

#endif

int32_t kf_rounds(uint32_t steps)
{
    if (kf_tier_best() == KF_TIER_PORTABLE) {
        return KF_E_TIER;
    }
    /* Read by nobody, but to a volatile object the compiler has to bring what it computed. */
    volatile uint32_t outcome = chain(steps);
    (void)outcome;
    return KF_OK;
}
