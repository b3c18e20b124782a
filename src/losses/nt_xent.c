/* nt_xent.c - the contrastive loss of two views (METHODS 3.2a, 3.11): each of the 2B rows must find its partner among the other 2B - 1.
 * SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <math.h>
#include <string.h>

#include "losses/losses.h"

typedef struct ntx_rec {
    gp_var a, b, y;
    const double *z;    /* [2B, C] normalised rows of a, then b */
    const double *norm; /* [2B] */
    const double *p;    /* [2B, 2B] softmax without the diagonal */
    double tau;
} ntx_rec;

static double dot(const double *x, const double *y, size_t n)
{
    double sum = 0;
    for (size_t j = 0; j < n; j++) sum += x[j] * y[j];
    return sum;
}

/* dZ = (G + G^T) Z / tau with G = (P - Y)/(2B), then dx += (dz - z <z, dz>)/||x|| */
static void nt_xent_bwd(gp_tape *t, const void *record)
{
    const ntx_rec *r = record;
    const size_t B = r->a.rows, n = 2 * B, cols = r->a.cols;
    const double scale = (double)r->y.g[0] / ((double)n * r->tau);
    double *dz = gp_arena_alloc_raw(gp_tape_arena(t), cols, sizeof *dz);
    if (!dz) {
        gp_tape_fail(t, GOPRO_E_NOMEM, "out of memory for a gradient");
        return;
    }
    for (size_t i = 0; i < n; i++) {
        const gp_var x = i < B ? r->a : r->b;
        if (!x.g) continue;
        const double *z = r->z + i * cols;
        memset(dz, 0, cols * sizeof *dz);
        for (size_t k = 0; k < n; k++) {
            if (k == i) continue;
            const double partner = k == (i + B) % n ? 1 : 0;
            const double g = scale * (r->p[i * n + k] + r->p[k * n + i] - 2 * partner);
            for (size_t j = 0; j < cols; j++) dz[j] += g * r->z[k * cols + j];
        }
        const double along = dot(z, dz, cols);
        gp_real *dx = x.g + i % B * cols;
        for (size_t j = 0; j < cols; j++) dx[j] += (gp_real)((dz[j] - along * z[j]) / r->norm[i]);
    }
    gp_reach(r->a);
    gp_reach(r->b);
}

/* p = the softmax of row i of S = Z Z^T / tau without its diagonal; returns -log p of the partner. */
static double softmax_row(double *p, const double *z, size_t i, size_t n, size_t cols, double tau)
{
    double top = -HUGE_VAL, sum = 0;
    for (size_t k = 0; k < n; k++) {
        p[k] = k == i ? -HUGE_VAL : dot(z + i * cols, z + k * cols, cols) / tau;
        top = fmax(top, p[k]);
    }
    const double target = p[(i + n / 2) % n];
    for (size_t k = 0; k < n; k++) {
        p[k] = k == i ? 0 : exp(p[k] - top);
        sum += p[k];
    }
    for (size_t k = 0; k < n; k++) p[k] /= sum;
    return top + log(sum) - target;
}

gp_var gp_nt_xent(gp_tape *t, gp_var a, gp_var b, gp_real tau)
{
    const size_t B = a.rows, n = 2 * B, cols = a.cols;
    gp_var y = gp_tape_var(t, 1, 1, a.g || b.g);
    if (!y.v) return y;
    assert(b.rows == B && b.cols == cols);
    gp_arena *m = gp_tape_arena(t);
    double *z = gp_arena_alloc_raw(m, n * cols, sizeof *z), *norm = gp_arena_alloc_raw(m, n, sizeof *norm);
    double *p = gp_arena_alloc_raw(m, n * n, sizeof *p);
    if (!z || !norm || !p) {
        gp_tape_fail(t, GOPRO_E_NOMEM, "out of memory for the contrastive loss");
        return (gp_var){0};
    }
    for (size_t i = 0; i < n; i++) {
        const gp_real *x = (i < B ? a.v : b.v) + i % B * cols;
        for (size_t j = 0; j < cols; j++) z[i * cols + j] = (double)x[j];
        norm[i] = fmax(sqrt(dot(z + i * cols, z + i * cols, cols)), 1e-12);
        for (size_t j = 0; j < cols; j++) z[i * cols + j] /= norm[i];
    }
    double sum = 0;
    for (size_t i = 0; i < n; i++) sum += softmax_row(p + i * n, z, i, n, cols, (double)tau);
    y.v[0] = (gp_real)(sum / (double)n);
    if (y.g) gp_tape_push(t, nt_xent_bwd, y, &(ntx_rec){a, b, y, z, norm, p, (double)tau}, sizeof(ntx_rec));
    return y;
}
