/* block_bwd.c - backward pass of one residual block (METHODS 2.3), the mirror of block.c, with or without weight gradients.
 * SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "encoders/block.h"

typedef struct back {
    gp_compute *c;
    const gp_block *b;
    const gp_layout *l;
    const gp_block_state *s;
    const gp_block_back *g;
    const gp_block_work *w;
    gp_real *dy;       /* [queries, width]; g->dout itself without weight gradients */
    gp_real *dq, *dkv; /* last block: parts of w->dqkv */
    size_t queries;    /* rows of dy */
    bool last;
} back;

/* Columns of the partial sums.  By query rows: gain and bias of LN2, biases of fc2, fc1 and out, then (last block) gain and bias of LN1 and
 * the bias of q.  By rows: gain and bias of LN1, bias of qkv (last block: of k and v). */
static size_t sum_query_cols(const gp_block *b)
{
    return 7 * b->width + b->hidden;
}

static size_t sum_row_cols(const gp_block *b)
{
    return 5 * b->width;
}

bool gp_block_work_alloc(gp_block_work *w, const gp_compute *c, gp_arena *a, const gp_block *b, const gp_layout *l, bool weights)
{
    bool ok = true;
    size_t D = b->width;
    *w = (gp_block_work){.dqkv = gp_take(a, l->rows, 3 * D, &ok), .dout_attn = gp_take(a, l->rows, D, &ok)};
    if (l->n_pre > 1) w->dprefix = gp_take(a, l->n_part, l->n_pre * 2 * D, &ok);
    if (!weights) return ok;
    w->dy = gp_take(a, l->rows, D, &ok);
    w->dh = gp_take(a, l->rows, b->hidden, &ok);
    w->act = gp_take(a, l->rows, gp_max_size(b->hidden, D), &ok);
    w->u = gp_take(a, l->rows, D, &ok);
    size_t blocks = gp_max_size(gp_rows_blocks(c, l->rows), gp_rows_blocks(c, l->n_query));
    w->sum_query = gp_take(a, blocks, sum_query_cols(b), &ok);
    w->sum_row = gp_take(a, blocks, sum_row_cols(b), &ok);
    return ok;
}

/* A failure is recorded by gp_scratch; the caller only has to leave. */
static gp_real *scratch(const back *p, size_t worker, size_t n)
{
    return gp_scratch(p->c, worker, n);
}

/* What the weight gradients of fc1, fc2 and out need besides dy: u = LN2(y), the activation, bias sums. */
static void mlp_sinks(const back *p, size_t first, size_t n, const gp_real *dh, const gp_real *dy, gp_real *sum)
{
    const gp_block *b = p->b;
    const gp_kernels *k = p->c->k;
    size_t D = b->width, F = b->hidden;
    k->layernorm_fwd(p->w->u + first * D, NULL, NULL, p->s->y + first * D, b->w->ln2_g, b->w->ln2_b, b->eps, n, D);
    k->act_fwd[b->act](p->w->act + first * F, p->s->h + first * F, n * F);
    k->sum_rows(sum + 2 * D, p->g->dout + first * D, n, D);
    k->sum_rows(sum + 3 * D, dh, n, F);
    k->sum_rows(sum + 3 * D + F, dy, n, D);
}

static void mlp_bwd_rows(void *arg, size_t first, size_t n, size_t worker)
{
    const back *p = arg;
    const gp_block *b = p->b;
    const gp_block_state *s = p->s;
    size_t D = b->width, F = b->hidden;
    bool weights = p->g->dw != NULL;
    gp_scratch_reset(p->c, worker);
    gp_real *da = scratch(p, worker, n * F), *du = scratch(p, worker, n * D);
    gp_real *mem = weights ? p->w->dh + first * F : scratch(p, worker, n * F);
    gp_operand dh = b->half ? (gp_operand){.h = (uint16_t *)(void *)mem} : (gp_operand){.f = mem};
    if (!da || !du || !mem) return;
    gp_real *sum = weights ? p->w->sum_query + gp_rows_block_of(p->c, p->queries, first) * sum_query_cols(b) : NULL;
    if (sum) memset(sum, 0, sum_query_cols(b) * sizeof *sum);
    const gp_real *dout = p->g->dout + first * D;
    gp_real *dy = p->dy + first * D;
    gp_mat_bwd(b->fc2, p->c, worker, da, dout, n, false);
    if (dh.h) {
        p->c->k->act_bwd_half[b->act](dh.h, da, s->h + first * F, n * F);
    } else {
        memset(dh.f, 0, n * F * sizeof *dh.f);
        p->c->k->act_bwd[b->act](dh.f, da, s->h + first * F, n * F);
    }
    gp_mat_bwd_rows(b->fc1, p->c, worker, (gp_operand){.f = du}, dh, n, false);
    if (dy != dout) memcpy(dy, dout, n * D * sizeof *dy);
    p->c->k->layernorm_bwd(dy, sum, sum ? sum + D : NULL, du, s->y + first * D, b->w->ln2_g, s->mean2 + first, s->rstd2 + first, n, D);
    gp_mat_bwd(b->out, p->c, worker, p->w->dout_attn + first * D, dy, n, false);
    if (weights) mlp_sinks(p, first, n, dh.f, dy, sum);
}

