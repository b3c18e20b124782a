/* test_run_state.c - spread of the prompt, the fitted logit scale, the metrics log, settled options, names.
 * SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <math.h>

#include "base/file.h"
#include "base/rng.h"
#include "scratch.h"
#include "train/metrics_log.h"
#include "train/rundir.h"
#include "train/zeroshot.h"

#define close_to(a, b, tol) assert_true(fabs((a) - (b)) <= (tol))

static void spread(void **state)
{
    (void)state;
    gp_train_state s;
    const gp_real axes[] = {3, 0, 0, 4}, same[] = {3, 4, 3, 4}, opposite[] = {3, 4, -3, -4}, more[] = {1, 0, 0, 1, 1, 1};
    assert_int_equal(gp_train_state_init(&s, 2, NULL), GOPRO_OK);
    close_to(gp_epoch_sums_spread(&s.sums), 0, 0);
    gp_epoch_sums_shift(&s.sums, same, 2);
    close_to(gp_epoch_sums_spread(&s.sums), 0, 1e-7);
    gp_epoch_sums_clear(&s.sums);
    gp_epoch_sums_shift(&s.sums, axes, 2); /* mean (1.5, 2), each 2.5 from it, lengths 3 and 4 */
    close_to(gp_epoch_sums_spread(&s.sums), 2.5 / 3.5, 1e-12);
    gp_epoch_sums_clear(&s.sums);
    gp_epoch_sums_shift(&s.sums, opposite, 2);
    close_to(gp_epoch_sums_spread(&s.sums), 1, 1e-12);
    gp_epoch_sums_clear(&s.sums);
    gp_epoch_sums_shift(&s.sums, more, 1); /* in two calls */
    gp_epoch_sums_shift(&s.sums, more + 2, 2);
    /* mean (2/3, 2/3); squared distances 5/9, 5/9, 2/9: variance 12/27; mean length (2 + sqrt 2)/3 */
    close_to(gp_epoch_sums_spread(&s.sums), sqrt(12.0 / 27) / ((2 + sqrt(2.0)) / 3), 1e-12);
    gp_train_state_free(&s);
}

static void drift(void **state)
{
    (void)state;
    gp_real from[] = {3, 4, 0, 0};
    const size_t shape[] = {2, 2};
    gp_learner l = {.ctx0 = from};
    close_to(gp_learner_drift(&l), 0, 0); /* nothing to learn */
    l.p = gp_params_create();
    assert_int_equal(gp_params_add(l.p, "ctx", shape, 2, GP_INIT_COPY, 0, from, NULL), GOPRO_OK);
    assert_int_equal(gp_params_finish(l.p, 1, NULL), GOPRO_OK);
    close_to(gp_learner_drift(&l), 0, 0);
    gp_param(l.p, "ctx").v[3] = 1;
    close_to(gp_learner_drift(&l), 0.2, 1e-6);
    gp_params_free(&l.p);
}

static void best_scale(void **state)
{
    (void)state;
    enum { B = 40, K = 5 };
    gp_real c[B * K];
    uint32_t y[B];
    gp_rng r = gp_rng_make(1, GP_RNG_TEST, 0, 0);
    for (size_t i = 0; i < B; i++) {
        y[i] = gp_rng_below(&r, K);
        for (size_t k = 0; k < K; k++) c[i * K + k] = (gp_real)(0.2 * gp_rng_normal(&r) + (k == y[i] ? 0.25 : 0));
    }
    double s = gp_best_scale(c, y, B, K), f = gp_scaled_ce(c, y, B, K, s);
    assert_true(s > 0.1 && s < 100);
    assert_true(f < gp_scaled_ce(c, y, B, K, s * 1.02) && f < gp_scaled_ce(c, y, B, K, s / 1.02));
    close_to(gp_scaled_ce(c, y, B, K, 0), log((double)K), 1e-12);
    /* two classes, right three times out of four by the same margin: sigma(s) = 3/4 */
    const gp_real two[] = {1, 0, 1, 0, 1, 0, 1, 0};
    const uint32_t truth[] = {0, 0, 0, 1};
    close_to(gp_best_scale(two, truth, 4, 2), log(3.0), 1e-4);
    /* separable: the largest scale of the range; wrong way round: the smallest */
    const uint32_t right[] = {0, 0, 0, 0}, wrong[] = {1, 1, 1, 1};
    assert_true(gp_best_scale(two, right, 4, 2) > 30);
    close_to(gp_best_scale(two, wrong, 4, 2), 0.01, 1e-4);
}

