/* A leak that memcheck must find: a table looked up with a key byte. When it does not,
 * valgrind_secrecy says nothing either. */
#include <stdint.h>
#include <valgrind/memcheck.h>

#include "kf_core.h"

int main(void)
{
    static volatile uint8_t table[256];
    volatile uint8_t found;
    uint8_t key[16] = {0};
    uint8_t block[16] = {0};

    (void)VALGRIND_MAKE_MEM_UNDEFINED(key, sizeof key);
    if (kf_encrypt_block(KF_TIER_PORTABLE, key, sizeof key, block, block) != KF_OK) {
        return 1;
    }
    found = table[block[0]];
    (void)found;
    return 0;
}
