/* One file of a directory, whole: measured, then read past no library's buffer. */
#ifndef KF_PROVIDER_FILE_H
#define KF_PROVIDER_FILE_H

#include <stdint.h>

/* A hundred times what any of the files has; what is larger was put there by mistake. */
#define FILE_SIZE_MAX 65536u

/* Both refuse what is no regular file, a symbolic link above all, with KFP_E_CONTENT and a
 * sentence that names the file. */
int32_t file_measure(int directory, const char *name, uint32_t *size);

/* The file has exactly this size, and still has it when it has been read. */
int32_t file_read(int directory, const char *name, uint8_t *data, uint32_t size);

#endif
