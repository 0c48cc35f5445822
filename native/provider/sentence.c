#define _POSIX_C_SOURCE 200809L /* strerror_r as POSIX has it */

#include "sentence.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static _Thread_local char kept[512];

int32_t sentence_keep(int32_t code, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    /* NOLINTNEXTLINE(clang-analyzer-valist.Uninitialized): clang 14 loses sight of va_start */
    (void)vsnprintf(kept, sizeof kept, format, arguments);
    va_end(arguments);
    return code;
}

const char *sentence_errno(void) {
    static _Thread_local char text[64];
    return strerror_r(errno, text, sizeof text) == 0 ? text : "an unknown error";
}

uint32_t sentence_copy(char *text, uint32_t capacity) {
    size_t size = strlen(kept);
    if (text != NULL && capacity > 0) {
        size_t copied = size < capacity - 1 ? size : capacity - 1;
        memcpy(text, kept, copied);
        text[copied] = '\0';
    }
    return (uint32_t)size;
}
