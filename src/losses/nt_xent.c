/* nt_xent.c - the contrastive loss of two views (METHODS 3.2a, 3.11): each of the 2B rows must find its partner among the other 2B - 1.
 * SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <math.h>
#include <string.h>

#include "losses/losses.h"

enum { LANES = 8 };

typedef struct ntx_rec {
    gp_var a, b, y;
    double *z;    /* [2B, C] normalised rows of a, then b */
    double *norm; /* [2B] */
    double *p;    /* [2B, 2B] softmax without the diagonal */
    double *loss; /* [2B] of each row */
    double tau;
} ntx_rec;

/* Independent partial sums, so that the compiler may use vectors; their order is fixed. */
static double dot(const double *x, const double *y, size_t n)
{
    double s[LANES] = {0}, sum = 0;
    size_t j = 0;
    for (; j + LANES <= n; j += LANES)
        for (size_t k = 0; k < LANES; k++) s[k] += x[j + k] * y[j + k];
    for (; j < n; j++) sum += x[j] * y[j];
    for (size_t k = 0; k < LANES; k++) sum += s[k];
    return sum;
}

typedef struct ntx_back {
    const ntx_rec *r;
    double *dz;   /* [2B, C] */
    double scale; /* of the gradient arriving, over 2B tau */
    size_t first; /* row that block 0 is */
} ntx_back;

/* dZ = (G + G^T) Z / tau with G = (P - Y)/(2B), then dx += (dz - z <z, dz>)/||x|| */
static void row_bwd(void *arg, size_t block, size_t worker)
{
    const ntx_back *q = arg;
    const ntx_rec *r = q->r;
    const size_t B = r->a.rows, n = 2 * B, cols = r->a.cols, i = q->first + block;
    const gp_var x = i < B ? r->a : r->b;
    const double *z = r->z + i * cols;
    double *dz = q->dz + i * cols;
    (void)worker;
    if (!x.g) return;
    memset(dz, 0, cols * sizeof *dz);
    for (size_t k = 0; k < n; k++) {
        if (k == i) continue;
        const double partner = k == (i + B) % n ? 1 : 0;
        const double g = q->scale * (r->p[i * n + k] + r->p[k * n + i] - 2 * partner);
        for (size_t j = 0; j < cols; j++) dz[j] += g * r->z[k * cols + j];
    }
    const double along = dot(z, dz, cols);
    gp_real *dx = x.g + i % B * cols;
    for (size_t j = 0; j < cols; j++) dx[j] += (gp_real)((dz[j] - along * z[j]) / r->norm[i]);
}

static void nt_xent_bwd(gp_tape *t, const void *record)
{
    const ntx_rec *r = record;
    const size_t B = r->a.rows, n = 2 * B;
    ntx_back q = {.r = r, .scale = (double)r->y.g[0] / ((double)n * r->tau)};
    q.dz = gp_arena_alloc_raw(gp_tape_arena(t), n * r->a.cols, sizeof *q.dz);
    if (!q.dz) {
        gp_tape_fail(t, GOPRO_E_NOMEM, "out of memory for a gradient");
        return;
    }
    /* both views may be one variable, so all of a's rows come before b's */
    for (; q.first < n; q.first += B) gp_parallel_for(gp_tape_compute(t)->pool, B, row_bwd, &q);
    gp_reach(r->a);
    gp_reach(r->b);
}

/* p = the softmax of row i of S = Z Z^T / tau without its diagonal; loss = -log p of the partner. */
static void row_fwd(void *arg, size_t i, size_t worker)
{
    const ntx_rec *r = arg;
    const size_t n = 2 * r->a.rows, cols = r->a.cols;
    double *p = r->p + i * n, top = -HUGE_VAL, sum = 0;
    (void)worker;
    for (size_t k = 0; k < n; k++) {
        p[k] = k == i ? -HUGE_VAL : dot(r->z + i * cols, r->z + k * cols, cols) / r->tau;
        top = fmax(top, p[k]);
    }
    const double target = p[(i + n / 2) % n];
    for (size_t k = 0; k < n; k++) {
        p[k] = k == i ? 0 : exp(p[k] - top);
        sum += p[k];
    }
    for (size_t k = 0; k < n; k++) p[k] /= sum;
    r->loss[i] = top + log(sum) - target;
}

/* Rows whose partner is the most similar of all the others, per cent. */
static double hits(const double *p, size_t n)
{
    size_t found = 0;
    for (size_t i = 0; i < n; i++) {
        const double *row = p + i * n, partner = row[(i + n / 2) % n];
        size_t better = 0;
        for (size_t k = 0; k < n; k++) better += row[k] > partner;
        found += better == 0;
    }
    return 100.0 * (double)found / (double)n;
}

gp_var gp_nt_xent_scored(gp_tape *t, gp_var a, gp_var b, gp_real tau, double *accuracy)
{
    const size_t B = a.rows, n = 2 * B, cols = a.cols;
    gp_var y = gp_tape_var(t, 1, 1, a.g || b.g);
    if (!y.v) return y;
    assert(b.rows == B && b.cols == cols);
    gp_arena *m = gp_tape_arena(t);
    ntx_rec r = {.a = a, .b = b, .y = y, .tau = (double)tau};
    r.z = gp_arena_alloc_raw(m, n * cols, sizeof *r.z);
    r.norm = gp_arena_alloc_raw(m, n, sizeof *r.norm);
    r.p = gp_arena_alloc_raw(m, n * n, sizeof *r.p);
    r.loss = gp_arena_alloc_raw(m, n, sizeof *r.loss);
    if (!r.z || !r.norm || !r.p || !r.loss) {
        gp_tape_fail(t, GOPRO_E_NOMEM, "out of memory for the contrastive loss");
        return (gp_var){0};
    }
    for (size_t i = 0; i < n; i++) {
        const gp_real *x = (i < B ? a.v : b.v) + i % B * cols;
        double *z = r.z + i * cols;
        for (size_t j = 0; j < cols; j++) z[j] = (double)x[j];
        r.norm[i] = fmax(sqrt(dot(z, z, cols)), 1e-12);
        for (size_t j = 0; j < cols; j++) z[j] /= r.norm[i];
    }
    gp_parallel_for(gp_tape_compute(t)->pool, n, row_fwd, &r);
    double sum = 0;
    for (size_t i = 0; i < n; i++) sum += r.loss[i];
    y.v[0] = (gp_real)(sum / (double)n);
    if (accuracy) *accuracy = hits(r.p, n);
    if (y.g) gp_tape_push(t, nt_xent_bwd, y, &r, sizeof r);
    return y;
}

gp_var gp_nt_xent(gp_tape *t, gp_var a, gp_var b, gp_real tau)
{
    return gp_nt_xent_scored(t, a, b, tau, NULL);
}