static void metrics_log(void **state)
{
    (void)state;
    char dir[64], path[96];
    gp_train_state s;
    scratch_make(dir);
    snprintf(path, sizeof path, "%s/metrics.jsonl", dir);
    assert_int_equal(gp_train_state_init(&s, 1, NULL), GOPRO_OK);
    assert_int_equal(gp_metrics_log_cut(path, 0, NULL), GOPRO_OK);
    for (s.epoch = 0; s.epoch < 4; s.epoch++) assert_int_equal(gp_metrics_log_add(path, &s, 0.1, 0, NULL), GOPRO_OK);
    assert_int_equal(gp_metrics_log_cut(path, 2, NULL), GOPRO_OK);
    s.epoch = 2;
    assert_int_equal(gp_metrics_log_add(path, &s, 0.1, 0, NULL), GOPRO_OK);
    char *text = NULL;
    size_t size = 0;
    assert_int_equal(gp_read_file(&text, &size, path, 1 << 20, NULL), GOPRO_OK);
    size_t lines = 0;
    for (const char *p = text; (p = strchr(p, '\n')); p++) lines++;
    assert_int_equal(lines, 3);
    assert_non_null(strstr(text, "{\"epoch\":3,"));
    assert_null(strstr(text, "{\"epoch\":4,"));
    /* a torn last line goes too */
    assert_int_equal(gp_write_file(path, "{\"epoch\":1}\n{\"epo", 17, NULL), GOPRO_OK);
    assert_int_equal(gp_metrics_log_cut(path, 5, NULL), GOPRO_OK);
    free(text);
    assert_int_equal(gp_read_file(&text, &size, path, 1 << 20, NULL), GOPRO_OK);
    assert_string_equal(text, "{\"epoch\":1}\n");
    free(text);
    gp_train_state_free(&s);
    scratch_remove(dir);
}

static void what_matters(void **state)
{
    (void)state;
    size_t exempt = 0;
    for (size_t i = 0; i < gp_n_opts; i++) exempt += !gp_option_matters(i) && strncmp(gp_opts[i].name, "pretrain.", 9) != 0;
    assert_int_equal(exempt, 9); /* threads, cache sizes, checkpoint.every, and where data lie: rundir.c names them */
    /* 5e-4 and 0.0005 are the same setting */
    gp_options *a = gp_options_create(), *b = gp_options_create();
    assert_int_equal(gp_options_set(a, "optim.weight_decay", "0.0005", "test", NULL), GOPRO_OK);
    for (size_t i = 0; i < gp_n_opts; i++) {
        char *x = gp_option_text(a, i), *y = gp_option_text(b, i);
        assert_string_equal(x, y);
        free(x);
        free(y);
    }
    gp_options_free(&a);
    gp_options_free(&b);
    gp_subset s;
    assert_true(gp_subset_parse(&s, "new") && s == GP_NEW);
    assert_false(gp_subset_parse(&s, "novel"));
    const char *const one[] = {"ab", "c"}, *const two[] = {"a", "bc"};
    char h1[65], h2[65];
    gp_class_hash(h1, one, 2);
    gp_class_hash(h2, two, 2);
    assert_string_not_equal(h1, h2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(spread), cmocka_unit_test(drift), cmocka_unit_test(best_scale),
                                       cmocka_unit_test(metrics_log), cmocka_unit_test(what_matters)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
