/* vision_bwd.c - the image tower in pretraining: forward pass that keeps everything, backward pass to every weight.
 * SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "encoders/vision.h"
#include "encoders/vision_impl.h"

struct gp_vision_save {
    size_t B;
    gp_layout l;
    gp_block_state *s; /* [layers] */
    gp_real *patches, *e, *mean_pre, *rstd_pre;
    gp_real *cls, *mean_post, *rstd_post; /* output of the last block, class rows */
};

static gopro_status save_make(gp_model *m, gp_arena *a, gp_vision_save **out, size_t B, gopro_error *err)
{
    const gp_clip_arch *arch = &m->w->arch;
    size_t D = arch->v.width, T = gp_arch_patches(arch) + 1, L = arch->v.layers;
    gp_vision_save *v = gp_arena_alloc(a, 1, sizeof *v);
    if (!v) return gp_fail_nomem(err, sizeof *v, "saved image activations");
    v->B = B;
    GP_TRY(gp_layout_make(&v->l, a, &(gp_layout_spec){.n = B, .same_len = T, .query_first = true}, err));
    v->s = gp_arena_alloc(a, L, sizeof *v->s);
    bool ok = v->s != NULL;
    v->patches = gp_take(a, v->l.rows, 3 * arch->patch * arch->patch, &ok);
    v->e = gp_take(a, v->l.rows, D, &ok);
    v->mean_pre = gp_take(a, v->l.rows, 1, &ok);
    v->rstd_pre = gp_take(a, v->l.rows, 1, &ok);
    v->cls = gp_take(a, B, D, &ok);
    v->mean_post = gp_take(a, B, 1, &ok);
    v->rstd_post = gp_take(a, B, 1, &ok);
    for (size_t i = 0; ok && i < L; i++) {
        v->s[i].x = gp_take(a, v->l.rows, D, &ok);
        ok = gp_block_state_alloc(&v->s[i], a, &m->vb[i], &v->l, i + 1 == L, true) && ok;
    }
    if (!ok) return gp_fail_nomem(err, v->l.rows * D * 10 * L * sizeof(gp_real), "saved image activations");
    *out = v;
    return GOPRO_OK;
}

static gopro_status train_fwd(gp_model *m, gp_arena *a, gp_vision_save **save, gp_real *feat, gp_real *token, const gp_real *pixels,
                              size_t B, gopro_error *err)
{
    size_t L = m->w->arch.v.layers;
    gp_vision_save *v = NULL;
    GP_TRY(save_make(m, a, &v, B, err));
    gp_vision_embed_run(&(gp_vision_embed){.m = m,
                                           .pixels = pixels,
                                           .x = v->s[0].x,
                                           .patches = v->patches,
                                           .e = v->e,
                                           .mean = v->mean_pre,
                                           .rstd = v->rstd_pre,
                                           .rows = v->l.rows});
    GP_TRY(gp_compute_check(m->c, err));
    for (size_t i = 0; i < L; i++)
        GP_TRY(gp_block_fwd(m->c, &m->vb[i], &v->l, &v->s[i], i + 1 < L ? v->s[i + 1].x : v->cls, i + 1 == L, err));
    gp_vision_head_run(&(gp_vision_head){.m = m, .feat = feat, .token = token, .mean = v->mean_post, .rstd = v->rstd_post, .x = v->cls}, B);
    GP_TRY(gp_compute_check(m->c, err));
    *save = v;
    return GOPRO_OK;
}

gopro_status gp_vision_train_fwd(gp_model *m, gp_arena *a, gp_vision_save **save, gp_real *feat, const gp_real *pixels, size_t B,
                                 gopro_error *err)
{
    return train_fwd(m, a, save, feat, NULL, pixels, B, err);
}

gopro_status gp_vision_train_token_fwd(gp_model *m, gp_arena *a, gp_vision_save **save, gp_real *token, const gp_real *pixels, size_t B,
                                       gopro_error *err)
{
    return train_fwd(m, a, save, NULL, token, pixels, B, err);
}

