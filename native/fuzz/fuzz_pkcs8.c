/* kf_pkcs8_scalar on any bytes. */
#include "input.h"
#include "kf_core.h"

#define SCALAR_SIZE 32u

static int holds(exact der, const uint8_t scalar[SCALAR_SIZE])
{
    for (uint32_t at = 0; at + SCALAR_SIZE <= der.size; at++) {
        if (memcmp(der.data + at, scalar, SCALAR_SIZE) == 0) {
            return 1;
        }
    }
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const exact der = exact_copy(data, (uint32_t)size);
    const exact scalar = exact_new(SCALAR_SIZE);
    uint8_t point[65];
    const int32_t result = kf_pkcs8_scalar(der.data, der.size, scalar.data, point);

    CLAIM(result == KF_OK || result == KF_E_FORMAT || result == KF_E_SCALAR);
    if (result == KF_OK) {
        CLAIM(holds(der, scalar.data));
        uint8_t computed[65];
        CLAIM(kf_p256_public(scalar.data, computed) == KF_OK);
        CLAIM(memcmp(point, computed, sizeof point) == 0);
        /* Strict: no byte may be missing, and none may follow. */
        uint8_t other[SCALAR_SIZE];
        CLAIM(kf_pkcs8_scalar(der.data, der.size - 1, other, computed) == KF_E_FORMAT);
    } else {
        CLAIM(is_zero(scalar.data, SCALAR_SIZE) && is_zero(point, sizeof point));
    }
    exact_free(scalar);
    exact_free(der);
    return 0;
}