static void attention_bwd_group(void *arg, size_t block, size_t worker)
{
    const back *p = arg;
    const gp_attn_plan *plan = p->last ? &p->l->last : &p->l->all;
    const gp_attn_group *g = &plan->group[block];
    size_t D = p->b->width, ld = p->last ? 2 * D : 3 * D;
    gp_real *dk = p->last ? p->dkv : p->w->dqkv + D;
    gp_scratch_reset(p->c, worker);
    gp_real *tmp = scratch(p, worker, gp_attn_scratch(D, p->b->heads, p->l->max_keys, p->l->max_q));
    if (!tmp) return;
    for (size_t i = g->seg; i < g->seg + g->n_seg; i++) {
        const gp_seg *e = &plan->seg[i];
        memset((p->last ? p->dkv : p->w->dqkv) + e->kv * ld, 0, e->n * ld * sizeof(gp_real));
        if (p->last) memset(p->dq + e->q * D, 0, e->nq * D * sizeof(gp_real));
    }
    const gp_attn a = gp_block_attn(p->b, p->l, p->s, g, p->last);
    gp_attn_grad d = {.dout = p->w->dout_attn,
                      .lddo = D,
                      .dq = p->last ? p->dq : p->w->dqkv,
                      .lddq = p->last ? D : ld,
                      .dk = dk,
                      .dv = dk + D,
                      .lddkv = ld};
    if (g->n_pre > 1) { /* a prefix of one row is the start token, which has no parameter */
        d.dpk = p->w->dprefix + g->part * (g->n_pre * 2 * D);
        d.dpv = d.dpk + D;
        d.lddp = 2 * D;
        memset(d.dpk, 0, g->n_pre * 2 * D * sizeof(gp_real));
    }
    if (p->b->half)
        p->c->k->attention_bwd_half(&a, &d, tmp);
    else
        p->c->k->attention_bwd(&a, &d, tmp);
    gp_gemm_count(p->c, gp_attn_macs(&a, true));
}

/* METHODS 2.3 step 1: gradients of the prefix keys and values, summed over the groups of sequences that saw them, in their order. */
static void prefix_sum(void *arg, size_t owner, size_t worker)
{
    (void)worker;
    const back *p = arg;
    size_t D = p->b->width, ld = p->last ? 2 * D : 3 * D, P = p->l->n_pre;
    gp_real *dk = (p->last ? p->dkv : p->w->dqkv + D) + owner * P * ld;
    for (size_t part = p->l->owner_part[owner]; part < p->l->owner_part[owner + 1]; part++)
        for (size_t r = 0; r < P; r++) p->c->k->add(dk + r * ld, p->w->dprefix + (part * P + r) * 2 * D, 2 * D);
}

static void qkv_bwd_rows(void *arg, size_t first, size_t n, size_t worker)
{
    const back *p = arg;
    const gp_block *b = p->b;
    const gp_block_state *s = p->s;
    size_t D = b->width;
    gp_scratch_reset(p->c, worker);
    gp_real *du = scratch(p, worker, n * D), *dx = p->g->dx + first * D, *sum = NULL;
    if (!du) return;
    if (p->last)
        gp_mat_bwd(b->kv, p->c, worker, du, p->dkv + first * 2 * D, n, false);
    else
        gp_mat_bwd(b->qkv, p->c, worker, du, p->w->dqkv + first * 3 * D, n, false);
    if (p->last)
        memset(dx, 0, n * D * sizeof *dx);
    else if (dx != p->dy + first * D)
        memcpy(dx, p->dy + first * D, n * D * sizeof *dx);
    if (p->g->dw) {
        sum = p->w->sum_row + gp_rows_block_of(p->c, p->g->dx_rows, first) * sum_row_cols(b);
        memset(sum, 0, sum_row_cols(b) * sizeof *sum);
        p->c->k->layernorm_fwd(p->w->u + first * D, NULL, NULL, s->x + first * D, b->w->ln1_g, b->w->ln1_b, b->eps, n, D);
        if (p->last)
            p->c->k->sum_rows(sum + 2 * D, p->dkv + first * 2 * D, n, 2 * D);
        else
            p->c->k->sum_rows(sum + 2 * D, p->w->dqkv + first * 3 * D, n, 3 * D);
    }
    p->c->k->layernorm_bwd(dx, sum, sum ? sum + D : NULL, du, s->x + first * D, b->w->ln1_g, s->mean1 + first, s->rstd1 + first, n, D);
}

