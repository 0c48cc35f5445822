/* What went wrong in the last call of this thread that failed, as one sentence. */
#ifndef KF_PROVIDER_SENTENCE_H
#define KF_PROVIDER_SENTENCE_H

#include <stdint.h>

#if defined(__GNUC__)
#define SENTENCE_FORMAT __attribute__((format(printf, 2, 3)))
#else
#define SENTENCE_FORMAT
#endif

/* Keep the sentence and return the code, so that a failure is one line where it happens. */
int32_t sentence_keep(int32_t code, const char *format, ...) SENTENCE_FORMAT;

/* What errno stands for, to be used in the sentence; strerror() is not for threads. */
const char *sentence_errno(void);

/* kf_provider_v1.last_error. */
uint32_t sentence_copy(char *text, uint32_t capacity);

#endif
