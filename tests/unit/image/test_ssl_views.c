/* test_ssl_views.c - the two SimCLR views (METHODS 4.3): keyed streams, how often they are blurred, greyed and jittered.
 * SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "image/views.h"

#define R    224
#define VIEW ((size_t)3 * R * R)

static const gp_view_config whole = {.size = R, .std = {1, 1, 1}, .scale_min = 1, .scale_max = 1};

static gp_image picture(uint32_t w, uint32_t h)
{
    gp_image im = {0};
    gp_rng r = gp_rng_make(1, GP_RNG_TEST, 0, 0);
    assert_int_equal(gp_image_alloc(&im, w, h, 3, NULL), GOPRO_OK);
    for (size_t i = 0; i < (size_t)3 * w * h; i++) im.px[i] = (uint8_t)gp_rng_below(&r, 256);
    return im;
}

static void make(float *x, const gp_image *im, const gp_view_config *c, uint64_t seed, uint64_t epoch, uint64_t sample, uint32_t which)
{
    assert_int_equal(gp_ssl_view_make(x, im, c, seed, epoch, sample, which, NULL), GOPRO_OK);
}

static void test_keyed(void **state)
{
    (void)state;
    gp_view_config c = whole;
    c.scale_min = 0.08;
    gp_image im = picture(80, 60);
    float *a = malloc(2 * VIEW * sizeof *a), *b = a + VIEW;
    make(a, &im, &c, 1, 2, 3, 0);
    make(b, &im, &c, 1, 2, 3, 0);
    assert_memory_equal(a, b, VIEW * sizeof *a);
    const uint64_t other[][4] = {{1, 2, 3, 1}, {2, 2, 3, 0}, {1, 3, 3, 0}, {1, 2, 4, 0}};
    for (size_t i = 0; i < GP_COUNT(other); i++) {
        make(b, &im, &c, other[i][0], other[i][1], other[i][2], (uint32_t)other[i][3]);
        assert_memory_not_equal(a, b, VIEW * sizeof *a);
    }
    free(a);
    gp_image_free(&im);
}

/* On a red and black edge, whole image: grey in a fifth of the views, the edge hard in half of them or a little more (small sigmas leave
 * 8-bit values untouched), red unchanged in a fifth or less. */
static void test_frequencies(void **state)
{
    enum { N = 400 };
    (void)state;
    gp_image im = {0};
    assert_int_equal(gp_image_alloc(&im, R, R, 3, NULL), GOPRO_OK);
    memset(im.px, 0, VIEW);
    for (size_t i = 0; i < (size_t)R * R; i++) im.px[3 * i] = i % R < R / 2 ? 0 : 200;
    float *x = malloc(VIEW * sizeof *x);
    int grey = 0, hard = 0, plain = 0, left = 0;
    for (uint64_t s = 0; s < N; s++) {
        make(x, &im, &whole, 7, 0, s, (uint32_t)(s % 2));
        const float *row = x + (size_t)R * (R / 2), *green = row + (size_t)R * R;
        int changes = 0;
        for (size_t i = 1; i < R; i++) changes += row[i] != row[i - 1];
        hard += changes == 1;
        const size_t bright = row[2] > row[R - 3] ? 2 : R - 3;
        left += bright == 2;
        grey += fabsf(row[bright] - green[bright]) < 1e-6f;
        plain += fabsf(row[bright] - 200.0f / 255.0f) < 1e-6f && green[bright] < 1e-6f;
    }
    assert_true(grey > N * 0.14 && grey < N * 0.26);
    assert_true(hard > N * 0.43 && hard < N * 0.66);
    assert_true(plain > N * 0.10 && plain < N * 0.26);
    assert_true(left > N * 0.43 && left < N * 0.57);
    free(x);
    gp_image_free(&im);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_keyed), cmocka_unit_test(test_frequencies)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
