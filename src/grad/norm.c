/* norm.c - rows scaled to a given length.
 * SPDX-License-Identifier: Apache-2.0 */
#include <math.h>

#include "grad/ops.h"

#define SMALLEST_NORM 1e-12 /* METHODS 0 */

typedef struct unit_rec {
    gp_var x, y;
    double length;
} unit_rec;

/* y = L x/||x||:  dx += L/||x|| (dy - xh <xh, dy>), xh = x/||x||; below the smallest norm y is linear in x (METHODS 3.11) */
static void unit_rows_bwd(gp_tape *t, const void *record)
{
    const unit_rec *r = record;
    const gp_kernels *k = gp_tape_compute(t)->k;
    const size_t cols = r->x.cols;
    for (size_t i = 0; i < r->x.rows; i++) {
        const gp_real *x = r->x.v + i * cols, *dy = r->y.g + i * cols;
        gp_real *dx = r->x.g + i * cols;
        const double norm = sqrt(k->dot(x, x, cols));
        const double f = r->length / fmax(norm, SMALLEST_NORM);
        k->axpy(dx, (gp_real)f, dy, cols);
        if (norm > SMALLEST_NORM) k->axpy(dx, (gp_real)(-f * k->dot(x, dy, cols) / (norm * norm)), x, cols);
    }
    gp_reach(r->x);
}

gp_var gp_unit_rows(gp_tape *t, gp_var x, gp_real length)
{
    gp_var y = gp_tape_var(t, x.rows, x.cols, x.g != NULL);
    if (!y.v) return y;
    const gp_kernels *k = gp_tape_compute(t)->k;
    for (size_t i = 0; i < x.rows; i++) {
        const gp_real *row = x.v + i * x.cols;
        const double f = (double)length / fmax(sqrt(k->dot(row, row, x.cols)), SMALLEST_NORM);
        for (size_t j = 0; j < x.cols; j++) y.v[i * x.cols + j] = (gp_real)(f * (double)row[j]);
    }
    if (y.g) gp_tape_push(t, unit_rows_bwd, y, &(unit_rec){x, y, (double)length}, sizeof(unit_rec));
    return y;
}
