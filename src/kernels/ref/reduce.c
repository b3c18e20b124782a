/* reduce.c - sums over rows, dot products and the statistics of METHODS 3.7 step 1, the reference.
 * SPDX-License-Identifier: Apache-2.0 */
#include <math.h>

#include "kernels/ref/ref.h"

void gpk_sum_rows_ref(gp_real *db, const gp_real *dy, size_t rows, size_t cols)
{
    for (size_t c = 0; c < cols; c++) {
        double sum = 0.0;
        for (size_t r = 0; r < rows; r++) sum += (double)dy[r * cols + c];
        db[c] += (gp_real)sum;
    }
}

double gpk_dot_ref(const gp_real *a, const gp_real *b, size_t n)
{
    double sum = 0.0;
    for (size_t i = 0; i < n; i++) sum += (double)a[i] * (double)b[i];
    return sum;
}

/* mu = mean over the rows, sigma = sqrt((sum (x - mu)^2 + 2.3e-8) / n) */
void gpk_row_stats_ref(gp_real *mu, gp_real *sigma, const gp_real *x, size_t n, size_t cols)
{
    for (size_t c = 0; c < cols; c++) {
        double sum = 0.0, sq = 0.0;
        for (size_t r = 0; r < n; r++) sum += (double)x[r * cols + c];
        const double m = sum / (double)n;
        for (size_t r = 0; r < n; r++) {
            const double d = (double)x[r * cols + c] - m;
            sq += d * d;
        }
        mu[c] = (gp_real)m;
        sigma[c] = (gp_real)sqrt((sq + 2.3e-8) / (double)n);
    }
}
