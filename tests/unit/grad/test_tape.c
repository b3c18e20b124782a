/* test_tape.c - order, pruning, marks and failures of the tape; running statistics of batch normalisation.
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
#include "grad/ops.h"
#include "kernels/gemm.h"

typedef struct fixture {
    gp_compute *c;
    gp_tape *t;
    gp_real v[64], g[64];
    bool reached;
    gp_var x; /* [4, 4] with gradient */
} fixture;

static int setup(void **state)
{
    fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    assert_int_equal(gp_compute_create(&f->c, 1, NULL, NULL), GOPRO_OK);
    assert_int_equal(gp_tape_create(&f->t, f->c, NULL), GOPRO_OK);
    for (size_t i = 0; i < 64; i++) f->v[i] = (gp_real)i;
    f->x = (gp_var){.v = f->v, .g = f->g, .reached = &f->reached, .rows = 4, .cols = 4};
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

static void seed(gp_var y)
{
    for (size_t i = 0; i < y.rows * y.cols; i++) y.g[i] += 1;
    gp_reach(y);
}

static void test_unreached_branches_are_skipped(void **state)
{
    fixture *f = *state;
    bool other = false;
    gp_real dead[16] = {0};
    gp_var z = f->x;
    z.g = dead;
    z.reached = &other;
    const gp_tape_mark m = gp_tape_mark_get(f->t);
    const gp_var y = gp_scale(f->t, 3, f->x);
    const gp_var unused = gp_scale(f->t, 5, z);
    assert_non_null(unused.g);
    seed(y);
    gp_tape_backward(f->t, m);
    assert_true(f->reached);
    assert_false(other);
    for (size_t i = 0; i < 16; i++) {
        assert_true(f->g[i] == 3);
        assert_true(dead[i] == 0);
    }
    gp_tape_pop(f->t, m);
}

static void test_gradients_add_up(void **state)
{
    fixture *f = *state;
    const gp_tape_mark m = gp_tape_mark_get(f->t);
    seed(gp_axpby(f->t, 2, gp_scale(f->t, 3, f->x), 1, f->x)); /* 7 x */
    gp_tape_backward(f->t, m);
    gp_tape_pop(f->t, m);
    for (size_t i = 0; i < 16; i++) assert_true(f->g[i] == 7);
}

static void test_constants_record_nothing(void **state)
{
    fixture *f = *state;
    const gp_var y = gp_scale(f->t, 2, gp_detach(f->x));
    assert_null(y.g);
    assert_true(gp_tape_set_recording(f->t, false));
    assert_null(gp_scale(f->t, 2, f->x).g);
    assert_false(gp_tape_set_recording(f->t, true));
    assert_non_null(gp_scale(f->t, 2, f->x).g);
}

/* A step: shared work below the mark, micro-steps above it, its backward last. */
static void test_marks_nest(void **state)
{
    fixture *f = *state;
    const gp_tape_mark outer = gp_tape_mark_get(f->t);
    const gp_var y = gp_scale(f->t, 2, f->x);
    for (size_t i = 0; i < 4; i++) {
        const gp_tape_mark inner = gp_tape_mark_get(f->t);
        seed(gp_scale(f->t, 10, gp_rows(f->t, y, i, 1)));
        gp_tape_backward(f->t, inner);
        gp_tape_pop(f->t, inner);
        assert_true(f->g[0] == 0); /* not before the outer mark is reached */
    }
    gp_tape_backward(f->t, outer);
    gp_tape_pop(f->t, outer);
    for (size_t i = 0; i < 16; i++) assert_true(f->g[i] == 20);
}

static void test_failure_is_sticky(void **state)
{
    fixture *f = *state;
    gopro_error e;
    const gp_tape_mark m = gp_tape_mark_get(f->t);
    gp_tape_fail(f->t, GOPRO_E_NUMERIC, "first");
    gp_tape_fail(f->t, GOPRO_E_NOMEM, "second");
    const gp_var y = gp_linear(f->t, f->x, f->x, (gp_var){0});
    assert_null(y.v);
    assert_null(gp_concat_rows(f->t, &y, 1).v);
    assert_null(gp_rows(f->t, y, 0, 1).v);
    assert_null(gp_row_dots(f->t, y, y, 1).v);
    assert_null(gp_mix_layers(f->t, y, &y, 1).v);
    gp_tape_backward(f->t, m);
    assert_int_equal(gp_tape_status(f->t, &e), GOPRO_E_NUMERIC);
    assert_string_equal(e.msg, "first");
    assert_null(gp_tape_var(f->t, 1, 1, false).v);
}

static void test_impossible_sizes(void **state)
{
    fixture *f = *state;
    assert_null(gp_tape_var(f->t, SIZE_MAX / 2, 3, false).v);
    assert_int_equal(gp_tape_status(f->t, NULL), GOPRO_E_NOMEM);
}

static void test_many_records(void **state)
{
    fixture *f = *state;
    const gp_tape_mark m = gp_tape_mark_get(f->t);
    gp_var y = f->x;
    for (size_t i = 0; i < 2000; i++) y = gp_scale(f->t, 1, y);
    seed(y);
    gp_tape_backward(f->t, m);
    gp_tape_pop(f->t, m);
    for (size_t i = 0; i < 16; i++) assert_true(f->g[i] == 1);
}

/* METHODS 6, invariant 14 */
static void test_batchnorm_statistics(void **state)
{
    fixture *f = *state;
    gp_real mean[4] = {0}, var[4] = {1, 1, 1, 1}, one[4] = {1, 1, 1, 1}, zero[4] = {0};
    const gp_var gain = gp_const(one, 1, 4), bias = gp_const(zero, 1, 4), x = gp_const(f->v, 4, 4); /* column j: j, j+4, j+8, j+12 */
    gp_var y = gp_batchnorm(f->t, x, gain, bias, mean, var, true);
    assert_true(fabs((double)mean[1] - 0.1 * 7) < 1e-6);                  /* mean of 1, 5, 9, 13 */
    assert_true(fabs((double)var[1] - (0.9 + 0.1 * 80.0 / 3)) < 1e-5);    /* unbiased variance */
    assert_true(fabs((double)y.v[1] - (1 - 7) / sqrt(20 + 1e-5)) < 1e-6); /* biased variance */
    gp_batchnorm(f->t, x, gain, bias, mean, var, true);                   /* a second call is a second update */
    assert_true(fabs((double)mean[1] - (0.9 * 0.7 + 0.7)) < 1e-6);
    const gp_var early = gp_batchnorm(f->t, x, gain, bias, mean, var, false);
    assert_true(fabs((double)early.v[1] - (double)y.v[1]) > 0.1); /* few batches: training and evaluation differ */
    for (size_t i = 0; i < 300; i++) y = gp_batchnorm(f->t, x, gain, bias, mean, var, true);
    const gp_real m1 = mean[1];
    const gp_var late = gp_batchnorm(f->t, x, gain, bias, mean, var, false);
    assert_true(mean[1] == m1);
    for (size_t i = 0; i < 16; i++) /* many equal batches: they agree but for biased against unbiased variance */
        assert_true(fabs((double)late.v[i] - (double)y.v[i] * sqrt(3.0 / 4)) < 1e-4);
}

static void test_batchnorm_refuses_one_image(void **state)
{
    fixture *f = *state;
    gopro_error e;
    gp_real mean[4] = {0}, var[4] = {1, 1, 1, 1}, one[4] = {1, 1, 1, 1};
    const gp_var gain = gp_const(one, 1, 4), x = gp_const(f->v, 1, 4);
    assert_non_null(gp_batchnorm(f->t, x, gain, gain, mean, var, false).v);
    assert_null(gp_batchnorm(f->t, x, gain, gain, mean, var, true).v);
    assert_int_equal(gp_tape_status(f->t, &e), GOPRO_E_INVALID);
    assert_non_null(strstr(e.msg, "at least 2"));
}

enum { N = 70, IN = 300, OUT = 260 }; /* large enough to be spread over the pool, with odd last blocks */

typedef struct wide {
    gp_real x[N * IN], w[OUT * IN], y[N * OUT], gz[N * OUT];
    gp_real gx[N * IN], gw[OUT * IN];
} wide;

/* BN(x w^T) and its gradients for some gradient from above. */
static void run_wide(wide *q, size_t threads)
{
    gp_compute *c = NULL;
    gp_tape *t = NULL;
    bool rx = false, rw = false;
    gp_real mean[OUT] = {0}, var[OUT], gain[OUT], zero[OUT] = {0};
    gp_rng r = gp_rng_make(6, GP_RNG_TEST, 0, 0);
    for (size_t i = 0; i < N * IN; i++) q->x[i] = (gp_real)gp_rng_normal(&r);
    for (size_t i = 0; i < OUT * IN; i++) q->w[i] = (gp_real)gp_rng_normal(&r);
    for (size_t i = 0; i < OUT; i++) var[i] = 1, gain[i] = (gp_real)gp_rng_uniform(&r);
    assert_int_equal(gp_compute_create(&c, threads, NULL, NULL), GOPRO_OK);
    assert_int_equal(gp_tape_create(&t, c, NULL), GOPRO_OK);
    const gp_tape_mark m = gp_tape_mark_get(t);
    const gp_var x = {.v = q->x, .g = q->gx, .reached = &rx, .rows = N, .cols = IN};
    const gp_var w = {.v = q->w, .g = q->gw, .reached = &rw, .rows = OUT, .cols = IN};
    const gp_var z = gp_linear(t, x, w, (gp_var){0});
    const gp_var y = gp_batchnorm(t, z, gp_const(gain, 1, OUT), gp_const(zero, 1, OUT), mean, var, true);
    memcpy(q->y, z.v, sizeof q->y);
    memcpy(y.g, q->x, sizeof q->gz);
    gp_reach(y);
    gp_tape_backward(t, m);
    memcpy(q->gz, z.g, sizeof q->gz);
    gp_tape_free(&t);
    gp_compute_free(&c);
}

static double largest(const gp_real *x, size_t n)
{
    double top = 0;
    for (size_t i = 0; i < n; i++) top = fmax(top, fabs((double)x[i]));
    return top;
}

static void test_wide_products(void **state)
{
    wide *one = calloc(1, sizeof *one), *three = calloc(1, sizeof *three);
    (void)state;
    assert_true(one && three);
    run_wide(one, 1);
    run_wide(three, 3);
    assert_memory_equal(one, three, sizeof *one);
    /* what is left after the plain products are taken away */
    gp_gemm_ref(false, true, N, OUT, IN, -1, one->x, IN, one->w, IN, 1, one->y, OUT);
    gp_gemm_ref(false, false, N, IN, OUT, -1, one->gz, OUT, one->w, IN, 1, one->gx, IN);
    gp_gemm_ref(true, false, OUT, IN, N, -1, one->gz, OUT, one->x, IN, 1, one->gw, IN);
    assert_true(largest(one->y, N * OUT) < 1e-3);
    assert_true(largest(one->gx, N * IN) < 1e-5 * (1 + largest(three->gx, N * IN)));
    assert_true(largest(one->gw, OUT * IN) < 1e-5 * (1 + largest(three->gw, OUT * IN)));
    assert_true(largest(three->gx, N * IN) > 1e-4 && largest(three->gw, OUT * IN) > 1e-5);
    free(one);
    free(three);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_unreached_branches_are_skipped, setup, teardown),
        cmocka_unit_test_setup_teardown(test_gradients_add_up, setup, teardown),
        cmocka_unit_test_setup_teardown(test_constants_record_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(test_marks_nest, setup, teardown),
        cmocka_unit_test_setup_teardown(test_failure_is_sticky, setup, teardown),
        cmocka_unit_test_setup_teardown(test_impossible_sizes, setup, teardown),
        cmocka_unit_test_setup_teardown(test_many_records, setup, teardown),
        cmocka_unit_test_setup_teardown(test_batchnorm_statistics, setup, teardown),
        cmocka_unit_test_setup_teardown(test_batchnorm_refuses_one_image, setup, teardown),
        cmocka_unit_test(test_wide_products),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
