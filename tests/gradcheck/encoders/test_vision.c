/* test_vision.c - image tower in double against a naive evaluation of METHODS 1.2 and 1.3: features and statistics of every block.
 * SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "plain_vision.h"

static void same(const gp_real *got, const gp_real *want, size_t n, const char *what)
{
    for (size_t i = 0; i < n; i++)
        if (!(fabs((double)got[i] - (double)want[i]) <= 1e-11 * (1 + fabs((double)want[i]))))
            fail_msg("%s %zu: %.15g, expected %.15g", what, i, (double)got[i], (double)want[i]);
}

static void check(const gp_clip_arch *arch, size_t B)
{
    tiny_model t;
    gopro_error err = {0};
    tiny_make(&t, arch, 1, NULL, GP_F32, true, &err);
    if (!t.m) fail_msg("%s", err.msg);
    size_t px = 3 * arch->image * arch->image, E = arch->embed, S = arch->v.layers * arch->v.width;
    gp_real *pixels = calloc(B * px, sizeof *pixels), *feat = calloc(B * E, sizeof *feat), *class_only = calloc(B * E, sizeof *feat);
    gp_real *trained = calloc(B * E, sizeof *feat), *mu = calloc(B * S, sizeof *mu), *sigma = calloc(B * S, sizeof *mu);
    gp_real *want = calloc(E, sizeof *want), *want_mu = calloc(S, sizeof *want), *want_sigma = calloc(S, sizeof *want);
    tiny_fill(pixels, B * px, 1.0, 8);
    gp_arena *a = gp_arena_create(1 << 16);
    gp_vision_save *save = NULL;
    assert_int_equal(gp_vision_fwd(t.m, feat, mu, sigma, pixels, B, &err), GOPRO_OK);
    assert_int_equal(gp_vision_fwd(t.m, class_only, NULL, NULL, pixels, B, &err), GOPRO_OK);
    assert_int_equal(gp_vision_train_fwd(t.m, a, &save, trained, pixels, B, &err), GOPRO_OK);
    assert_int_equal(gp_vision_fwd(t.m, feat, mu, NULL, pixels, B, &err), GOPRO_E_INVALID);
    for (size_t i = 0; i < B; i++) {
        plain_vision(t.w, NULL, want, want_mu, want_sigma, pixels + i * px);
        same(feat + i * E, want, E, "feature with statistics");
        same(class_only + i * E, want, E, "feature");
        same(trained + i * E, want, E, "feature of the training form");
        same(mu + i * S, want_mu, S, "mean");
        same(sigma + i * S, want_sigma, S, "deviation");
    }
    gp_arena_free(&a);
    free(pixels), free(feat), free(class_only), free(trained), free(mu), free(sigma), free(want), free(want_mu), free(want_sigma);
    tiny_free(&t);
}

static void test_few_rows(void **state)
{
    (void)state;
    gp_clip_arch a = tiny_arch();
    check(&a, 5);
    a.v.layers = 1;
    a.v.act = GP_ACT_GELU;
    check(&a, 2);
    a.no_ln_pre = true;
    check(&a, 3);
}

/* More tokens than a query piece, few and many images: attention is cut inside images or not. */
static void test_many_tokens(void **state)
{
    (void)state;
    gp_clip_arch a = tiny_arch();
    a.image = 24;
    a.patch = 2;
    a.v.layers = 2;
    check(&a, 1);
    check(&a, 9);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_few_rows), cmocka_unit_test(test_many_tokens)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
