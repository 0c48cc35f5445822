/* The C core of kfasync: a fob's keys in locked memory, and all of its SCP03 in one call.
 *
 * Declarations only: C includes this file, and build_native.py reads it as cffi's cdef.
 *
 * Memory is the caller's, except for slots and cells, which are pieces of one arena that
 * kf_start makes (mapped between guard pages, locked, kept out of core dumps). No call
 * allocates. Apart from the arena there is no state that outlives a call.
 *
 * Every function that can fail returns KF_OK or one of the negative numbers below, and writes
 * nothing of use then: outputs are zeros, and a failure inside of a session kills the session.
 * Lengths are in bytes. No pointer may be NULL unless that is said.
 */
#ifndef KF_CORE_H
#define KF_CORE_H

#include <stdint.h>

/* ---------------------------------------------------------------- results */

#define KF_OK 0

/* The caller's mistakes. */
#define KF_E_ARGUMENT (-1) /* a length or a number out of range, or NULL */
#define KF_E_STATE (-2)    /* in the wrong order: no keys, no session, or a dead one */
#define KF_E_BUSY (-3)     /* another thread is inside of this slot */
#define KF_E_SPACE (-4)    /* the output does not fit */

/* The machine's. */
#define KF_E_MEMORY (-10)       /* memory cannot be mapped, or the arena is used up */
#define KF_E_LOCK (-11)         /* memory cannot be locked: see RLIMIT_MEMLOCK */
#define KF_E_TIER (-12)         /* this CPU has no such tier */
#define KF_E_KNOWN_ANSWER (-13) /* the tier computes something else than AES */

/* The key set's and the content's. */
#define KF_E_KEY_LENGTH (-20) /* a static key is not 16, 24 or 32 bytes long */
#define KF_E_KCV_ENC (-21)    /* a static key does not have its key check value */
#define KF_E_KCV_MAC (-22)
#define KF_E_KCV_DEK (-23)
#define KF_E_FORMAT (-24)  /* PKCS#8, base64, key block or command that cannot be read */
#define KF_E_SCALAR (-25)  /* not a scalar of P-256: zero, or not below the order */
#define KF_E_CONTENT (-26) /* items that cannot be written: none, or too many blocks */

/* The card's. Each kills the session. */
#define KF_E_ANSWER (-30)      /* INITIALIZE UPDATE answer of no layout that was asked for */
#define KF_E_KEY_VERSION (-31) /* the card answered with another key version */
#define KF_E_CRYPTOGRAM (-32)  /* no layout gives a card cryptogram that verifies */
#define KF_E_CAPABILITY (-33)  /* the card's i-param does not announce what is asked of it */
#define KF_E_CHALLENGE (-34)   /* not the pseudo-random card challenge that it announces */
#define KF_E_NO_RMAC (-35)     /* an answer without the R-MAC that the level demands */
#define KF_E_RMAC (-36)        /* an R-MAC that does not verify */
#define KF_E_PADDING (-37)     /* an answer that cannot be deciphered */

/* ---------------------------------------------------------------- tiers and start */

/* How AES is computed. Chosen per slot; KF_TIER_BEST is the fastest that the CPU has. */
#define KF_TIER_BEST 0
#define KF_TIER_PORTABLE 1 /* bitsliced, constant time, plain C11 */
#define KF_TIER_AESNI 2    /* x86 AES-NI and SSE4.1 */
#define KF_TIER_ARMV8 3    /* ARMv8 Cryptography Extensions */

/* 1 when this CPU and this build have the tier, else 0. Asks the CPU once per process. */
int32_t kf_tier_available(uint32_t tier);

/* The tier that KF_TIER_BEST stands for. */
uint32_t kf_tier_best(void);

/* Known answers of FIPS 197 and NIST SP 800-38B, all key lengths: KF_OK, KF_E_TIER or
 * KF_E_KNOWN_ANSWER. */
int32_t kf_tier_check(uint32_t tier);

/* Make the arena; called again, it does nothing. When memory cannot be locked it fails with
 * KF_E_LOCK, unless unlocked_allowed is not 0; kf_locked() then tells. */
int32_t kf_start(uint32_t unlocked_allowed);
int32_t kf_locked(void);

/* ---------------------------------------------------------------- cells: locked bytes */

#define KF_CELL_SIZE 4096

/* One cell of KF_CELL_SIZE bytes, all zeros; NULL when the arena is used up. Thread-safe.
 * kf_cell_put wipes it. */
uint8_t *kf_cell_get(void);
void kf_cell_put(uint8_t *cell);

