/* gemm.c - the calls of gemm.h: they choose between oneDNN and the plain GEMM.
 * SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <stdlib.h>

#include "kernels/gemm_impl.h"

void gp_gemm_count(gp_compute *c, uint64_t macs)
{
    atomic_fetch_add_explicit(&gp_full(c)->macs, macs, memory_order_relaxed);
}

static void count(gp_compute *c, size_t m, size_t n, size_t k)
{
    gp_gemm_count(c, (uint64_t)m * n * k);
}

uint64_t gp_gemm_macs(const gp_compute *c)
{
    return atomic_load_explicit(&((const gp_compute_full *)c)->macs, memory_order_relaxed);
}

static gopro_status pack_forms(gp_mat *m, gp_compute *c, unsigned uses, gopro_error *err)
{
#ifndef GP_REAL_IS_DOUBLE
    if ((uses & GP_MAT_FWD) && !m->fwd) GP_TRY(gp_packed_create(&m->fwd, c, m, false, &m->bytes, err));
    if ((uses & GP_MAT_BWD) && !m->bwd) GP_TRY(gp_packed_create(&m->bwd, c, m, true, &m->bytes, err));
#else
    (void)m, (void)c, (void)uses, (void)err;
#endif
    return GOPRO_OK;
}

gopro_status gp_mat_create(gp_mat **m, gp_compute *c, const gp_real *w, size_t out, size_t in, gp_precision prec, unsigned uses,
                           gopro_error *err)
{
    assert(out > 0 && in > 0 && uses);
    *m = NULL;
    gp_mat *t = calloc(1, sizeof *t);
    if (!t) return gp_fail_nomem(err, sizeof *t, "a weight matrix");
    *t = (gp_mat){.w = w, .out = out, .in = in, .prec = prec, .uses = uses};
    gopro_status st;
    st = c->plain_gemm ? gp_plain_mat_init(t, err) : pack_forms(t, c, uses, err);
    if (st == GOPRO_OK)
        *m = t;
    else
        gp_mat_free(&t);
    return st;
}

gopro_status gp_mat_add_uses(gp_mat *m, gp_compute *c, unsigned uses, gopro_error *err)
{
    if (!c->plain_gemm) GP_TRY(pack_forms(m, c, uses, err)); /* the plain GEMM reads the one form it has both ways */
    m->uses |= uses;
    return GOPRO_OK;
}

void gp_mat_free(gp_mat **m)
{
    if (!m || !*m) return;
#ifndef GP_REAL_IS_DOUBLE
    gp_packed_free(&(*m)->fwd);
    gp_packed_free(&(*m)->bwd);
#endif
    free((*m)->rounded);
    free(*m);
    *m = NULL;
}

void gp_mat_repack(gp_mat *m, gp_compute *c, size_t worker)
{
    if (c->plain_gemm) {
        gp_plain_repack(m);
        return;
    }
#ifndef GP_REAL_IS_DOUBLE
    if (m->fwd) gp_packed_repack(m->fwd, c, worker);
    if (m->bwd) gp_packed_repack(m->bwd, c, worker);
#else
    (void)worker;
#endif
}

size_t gp_mat_bytes(const gp_mat *m)
{
    return m->bytes;
}

bool gp_mat_half(const gp_mat *m, const gp_compute *c)
{
    return m->prec == GP_BF16 && !c->plain_gemm;
}

/* Rows that a product only reads. */
static gp_operand reals(const gp_real *x)
{
    return (gp_operand){.f = (gp_real *)(uintptr_t)x};
}

void gp_mat_fwd(const gp_mat *m, gp_compute *c, size_t worker, gp_real *y, const gp_real *x, const gp_real *bias, size_t rows, bool add)
{
    gp_mat_fwd_rows(m, c, worker, (gp_operand){.f = y}, reals(x), bias, rows, add);
}

void gp_mat_bwd(const gp_mat *m, gp_compute *c, size_t worker, gp_real *dx, const gp_real *dy, size_t rows, bool add)
{
    gp_mat_bwd_rows(m, c, worker, (gp_operand){.f = dx}, reals(dy), rows, add);
}

