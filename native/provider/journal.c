#define _DEFAULT_SOURCE /* flock */

#include "journal.h"

#include "kf_provider.h"
#include "sentence.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

/* A new file is only as durable as the entry of its name. */
static int sync_directory_of(const char *path) {
    char directory[1024];
    const char *slash = strrchr(path, '/');
    size_t size = slash == NULL ? 1 : (size_t)(slash - path) + 1;
    if (size >= sizeof directory) {
        return -1;
    }
    memcpy(directory, slash == NULL ? "." : path, size);
    directory[size] = '\0';
    int opened = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (opened < 0) {
        return -1;
    }
    int result = fsync(opened);
    (void)close(opened);
    return result;
}

int32_t journal_open(const char *path, int *file) {
    struct stat status;
    *file = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600);
    if (*file >= 0 && fstat(*file, &status) == 0 && S_ISREG(status.st_mode) &&
        sync_directory_of(path) == 0) {
        return KFP_OK;
    }
    int32_t result = sentence_keep(KFP_E_CONFIG, "state: not a file that can be written (%s)",
                                   *file < 0 ? sentence_errno() : "no regular file");
    if (*file >= 0) {
        (void)close(*file);
        *file = -1;
    }
    return result;
}

/* flock, not fcntl: two contexts of one process exclude each other too, and closing one of them
 * does not take the other's lock away. It dies with the process. */
int journal_try_lock(int file) {
    return flock(file, LOCK_EX | LOCK_NB) == 0;
}

void journal_unlock(int file) {
    (void)flock(file, LOCK_UN);
}

int32_t journal_count(int file, uint32_t *count) {
    struct stat status;
    if (fstat(file, &status) != 0 || status.st_size / JOURNAL_RECORD_SIZE > UINT32_MAX - 1) {
        return sentence_keep(KFP_E_INTERNAL, "state: cannot be read (%s)", sentence_errno());
    }
    *count = (uint32_t)(status.st_size / JOURNAL_RECORD_SIZE);
    return KFP_OK;
}

/* Copies a word of capital letters and digits; what fills it up is spaces. */
static int word(char *text, const char *field, uint32_t size) {
    uint32_t used = 0;
    while (used < size && field[used] != ' ') {
        char c = field[used];
        if (!((c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z'))) {
            return 0;
        }
        text[used++] = c;
    }
    text[used] = '\0';
    uint32_t filled = used;
    while (filled < size && field[filled] == ' ') {
        filled++;
    }
    return used > 0 && filled == size;
}

int32_t journal_read(int file, uint32_t index, journal_record *record) {
    char line[JOURNAL_RECORD_SIZE];
    ssize_t count = pread(file, line, sizeof line, (off_t)index * (off_t)sizeof line);
    if (count == (ssize_t)sizeof line && line[0] != '\0' && strchr("LBFPR", line[0]) != NULL &&
        line[1] == ' ' && word(record->unit, line + 2, UNIT_SIZE - 1) && line[22] == ' ' &&
        word(record->fesn, line + 23, FESN_SIZE - 1) && line[31] == '\n') {
        record->event = line[0];
        return KFP_OK;
    }
    return sentence_keep(KFP_E_INTERNAL, "state: record %u is damaged; nothing is issued",
                         (unsigned)index);
}

int32_t journal_append(int file, uint32_t index, const journal_record *record) {
    char line[JOURNAL_RECORD_SIZE + 1];
    (void)snprintf(line, sizeof line, "%c %-20s %-8s\n", record->event, record->unit,
                   record->fesn);
    off_t at = (off_t)index * (off_t)JOURNAL_RECORD_SIZE;
    ssize_t count = pwrite(file, line, JOURNAL_RECORD_SIZE, at);
    if (count == (ssize_t)JOURNAL_RECORD_SIZE && fdatasync(file) == 0) {
        return KFP_OK;
    }
    int32_t result = sentence_keep(KFP_E_UNAVAILABLE, "state: cannot be written (%s)",
                                   count < 0 ? sentence_errno() : "the disk is full");
    /* What is not known to be on disk has not happened, and must not come to light later. */
    if (ftruncate(file, at) != 0) {
        return sentence_keep(KFP_E_INTERNAL, "state: cannot be written, nor put right again");
    }
    return result;
}
