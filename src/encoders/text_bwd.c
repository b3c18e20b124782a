/* text_bwd.c - from the gradient of text features to the gradient of the contexts (METHODS 2.3), weights frozen.
 * SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "encoders/text_impl.h"

static void head_bwd_rows(void *arg, size_t first, size_t n, size_t worker)
{
    const gp_text_head_back *h = arg;
    gp_compute *c = h->m->c;
    const gp_clip_weights *w = h->m->w;
    size_t D = w->arch.t.width, E = w->arch.embed;
    gp_scratch_reset(c, worker);
    gp_real *du = gp_scratch(c, worker, n * D), *dt = h->where ? gp_scratch(c, worker, n * E) : NULL, *sum = NULL;
    if (!du || (h->where && !dt)) return;
    if (dt)
        for (size_t i = 0; i < n; i++) memcpy(dt + i * E, h->dout + h->where[first + i] * E, E * sizeof *dt);
    gp_mat_bwd(h->m->t_proj, c, worker, du, dt ? dt : h->dout + first * E, n, false);
    gp_real *dx = h->dx + first * D;
    const gp_real *x = h->x + first * D;
    memset(dx, 0, n * D * sizeof *dx);
    if (h->dw) {
        sum = h->sum + gp_rows_block_of(c, h->n, first) * 2 * D;
        memset(sum, 0, 2 * D * sizeof *sum);
        c->k->layernorm_fwd(h->u + first * D, NULL, NULL, x, w->t_ln_final_g, w->t_ln_final_b, (gp_real)w->arch.t.eps, n, D);
    }
    c->k->layernorm_bwd(dx, sum, sum ? sum + D : NULL, du, x, w->t_ln_final_g, h->mean + first, h->rstd + first, n, D);
}

void gp_text_head_bwd(gp_text_head_back *h)
{
    gp_model *m = h->m;
    size_t D = m->w->arch.t.width, blocks = gp_rows_blocks(m->c, h->n);
    gp_rows_run(m->c, h->n, head_bwd_rows, h);
    if (!h->dw) return;
    gp_partial sums[] = {{h->dw->t_ln_final_g, h->sum, D, 2 * D, blocks}, {h->dw->t_ln_final_b, h->sum + D, D, 2 * D, blocks}};
    gp_partial_sums(m->c, sums, 2);
    gp_gemm_dw(m->c, m->prec, h->dw->t_proj, h->dout, h->u, h->n, m->w->arch.embed, D);
}

typedef struct collect {
    const gp_text_save *s;
    const gp_real *dx;
    gp_real *dcontexts;
} collect;

/* One row of one context: adding positions has unit Jacobian, so the input row's gradient is the context's; a row that stands inside the
 * suffixes sums over its pairs in their order. */
static void collect_row(void *arg, size_t block, size_t worker)
{
    (void)worker;
    const collect *g = arg;
    const gp_text_save *s = g->s;
    const gp_text_plan *p = s->plan;
    const gp_kernels *k = p->m->c->k;
    size_t D = p->m->w->arch.t.width, u = block / p->M, row = block % p->M;
    gp_real *d = g->dcontexts + (s->used[u] * p->M + row) * D;
    if (row < p->in_prefix) {
        k->add(d, g->dx + (u * p->P + 1 + row) * D, D);
        return;
    }
    for (size_t i = s->used_first[u]; i < s->used_first[u + 1]; i++) {
        const uint32_t *code = p->code + p->first[s->pair[i].cls];
        size_t n = s->row[i + 1] - s->row[i];
        for (size_t r = 0; r < n; r++)
            if (code[r] == (GP_CTX_ROW | (uint32_t)row)) k->add(d, g->dx + (s->row[i] + r) * D, D);
    }
}

static gopro_status run(gp_model *m, const gp_text_save *s, gp_real *dcontexts, gp_real *ddeep, const gp_real *dout, gopro_error *err)
{
    const gp_text_plan *p = s->plan;
    size_t D = m->w->arch.t.width, L = m->w->arch.t.layers;
    const gp_slots slots = gp_text_slots(s);
    bool ok = true;
    gp_block_work work;
    gp_real *dend = gp_take(m->work, s->n, D, &ok), *dx = gp_take(m->work, s->l.rows, D, &ok);
    ok = gp_block_work_alloc(&work, m->c, m->work, &m->tb[0], &s->l, false) && ok;
    if (!ok) return gp_fail_nomem(err, s->l.rows * D * 5 * sizeof *dx, "text gradients");
    gp_text_head_bwd(&(gp_text_head_back){
        .m = m, .dx = dend, .dout = dout, .x = s->end, .mean = s->mean, .rstd = s->rstd, .where = s->where, .n = s->n});
    GP_TRY(gp_compute_check(m->c, err));
    for (size_t i = L; i-- > (dcontexts ? 0 : 1);) {
        bool last = i + 1 == L;
        /* At the first block only the contexts' rows matter: with all of them in the prefix, the suffixes end here. */
        size_t rows = i == 0 && p->in_prefix == p->M ? s->l.n_owner * p->P : s->l.rows;
        gp_block_back g = {.dout = last ? dend : dx, .dx = dx, .dx_rows = rows, .prec = m->prec};
        GP_TRY(gp_block_bwd(m->c, &m->tb[i], &s->l, &s->s[i], &g, &work, last, err));
        if (i > 0 && i <= s->deep.levels) gp_slots_take(m->c, &slots, ddeep ? ddeep + (i - 1) * slots.n * D : NULL, dx);
    }
    if (!dcontexts) return GOPRO_OK;
    collect g = {.s = s, .dx = dx, .dcontexts = dcontexts};
    gp_parallel_for(m->c->pool, s->n_used * p->M, collect_row, &g);
    return GOPRO_OK;
}

gopro_status gp_text_bwd(gp_model *m, gp_text_save *save, gp_real *dcontexts, const gp_real *dout, gopro_error *err)
{
    return gp_text_deep_bwd(m, save, dcontexts, NULL, dout, err);
}

gopro_status gp_text_deep_bwd(gp_model *m, gp_text_save *save, gp_real *dcontexts, gp_real *ddeep, const gp_real *dout, gopro_error *err)
{
    if (save->plan->M == 0 || save->n == 0) return GOPRO_OK;
    gp_arena_mark mark = gp_arena_mark_get(m->work);
    gopro_status st = run(m, save, dcontexts, ddeep, dout, err);
    gp_arena_pop(m->work, mark);
    return st;
}
