/* act.c - elementwise operations on the tape: ReLU, weighted sums, adding one number.
 * SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>

#include "grad/ops.h"

typedef struct relu_rec {
    gp_var x, y;
} relu_rec;

/* dx += dy [x > 0] */
static void relu_bwd(gp_tape *t, const void *record)
{
    const relu_rec *r = record;
    (void)t;
    for (size_t i = 0; i < r->x.rows * r->x.cols; i++)
        if (r->x.v[i] > 0) r->x.g[i] += r->y.g[i];
    gp_reach(r->x);
}

gp_var gp_relu(gp_tape *t, gp_var x)
{
    gp_var y = gp_tape_var(t, x.rows, x.cols, x.g != NULL);
    if (!y.v) return y;
    for (size_t i = 0; i < x.rows * x.cols; i++) y.v[i] = x.v[i] > 0 ? x.v[i] : 0;
    if (y.g) gp_tape_push(t, relu_bwd, y, &(relu_rec){x, y}, sizeof(relu_rec));
    return y;
}

typedef struct axpby_rec {
    gp_var x, y, z;
    gp_real a, b;
} axpby_rec;

static void axpby_bwd(gp_tape *t, const void *record)
{
    const axpby_rec *r = record;
    const gp_kernels *k = gp_tape_compute(t)->k;
    const size_t n = r->z.rows * r->z.cols;
    if (r->x.g) k->axpy(r->x.g, r->a, r->z.g, n);
    if (r->y.g) k->axpy(r->y.g, r->b, r->z.g, n);
    gp_reach(r->x);
    gp_reach(r->y);
}

gp_var gp_axpby(gp_tape *t, gp_real a, gp_var x, gp_real b, gp_var y)
{
    gp_var z = gp_tape_var(t, x.rows, x.cols, x.g || y.g);
    if (!z.v) return z;
    assert(x.rows == y.rows && x.cols == y.cols);
    for (size_t i = 0; i < x.rows * x.cols; i++) z.v[i] = a * x.v[i] + b * y.v[i];
    if (z.g) gp_tape_push(t, axpby_bwd, z, &(axpby_rec){x, y, z, a, b}, sizeof(axpby_rec));
    return z;
}

gp_var gp_scale(gp_tape *t, gp_real a, gp_var x)
{
    gp_var z = gp_tape_var(t, x.rows, x.cols, x.g != NULL);
    if (!z.v) return z;
    for (size_t i = 0; i < x.rows * x.cols; i++) z.v[i] = a * x.v[i];
    const gp_var none = {0};
    if (z.g) gp_tape_push(t, axpby_bwd, z, &(axpby_rec){x, none, z, a, 0}, sizeof(axpby_rec));
    return z;
}

typedef struct scalar_rec {
    gp_var x, s, y;
} scalar_rec;

/* dx += dy, ds += the sum of dy */
static void add_scalar_bwd(gp_tape *t, const void *record)
{
    const scalar_rec *r = record;
    const size_t n = r->y.rows * r->y.cols;
    if (r->x.g) gp_tape_compute(t)->k->add(r->x.g, r->y.g, n);
    if (r->s.g) {
        double sum = 0;
        for (size_t i = 0; i < n; i++) sum += (double)r->y.g[i];
        r->s.g[0] += (gp_real)sum;
    }
    gp_reach(r->x);
    gp_reach(r->s);
}

gp_var gp_add_scalar(gp_tape *t, gp_var x, gp_var s)
{
    gp_var y = gp_tape_var(t, x.rows, x.cols, x.g || s.g);
    if (!y.v) return y;
    assert(s.rows == 1 && s.cols == 1);
    for (size_t i = 0; i < x.rows * x.cols; i++) y.v[i] = x.v[i] + s.v[0];
    if (y.g) gp_tape_push(t, add_scalar_bwd, y, &(scalar_rec){x, s, y}, sizeof(scalar_rec));
    return y;
}
