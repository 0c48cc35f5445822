/* The public point of a P-256 scalar, in constant time.
 *
 * Complete formulas: one addition for every pair of points, doubling and the point at infinity
 * included, so that nothing has to look at what it adds (Renes, Costello and Batina, "Complete
 * addition formulas for prime order elliptic curves", EUROCRYPT 2016, algorithm 4, a = -3).
 */
#include <string.h>

#include "kf_core.h"
#include "p256_field.h"
#include "secrecy.h"

#define TEETH 4u
#define SPACING (32u * KF_LIMBS / TEETH) /* in bits */
#define MULTIPLES (1u << TEETH)

typedef struct {
    kf_fe x;
    kf_fe y;
    kf_fe z;
} kf_point;

/* What depends on the scalar and outlives a multiplication, in one place to be wiped. */
typedef struct {
    kf_point multiples[MULTIPLES];
    kf_point sum;
    kf_point next;
    kf_point picked;
    kf_fe t0, t1, t2, t3, t4;
    uint32_t limbs[KF_LIMBS];
} kf_work;

/* The order of the curve (SP 800-186, 3.2.1.3). */
static const uint32_t order[KF_LIMBS] = {0xfc632551u, 0xf3b9cac2u, 0xa7179e84u, 0xbce6faadu,
                                         0xffffffffu, 0xffffffffu, 0x00000000u, 0xffffffffu};

static const kf_fe curve_b = {{0x29c4bddfu, 0xd89cdf62u, 0x78843090u, 0xacf005cdu, 0xf7212ed6u,
                               0xe5a220abu, 0x04874834u, 0xdc30061du}};
/* G, 2^64 G, 2^128 G and 2^192 G. */
static const kf_fe teeth[TEETH][2] = {
    {{{0x18a9143cu, 0x79e730d4u, 0x5fedb601u, 0x75ba95fcu, 0x77622510u,
      0x79fb732bu, 0xa53755c6u, 0x18905f76u}},
     {{0xce95560au, 0xddf25357u, 0xba19e45cu, 0x8b4ab8e4u, 0xdd21f325u,
      0xd2e88688u, 0x25885d85u, 0x8571ff18u}}},
    {{{0x16a0d2bbu, 0x4f922fc5u, 0x1a623499u, 0x0d5cc16cu, 0x57c62c8bu,
      0x9241cf3au, 0xfd1b667fu, 0x2f5e6961u}},
     {{0xf5a01797u, 0x5c15c70bu, 0x60956192u, 0x3d20b44du, 0x071fdb52u,
      0x04911b37u, 0x8d6f0f7bu, 0xf648f916u}}},
    {{{0xbfe20925u, 0x62a8c244u, 0x8fdce867u, 0x91c19ac3u, 0xdd387063u,
      0x5a96a5d5u, 0x21d324f6u, 0x61d587d4u}},
     {{0xa37173eau, 0xe87673a2u, 0x53778b65u, 0x23848008u, 0x05bab43eu,
      0x10f8441eu, 0x4621efbeu, 0xfa11fe12u}}},
    {{{0xf4f8b16au, 0x56f8410eu, 0xc47b266au, 0x97241afeu, 0x6d9c87c1u,
      0x0a406b8eu, 0xcd42ab1bu, 0x803f3e02u}},
     {{0x04dbec69u, 0x7f0309a8u, 0x3bbad05fu, 0xa83b85f7u, 0xad8e197fu,
      0xc6097273u, 0x5067adc1u, 0xc097440eu}}},
};

/* sum = a + b; sum is neither of them. The steps and the names of the registers are the
 * paper's, so that they can be held against it. */
static void add(kf_work *work, kf_point *sum, const kf_point *a, const kf_point *b)
{
    kf_fe *t0 = &work->t0, *t1 = &work->t1, *t2 = &work->t2, *t3 = &work->t3, *t4 = &work->t4;
    kf_fe *x3 = &sum->x, *y3 = &sum->y, *z3 = &sum->z;

    kf_fe_multiply(t0, &a->x, &b->x);
    kf_fe_multiply(t1, &a->y, &b->y);
    kf_fe_multiply(t2, &a->z, &b->z);
    kf_fe_add(t3, &a->x, &a->y);
    kf_fe_add(t4, &b->x, &b->y);
    kf_fe_multiply(t3, t3, t4);
    kf_fe_add(t4, t0, t1);
    kf_fe_subtract(t3, t3, t4);
    kf_fe_add(t4, &a->y, &a->z);
    kf_fe_add(x3, &b->y, &b->z);
    kf_fe_multiply(t4, t4, x3);
    kf_fe_add(x3, t1, t2);
    kf_fe_subtract(t4, t4, x3);
    kf_fe_add(x3, &a->x, &a->z);
    kf_fe_add(y3, &b->x, &b->z);
    kf_fe_multiply(x3, x3, y3);
    kf_fe_add(y3, t0, t2);
    kf_fe_subtract(y3, x3, y3);
    kf_fe_multiply(z3, &curve_b, t2);
    kf_fe_subtract(x3, y3, z3);
    kf_fe_add(z3, x3, x3);
    kf_fe_add(x3, x3, z3);
    kf_fe_subtract(z3, t1, x3);
    kf_fe_add(x3, t1, x3);
    kf_fe_multiply(y3, &curve_b, y3);
    kf_fe_add(t1, t2, t2);
    kf_fe_add(t2, t1, t2);
    kf_fe_subtract(y3, y3, t2);
    kf_fe_subtract(y3, y3, t0);
    kf_fe_add(t1, y3, y3);
    kf_fe_add(y3, t1, y3);
    kf_fe_add(t1, t0, t0);
    kf_fe_add(t0, t1, t0);
    kf_fe_subtract(t0, t0, t2);
    kf_fe_multiply(t1, t4, y3);
    kf_fe_multiply(t2, t0, y3);
    kf_fe_multiply(y3, x3, z3);
    kf_fe_add(y3, y3, t2);
    kf_fe_multiply(x3, t3, x3);
    kf_fe_subtract(x3, x3, t1);
    kf_fe_multiply(z3, t4, z3);
    kf_fe_multiply(t1, t3, t0);
    kf_fe_add(z3, z3, t1);
}

