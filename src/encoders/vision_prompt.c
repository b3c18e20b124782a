/* vision_prompt.c - the image tower with prompt slots (METHODS 3.5): forward pass that keeps what is needed, backward pass through the
 * whole tower into the prompt rows, weights frozen. SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "encoders/vision.h"
#include "encoders/vision_impl.h"

struct gp_vision_prompt_save {
    gp_slot_rows prompts; /* level 0 is read again by the backward pass */
    size_t B;
    gp_layout l;
    gp_block_state *s;          /* [layers] */
    gp_real *cls, *mean, *rstd; /* output of the last block, class rows [B, width]; of ln_post [B] */
};

size_t gp_vision_prompt_bytes(const gp_model *m, size_t n)
{
    const gp_tower_arch *a = &m->w->arch.v;
    return gp_vision_rows(m, n) * a->layers * (6 * a->width + a->hidden + a->heads + 4) * sizeof(gp_real);
}

static gopro_status save_make(gp_model *m, gp_arena *a, gp_vision_prompt_save **out, const gp_slot_rows *p, size_t B, gopro_error *err)
{
    size_t D = m->w->arch.v.width, L = m->w->arch.v.layers;
    gp_vision_prompt_save *v = gp_arena_alloc(a, 1, sizeof *v);
    if (!v) return gp_fail_nomem(err, sizeof *v, "saved image activations");
    v->B = B;
    v->prompts = *p;
    GP_TRY(gp_layout_make(&v->l, a, &(gp_layout_spec){.n = B, .same_len = gp_vision_rows(m, p->n), .query_first = true}, err));
    v->s = gp_arena_alloc(a, L, sizeof *v->s);
    bool ok = v->s != NULL;
    v->cls = gp_take(a, B, D, &ok);
    v->mean = gp_take(a, B, 1, &ok);
    v->rstd = gp_take(a, B, 1, &ok);
    for (size_t i = 0; ok && i < L; i++) {
        v->s[i].x = gp_take(a, v->l.rows, D, &ok);
        ok = ok && gp_block_state_alloc(&v->s[i], a, &m->vb[i], &v->l, i + 1 == L, true);
    }
    if (!ok) return gp_fail_nomem(err, B * gp_vision_prompt_bytes(m, p->n), "saved image activations");
    *out = v;
    return GOPRO_OK;
}

static gopro_status check_prompts(const gp_model *m, const gp_slot_rows *p, gopro_error *err)
{
    const size_t L = m->w->arch.v.layers;
    if (p->n && (p->levels == 0 || p->levels > L))
        return gp_fail(err, GOPRO_E_INVALID, "image prompts for %zu blocks, expected 1 to %zu", p->levels, L);
    return GOPRO_OK;
}

gopro_status gp_vision_prompt_fwd(gp_model *m, const gp_slot_rows *p, gp_real *feat, const gp_real *pixels, size_t B, gp_arena *a,
                                  gp_vision_prompt_save **save, gopro_error *err)
{
    size_t D = m->w->arch.v.width, L = m->w->arch.v.layers;
    GP_TRY(check_prompts(m, p, err));
    if (!a) return gp_vision_chunks(m, p, feat, NULL, NULL, pixels, B, err);
    gp_vision_prompt_save *v = NULL;
    GP_TRY(gp_model_vision_gradients(m, err));
    GP_TRY(save_make(m, a, &v, p, B, err));
    const gp_slots slots = gp_vision_slots(m, p->n, B);
    gp_vision_embed_run(
        &(gp_vision_embed){.m = m, .pixels = pixels, .prompt = p->rows, .n_prompt = p->n, .x = v->s[0].x, .rows = v->l.rows});
    GP_TRY(gp_compute_check(m->c, err));
    for (size_t i = 0; i < L; i++) {
        if (i > 0 && i < p->levels) gp_slots_fill(m->c, &slots, v->s[i].x, p->rows + i * p->n * D);
        GP_TRY(gp_block_fwd(m->c, &m->vb[i], &v->l, &v->s[i], i + 1 < L ? v->s[i + 1].x : v->cls, i + 1 == L, err));
    }
    gp_vision_head_run(&(gp_vision_head){.m = m, .feat = feat, .mean = v->mean, .rstd = v->rstd, .x = v->cls}, B);
    GP_TRY(gp_compute_check(m->c, err));
    *save = v;
    return GOPRO_OK;
}

