/* The intrinsics of the ARMv8 tier. */
#ifndef KF_AES_ARMV8_H
#define KF_AES_ARMV8_H

#include "aes.h"

#ifdef KF_HAVE_ARMV8

#include <arm_neon.h>

/* Only the functions so marked hold the instructions; MSVC compiles the intrinsics as they are. */
#if defined(__clang__)
#define KF_ARM __attribute__((target("aes")))
#define KF_ARM_INLINE static inline __attribute__((target("aes"), always_inline))
#elif defined(__GNUC__) /* which has the intrinsics under this name */
#define KF_ARM __attribute__((target("+crypto")))
#define KF_ARM_INLINE static inline __attribute__((target("+crypto"), always_inline))
#else
#define KF_ARM
#define KF_ARM_INLINE static __forceinline
#endif

#endif
#endif