/* Overwrite with zeros in a way that no compiler leaves out. */
void kf_wipe(uint8_t *data, uint32_t size);

/* ---------------------------------------------------------------- reading secrets */

/* The P-256 scalar of a PKCS#8 file, 32 bytes (RFC 5208, 5; RFC 5915, 3), unencrypted, nothing
 * after it; a public key that the file holds must be the scalar's. Constant in time for all
 * files of one length and structure. The scalar's public point comes with it, as
 * kf_p256_public computes it. KF_E_FORMAT, KF_E_SCALAR. */
int32_t kf_pkcs8_scalar(const uint8_t *der, uint32_t size, uint8_t scalar[32], uint8_t point[65]);

/* The public point of a scalar: 04 || X || Y (SEC 1, 2.3.3), in constant time. KF_E_SCALAR. */
int32_t kf_p256_public(const uint8_t scalar[32], uint8_t point[65]);

/* Base64 with padding and nothing else, no line break (RFC 4648, 4), in constant time for one
 * length. *written is the decoded length. KF_E_FORMAT, KF_E_SPACE. */
int32_t kf_base64_decode(const uint8_t *text, uint32_t size, uint8_t *out, uint32_t capacity,
                         uint32_t *written);

/* A key block is a sequence of tag(1) length(2, big-endian) value. */
#define KF_TAG_ENC 0x01    /* static Key-ENC */
#define KF_TAG_MAC 0x02    /* static Key-MAC */
#define KF_TAG_DEK 0x03    /* static Key-DEK */
#define KF_TAG_SCALAR 0x10 /* private P-256 scalar, 32 bytes */
#define KF_TAG_IRK 0x11    /* identity resolving key, 16 bytes */
#define KF_TAG_ITEM 0x20   /* any further secret item: DGI(2) || value; may come repeatedly */

typedef struct {
    uint32_t tag;
    uint32_t offset; /* of the value, from the start of the block */
    uint32_t size;
} kf_entry;

/* List the values of a key block in their order. Each of the tags 01, 02, 03 exactly once and
 * of one key length; 10 and 11 at most once; unknown tags and trailing bytes are refused.
 * *count in: capacity of entries; out: how many there are. KF_E_FORMAT, KF_E_SPACE. */
int32_t kf_key_block(const uint8_t *block, uint32_t size, kf_entry *entries, uint32_t *count);

/* ---------------------------------------------------------------- slots: one fob each */

typedef struct kf_slot kf_slot;

/* A slot of the arena, wiped; NULL when there is no such tier or the arena is used up.
 * Thread-safe. kf_slot_put wipes it, whatever is in it. */
kf_slot *kf_slot_get(uint32_t tier);
void kf_slot_put(kf_slot *slot);

/* Expand the three static keys, all of key_size bytes, and hold them against their key check
 * values: kcv is ENC || MAC || DEK, 3 bytes each. Ends a session that the slot had.
 * KF_E_KEY_LENGTH, KF_E_KCV_*. */
int32_t kf_slot_load(kf_slot *slot, const uint8_t *enc, const uint8_t *mac, const uint8_t *dek,
                     uint32_t key_size, const uint8_t kcv[9]);

/* ---------------------------------------------------------------- sessions */

#define KF_LAYOUT_GP 0                /* INITIALIZE UPDATE answer and context, both of */
#define KF_LAYOUT_REV3 1              /* one kind */
#define KF_LAYOUT_GP_REV3_CONTEXT 2   /* one's answer with the other's context */
#define KF_LAYOUT_REV3_GP_CONTEXT 3
#define KF_LAYOUTS 4

/* What is the same for every fob of one card profile. */
typedef struct {
    uint8_t security_level; /* 01, 03, 11, 13 or 33 */
    uint8_t mac_size;       /* 8 (S8) or 16 (S16); also of challenges and cryptograms */
    uint8_t key_version;    /* as asked for; 0 = whichever the card answers with */
    uint8_t layout_count;   /* 1 to KF_LAYOUTS */
    uint8_t layouts[4];     /* tried in this order */
    uint8_t store_data_p1;
    uint8_t store_data_last_p1;
    uint8_t block_size; /* plain bytes in one STORE DATA; with MAC and padding it fits in Lc */
    uint8_t aid_size;   /* 5 to 16 */
    uint8_t aid[16];    /* enters the pseudo-random card challenge */
} kf_terms;

/* One DGI to be written; under_dek: AES-CBC under the static DEK, IV 0, ISO/IEC 9797-1 padding
 * method 2. */