/* Level 0 through ln_pre: its rows are the same in every image, so one step back for the sum d [n, width] over the images. */
static gopro_status pre_bwd(gp_model *m, const gp_slot_rows *p, gp_real *dprompts, const gp_real *d, gopro_error *err)
{
    const gp_clip_weights *w = m->w;
    size_t D = w->arch.v.width;
    bool ok = true;
    if (!w->v_ln_pre_g) { /* SLIP's image tower has none */
        m->c->k->add(dprompts, d, p->n * D);
        return GOPRO_OK;
    }
    gp_real *y = gp_take(m->work, p->n, D, &ok), *mean = gp_take(m->work, p->n, 1, &ok), *rstd = gp_take(m->work, p->n, 1, &ok);
    if (!ok) return gp_fail_nomem(err, p->n * D * sizeof *y, "image gradients");
    m->c->k->layernorm_fwd(y, mean, rstd, p->rows, w->v_ln_pre_g, w->v_ln_pre_b, (gp_real)w->arch.v.eps, p->n, D);
    m->c->k->layernorm_bwd(dprompts, NULL, NULL, d, p->rows, w->v_ln_pre_g, mean, rstd, p->n, D);
    return GOPRO_OK;
}

static gopro_status prompt_bwd(gp_model *m, const gp_vision_prompt_save *v, gp_real *dprompts, const gp_real *dfeat, gopro_error *err)
{
    const gp_slot_rows *p = &v->prompts;
    const gp_slots slots = gp_vision_slots(m, p->n, v->B);
    size_t D = m->w->arch.v.width, L = m->w->arch.v.layers;
    bool ok = true;
    gp_block_work work;
    gp_real *dcls = gp_take(m->work, v->B, D, &ok), *dx = gp_take(m->work, v->l.rows, D, &ok), *first = gp_take(m->work, p->n, D, &ok);
    ok = gp_block_work_alloc(&work, m->c, m->work, &m->vb[0], &v->l, false) && ok;
    if (!ok) return gp_fail_nomem(err, v->l.rows * 5 * D * sizeof *dx, "image gradients");
    gp_vision_head_bwd(
        &(gp_vision_head_back){.m = m, .dx = dcls, .dfeat = dfeat, .x = v->cls, .mean = v->mean, .rstd = v->rstd, .B = v->B});
    GP_TRY(gp_compute_check(m->c, err));
    for (size_t i = L; i-- > 0;) {
        bool last = i + 1 == L;
        gp_block_back g = {.dout = last ? dcls : dx, .dx = dx, .dx_rows = v->l.rows, .prec = m->prec};
        GP_TRY(gp_block_bwd(m->c, &m->vb[i], &v->l, &v->s[i], &g, &work, last, err));
        if (i > 0 && i < p->levels) gp_slots_take(m->c, &slots, dprompts + i * p->n * D, dx);
    }
    memset(first, 0, p->n * D * sizeof *first);
    gp_slots_take(m->c, &slots, first, dx);
    return pre_bwd(m, p, dprompts, first, err);
}

gopro_status gp_vision_prompt_bwd(gp_model *m, gp_vision_prompt_save *save, gp_real *dprompts, const gp_real *dfeat, gopro_error *err)
{
    if (save->prompts.n == 0 || save->B == 0) return GOPRO_OK;
    gp_arena_mark mark = gp_arena_mark_get(m->work);
    gopro_status st = prompt_bwd(m, save, dprompts, dfeat, err);
    gp_arena_pop(m->work, mark);
    return st;
}
