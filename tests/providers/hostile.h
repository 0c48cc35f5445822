/* What the configuration of a hostile provider says, and the misbehaviour that needs no lease. */
#ifndef HOSTILE_H
#define HOSTILE_H

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { WORD = 128, PATH_SIZE = 4096, DESCRIPTORS = 64, FLOOD = 100 * 1000 };

static char config_text[PATH_SIZE];

/* ---------------------------------------------------------------- configuration */

static const char *value_of(const char *key) {
    char quoted[WORD];
    snprintf(quoted, sizeof quoted, "\"%s\":", key);
    const char *at = strstr(config_text, quoted);
    return at == NULL ? NULL : at + strlen(quoted) + strspn(at + strlen(quoted), " \"");
}

static int says(const char *key, const char *word) {
    const char *value = value_of(key);
    size_t size = strlen(word);
    return value != NULL && strncmp(value, word, size) == 0 && value[size] == '"';
}

static int path_in_directory(char *path, size_t size, const char *name, int number) {
    const char *directory = value_of("directory");
    if (directory == NULL) {
        return 0;
    }
    int length = (int)strcspn(directory, "\"");
    return snprintf(path, size, "%.*s/%s%d", length, directory, name, number) < (int)size;
}

/* ---------------------------------------------------------------- misbehaviour */

static void rest(void) {
    struct timespec millisecond = {.tv_sec = 0, .tv_nsec = 1000000};
    nanosleep(&millisecond, NULL);
}

/* Whatever does not need the lease; returns if there is nothing of the kind to be done. */
static void misbehave(void) {
    if (says("misbehave", "segfault")) {
        *(volatile char *)8 = 0;
    } else if (says("misbehave", "abort")) {
        abort();
    } else if (says("misbehave", "exit")) {
        exit(3);
    } else if (says("misbehave", "_exit")) {
        _exit(0);
    } else if (says("misbehave", "kill")) {
        raise(SIGKILL);
    } else if (says("misbehave", "hang")) {
        for (;;) {
            rest();
        }
    } else if (says("misbehave", "print")) {
        printf("all your keys"); /* not flushed: the host does that */
    } else if (says("misbehave", "complain")) {
        fprintf(stderr, "all your keys");
    } else if (says("misbehave", "flood")) {
        for (int i = 0; i < FLOOD; i++) {
            fputs("all your keys", stdout);
        }
    } else if (says("misbehave", "close-all") || says("misbehave", "babble")) {
        for (int i = 3; i < DESCRIPTORS; i++) {
            if (says("misbehave", "babble")) {
                (void)!write(i, "\0\0\0\2{}", 6);
            } else {
                close(i);
            }
        }
    }
}

/* As long as there is no file "well-0" in the directory. */
static int misbehaves(const char *call, unsigned number) {
    const char *unit = value_of("unit");
    char well[PATH_SIZE];
    if (path_in_directory(well, sizeof well, "well-", 0) && access(well, F_OK) == 0) {
        return 0;
    }
    return (value_of("call") == NULL ? strcmp(call, "lease") == 0 : says("call", call)) &&
           (unit == NULL || number == (unsigned)atoi(unit));
}

#endif
