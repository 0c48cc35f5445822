/* Pages of memory for secrets, on POSIX and on Windows. */
#if !defined(_WIN32) && !defined(_DEFAULT_SOURCE)
#define _DEFAULT_SOURCE /* MAP_ANONYMOUS and madvise, which -std=c11 hides otherwise */
#endif

#include "pages.h"

static size_t whole_pages(size_t size, size_t page)
{
    return (size + page - 1) / page * page;
}

#if defined(_WIN32)

#include <windows.h>

static size_t page_size(void)
{
    SYSTEM_INFO system;

    GetSystemInfo(&system);
    return system.dwPageSize;
}

uint8_t *kf_pages_map(size_t size)
{
    const size_t page = page_size();
    const size_t inner = whole_pages(size, page);
    /* What is reserved and not committed faults when it is touched: the guards. */
    uint8_t *outer = VirtualAlloc(NULL, inner + 2 * page, MEM_RESERVE, PAGE_NOACCESS);

    if (outer == NULL) {
        return NULL;
    }
    if (VirtualAlloc(outer + page, inner, MEM_COMMIT, PAGE_READWRITE) == NULL) {
        VirtualFree(outer, 0, MEM_RELEASE);
        return NULL;
    }
    return outer + page;
}

void kf_pages_unmap(uint8_t *pages, size_t size)
{
    (void)size;
    VirtualFree(pages - page_size(), 0, MEM_RELEASE);
}

int kf_pages_lock(uint8_t *pages, size_t size)
{
    const HANDLE process = GetCurrentProcess();
    const size_t inner = whole_pages(size, page_size());
    SIZE_T least;
    SIZE_T most;

    /* A process may lock little more than its minimum working set, some 200 KiB by default. */
    if (!GetProcessWorkingSetSize(process, &least, &most) ||
        !SetProcessWorkingSetSize(process, least + inner, most + inner)) {
        return 0;
    }
    return VirtualLock(pages, inner) != 0;
}

#else

#include <sys/mman.h>
#include <unistd.h>

static size_t page_size(void)
{
    return (size_t)sysconf(_SC_PAGESIZE);
}

uint8_t *kf_pages_map(size_t size)
{
    const size_t page = page_size();
    const size_t inner = whole_pages(size, page);
    uint8_t *outer = mmap(NULL, inner + 2 * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (outer == MAP_FAILED) {
        return NULL;
    }
    uint8_t *pages = outer + page;
    if (mprotect(pages, inner, PROT_READ | PROT_WRITE) != 0) {
        (void)munmap(outer, inner + 2 * page);
        return NULL;
    }
    /* The three below are asked for where they exist; a kernel that refuses takes nothing away
     * from what is promised, which is locked memory. */
#if defined(MADV_DONTDUMP)
    (void)madvise(pages, inner, MADV_DONTDUMP);
#endif
    /* A forked child finds zeros, and with them no slot in use and no cell: every call fails
     * there in an orderly way until it has called kf_start itself. With MADV_DONTFORK it would
     * have no keys either, but a stray access would kill it. */
#if defined(MADV_WIPEONFORK)
    if (madvise(pages, inner, MADV_WIPEONFORK) == 0) {
        return pages;
    }
#endif
#if defined(MADV_DONTFORK)
    (void)madvise(pages, inner, MADV_DONTFORK);
#endif
    return pages;
}

void kf_pages_unmap(uint8_t *pages, size_t size)
{
    const size_t page = page_size();

    (void)munmap(pages - page, whole_pages(size, page) + 2 * page);
}

int kf_pages_lock(uint8_t *pages, size_t size)
{
    return mlock(pages, whole_pages(size, page_size())) == 0;
}

#endif
