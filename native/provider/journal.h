/* What became of every content, as a file that only grows.
 *
 * One record is 32 bytes: event, unit, FESN, line feed; so the file is text that can be read.
 * 32 divides a disk's sector: a record is there whole or, at the very end, not at all. It is on
 * disk when journal_append returns, so a process may be killed at any time.
 *
 * The last record about a FESN is its state. Several contexts and processes may use one journal:
 * whoever decides something holds its lock, and reads first what the others have written.
 */
#ifndef KF_PROVIDER_JOURNAL_H
#define KF_PROVIDER_JOURNAL_H

#include <stdint.h>

#define JOURNAL_RECORD_SIZE 32u
#define UNIT_SIZE 21u /* 10 bytes of UID in hex, and NUL */
#define FESN_SIZE 9u

#define EVENT_LEASED 'L'
#define EVENT_BOUND 'B' /* aborted when something had gone to the card */
#define EVENT_FREED 'F'
#define EVENT_PASSED 'P'
#define EVENT_REJECTED 'R'

typedef struct {
    char event;
    char unit[UNIT_SIZE];
    char fesn[FESN_SIZE];
} journal_record;

/* *file is -1 unless it is opened. KFP_E_CONFIG when it cannot be. */
int32_t journal_open(const char *path, int *file);

/* Nonzero when the lock has been taken; does not wait. */
int journal_try_lock(int file);
void journal_unlock(int file);

/* The others expect the lock to be held. *count is the number of whole records. */
int32_t journal_count(int file, uint32_t *count);
int32_t journal_read(int file, uint32_t index, journal_record *record);

/* index is the count so far. What a record there leaves unfinished is overwritten. */
int32_t journal_append(int file, uint32_t index, const journal_record *record);

#endif
