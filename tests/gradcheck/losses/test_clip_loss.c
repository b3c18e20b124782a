/* test_clip_loss.c - the contrastive loss of pretraining against central differences, and the fit of a scale.
 * SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/rng.h"
#include "losses/clip_loss.h"

enum { B = 5, E = 4 };

typedef struct problem {
    gp_compute *c;
    gp_arena *a;
    gp_real fi[B * E], ft[B * E], log_scale;
    gp_clip_loss l;
} problem;

static double value(problem *p, gp_real *di, gp_real *dt, gp_real *ds)
{
    gp_real si[B * E] = {0}, st[B * E] = {0}, ss = 0;
    gopro_error err;
    assert_int_equal(gp_clip_loss_run(&p->l, p->c, p->a, di ? di : si, dt ? dt : st, ds ? ds : &ss, p->fi, p->ft, p->log_scale, B, E, &err),
                     GOPRO_OK);
    return p->l.loss;
}

static double worst(problem *p, gp_real *x, const gp_real *dx, size_t n)
{
    double big = 0.0, bad = 0.0;
    for (size_t i = 0; i < n; i++) big = fmax(big, fabs((double)dx[i]));
    for (size_t i = 0; i < n; i++) {
        gp_real keep = x[i];
        const gp_real h = (gp_real)1e-6;
        x[i] = keep + h;
        double up = value(p, NULL, NULL, NULL);
        x[i] = keep - h;
        double down = value(p, NULL, NULL, NULL);
        x[i] = keep;
        bad = fmax(bad, fabs((up - down) / (2.0 * (double)h) - (double)dx[i]));
    }
    return bad / big;
}

static void check(double smoothing, const uint64_t *same)
{
    problem p = {.l = {.smoothing = smoothing, .same = same}, .log_scale = (gp_real)1.3};
    gopro_error err;
    assert_int_equal(gp_compute_create(&p.c, 1, NULL, &err), GOPRO_OK);
    p.a = gp_arena_create(1 << 16);
    gp_rng r = gp_rng_make(1, GP_RNG_TEST, 0, 0);
    for (size_t i = 0; i < B * E; i++) p.fi[i] = (gp_real)gp_rng_normal(&r), p.ft[i] = (gp_real)gp_rng_normal(&r);
    gp_real di[B * E] = {0}, dt[B * E] = {0}, ds = 0;
    value(&p, di, dt, &ds);
    assert_true(worst(&p, p.fi, di, B * E) < 1e-6);
    assert_true(worst(&p, p.ft, dt, B * E) < 1e-6);
    assert_true(worst(&p, &p.log_scale, &ds, 1) < 1e-6);
    di[0] *= 2; /* the harness sees a wrong gradient */
    assert_true(worst(&p, p.fi, di, B * E) > 1e-3);
    gp_arena_free(&p.a);
    gp_compute_free(&p.c);
}

static void test_plain(void **state)
{
    (void)state;
    check(0.0, NULL);
}

static void test_smoothing_and_equal_captions(void **state)
{
    static const uint64_t same[B] = {7, 8, 7, 9, 10};
    (void)state;
    check(0.1, same);
}

static void test_fit(void **state)
{
    enum { N = 400, K = 4 };
    static gp_real cosine[N * K];
    gp_rng r = gp_rng_make(2, GP_RNG_TEST, 0, 0);
    (void)state;
    /* labels drawn from the softmax at scale 5: the fit finds it again; the true class stands in column i % K */
    for (size_t i = 0; i < N; i++) {
        double x[K], sum = 0.0, u = gp_rng_uniform(&r);
        size_t y = 0;
        for (size_t k = 0; k < K; k++) x[k] = gp_rng_range(&r, -1, 1), sum += exp(5.0 * x[k]);
        for (; y < K - 1 && (u -= exp(5.0 * x[y]) / sum) > 0.0; y++) {
        }
        for (size_t k = 0; k < K; k++) cosine[i * K + (i + k) % K] = (gp_real)x[(y + k) % K];
    }
    double s = gp_clip_fit_scale(cosine, N, K);
    assert_true(s > 4.0 && s < 6.3);
    assert_true(gp_clip_group_loss(cosine, N, K, s, NULL) < gp_clip_group_loss(cosine, N, K, 2.0 * s, NULL));
    assert_true(gp_clip_group_loss(cosine, N, K, s, NULL) < gp_clip_group_loss(cosine, N, K, 0.5 * s, NULL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_plain), cmocka_unit_test(test_smoothing_and_equal_captions),
                                       cmocka_unit_test(test_fit)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
