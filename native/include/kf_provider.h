/* The content-provider interface of kfasync, version 1: what a vendor's library exports so that
 * a station gets the content of key fobs from it.
 *
 * One symbol, kf_provider_entry. Everything else is reached through the table that it gives.
 * The life cycle is the same as that of every source:
 *
 *     open -> { lease -> commit | abort } -> close
 *
 * A lease binds one fob's content to one unit. It is durable before lease() returns: whatever
 * happens to the process, that content never goes to another unit afterwards, and the same
 * unit gets the same content again until commit or abort. commit and abort may be told twice.
 * Contexts that were opened with the same configuration share one pool, in this process and in
 * others, and a lease is ended by its name in any of them.
 *
 * Rules that every call keeps:
 *   - The caller allocates. A size that is too small is answered with KFP_E_SPACE and the sizes
 *     that are needed, and changes nothing: asking for sizes consumes no content.
 *   - Secrets are written into the secrets buffer of a lease and nowhere else; no copy of them
 *     stays in the library when the lease has been committed or aborted.
 *   - Nothing is printed, no process is ended, no exception or longjmp crosses the border, no
 *     signal handler is changed.
 *   - A call that may block returns within its deadline_ms, at the latest with KFP_E_DEADLINE;
 *     0 is to wait for nothing.
 *   - Structures begin with their size and version. New fields are only ever appended, and a
 *     field is read or written only when struct_size covers it.
 */
#ifndef KF_PROVIDER_H
#define KF_PROVIDER_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(_WIN32)
#define KF_CALL __cdecl
#define KF_EXPORT __declspec(dllexport)
#else
#define KF_CALL
#define KF_EXPORT __attribute__((visibility("default")))
#endif

#define KFP_ABI 1u /* what this header describes */

/* ---------------------------------------------------------------- results */

#define KFP_OK 0

/* -1 to -99: the call is wrong; the same call fails again. */
#define KFP_E_ABI (-1)      /* the host speaks an interface that this library does not */
#define KFP_E_STRUCT (-2)   /* a struct_size is too small for version 1 */
#define KFP_E_ARGUMENT (-3) /* NULL, or a value out of range */
#define KFP_E_CONFIG (-4)   /* the configuration is wrong; last_error names the key */
#define KFP_E_LEASE (-5)    /* no such lease */
#define KFP_E_SPACE (-10)   /* a buffer is too small; the sizes needed have been written */

/* -100 to -199: there is no content for this unit. */
#define KFP_E_EMPTY (-100)   /* none is free */
#define KFP_E_UNIT (-101)    /* this unit has had its content, and its outcome is final */
#define KFP_E_CONTENT (-102) /* the content is damaged; last_error says what */

/* -200 to -299: not now; the same call may succeed later. */
#define KFP_E_UNAVAILABLE (-200)
#define KFP_E_DEADLINE (-201)
#define KFP_E_CANCELLED (-202)

/* -300 to -399: the library itself failed. */
#define KFP_E_INTERNAL (-300)

/* -1000 to -1999: the vendor's own, final. -2000 to -2999: the vendor's own, retryable. */

/* ---------------------------------------------------------------- what the host gives */

typedef struct {
    uint32_t struct_size;
    uint32_t struct_version; /* 1 */
    char name[64];           /* "kfasync 0.1.0"; ends with NUL */
} kf_host_v1;

/* One physical fob. */
typedef struct {
    uint32_t struct_size;
    uint32_t struct_version; /* 1 */
    uint32_t uid_size;       /* 4, 7 or 10 */
    uint32_t diversification_uid_size;
    uint32_t atr_size;
    uint8_t uid[16];                 /* as the reader gave it; the fob's identity */
    uint8_t diversification_uid[16]; /* padded as the card profile says */
    uint8_t atr[36];
    char profile[64]; /* name of the card profile; ends with NUL */
    uint32_t aid_size; /* 5 to 16 */
    uint8_t aid[16];   /* of the applet; a unit is a UID and an AID */
} kf_unit_v1;

