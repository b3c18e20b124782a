/* test_metrics.c - metrics and averages against numbers worked out by hand (METHODS 5.6, 6.17).
 * SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <math.h>

#include "eval/metrics.h"
#include "results.h"

#define close_to(a, b, tol) assert_true(fabs((a) - (b)) <= (tol))

/* Logits whose argmax is `predicted`. */
static void add(gp_metrics *m, uint32_t truth, uint32_t predicted)
{
    gp_real l[3] = {0, 0, 0};
    l[predicted] = 2;
    gp_metrics_add(m, l, &truth, 1);
}

static void macro_f1_counts_present_classes(void **state)
{
    (void)state;
    gp_metrics m;
    gp_scores s;
    assert_int_equal(gp_metrics_init(&m, 3, NULL), GOPRO_OK);
    add(&m, 0, 0);
    add(&m, 0, 2);
    add(&m, 1, 2);
    add(&m, 1, 1);
    gp_metrics_scores(&s, &m);
    close_to(s.macro_f1, 200.0 / 3, 1e-9); /* class 2 has no truth and does not count */
    close_to(s.accuracy, 50, 1e-12);
    close_to(s.class_mean, 50, 1e-12);
    assert_true(isnan(gp_metrics_class_accuracy(&m, 2)));
    close_to(gp_metrics_class_accuracy(&m, 1), 50, 1e-12);
    gp_metrics_free(&m);
}

static void calibration(void **state)
{
    (void)state;
    gp_metrics m;
    gp_scores s;
    const gp_real l[8] = {(gp_real)log(9.0), 0, (gp_real)log(9.0), 0, 0, 0, 0, (gp_real)log(3.0)};
    const uint32_t y[4] = {0, 1, 0, 1};
    assert_int_equal(gp_metrics_init(&m, 2, NULL), GOPRO_OK);
    gp_metrics_add(&m, l, y, 4);
    gp_metrics_scores(&s, &m);
    /* probabilities of the truth .9 .1 .5 .75; equal logits: the first class wins */
    assert_int_equal(s.correct, 3);
    close_to(s.nll, -(log(0.9) + log(0.1) + log(0.5) + log(0.75)) / 4, 1e-6);
    close_to(s.brier, 2 * (0.01 + 0.81 + 0.25 + 0.0625) / 4, 1e-6);
    /* bins: two at .9 with accuracy .5, one at .5 right, one at .75 right */
    close_to(s.ece, 100 * (2 * 0.4 + 0.5 + 0.25) / 4, 1e-5);
    gp_metrics_free(&m);
}

static void batches_do_not_matter(void **state)
{
    (void)state;
    gp_metrics a, b;
    gp_scores sa, sb;
    gp_real l[30];
    uint32_t y[10];
    for (size_t i = 0; i < 30; i++) l[i] = (gp_real)sin((double)i * 7);
    for (size_t i = 0; i < 10; i++) y[i] = (uint32_t)(i * i % 3);
    assert_int_equal(gp_metrics_init(&a, 3, NULL), GOPRO_OK);
    assert_int_equal(gp_metrics_init(&b, 3, NULL), GOPRO_OK);
    gp_metrics_add(&a, l, y, 10);
    gp_metrics_add(&b, l, y, 3);
    gp_metrics_add(&b, l + 9, y + 3, 7);
    gp_metrics_scores(&sa, &a);
    gp_metrics_scores(&sb, &b);
    assert_memory_equal(&sa, &sb, sizeof sa);
    gp_metrics_free(&a);
    gp_metrics_free(&b);
}

static void seeds(void **state)
{
    (void)state;
    const double v[3] = {81.2, 82.3, 80.9};
    gp_spread s = gp_over_seeds(v, 3);
    close_to(s.mean, 81.467, 5e-4);
    close_to(s.sd, 0.602, 5e-4);
    close_to(s.ci95, 0.681, 5e-4);
    close_to(gp_harmonic_mean(84.21, 77.32), 80.62, 5e-3);
    close_to(gp_harmonic_mean(0, 0), 0, 0);
}

static const char *const two[] = {"CLIP|zeroshot", "GOPro|gopro"}, *const sets[] = {"a", "b", "c"};

