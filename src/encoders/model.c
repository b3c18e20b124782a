/* model.c - packing a checkpoint for the GEMMs.
 * SPDX-License-Identifier: Apache-2.0 */
#include "encoders/model.h"

#include <math.h>
#include <stdlib.h>

#include "encoders/model_impl.h"

static gopro_status pack(gp_model *m, gp_mat **mat, const gp_real *w, size_t out, size_t in, unsigned uses, gopro_error *err)
{
    GP_TRY(gp_mat_create(mat, m->c, w, out, in, m->prec, uses, err));
    m->mat[m->n_mat++] = *mat; /* cap_mat counts every matrix there can be */
    return GOPRO_OK;
}

static gopro_status pack_block(gp_model *m, gp_block *b, const gp_block_w *w, const gp_tower_arch *a, unsigned uses, bool last, bool all,
                               gopro_error *err)
{
    size_t D = a->width;
    *b = (gp_block){.width = D, .heads = a->heads, .hidden = a->hidden, .act = a->act, .eps = (gp_real)a->eps, .w = w};
    if (!last || all) GP_TRY(pack(m, &b->qkv, w->qkv.w, 3 * D, D, last ? GP_MAT_FWD : uses, err));
    if (last) {
        GP_TRY(pack(m, &b->q, w->qkv.w, D, D, uses, err));
        GP_TRY(pack(m, &b->kv, w->qkv.w + D * D, 2 * D, D, uses, err));
    }
    GP_TRY(pack(m, &b->out, w->out.w, D, D, uses, err));
    GP_TRY(pack(m, &b->fc1, w->fc1.w, a->hidden, D, uses, err));
    GP_TRY(pack(m, &b->fc2, w->fc2.w, D, a->hidden, uses, err));
    b->half = !m->trainable && gp_mat_half(b->out, m->c); /* gradients of weights are products with what a block read, as reals */
    if (!m->c->plain_gemm) gp_clip_drop_pages(m->w);
    return GOPRO_OK;
}

static gopro_status check_tower(const gp_tower_arch *a, const char *name, gopro_error *err)
{
    if (a->layers == 0 || a->heads == 0 || a->width == 0 || a->width % a->heads != 0 || a->hidden == 0)
        return gp_fail(err, GOPRO_E_WEIGHTS, "%s tower: %zu layers of width %zu with %zu heads and %zu hidden units make no transformer",
                       name, a->layers, a->width, a->heads, a->hidden);
    return GOPRO_OK;
}

static gopro_status build(gp_model *m, gopro_error *err)
{
    const gp_clip_weights *w = m->w;
    const gp_clip_arch *a = &w->arch;
    unsigned both = GP_MAT_FWD | GP_MAT_BWD, vision = m->trainable ? both : GP_MAT_FWD;
    GP_TRY(check_tower(&a->v, "image", err));
    GP_TRY(check_tower(&a->t, "text", err));
    if (a->sot >= a->vocab) return gp_fail(err, GOPRO_E_WEIGHTS, "start token %u is not in the vocabulary of %zu tokens", a->sot, a->vocab);
    m->cap_mat = 6 * (a->v.layers + a->t.layers) + 3;
    m->mat = calloc(m->cap_mat, sizeof *m->mat);
    m->vb = calloc(a->v.layers, sizeof *m->vb);
    m->tb = calloc(a->t.layers, sizeof *m->tb);
    m->work = gp_arena_create((size_t)1 << 20);
    if (!m->mat || !m->vb || !m->tb || !m->work) return gp_fail_nomem(err, m->cap_mat * sizeof *m->mat, "a model");
    GP_TRY(pack(m, &m->patch, w->v_patch, a->v.width, 3 * a->patch * a->patch, GP_MAT_FWD, err));
    GP_TRY(pack(m, &m->v_proj, w->v_proj, a->embed, a->v.width, vision, err));
    GP_TRY(pack(m, &m->t_proj, w->t_proj, a->embed, a->t.width, both, err));
    for (size_t l = 0; l < a->v.layers; l++)
        GP_TRY(pack_block(m, &m->vb[l], &w->v_block[l], &a->v, vision, l + 1 == a->v.layers, true, err));
    for (size_t l = 0; l < a->t.layers; l++)
        GP_TRY(pack_block(m, &m->tb[l], &w->t_block[l], &a->t, both, l + 1 == a->t.layers, false, err));
    return gp_clip_check(w, err);
}

gopro_status gp_model_create(gp_model **out, gp_compute *c, gp_clip_weights *w, gp_precision prec, bool trainable, gopro_error *err)
{
    *out = NULL;
    gp_model *m = calloc(1, sizeof *m);
    if (!m) return gp_fail_nomem(err, sizeof *m, "a model");
    m->c = c;
    m->w = w;
    m->prec = prec;
    m->trainable = m->vision_gradients = trainable;
    gopro_status st = build(m, err);
    if (st != GOPRO_OK) {
        gp_model_free(&m);
        return st;
    }
    *out = m;
    return GOPRO_OK;
}

static gopro_status add_gradients(gp_model *m, gp_mat *mat, gopro_error *err)
{
    return mat ? gp_mat_add_uses(mat, m->c, GP_MAT_BWD, err) : GOPRO_OK;
}

gopro_status gp_model_vision_gradients(gp_model *m, gopro_error *err)
{
    const size_t L = m->w->arch.v.layers;
    if (m->vision_gradients) return GOPRO_OK;
    GP_TRY(add_gradients(m, m->v_proj, err));
    for (size_t l = 0; l < L; l++) {
        const gp_block *b = &m->vb[l];
        gp_mat *const mat[] = {l + 1 < L ? b->qkv : NULL, b->q, b->kv, b->out, b->fc1, b->fc2}; /* the last block has q and kv apart */
        for (size_t i = 0; i < GP_COUNT(mat); i++) GP_TRY(add_gradients(m, mat[i], err));
        if (!m->c->plain_gemm) gp_clip_drop_pages(m->w);
    }
    m->vision_gradients = true;
    return gp_clip_check(m->w, err);
}

void gp_model_free(gp_model **pm)
{
    gp_model *m = *pm;
    if (!m) return;
    for (size_t i = 0; i < m->n_mat; i++) gp_mat_free(&m->mat[i]);
    free(m->mat);
    free(m->vb);
    free(m->tb);
    gp_arena_free(&m->work);
    free(m);
    *pm = NULL;
}

static void repack_task(void *arg, size_t block, size_t worker)
{
    gp_model *m = arg;
    gp_mat_repack(m->mat[block], m->c, worker);
}

void gp_model_repack(gp_model *m)
{
    gp_parallel_for(m->c->pool, m->n_mat, repack_task, m);
}

const gp_clip_arch *gp_model_arch(const gp_model *m)
{
    return &m->w->arch;
}

gp_compute *gp_model_compute(const gp_model *m)
{
    return m->c;
}

const gp_clip_weights *gp_model_weights(const gp_model *m)
{
    return m->w;
}

double gp_model_logit_scale(const gp_model *m)
{
    return exp((double)*m->w->logit_scale);
}
