/* test_losses.c - values and invariants of the loss terms (METHODS 6, invariant 12).
 * SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/rng.h"
#include "losses/losses.h"

enum { B = 4, C = 6 };

typedef struct fixture {
    gp_compute *c;
    gp_tape *t;
    gp_real a[B * C], b[B * C], ga[B * C], gb[B * C];
    bool ra, rb;
} fixture;

static int setup(void **state)
{
    fixture *f = calloc(1, sizeof *f);
    gp_rng r = gp_rng_make(5, GP_RNG_TEST, 0, 0);
    assert_non_null(f);
    assert_int_equal(gp_compute_create(&f->c, 1, NULL, NULL), GOPRO_OK);
    assert_int_equal(gp_tape_create(&f->t, f->c, NULL), GOPRO_OK);
    for (size_t i = 0; i < B * C; i++) {
        f->a[i] = (gp_real)gp_rng_normal(&r);
        f->b[i] = (gp_real)gp_rng_normal(&r);
    }
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    fixture *f = *state;
    gp_tape_free(&f->t);
    gp_compute_free(&f->c);
    free(f);
    return 0;
}

static double value(gp_var y)
{
    assert_non_null(y.v);
    return (double)y.v[0];
}

static void test_cross_entropy(void **state)
{
    fixture *f = *state;
    gp_real l[] = {1000, 1000, -1000, 0, 0, 0};
    const uint32_t label[] = {1, 2};
    const double expected = log(2) + log(3);
    assert_true(fabs(value(gp_cross_entropy(f->t, gp_const(l, 2, 3), label, 1)) - expected) < 1e-6);
    assert_true(fabs(value(gp_cross_entropy(f->t, gp_const(l, 2, 3), label, 4)) - expected / 4) < 1e-6);
    assert_true(value(gp_cross_entropy(f->t, gp_const(l, 1, 1), (const uint32_t[]){0}, 1)) == 0); /* one class */
}

static void test_distance(void **state)
{
    fixture *f = *state;
    gp_real a[] = {3, 0, 1, 1}, b[] = {0, 4, 1, 1};
    assert_true(fabs(value(gp_l2_distance(f->t, gp_const(a, 2, 2), gp_const(b, 2, 2), 2)) - 2.5) < 1e-6);
    assert_true(fabs(value(gp_mse(f->t, gp_const(a, 2, 2), gp_const(b, 2, 2), 4)) - 6.25) < 1e-6);
}

static void test_distance_zero_has_zero_gradient(void **state)
{
    fixture *f = *state;
    const gp_tape_mark m = gp_tape_mark_get(f->t);
    const gp_var a = {.v = f->a, .g = f->ga, .reached = &f->ra, .rows = B, .cols = C};
    const gp_var b = {.v = f->a, .g = f->gb, .reached = &f->rb, .rows = B, .cols = C};
    const gp_var y = gp_l2_distance(f->t, a, b, 1);
    assert_true(value(y) == 0);
    y.g[0] = 1;
    gp_reach(y);
    gp_tape_backward(f->t, m);
    for (size_t i = 0; i < B * C; i++) assert_true(f->ga[i] == 0 && f->gb[i] == 0);
    assert_true(f->ra && f->rb); /* a gradient that is zero, not a missing one */
}

/* The form of SLIP: two cross-entropies over [a b^T, a a^T without diagonal] and the other way round. */
static double two_matrix_form(const gp_real *a, const gp_real *b, double tau)
{
    double sum = 0;
    for (int half = 0; half < 2; half++) {
        const gp_real *x = half ? b : a, *y = half ? a : b;
        for (size_t i = 0; i < B; i++) {
            double s[2 * B], z = 0;
            for (size_t k = 0; k < 2 * B; k++) {
                const gp_real *other = k < B ? y + k * C : x + (k - B) * C;
                double d = 0, nx = 0, no = 0;
                for (size_t j = 0; j < C; j++) {
                    d += (double)x[i * C + j] * (double)other[j];
                    nx += (double)x[i * C + j] * (double)x[i * C + j];
                    no += (double)other[j] * (double)other[j];
                }
                s[k] = k == B + i ? -HUGE_VAL : d / sqrt(nx * no) / tau;
                z += exp(s[k]);
            }
            sum += log(z) - s[i];
        }
    }
    return sum / (2 * B);
}

static void test_nt_xent(void **state)
{
    fixture *f = *state;
    const gp_var a = gp_const(f->a, B, C), b = gp_const(f->b, B, C);
    const gp_real tau = (gp_real)0.1;
    const double l = value(gp_nt_xent(f->t, a, b, tau));
    assert_true(fabs(l - two_matrix_form(f->a, f->b, (double)tau)) < 1e-5 * l);
    assert_true(fabs(value(gp_nt_xent(f->t, b, a, tau)) - l) < 1e-6 * l); /* symmetric */
    for (size_t i = 0; i < B * C; i++) f->b[i] *= (gp_real)(1 + i / C);
    assert_true(fabs(value(gp_nt_xent(f->t, a, b, tau)) - l) < 1e-5 * l); /* row scales do not matter */
    assert_true(value(gp_nt_xent(f->t, gp_const(f->a, 1, C), gp_const(f->b, 1, C), tau)) == 0);
}

static void test_nt_xent_of_one_image_has_no_gradient(void **state)
{
    fixture *f = *state;
    const gp_tape_mark m = gp_tape_mark_get(f->t);
    const gp_var a = {.v = f->a, .g = f->ga, .reached = &f->ra, .rows = 1, .cols = C};
    const gp_var y = gp_nt_xent(f->t, a, gp_const(f->b, 1, C), 1);
    y.g[0] = 1;
    gp_reach(y);
    gp_tape_backward(f->t, m);
    for (size_t i = 0; i < C; i++) assert_true(f->ga[i] == 0);
}

/* Two pairs on the axes of the plane: every row's partner is the nearest.  Then one row of b turns away to the other pair: it and its
 * partner miss each other, the rows of the other pair still find theirs. */
static void test_nt_xent_accuracy(void **state)
{
    fixture *f = *state;
    gp_real a[] = {1, 0, 0, 1}, b[] = {2, (gp_real)0.1, (gp_real)0.1, 3};
    double acc = -1;
    const double l = value(gp_nt_xent_scored(f->t, gp_const(a, 2, 2), gp_const(b, 2, 2), 1, &acc));
    assert_true(acc == 100 && l == value(gp_nt_xent(f->t, gp_const(a, 2, 2), gp_const(b, 2, 2), 1)));
    b[0] = (gp_real)-0.5, b[1] = 3;
    gp_nt_xent_scored(f->t, gp_const(a, 2, 2), gp_const(b, 2, 2), 1, &acc);
    assert_true(acc == 50);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_cross_entropy, setup, teardown),
        cmocka_unit_test_setup_teardown(test_distance, setup, teardown),
        cmocka_unit_test_setup_teardown(test_distance_zero_has_zero_gradient, setup, teardown),
        cmocka_unit_test_setup_teardown(test_nt_xent, setup, teardown),
        cmocka_unit_test_setup_teardown(test_nt_xent_accuracy, setup, teardown),
        cmocka_unit_test_setup_teardown(test_nt_xent_of_one_image_has_no_gradient, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
