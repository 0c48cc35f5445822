/* A whole fob: its items as STORE DATA commands (GP Card Specification 2.3.1, 11.11). */
#include <string.h>

#include "dgi.h"
#include "session.h"
#include "wrap.h"

#define CLA 0x80
#define INS_STORE_DATA 0xe2
#define HEADER_SIZE 4

/* Where the commands go. */
typedef struct {
    uint8_t *out;
    uint32_t *ends; /* of the commands, from the plan on */
    uint32_t capacity;
    uint32_t count_max;
    uint32_t count;
    uint32_t end;   /* of the last one */
    uint32_t first; /* STORE DATA; 1 behind EXTERNAL AUTHENTICATE, else 0 */
} kf_sink;

static uint32_t begin_of(const kf_sink *sink, uint32_t index)
{
    return index == 0 ? 0 : sink->ends[index - 1];
}

/* What is to be written. */
typedef struct {
    const kf_terms *terms;
    const kf_item *items;
    uint32_t count;
} kf_content;

static int is_sound(const kf_content *content, const kf_sink *sink)
{
    if (content->terms == NULL || content->terms->block_size == 0 || content->items == NULL ||
        sink->out == NULL || sink->ends == NULL) {
        return 0;
    }
    for (uint32_t i = 0; i < content->count; i++) {
        if (content->items[i].value == NULL && content->items[i].size > 0) {
            return 0;
        }
    }
    return 1;
}

/* ---------------------------------------------------------------- the plan */

static int is_given_before(const kf_content *content, uint32_t index)
{
    for (uint32_t i = 0; i < index; i++) {
        if (content->items[i].dgi == content->items[index].dgi) {
            return 1;
        }
    }
    return 0;
}

/* The size of a secured command with so many plain bytes of data. */
static uint32_t secured_size(const kf_session *session, uint32_t size)
{
    const uint32_t lc = kf_secured_lc(session, size);

    return HEADER_SIZE + (lc > KF_SHORT_MAX ? 3u : 1u) + lc;
}

/* One command more, which may be one too many. */
static void plan_command(kf_sink *sink, uint32_t size)
{
    sink->end += size;
    if (sink->count < sink->count_max) {
        sink->ends[sink->count] = sink->end;
    }
    sink->count++;
}

/* Cut the items into commands, the empty last one included. */
static int32_t cut(const kf_session *session, const kf_content *content, kf_sink *sink)
{
    const uint32_t block_size = content->terms->block_size;
    const uint32_t full = secured_size(session, block_size);

    /* Each item takes a command at least: beyond that there is no point in looking at them. */
    if (content->count == 0 || content->count >= KF_BLOCKS_MAX) {
        return KF_E_CONTENT;
    }
    for (uint32_t i = 0; i < content->count; i++) {
        uint32_t left = kf_grouping_size(&content->items[i]);
        if (left == 0 || is_given_before(content, i)) {
            return KF_E_CONTENT;
        }
        for (; left >= block_size && sink->count < sink->first + KF_BLOCKS_MAX;
             left -= block_size) {
            plan_command(sink, full);
        }
        if (left > 0) {
            plan_command(sink, secured_size(session, left));
        }
        if (sink->count - sink->first >= KF_BLOCKS_MAX) {
            return KF_E_CONTENT;
        }
    }
    plan_command(sink, secured_size(session, 0));
    return KF_OK;
}

/* See that all of it can be written, from the lengths alone, before any of it is secured. */
static int32_t plan(const kf_session *session, const kf_content *content, kf_sink *sink)
{
    sink->first = sink->count;
    const int32_t result = session->open ? cut(session, content, sink) : KF_E_STATE;

    if (result != KF_OK) {
        return result;
    }
    if (!kf_may_wait(session, sink->count - sink->first)) {
        return KF_E_STATE;
    }
    return sink->count > sink->count_max || sink->end > sink->capacity ? KF_E_SPACE : KF_OK;
}

/* ---------------------------------------------------------------- writing it */

/* Write a command as far as its C-MAC, with the next size bytes of a grouping. */
static void prepare(kf_slot *slot, uint8_t p1, uint32_t p2, kf_grouping *grouping, uint32_t size,
                    uint8_t *out)
{
    const uint32_t lc = kf_secured_lc(&slot->session, size);

    out[0] = CLA | KF_CLA_SECURE_MESSAGING;
    out[1] = INS_STORE_DATA;
    out[2] = p1;
    out[3] = (uint8_t)p2;
    uint8_t *data = kf_write_lc(out + HEADER_SIZE, lc, lc > KF_SHORT_MAX);
    if (size > 0) {
        kf_grouping_read(grouping, slot, data, size);
    }
    kf_encrypt_data(slot, data, size);
}

/* Append its C-MAC to a command of the sink; those before the first STORE DATA, which is to say
 * EXTERNAL AUTHENTICATE, expect no secured answer. */
