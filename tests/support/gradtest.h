/* gradtest.h - gradients of tape functions against central differences, in double.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef GP_GRADTEST_H
#define GP_GRADTEST_H

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

#define GT_STEP 1e-6
#define GT_TOL  1e-6

typedef gp_var gt_fn(gp_tape *t, const gp_var *in, void *user);

/* The scalar sum_j weight_j y_j of a function's output, with its gradients if wanted. */
static inline double gt_eval(gp_tape *t, gt_fn *fn, const gp_var *in, void *user, const double *weight, bool backward)
{
    const gp_tape_mark m = gp_tape_mark_get(t);
    const gp_var y = fn(t, in, user);
    assert_non_null(y.v);
    double sum = 0;
    for (size_t j = 0; j < y.rows * y.cols; j++) sum += weight[j] * (double)y.v[j];
    if (backward) {
        assert_non_null(y.g);
        for (size_t j = 0; j < y.rows * y.cols; j++) y.g[j] += (gp_real)weight[j];
        gp_reach(y);
        gp_tape_backward(t, m);
    }
    gp_tape_pop(t, m);
    return sum;
}

/* Largest |difference quotient - gradient| of any input element over the largest gradient of that input.  A constant input (g NULL) is not
 * checked. */
static inline double gt_error(gp_compute *c, gt_fn *fn, void *user, const gp_var *in, size_t n_in)
{
    gp_tape *t = NULL;
    double weight[4096], worst = 0;
    gp_rng r = gp_rng_make(3, GP_RNG_TEST, 0, 0);
    for (size_t j = 0; j < 4096; j++) weight[j] = gp_rng_normal(&r);
    assert_int_equal(gp_tape_create(&t, c, NULL), GOPRO_OK);
    for (size_t i = 0; i < n_in; i++)
        if (in[i].g) memset(in[i].g, 0, in[i].rows * in[i].cols * sizeof(gp_real));
    gt_eval(t, fn, in, user, weight, true);
    for (size_t i = 0; i < n_in; i++) {
        double top = 0, off = 0;
        if (!in[i].g) continue;
        for (size_t j = 0; j < in[i].rows * in[i].cols; j++) {
            const gp_real keep = in[i].v[j];
            in[i].v[j] = (gp_real)((double)keep + GT_STEP);
            const double up = gt_eval(t, fn, in, user, weight, false);
            in[i].v[j] = (gp_real)((double)keep - GT_STEP);
            const double down = gt_eval(t, fn, in, user, weight, false);
            in[i].v[j] = keep;
            const double numeric = (up - down) / (2 * GT_STEP);
            top = fmax(top, fabs((double)in[i].g[j]));
            off = fmax(off, fabs(numeric - (double)in[i].g[j]));
        }
        assert_true(top > 0);
        worst = fmax(worst, off / top);
    }
    gp_tape_free(&t);
    return worst;
}

/* A random matrix with room for its gradient, in memory that lives until the program ends its test. */
static inline gp_var gt_input(gp_arena *a, gp_rng *r, size_t rows, size_t cols)
{
    gp_var x = {.rows = rows, .cols = cols};
    x.v = gp_arena_alloc(a, rows * cols, sizeof *x.v);
    x.g = gp_arena_alloc(a, rows * cols, sizeof *x.g);
    x.reached = gp_arena_alloc(a, 1, sizeof *x.reached);
    assert_true(x.v && x.g && x.reached);
    for (size_t j = 0; j < rows * cols; j++) x.v[j] = (gp_real)gp_rng_normal(r);
    return x;
}

#endif
