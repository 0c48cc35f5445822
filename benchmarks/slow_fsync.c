/* Goes in front of libc (LD_PRELOAD): counts every fsync and makes each slower.
 * KF_FSYNC_MS in the environment says by how much; without it they are counted only. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

atomic_int kf_fsyncs;

static int slowly(const char *name, int fd) {
    const char *ms = getenv("KF_FSYNC_MS");
    int (*real)(int);
    *(void **)&real = dlsym(RTLD_NEXT, name);
    atomic_fetch_add(&kf_fsyncs, 1);
    if (ms != NULL) {
        long wait = strtol(ms, NULL, 10);
        struct timespec left = {wait / 1000, wait % 1000 * 1000000};
        nanosleep(&left, NULL);
    }
    return real(fd);
}

int fsync(int fd) { return slowly("fsync", fd); }
int fdatasync(int fd) { return slowly("fdatasync", fd); }
