/* Slots: getting one, loading static keys, wiping. */
#include "slot.h"

#include <stddef.h>

#include "arena.h"
#include "secrecy.h"

#define KCV_SIZE 3

int32_t kf_slot_enter(kf_slot *slot)
{
    if (!kf_arena_is_slot(slot)) {
        return KF_E_ARGUMENT;
    }
    if (atomic_exchange_explicit(&slot->busy, 1, memory_order_acquire)) {
        return KF_E_BUSY;
    }
    /* Asked inside: a slot that has been put back would otherwise take keys in once more. */
    if (!kf_arena_has_slot(slot)) {
        kf_slot_leave(slot);
        return KF_E_ARGUMENT;
    }
    return KF_OK;
}

int32_t kf_slot_enter_at_last(kf_slot *slot)
{
    int32_t result = KF_E_BUSY;

    while (result == KF_E_BUSY) {
        result = kf_slot_enter(slot);
    }
    return result;
}

void kf_slot_leave(kf_slot *slot)
{
    atomic_store_explicit(&slot->busy, 0, memory_order_release);
}

kf_slot *kf_slot_get(uint32_t tier)
{
    const kf_aes *aes = kf_aes_tier(tier);

    if (aes == NULL) {
        return NULL;
    }
    kf_slot *slot = kf_arena_take_slot();
    if (slot != NULL) {
        slot->aes = aes;
    }
    return slot;
}

void kf_slot_wipe_chains(kf_slot *slot)
{
    const kf_session *session = &slot->session;

    if (session->level & KF_R_MAC) {
        const uint64_t used =
            session->counter < KF_PENDING_MAX ? session->counter : KF_PENDING_MAX;
        kf_wipe(slot->chains[0], (uint32_t)used * KF_BLOCK);
    }
}

/* Everything but the owner's mark. */
static void wipe(kf_slot *slot)
{
    const size_t begin = offsetof(struct kf_slot, loaded);

    kf_slot_wipe_chains(slot);
    kf_wipe((uint8_t *)slot + begin, (uint32_t)(offsetof(struct kf_slot, chains) - begin));
}

void kf_slot_put(kf_slot *slot)
{
    if (!kf_arena_withdraw_slot(slot)) {
        return;
    }
    while (atomic_exchange_explicit(&slot->busy, 1, memory_order_acquire)) {
        /* The other thread is gone after microseconds, and no one else gets in. */
    }
    wipe(slot);
    kf_slot_leave(slot);
    kf_arena_free_slot(slot);
}

/* First 3 bytes of AES over 16 bytes of 01 (GP Card Specification 2.3.1, B.6). */
static int has_check_value(const kf_slot *slot, const kf_key *key, const uint8_t *kcv)
{
    static const uint8_t ones[KF_BLOCK] = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1};
    uint8_t block[KF_BLOCK];

    slot->aes->encrypt(key, ones, block);
    return kf_equal(block, kcv, KCV_SIZE);
}

static int32_t load(kf_slot *slot, const uint8_t *enc, const uint8_t *mac, const uint8_t *dek,
                    uint32_t key_size, const uint8_t kcv[9])
{
    slot->aes->expand(&slot->enc, enc, key_size, KF_FOR_CMAC);
    slot->aes->expand(&slot->mac, mac, key_size, KF_FOR_CMAC);
    slot->aes->expand(&slot->dek, dek, key_size, KF_FOR_BLOCKS);
    if (!has_check_value(slot, &slot->enc, kcv)) {
        return KF_E_KCV_ENC;
    }
    if (!has_check_value(slot, &slot->mac, kcv + KCV_SIZE)) {
        return KF_E_KCV_MAC;
    }
    if (!has_check_value(slot, &slot->dek, kcv + KCV_SIZE + KCV_SIZE)) {
        return KF_E_KCV_DEK;
    }
    slot->key_size = key_size;
    slot->loaded = 1;
    return KF_OK;
}

int32_t kf_slot_load(kf_slot *slot, const uint8_t *enc, const uint8_t *mac, const uint8_t *dek,
                     uint32_t key_size, const uint8_t kcv[9])
{
    if (enc == NULL || mac == NULL || dek == NULL || kcv == NULL) {
        return KF_E_ARGUMENT;
    }
    int32_t result = kf_slot_enter(slot);
    if (result != KF_OK) {
        return result;
    }
    kf_session_end(slot);
    slot->loaded = 0;
    result = key_size == 16 || key_size == 24 || key_size == 32
                 ? load(slot, enc, mac, dek, key_size, kcv)
                 : KF_E_KEY_LENGTH;
    if (result != KF_OK) {
        const size_t begin = offsetof(struct kf_slot, enc);
        kf_wipe((uint8_t *)slot + begin, (uint32_t)(offsetof(struct kf_slot, session) - begin));
    }
    kf_slot_leave(slot);
    return result;
}