/* The multiple number index, by looking at all of them. */
static void pick(kf_work *work, kf_point *point, uint32_t index)
{
    *point = work->multiples[0];
    for (uint32_t i = 1; i < MULTIPLES; i++) {
        const uint32_t mask = kf_mask_if_zero(i ^ index);
        kf_fe_select(&point->x, &work->multiples[i].x, mask);
        kf_fe_select(&point->y, &work->multiples[i].y, mask);
        kf_fe_select(&point->z, &work->multiples[i].z, mask);
    }
}

/* Every sum of some of the teeth: number 5 is the first and the third. */
static void sum_teeth(kf_work *work)
{
    const kf_point infinity = {{{0}}, kf_fe_one, {{0}}};

    work->multiples[0] = infinity;
    for (uint32_t tooth = 0; tooth < TEETH; tooth++) {
        const kf_point point = {teeth[tooth][0], teeth[tooth][1], kf_fe_one};
        for (uint32_t below = 0; below < 1u << tooth; below++) {
            add(work, &work->multiples[below + (1u << tooth)], &work->multiples[below], &point);
        }
    }
}

/* Bit number i of the scalar's lowest quarter, and those that stand above it in the others. */
static uint32_t comb(const kf_work *work, uint32_t i)
{
    uint32_t bits = 0;

    for (uint32_t tooth = 0; tooth < TEETH; tooth++) {
        const uint32_t at = i + tooth * SPACING;
        bits |= (work->limbs[at / 32] >> at % 32 & 1) << tooth;
    }
    return bits;
}

/* sum = scalar * G: a doubling and an addition for every four bits that stand a quarter apart
 * (Lim and Lee, "More flexible exponentiation with precomputation", CRYPTO 1994). */
static void multiply_base(kf_work *work)
{
    kf_point *sum = &work->sum;
    kf_point *next = &work->next;

    sum_teeth(work);
    *sum = work->multiples[0];
    for (uint32_t i = SPACING; i-- > 0;) {
        add(work, next, sum, sum);
        pick(work, &work->picked, comb(work, i));
        add(work, sum, next, &work->picked);
    }
}

/* 1 when the scalar is 1 to n - 1, else 0: not zero, and taking n away borrows. */
static int is_in_range(const uint32_t limbs[KF_LIMBS])
{
    uint64_t borrow = 0;
    uint32_t any = 0;

    for (uint32_t i = 0; i < KF_LIMBS; i++) {
        borrow = ((uint64_t)limbs[i] - order[i] - borrow) >> 63;
        any |= limbs[i];
    }
    uint32_t good = (uint32_t)borrow & ~kf_mask_if_zero(any);
    kf_declassify(&good, sizeof good);
    return good != 0;
}

static int32_t compute(kf_work *work, const uint8_t scalar[KF_FIELD_SIZE], uint8_t point[65])
{
    for (uint32_t i = 0; i < KF_LIMBS; i++) {
        const uint8_t *four = scalar + KF_FIELD_SIZE - 4 * (i + 1);
        work->limbs[i] = (uint32_t)four[0] << 24 | (uint32_t)four[1] << 16 |
                         (uint32_t)four[2] << 8 | four[3];
    }
    if (!is_in_range(work->limbs)) {
        return KF_E_SCALAR;
    }
    multiply_base(work);
    kf_fe_invert(&work->t0, &work->sum.z);
    kf_fe_multiply(&work->t1, &work->sum.x, &work->t0);
    kf_fe_multiply(&work->t2, &work->sum.y, &work->t0);
    point[0] = 0x04;
    kf_fe_write(point + 1, &work->t1);
    kf_fe_write(point + 1 + KF_FIELD_SIZE, &work->t2);
    kf_declassify(point, 65);
    return KF_OK;
}

int32_t kf_p256_public(const uint8_t scalar[32], uint8_t point[65])
{
    kf_work work;

    if (point == NULL) {
        return KF_E_ARGUMENT;
    }
    const int32_t result = scalar == NULL ? KF_E_ARGUMENT : compute(&work, scalar, point);
    kf_wipe((uint8_t *)&work, sizeof work);
    if (result != KF_OK) {
        memset(point, 0, 65);
    }
    return result;
}
