/* layernorm.c - layer normalisation of rows and its backward pass, the reference.
 * SPDX-License-Identifier: Apache-2.0 */
#include <math.h>

#include "kernels/bf16.h"
#include "kernels/ref/ref.h"

/* y = (x - mean) rstd g + b, rstd = 1 / sqrt(var + eps), var biased; METHODS 0.  Sums in double. */
static void norm_rows(gp_real *y, uint16_t *yh, gp_real *mean, gp_real *rstd, const gp_real *x, const gp_real *g, const gp_real *b,
                      gp_real eps, size_t rows, size_t cols)
{
    for (size_t r = 0; r < rows; r++) {
        const gp_real *xr = x + r * cols;
        double sum = 0.0, sq = 0.0;
        for (size_t c = 0; c < cols; c++) sum += (double)xr[c];
        const double m = sum / (double)cols;
        for (size_t c = 0; c < cols; c++) {
            const double d = (double)xr[c] - m;
            sq += d * d;
        }
        const double rs = 1.0 / sqrt(sq / (double)cols + (double)eps);
        for (size_t c = 0; c < cols; c++) {
            const gp_real v = (gp_real)(((double)xr[c] - m) * rs * (double)g[c] + (double)b[c]);
            if (yh)
                yh[r * cols + c] = gp_bf16_from((float)v);
            else
                y[r * cols + c] = v;
        }
        if (mean) mean[r] = (gp_real)m;
        if (rstd) rstd[r] = (gp_real)rs;
    }
}

void gpk_layernorm_fwd_ref(gp_real *y, gp_real *mean, gp_real *rstd, const gp_real *x, const gp_real *g, const gp_real *b, gp_real eps,
                           size_t rows, size_t cols)
{
    norm_rows(y, NULL, mean, rstd, x, g, b, eps, rows, cols);
}

void gpk_layernorm_half_ref(uint16_t *y, gp_real *mean, gp_real *rstd, const gp_real *x, const gp_real *g, const gp_real *b, gp_real eps,
                            size_t rows, size_t cols)
{
    norm_rows(NULL, y, mean, rstd, x, g, b, eps, rows, cols);
}

/* With xhat = (x - mean) rstd and w = dy g: dx += rstd (w - mean(w) - xhat mean(w xhat)); dg += sum dy xhat, db += sum dy. */
void gpk_layernorm_bwd_ref(gp_real *dx, gp_real *dg, gp_real *db, const gp_real *dy, const gp_real *x, const gp_real *g,
                           const gp_real *mean, const gp_real *rstd, size_t rows, size_t cols)
{
    for (size_t r = 0; r < rows; r++) {
        const gp_real *xr = x + r * cols, *dyr = dy + r * cols;
        gp_real *dxr = dx + r * cols;
        const double m = (double)mean[r], rs = (double)rstd[r];
        double sw = 0.0, swx = 0.0;
        for (size_t c = 0; c < cols; c++) {
            const double xhat = ((double)xr[c] - m) * rs, w = (double)dyr[c] * (double)g[c];
            sw += w;
            swx += w * xhat;
        }
        sw /= (double)cols;
        swx /= (double)cols;
        for (size_t c = 0; c < cols; c++) {
            const double xhat = ((double)xr[c] - m) * rs, w = (double)dyr[c] * (double)g[c];
            dxr[c] += (gp_real)(rs * (w - sw - xhat * swx));
            if (dg) {
                dg[c] += (gp_real)((double)dyr[c] * xhat);
                db[c] += dyr[c];
            }
        }
    }
}