/* The last block's query rows: their residual gradient and what comes through q, scattered onto dx. */
static void query_bwd_rows(void *arg, size_t first, size_t n, size_t worker)
{
    const back *p = arg;
    const gp_block *b = p->b;
    size_t D = b->width;
    gp_scratch_reset(p->c, worker);
    gp_real *du = scratch(p, worker, n * D), *x = scratch(p, worker, n * D), *stat = scratch(p, worker, 2 * n), *sum = NULL;
    if (!du || !x || !stat) return;
    const uint32_t *row = p->l->query + first;
    gp_real *dy = p->dy + first * D;
    for (size_t i = 0; i < n; i++) {
        memcpy(x + i * D, p->s->x + row[i] * D, D * sizeof *x);
        stat[i] = p->s->mean1[row[i]];
        stat[n + i] = p->s->rstd1[row[i]];
    }
    gp_mat_bwd(b->q, p->c, worker, du, p->dq + first * D, n, false);
    if (p->g->dw) {
        sum = p->w->sum_query + gp_rows_block_of(p->c, p->queries, first) * sum_query_cols(b) + 4 * D + b->hidden;
        p->c->k->layernorm_fwd(p->w->act + first * D, NULL, NULL, x, b->w->ln1_g, b->w->ln1_b, b->eps, n, D);
        p->c->k->sum_rows(sum + 2 * D, p->dq + first * D, n, D);
    }
    p->c->k->layernorm_bwd(dy, sum, sum ? sum + D : NULL, du, x, b->w->ln1_g, stat, stat + n, n, D);
    for (size_t i = 0; i < n; i++)
        if (row[i] < p->g->dx_rows) p->c->k->add(p->g->dx + row[i] * D, dy + i * D, D);
}

static void add_sums(const back *p)
{
    const gp_block *b = p->b;
    gp_block_w *dw = p->g->dw;
    size_t D = b->width, F = b->hidden, qc = sum_query_cols(b), rc = sum_row_cols(b);
    size_t nq = gp_rows_blocks(p->c, p->last ? p->l->n_query : p->l->rows), nr = gp_rows_blocks(p->c, p->l->rows);
    const gp_real *q = p->w->sum_query, *r = p->w->sum_row, *e = q + 4 * D + F;
    gp_real *qb = dw->qkv.b;
    gp_partial t[] = {
        {dw->ln2_g, q, D, qc, nq},
        {dw->ln2_b, q + D, D, qc, nq},
        {dw->fc2.b, q + 2 * D, D, qc, nq},
        {dw->fc1.b, q + 3 * D, F, qc, nq},
        {dw->out.b, q + 3 * D + F, D, qc, nq},
        {dw->ln1_g, r, D, rc, nr},
        {dw->ln1_b, r + D, D, rc, nr},
        {p->last && qb ? qb + D : qb, r + 2 * D, p->last ? 2 * D : 3 * D, rc, nr},
        {qb, e + 2 * D, D, qc, nq},
        {dw->ln1_g, e, D, qc, nq},
        {dw->ln1_b, e + D, D, qc, nq},
    };
    gp_partial_sums(p->c, t, p->last ? 9 : 8);
    if (p->last) gp_partial_sums(p->c, t + 9, 2); /* apart: the same tensors as above */
}

gopro_status gp_block_bwd(gp_compute *c, const gp_block *b, const gp_layout *l, const gp_block_state *s, const gp_block_back *g,
                          const gp_block_work *w, bool last, gopro_error *err)
{
    size_t D = b->width, F = b->hidden, queries = last ? l->n_query : l->rows;
    gp_block_w *dw = g->dw;
    back p = {.c = c, .b = b, .l = l, .s = s, .g = g, .w = w, .queries = queries, .last = last};
    p.dy = dw ? w->dy : g->dout;
    p.dkv = w->dqkv;
    p.dq = w->dqkv + l->rows * 2 * D;
    gp_rows_run(c, queries, mlp_bwd_rows, &p);
    if (dw) {
        gp_gemm_dw(c, g->prec, dw->fc2.w, g->dout, w->act, queries, D, F);
        gp_gemm_dw(c, g->prec, dw->fc1.w, w->dh, w->u, queries, F, D);
        gp_gemm_dw(c, g->prec, dw->out.w, w->dy, s->o.f, queries, D, D);
    }
    if (last) memset(p.dkv, 0, l->n_owner * l->n_pre * 2 * D * sizeof(gp_real)); /* no segment of the last block owns these rows */
    gp_parallel_for(c->pool, last ? l->last.n_group : l->all.n_group, attention_bwd_group, &p);
    if (l->n_pre > 1) gp_parallel_for(c->pool, l->n_owner, prefix_sum, &p);
    gp_rows_run(c, g->dx_rows, qkv_bwd_rows, &p);
    if (last) gp_rows_run(c, l->n_query, query_bwd_rows, &p);
    if (dw) {
        if (last) {
            gp_gemm_dw(c, g->prec, dw->qkv.w + D * D, p.dkv, w->u, l->rows, 2 * D, D);
            gp_gemm_dw(c, g->prec, dw->qkv.w, p.dq, w->act, queries, D, D);
        } else {
            gp_gemm_dw(c, g->prec, dw->qkv.w, w->dqkv, w->u, l->rows, 3 * D, D);
        }
        add_sums(&p);
    }
    return gp_compute_check(c, err);
}
