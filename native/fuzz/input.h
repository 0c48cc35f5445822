/* The fuzzer's bytes, taken piece by piece, and what is demanded of the answers. */
#ifndef KF_FUZZ_INPUT_H
#define KF_FUZZ_INPUT_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
    const uint8_t *at;
    size_t left;
} input;

/* Stops the fuzzer, in every build: what is claimed here always holds. */
#define CLAIM(condition)                                                                          \
    do {                                                                                          \
        if (!(condition)) {                                                                       \
            (void)fprintf(stderr, "%s:%d: %s does not hold\n", __FILE__, __LINE__, #condition);   \
            abort();                                                                              \
        }                                                                                         \
    } while (0)

/* 0 when there is nothing left. */
static inline uint32_t input_byte(input *from)
{
    if (from->left == 0) {
        return 0;
    }
    from->left--;
    return *from->at++;
}

static inline uint32_t input_word(input *from)
{
    const uint32_t high = input_byte(from);

    return high << 8 | input_byte(from);
}

/* A block on the heap that ends where it says, so that a byte read beyond it is seen; even an
 * empty one, which malloc would give a byte. */
typedef struct {
    uint8_t *block;
    uint8_t *data;
    uint32_t size;
} exact;

static inline exact exact_new(uint32_t size)
{
    exact made = {.block = malloc(size > 0 ? size : 1), .size = size};

    CLAIM(made.block != NULL);
    made.data = size > 0 ? made.block : made.block + 1;
    return made;
}

static inline exact exact_copy(const uint8_t *data, uint32_t size)
{
    const exact made = exact_new(size);

    if (size > 0) {
        memcpy(made.data, data, size);
    }
    return made;
}

static inline void exact_free(exact made)
{
    free(made.block);
}

/* The next size bytes, or as many as are left. */
static inline exact input_take(input *from, size_t size)
{
    const uint32_t taken = (uint32_t)(size < from->left ? size : from->left);
    const exact made = exact_copy(from->at, taken);

    from->at += taken;
    from->left -= taken;
    return made;
}

static inline exact input_rest(input *from)
{
    return input_take(from, from->left);
}

static inline int is_zero(const void *data, size_t size)
{
    const uint8_t *at = data;
    uint8_t any = 0;

    for (size_t i = 0; i < size; i++) {
        any |= at[i];
    }
    return any == 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerInitialize(int *argc, char ***argv);

#endif
