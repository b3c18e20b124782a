/* linear.c - matrix products on the tape: linear layers and logits.
 * SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <string.h>

#include "grad/ops.h"
#include "kernels/gemm.h"

typedef struct linear_rec {
    gp_var x, w, b, y;
} linear_rec;

/* dx += dy W, dW += dy^T x, db += sum of the rows of dy */
static void linear_bwd(gp_tape *t, const void *record)
{
    const linear_rec *r = record;
    gp_compute *c = gp_tape_compute(t);
    const size_t n = r->x.rows, in = r->x.cols, out = r->w.rows;
    const gp_real one = 1;
    if (r->x.g) {
        gp_gemm(c, false, false, n, in, out, one, r->y.g, out, r->w.v, in, one, r->x.g, in);
        gp_reach(r->x);
    }
    if (r->w.g) {
        gp_gemm(c, true, false, out, in, n, one, r->y.g, out, r->x.v, in, one, r->w.g, in);
        gp_reach(r->w);
    }
    if (r->b.g) {
        c->k->sum_rows(r->b.g, r->y.g, n, out);
        gp_reach(r->b);
    }
}

gp_var gp_linear(gp_tape *t, gp_var x, gp_var w, gp_var b)
{
    gp_var y = gp_tape_var(t, x.rows, w.rows, x.g || w.g || b.g);
    if (!y.v) return y;
    assert(x.cols == w.cols && (!b.v || (b.rows == 1 && b.cols == w.rows)));
    /* starting from the bias keeps the product free of uninitialised memory */
    for (size_t i = 0; i < y.rows; i++) {
        gp_real *row = y.v + i * y.cols;
        if (b.v)
            memcpy(row, b.v, y.cols * sizeof *row);
        else
            memset(row, 0, y.cols * sizeof *row);
    }
    const gp_real one = 1;
    gp_gemm(gp_tape_compute(t), false, true, x.rows, w.rows, x.cols, one, x.v, x.cols, w.v, w.cols, one, y.v, y.cols);
    if (y.g) gp_tape_push(t, linear_bwd, y, &(linear_rec){x, w, b, y}, sizeof(linear_rec));
    return y;
}

typedef struct product_rec {
    gp_var x, y, z;
    gp_real s;
} product_rec;

/* dx += s dz y, dy += s dz^T x */
static void matmul_nt_bwd(gp_tape *t, const void *record)
{
    const product_rec *r = record;
    gp_compute *c = gp_tape_compute(t);
    const size_t n = r->x.rows, m = r->y.rows, cols = r->x.cols;
    const gp_real one = 1;
    if (r->x.g) {
        gp_gemm(c, false, false, n, cols, m, r->s, r->z.g, m, r->y.v, cols, one, r->x.g, cols);
        gp_reach(r->x);
    }
    if (r->y.g) {
        gp_gemm(c, true, false, m, cols, n, r->s, r->z.g, m, r->x.v, cols, one, r->y.g, cols);
        gp_reach(r->y);
    }
}

gp_var gp_matmul_nt(gp_tape *t, gp_var x, gp_var y, gp_real s)
{
    gp_var z = gp_tape_var(t, x.rows, y.rows, x.g || y.g);
    if (!z.v) return z;
    assert(x.cols == y.cols);
    memset(z.v, 0, z.rows * z.cols * sizeof *z.v);
    const gp_real one = 1;
    gp_gemm(gp_tape_compute(t), false, true, x.rows, y.rows, x.cols, s, x.v, x.cols, y.v, y.cols, one, z.v, z.cols);
    if (z.g) gp_tape_push(t, matmul_nt_bwd, z, &(product_rec){x, y, z, s}, sizeof(product_rec));
    return z;
}

/* dx_i += s sum_k dz_ik y_ik, dy_ik += s dz_ik x_i */
static void row_dots_bwd(gp_tape *t, const void *record)
{
    const product_rec *r = record;
    const gp_kernels *k = gp_tape_compute(t)->k;
    const size_t per = r->z.cols, cols = r->x.cols;
    for (size_t i = 0; i < r->x.rows; i++)
        for (size_t j = 0; j < per; j++) {
            const size_t row = i * per + j;
            const gp_real d = r->s * r->z.g[row];
            if (r->x.g) k->axpy(r->x.g + i * cols, d, r->y.v + row * cols, cols);
            if (r->y.g) k->axpy(r->y.g + row * cols, d, r->x.v + i * cols, cols);
        }
    gp_reach(r->x);
    gp_reach(r->y);
}

gp_var gp_row_dots(gp_tape *t, gp_var x, gp_var y, gp_real s)
{
    if (gp_tape_failed(t)) return (gp_var){0};
    assert(x.cols == y.cols && y.rows % x.rows == 0);
    const size_t per = y.rows / x.rows, cols = x.cols;
    gp_var z = gp_tape_var(t, x.rows, per, x.g || y.g);
    if (!z.v) return z;
    const gp_kernels *k = gp_tape_compute(t)->k;
    for (size_t i = 0; i < x.rows; i++)
        for (size_t j = 0; j < per; j++) z.v[i * per + j] = (gp_real)((double)s * k->dot(x.v + i * cols, y.v + (i * per + j) * cols, cols));
    if (z.g) gp_tape_push(t, row_dots_bwd, z, &(product_rec){x, y, z, s}, sizeof(product_rec));
    return z;
}
