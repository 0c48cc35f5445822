/* The reference provider's leases: containers whose files hold anything, in a directory of the
 * fuzzer's own. Buffers are exactly as large as the sizing call says. */
#define _GNU_SOURCE /* memfd_create */

#include "../provider/lease.h"
#include "input.h"
#include "kf_core.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define FESN "1KM0001E"
#define NAME FESN "-0123456789ABCDEF0123456789ABCDEF01234567"
#define UNIT "04A1B2C3D4E5F6"
#define FILES 7u

enum { GOOD, CHANGED, ANYTHING, ABSENT, KINDS };

typedef struct {
    const char *path; /* from the directory */
    uint8_t good[192];
    uint32_t size;
    int is_good; /* that is what lies there already */
} container_file;

static container_file files[FILES] = {
    {NAME "/FESN.txt", FESN, 8, 0},
    {NAME "/irk_keyfob.key", "AAECAwQFBgcICQoLDA0ODw==", 24, 0},
    /* PKCS#8 of the scalar 1. */
    {NAME "/keyfob_private.der",
     {0x30, 0x41, 0x02, 0x01, 0x00, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d,
      0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x04, 0x27,
      0x30, 0x25, 0x02, 0x01, 0x01, 0x04, 0x20, [66] = 0x01},
     67,
     0},
    {NAME "/keyfob_public.der", {0x06, 0x03, 0x55, 0x04, 0x03, 0x0c, 0x08}, 7 + 8 + 65, 0},
    {"ica_cert.der", {0x30, 0x00}, 2, 0},
    {"cms_root_cert.der", {0x30, 0x00}, 2, 0},
    {"keys", {0x01, 0x00, 0x10, [19] = 0x02, 0x00, 0x10, [38] = 0x03, 0x00, 0x10}, 57, 0},
};

static char root[] = "/dev/shm/fuzz_container.XXXXXX"; /* a disk would take most of the time */
static int directory = -1;
static int containers = -1;
static content_pool pool;
static container_scratch scratch;

