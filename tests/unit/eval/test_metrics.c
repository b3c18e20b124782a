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
#include "eval/protocol.h"

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

/* Two datasets, one method, two seeds; a third dataset lacks a seed and stays out. */
static void average_is_hm_of_averages(void **state)
{
    (void)state;
    gp_b2n_cell cell[3] = {
        {.base = {80, 90}, .novel = {60, 70}, .n = 2}, {.base = {40, 50}, .novel = {90, 90}, .n = 2}, {.base = {1}, .novel = {1}, .n = 1}};
    gp_b2n t = {.n_methods = 1, .n_data = 3, .n_seeds = 2, .cell = cell};
    assert_int_equal(gp_b2n_complete(&t), 2);
    gp_b2n_row r = gp_b2n_average(&t, 0);
    close_to(r.base.mean, 65, 1e-12);
    close_to(r.base.sd, 5, 1e-12); /* of the averages 60 and 70 */
    close_to(r.novel.mean, 77.5, 1e-12);
    close_to(r.hm, 2 * 65 * 77.5 / (65 + 77.5), 1e-12);
    r = gp_b2n_cell_row(&cell[0]);
    close_to(r.hm, 2 * 85 * 65 / 150.0, 1e-12); /* not the mean of the seeds' HM */
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(macro_f1_counts_present_classes), cmocka_unit_test(calibration),
                                       cmocka_unit_test(batches_do_not_matter), cmocka_unit_test(seeds),
                                       cmocka_unit_test(average_is_hm_of_averages)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