static void seal(kf_slot *slot, const kf_sink *sink, uint32_t index)
{
    const uint32_t begin = begin_of(sink, index);
    const uint32_t size = sink->ends[index] - begin - slot->session.mac_size;

    if (index < sink->first) {
        kf_append_mac(slot, sink->out + begin, size);
    } else {
        kf_seal(slot, sink->out + begin, size);
    }
}

/* Each DGI begins a command of its own and goes on in the next ones as raw data; the last
 * command is empty and moves the applet to FACTORY. A command is written before the one in
 * front of it gets its C-MAC: a C-MAC waits for the one before all the time, and that is when
 * the CPU writes. */
static void write_items(kf_slot *slot, const kf_content *content, const kf_sink *sink)
{
    const kf_terms *terms = content->terms;
    uint32_t index = sink->first;
    kf_grouping grouping = {.value = NULL};

    for (uint32_t i = 0; i < content->count; i++) {
        uint32_t left = kf_grouping_size(&content->items[i]);
        kf_grouping_begin(&grouping, &content->items[i]);
        while (left > 0) {
            const uint32_t size = left < terms->block_size ? left : terms->block_size;
            prepare(slot, terms->store_data_p1, index - sink->first, &grouping, size,
                    sink->out + begin_of(sink, index));
            if (index > 0) {
                seal(slot, sink, index - 1);
            }
            left -= size;
            index++;
        }
    }
    prepare(slot, terms->store_data_last_p1, index - sink->first, &grouping, 0,
            sink->out + begin_of(sink, index));
    seal(slot, sink, index - 1);
    seal(slot, sink, index);
}

/* What every failure leaves behind, as far as there is a place for it. */
static void blank(const kf_sink *sink, uint32_t *count)
{
    if (sink->out != NULL) {
        memset(sink->out, 0, sink->capacity);
    }
    if (sink->ends != NULL) {
        memset(sink->ends, 0, sink->count_max * sizeof *sink->ends);
    }
    *count = 0;
}

/* ---------------------------------------------------------------- calls */

int32_t kf_wrap_store_data(kf_slot *slot, const kf_terms *terms, const kf_item *items,
                           uint32_t item_count, uint8_t *out, uint32_t capacity, uint32_t *ends,
                           uint32_t *count)
{
    const kf_content content = {terms, items, item_count};

    if (count == NULL) {
        return KF_E_ARGUMENT;
    }
    kf_sink sink = {.out = out, .ends = ends, .capacity = capacity, .count_max = *count};
    int32_t result = is_sound(&content, &sink) ? kf_slot_enter(slot) : KF_E_ARGUMENT;
    if (result == KF_OK) {
        result = plan(&slot->session, &content, &sink);
        if (result == KF_OK) {
            write_items(slot, &content, &sink);
        }
        kf_slot_leave(slot);
    }
    *count = sink.count;
    if (result != KF_OK) {
        blank(&sink, count);
    }
    return result;
}

static int32_t open_and_write(kf_slot *slot, const kf_opening *opening, uint32_t *layout,
                              const kf_content *content, kf_sink *sink)
{
    const uint32_t size = kf_authenticate_size(opening->terms);
    int32_t result = KF_E_SPACE;

    if (size + opening->terms->mac_size <= sink->capacity && sink->count_max > 0) {
        result = kf_session_begin(slot, opening, layout, sink->out);
    }
    if (result == KF_OK) {
        plan_command(sink, size + opening->terms->mac_size);
        result = plan(&slot->session, content, sink);
    }
    if (result == KF_OK) {
        write_items(slot, content, sink);
    } else {
        /* EXTERNAL AUTHENTICATE will not leave either, so this session is of no use. */
        kf_session_end(slot);
    }
    return result;
}

int32_t kf_open_and_wrap(kf_slot *slot, const kf_terms *terms, const uint8_t *host_challenge,
                         const uint8_t *answer, uint32_t answer_size, uint32_t *layout,
                         const kf_item *items, uint32_t item_count, uint8_t *out,
                         uint32_t capacity, uint32_t *ends, uint32_t *count)
{
    const kf_opening opening = {terms, host_challenge, answer, answer_size};
    const kf_content content = {terms, items, item_count};

    if (layout == NULL || count == NULL) {
        return KF_E_ARGUMENT;
    }
    kf_sink sink = {.out = out, .ends = ends, .capacity = capacity, .count_max = *count};
    int32_t result = kf_opening_is_sound(&opening) && is_sound(&content, &sink)
                         ? kf_slot_enter(slot)
                         : KF_E_ARGUMENT;
    if (result == KF_OK) {
        result = open_and_write(slot, &opening, layout, &content, &sink);
        kf_slot_leave(slot);
    }
    *count = sink.count;
    if (result != KF_OK) {
        *layout = 0;
        blank(&sink, count);
    }
    return result;
}
