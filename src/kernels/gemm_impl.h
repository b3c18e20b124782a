/* gemm_impl.h - what compute.c and the GEMM files share: workers, their buffers, and the two implementations behind gemm.h.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef GP_GEMM_IMPL_H
#define GP_GEMM_IMPL_H

#include <stdatomic.h>

#include "kernels/bf16.h"
#include "kernels/gemm.h"

/* A 64-byte aligned buffer that only grows; its contents do not survive growing. */
typedef struct gp_buf {
    void *p;
    size_t bytes;
} gp_buf;

typedef struct gp_onednn gp_onednn; /* engine and primitive cache */

struct dnnl_stream;

struct gp_worker {
    gp_arena *scratch;
    gp_buf x, y, work; /* padded or converted inputs, padded outputs, oneDNN's scratchpad */
    struct dnnl_stream *stream;
};

/* gp_compute as gp_compute_create makes it; the public part comes first. */
typedef struct gp_compute_full {
    gp_compute pub;
    _Atomic(const char *) failed;
    _Atomic(uint64_t) macs;
    gp_onednn *onednn; /* NULL: plain GEMM */
    const gp_bf16_ops *bf16;
    gp_buf dw_a, dw_b, dw_c; /* gp_gemm_dw's converted inputs and transposed output */
} gp_compute_full;

static inline gp_compute_full *gp_full(gp_compute *c)
{
    return (gp_compute_full *)c;
}

void *gp_buf_get(gp_buf *b, size_t count, size_t size); /* NULL when out of memory */
void gp_buf_free(gp_buf *b);

/* One packed form of a matrix: y [rows, n] = x [rows, k] B, B = W^T (forward) or W (backward). */
typedef struct gp_packed gp_packed;

struct gp_mat {
    const gp_real *w;
    size_t out, in;
    gp_precision prec;
    unsigned uses;
    gp_real *rounded;     /* plain GEMM in bf16: w after rounding, else NULL */
    gp_packed *fwd, *bwd; /* oneDNN, NULL if unused */
    size_t bytes;
};

/* gemm_plain.c */
gopro_status gp_plain_mat_init(gp_mat *m, gopro_error *err);
void gp_plain_repack(gp_mat *m);
void gp_plain_mat(const gp_mat *m, gp_compute *c, size_t worker, bool bwd, gp_real *y, const gp_real *x, const gp_real *bias, size_t rows,
                  bool add);
void gp_plain_dw(gp_compute *c, gp_precision prec, gp_real *dw, const gp_real *dy, const gp_real *x, size_t rows, size_t out, size_t in);

#ifndef GP_REAL_IS_DOUBLE
/* gemm_onednn.c */
gopro_status gp_onednn_create(gp_compute_full *f, gopro_error *err);
void gp_onednn_free(gp_compute_full *f);
gopro_status gp_packed_create(gp_packed **p, gp_compute *c, const gp_mat *m, bool bwd, size_t *bytes, gopro_error *err);
void gp_packed_free(gp_packed **p);
void gp_packed_repack(gp_packed *p, gp_compute *c, size_t worker);
void gp_packed_mul(const gp_packed *p, gp_compute *c, size_t worker, gp_operand y, gp_operand x, const float *bias, size_t rows, bool add);
void gp_onednn_dw_f32(gp_compute *c, float *dw, const float *dy, const float *x, size_t rows, size_t out, size_t in);
/* False if the machine's layout is not one we can write: nothing was done then. */
bool gp_onednn_dw_bf16(gp_compute *c, float *dw, const float *dy, const float *x, size_t rows, size_t out, size_t in);
void gp_onednn_sgemm(gp_compute *c, bool ta, bool tb, size_t m, size_t n, size_t k, float alpha, const float *a, size_t lda, const float *b,
                     size_t ldb, float beta, float *cc, size_t ldc);
#endif

#endif
