/* text_train.c - the text tower in pretraining: whole captions packed ragged, gradients to every weight.
 * SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "encoders/text_impl.h"

#define TOKEN_TASKS 64 /* token gradients: task t owns the ids equal to t modulo this */

struct gp_text_train_save {
    size_t n;
    gp_layout l;
    uint32_t *id, *row; /* token of each packed row; first row of each caption [n+1] */
    gp_block_state *s;  /* [layers] */
    gp_real *end, *mean, *rstd;
};

static gopro_status save_make(gp_model *m, gp_arena *a, gp_text_train_save **out, const gp_prompt *prompts, size_t n, gopro_error *err)
{
    const gp_clip_arch *arch = &m->w->arch;
    size_t D = arch->t.width, L = arch->t.layers;
    gp_text_train_save *s = gp_arena_alloc(a, 1, sizeof *s);
    uint32_t *len = gp_arena_alloc(a, n + 1, sizeof *len);
    if (!s || !len) return gp_fail_nomem(err, n * sizeof *len, "captions");
    for (size_t i = 0; i < n; i++) {
        if (prompts[i].n == 0 || prompts[i].n > arch->context)
            return gp_fail(err, GOPRO_E_DATA, "caption %zu: %zu tokens, expected 1 to %zu", i, prompts[i].n, arch->context);
        len[i] = (uint32_t)prompts[i].n;
    }
    s->n = n;
    GP_TRY(gp_layout_make(&s->l, a, &(gp_layout_spec){.len = len, .n = n, .causal = true}, err));
    s->id = gp_arena_alloc(a, s->l.rows + 1, sizeof *s->id);
    s->row = gp_arena_alloc(a, n + 1, sizeof *s->row);
    s->s = gp_arena_alloc(a, L, sizeof *s->s);
    bool ok = s->id && s->row && s->s;
    s->end = gp_take(a, n, D, &ok);
    s->mean = gp_take(a, n, 1, &ok);
    s->rstd = gp_take(a, n, 1, &ok);
    for (size_t i = 0; ok && i < L; i++) {
        s->s[i].x = gp_take(a, s->l.rows, D, &ok);
        ok = gp_block_state_alloc(&s->s[i], a, &m->tb[i], &s->l, i + 1 == L, true) && ok;
    }
    if (!ok) return gp_fail_nomem(err, s->l.rows * D * 10 * L * sizeof(gp_real), "saved text activations");
    for (size_t i = 0; i < n; i++) {
        s->row[i + 1] = s->row[i] + len[i];
        memcpy(s->id + s->row[i], prompts[i].ids, len[i] * sizeof *s->id);
    }
    for (size_t r = 0; r < s->l.rows; r++)
        if (s->id[r] >= arch->vocab)
            return gp_fail(err, GOPRO_E_INVALID, "captions: token %u, the vocabulary has %zu", s->id[r], arch->vocab);
    *out = s;
    return GOPRO_OK;
}

typedef struct pass {
    gp_model *m;
    gp_text_train_save *s;
    const gp_real *dx;
    gp_clip_weights *dw;
} pass;

static void embed_caption(void *arg, size_t i, size_t worker)
{
    (void)worker;
    const pass *p = arg;
    const gp_clip_weights *w = p->m->w;
    size_t D = w->arch.t.width, first = p->s->row[i], n = p->s->row[i + 1] - first;
    gp_real *x = p->s->s[0].x + first * D;
    gp_text_embed(p->m, x, p->s->id + first, n);
    p->m->c->k->add(x, w->t_pos, n * D);
}

gopro_status gp_text_train_fwd(gp_model *m, gp_arena *a, gp_text_train_save **save, gp_real *out, const gp_prompt *prompts, size_t n,
                               gopro_error *err)
{
    size_t L = m->w->arch.t.layers;
    gp_text_train_save *s = NULL;
    GP_TRY(save_make(m, a, &s, prompts, n, err));
    pass p = {.m = m, .s = s};
    gp_parallel_for(m->c->pool, n, embed_caption, &p);
    for (size_t i = 0; i < L; i++)
        GP_TRY(gp_block_fwd(m->c, &m->tb[i], &s->l, &s->s[i], i + 1 < L ? s->s[i + 1].x : s->end, i + 1 == L, err));
    gp_text_head_run(&(gp_text_head){.m = m, .out = out, .mean = s->mean, .rstd = s->rstd, .x = s->end}, n);
    GP_TRY(gp_compute_check(m->c, err));
    *save = s;
    return GOPRO_OK;
}

static void token_grads(void *arg, size_t task, size_t worker)
{
    (void)worker;
    const pass *p = arg;
    size_t D = p->m->w->arch.t.width;
    for (size_t r = 0; r < p->s->l.rows; r++)
        if (p->s->id[r] % TOKEN_TASKS == task) p->m->c->k->add(p->dw->t_tok + p->s->id[r] * D, p->dx + r * D, D);
}

static void position_grads(void *arg, size_t pos, size_t worker)
{
    (void)worker;
    const pass *p = arg;
    size_t D = p->m->w->arch.t.width;
    for (size_t i = 0; i < p->s->n; i++)
        if (p->s->row[i] + pos < p->s->row[i + 1]) p->m->c->k->add(p->dw->t_pos + pos * D, p->dx + (p->s->row[i] + pos) * D, D);
}

static gopro_status run(gp_model *m, gp_text_train_save *s, const gp_real *dout, gp_clip_weights *dw, gopro_error *err)
{
    size_t D = m->w->arch.t.width, L = m->w->arch.t.layers;
    bool ok = true;
    gp_block_work work;
    gp_real *dend = gp_take(m->work, s->n, D, &ok), *dx = gp_take(m->work, s->l.rows, D, &ok), *u = gp_take(m->work, s->n, D, &ok);
    gp_real *sum = gp_take(m->work, gp_rows_blocks(m->c, s->n), 2 * D, &ok);
    ok = gp_block_work_alloc(&work, m->c, m->work, &m->tb[0], &s->l, true) && ok;
    if (!ok) return gp_fail_nomem(err, s->l.rows * D * 15 * sizeof *dx, "text gradients");
    gp_text_head_bwd(&(gp_text_head_back){
        .m = m, .dx = dend, .dout = dout, .x = s->end, .mean = s->mean, .rstd = s->rstd, .dw = dw, .u = u, .sum = sum, .n = s->n});
    GP_TRY(gp_compute_check(m->c, err));
    for (size_t i = L; i-- > 0;) {
        bool last = i + 1 == L;
        gp_block_back g = {.dout = last ? dend : dx, .dx = dx, .dx_rows = s->l.rows, .dw = &dw->t_block[i], .prec = m->prec};
        GP_TRY(gp_block_bwd(m->c, &m->tb[i], &s->l, &s->s[i], &g, &work, last, err));
    }
    pass p = {.m = m, .s = s, .dx = dx, .dw = dw};
    gp_parallel_for(m->c->pool, TOKEN_TASKS, token_grads, &p);
    gp_parallel_for(m->c->pool, s->l.max_keys, position_grads, &p);
    return GOPRO_OK;
}

gopro_status gp_text_train_bwd(gp_model *m, gp_text_train_save *save, const gp_real *dout, gp_clip_weights *dw, gopro_error *err)
{
    if (save->n == 0) return GOPRO_OK;
    gp_arena_mark mark = gp_arena_mark_get(m->work);
    gopro_status st = run(m, save, dout, dw, err);
    gp_arena_pop(m->work, mark);
    return st;
}
