/* kernels.h - the table of row kernels: pointers and sizes only.  kernels/ref is the oracle; kernels/fast (float only) fills the same
 * table for the processor at hand.  Backward kernels add to their gradient outputs.  No kernel allocates.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef GP_KERNELS_H
#define GP_KERNELS_H

#include "base/compiler.h"
#include "base/real.h"

typedef enum gp_act { GP_ACT_QUICKGELU, GP_ACT_GELU, GP_N_ACT } gp_act;

/* One attention segment.  Queries are rows q .. q+nq-1 of the query matrix; own keys and values are rows kv .. kv+n-1; prefix keys and
 * values (shared by many segments, visible to every query) are rows pre .. pre+n_pre-1 of the prefix matrices.  Causal: query i stands at
 * own position n-nq+i and sees the prefix and own rows 0 .. n-nq+i.  Not causal: it sees the prefix and all own rows. */
typedef struct gp_seg {
    uint32_t q, nq, kv, n, pre, n_pre;
} gp_seg;

/* Row-major matrices with row strides; head h owns columns h*d .. h*d+d-1, d = width / heads.  Scores are q.k / sqrt(d). */
typedef struct gp_attn {
    size_t width, heads;
    bool causal;
    const gp_seg *seg; /* the segments this call handles */
    size_t n_seg;
    const gp_real *q;
    size_t ldq; /* [rows, width] */
    const gp_real *k, *v;
    size_t ldkv;
    const gp_real *pk, *pv; /* prefix; NULL if every n_pre is 0 */
    size_t ldp;
    gp_real *o;
    size_t ldo;   /* out: [query rows, width] */
    gp_real *lse; /* [query rows, heads]: log of the sum of exponentials, what the backward pass needs; may be NULL */
    const uint16_t *hq, *hk, *hv, *hpk, *hpv; /* q, k, v, pk, pv and o in bf16, for the kernels that end in _half */
    uint16_t *ho;
} gp_attn;

/* Gradients for gp_attn.  dq, dk, dv are added to.  dpk, dpv [prefix rows, width] are added to, NULL if the prefix needs none.
 * Segments of one call must not be split over threads when they share prefix rows and dpk is given. */
typedef struct gp_attn_grad {
    const gp_real *dout;
    size_t lddo; /* [query rows, width] */
    gp_real *dq;
    size_t lddq;
    gp_real *dk, *dv;
    size_t lddkv;
    gp_real *dpk, *dpv;
    size_t lddp;
} gp_attn_grad;

typedef struct gp_kernels {
    const char *name; /* "ref", "avx2", "avx512", "avx512_bf16" */

    /* y = (x - mean) rstd g + b per row, rstd = 1/sqrt(var + eps), biased variance.  mean, rstd [rows], may be NULL.  y may be x. */
    void (*layernorm_fwd)(gp_real *y, gp_real *mean, gp_real *rstd, const gp_real *x, const gp_real *g, const gp_real *b, gp_real eps,
                          size_t rows, size_t cols);
    /* dx += ..., dg += sum dy xhat, db += sum dy; dg and db may both be NULL.  dx must not overlap dy. */
    void (*layernorm_bwd)(gp_real *dx, gp_real *dg, gp_real *db, const gp_real *dy, const gp_real *x, const gp_real *g, const gp_real *mean,
                          const gp_real *rstd, size_t rows, size_t cols);

    /* y = phi(x), dx += dy phi'(x); indexed by gp_act (METHODS 1.2).  y may be x. */
    void (*act_fwd[GP_N_ACT])(gp_real *y, const gp_real *x, size_t n);
    void (*act_bwd[GP_N_ACT])(gp_real *dx, const gp_real *dy, const gp_real *x, size_t n);

    /* scratch: gp_attn_scratch() reals of the caller. */
    void (*attention_fwd)(const gp_attn *a, gp_real *scratch);
    void (*attention_bwd)(const gp_attn *a, const gp_attn_grad *g, gp_real *scratch);

    /* The same in bf16: results rounded to nearest even where a matrix product reads them next.  act_bwd_half writes, it does not add;
     * y may not be x.  attention_half reads and writes the h-members of gp_attn and may round the exponentials, but not their sum, to
     * bf16; its gradients are reals. */
    void (*layernorm_half)(uint16_t *y, gp_real *mean, gp_real *rstd, const gp_real *x, const gp_real *g, const gp_real *b, gp_real eps,
                           size_t rows, size_t cols);
    void (*act_half[GP_N_ACT])(uint16_t *y, const gp_real *x, size_t n);
    void (*act_bwd_half[GP_N_ACT])(uint16_t *dx, const gp_real *dy, const gp_real *x, size_t n);
    void (*attention_fwd_half)(const gp_attn *a, gp_real *scratch);
    void (*attention_bwd_half)(const gp_attn *a, const gp_attn_grad *g, gp_real *scratch);

    void (*add)(gp_real *y, const gp_real *x, size_t n);                        /* y += x */
    void (*axpy)(gp_real *y, gp_real a, const gp_real *x, size_t n);            /* y += a x */
    void (*add_rows)(gp_real *y, const gp_real *b, size_t rows, size_t cols);   /* y[r] += b */
    void (*sum_rows)(gp_real *db, const gp_real *dy, size_t rows, size_t cols); /* db += sum_r dy[r] */
    double (*dot)(const gp_real *a, const gp_real *b, size_t n);                /* accumulated in double */

    /* Mean and deviation over the n rows of x [n, cols]: mu, sigma = sqrt((sum (x-mu)^2 + 2.3e-8) / n), two passes (METHODS 3.7 step 1). */
    void (*row_stats)(gp_real *mu, gp_real *sigma, const gp_real *x, size_t n, size_t cols);
} gp_kernels;

/* Reals of scratch an attention call may need for segments of at most max_keys = n_pre + n keys and max_q queries. */
size_t gp_attn_scratch(size_t width, size_t heads, size_t max_keys, size_t max_q);

extern const gp_kernels gp_kernels_ref;

/* The best table for this processor; GOPRO_CPU=ref|avx2|avx512|avx512_bf16 in `wish` (may be NULL) lowers it.  In the double build always
 * ref. */
const gp_kernels *gp_kernels_select(const char *wish);

#endif