static void remove_all(void)
{
    for (uint32_t i = 0; i < FILES; i++) {
        (void)unlinkat(i < 4 ? containers : directory, files[i].path, 0);
    }
    (void)unlinkat(containers, NAME, AT_REMOVEDIR);
    (void)unlinkat(directory, "containers", AT_REMOVEDIR);
    (void)rmdir(root);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    static const uint8_t one[32] = {[31] = 1};

    (void)argc;
    (void)argv;
    memcpy(files[3].good + 7, FESN, 8);
    CLAIM(kf_p256_public(one, files[3].good + 15) == KF_OK);
    CLAIM(mkdtemp(root) != NULL);
    directory = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    CLAIM(mkdirat(directory, "containers", 0700) == 0);
    containers = openat(directory, "containers", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    CLAIM(mkdirat(containers, NAME, 0700) == 0);
    return atexit(remove_all);
}

/* ---------------------------------------------------------------- the directory */

static void write_file(int where, const char *path, const uint8_t *data, uint32_t size)
{
    const int file = openat(where, path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    CLAIM(file >= 0 && write(file, data, size) == (ssize_t)size);
    (void)close(file);
}

/* Returns 1 when the file is as it should be. */
static int make_file(uint32_t index, uint32_t kind, input *from)
{
    container_file *one = &files[index];
    const int where = index < 4 ? containers : directory;

    if (kind == GOOD && one->is_good) {
        return 1;
    }
    one->is_good = kind == GOOD;
    if (kind == ABSENT) {
        (void)unlinkat(where, one->path, 0);
        return 0;
    }
    if (kind == ANYTHING) {
        const exact any = input_take(from, input_word(from));
        write_file(where, one->path, any.data, any.size);
        exact_free(any);
        return 0;
    }
    uint8_t data[sizeof one->good];
    memcpy(data, one->good, sizeof data);
    if (kind == CHANGED) {
        data[input_byte(from) % one->size] ^= (uint8_t)input_byte(from);
    }
    write_file(where, one->path, data, one->size);
    return kind == GOOD;
}

/* ---------------------------------------------------------------- leases */

static uint32_t records(void)
{
    uint32_t count = 0;

    CLAIM(journal_count(pool.journal, &count) == KFP_OK);
    return count;
}

static int32_t take(const shared_files *shared, kf_lease_v1 *lease)
{
    const int32_t result = lease_take(&pool, shared, &scratch, UNIT, lease);

    CLAIM(is_zero(&scratch, sizeof scratch));
    return result;
}

static void claim_well_formed(const kf_lease_v1 *lease)
{
    static const uint16_t order[] = {0xa001, 0xa002, 0xa004, 0xa005};
    kf_entry entries[8];
    uint32_t count = 8;
    uint32_t at = 0;
    uint8_t kcv[9];

    for (uint32_t i = 0; i < 4; i++) {
        CLAIM(lease->items_size - at >= 6);
        const uint8_t *header = lease->items + at;
        const uint32_t size = (uint32_t)header[2] << 24 | (uint32_t)header[3] << 16 |
                              (uint32_t)header[4] << 8 | header[5];
        CLAIM(((uint32_t)header[0] << 8 | header[1]) == order[i]);
        CLAIM(size > 0 && size <= lease->items_size - at - 6);
        at += 6 + size;
    }
    CLAIM(at == lease->items_size);
    CLAIM(kf_key_block(lease->secrets, lease->secrets_size, entries, &count) == KF_OK);
    CLAIM(count == 5 && entries[3].tag == KF_TAG_SCALAR && entries[4].tag == KF_TAG_IRK);
    CLAIM(container_check_keys(lease->secrets, entries[3].offset - 3, kcv) == KFP_OK);
    CLAIM(memcmp(kcv, lease->kcv, sizeof kcv) == 0);
    char fesn[9];
    const int file = openat(containers, files[0].path, O_RDONLY | O_CLOEXEC);
    CLAIM(file >= 0 && read(file, fesn, sizeof fesn) == 8 && memcmp(fesn, FESN, 8) == 0);
    (void)close(file);
    CLAIM(strcmp(lease->fesn, FESN) == 0 && strcmp(lease->lease_id, FESN ".0") == 0);
}

/* Where only the journal is known, the same unit gets the same content. */
static void claim_same_again(const shared_files *shared, kf_lease_v1 lease)
{
    const exact again = exact_copy(lease.secrets, lease.secrets_size);

    memset(lease.secrets, 0, lease.secrets_size);
    pool.seen = 0;
    pool.size = 0;
    CLAIM(pool_scan(&pool) == KFP_OK && take(shared, &lease) == KFP_OK);
    CLAIM(memcmp(lease.secrets, again.data, again.size) == 0 && records() == 1);
    exact_free(again);
}

static void lease_with(const shared_files *shared, uint32_t items_size, uint32_t secrets_size,
                       int is_good, int twice)
{
    const exact items = exact_new(items_size);
    const exact secrets = exact_new(secrets_size);
    kf_lease_v1 lease = {.struct_size = sizeof lease, .struct_version = 1};

    memset(secrets.data, 0, secrets_size);
    lease.items = items.data;
    lease.secrets = secrets.data;
    lease.items_capacity = items_size;
    lease.secrets_capacity = secrets_size;
    const int32_t result = take(shared, &lease);
    CLAIM(result == KFP_OK || result == KFP_E_CONTENT || result == KFP_E_CONFIG);
    CLAIM(!is_good || result == KFP_OK);
    if (result == KFP_OK) {
        claim_well_formed(&lease);
        CLAIM(records() == 1);
        if (twice) {
            claim_same_again(shared, lease);
        }
    } else {
        CLAIM(is_zero(secrets.data, secrets_size) && records() == 0);
    }
    exact_free(secrets);
    exact_free(items);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    input from = {data, size};
    const shared_files shared = {directory, directory, "keys", 0x30};
    kf_lease_v1 sizes = {.struct_size = sizeof sizes, .struct_version = 1};
    int is_good = 1;

    for (uint32_t i = 0; i < FILES; i++) {
        /* Mostly as it should be, so that the reading goes on. */
        const uint32_t kind = input_byte(&from) % (4 * KINDS);
        is_good &= make_file(i, kind < KINDS ? kind : GOOD, &from);
    }
    pool.containers = containers;
    pool.journal = memfd_create("journal", MFD_CLOEXEC);
    pool.seen = 0;
    pool.size = 0;
    CLAIM(pool.journal >= 0 && pool_scan(&pool) == KFP_OK);
    const int32_t result = take(&shared, &sizes);
    CLAIM(result == KFP_E_SPACE || result == KFP_E_CONTENT);
    CLAIM(records() == 0 && (!is_good || result == KFP_E_SPACE));
    if (result == KFP_E_SPACE) {
        lease_with(&shared, sizes.items_size, sizes.secrets_size, is_good,
                   input_byte(&from) & 1);
    }
    (void)close(pool.journal);
    return 0;
}
