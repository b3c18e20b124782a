/* test_baselines.c - what must hold for the linear probe and Tip-Adapter: where they start, what shots change, which classes they know.
 * SPDX-License-Identifier: Apache-2.0 */
#include "steptest.h"

enum { K = 4, B = 3 };

static double distance(const gp_real *a, const gp_real *b, size_t n)
{
    double off = 0;
    for (size_t i = 0; i < n; i++) off = fmax(off, fabs((double)a[i] - (double)b[i]));
    return off;
}

static void make(steptest *x, const char *method, const char *const *options)
{
    steptest_make(x, &(steptest_config){.method = method, .options = options, .K = K, .B = B});
}

static void test_probe_start(void **state)
{
    steptest z, x, y;
    (void)state;
    make(&z, "zeroshot", NULL);
    make(&x, "linear_probe", NULL);
    make(&y, "linear_probe", (const char *const[]){"probe.start", "text", NULL});
    steptest_run(&z);
    steptest_run(&y);
    assert_true(fabs(steptest_run(&x) - log(K)) < 1e-6); /* nothing learnt: all classes alike */
    assert_true(distance(z.s.logits, y.s.logits, B * K) < 1e-5);
    assert_int_equal(gp_params_total(x.p), K * (gp_model_arch(x.model.m)->embed + 1));
    gp_sgd o = {.momentum = 0.9};
    const double before = steptest_run(&x);
    for (size_t i = 0; i < 20; i++) {
        steptest_run(&x);
        gp_sgd_step(x.p, &o, 0.01);
    }
    assert_true(steptest_run(&x) < before - 0.3);
    steptest_free(&z);
    steptest_free(&x);
    steptest_free(&y);
}

/* The batch's own images as shots: the cache then adds exactly alpha to the true class of an image whose class has no other shot. */
static void give_shots(steptest *x)
{
    const gp_shots shots = {.feat = x->s.view[0].feat, .label = x->s.label, .n = B};
    gopro_error e = {0};
    if (x->method->fit(x->p, &x->setup, &shots, &e) != GOPRO_OK) fail_msg("%s", e.msg);
}

static void test_cache(void **state)
{
    static const char *const options[] = {"tip.alpha", "2.5", "shots", "3", NULL};
    steptest z, x;
    (void)state;
    make(&z, "zeroshot", NULL);
    make(&x, "tip_adapter", options);
    steptest_run(&z);
    steptest_run(&x);
    assert_true(distance(z.s.logits, x.s.logits, B * K) < 1e-5); /* an empty cache */
    assert_int_equal(gp_params_total(x.p), 0);
    give_shots(&x);
    steptest_run(&x);
    for (size_t b = 0; b < B; b++)
        for (size_t k = 0; k < K; k++) {
            const double added = (double)x.s.logits[b * K + k] - (double)z.s.logits[b * K + k];
            bool has = false;
            for (size_t i = 0; i < B; i++) has = has || x.s.label[i] == k;
            if (k == x.s.label[b]) assert_true(added > 2.5 - 1e-4);
            assert_true(has ? added > 0 : fabs(added) < 1e-5);
        }
    steptest_free(&z);
    steptest_free(&x);
}

/* A label set in another order, one class of it without shots. */
static void test_rows_by_class(void **state)
{
    static const char *const options[] = {"shots", "3", NULL};
    const uint32_t row[K] = {0, GP_NO_ROW, 1, 2}, label[B] = {0, 1, 2};
    steptest z, x;
    (void)state;
    make(&z, "zeroshot", NULL);
    make(&x, "tip_adapter", options);
    const gp_shots shots = {.feat = x.s.view[0].feat, .label = label, .n = B};
    assert_int_equal(x.method->fit(x.p, &x.setup, &shots, NULL), GOPRO_OK);
    x.s.class_row = row;
    steptest_run(&z);
    steptest_run(&x);
    for (size_t b = 0; b < B; b++) {
        assert_true(fabs((double)x.s.logits[b * K + 1] - (double)z.s.logits[b * K + 1]) < 1e-5);
        assert_true(x.s.logits[b * K + (b == 0 ? 0 : b + 1)] > z.s.logits[b * K + (b == 0 ? 0 : b + 1)] + (gp_real)0.99);
    }
    steptest_free(&z);
    steptest_free(&x);
}

static void test_too_many_shots(void **state)
{
    static const char *const options[] = {"shots", "1", NULL};
    const uint32_t label[2] = {1, 1};
    steptest x;
    gopro_error e = {0};
    (void)state;
    make(&x, "tip_adapter", options);
    const gp_shots shots = {.feat = x.s.view[0].feat, .label = label, .n = 2};
    assert_int_equal(x.method->fit(x.p, &x.setup, &shots, &e), GOPRO_E_DATA);
    steptest_free(&x);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_probe_start), cmocka_unit_test(test_cache),
                                       cmocka_unit_test(test_rows_by_class), cmocka_unit_test(test_too_many_shots)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
