/* block.h - one residual block (METHODS 1.2) over packed rows: what both towers and both training forms are made of.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef GP_ENCODERS_BLOCK_H
#define GP_ENCODERS_BLOCK_H

#include "kernels/gemm.h"
#include "weights/clip.h"

typedef struct gp_block {
    size_t width, heads, hidden;
    gp_act act;
    gp_real eps;
    const gp_block_w *w;
    gp_mat *qkv, *out, *fc1, *fc2;
    bool half;      /* frozen and in bf16: what products read and attention works on is kept in bf16, never rounded twice */
    gp_mat *q, *kv; /* the last block also has the parts of qkv apart: keys and values of all rows, queries of a few */
} gp_block;

/* Neighbouring segments that one task handles.  All of them see the same prefix: keys and values of rows pre .. pre+n_pre-1 of the packed
 * rows (their seg.pre is 0, the task moves the base).  part: where the task's gradient of the prefix goes. */
typedef struct gp_attn_group {
    uint32_t seg, n_seg, pre, n_pre, part;
} gp_attn_group;

typedef struct gp_attn_plan {
    const gp_seg *seg;
    const gp_attn_group *group;
    size_t n_group;
} gp_attn_plan;

/* How rows are packed: first n_owner prefixes of n_pre rows each (text only), then the rows of every sequence. */
typedef struct gp_layout {
    size_t rows, n_query;
    size_t n_owner, n_pre, n_part;
    const uint32_t *query;      /* [n_query] the row of each sequence that the last block computes */
    const uint32_t *owner_part; /* [n_owner+1] parts that belong to an owner */
    gp_attn_plan all, last;
    bool causal;
    size_t max_keys, max_q;
} gp_layout;

typedef struct gp_layout_spec {
    const uint32_t *len;   /* [n] rows of each sequence; NULL: every one has same_len */
    const uint32_t *owner; /* [n] ascending, the prefix of each sequence; NULL: 0 */
    size_t n, same_len, n_owner, n_pre;
    bool causal;
    bool query_first; /* the last block's query is the first row of a sequence, not the last */
    size_t q_split;   /* forward only: cut a sequence's queries into pieces of this many rows, 0: do not */
} gp_layout_spec;
gopro_status gp_layout_make(gp_layout *l, gp_arena *a, const gp_layout_spec *s, gopro_error *err);

/* What a block leaves behind.  Not kept for a backward pass: mean, rstd, lse, y and h are NULL. */
typedef struct gp_block_state {
    gp_real *x;             /* [rows, width] input */
    gp_real *mean1, *rstd1; /* [rows] */
    gp_operand qkv;         /* [rows, 3 width]; last block: kv [rows, 2 width] */
    gp_operand q;           /* last block only: [n_query, width] */
    gp_operand o;           /* attention output [queries, width]; all three in bf16 where the block is */
    gp_real *lse;           /* [queries, heads] */
    gp_real *y;             /* after the attention's residual [queries, width] */
    gp_real *mean2, *rstd2; /* [queries] */
    gp_real *h;             /* before the activation [queries, hidden] */
} gp_block_state;

/* Everything but x.  last: the last block's form. */
bool gp_block_state_alloc(gp_block_state *s, gp_arena *a, const gp_block *b, const gp_layout *l, bool last, bool keep);

/* out [queries, width]; may be s->x when nothing is kept and every row is a query. */
gopro_status gp_block_fwd(gp_compute *c, const gp_block *b, const gp_layout *l, const gp_block_state *s, gp_real *out, bool last,
                          gopro_error *err);

/* Working memory of the backward pass, one for all blocks of a tower. */
typedef struct gp_block_work {
    gp_real *dqkv, *dout_attn, *dprefix;
    gp_real *dy, *dh, *act, *u;   /* with weight gradients only */
    gp_real *sum_query, *sum_row; /* partial sums of bias and gain gradients, one row for each block of rows */
} gp_block_work;
bool gp_block_work_alloc(gp_block_work *w, const gp_compute *c, gp_arena *a, const gp_block *b, const gp_layout *l, bool weights);

typedef struct gp_block_back {
    gp_real *dout;     /* [queries, width] gradient of the output; overwritten */
    gp_real *dx;       /* [rows, width], written; dout itself unless last */
    size_t dx_rows;    /* only the first rows of dx are wanted (all when dw is given) */
    gp_block_w *dw;    /* += weight gradients, or NULL */
    gp_precision prec; /* of the weight gradients' products */
} gp_block_back;
gopro_status gp_block_bwd(gp_compute *c, const gp_block *b, const gp_layout *l, const gp_block_state *s, const gp_block_back *g,
                          const gp_block_work *w, bool last, gopro_error *err);

/* Multiply-adds of attention over a group's segments: scores and weighted values forward; backward the gradients of queries, keys and
 * values and of the weights, without the scores it computes again. */
uint64_t gp_attn_macs(const gp_attn *a, bool backward);

/* Rows cut into blocks of nearly equal size, at most GP_ROW_BLOCK rows each, that begin at a multiple of c->row_unit: 1, 2, 4 or a
 * multiple of 8 blocks, so that threads end together.  Depends on `rows` and the kind of processor, so results do not depend on the
 * number of threads. */
size_t gp_rows_blocks(const gp_compute *c, size_t rows);
size_t gp_rows_block_of(const gp_compute *c, size_t rows, size_t first); /* number of the block that begins at row `first` */
void gp_rows_run(gp_compute *c, size_t rows, gp_rows_fn *fn, void *arg);

/* Adds blocks of partial sums in order: dst[i] += sum_b src[b * stride + i]. */
typedef struct gp_partial {
    gp_real *dst;
    const gp_real *src;
    size_t n, stride, blocks;
} gp_partial;
void gp_partial_sums(gp_compute *c, const gp_partial *p, size_t n);

/* rows x cols numbers for a block's products, not zeroed; the part of them from element `at` on. */
gp_operand gp_take_operand(gp_arena *a, const gp_block *b, size_t rows, size_t cols, bool *ok);
static inline gp_operand gp_operand_at(gp_operand x, size_t at)
{
    return (gp_operand){.f = x.f ? x.f + at : NULL, .h = x.h ? x.h + at : NULL};
}

/* The attention operands of a block's state for one group of segments. */
gp_attn gp_block_attn(const gp_block *b, const gp_layout *l, const gp_block_state *s, const gp_attn_group *g, bool last);

/* n x cols reals, not zeroed; *ok turns false on failure. */
gp_real *gp_take(gp_arena *a, size_t rows, size_t cols, bool *ok);

#endif
