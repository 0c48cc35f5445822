/* What is read: PKCS#8, base64, key blocks, commands. Every wrong form is refused as a whole.
 *
 *   cd native
 *   cc -std=c11 -O2 -Iinclude -Isrc tests/test_parse.c src/[a-z]*.c -o /tmp/test && /tmp/test
 */
#include "check.h"
#include "command.h"
#include "hex.h"
#include "kf_core.h"

#define COUNT(array) ((uint32_t)(sizeof(array) / sizeof *(array)))

/* ---------------------------------------------------------------- PKCS#8 */

#define EC "06072A8648CE3D0201"
#define P256 "06082A8648CE3D030107"
#define P384 "06052B81040022"
#define ALGORITHM "3013" EC P256
#define SCALAR "C9AFA9D845BA75166B5C215767B1D6934E50C3DB36E89B127B8A622B120F6721"
#define X "60FED4BA255A9D31C961EB74C6356D68C049B8923B61FA6CE669622E60F29FB6"
#define Y "7903FE1008B8BC99A41AE9E95628BC64F2F1B20C2D7E9F5177A3C294D4462299"
#define KEY "0201010420" SCALAR
#define ORDER "FFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551"

typedef struct {
    const char *what;
    int32_t expected;
    const char *der;
} pkcs8_case;

static const pkcs8_case pkcs8_cases[] = {
    {"a bare scalar", KF_OK, "3041020100" ALGORITHM "04273025" KEY},
    {"with parameters", KF_OK, "304D020100" ALGORITHM "04333031" KEY "A00A" P256},
    {"with its public key", KF_OK,
     "308187020100" ALGORITHM "046D306B" KEY "A144034200" "04" X Y},
    {"with its public key, compressed", KF_OK,
     "3067020100" ALGORITHM "044D304B" KEY "A1240322" "00" "03" X},
    {"with an attribute", KF_OK, "3045020100" ALGORITHM "04273025" KEY "A0023000"},
    {"with another's public key", KF_E_FORMAT,
     "308187020100" ALGORITHM "046D306B" KEY "A144034200" "04" Y X},
    {"with the other sign of the point", KF_E_FORMAT,
     "3067020100" ALGORITHM "044D304B" KEY "A1240322" "00" "02" X},
    {"with a public key that has unused bits", KF_E_FORMAT,
     "308187020100" ALGORITHM "046D306B" KEY "A144034201" "04" X Y},
    {"with the parameters of another curve", KF_E_FORMAT,
     "304A020100" ALGORITHM "0430302E" KEY "A007" P384},
    {"of version 1", KF_E_FORMAT, "3041020101" ALGORITHM "04273025" KEY},
    {"of another curve", KF_E_FORMAT, "303E020100" "3010" EC P384 "04273025" KEY},
    {"of RSA", KF_E_FORMAT,
     "303B020100" "300D06092A864886F70D0101010500" "04273025" KEY},
    {"an ECPrivateKey by itself", KF_E_FORMAT, "3025" KEY},
    {"a scalar of 31 bytes", KF_E_FORMAT,
     "3040020100" ALGORITHM "04263024020101041F"
     "C9AFA9D845BA75166B5C215767B1D6934E50C3DB36E89B127B8A622B120F67"},
    {"a byte behind it", KF_E_FORMAT, "3041020100" ALGORITHM "04273025" KEY "00"},
    {"a byte behind the key", KF_E_FORMAT, "3042020100" ALGORITHM "04283025" KEY "00"},
    {"a length in more bytes than it needs", KF_E_FORMAT,
     "308141020100" ALGORITHM "04273025" KEY},
    {"an indefinite length", KF_E_FORMAT, "3080020100" ALGORITHM "04273025" KEY "0000"},
    {"a zero scalar", KF_E_SCALAR,
     "3041020100" ALGORITHM "04273025" "0201010420"
     "0000000000000000000000000000000000000000000000000000000000000000"},
    {"a scalar that is the order", KF_E_SCALAR,
     "3041020100" ALGORITHM "04273025" "0201010420" ORDER},
};

