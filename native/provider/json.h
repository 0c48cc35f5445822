/* A strict reader of one flat JSON object (RFC 8259): strings and whole numbers, no nesting. */
#ifndef KF_PROVIDER_JSON_H
#define KF_PROVIDER_JSON_H

#include <stdint.h>

#define JSON_KEY_MAX 64
#define JSON_TEXT_MAX 1024

#define JSON_END 0    /* the object is over, and nothing follows it */
#define JSON_STRING 1 /* a member whose text is set */
#define JSON_NUMBER 2 /* a member whose number is set */
#define JSON_WRONG (-1)

typedef struct {
    const char *text; /* UTF-8, not ended by a NUL */
    uint32_t size;
    uint32_t at; /* 0 at first */
} json_reader;

typedef struct {
    char key[JSON_KEY_MAX];
    char text[JSON_TEXT_MAX];
    uint32_t number;
} json_member;

/* The next member. Keys and strings end with NUL and hold none. After JSON_WRONG, member->key
 * is the key whose value is wrong, or empty when the text is no object. */
int32_t json_next(json_reader *reader, json_member *member);

#endif
