/* Public points of P-256 scalars.
 *
 *   cd native
 *   cc -std=c11 -O2 -Iinclude -Isrc tests/test_p256.c src/[a-z]*.c -o /tmp/test && /tmp/test
 */
#include "check.h"
#include "hex.h"
#include "kf_core.h"

typedef struct {
    const char *source;
    const char *scalar;
    const char *x;
    const char *y;
} vector;

#define GX "6B17D1F2E12C4247F8BCE6E563A440F277037D812DEB33A0F4A13945D898C296"
#define ORDER_BUT_LAST_BYTE "FFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC6325"
#define ZEROS_31 "00000000000000000000000000000000000000000000000000000000000000"

static const vector vectors[] = {
    {"G (SP 800-186, 3.2.1.3)", ZEROS_31 "01", GX,
     "4FE342E2FE1A7F9B8EE7EB4A7C0F9E162BCE33576B315ECECBB6406837BF51F5"},
    {"2 G (NIST's point multiplication examples)", ZEROS_31 "02",
     "7CF27B188D034F7E8A52380304B51AC3C08969E277F21B35A60B48FC47669978",
     "07775510DB8ED040293D9AC69F7430DBBA7DADE63CE982299E04B79D227873D1"},
    {"3 G", ZEROS_31 "03", "5ECBE4D1A6330A44C8F7EF951D4BF165E6C6B721EFADA985FB41661BC6E7FD6C",
     "8734640C4998FF7E374B06CE1A64A2ECD82AB036384FB83D9A79B127A27D5032"},
    {"(n - 1) G is -G", ORDER_BUT_LAST_BYTE "50", GX,
     "B01CBD1C01E58065711814B583F061E9D431CCA994CEA1313449BF97C840AE0A"},
    {"RFC 5903, 8.1, initiator",
     "C88F01F510D9AC3F70A292DAA2316DE544E9AAB8AFE84049C62A9C57862D1433",
     "DAD0B65394221CF9B051E1FECA5787D098DFE637FC90B9EF945D0C3772581180",
     "5271A0461CDB8252D61F1C456FA3E59AB1F45B33ACCF5F58389E0577B8990BB3"},
    {"RFC 5903, 8.1, responder",
     "C6EF9C5D78AE012A011164ACB397CE2088685D8F06BF9BE0B283AB46476BEE53",
     "D12DFB5289C8D4F81208B70270398C342296970A0BCCB74C736FC7554494BF63",
     "56FBF3CA366CC23E8157854C13C58D6AAC23F046ADA30F8353E74F33039872AB"},
    {"RFC 6979, A.2.5", "C9AFA9D845BA75166B5C215767B1D6934E50C3DB36E89B127B8A622B120F6721",
     "60FED4BA255A9D31C961EB74C6356D68C049B8923B61FA6CE669622E60F29FB6",
     "7903FE1008B8BC99A41AE9E95628BC64F2F1B20C2D7E9F5177A3C294D4462299"},
};

static const char *const refused[] = {
    ZEROS_31 "00",
    ORDER_BUT_LAST_BYTE "51",
    ORDER_BUT_LAST_BYTE "52",
    "FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF",
};

int main(void)
{
    uint8_t scalar[32];
    uint8_t point[65];

    for (size_t i = 0; i < sizeof vectors / sizeof *vectors; i++) {
        hex(vectors[i].scalar, scalar);
        report("p256", vectors[i].source,
               kf_p256_public(scalar, point) == KF_OK && point[0] == 4 &&
                   is_hex(point + 1, 32, vectors[i].x) && is_hex(point + 33, 32, vectors[i].y));
    }
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        hex(refused[i], scalar);
        memset(point, 0xff, sizeof point);
        report("p256", i == 0 ? "zero is no scalar" : "nor is the order, or more",
               kf_p256_public(scalar, point) == KF_E_SCALAR && is_zero(point, sizeof point));
    }
    memset(point, 0xff, sizeof point);
    report("p256", "nor is nothing",
           kf_p256_public(NULL, point) == KF_E_ARGUMENT && is_zero(point, sizeof point) &&
               kf_p256_public(scalar, NULL) == KF_E_ARGUMENT);
    return failures != 0;
}
