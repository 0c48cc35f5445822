/* The faults of broken.c that a process keeps: what a lease leaves behind, and what there is only
 * one of in a process. */
#ifndef BROKEN_MANNERS_H
#define BROKEN_MANNERS_H

#include "broken_lease.h"

#include <fcntl.h>
#include <fenv.h>
#include <locale.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

static void *idle(void *unused) {
    for (;;) {
        sleep_ms(1000);
    }
    return unused;
}

void *lost; /* not static, so that its allocation is not left out */

/* What each lease leaves behind. */
static void litter(void) {
#ifdef BREAK_LEAKS_MEMORY
    lost = malloc(40);
#endif
#ifdef BREAK_LEAKS_PAGES
    (void)mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
#endif
#ifdef BREAK_LEAKS_FILES
    (void)!open("/dev/null", O_RDONLY);
#endif
#ifdef BREAK_LEAKS_THREADS
    pthread_t thread;
    (void)pthread_create(&thread, NULL, idle, NULL);
#endif
}

/* What the process is afterwards. */
static void rearrange(void) {
#ifdef BREAK_CHDIR
    (void)!chdir("/");
#endif
#ifdef BREAK_UMASK
    (void)umask(0);
#endif
#ifdef BREAK_SETENV
    (void)setenv("TZ", "UTC", 1);
#endif
#ifdef BREAK_SETSID
    (void)setsid();
#endif
#ifdef BREAK_RLIMIT
    struct rlimit limit;
    (void)getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur -= 1;
    (void)setrlimit(RLIMIT_NOFILE, &limit);
#endif
#ifdef BREAK_ROUNDING
    (void)fesetround(FE_DOWNWARD);
#endif
#ifdef BREAK_ALARM
    (void)alarm(3600);
#endif
#ifdef BREAK_LOCALE
    (void)setlocale(LC_ALL, "C");
    (void)setlocale(LC_NUMERIC, "C.UTF-8");
#endif
#ifdef BREAK_FORKS
    if (fork() == 0) {
        (void)prctl(PR_SET_PDEATHSIG, 9);
        if (fork() == 0) { /* a daemon, as the book has it */
            (void)alarm(20);
            (void)pause();
        }
        _exit(0);
    }
#endif
#ifdef BREAK_CLOSES_OTHERS
    (void)close(0);
#endif
}

#ifdef BREAK_ABORTS_AT_EXIT
__attribute__((destructor)) static void fall_apart(void) {
    abort();
}
#endif

#ifdef BREAK_HANGS_AT_EXIT
__attribute__((destructor)) static void linger(void) {
    sleep_ms(60000);
}
#endif

#endif