static void check_pkcs8(void)
{
    uint8_t der[256];
    uint8_t scalar[32];
    uint8_t point[65];
    uint8_t computed[65];

    for (uint32_t i = 0; i < COUNT(pkcs8_cases); i++) {
        const pkcs8_case *one = &pkcs8_cases[i];
        const uint32_t size = hex(one->der, der);
        memset(scalar, 0xff, sizeof scalar);
        memset(point, 0xff, sizeof point);
        report("pkcs8", one->what,
               kf_pkcs8_scalar(der, size, scalar, point) == one->expected &&
                   (one->expected == KF_OK
                        ? is_hex(scalar, 32, SCALAR) && kf_p256_public(scalar, computed) == KF_OK &&
                              memcmp(point, computed, sizeof point) == 0
                        : is_zero(scalar, 32) && is_zero(point, 65)));
    }
    const uint32_t size = hex(pkcs8_cases[2].der, der);
    int refused = 1;
    for (uint32_t cut = 0; cut < size; cut++) {
        refused = refused && kf_pkcs8_scalar(der, cut, scalar, point) == KF_E_FORMAT;
    }
    report("pkcs8", "cut anywhere", refused);
    hex(pkcs8_cases[0].der, der);
    report("pkcs8", "read in place",
           kf_pkcs8_scalar(der, 67, der, point) == KF_OK && is_hex(der, 32, SCALAR));
}

/* ---------------------------------------------------------------- base64 */

static int decodes(const char *text, const char *expected)
{
    uint8_t out[32];
    uint32_t written = 99;

    memset(out, 0xff, sizeof out);
    if (kf_base64_decode((const uint8_t *)text, (uint32_t)strlen(text), out, sizeof out,
                         &written) != KF_OK) {
        return expected == NULL && written == 0 && is_zero(out, sizeof out);
    }
    return expected != NULL && written == strlen(expected) && memcmp(out, expected, written) == 0;
}

