#define _POSIX_C_SOURCE 200809L

#include "file.h"

#include "kf_core.h"
#include "kf_provider.h"
#include "sentence.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int32_t unreadable(const char *name) {
    return sentence_keep(KFP_E_CONTENT, "%s: cannot be read (%s)", name, sentence_errno());
}

static int32_t open_regular(int directory, const char *name, int *file, uint32_t *size) {
    /* O_NONBLOCK: opening a FIFO would wait until somebody writes into it. */
    *file = openat(directory, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (*file < 0) {
        return unreadable(name);
    }
    struct stat status;
    int32_t result = KFP_OK;
    if (fstat(*file, &status) != 0) {
        result = unreadable(name);
    } else if (!S_ISREG(status.st_mode)) {
        result = sentence_keep(KFP_E_CONTENT, "%s: not a regular file", name);
    } else if (status.st_size < 1 || status.st_size > (off_t)FILE_SIZE_MAX) {
        result = sentence_keep(KFP_E_CONTENT, "%s: empty, or larger than 64 KiB", name);
    }
    if (result != KFP_OK) {
        (void)close(*file);
        return result;
    }
    *size = (uint32_t)status.st_size;
    return KFP_OK;
}

int32_t file_measure(int directory, const char *name, uint32_t *size) {
    int file;
    int32_t result = open_regular(directory, name, &file, size);
    if (result == KFP_OK) {
        (void)close(file);
    }
    return result;
}

int32_t file_read(int directory, const char *name, uint8_t *data, uint32_t size) {
    int file;
    uint32_t found = 0;
    int32_t result = open_regular(directory, name, &file, &found);
    if (result != KFP_OK) {
        return result;
    }
    /* read() puts the bytes where they belong and nowhere else; stdio would keep a copy. */
    uint32_t done = 0;
    while (found == size && done < size) {
        ssize_t count = read(file, data + done, size - done);
        if (count < 0 && errno == EINTR) {
            continue;
        }
        if (count <= 0) {
            break;
        }
        done += (uint32_t)count;
    }
    if (found != size || done < size) {
        kf_wipe(data, done);
        result = sentence_keep(KFP_E_CONTENT, "%s: not of the size expected here", name);
    }
    (void)close(file);
    return result;
}
