/* kf_base64_decode on any text, against a decoder that looks characters up. */
#include "input.h"
#include "kf_core.h"

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/* The decoded size, or -1; out has room for three bytes of every four characters. */
static int64_t look_up(exact text, uint8_t *out)
{
    uint32_t bits = 0;
    uint32_t characters = text.size;
    uint32_t written = 0;

    if (text.size % 4 != 0) {
        return -1;
    }
    while (characters > 0 && text.size - characters < 2 && text.data[characters - 1] == '=') {
        characters--;
    }
    for (uint32_t i = 0; i < characters; i++) {
        const char *found = text.data[i] != 0 ? strchr(alphabet, text.data[i]) : NULL;
        if (found == NULL) {
            return -1;
        }
        bits = bits << 6 | (uint32_t)(found - alphabet);
        if (i % 4 != 0) {
            out[written++] = (uint8_t)(bits >> (6 - 2 * (i % 4)));
        }
    }
    return written;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    input from = {data, size};
    const uint32_t capacity = input_byte(&from);
    const exact text = input_rest(&from);
    const exact expected = exact_new(text.size);
    const exact out = exact_new(capacity);
    const int64_t length = look_up(text, expected.data);
    uint32_t written = 77;
    const int32_t result = kf_base64_decode(text.data, text.size, out.data, capacity, &written);

    if (result == KF_OK) {
        CLAIM(written == length && written <= capacity);
        CLAIM(memcmp(out.data, expected.data, written) == 0);
    } else {
        CLAIM(result == KF_E_SPACE ? length != 0 : length < 0);
        CLAIM(result == KF_E_SPACE || result == KF_E_FORMAT);
        CLAIM(written == 0 && is_zero(out.data, capacity));
    }
    if (length >= 0) {
        CLAIM((result == KF_OK) == (length <= capacity));
    }
    exact_free(out);
    exact_free(expected);
    exact_free(text);
    return 0;
}
