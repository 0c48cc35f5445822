/* Pages of memory for secrets: between guards, locked, in no core dump and in no child. */
#ifndef KF_PAGES_H
#define KF_PAGES_H

#include <stddef.h>
#include <stdint.h>

/* Zeros, between two pages that nobody may touch; NULL when there is no memory. */
uint8_t *kf_pages_map(size_t size);

/* Give back what kf_pages_map gave, of the same size. */
void kf_pages_unmap(uint8_t *pages, size_t size);

/* Keep them out of swap: 1 when that succeeded, else 0. */
int kf_pages_lock(uint8_t *pages, size_t size);

#endif
