/* The arena: who may have what is in it, and what is left of that.
 *
 *   cd native
 *   cc -std=c11 -O2 -Iinclude -Isrc tests/test_arena.c src/[a-z]*.c -o /tmp/test && /tmp/test
 */
#include "arena.h"
#include "busy.h"
#include "check.h"
#include "hex.h"
#include "kf_core.h"
#include "slot.h"

static void check(const char *what, int passed)
{
    report("arena", what, passed);
}

/* ---------------------------------------------------------------- start */

static void check_start(void)
{
    uint8_t *cell = kf_cell_get();
    kf_slot *slot = kf_slot_get(KF_TIER_BEST);

    check("before the start there are no cells and no slots",
          cell == NULL && slot == NULL && !kf_locked());
    kf_cell_put(NULL);
    kf_slot_put(NULL);
    const int32_t locked = kf_start(0);
    check("memory is locked, or that is said",
          locked == KF_OK ? kf_locked() : locked == KF_E_LOCK && !kf_locked());
    check("it starts without locks where that is allowed", kf_start(1) == KF_OK);
    check("and that does not count as locked", kf_start(0) == locked);
    check("no such tier", kf_slot_get(4) == NULL);
}

/* ---------------------------------------------------------------- cells and slots */

static void check_cells(void)
{
    static uint8_t *cells[KF_CELLS + 1];
    uint32_t count = 0;
    int zeros = 1;

    while (count <= KF_CELLS && (cells[count] = kf_cell_get()) != NULL) {
        zeros = zeros && is_zero(cells[count], KF_CELL_SIZE);
        memset(cells[count], 0xff, KF_CELL_SIZE);
        count++;
    }
    check("there are as many cells as there are", count == KF_CELLS);
    check("all of them zeros", zeros);
    uint8_t *last = cells[KF_CELLS - 1];
    kf_cell_put(last + 1);
    kf_cell_put(cells[0] - KF_CELL_SIZE);
    kf_cell_put(last + KF_CELL_SIZE);
    check("what is no cell is not put back", kf_cell_get() == NULL && last[0] == 0xff);
    kf_cell_put(last);
    check("a cell is wiped when it is put back", is_zero(last, KF_CELL_SIZE));
    kf_cell_put(last);
    check("and put back once", kf_cell_get() == last && kf_cell_get() == NULL);
    for (uint32_t i = 0; i < KF_CELLS; i++) {
        kf_cell_put(cells[i]);
    }
    zeros = 1;
    for (uint32_t i = 0; i < KF_CELLS; i++) {
        zeros = zeros && is_zero(cells[i], KF_CELL_SIZE);
    }
    check("nothing is left in any of them", zeros);
}

static void check_slots(void)
{
    static kf_slot *slots[KF_SLOTS + 1];
    uint32_t count = 0;

    while (count <= KF_SLOTS && (slots[count] = kf_slot_get(KF_TIER_BEST)) != NULL) {
        count++;
    }
    check("there are as many slots as there are", count == KF_SLOTS);
    kf_slot_put((kf_slot *)(void *)((uint8_t *)slots[3] + 64));
    kf_slot_put(slots[KF_SLOTS - 1] + 1);
    check("what is no slot is not put back", kf_slot_get(KF_TIER_BEST) == NULL);
    check("nor does it do anything else",
          load((kf_slot *)(void *)((uint8_t *)slots[3] + 64)) == KF_E_ARGUMENT &&
              load(NULL) == KF_E_ARGUMENT);
    kf_slot_put(slots[3]);
    kf_slot_put(slots[3]);
    check("a slot is put back once",
          kf_slot_get(KF_TIER_BEST) == slots[3] && kf_slot_get(KF_TIER_BEST) == NULL);
    for (uint32_t i = 0; i < KF_SLOTS; i++) {
        kf_slot_put(slots[i]);
    }
}

static void check_wiping(void)
{
    kf_slot *slot = kf_slot_get(KF_TIER_BEST);

    check("a session", load(slot) == KF_OK && open_session(slot) == KF_OK &&
                           wrap_big(slot, BIG_COUNT) == KF_OK);
    kf_session_close(slot);
    check("is wiped when it is closed, and the keys stay",
          is_zero(&slot->session, sizeof slot->session) &&
              is_zero(slot->chains, sizeof slot->chains) && !is_zero(&slot->enc, 16));
    check("another session", open_session(slot) == KF_OK && wrap_big(slot, BIG_COUNT) == KF_OK);
    check("has left chaining values", !is_zero(slot->chains, sizeof slot->chains));
    kf_slot_put(slot);
    check("all of a slot is wiped when it is put back", is_zero(slot, sizeof *slot));

    slot = kf_slot_get(KF_TIER_BEST);
    const uint8_t no_kcv[9] = {0};
    kf_slot_load(slot, key, key, key, sizeof key, no_kcv);
    check("keys that are refused are wiped at once",
          is_zero(&slot->enc, sizeof slot->enc) && is_zero(&slot->mac, sizeof slot->mac) &&
              is_zero(&slot->dek, sizeof slot->dek));
    kf_slot_put(slot);
}

int main(void)
{
    check_start();
    check_cells();
    check_slots();
    check_wiping();
    return failures != 0;
}
