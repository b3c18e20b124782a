/* linear.c - matrix products on the tape: linear layers and logits.
 * SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <string.h>

#include "grad/ops.h"
#include "kernels/gemm.h"

/* A product of this many multiply-adds is spread over the pool, in blocks of a fixed number of columns. */
#define WIDE_MACS ((size_t)1 << 22)
enum { WIDE_COLS = 128 };

typedef struct product {
    gp_compute *c;
    bool ta, tb;
    size_t m, n, k;
    gp_real alpha;
    const gp_real *a, *b;
    size_t lda, ldb, ldy;
    gp_real *y;
} product;

static void product_cols(void *arg, size_t block, size_t worker)
{
    const product *p = arg;
    const size_t first = block * WIDE_COLS, n = gp_min_size(WIDE_COLS, p->n - first);
    (void)worker;
    gp_gemm(p->c, p->ta, p->tb, p->m, n, p->k, p->alpha, p->a, p->lda, p->b + (p->tb ? first * p->ldb : first), p->ldb, 1, p->y + first,
            p->ldy);
}

/* y [m, n] += alpha op(a) op(b) */
static void add_product(product p)
{
    const bool wide = p.m * p.n * p.k >= WIDE_MACS;
    if (wide)
        gp_parallel_for(p.c->pool, (p.n + WIDE_COLS - 1) / WIDE_COLS, product_cols, &p);
    else
        gp_gemm(p.c, p.ta, p.tb, p.m, p.n, p.k, p.alpha, p.a, p.lda, p.b, p.ldb, 1, p.y, p.ldy);
}

typedef struct linear_rec {
    gp_var x, w, b, y;
} linear_rec;

/* dx += dy W, dW += dy^T x, db += sum of the rows of dy */
static void linear_bwd(gp_tape *t, const void *record)
{
    const linear_rec *r = record;
    gp_compute *c = gp_tape_compute(t);
    const size_t n = r->x.rows, in = r->x.cols, out = r->w.rows;
    if (r->x.g) {
        add_product((product){c, false, false, n, in, out, 1, r->y.g, r->w.v, out, in, in, r->x.g});
        gp_reach(r->x);
    }
    if (r->w.g) {
        add_product((product){c, true, false, out, in, n, 1, r->y.g, r->x.v, out, in, in, r->w.g});
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
    add_product((product){gp_tape_compute(t), false, true, x.rows, w.rows, x.cols, 1, x.v, w.v, x.cols, w.cols, y.cols, y.v});
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