void gp_mat_fwd_rows(const gp_mat *m, gp_compute *c, size_t worker, gp_operand y, gp_operand x, const gp_real *bias, size_t rows, bool add)
{
    assert((m->uses & GP_MAT_FWD) && rows <= GP_ROW_BLOCK && ((!x.h && !y.h) || gp_mat_half(m, c)) && !(add && y.h));
    if (rows == 0) return;
    count(c, rows, m->out, m->in);
    if (c->plain_gemm) {
        gp_plain_mat(m, c, worker, false, y.f, x.f, bias, rows, add);
        return;
    }
#ifndef GP_REAL_IS_DOUBLE
    gp_packed_mul(m->fwd, c, worker, y, x, bias, rows, add);
#endif
}

void gp_mat_bwd_rows(const gp_mat *m, gp_compute *c, size_t worker, gp_operand dx, gp_operand dy, size_t rows, bool add)
{
    assert((m->uses & GP_MAT_BWD) && rows <= GP_ROW_BLOCK && ((!dx.h && !dy.h) || gp_mat_half(m, c)) && !(add && dx.h));
    if (rows == 0) return;
    count(c, rows, m->out, m->in);
    if (c->plain_gemm) {
        gp_plain_mat(m, c, worker, true, dx.f, dy.f, NULL, rows, add);
        return;
    }
#ifndef GP_REAL_IS_DOUBLE
    gp_packed_mul(m->bwd, c, worker, dx, dy, NULL, rows, add);
#endif
}

void gp_gemm_dw(gp_compute *c, gp_precision prec, gp_real *dw, const gp_real *dy, const gp_real *x, size_t rows, size_t out, size_t in)
{
    if (rows == 0 || out == 0 || in == 0) return;
    count(c, rows, out, in);
    if (c->plain_gemm) {
        gp_plain_dw(c, prec, dw, dy, x, rows, out, in);
        return;
    }
#ifndef GP_REAL_IS_DOUBLE
    if (prec == GP_BF16 && gp_onednn_dw_bf16(c, dw, dy, x, rows, out, in)) return;
    gp_onednn_dw_f32(c, dw, dy, x, rows, out, in);
#endif
}

#ifndef GP_REAL_IS_DOUBLE
/* Below this many multiply-adds a call into oneDNN costs more than the product. */
#define TINY 4096

static void gemm_tiny(bool ta, bool tb, size_t m, size_t n, size_t k, float alpha, const float *a, size_t lda, const float *b, size_t ldb,
                      float beta, float *c, size_t ldc)
{
    for (size_t i = 0; i < m; i++) {
        float *ci = c + i * ldc;
        if (beta == 0.0f)
            for (size_t j = 0; j < n; j++) ci[j] = 0.0f;
        else if (beta != 1.0f)
            for (size_t j = 0; j < n; j++) ci[j] *= beta;
        if (tb) {
            for (size_t j = 0; j < n; j++) {
                float sum = 0.0f;
                for (size_t p = 0; p < k; p++) sum += (ta ? a[p * lda + i] : a[i * lda + p]) * b[j * ldb + p];
                ci[j] += alpha * sum;
            }
        } else {
            for (size_t p = 0; p < k; p++) {
                const float s = alpha * (ta ? a[p * lda + i] : a[i * lda + p]);
                for (size_t j = 0; j < n; j++) ci[j] += s * b[p * ldb + j];
            }
        }
    }
}
#endif

void gp_gemm(gp_compute *c, bool ta, bool tb, size_t m, size_t n, size_t k, gp_real alpha, const gp_real *a, size_t lda, const gp_real *b,
             size_t ldb, gp_real beta, gp_real *cc, size_t ldc)
{
    count(c, m, n, k);
    if (c->plain_gemm || k == 0) {
        gp_gemm_ref(ta, tb, m, n, k, alpha, a, lda, b, ldb, beta, cc, ldc);
        return;
    }
#ifndef GP_REAL_IS_DOUBLE
    if (m * n * k <= TINY)
        gemm_tiny(ta, tb, m, n, k, alpha, a, lda, b, ldb, beta, cc, ldc);
    else
        gp_onednn_sgemm(c, ta, tb, m, n, k, alpha, a, lda, b, ldb, beta, cc, ldc);
#endif
}
