/* A command APDU (ISO/IEC 7816-4:2020, 5.1). */
#ifndef KF_COMMAND_H
#define KF_COMMAND_H

#include <stdint.h>

#define KF_HEADER_SIZE 4

typedef struct {
    const uint8_t *data;
    uint32_t size;     /* of the data field */
    uint32_t le;       /* counts bytes: 1 to 65536; 0 = there is none */
    uint32_t extended; /* the lengths have the extended form */
    uint8_t header[KF_HEADER_SIZE]; /* CLA INS P1 P2 */
} kf_command;

/* KF_E_FORMAT when the lengths do not add up. data points into raw. */
int32_t kf_command_read(kf_command *command, const uint8_t *raw, uint32_t size);

#endif
