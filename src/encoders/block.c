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

gp_operand gp_take_operand(gp_arena *a, const gp_block *b, size_t rows, size_t cols, bool *ok)
{
    gp_operand x = {.f = gp_take(a, rows, b->half ? (cols + 1) / 2 : cols, ok)};
    if (b->half) x = (gp_operand){.h = (uint16_t *)(void *)x.f};
    return x;
}

bool gp_block_state_alloc(gp_block_state *s, gp_arena *a, const gp_block *b, const gp_layout *l, bool last, bool keep)
{
    bool ok = true;
    size_t D = b->width, queries = last ? l->n_query : l->rows;
    s->qkv = gp_take_operand(a, b, l->rows, (last ? 2 : 3) * D, &ok);
    if (last) s->q = gp_take_operand(a, b, queries, D, &ok);
    s->o = gp_take_operand(a, b, queries, D, &ok);
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

static bool scratch_operand(const pass *p, size_t worker, size_t n, gp_operand *x)
{
    gp_real *mem = scratch(p, worker, p->b->half ? (n + 1) / 2 : n);
    *x = p->b->half ? (gp_operand){.h = (uint16_t *)(void *)mem} : (gp_operand){.f = mem};
    return mem != NULL;
}

/* u = LN(x), as the next product reads it. */
static void norm(const pass *p, gp_operand u, gp_real *mean, gp_real *rstd, const gp_real *x, const gp_real *g, const gp_real *b, size_t n)
{
    const gp_kernels *k = p->c->k;
    if (u.h)
        k->layernorm_half(u.h, mean, rstd, x, g, b, p->b->eps, n, p->b->width);
    else
        k->layernorm_fwd(u.f, mean, rstd, x, g, b, p->b->eps, n, p->b->width);
}

static void qkv_rows(void *arg, size_t first, size_t n, size_t worker)
{
    const pass *p = arg;
    const gp_block *b = p->b;
    const gp_block_state *s = p->s;
    size_t D = b->width;
    gp_operand u;
    gp_scratch_reset(p->c, worker);
    if (!scratch_operand(p, worker, n * D, &u)) return;
    norm(p, u, s->mean1 ? s->mean1 + first : NULL, s->rstd1 ? s->rstd1 + first : NULL, s->x + first * D, b->w->ln1_g, b->w->ln1_b, n);
    const gp_real *bias = b->w->qkv.b;
    if (p->last)
        gp_mat_fwd_rows(b->kv, p->c, worker, gp_operand_at(s->qkv, first * 2 * D), u, bias ? bias + D : NULL, n, false);
    else
        gp_mat_fwd_rows(b->qkv, p->c, worker, gp_operand_at(s->qkv, first * 3 * D), u, bias, n, false);
}

/* The last block's queries: a few rows, gathered. */
static void query_rows(void *arg, size_t first, size_t n, size_t worker)
{
    const pass *p = arg;
    const gp_block *b = p->b;
    size_t D = b->width;
    gp_operand u;
    gp_scratch_reset(p->c, worker);
    gp_real *x = scratch(p, worker, n * D);
    if (!x || !scratch_operand(p, worker, n * D, &u)) return;
    for (size_t i = 0; i < n; i++) memcpy(x + i * D, p->s->x + p->l->query[first + i] * D, D * sizeof *x);
    norm(p, u, NULL, NULL, x, b->w->ln1_g, b->w->ln1_b, n);
    gp_mat_fwd_rows(b->q, p->c, worker, gp_operand_at(p->s->q, first * D), u, b->w->qkv.b, n, false);
}

gp_attn gp_block_attn(const gp_block *b, const gp_layout *l, const gp_block_state *s, const gp_attn_group *g, bool last)
{
    const gp_attn_plan *plan = last ? &l->last : &l->all;
    const size_t D = b->width, ld = last ? 2 * D : 3 * D, pre = g->pre * ld;
    const gp_operand q = last ? s->q : s->qkv, k = gp_operand_at(s->qkv, last ? 0 : D), v = gp_operand_at(k, D);
    gp_attn a = {.width = D,
                 .heads = b->heads,
                 .causal = l->causal,
                 .seg = plan->seg + g->seg,
                 .n_seg = g->n_seg,
                 .q = q.f,
                 .hq = q.h,
                 .ldq = last ? D : ld,
                 .k = k.f,
                 .hk = k.h,
                 .v = v.f,
                 .hv = v.h,
                 .ldkv = ld,
                 .o = s->o.f,
                 .ho = s->o.h,
                 .ldo = D,
                 .lse = s->lse};
    if (g->n_pre) {
        const gp_operand pk = gp_operand_at(k, pre), pv = gp_operand_at(v, pre);
        a.pk = pk.f;
        a.hpk = pk.h;
        a.pv = pv.f;
        a.hpv = pv.h;
        a.ldp = ld;
    }
    return a;
}

static void attention_group(void *arg, size_t block, size_t worker)
{
    const pass *p = arg;
    const gp_attn_group *g = &(p->last ? &p->l->last : &p->l->all)->group[block];
    gp_scratch_reset(p->c, worker);
    gp_real *tmp = scratch(p, worker, gp_attn_scratch(p->b->width, p->b->heads, p->l->max_keys, p->l->max_q));
    if (!tmp) return;
    const gp_attn a = gp_block_attn(p->b, p->l, p->s, g, p->last);
    if (p->b->half)
        p->c->k->attention_fwd_half(&a, tmp);
    else
        p->c->k->attention_fwd(&a, tmp);
    gp_gemm_count(p->c, gp_attn_macs(&a, false));
}

static void mlp_rows(void *arg, size_t first, size_t n, size_t worker)
{
    const pass *p = arg;
    const gp_block *b = p->b;
    const gp_block_state *s = p->s;
    size_t D = b->width, F = b->hidden, bytes = n * D * sizeof(gp_real);
    gp_operand u, act;
    gp_scratch_reset(p->c, worker);
    if (!scratch_operand(p, worker, n * D, &u) || !scratch_operand(p, worker, n * F, &act)) return;
    gp_real *out = p->out + first * D, *y = s->y ? s->y + first * D : out;
    gp_real *h = s->h ? s->h + first * F : act.f ? act.f : scratch(p, worker, n * F);
    if (!h) return;
    if (p->last)
        for (size_t i = 0; i < n; i++) memcpy(y + i * D, s->x + p->l->query[first + i] * D, D * sizeof *y);
    else if (y != s->x + first * D)
        memcpy(y, s->x + first * D, bytes);
    gp_mat_fwd_rows(b->out, p->c, worker, (gp_operand){.f = y}, gp_operand_at(s->o, first * D), b->w->out.b, n, true);
    norm(p, u, s->mean2 ? s->mean2 + first : NULL, s->rstd2 ? s->rstd2 + first : NULL, y, b->w->ln2_g, b->w->ln2_b, n);
    gp_mat_fwd_rows(b->fc1, p->c, worker, (gp_operand){.f = h}, u, b->w->fc1.b, n, false);
    if (act.h)
        p->c->k->act_half[b->act](act.h, h, n * F);
    else
        p->c->k->act_fwd[b->act](act.f, h, n * F);
    if (out != y) memcpy(out, y, bytes);
    gp_mat_fwd_rows(b->fc2, p->c, worker, (gp_operand){.f = out}, act, b->w->fc2.b, n, true);
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