/* ---------------------------------------------------------------- what the library gives */

#define KFP_LEASE_ISSUER_CHECKED 1u /* the device certificate's issuer has been verified */

/* Content and keys for one unit. The host fills in the buffers and their capacities; with a
 * capacity of 0 the buffer may be NULL.
 *
 * items:   what is not secret, in the order in which it goes to the card:
 *          DGI(2) length(4) value, big-endian, one after the other.
 * secrets: the key block: tag(1) length(2, big-endian) value; tags 01, 02, 03 the static
 *          Key-ENC, Key-MAC and Key-DEK, 10 the private P-256 scalar (32 bytes), 11 the
 *          identity resolving key (16 bytes), 20 any further secret item (DGI(2) || value). */
typedef struct {
    uint32_t struct_size;
    uint32_t struct_version; /* 1 */
    uint8_t *items;
    uint8_t *secrets;
    uint32_t items_capacity;
    uint32_t secrets_capacity;
    uint32_t items_size; /* out: used, or needed with KFP_E_SPACE */
    uint32_t secrets_size;
    uint32_t ttl_ms; /* the lease runs out so long after the call; 0: never */
    uint32_t flags;
    uint32_t kvn;   /* key version number of the static keys */
    uint8_t kcv[9]; /* key check values of ENC, MAC and DEK, 3 bytes each */
    uint8_t reserved[3];
    char lease_id[64]; /* all three end with NUL; lease_id is the library's own name */
    char fesn[16];     /* 8 letters and digits */
    char spid[48];     /* 40 hex digits */
} kf_lease_v1;

#define KFP_OUTCOME_PASS 1u
#define KFP_OUTCOME_FAIL 2u /* for good: the content is not to be used again */

#define KFP_TOUCHED_NONE 0u /* nothing of the content has gone to a card */
#define KFP_TOUCHED_PARTIAL 1u
#define KFP_TOUCHED_UNKNOWN 2u

/* How a lease ends. commit reads outcome, abort reads touched. */
typedef struct {
    uint32_t struct_size;
    uint32_t struct_version; /* 1 */
    uint32_t outcome;
    uint32_t touched;
} kf_end_v1;

/* Which calls may run at the same time; the host keeps to it. */
#define KFP_SERIAL 1u      /* one call at a time in the process */
#define KFP_PER_SESSION 2u /* one call at a time per context, several contexts */
#define KFP_FREE 3u        /* any call at any time */

/* What abort with KFP_TOUCHED_NONE does to the content. PARTIAL and UNKNOWN always bind it to
 * its unit. */
#define KFP_ABORT_FREES 1u /* another unit may get it */
#define KFP_ABORT_BINDS 2u /* it waits for the same unit */

typedef struct kf_provider_ctx kf_provider_ctx;

typedef struct {
    uint32_t struct_size;
    uint32_t struct_version; /* 1 */
    uint32_t threading;      /* KFP_SERIAL, KFP_PER_SESSION or KFP_FREE */
    uint32_t abort_policy;   /* KFP_ABORT_FREES or KFP_ABORT_BINDS */
    const char *name;        /* UTF-8; name and version stand in every record */
    const char *version;

    /* config is JSON in UTF-8, config_size bytes without a NUL. */
    int32_t(KF_CALL *open)(const char *config, uint32_t config_size, uint32_t deadline_ms,
                           kf_provider_ctx **ctx);
    int32_t(KF_CALL *lease)(kf_provider_ctx *ctx, const kf_unit_v1 *unit, uint32_t deadline_ms,
                            kf_lease_v1 *lease);
    int32_t(KF_CALL *commit)(kf_provider_ctx *ctx, const char *lease_id, const kf_end_v1 *end,
                             uint32_t deadline_ms);
    int32_t(KF_CALL *abort)(kf_provider_ctx *ctx, const char *lease_id, const kf_end_v1 *end,
                            uint32_t deadline_ms);

    /* From any thread, whatever the threading: calls in progress on ctx return soon, with
     * KFP_E_CANCELLED or with what they have. */
    void(KF_CALL *cancel)(kf_provider_ctx *ctx);
    void(KF_CALL *close)(kf_provider_ctx *ctx);

    /* What went wrong in the last call that failed on this thread, in UTF-8, one sentence and no
     * secret in it. Writes at most capacity bytes and always a NUL; returns the length of the
     * whole text without it. ctx is NULL after a failed open. */
    uint32_t(KF_CALL *last_error)(kf_provider_ctx *ctx, char *text, uint32_t capacity);

    /* An optional ability by its name, or NULL when the library does not have it. */
    const void *(KF_CALL *get_interface)(const char *id);
} kf_provider_v1;

