/* gemm_plain.c - the matrix products of gemm.h on the reference GEMM: the double build, and processors set to "ref".
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "kernels/gemm_impl.h"

/* What bf16 leaves of x.  The double build is for gradients and does not round. */
static gp_real round_bf16(gp_real x)
{
#ifdef GP_REAL_IS_DOUBLE
    return x;
#else
    return gp_bf16_to(gp_bf16_from(x));
#endif
}

gopro_status gp_plain_mat_init(gp_mat *m, gopro_error *err)
{
    if (m->prec != GP_BF16) return GOPRO_OK;
    size_t n, bytes;
    if (!gp_mul_size(&n, m->out, m->in) || !gp_mul_size(&bytes, n, sizeof(gp_real)) || !(m->rounded = malloc(bytes)))
        return gp_fail_nomem(err, m->out * m->in, "a weight matrix");
    m->bytes = bytes;
    gp_plain_repack(m);
    return GOPRO_OK;
}

void gp_plain_repack(gp_mat *m)
{
    if (!m->rounded) return;
    for (size_t i = 0; i < m->out * m->in; i++) m->rounded[i] = round_bf16(m->w[i]);
}

void gp_plain_mat(const gp_mat *m, gp_compute *c, size_t worker, bool bwd, gp_real *y, const gp_real *x, const gp_real *bias, size_t rows,
                  bool add)
{
    const size_t n = bwd ? m->in : m->out, k = bwd ? m->out : m->in;
    if (m->rounded) {
        gp_real *xr = gp_buf_get(&c->worker[worker]->x, rows * k, sizeof *xr);
        if (!xr) {
            gp_compute_fail(c, "out of memory in a matrix product");
            return;
        }
        for (size_t i = 0; i < rows * k; i++) xr[i] = round_bf16(x[i]);
        x = xr;
    }
    gp_gemm_ref(false, !bwd, rows, n, k, 1, x, k, m->rounded ? m->rounded : m->w, m->in, add ? 1 : 0, y, n);
    for (size_t r = 0; bias && r < rows; r++)
        for (size_t j = 0; j < n; j++) y[r * n + j] += bias[j];
}

#define DW_BLOCK 16

typedef struct dw_job {
    gp_precision prec;
    gp_real *dw;
    const gp_real *dy, *x;
    size_t rows, out, in;
} dw_job;

static void dw_block(void *arg, size_t block, size_t worker)
{
    (void)worker;
    const dw_job *j = arg;
    const size_t first = block * DW_BLOCK, last = gp_min_size(first + DW_BLOCK, j->out);
    if (j->prec == GP_F32) {
        gp_gemm_ref(true, false, last - first, j->in, j->rows, 1, j->dy + first, j->out, j->x, j->in, 1, j->dw + first * j->in, j->in);
        return;
    }
    for (size_t o = first; o < last; o++)
        for (size_t i = 0; i < j->in; i++) {
            double sum = 0.0;
            for (size_t r = 0; r < j->rows; r++) sum += (double)round_bf16(j->dy[r * j->out + o]) * (double)round_bf16(j->x[r * j->in + i]);
            j->dw[o * j->in + i] += (gp_real)sum;
        }
}

void gp_plain_dw(gp_compute *c, gp_precision prec, gp_real *dw, const gp_real *dy, const gp_real *x, size_t rows, size_t out, size_t in)
{
    dw_job j = {prec, dw, dy, x, rows, out, in};
    gp_parallel_for(c->pool, (out + DW_BLOCK - 1) / DW_BLOCK, dw_block, &j);
}
