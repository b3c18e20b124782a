/* gemm.h - matrix products with weights that are packed once.  Every call runs on the calling worker alone; callers cut rows into
 * GP_ROW_BLOCK blocks and spread them over the pool.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef GP_GEMM_H
#define GP_GEMM_H

#include "kernels/compute.h"

typedef struct gp_mat gp_mat; /* W [out, in] in the packed forms its uses need */

enum { GP_MAT_FWD = 1, GP_MAT_BWD = 2 };

/* Packs w [out, in] (row-major, borrowed: kept by pointer for the plain GEMM, must outlive m) for y = x W^T (FWD) and dx = dy W (BWD).
 * One gp_mat may be used by all workers at once.  prec: of the GEMM's inputs. */
gopro_status gp_mat_create(gp_mat **m, gp_compute *c, const gp_real *w, size_t out, size_t in, gp_precision prec, unsigned uses,
                           gopro_error *err);
void gp_mat_free(gp_mat **m);
/* Packs the forms of `uses` that are missing, as when something first wants gradients of a tower that was only to run forward. */
gopro_status gp_mat_add_uses(gp_mat *m, gp_compute *c, unsigned uses, gopro_error *err);
/* Packs again after the numbers behind w changed (pretraining). Runs on the caller; different matrices may be repacked in parallel
 * by different workers. */
void gp_mat_repack(gp_mat *m, gp_compute *c, size_t worker);
size_t gp_mat_bytes(const gp_mat *m);

/* y [rows, out] = x [rows, in] W^T + bias (bias [out] or NULL); add: y += instead.  rows <= GP_ROW_BLOCK.  y must not overlap x.
 * To the last bit, a row of y depends on its row of x alone; and a number of it on its row of W alone if `out` is a multiple of 16:
 * then part of W gives the part of y that the whole of it gives. */
void gp_mat_fwd(const gp_mat *m, gp_compute *c, size_t worker, gp_real *y, const gp_real *x, const gp_real *bias, size_t rows, bool add);
/* dx [rows, in] = dy [rows, out] W; add: dx += instead.  rows <= GP_ROW_BLOCK. */
void gp_mat_bwd(const gp_mat *m, gp_compute *c, size_t worker, gp_real *dx, const gp_real *dy, size_t rows, bool add);

/* Rows of numbers for or from a product: reals, or bf16 where h is not NULL. */
typedef struct gp_operand {
    gp_real *f;
    uint16_t *h;
} gp_operand;

/* True if products with m take and give rows in bf16: oneDNN, and weights in bf16. */
bool gp_mat_half(const gp_mat *m, const gp_compute *c);

/* gp_mat_fwd and gp_mat_bwd on either kind of rows; bf16 only where gp_mat_half, and `add` only to reals. */
void gp_mat_fwd_rows(const gp_mat *m, gp_compute *c, size_t worker, gp_operand y, gp_operand x, const gp_real *bias, size_t rows, bool add);
void gp_mat_bwd_rows(const gp_mat *m, gp_compute *c, size_t worker, gp_operand dx, gp_operand dy, size_t rows, bool add);

/* dW [out, in] += dy^T x, dy [rows, out], x [rows, in], any number of rows: parallel over fixed blocks of output rows. */
void gp_gemm_dw(gp_compute *c, gp_precision prec, gp_real *dw, const gp_real *dy, const gp_real *x, size_t rows, size_t out, size_t in);

/* Any small product, on the calling thread: C [m, n] = alpha op(A) op(B) + beta C, row-major with row strides (plain or oneDNN sgemm). */
void gp_gemm(gp_compute *c, bool ta, bool tb, size_t m, size_t n, size_t k, gp_real alpha, const gp_real *a, size_t lda, const gp_real *b,
             size_t ldb, gp_real beta, gp_real *cc, size_t ldc);

/* The reference, triple loops (gemm_ref.c): the oracle for all of the above. */
void gp_gemm_ref(bool ta, bool tb, size_t m, size_t n, size_t k, gp_real alpha, const gp_real *a, size_t lda, const gp_real *b, size_t ldb,
                 gp_real beta, gp_real *c, size_t ldc);

/* Multiply-adds done since the start, for bench (relaxed atomic, all workers): of the products above, and of attention, whose callers say
 * how many theirs were. */
uint64_t gp_gemm_macs(const gp_compute *c);
void gp_gemm_count(gp_compute *c, uint64_t macs);

#endif
