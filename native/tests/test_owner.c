/* Slots and pages belong to one thread at a time, and to one process.
 *
 *   cd native
 *   cc -std=c11 -O2 -Iinclude -Isrc tests/test_owner.c src/[a-z]*.c -pthread -o /tmp/test
 *   /tmp/test
 */
#if !defined(_WIN32)
#define _DEFAULT_SOURCE /* fork, and threads, which -std=c11 hides otherwise */
#endif

#include <stdatomic.h>

#include "busy.h"
#include "check.h"
#include "hex.h"
#include "kf_core.h"
#include "pages.h"
#include "slot.h"

#if defined(_WIN32)
#include <windows.h>
#else
#include <pthread.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>
#endif

static void check(const char *what, int passed)
{
    report("owner", what, passed);
}

/* ---------------------------------------------------------------- two threads */

/* The other thread keeps the slot busy, and says whether its calls went well. */
typedef struct {
    kf_slot *slot;
    atomic_int done;
    int32_t result;
} worker;

static void work(worker *at)
{
    at->result = wrap_big(at->slot, BIG_COUNT);
    atomic_store(&at->done, 1);
}

#if defined(_WIN32)
static DWORD WINAPI run(void *at)
{
    work(at);
    return 0;
}
#else
static void *run(void *at)
{
    work(at);
    return NULL;
}
#endif

/* Ask until the other thread is done; 1 when it was seen inside. */
static int is_seen_inside(worker *at)
{
    const uint32_t ends[1] = {0};
    uint8_t out[1];
    uint32_t out_ends[1];
    int seen = 0;

    atomic_store(&at->done, 0);
#if defined(_WIN32)
    HANDLE thread = CreateThread(NULL, 0, run, at, 0, NULL);
#else
    pthread_t thread;
    pthread_create(&thread, NULL, run, at);
#endif
    while (!atomic_load(&at->done)) {
        seen = seen || kf_wrap_batch(at->slot, out, ends, 0, out, 1, out_ends) == KF_E_BUSY;
    }
#if defined(_WIN32)
    WaitForSingleObject(thread, INFINITE);
    CloseHandle(thread);
#else
    pthread_join(thread, NULL);
#endif
    return seen;
}

/* Whether the threads meet is the machine's to say; they get many chances. */
static void check_two_threads(void)
{
    worker at = {.slot = kf_slot_get(KF_TIER_PORTABLE)};
    int seen = 0;
    int went_well = 1;

    for (uint32_t i = 0; i < 500 && !seen; i++) {
        load(at.slot);
        open_session(at.slot);
        seen = is_seen_inside(&at);
        /* It may in turn have met this one, which is inside for a moment only. */
        went_well = went_well && (at.result == KF_OK || at.result == KF_E_BUSY);
    }
    check("a second thread is kept out of a slot", seen && went_well);
    check("and gets in when the first one has left", load(at.slot) == KF_OK);
    kf_slot_put(at.slot);
}

/* ---------------------------------------------------------------- other processes */

#if !defined(_WIN32)

/* 1 when a child that does this comes to nothing: it faults. */
static int faults(uint8_t *at)
{
    int status = 0;
    const pid_t child = fork();

    if (child == 0) {
        *(volatile uint8_t *)at = 1;
        _exit(0);
    }
    waitpid(child, &status, 0);
    return !(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static void check_guards(void)
{
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    uint8_t *pages = kf_pages_map(page + 1);

    memset(pages, 1, page + 1);
    check("a guard stands in front of the pages", faults(pages - 1));
    check("and one behind them", faults(pages + 2 * page));
    kf_pages_unmap(pages, page + 1);
}

/* What a forked child sees: 0 when it finds no key and can begin anew. */
static int child(kf_slot *slot, const uint8_t *cell)
{
    if (!is_zero(cell, KF_CELL_SIZE) || !is_zero(slot, sizeof *slot)) {
        return 1;
    }
    if (kf_locked() || load(slot) != KF_E_ARGUMENT || kf_cell_get() != NULL ||
        kf_slot_get(KF_TIER_BEST) != NULL) {
        return 2;
    }
    kf_slot_put(slot);
    kf_session_close(slot);
    slot = kf_start(1) == KF_OK ? kf_slot_get(KF_TIER_BEST) : NULL;
    return slot != NULL && load(slot) == KF_OK && open_session(slot) == KF_OK ? 0 : 3;
}

/* 1 when a page that is to be wiped in a child is, which emulators of processors promise and do
 * not do. */
static int system_wipes(void)
{
#if defined(MADV_WIPEONFORK)
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    int status = 1;
    uint8_t *mine =
        mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    mine[0] = 1;
    const int promised = madvise(mine, page, MADV_WIPEONFORK) == 0;
    const pid_t forked = fork();
    if (forked == 0) {
        _exit(mine[0]);
    }
    waitpid(forked, &status, 0);
    munmap(mine, page);
    return promised && WIFEXITED(status) && WEXITSTATUS(status) == 0;
#else
    return 0;
#endif
}

static void check_fork(void)
{
    uint8_t *cell = kf_cell_get();
    kf_slot *slot = kf_slot_get(KF_TIER_BEST);
    int status = 0;

    memset(cell, 0x55, KF_CELL_SIZE);
    load(slot);
    open_session(slot);
    const pid_t forked = fork();
    if (forked == 0) {
        _exit(child(slot, cell));
    }
    waitpid(forked, &status, 0);
    check("a forked child has none of the keys, and can begin anew",
          WIFEXITED(status) && WEXITSTATUS(status) == 0);
    check("and takes nothing away", cell[0] == 0x55 && wrap_big(slot, 1) == KF_OK);
    kf_slot_put(slot);
    kf_cell_put(cell);
}

#endif

int main(void)
{
    if (kf_start(1) != KF_OK) {
        return 2;
    }
    check_two_threads();
#if !defined(_WIN32)
    check_guards();
    if (system_wipes()) {
        check_fork();
    } else {
        printf("this system does not wipe memory in a forked child\n");
    }
#endif
    return failures != 0;
}
