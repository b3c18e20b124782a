/* gemm_ref.c - the matrix product by its definition, sums in double: the oracle.
 * SPDX-License-Identifier: Apache-2.0 */
#include "kernels/gemm.h"

static void store(gp_real *c, gp_real alpha, double sum, gp_real beta)
{
    const double old = beta == 0 ? 0.0 : (double)beta * (double)*c; /* beta = 0 overwrites whatever was there */
    *c = (gp_real)((double)alpha * sum + old);
}

/* C [m, n] = alpha op(A) [m, k] op(B) [k, n] + beta C */
void gp_gemm_ref(bool ta, bool tb, size_t m, size_t n, size_t k, gp_real alpha, const gp_real *a, size_t lda, const gp_real *b, size_t ldb,
                 gp_real beta, gp_real *c, size_t ldc)
{
    const size_t a_row = ta ? 1 : lda, a_col = ta ? lda : 1, b_row = tb ? 1 : ldb, b_col = tb ? ldb : 1;
    for (size_t i = 0; i < m; i++) {
        const gp_real *ai = a + i * a_row;
        size_t j = 0;
        for (; j + 4 <= n; j += 4) { /* four sums at once, each in its own order: the same numbers, less waiting */
            double sum[4] = {0};
            for (size_t p = 0; p < k; p++)
                for (size_t q = 0; q < 4; q++) sum[q] += (double)ai[p * a_col] * (double)b[p * b_row + (j + q) * b_col];
            for (size_t q = 0; q < 4; q++) store(&c[i * ldc + j + q], alpha, sum[q], beta);
        }
        for (; j < n; j++) {
            double sum = 0.0;
            for (size_t p = 0; p < k; p++) sum += (double)ai[p * a_col] * (double)b[p * b_row + j * b_col];
            store(&c[i * ldc + j], alpha, sum, beta);
        }
    }
}