static void check_base64(void)
{
    static const char *const right[][2] = {{"", ""},
                                           {"Zg==", "f"},
                                           {"Zm8=", "fo"},
                                           {"Zm9v", "foo"},
                                           {"Zm9vYg==", "foob"},
                                           {"Zm9vYmE=", "fooba"},
                                           {"Zm9vYmFy", "foobar"}};
    static const char *const wrong[] = {"Z",    "Zg",   "Zg=",   "Zg===", "====",     "=",
                                        "Z===", "=Zg=", "Z=g=",  "Zg=v",  "Zg==Zg==", "Zm9v\n",
                                        "Zm9v====", "Zm9vYg==\n", "Zm 9", "Zm-_"};
    int as_expected = 1;

    for (uint32_t i = 0; i < COUNT(right); i++) {
        as_expected = as_expected && decodes(right[i][0], right[i][1]);
    }
    report("base64", "RFC 4648, 10", as_expected);
    report("base64", "bits left over are dropped", decodes("Zh==", "f") && decodes("Zm9=", "fo"));
    as_expected = 1;
    for (uint32_t i = 0; i < COUNT(wrong); i++) {
        as_expected = as_expected && decodes(wrong[i], NULL);
    }
    report("base64", "padding elsewhere, or anything else, is refused", as_expected);

    static const char alphabet[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    as_expected = 1;
    for (uint32_t character = 0; character < 256; character++) {
        const uint8_t text[4] = {'A', 'A', 'A', (uint8_t)character};
        const char *place = character == 0 ? NULL : strchr(alphabet, (int)character);
        uint8_t out[3];
        uint32_t written;
        const int32_t result = kf_base64_decode(text, 4, out, sizeof out, &written);
        if (character == '=') {
            as_expected = as_expected && result == KF_OK && written == 2;
        } else {
            as_expected = as_expected && result == (place == NULL ? KF_E_FORMAT : KF_OK) &&
                          (place == NULL || out[2] == place - alphabet);
        }
    }
    report("base64", "every character has its value or is refused", as_expected);

    uint8_t text[8] = {'Z', 'm', '9', 'v', 'Y', 'm', 'F', 'y'};
    uint32_t written;
    report("base64", "no space is not written to",
           kf_base64_decode(text, 8, text, 5, &written) == KF_E_SPACE && text[5] == 'm');
    memcpy(text, "Zm9vYmFy", 8);
    report("base64", "in place",
           kf_base64_decode(text, 8, text, 8, &written) == KF_OK &&
               memcmp(text, "foobar", written) == 0);
}

/* ---------------------------------------------------------------- key blocks */

#define KEY_16 "0010000102030405060708090A0B0C0D0E0F"
#define KEYS "01" KEY_16 "02" KEY_16 "03" KEY_16

typedef struct {
    const char *what;
    uint32_t count; /* 0 when it is refused */
    const char *block;
} block_case;

static const block_case block_cases[] = {
    {"three keys", 3, KEYS},
    {"in any order", 3, "03" KEY_16 "01" KEY_16 "02" KEY_16},
    {"with everything", 7, "110010" "00112233445566778899AABBCCDDEEFF" KEYS
                           "100020" SCALAR "200002A009" "200004A00A0102"},
    {"nothing", 0, ""},
    {"two keys", 0, "01" KEY_16 "02" KEY_16},
    {"a key twice", 0, KEYS "02" KEY_16},
    {"keys of two lengths", 0,
     "01" KEY_16 "02" KEY_16 "030018000102030405060708090A0B0C0D0E0F0001020304050607"},
    {"keys of no AES length", 0, "010001000200010003000100"},
    {"a scalar too short", 0, KEYS "10001F"
     "C9AFA9D845BA75166B5C215767B1D6934E50C3DB36E89B127B8A622B120F67"},
    {"two scalars", 0, KEYS "100020" SCALAR "100020" SCALAR},
    {"an IRK too short", 0, KEYS "11000F00112233445566778899AABBCCDDEE"},
    {"an item without a DGI", 0, KEYS "200001A0"},
    {"an unknown tag", 0, KEYS "04" KEY_16},
    {"a header cut", 0, KEYS "2000"},
    {"a value cut", 0, KEYS "200004A00A01"},
};

static void check_key_blocks(void)
{
    uint8_t block[256];
    kf_entry entries[8];

    for (uint32_t i = 0; i < COUNT(block_cases); i++) {
        const block_case *one = &block_cases[i];
        const uint32_t size = hex(one->block, block);
        const int32_t expected = one->count > 0 ? KF_OK : KF_E_FORMAT;
        uint32_t count = COUNT(entries);
        memset(entries, 0xff, sizeof entries);
        report("block", one->what,
               kf_key_block(block, size, entries, &count) == expected && count == one->count &&
                   (expected == KF_OK || is_zero(entries, sizeof entries)));
    }
    const uint32_t size = hex(block_cases[2].block, block);
    uint32_t count = 7;
    report("block", "where the values are",
           kf_key_block(block, size, entries, &count) == KF_OK &&
               entries[0].tag == KF_TAG_IRK && entries[0].offset == 3 && entries[0].size == 16 &&
               entries[4].tag == KF_TAG_SCALAR &&
               is_hex(block + entries[4].offset, entries[4].size, SCALAR) &&
               entries[6].tag == KF_TAG_ITEM &&
               is_hex(block + entries[6].offset, entries[6].size, "A00A0102"));
    count = 6;
    memset(entries, 0xff, sizeof entries);
    report("block", "no room for one of them",
           kf_key_block(block, size, entries, &count) == KF_E_SPACE && count == 0 &&
               is_zero(entries, 6 * sizeof *entries) && entries[6].tag == 0xffffffffu);
}

/* ---------------------------------------------------------------- commands */

typedef struct {
    const char *what;
    const char *raw;
    int32_t size; /* of the data field; -1 when it is refused */
    uint32_t le;
    uint32_t extended;
} command_case;

static const command_case command_cases[] = {
    {"case 1", "80CA9F7F", 0, 0, 0},
    {"case 2", "80CA9F7F01", 0, 1, 0},
    {"case 2, all", "80CA9F7F00", 0, 256, 0},
    {"case 3", "80E20000020102", 2, 0, 0},
    {"case 4", "80E2000002010200", 2, 256, 0},
    {"case 2, extended", "80CA9F7F000100", 0, 256, 1},
    {"case 2, extended, all", "80CA9F7F000000", 0, 65536, 1},
    {"case 3, extended", "80E200000000020102", 2, 0, 1},
    {"case 4, extended", "80E2000000000201020001", 2, 1, 1},
    {"no header", "80CA9F", -1, 0, 0},
    {"Lc above what follows", "80E200000301", -1, 0, 0},
    {"more than Le behind the data", "80E20000020102" "0000", -1, 0, 0},
    {"half of an extended length", "80E200000001", -1, 0, 0},
    {"an extended Lc of zero", "80E20000000000" "00", -1, 0, 0},
    {"an extended Lc above what follows", "80E20000000003" "0102", -1, 0, 0},
    {"a short Le behind an extended Lc", "80E2000000000201" "0200", -1, 0, 0},
};

static void check_commands(void)
{
    uint8_t raw[32];
    kf_command command;

    for (uint32_t i = 0; i < COUNT(command_cases); i++) {
        const command_case *one = &command_cases[i];
        const int32_t result = kf_command_read(&command, raw, hex(one->raw, raw));
        report("apdu", one->what,
               one->size < 0 ? result == KF_E_FORMAT
                             : result == KF_OK && command.size == (uint32_t)one->size &&
                                   command.le == one->le && command.extended == one->extended);
    }
}

int main(void)
{
    check_pkcs8();
    check_base64();
    check_key_blocks();
    check_commands();
    return failures != 0;
}
