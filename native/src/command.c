/* Reading command APDUs: cases 1 to 4, short and extended (ISO/IEC 7816-4:2020, 5.1). */
#include "command.h"

#include <string.h>

#include "kf_core.h"

/* Lc, data field and perhaps Le, all of one form; size is that of the lengths. */
static int32_t read_data(kf_command *command, const uint8_t *rest, uint32_t rest_size,
                         uint32_t lc, uint32_t le_size)
{
    if (lc == 0 || lc > rest_size || (rest_size != lc && rest_size != lc + le_size)) {
        return KF_E_FORMAT;
    }
    command->data = rest;
    command->size = lc;
    if (rest_size > lc) {
        const uint8_t *le = rest + lc;
        command->le = le_size == 1 ? le[0] : (uint32_t)le[0] << 8 | le[1];
        if (command->le == 0) {
            command->le = 1u << 8 * le_size;
        }
    }
    return KF_OK;
}

int32_t kf_command_read(kf_command *command, const uint8_t *raw, uint32_t size)
{
    if (size < KF_HEADER_SIZE) {
        return KF_E_FORMAT;
    }
    memcpy(command->header, raw, KF_HEADER_SIZE);
    command->data = raw;
    command->size = 0;
    command->le = 0;
    command->extended = 0;

    const uint8_t *body = raw + KF_HEADER_SIZE;
    size -= KF_HEADER_SIZE;
    if (size == 0) {
        return KF_OK;
    }
    if (size == 1) {
        command->le = body[0] != 0 ? body[0] : 256;
        return KF_OK;
    }
    if (body[0] != 0) {
        return read_data(command, body + 1, size - 1, body[0], 1);
    }
    command->extended = 1;
    if (size < 3) {
        return KF_E_FORMAT;
    }
    const uint32_t length = (uint32_t)body[1] << 8 | body[2];
    if (size == 3) {
        command->le = length != 0 ? length : 65536;
        return KF_OK;
    }
    return read_data(command, body + 3, size - 3, length, 2);
}
