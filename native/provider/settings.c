#define _POSIX_C_SOURCE 200809L

#include "settings.h"

#include "file.h"
#include "json.h"
#include "kf_core.h"
#include "sentence.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#define KEYS_SIZE_MAX (3u * (3u + 32u))
#define KVN_MAX 255u

typedef enum { CONTAINERS, CERTIFICATES, STATE, KEYS, KVN, SETTINGS } setting;

static const char *const names[SETTINGS] = {"containers", "certificates", "state", "keys", "kvn"};

static int32_t wrong(const char *key, const char *what) {
    return sentence_keep(KFP_E_CONFIG, "%s: %s", key, what);
}

static int32_t open_directory(const char *key, const char *path, int *directory) {
    *directory = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return *directory < 0 ? wrong(key, sentence_errno()) : KFP_OK;
}

/* The key file is read anew for every lease, so that the library keeps no key in between; here
 * it is made sure that there will be one. */
static int32_t open_keys(char *path, shared_files *shared) {
    char *slash = strrchr(path, '/');
    const char *name = slash == NULL ? path : slash + 1;
    if (strlen(name) >= sizeof shared->keys) {
        return wrong("keys", "the name is too long");
    }
    memcpy(shared->keys, name, strlen(name) + 1);
    const char *directory = slash == NULL ? "." : slash == path ? "/" : path;
    if (slash != NULL) {
        *slash = '\0';
    }
    int32_t result = open_directory("keys", directory, &shared->keys_directory);
    uint32_t size = 0;
    if (result == KFP_OK && (file_measure(shared->keys_directory, shared->keys, &size) != KFP_OK ||
                             size > KEYS_SIZE_MAX)) {
        result = wrong("keys", "not a file that holds three keys");
    }
    if (result != KFP_OK) {
        return result;
    }
    uint8_t block[KEYS_SIZE_MAX];
    uint8_t kcv[9];
    if (file_read(shared->keys_directory, shared->keys, block, size) != KFP_OK) {
        result = wrong("keys", "cannot be read");
    } else {
        result = container_check_keys(block, size, kcv);
    }
    kf_wipe(block, sizeof block);
    return result;
}

static int32_t take(setting which, json_member *member, opened_settings *opened) {
    switch (which) {
    case CONTAINERS:
        return open_directory(member->key, member->text, &opened->containers);
    case CERTIFICATES:
        return open_directory(member->key, member->text, &opened->shared.certificates);
    case STATE:
        return journal_open(member->text, &opened->journal);
    case KEYS:
        return open_keys(member->text, &opened->shared);
    default:
        opened->shared.kvn = member->number;
        return member->number <= KVN_MAX ? KFP_OK : wrong(member->key, "not 0 to 255");
    }
}

static int32_t member_of(json_reader *reader, json_member *member, uint32_t *given, int32_t *kind,
                         opened_settings *opened) {
    *kind = json_next(reader, member);
    if (*kind == JSON_WRONG && member->key[0] == '\0') {
        return sentence_keep(KFP_E_CONFIG, "the configuration is not one flat JSON object");
    }
    if (*kind == JSON_END) {
        return KFP_OK;
    }
    uint32_t which = 0;
    while (which < SETTINGS && strcmp(names[which], member->key) != 0) {
        which++;
    }
    if (which == SETTINGS) {
        return wrong(member->key, "not a key of this library");
    }
    if (*kind != (which == KVN ? JSON_NUMBER : JSON_STRING)) {
        return wrong(member->key, which == KVN ? "not a whole number" : "not a path");
    }
    if (*given & 1u << which) {
        return wrong(member->key, "given twice");
    }
    *given |= 1u << which;
    return take((setting)which, member, opened);
}

int32_t settings_open(const char *config, uint32_t size, opened_settings *opened) {
    *opened = (opened_settings){.containers = -1, .journal = -1, .shared = {-1, -1, "", 0}};
    json_reader reader = {config, size, 0};
    json_member member;
    uint32_t given = 0;
    int32_t kind = JSON_STRING;
    int32_t result = KFP_OK;
    while (result == KFP_OK && kind != JSON_END) {
        result = member_of(&reader, &member, &given, &kind, opened);
    }
    for (uint32_t which = 0; result == KFP_OK && which < SETTINGS; which++) {
        if (!(given & 1u << which)) {
            result = wrong(names[which], "missing");
        }
    }
    if (result != KFP_OK) {
        settings_close(opened);
    }
    return result;
}

static void close_one(int *file) {
    if (*file >= 0) {
        (void)close(*file);
        *file = -1;
    }
}

void settings_close(opened_settings *opened) {
    close_one(&opened->containers);
    close_one(&opened->journal);
    close_one(&opened->shared.certificates);
    close_one(&opened->shared.keys_directory);
}
