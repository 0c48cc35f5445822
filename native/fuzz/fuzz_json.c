/* json_next, over any text: the configuration of the reference provider. */
#include "../provider/json.h"
#include "input.h"

static int is_text(const char *text, size_t capacity)
{
    return memchr(text, '\0', capacity) != NULL;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const exact text = exact_copy(data, (uint32_t)size);
    const exact room = exact_new(sizeof(json_member));
    json_member *member = (json_member *)(void *)room.data;
    json_reader reader = {(const char *)text.data, text.size, 0};
    uint32_t before = 0;
    int32_t kind = JSON_STRING;

    while (kind == JSON_STRING || kind == JSON_NUMBER) {
        memset(member, 0xee, sizeof *member);
        kind = json_next(&reader, member);
        CLAIM(kind == JSON_STRING || kind == JSON_NUMBER || kind == JSON_END ||
              kind == JSON_WRONG);
        CLAIM(reader.at <= reader.size && is_text(member->key, sizeof member->key));
        if (kind == JSON_STRING || kind == JSON_NUMBER) {
            CLAIM(reader.at > before);
            CLAIM(kind != JSON_STRING || is_text(member->text, sizeof member->text));
        }
        CLAIM(kind != JSON_END || reader.at == reader.size);
        before = reader.at;
    }
    exact_free(room);
    exact_free(text);
    return 0;
}
