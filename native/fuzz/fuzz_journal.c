/* The reference provider's journal: any bytes as its file, and leases that end in it. What is in
 * memory afterwards is what a process finds that reads the file anew. */
#define _GNU_SOURCE /* memfd_create */

#include "../provider/lease.h"
#include "input.h"

#include <sys/mman.h>
#include <unistd.h>

static content_pool pool;
static content_pool anew;

static void forget(content_pool *of, int journal)
{
    of->containers = -1;
    of->journal = journal;
    of->seen = 0;
    of->size = 0;
}

static void claim_same(const content_pool *a, const content_pool *b)
{
    CLAIM(a->seen == b->seen && a->size == b->size);
    for (uint32_t i = 0; i < a->size; i++) {
        const content *one = &a->contents[i];
        const content *other = &b->contents[i];
        CLAIM(one->state == other->state && one->lease == other->lease);
        CLAIM(strcmp(one->fesn, other->fesn) == 0 && strcmp(one->unit, other->unit) == 0);
    }
}

/* The id of a lease that there is or was, or any text. */
static exact take_id(input *from)
{
    char text[48];
    const uint32_t index = input_byte(from);

    if (index < pool.size) {
        const int size = snprintf(text, sizeof text, "%s.%u", pool.contents[index].fesn,
                                  (unsigned)(pool.contents[index].lease + input_byte(from) % 2));
        return exact_copy((const uint8_t *)text, (uint32_t)size + 1);
    }
    const exact any = input_take(from, 30);
    const exact ended = exact_new(any.size + 1);
    if (any.size > 0) {
        memcpy(ended.data, any.data, any.size);
    }
    ended.data[any.size] = '\0';
    exact_free(any);
    return ended;
}

static void end_one(input *from, int journal)
{
    const uint32_t choice = input_byte(from);
    const exact id = take_id(from);
    const char *name = (const char *)id.data;
    uint32_t before;
    uint32_t after;

    CLAIM(journal_count(journal, &before) == KFP_OK);
    const int32_t result =
        choice & 1 ? lease_commit(&pool, name, choice & 2 ? KFP_OUTCOME_PASS : KFP_OUTCOME_FAIL)
                   : lease_abort(&pool, name, choice >> 1 & 1);
    CLAIM(journal_count(journal, &after) == KFP_OK);
    CLAIM(result == KFP_OK || result == KFP_E_LEASE);
    CLAIM(after == before || (result == KFP_OK && after == before + 1));
    if (result == KFP_OK) {
        /* Told again, it does nothing. */
        CLAIM((choice & 1 ? lease_commit(&pool, name,
                                         choice & 2 ? KFP_OUTCOME_PASS : KFP_OUTCOME_FAIL)
                          : lease_abort(&pool, name, choice >> 1 & 1)) == KFP_OK);
        CLAIM(journal_count(journal, &before) == KFP_OK && before == after);
    }
    exact_free(id);
}

static void claim_readable(int journal)
{
    journal_record record;
    uint32_t count = 0;

    CLAIM(journal_count(journal, &count) == KFP_OK);
    for (uint32_t i = 0; i < count; i++) {
        memset(&record, 0xee, sizeof record);
        if (journal_read(journal, i, &record) == KFP_OK) {
            CLAIM(memchr(record.unit, '\0', UNIT_SIZE) != NULL && record.unit[0] != '\0');
            CLAIM(memchr(record.fesn, '\0', FESN_SIZE) != NULL && record.fesn[0] != '\0');
            CLAIM(strchr("LBFPR", record.event) != NULL);
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    input from = {data, size};
    const uint32_t ends = input_byte(&from) % 8;
    const exact operations = input_take(&from, (size_t)8 * ends);
    const exact file = input_rest(&from);
    const int journal = memfd_create("journal", MFD_CLOEXEC);

    CLAIM(journal >= 0);
    CLAIM(write(journal, file.data, file.size) == (ssize_t)file.size);
    claim_readable(journal);
    forget(&pool, journal);
    const int32_t result = pool_refresh(&pool);
    CLAIM(result == KFP_OK || result == KFP_E_INTERNAL || result == KFP_E_CONFIG);
    if (result == KFP_OK) {
        input choices = {operations.data, operations.size};
        for (uint32_t i = 0; i < ends; i++) {
            end_one(&choices, journal);
        }
        forget(&anew, journal);
        CLAIM(pool_refresh(&anew) == KFP_OK);
        claim_same(&pool, &anew);
    }
    (void)close(journal);
    exact_free(file);
    exact_free(operations);
    return 0;
}
