/* vision.c - the image tower (METHODS 1.3), with per-block statistics when asked for (METHODS 3.7 step 1).
 * SPDX-License-Identifier: Apache-2.0 */
#include "encoders/vision.h"

#include <string.h>

#include "encoders/vision_impl.h"

#define WORK_BYTES  ((size_t)64 << 20) /* of activations at a time */
#define FEW_IMAGES  8                  /* below this, attention is split within images too */
#define SPLIT_QUERY 64

/* Row of pixels of one patch in the weights' order: channel, row, column. */
static void gather_patch(gp_real *out, const gp_real *image, const gp_clip_arch *a, size_t patch)
{
    size_t P = a->patch, R = a->image, G = R / P, y0 = patch / G * P, x0 = patch % G * P;
    for (size_t ch = 0; ch < 3; ch++)
        for (size_t y = 0; y < P; y++) {
            memcpy(out, image + (ch * R + y0 + y) * R + x0, P * sizeof *out);
            out += P;
        }
}

size_t gp_vision_rows(const gp_model *m, size_t n_prompt)
{
    return gp_arch_patches(&m->w->arch) + 1 + n_prompt;
}

/* Row t of an image before positions are added, where it is no patch; NULL where it is one. */
static const gp_real *given_row(const gp_vision_embed *v, size_t t)
{
    const size_t N = gp_arch_patches(&v->m->w->arch);
    return t == 0 ? v->m->w->v_cls : t > N ? v->prompt + (t - N - 1) * v->m->w->arch.v.width : NULL;
}

static void embed_rows(void *arg, size_t first, size_t n, size_t worker)
{
    const gp_vision_embed *v = arg;
    gp_compute *c = v->m->c;
    const gp_clip_weights *w = v->m->w;
    const gp_clip_arch *a = &w->arch;
    size_t D = a->v.width, N = gp_arch_patches(a), T = N + 1 + v->n_prompt, cols = 3 * a->patch * a->patch;
    size_t image = 3 * a->image * a->image;
    gp_scratch_reset(c, worker);
    gp_real *patches = v->patches ? v->patches + first * cols : gp_scratch(c, worker, n * cols);
    if (!patches) return;
    for (size_t i = 0; i < n; i++) {
        size_t t = (first + i) % T;
        if (given_row(v, t))
            memset(patches + i * cols, 0, cols * sizeof *patches);
        else
            gather_patch(patches + i * cols, v->pixels + (first + i) / T * image, a, t - 1);
    }
    gp_real *x = v->x + first * D, *e = v->e ? v->e + first * D : x;
    gp_mat_fwd(v->m->patch, c, worker, e, patches, w->v_patch_b, n, false);
    for (size_t i = 0; i < n; i++) {
        size_t t = (first + i) % T;
        const gp_real *given = given_row(v, t);
        if (given) memcpy(e + i * D, given, D * sizeof *e);
        if (t <= N) c->k->add(e + i * D, w->v_pos + t * D, D);
    }
    if (a->no_ln_pre) {
        if (x != e) memcpy(x, e, n * D * sizeof *x);
        return;
    }
    c->k->layernorm_fwd(x, v->mean ? v->mean + first : NULL, v->rstd ? v->rstd + first : NULL, e, w->v_ln_pre_g, w->v_ln_pre_b,
                        (gp_real)a->v.eps, n, D);
}

void gp_vision_embed_run(gp_vision_embed *v)
{
    gp_rows_run(v->m->c, v->rows, embed_rows, v);
}

static void head_rows(void *arg, size_t first, size_t n, size_t worker)
{
    const gp_vision_head *v = arg;
    gp_compute *c = v->m->c;
    const gp_clip_weights *w = v->m->w;
    size_t D = w->arch.v.width;
    gp_scratch_reset(c, worker);
    gp_real *u = v->token ? v->token + first * D : gp_scratch(c, worker, n * D);
    if (!u) return;
    c->k->layernorm_fwd(u, v->mean ? v->mean + first : NULL, v->rstd ? v->rstd + first : NULL, v->x + first * D, w->v_ln_post_g,
                        w->v_ln_post_b, (gp_real)w->arch.v.eps, n, D);
    if (v->feat) gp_mat_fwd(v->m->v_proj, c, worker, v->feat + first * w->arch.embed, u, NULL, n, false);
}

void gp_vision_head_run(gp_vision_head *v, size_t B)
{
    gp_rows_run(v->m->c, B, head_rows, v);
}

typedef struct taps {
    const gp_model *m;
    const gp_real *x;
    gp_real *mu, *sigma;
    size_t layer;
} taps;

static void taps_image(void *arg, size_t i, size_t worker)
{
    (void)worker;
    const taps *t = arg;
    const gp_clip_arch *a = &t->m->w->arch;
    size_t D = a->v.width, T = gp_arch_patches(a) + 1, at = (i * a->v.layers + t->layer) * D;
    t->m->c->k->row_stats(t->mu + at, t->sigma + at, t->x + i * T * D, T, D);
}