typedef struct {
    const uint8_t *value;
    uint32_t size;
    uint16_t dgi;
    uint16_t under_dek;
} kf_item;

#define KF_EXTERNAL_AUTHENTICATE_MAX 37 /* 5 + 16 + 16 */
#define KF_BLOCKS_MAX 256               /* STORE DATA commands of one fob: P2 is one byte */
#define KF_PENDING_MAX 512              /* commands that wait for their answers */

/* Derive the session keys, verify the card, make EXTERNAL AUTHENTICATE (GP Amendment D v1.2,
 * 6.2.2 and 7.1). answer is the data field of the INITIALIZE UPDATE answer. *layout is the one
 * whose card cryptogram verified. external_authenticate gets 5 + 2 * mac_size bytes.
 * Ends a session that the slot had. KF_E_ANSWER to KF_E_CHALLENGE. */
int32_t kf_session_open(kf_slot *slot, const kf_terms *terms, const uint8_t *host_challenge,
                        const uint8_t *answer, uint32_t answer_size, uint32_t *layout,
                        uint8_t *external_authenticate);

/* Secure plain command APDUs (ISO/IEC 7816-4, 5.1; cases 1 to 4, short and extended), which
 * stand one after the other in commands; command_ends[i] is where command i ends. out gets the secured ones in
 * the same way, ends[i] is where each ends. All of them or none: a malformed command leaves
 * the session as it was. KF_E_FORMAT, KF_E_SPACE, KF_E_STATE. */
int32_t kf_wrap_batch(kf_slot *slot, const uint8_t *commands, const uint32_t *command_ends,
                      uint32_t count, uint8_t *out, uint32_t capacity, uint32_t *ends);

/* Encode, encrypt under the DEK, cut and secure a fob's items; each DGI begins a command, and
 * the last command is empty. *count in: capacity of ends; out: how many commands.
 * KF_E_CONTENT, KF_E_SPACE, KF_E_STATE. */
int32_t kf_wrap_store_data(kf_slot *slot, const kf_terms *terms, const kf_item *items,
                           uint32_t item_count, uint8_t *out, uint32_t capacity, uint32_t *ends,
                           uint32_t *count);

/* kf_session_open and kf_wrap_store_data in one: EXTERNAL AUTHENTICATE stands in front of the
 * STORE DATA commands in out, and is the first that ends counts. */
int32_t kf_open_and_wrap(kf_slot *slot, const kf_terms *terms, const uint8_t *host_challenge,
                         const uint8_t *answer, uint32_t answer_size, uint32_t *layout,
                         const kf_item *items, uint32_t item_count, uint8_t *out,
                         uint32_t capacity, uint32_t *ends, uint32_t *count);

/* Verify and open, in place, the answer to the oldest command that has none yet: data field ||
 * SW1 || SW2; *size in and out. An error status word (not 9000, 62xx, 63xx) carries no R-MAC,
 * comes back as it is and ends the session. KF_E_NO_RMAC, KF_E_RMAC, KF_E_PADDING,
 * KF_E_FORMAT, KF_E_STATE. */
int32_t kf_unwrap(kf_slot *slot, uint8_t *answer, uint32_t *size);

/* Forget the session keys; the static keys stay. */
void kf_session_close(kf_slot *slot);

/* ---------------------------------------------------------------- known answers */

/* The primitives by themselves, for known answers and for comparison. key_size 16, 24 or 32. */
int32_t kf_encrypt_block(uint32_t tier, const uint8_t *key, uint32_t key_size,
                         const uint8_t block[16], uint8_t out[16]);
int32_t kf_cbc_encrypt(uint32_t tier, const uint8_t *key, uint32_t key_size,
                       const uint8_t icv[16], const uint8_t *data, uint32_t size, uint8_t *out);
int32_t kf_cbc_decrypt(uint32_t tier, const uint8_t *key, uint32_t key_size,
                       const uint8_t icv[16], const uint8_t *data, uint32_t size, uint8_t *out);
int32_t kf_cmac(uint32_t tier, const uint8_t *key, uint32_t key_size, const uint8_t *message,
                uint32_t size, uint8_t mac[16]);

/* One derivation of SCP03 (GP Amendment D v1.2, 4.1.5); bits is a multiple of 8 up to 256. */
int32_t kf_kdf(uint32_t tier, const uint8_t *key, uint32_t key_size, uint32_t constant,
               const uint8_t *context, uint32_t context_size, uint32_t bits, uint8_t *out);

#endif
