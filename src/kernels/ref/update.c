/* update.c - y += x in its forms, the reference.
 * SPDX-License-Identifier: Apache-2.0 */
#include "kernels/ref/ref.h"

void gpk_add_ref(gp_real *y, const gp_real *x, size_t n)
{
    for (size_t i = 0; i < n; i++) y[i] += x[i];
}

void gpk_axpy_ref(gp_real *y, gp_real a, const gp_real *x, size_t n)
{
    for (size_t i = 0; i < n; i++) y[i] += a * x[i];
}

void gpk_add_rows_ref(gp_real *y, const gp_real *b, size_t rows, size_t cols)
{
    for (size_t r = 0; r < rows; r++)
        for (size_t c = 0; c < cols; c++) y[r * cols + c] += b[c];
}