typedef struct back {
    gp_model *m;
    const gp_vision_save *v;
    gp_clip_weights *dw;
    const gp_real *dfeat;  /* [B, embed], or NULL and */
    const gp_real *dtoken; /* [B, width] */
    gp_real *dcls;         /* [B, width] */
    gp_real *u;            /* [B, width] LN(class rows), for the projection's gradient */
    gp_real *dx;           /* [rows, width] */
    gp_real *de;           /* [rows, width] before ln_pre */
    gp_real *dpos;         /* [N+1, width] of this batch */
    gp_real *sum;          /* partial sums [blocks, 2 width] */
} back;

static void head_bwd_rows(void *arg, size_t first, size_t n, size_t worker)
{
    const gp_vision_head_back *v = arg;
    gp_compute *c = v->m->c;
    const gp_clip_weights *w = v->m->w;
    size_t D = w->arch.v.width;
    gp_scratch_reset(c, worker);
    gp_real *du = NULL, *dx = v->dx + first * D, *sum = NULL;
    const gp_real *x = v->x + first * D;
    if (v->dfeat && !(du = gp_scratch(c, worker, n * D))) return;
    if (v->sum) {
        sum = v->sum + gp_rows_block_of(c, v->B, first) * 2 * D;
        memset(sum, 0, 2 * D * sizeof *sum);
        if (du) c->k->layernorm_fwd(v->u + first * D, NULL, NULL, x, w->v_ln_post_g, w->v_ln_post_b, (gp_real)w->arch.v.eps, n, D);
    }
    memset(dx, 0, n * D * sizeof *dx);
    if (du) gp_mat_bwd(v->m->v_proj, c, worker, du, v->dfeat + first * w->arch.embed, n, false);
    c->k->layernorm_bwd(dx, sum, sum ? sum + D : NULL, du ? du : v->dtoken + first * D, x, w->v_ln_post_g, v->mean + first, v->rstd + first,
                        n, D);
}

void gp_vision_head_bwd(gp_vision_head_back *v)
{
    gp_rows_run(v->m->c, v->B, head_bwd_rows, v);
}

static void pre_bwd_rows(void *arg, size_t first, size_t n, size_t worker)
{
    (void)worker;
    const back *p = arg;
    const gp_vision_save *v = p->v;
    size_t D = p->m->w->arch.v.width;
    gp_real *sum = p->sum + gp_rows_block_of(p->m->c, v->l.rows, first) * 2 * D, *de = p->de + first * D;
    if (p->m->w->arch.no_ln_pre) {
        memcpy(de, p->dx + first * D, n * D * sizeof *de);
        return;
    }
    memset(sum, 0, 2 * D * sizeof *sum);
    memset(de, 0, n * D * sizeof *de);
    p->m->c->k->layernorm_bwd(de, sum, sum + D, p->dx + first * D, v->e + first * D, p->m->w->v_ln_pre_g, v->mean_pre + first,
                              v->rstd_pre + first, n, D);
}

static void dpos_token(void *arg, size_t t, size_t worker)
{
    (void)worker;
    const back *p = arg;
    size_t D = p->m->w->arch.v.width, T = gp_arch_patches(&p->m->w->arch) + 1;
    gp_real *d = p->dpos + t * D;
    memset(d, 0, D * sizeof *d);
    for (size_t i = 0; i < p->v->B; i++) p->m->c->k->add(d, p->de + (i * T + t) * D, D);
    p->m->c->k->add(p->dw->v_pos + t * D, d, D);
    if (t == 0) p->m->c->k->add(p->dw->v_cls, d, D);
}

static void add_pair(const back *p, gp_real *dg, gp_real *db, size_t rows)
{
    size_t D = p->m->w->arch.v.width, n = gp_rows_blocks(p->m->c, rows);
    gp_partial_sums(p->m->c, (gp_partial[]){{dg, p->sum, D, 2 * D, n}, {db, p->sum + D, D, 2 * D, n}}, 2);
}

