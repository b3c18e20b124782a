/* block.c - forward pass of one residual block (METHODS 1.2) in three parallel loops: LN1 and qkv by row blocks, attention by groups of
 * segments, out-projection to fc2 by row blocks (the wide activations stay in cache).
 * SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "encoders/block.h"

typedef struct pass {
    gp_compute *c;
    const gp_block *b;
    const gp_layout *l;
    const gp_block_state *s;
    gp_real *out;
    bool last;
} pass;

bool gp_block_state_alloc(gp_block_state *s, gp_arena *a, const gp_block *b, const gp_layout *l, bool last, bool keep)
{
    bool ok = true;
    size_t D = b->width, queries = last ? l->n_query : l->rows;
    s->qkv = gp_take(a, l->rows, (last ? 2 : 3) * D, &ok);
    if (last) s->q = gp_take(a, queries, D, &ok);
    s->o = gp_take(a, queries, D, &ok);
    if (!keep) return ok;
    s->mean1 = gp_take(a, l->rows, 1, &ok);
    s->rstd1 = gp_take(a, l->rows, 1, &ok);
    s->lse = gp_take(a, queries, b->heads, &ok);
    s->y = gp_take(a, queries, D, &ok);
    s->mean2 = gp_take(a, queries, 1, &ok);
    s->rstd2 = gp_take(a, queries, 1, &ok);
    s->h = gp_take(a, queries, b->hidden, &ok);
    return ok;
}

/* A failure is recorded by gp_scratch; the caller only has to leave. */
static gp_real *scratch(const pass *p, size_t worker, size_t n)
{
    return gp_scratch(p->c, worker, n);
}

static void qkv_rows(void *arg, size_t first, size_t n, size_t worker)
{
    const pass *p = arg;
    const gp_block *b = p->b;
    const gp_block_state *s = p->s;
    size_t D = b->width;
    gp_scratch_reset(p->c, worker);
    gp_real *u = scratch(p, worker, n * D);
    if (!u) return;
    p->c->k->layernorm_fwd(u, s->mean1 ? s->mean1 + first : NULL, s->rstd1 ? s->rstd1 + first : NULL, s->x + first * D, b->w->ln1_g,
                           b->w->ln1_b, b->eps, n, D);
    const gp_real *bias = b->w->qkv.b;
    if (p->last)
        gp_mat_fwd(b->kv, p->c, worker, s->qkv + first * 2 * D, u, bias ? bias + D : NULL, n, false);
    else
        gp_mat_fwd(b->qkv, p->c, worker, s->qkv + first * 3 * D, u, bias, n, false);
}

/* The last block's queries: a few rows, gathered. */
static void query_rows(void *arg, size_t first, size_t n, size_t worker)
{
    const pass *p = arg;
    const gp_block *b = p->b;
    size_t D = b->width;
    gp_scratch_reset(p->c, worker);
    gp_real *u = scratch(p, worker, n * D);
    if (!u) return;
    for (size_t i = 0; i < n; i++) memcpy(u + i * D, p->s->x + p->l->query[first + i] * D, D * sizeof *u);
    p->c->k->layernorm_fwd(u, NULL, NULL, u, b->w->ln1_g, b->w->ln1_b, b->eps, n, D);
    gp_mat_fwd(b->q, p->c, worker, p->s->q + first * D, u, b->w->qkv.b, n, false);
}

static void attention_group(void *arg, size_t block, size_t worker)
{
    const pass *p = arg;
    const gp_attn_plan *plan = p->last ? &p->l->last : &p->l->all;
    const gp_attn_group *g = &plan->group[block];
    const gp_block_state *s = p->s;
    size_t D = p->b->width, ld = p->last ? 2 * D : 3 * D;
    const gp_real *k = p->last ? s->qkv : s->qkv + D;
    gp_scratch_reset(p->c, worker);
    gp_real *tmp = scratch(p, worker, gp_attn_scratch(D, p->b->heads, p->l->max_keys, p->l->max_q));
    if (!tmp) return;
    gp_attn a = {.width = D,
                 .heads = p->b->heads,
                 .causal = p->l->causal,
                 .seg = plan->seg + g->seg,
                 .n_seg = g->n_seg,
                 .q = p->last ? s->q : s->qkv,
                 .ldq = p->last ? D : ld,
                 .k = k,
                 .v = k + D,
                 .ldkv = ld,
                 .o = s->o,
                 .ldo = D,
                 .lse = s->lse};
    if (g->n_pre) {
        a.pk = k + g->pre * ld;
        a.pv = a.pk + D;
        a.ldp = ld;
    }
    p->c->k->attention_fwd(&a, tmp);
    gp_gemm_count(p->c, gp_attn_macs(&a, false));
}

static void mlp_rows(void *arg, size_t first, size_t n, size_t worker)
{
    const pass *p = arg;
    const gp_block *b = p->b;
    const gp_block_state *s = p->s;
    size_t D = b->width, F = b->hidden, bytes = n * D * sizeof(gp_real);
    gp_scratch_reset(p->c, worker);
    gp_real *u = scratch(p, worker, n * D), *act = scratch(p, worker, n * F);
    if (!u || !act) return;
    gp_real *out = p->out + first * D, *y = s->y ? s->y + first * D : out, *h = s->h ? s->h + first * F : act;
    if (p->last)
        for (size_t i = 0; i < n; i++) memcpy(y + i * D, s->x + p->l->query[first + i] * D, D * sizeof *y);
    else if (y != s->x + first * D)
        memcpy(y, s->x + first * D, bytes);
    gp_mat_fwd(b->out, p->c, worker, y, s->o + first * D, b->w->out.b, n, true);
    p->c->k->layernorm_fwd(u, s->mean2 ? s->mean2 + first : NULL, s->rstd2 ? s->rstd2 + first : NULL, y, b->w->ln2_g, b->w->ln2_b, b->eps,
                           n, D);
    gp_mat_fwd(b->fc1, p->c, worker, h, u, b->w->fc1.b, n, false);
    p->c->k->act_fwd[b->act](act, h, n * F);
    if (out != y) memcpy(out, y, bytes);
    gp_mat_fwd(b->fc2, p->c, worker, out, act, b->w->fc2.b, n, true);
}

gopro_status gp_block_fwd(gp_compute *c, const gp_block *b, const gp_layout *l, const gp_block_state *s, gp_real *out, bool last,
                          gopro_error *err)
{
    pass p = {.c = c, .b = b, .l = l, .s = s, .out = out, .last = last};
    gp_rows_run(c, l->rows, qkv_rows, &p);
    if (last) gp_rows_run(c, l->n_query, query_rows, &p);
    gp_parallel_for(c->pool, last ? l->last.n_group : l->all.n_group, attention_group, &p);
    gp_rows_run(c, last ? l->n_query : l->rows, mlp_rows, &p);
    return gp_compute_check(c, err);
}