/* Two datasets, one method, two seeds; a third dataset lacks a seed and stays out. */
static void average_is_hm_of_averages(void **state)
{
    (void)state;
    gp_results *r = results_make(GP_B2N, two, 1, sets, 3, 2);
    results_set(r, 0, 0, 0, 80, 60);
    results_set(r, 0, 0, 1, 90, 70);
    results_set(r, 1, 0, 0, 40, 90);
    results_set(r, 1, 0, 1, 50, 90);
    results_set(r, 2, 0, 0, 1, 1);
    assert_int_equal(gp_results_complete(r), 2);
    gp_row row = gp_results_average(r, 0);
    close_to(row.v[0].mean, 65, 1e-12);
    close_to(row.v[0].sd, 5, 1e-12); /* of the averages 60 and 70 */
    close_to(row.v[1].mean, 77.5, 1e-12);
    close_to(row.hm, 2 * 65 * 77.5 / (65 + 77.5), 1e-12);
    close_to(row.f1.mean, (65 + 77.5) / 2 - 1, 1e-12);
    row = gp_results_row(r, 0, 0);
    close_to(row.hm, 2 * 85 * 65 / 150.0, 1e-12); /* not the mean of the seeds' HM */
    row = gp_results_row(r, 2, 0);
    assert_int_equal(row.n, 1);
    gp_results_free(&r);
}

/* A method that failed everywhere has no average and does not take that of the others away; one that failed once does. */
static void failures_and_averages(void **state)
{
    (void)state;
    gp_results *r = results_make(GP_B2N, two, 2, sets, 2, 1);
    results_set(r, 0, 0, 0, 50, 50);
    results_set(r, 1, 0, 0, 70, 70);
    results_cell(r, 0, 1, 0)->state = GP_CELL_FAILED;
    results_cell(r, 1, 1, 0)->state = GP_CELL_FAILED;
    assert_int_equal(gp_results_complete(r), 2);
    close_to(gp_results_average(r, 0).hm, 60, 1e-12);
    gp_row lost = gp_results_average(r, 1);
    assert_int_equal(lost.n, 0);
    assert_int_equal(lost.failed, 2);
    assert_false(gp_results_rival(r, 2, 0).any);
    results_set(r, 1, 1, 0, 71, 73);
    assert_int_equal(gp_results_complete(r), 1);
    close_to(gp_results_average(r, 0).hm, 70, 1e-12);
    gp_results_free(&r);
}

/* Within a dataset the pairs are seeds, in the average datasets; the source of a transfer is no target. */
static void rivals(void **state)
{
    (void)state;
    gp_results *r = results_make(GP_XD, two, 2, sets, 3, 2);
    for (size_t s = 0; s < 2; s++) {
        results_set(r, 0, 0, s, 90, 0);
        results_set(r, 0, 1, s, 10, 0);
        results_set(r, 1, 0, s, 50, 0);
        results_set(r, 1, 1, s, 51 + (double)s, 0);
        results_set(r, 2, 0, s, 60, 0);
        results_set(r, 2, 1, s, 63 + (double)s, 0);
    }
    gp_rival x = gp_results_rival(r, 3, 1);
    assert_true(x.any && x.over_data && x.entry == 0);
    assert_int_equal(x.test.n, 2);
    close_to(x.d_hm, (1.5 + 3.5) / 2, 1e-12);
    close_to(x.test.mean, 2.5, 1e-12);
    close_to(x.test.t, 2.5, 1e-12); /* differences 1.5 and 3.5 */
    x = gp_results_rival(r, 1, 1);
    assert_true(x.any && !x.over_data);
    close_to(x.test.t, 3, 1e-12); /* 1 and 2 */
    gp_results_free(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(macro_f1_counts_present_classes),
                                       cmocka_unit_test(calibration),
                                       cmocka_unit_test(batches_do_not_matter),
                                       cmocka_unit_test(seeds),
                                       cmocka_unit_test(average_is_hm_of_averages),
                                       cmocka_unit_test(failures_and_averages),
                                       cmocka_unit_test(rivals)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
