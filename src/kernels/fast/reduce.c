/* reduce.c - y += x in its forms, sums over rows, dot products and row statistics.
 * SPDX-License-Identifier: Apache-2.0 */
#include "kernels/fast/kernels.h"

#define SUM_BLOCK 32 /* rows that are summed in float before they join the total: keeps the rounding error small */

void GPK(add)(float *restrict y, const float *restrict x, size_t n)
{
    for (size_t i = 0; i < n; i++) y[i] += x[i];
}

void GPK(axpy)(float *restrict y, float a, const float *restrict x, size_t n)
{
    for (size_t i = 0; i < n; i++) y[i] += a * x[i];
}

void GPK(add_rows)(float *restrict y, const float *restrict b, size_t rows, size_t cols)
{
    for (size_t r = 0; r < rows; r++)
        for (size_t c = 0; c < cols; c++) y[r * cols + c] += b[c];
}

/* The sum of x[0], x[cols], x[2 cols], ... for VL columns, in blocks. */
static inline vf column_sum(const float *x, vm t, size_t rows, size_t cols)
{
    vf total = v_set(0.0f);
    for (size_t first = 0; first < rows; first += SUM_BLOCK) {
        const size_t last = gp_min_size(first + SUM_BLOCK, rows);
        vf s = v_set(0.0f);
        for (size_t r = first; r < last; r++) s = v_add(s, v_load_m(t, x + r * cols));
        total = v_add(total, s);
    }
    return total;
}

/* Blocks of rows outside, so that memory is read in order; db collects the blocks in order. */
void GPK(sum_rows)(float *db, const float *dy, size_t rows, size_t cols)
{
    for (size_t first = 0; first < rows; first += SUM_BLOCK) {
        const size_t n = gp_min_size(SUM_BLOCK, rows - first);
        for (size_t c = 0; c < cols; c += VL) {
            const vm t = v_lanes(gp_min_size(VL, cols - c));
            v_store_m(db + c, t, v_add(v_load_m(t, db + c), column_sum(dy + first * cols + c, t, n, cols)));
        }
    }
}

double GPK(dot)(const float *a, const float *b, size_t n)
{
    __m256d s0 = _mm256_setzero_pd(), s1 = s0;
    size_t i = 0;
    for (; i + 8 <= n; i += 8) {
        s0 = _mm256_fmadd_pd(_mm256_cvtps_pd(_mm_loadu_ps(a + i)), _mm256_cvtps_pd(_mm_loadu_ps(b + i)), s0);
        s1 = _mm256_fmadd_pd(_mm256_cvtps_pd(_mm_loadu_ps(a + i + 4)), _mm256_cvtps_pd(_mm_loadu_ps(b + i + 4)), s1);
    }
    double part[4], sum;
    _mm256_storeu_pd(part, _mm256_add_pd(s0, s1));
    sum = (part[0] + part[1]) + (part[2] + part[3]);
    for (; i < n; i++) sum += (double)a[i] * (double)b[i];
    return sum;
}

/* sigma = sqrt((sum (x - mu)^2 + 2.3e-8) / n), two passes; METHODS 3.7 step 1. */
void GPK(row_stats)(float *mu, float *sigma, const float *x, size_t n, size_t cols)
{
    const vf inv = v_set(1.0f / (float)n);
    for (size_t c = 0; c < cols; c += VL) {
        const vm t = v_lanes(gp_min_size(VL, cols - c));
        const vf m = v_mul(column_sum(x + c, t, n, cols), inv);
        vf total = v_set(2.3e-8f);
        for (size_t first = 0; first < n; first += SUM_BLOCK) {
            const size_t last = gp_min_size(first + SUM_BLOCK, n);
            vf s = v_set(0.0f);
            for (size_t r = first; r < last; r++) {
                const vf d = v_sub(v_load_m(t, x + r * cols + c), m);
                s = v_fma(d, d, s);
            }
            total = v_add(total, s);
        }
        v_store_m(mu + c, t, m);
        v_store_m(sigma + c, t, v_sqrt(v_mul(total, inv)));
    }
}
