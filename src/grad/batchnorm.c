/* batchnorm.c - batch normalisation over the rows of a matrix (METHODS 5.5).
 * SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <math.h>

#include "grad/ops.h"

#define BN_EPS      1e-5
#define BN_MOMENTUM 0.1

enum { BN_BLOCK = 32 }; /* columns that a worker takes at a time */

typedef struct bn_rec {
    gp_var x, gain, bias, y;
    gp_real *xh;  /* [n, C] normalised x */
    gp_real *inv; /* [C] 1/sqrt(var + eps) */
    gp_real *running_mean, *running_var;
    bool training;
} bn_rec;

typedef void bn_column(const bn_rec *r, size_t j);

typedef struct bn_job {
    const bn_rec *r;
    bn_column *fn;
} bn_job;

static void bn_block(void *arg, size_t block, size_t worker)
{
    const bn_job *j = arg;
    const size_t end = gp_min_size((block + 1) * BN_BLOCK, j->r->x.cols);
    (void)worker;
    for (size_t i = block * BN_BLOCK; i < end; i++) j->fn(j->r, i);
}

static void each_column(gp_tape *t, const bn_rec *r, bn_column *fn)
{
    gp_parallel_for(gp_tape_compute(t)->pool, (r->x.cols + BN_BLOCK - 1) / BN_BLOCK, bn_block, &(bn_job){r, fn});
}

/* Training: dx += g inv (dy - mean(dy) - xh mean(dy xh)).  Evaluation: dx += g inv dy.  dg += sum dy xh, db += sum dy (METHODS 3.11). */
static void column_bwd(const bn_rec *r, size_t j)
{
    const size_t n = r->x.rows, cols = r->x.cols;
    double sum = 0, dot = 0;
    for (size_t i = 0; i < n; i++) {
        sum += (double)r->y.g[i * cols + j];
        dot += (double)r->y.g[i * cols + j] * (double)r->xh[i * cols + j];
    }
    if (r->gain.g) r->gain.g[j] += (gp_real)dot;
    if (r->bias.g) r->bias.g[j] += (gp_real)sum;
    if (!r->x.g) return;
    const double f = (double)r->gain.v[j] * (double)r->inv[j];
    const double mean = r->training ? sum / (double)n : 0, slope = r->training ? dot / (double)n : 0;
    for (size_t i = 0; i < n; i++) {
        const size_t at = i * cols + j;
        r->x.g[at] += (gp_real)(f * ((double)r->y.g[at] - mean - (double)r->xh[at] * slope));
    }
}

static void batchnorm_bwd(gp_tape *t, const void *record)
{
    const bn_rec *r = record;
    each_column(t, r, column_bwd);
    gp_reach(r->x);
    gp_reach(r->gain);
    gp_reach(r->bias);
}

static void column_fwd(const bn_rec *r, size_t j)
{
    const size_t n = r->x.rows, cols = r->x.cols;
    double mean = (double)r->running_mean[j], var = (double)r->running_var[j];
    if (r->training) {
        double sum = 0, sq = 0;
        for (size_t i = 0; i < n; i++) sum += (double)r->x.v[i * cols + j];
        mean = sum / (double)n;
        for (size_t i = 0; i < n; i++) sq += ((double)r->x.v[i * cols + j] - mean) * ((double)r->x.v[i * cols + j] - mean);
        var = sq / (double)n;
        r->running_mean[j] = (gp_real)((1 - BN_MOMENTUM) * (double)r->running_mean[j] + BN_MOMENTUM * mean);
        r->running_var[j] = (gp_real)((1 - BN_MOMENTUM) * (double)r->running_var[j] + BN_MOMENTUM * sq / (double)(n - 1));
    }
    const double f = 1 / sqrt(var + BN_EPS);
    r->inv[j] = (gp_real)f;
    for (size_t i = 0; i < n; i++) {
        const size_t at = i * cols + j;
        r->xh[at] = (gp_real)(((double)r->x.v[at] - mean) * f);
        r->y.v[at] = r->xh[at] * r->gain.v[j] + r->bias.v[j];
    }
}

gp_var gp_batchnorm(gp_tape *t, gp_var x, gp_var gain, gp_var bias, gp_real *running_mean, gp_real *running_var, bool training)
{
    const size_t n = x.rows, cols = x.cols;
    if (training && n < 2)
        gp_tape_fail(t, GOPRO_E_INVALID, "batch normalisation needs at least 2 images in every training batch; raise optim.batch");
    gp_var y = gp_tape_var(t, n, cols, x.g || gain.g || bias.g);
    gp_var xh = gp_tape_var(t, n, cols, false), inv = gp_tape_var(t, 1, cols, false);
    if (!y.v || !xh.v || !inv.v) return (gp_var){0};
    assert(gain.cols == cols && bias.cols == cols);
    const bn_rec r = {x, gain, bias, y, xh.v, inv.v, running_mean, running_var, training};
    each_column(t, &r, column_fwd);
    if (y.g) gp_tape_push(t, batchnorm_bwd, y, &r, sizeof r);
    return y;
}