gp_slots gp_vision_slots(const gp_model *m, size_t n, size_t B)
{
    const size_t T = gp_vision_rows(m, n);
    return (gp_slots){.count = B, .stride = T, .first = T - n, .n = n, .width = m->w->arch.v.width};
}

static gopro_status run_blocks(gp_model *m, const gp_layout *l, const gp_slot_rows *p, gp_real *x, gp_real *cls, gp_real *mu,
                               gp_real *sigma, size_t B, gopro_error *err)
{
    const gp_clip_arch *a = &m->w->arch;
    const gp_slots slots = gp_vision_slots(m, p->n, B);
    size_t D = a->v.width, T = slots.stride, L = a->v.layers;
    gp_block_state wide = {.x = x}, narrow = {.x = x};
    bool ok = true;
    if (L > 1 || mu) ok = gp_block_state_alloc(&wide, m->work, &m->vb[0], l, false, false);
    if (!mu) ok = gp_block_state_alloc(&narrow, m->work, &m->vb[0], l, true, false) && ok;
    if (!ok) return gp_fail_nomem(err, l->rows * D * 4 * sizeof(gp_real), "image activations");
    for (size_t i = 0; i < L; i++) {
        bool last = i + 1 == L && !mu;
        if (i > 0 && i < p->levels) gp_slots_fill(m->c, &slots, x, p->rows + i * p->n * D);
        GP_TRY(gp_block_fwd(m->c, &m->vb[i], l, last ? &narrow : &wide, last ? cls : x, last, err));
        if (!mu) continue;
        taps t = {.m = m, .x = x, .mu = mu, .sigma = sigma, .layer = i};
        gp_parallel_for(m->c->pool, B, taps_image, &t);
    }
    if (mu)
        for (size_t i = 0; i < B; i++) memcpy(cls + i * D, x + i * T * D, D * sizeof *cls);
    return GOPRO_OK;
}

static gopro_status run_chunk(gp_model *m, const gp_slot_rows *p, gp_real *feat, gp_real *mu, gp_real *sigma, const gp_real *pixels,
                              size_t B, gopro_error *err)
{
    size_t D = m->w->arch.v.width, T = gp_vision_rows(m, p->n);
    bool ok = true;
    gp_layout l;
    GP_TRY(gp_layout_make(
        &l, m->work,
        &(gp_layout_spec){.n = B, .same_len = T, .query_first = true, .q_split = B < FEW_IMAGES && T > 2 * SPLIT_QUERY ? SPLIT_QUERY : 0},
        err));
    gp_real *x = gp_take(m->work, l.rows, D, &ok), *cls = gp_take(m->work, B, D, &ok);
    if (!ok) return gp_fail_nomem(err, l.rows * D * sizeof *x, "image activations");
    gp_vision_embed_run(&(gp_vision_embed){.m = m, .pixels = pixels, .prompt = p->rows, .n_prompt = p->n, .x = x, .rows = l.rows});
    GP_TRY(gp_compute_check(m->c, err));
    GP_TRY(run_blocks(m, &l, p, x, cls, mu, sigma, B, err));
    gp_vision_head_run(&(gp_vision_head){.m = m, .feat = feat, .x = cls}, B);
    return gp_compute_check(m->c, err);
}

gopro_status gp_vision_chunks(gp_model *m, const gp_slot_rows *p, gp_real *feat, gp_real *mu, gp_real *sigma, const gp_real *pixels,
                              size_t B, gopro_error *err)
{
    const gp_clip_arch *a = &m->w->arch;
    size_t per_image = gp_vision_rows(m, p->n) * 5 * a->v.width * sizeof(gp_real);
    size_t chunk = gp_max_size(1, WORK_BYTES / per_image), stats = a->v.layers * a->v.width;
    for (size_t i = 0; i < B; i += chunk) {
        gp_arena_mark mark = gp_arena_mark_get(m->work);
        gopro_status st = run_chunk(m, p, feat + i * a->embed, mu ? mu + i * stats : NULL, sigma ? sigma + i * stats : NULL,
                                    pixels + i * 3 * a->image * a->image, gp_min_size(chunk, B - i), err);
        gp_arena_pop(m->work, mark);
        GP_TRY(st);
    }
    return GOPRO_OK;
}

gopro_status gp_vision_fwd(gp_model *m, gp_real *feat, gp_real *mu, gp_real *sigma, const gp_real *pixels, size_t B, gopro_error *err)
{
    if (!mu != !sigma) return gp_fail(err, GOPRO_E_INVALID, "statistics of the image tower: give both arrays or none");
    return gp_vision_chunks(m, &(gp_slot_rows){0}, feat, mu, sigma, pixels, B, err);
}
