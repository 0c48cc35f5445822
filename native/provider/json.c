#include "json.h"

#include <string.h>

#define NOTHING (-1) /* the text is over */

static int peek(const json_reader *reader) {
    return reader->at < reader->size ? (unsigned char)reader->text[reader->at] : NOTHING;
}

/* Skips white space (RFC 8259, 2) and tells what comes then. */
static int next_token(json_reader *reader) {
    int c = peek(reader);
    while (c == ' ' || c == '\t' || c == '\n' || c == '\r') {
        reader->at++;
        c = peek(reader);
    }
    return c;
}

static int32_t hex4(json_reader *reader, uint32_t *unit) {
    *unit = 0;
    for (int i = 0; i < 4; i++) {
        int c = peek(reader);
        uint32_t digit;
        if (c >= '0' && c <= '9') {
            digit = (uint32_t)(c - '0');
        } else if ((c >= 'A' && c <= 'F') || (c >= 'a' && c <= 'f')) {
            digit = (uint32_t)((c & ~0x20) - 'A' + 10);
        } else {
            return JSON_WRONG;
        }
        *unit = *unit << 4 | digit;
        reader->at++;
    }
    return JSON_STRING;
}

/* \uXXXX, or two of them that are a surrogate pair (RFC 8259, 7), as UTF-8. U+0000 is refused,
 * for it would end the text. */
static int32_t escaped_character(json_reader *reader, char utf8[4], uint32_t *size) {
    uint32_t point;
    if (hex4(reader, &point) == JSON_WRONG || point == 0 || (point >= 0xDC00 && point < 0xE000)) {
        return JSON_WRONG;
    }
    if (point >= 0xD800 && point < 0xDC00) {
        uint32_t low;
        if (reader->size - reader->at < 2 || memcmp(reader->text + reader->at, "\\u", 2) != 0) {
            return JSON_WRONG;
        }
        reader->at += 2;
        if (hex4(reader, &low) == JSON_WRONG || low < 0xDC00 || low >= 0xE000) {
            return JSON_WRONG;
        }
        point = 0x10000 + ((point - 0xD800) << 10) + (low - 0xDC00);
    }
    uint32_t tail = point < 0x80 ? 0 : point < 0x800 ? 1 : point < 0x10000 ? 2 : 3;
    static const uint8_t lead[4] = {0x00, 0xC0, 0xE0, 0xF0};
    utf8[0] = (char)(lead[tail] | point >> (6 * tail));
    for (uint32_t i = 1; i <= tail; i++) {
        utf8[i] = (char)(0x80 | (point >> (6 * (tail - i)) & 0x3F));
    }
    *size = tail + 1;
    return JSON_STRING;
}

static int32_t character(json_reader *reader, char utf8[4], uint32_t *size) {
    static const char names[] = "\"\\/bfnrt";
    static const char meanings[] = "\"\\/\b\f\n\r\t";
    int c = peek(reader);
    if (c < 0x20) { /* NOTHING too */
        return JSON_WRONG;
    }
    reader->at++;
    *size = 1;
    utf8[0] = (char)c;
    if (c != '\\') {
        return JSON_STRING;
    }
    c = peek(reader);
    if (c < 0x20) {
        return JSON_WRONG;
    }
    reader->at++;
    if (c == 'u') {
        return escaped_character(reader, utf8, size);
    }
    const char *name = strchr(names, c);
    if (name == NULL) {
        return JSON_WRONG;
    }
    utf8[0] = meanings[name - names];
    return JSON_STRING;
}

static int32_t string(json_reader *reader, char *text, uint32_t capacity) {
    uint32_t used = 0;
    text[0] = '\0';
    if (peek(reader) != '"') {
        return JSON_WRONG;
    }
    reader->at++;
    while (peek(reader) != '"') {
        char utf8[4];
        uint32_t size;
        if (character(reader, utf8, &size) == JSON_WRONG || capacity - used <= size) {
            return JSON_WRONG;
        }
        memcpy(text + used, utf8, size);
        used += size;
        text[used] = '\0';
    }
    reader->at++;
    return JSON_STRING;
}

static int32_t number(json_reader *reader, uint32_t *value) {
    uint32_t first = reader->at;
    *value = 0;
    while (peek(reader) >= '0' && peek(reader) <= '9') {
        uint32_t digit = (uint32_t)(peek(reader) - '0');
        if (*value > (UINT32_MAX - digit) / 10) {
            return JSON_WRONG;
        }
        *value = *value * 10 + digit;
        reader->at++;
    }
    uint32_t digits = reader->at - first;
    if (digits == 0 || (digits > 1 && reader->text[first] == '0')) {
        return JSON_WRONG;
    }
    return JSON_NUMBER;
}

static int32_t end(json_reader *reader) {
    reader->at++;
    return next_token(reader) == NOTHING ? JSON_END : JSON_WRONG;
}

int32_t json_next(json_reader *reader, json_member *member) {
    member->key[0] = '\0';
    int separator = reader->at == 0 ? '{' : ',';
    int c = next_token(reader);
    if (c == '}' && separator == ',') {
        return end(reader);
    }
    if (c != separator) {
        return JSON_WRONG;
    }
    reader->at++;
    c = next_token(reader);
    if (c == '}' && separator == '{') {
        return end(reader);
    }
    if (string(reader, member->key, sizeof member->key) == JSON_WRONG ||
        next_token(reader) != ':') {
        member->key[0] = '\0';
        return JSON_WRONG;
    }
    reader->at++;
    int32_t kind = next_token(reader) == '"' ? string(reader, member->text, sizeof member->text)
                                             : number(reader, &member->number);
    c = next_token(reader);
    return c == ',' || c == '}' ? kind : JSON_WRONG; /* 1.5 is wrong in its own member */
}