/* ---------------------------------------------------------------- optional abilities */

/* get_interface("kf.pool/1"): how much content there is. */
#define KFP_POOL "kf.pool/1"

typedef struct {
    uint32_t struct_size;
    uint32_t struct_version; /* 1 */
    uint32_t free;
    uint32_t leased;
    uint32_t consumed;
    uint32_t quarantined;
} kf_pool_counts_v1;

typedef struct {
    uint32_t struct_size;
    uint32_t struct_version; /* 1 */
    int32_t(KF_CALL *count)(kf_provider_ctx *ctx, kf_pool_counts_v1 *counts);
} kf_pool_v1;

/* ---------------------------------------------------------------- the one symbol */

/* Negotiates the interface before anything else. host_abi is what the host speaks; a library
 * that does not speak it returns KFP_E_ABI and leaves *provider alone. The table stays valid
 * until the process ends. Does no work besides: no thread, no file, no network. */
typedef int32_t(KF_CALL *kf_provider_entry_fn)(uint32_t host_abi, const kf_host_v1 *host,
                                               const kf_provider_v1 **provider);

#ifndef KFP_HOST
KF_EXPORT int32_t KF_CALL kf_provider_entry(uint32_t host_abi, const kf_host_v1 *host,
                                            const kf_provider_v1 **provider);
#endif

/* ---------------------------------------------------------------- layouts */

/* What a compiler must make of the structures above; every field has a fixed place. */
#if defined(__cplusplus)
#if __cplusplus >= 201103L || defined(_MSVC_LANG)
#define KFP_CHECK(condition, text) static_assert(condition, text)
#endif
#elif defined(__STDC_VERSION__) && __STDC_VERSION__ >= 201112L
#define KFP_CHECK(condition, text) _Static_assert(condition, text)
#endif

#ifdef KFP_CHECK
#include <stddef.h>
KFP_CHECK(sizeof(kf_host_v1) == 72, "kf_host_v1");
KFP_CHECK(sizeof(kf_unit_v1) == 172, "kf_unit_v1");
KFP_CHECK(offsetof(kf_unit_v1, profile) == 88, "kf_unit_v1.profile");
KFP_CHECK(sizeof(kf_end_v1) == 16, "kf_end_v1");
KFP_CHECK(sizeof(kf_pool_counts_v1) == 24, "kf_pool_counts_v1");
#if UINTPTR_MAX == UINT64_MAX
KFP_CHECK(sizeof(kf_lease_v1) == 192, "kf_lease_v1");
KFP_CHECK(offsetof(kf_lease_v1, kcv) == 52, "kf_lease_v1.kcv");
KFP_CHECK(offsetof(kf_lease_v1, lease_id) == 64, "kf_lease_v1.lease_id");
KFP_CHECK(sizeof(kf_provider_v1) == 96, "kf_provider_v1");
KFP_CHECK(offsetof(kf_provider_v1, open) == 32, "kf_provider_v1.open");
KFP_CHECK(sizeof(kf_pool_v1) == 16, "kf_pool_v1");
#endif
#endif

#ifdef __cplusplus
}
#endif

#endif
