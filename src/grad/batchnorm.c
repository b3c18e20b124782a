/* batchnorm.c - batch normalisation over the rows of a matrix (METHODS 5.5).
 * SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <math.h>

#include "grad/ops.h"

#define BN_EPS      1e-5
#define BN_MOMENTUM 0.1

typedef struct bn_rec {
    gp_var x, gain, bias, y;
    const gp_real *xh;  /* [n, C] normalised x */
    const gp_real *inv; /* [C] 1/sqrt(var + eps) */
    bool training;
} bn_rec;

/* Training: dx += g inv (dy - mean(dy) - xh mean(dy xh)).  Evaluation: dx += g inv dy.  dg += sum dy xh, db += sum dy (METHODS 3.11). */
static void batchnorm_bwd(gp_tape *t, const void *record)
{
    const bn_rec *r = record;
    const size_t n = r->x.rows, cols = r->x.cols;
    (void)t;
    for (size_t j = 0; j < cols; j++) {
        double sum = 0, dot = 0;
        for (size_t i = 0; i < n; i++) {
            sum += (double)r->y.g[i * cols + j];
            dot += (double)r->y.g[i * cols + j] * (double)r->xh[i * cols + j];
        }
        if (r->gain.g) r->gain.g[j] += (gp_real)dot;
        if (r->bias.g) r->bias.g[j] += (gp_real)sum;
        if (!r->x.g) continue;
        const double f = (double)r->gain.v[j] * (double)r->inv[j];
        const double mean = r->training ? sum / (double)n : 0, slope = r->training ? dot / (double)n : 0;
        for (size_t i = 0; i < n; i++) {
            const size_t at = i * cols + j;
            r->x.g[at] += (gp_real)(f * ((double)r->y.g[at] - mean - (double)r->xh[at] * slope));
        }
    }
    gp_reach(r->x);
    gp_reach(r->gain);
    gp_reach(r->bias);
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
    for (size_t j = 0; j < cols; j++) {
        double mean = (double)running_mean[j], var = (double)running_var[j];
        if (training) {
            double sum = 0, sq = 0;
            for (size_t i = 0; i < n; i++) sum += (double)x.v[i * cols + j];
            mean = sum / (double)n;
            for (size_t i = 0; i < n; i++) sq += ((double)x.v[i * cols + j] - mean) * ((double)x.v[i * cols + j] - mean);
            var = sq / (double)n;
            running_mean[j] = (gp_real)((1 - BN_MOMENTUM) * (double)running_mean[j] + BN_MOMENTUM * mean);
            running_var[j] = (gp_real)((1 - BN_MOMENTUM) * (double)running_var[j] + BN_MOMENTUM * sq / (double)(n - 1));
        }
        const double f = 1 / sqrt(var + BN_EPS);
        inv.v[j] = (gp_real)f;
        for (size_t i = 0; i < n; i++) {
            const size_t at = i * cols + j;
            xh.v[at] = (gp_real)(((double)x.v[at] - mean) * f);
            y.v[at] = xh.v[at] * gain.v[j] + bias.v[j];
        }
    }
    if (y.g) gp_tape_push(t, batchnorm_bwd, y, &(bn_rec){x, gain, bias, y, xh.v, inv.v, training}, sizeof(bn_rec));
    return y;
}
