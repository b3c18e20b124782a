/* test_rng.c - Philox known answers, independence of streams, moments, unbiased integers.
 * SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <string.h>

#include "base/rng.h"

/* Known answers of the Random123 distribution for philox4x32, 10 rounds. */
static void test_known_answers(void **state)
{
    (void)state;
    static const struct {
        uint32_t ctr[4], key[2], out[4];
    } kat[] = {
        {{0, 0, 0, 0}, {0, 0}, {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
        {{~0u, ~0u, ~0u, ~0u}, {~0u, ~0u}, {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
        {{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}, {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}},
    };
    for (size_t i = 0; i < GP_COUNT(kat); i++) {
        gp_rng r = {0};
        memcpy(r.ctr, kat[i].ctr, sizeof r.ctr);
        memcpy(r.key, kat[i].key, sizeof r.key);
        for (size_t j = 0; j < 4; j++) assert_int_equal(gp_rng_u32(&r), kat[i].out[j]);
    }
}

static void test_streams(void **state)
{
    (void)state;
    gp_rng a = gp_rng_make(1, GP_RNG_TEST, 2, 3), b = gp_rng_make(1, GP_RNG_TEST, 2, 3);
    for (int i = 0; i < 1000; i++) assert_int_equal(gp_rng_u32(&a), gp_rng_u32(&b));
    const gp_rng other[] = {gp_rng_make(2, GP_RNG_TEST, 2, 3),
                            gp_rng_make(1, GP_RNG_ORDER, 2, 3),
                            gp_rng_make(1, GP_RNG_TEST, 3, 3),
                            gp_rng_make(1, GP_RNG_TEST, 2, 4),
                            gp_rng_make(1ull << 32, GP_RNG_TEST, 2, 3),
                            gp_rng_make(1, GP_RNG_TEST, 2 | 1ull << 40, 3),
                            gp_rng_make(1, GP_RNG_TEST, 2, 3 | 1ull << 40)};
    for (size_t i = 0; i < GP_COUNT(other); i++) {
        gp_rng x = gp_rng_make(1, GP_RNG_TEST, 2, 3), y = other[i];
        int same = 0;
        for (int k = 0; k < 100; k++) same += gp_rng_u32(&x) == gp_rng_u32(&y);
        assert_true(same <= 1);
    }
}

static void test_moments(void **state)
{
    (void)state;
    enum { N = 200000 };
    gp_rng r = gp_rng_make(7, GP_RNG_TEST, 0, 0);
    double m1 = 0, m2 = 0, n1 = 0, n2 = 0, n3 = 0, n4 = 0;
    int chance = 0;
    for (int i = 0; i < N; i++) {
        double u = gp_rng_uniform(&r), z = gp_rng_normal(&r), v = gp_rng_range(&r, -3, 5);
        assert_true(u >= 0 && u < 1 && v >= -3 && v < 5 && isfinite(z));
        m1 += u / N;
        m2 += u * u / N;
        n1 += z / N;
        n2 += z * z / N;
        n3 += z * z * z / N;
        n4 += z * z * z * z / N;
        chance += gp_rng_chance(&r, 0.3);
    }
    /* Five standard errors each. */
    assert_true(fabs(m1 - 0.5) < 5 * sqrt(1.0 / 12 / N));
    assert_true(fabs(m2 - 1.0 / 3) < 5 * sqrt(4.0 / 45 / N));
    assert_true(fabs(n1) < 5 * sqrt(1.0 / N));
    assert_true(fabs(n2 - 1) < 5 * sqrt(2.0 / N));
    assert_true(fabs(n3) < 5 * sqrt(15.0 / N));
    assert_true(fabs(n4 - 3) < 5 * sqrt(96.0 / N));
    assert_true(fabs(chance / (double)N - 0.3) < 5 * sqrt(0.21 / N));
}

/* n = 3 * 2^30: without rejection every third value would come twice as often as the others. */
static void test_below_is_unbiased(void **state)
{
    (void)state;
    enum { N = 90000 };
    gp_rng r = gp_rng_make(3, GP_RNG_TEST, 1, 1);
    int mod[3] = {0}, small[7] = {0};
    for (int i = 0; i < N; i++) {
        uint32_t v = gp_rng_below(&r, 3u << 30);
        assert_true(v < 3u << 30);
        mod[v % 3]++;
        uint32_t s = gp_rng_below(&r, 7);
        assert_true(s < 7);
        small[s]++;
    }
    assert_int_equal(gp_rng_below(&r, 1), 0);
    double chi = 0;
    for (int i = 0; i < 3; i++) chi += (mod[i] - N / 3.0) * (mod[i] - N / 3.0) / (N / 3.0);
    assert_true(chi < 20); /* 2 degrees of freedom: p < 1e-4 */
    chi = 0;
    for (int i = 0; i < 7; i++) chi += (small[i] - N / 7.0) * (small[i] - N / 7.0) / (N / 7.0);
    assert_true(chi < 35); /* 6 degrees of freedom */
}

static void test_shuffle(void **state)
{
    (void)state;
    enum { N = 24000 };
    gp_rng r = gp_rng_make(5, GP_RNG_TEST, 0, 9);
    int count[256] = {0};
    for (int i = 0; i < N; i++) {
        uint32_t v[4] = {0, 1, 2, 3};
        gp_rng_shuffle(&r, v, 4);
        assert_int_equal(1u << v[0] | 1u << v[1] | 1u << v[2] | 1u << v[3], 15);
        count[v[0] * 64 + v[1] * 16 + v[2] * 4 + v[3]]++;
    }
    double chi = 0;
    int seen = 0;
    for (int i = 0; i < 256; i++) {
        if (!count[i]) continue;
        seen++;
        chi += (count[i] - N / 24.0) * (count[i] - N / 24.0) / (N / 24.0);
    }
    assert_int_equal(seen, 24);
    assert_true(chi < 65); /* 23 degrees of freedom */
}

static void test_hash(void **state)
{
    (void)state;
    assert_true(gp_hash_str("") == 0xcbf29ce484222325u);
    assert_true(gp_hash_str("a") == 0xaf63dc4c8601ec8cu);
    assert_true(gp_hash_str("foobar") == 0x85944171f73967e8u);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_known_answers),     cmocka_unit_test(test_streams), cmocka_unit_test(test_moments),
        cmocka_unit_test(test_below_is_unbiased), cmocka_unit_test(test_shuffle), cmocka_unit_test(test_hash),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
