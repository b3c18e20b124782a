/* test_stats.c - the incomplete beta function and the paired t test against closed forms and tabled values.
 * SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <math.h>

#include "eval/stats.h"

#define close_to(a, b, tol) assert_true(fabs((a) - (b)) <= (tol))
#define PI                  3.14159265358979323846

static void incomplete_beta(void **state)
{
    (void)state;
    for (double x = 0.05; x < 1.0; x += 0.09) {
        close_to(gp_incomplete_beta(x, 1, 1), x, 1e-14);
        close_to(gp_incomplete_beta(x, 3, 1), x * x * x, 1e-14);
        close_to(gp_incomplete_beta(x, 2, 3), x * x * (6 - 8 * x + 3 * x * x), 1e-13);
        close_to(gp_incomplete_beta(x, 0.5, 0.5), 2 / PI * asin(sqrt(x)), 1e-13);
        close_to(gp_incomplete_beta(x, 7.5, 40) + gp_incomplete_beta(1 - x, 40, 7.5), 1, 1e-13);
    }
    close_to(gp_incomplete_beta(0.5, 300, 300), 0.5, 1e-12);
    close_to(gp_incomplete_beta(0, 2, 3), 0, 0);
    close_to(gp_incomplete_beta(1, 2, 3), 1, 0);
}

static void student(void **state)
{
    (void)state;
    for (double t = -6; t < 7; t += 0.37) {
        double a = fabs(t);
        close_to(gp_t_two_sided(t, 1), 1 - 2 / PI * atan(a), 1e-12);
        close_to(gp_t_two_sided(t, 2), 1 - a / sqrt(2 + a * a), 1e-12);
        close_to(gp_t_two_sided(t, 4), 1 - a / sqrt(4 + a * a) * (1 + 2 / (4 + a * a)), 1e-12);
        close_to(gp_t_two_sided(t, 1e7), erfc(a / sqrt(2.0)), 1e-6);
    }
    close_to(gp_t_two_sided(2.228138852, 10), 0.05, 1e-9); /* tables of Student's distribution */
    close_to(gp_t_two_sided(2.750, 30), 0.01, 2e-5);
    close_to(gp_t_two_sided(12.70620474, 1), 0.05, 1e-9);
    close_to(gp_t_two_sided((double)INFINITY, 3), 0, 0);
}

static void paired(void **state)
{
    (void)state;
    const double a[] = {5, 7, 9}, b[] = {4, 5, 6};
    gp_paired r = gp_paired_test(a, b, 3); /* differences 1, 2, 3 */
    close_to(r.mean, 2, 1e-12);
    close_to(r.t, 2 * sqrt(3.0), 1e-12);
    close_to(r.p, 1 - sqrt(12.0 / 14.0), 1e-12);
    gp_paired back = gp_paired_test(b, a, 3);
    close_to(back.mean, -2, 1e-12);
    close_to(back.p, r.p, 1e-15);
    r = gp_paired_test(a, b, 1);
    close_to(r.mean, 1, 0);
    assert_true(isnan(r.p) && isnan(r.t));
    r = gp_paired_test(a, a, 3); /* no difference at all */
    close_to(r.p, 1, 0);
    const double c[] = {6, 8, 10};
    r = gp_paired_test(c, a, 3); /* the same difference each time */
    close_to(r.p, 0, 0);
    assert_true(isinf(r.t) && r.t > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(incomplete_beta), cmocka_unit_test(student), cmocka_unit_test(paired)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