static void embed_bwd(const back *p)
{
    gp_model *m = p->m;
    const gp_clip_arch *a = &m->w->arch;
    size_t D = a->v.width, T = gp_arch_patches(a) + 1, rows = p->v->l.rows;
    back q = *p;
    gp_rows_run(m->c, rows, pre_bwd_rows, &q);
    if (!a->no_ln_pre) add_pair(p, p->dw->v_ln_pre_g, p->dw->v_ln_pre_b, rows);
    gp_parallel_for(m->c->pool, T, dpos_token, &q);
    if (p->dw->v_patch_b) m->c->k->sum_rows(p->dw->v_patch_b, p->dpos + D, T - 1, D);
    /* Class rows of the patches are zero, so their gradient adds nothing here. */
    gp_gemm_dw(m->c, m->prec, p->dw->v_patch, p->de, p->v->patches, rows, D, 3 * a->patch * a->patch);
}

static gopro_status train_bwd(back *p, gopro_error *err)
{
    gp_model *m = p->m;
    const gp_vision_save *v = p->v;
    const gp_clip_arch *a = &m->w->arch;
    size_t D = a->v.width, L = a->v.layers, T = gp_arch_patches(a) + 1;
    bool ok = true;
    gp_block_work work;
    p->dcls = gp_take(m->work, v->B, D, &ok);
    p->u = gp_take(m->work, v->B, D, &ok);
    p->dx = gp_take(m->work, v->l.rows, D, &ok);
    p->dpos = gp_take(m->work, T, D, &ok);
    p->sum = gp_take(m->work, gp_max_size(gp_rows_blocks(m->c, v->l.rows), gp_rows_blocks(m->c, v->B)), 2 * D, &ok);
    ok = gp_block_work_alloc(&work, m->c, m->work, &m->vb[0], &v->l, true) && ok;
    if (!ok) return gp_fail_nomem(err, v->l.rows * (15 * D) * sizeof(gp_real), "image gradients");
    gp_vision_head_bwd(&(gp_vision_head_back){.m = m,
                                              .dx = p->dcls,
                                              .dfeat = p->dfeat,
                                              .dtoken = p->dtoken,
                                              .x = v->cls,
                                              .mean = v->mean_post,
                                              .rstd = v->rstd_post,
                                              .u = p->u,
                                              .sum = p->sum,
                                              .B = v->B});
    GP_TRY(gp_compute_check(m->c, err));
    add_pair(p, p->dw->v_ln_post_g, p->dw->v_ln_post_b, v->B);
    if (p->dfeat) gp_gemm_dw(m->c, m->prec, p->dw->v_proj, p->dfeat, p->u, v->B, a->embed, D);
    for (size_t i = L; i-- > 0;) {
        bool last = i + 1 == L;
        gp_block_back g = {.dout = last ? p->dcls : p->dx, .dx = p->dx, .dx_rows = v->l.rows, .dw = &p->dw->v_block[i], .prec = m->prec};
        GP_TRY(gp_block_bwd(m->c, &m->vb[i], &v->l, &v->s[i], &g, &work, last, err));
    }
    p->de = work.dy; /* the blocks are done with it */
    embed_bwd(p);
    return gp_compute_check(m->c, err);
}

static gopro_status backward(back p, gopro_error *err)
{
    if (!p.m->trainable) return gp_fail(err, GOPRO_E_INVALID, "image tower: weight gradients need a model created as trainable");
    gp_arena_mark mark = gp_arena_mark_get(p.m->work);
    gopro_status st = train_bwd(&p, err);
    gp_arena_pop(p.m->work, mark);
    return st;
}

gopro_status gp_vision_train_bwd(gp_model *m, gp_vision_save *save, const gp_real *dfeat, gp_clip_weights *dw, gopro_error *err)
{
    return backward((back){.m = m, .v = save, .dw = dw, .dfeat = dfeat}, err);
}

gopro_status gp_vision_train_token_bwd(gp_model *m, gp_vision_save *save, const gp_real *dtoken, gp_clip_weights *dw, gopro_error *err)
{
    return backward((back){.m = m, .v = save, .dw = dw, .dtoken = dtoken}, err);
}
