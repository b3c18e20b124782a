/* pretrain_step.c - one step of pretraining: a batch of distinct concepts, CLIP's symmetric loss, SLIP's self-supervised term, AdamW.
 * SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "encoders/vision.h"
#include "losses/clip_loss.h"
#include "methods/ssl.h"
#include "train/pretrain_impl.h"

enum { PREPARE_BLOCK = 8 };

/* ---- batches ---- */

gopro_status gp_pretrain_buffers(gp_pretrain_run *p, gopro_error *err)
{
    size_t pixels = 3 * p->arch.image * p->arch.image, blocks = (p->B + PREPARE_BLOCK - 1) / PREPARE_BLOCK;
    p->drawing = calloc(p->B, sizeof *p->drawing);
    p->ids = calloc(p->B, GP_CAPTION_IDS * sizeof *p->ids);
    p->caption_hash = calloc(p->B, sizeof *p->caption_hash);
    p->prompt = calloc(p->B, sizeof *p->prompt);
    p->pixels = calloc(p->B, pixels * sizeof *p->pixels);
    if (p->head) p->ssl_pixels = calloc(2 * p->B, pixels * sizeof *p->ssl_pixels);
    p->st = calloc(blocks, sizeof *p->st);
    p->err = calloc(blocks, sizeof *p->err);
    if (!p->drawing || !p->ids || !p->caption_hash || !p->prompt || !p->pixels || (p->head && !p->ssl_pixels) || !p->st || !p->err)
        return gp_fail_nomem(err, (p->head ? 3 : 1) * p->B * pixels * sizeof *p->pixels, "a pretraining batch");
    return GOPRO_OK;
}

void gp_pretrain_buffers_free(gp_pretrain_run *p)
{
    free(p->drawing);
    free(p->ids);
    free(p->caption_hash);
    free(p->prompt);
    free(p->pixels);
    free(p->ssl_pixels);
    free(p->st);
    free(p->err);
}

gopro_status gp_pretrain_tokens(const gp_pretrain_run *p, gp_prompt *prompt, uint32_t *ids, const char *text, gopro_error *err)
{
    size_t n = 0, cap = gp_min_size(p->arch.context, GP_CAPTION_IDS) - 2;
    GP_TRY(gp_tokenize(p->tok, text, ids + 1, cap, &n, err));
    n = gp_min_size(n, cap); /* alt-texts are cut, the end token kept */
    ids[0] = p->arch.sot;
    ids[n + 1] = p->arch.eot;
    *prompt = (gp_prompt){.ids = ids, .n = n + 2};
    return GOPRO_OK;
}

/* Both views from streams of their own: the captions and their images are the same for both objectives. */
static gopro_status ssl_views(gp_pretrain_run *p, const gp_drawing *d, size_t i, gopro_error *err)
{
    size_t pixels = 3 * p->arch.image * p->arch.image;
    gp_rng a = gp_rng_make(p->seed, GP_RNG_VIEW_SSL_A, p->s.step, i), b = gp_rng_make(p->seed, GP_RNG_VIEW_SSL_B, p->s.step, i);
    GP_TRY(gp_pairs_ssl_view(p->ssl_pixels + i * pixels, d, &p->ssl_view, &a, err));
    return gp_pairs_ssl_view(p->ssl_pixels + (p->B + i) * pixels, d, &p->ssl_view, &b, err);
}

static void prepare_block(void *arg, size_t block, size_t worker)
{
    gp_pretrain_run *p = arg;
    size_t pixels = 3 * p->arch.image * p->arch.image, end = gp_min_size((block + 1) * PREPARE_BLOCK, p->B);
    (void)worker;
    for (size_t i = block * PREPARE_BLOCK; i < end && p->st[block] == GOPRO_OK; i++) {
        const gp_drawing *d = &p->train.d[p->drawing[i]];
        gp_rng r = gp_rng_make(p->seed, GP_RNG_PRETRAIN, p->s.step, 1 + i);
        gp_str text = {0};
        gp_pairs_caption(&text, d, &r);
        gopro_status st = text.failed ? gp_fail_nomem(&p->err[block], 0, "a caption") : GOPRO_OK;
        if (st == GOPRO_OK) p->caption_hash[i] = gp_hash_str(text.s);
        if (st == GOPRO_OK) st = gp_pretrain_tokens(p, &p->prompt[i], p->ids + i * GP_CAPTION_IDS, text.s, &p->err[block]);
        if (st == GOPRO_OK) st = gp_pairs_view(p->pixels + i * pixels, d, &p->view, p->crop_min, &r, &p->err[block]);
        if (st == GOPRO_OK && p->head) st = ssl_views(p, d, i, &p->err[block]);
        p->st[block] = st;
        gp_str_free(&text);
    }
}

static gopro_status prepare(gp_pretrain_run *p, gopro_error *err)
{
    size_t blocks = (p->B + PREPARE_BLOCK - 1) / PREPARE_BLOCK;
    GP_TRY(gp_pairs_draw(&p->train, p->drawing, p->B, p->seed, p->s.step, err));
    memset(p->st, 0, blocks * sizeof *p->st);
    gp_parallel_for(p->c->pool, blocks, prepare_block, p);
    for (size_t b = 0; b < blocks; b++)
        if (p->st[b] != GOPRO_OK) {
            if (err) *err = p->err[b];
            return p->st[b];
        }
    return GOPRO_OK;
}

/* ---- one step ---- */

static double learning_rate(const gp_pretrain_run *p)
{
    double lr0 = gp_opt_real(p->o, "pretrain.lr"), warm = (double)gp_opt_int(p->o, "pretrain.warmup"), t = (double)p->s.step;
    if (t < warm) return lr0 * (t + 1.0) / warm;
    double u = (t - warm) / fmax(1.0, (double)p->steps - warm);
    return 1e-5 + (lr0 - 1e-5) * 0.5 * (1.0 + cos(3.14159265358979323846 * u));
}

static gopro_status check_loss(const gp_pretrain_run *p, double loss, gopro_error *err)
{
    if (isfinite(loss)) return GOPRO_OK;
    return gp_fail(err, GOPRO_E_NUMERIC, "step %" PRIu64 ": the loss is not finite; lower pretrain.lr or raise pretrain.warmup", p->s.step);
}

/* L_clip and its gradients; the activations are gone afterwards. */
static gopro_status clip_term(gp_pretrain_run *p, gp_pretrain_report *rep, gopro_error *err)
{
    size_t B = p->B, E = p->arch.embed;
    gp_arena *a = gp_tape_arena(p->tape);
    gp_arena_mark mark = gp_arena_mark_get(a);
    gp_vision_save *vs = NULL;
    gp_text_train_save *ts = NULL;
    gp_real *fi = gp_arena_alloc(a, B * E, sizeof *fi), *ft = gp_arena_alloc(a, B * E, sizeof *ft);
    gp_real *di = gp_arena_alloc(a, B * E, sizeof *di), *dt = gp_arena_alloc(a, B * E, sizeof *dt);
    if (gp_arena_failed(a)) return gp_fail_nomem(err, 4 * B * E * sizeof *fi, "features of a batch");
    GP_TRY(gp_vision_train_fwd(p->model, a, &vs, fi, p->pixels, B, err));
    GP_TRY(gp_text_train_fwd(p->model, a, &ts, ft, p->prompt, B, err));
    gp_clip_loss l = {.smoothing = gp_opt_real(p->o, "pretrain.label_smoothing"), .same = p->caption_hash};
    GP_TRY(gp_clip_loss_run(&l, p->c, a, di, dt, p->s.g->logit_scale, fi, ft, *p->s.w->logit_scale, B, E, err));
    GP_TRY(check_loss(p, l.loss, err));
    GP_TRY(gp_vision_train_bwd(p->model, vs, di, p->s.g, err));
    GP_TRY(gp_text_train_bwd(p->model, ts, dt, p->s.g, err));
    gp_arena_pop(a, mark);
    rep->loss = l.loss;
    rep->accuracy = l.accuracy;
    return GOPRO_OK;
}

static gopro_status ssl_term(gp_pretrain_run *p, gp_pretrain_report *rep, gopro_error *err)
{
    gp_ssl l = {.tau = (gp_real)gp_opt_real(p->o, "pretrain.ssl_tau"), .scale = (gp_real)gp_opt_real(p->o, "pretrain.ssl_scale")};
    GP_TRY(gp_ssl_run(&l, p->tape, p->model, p->head, p->ssl_pixels, p->B, p->s.g, err));
    rep->ssl_loss = l.loss;
    rep->ssl_accuracy = l.accuracy;
    return check_loss(p, l.loss, err);
}

gopro_status gp_pretrain_step(gp_pretrain_run *p, gp_pretrain_report *rep, gopro_error *err)
{
    GP_TRY(prepare(p, err));
    gp_pt_zero_grad(&p->s, p->c);
    GP_TRY(clip_term(p, rep, err));
    if (p->head) GP_TRY(ssl_term(p, rep, err));
    gp_pt_adamw opt = {.lr = learning_rate(p),
                       .beta1 = gp_opt_real(p->o, "pretrain.beta1"),
                       .beta2 = gp_opt_real(p->o, "pretrain.beta2"),
                       .eps = 1e-8,
                       .weight_decay = gp_opt_real(p->o, "pretrain.weight_decay"),
                       .clip = gp_opt_real(p->o, "pretrain.clip"),
                       .ema = gp_opt_real(p->o, "pretrain.ema")};
    rep->norm = gp_pt_update(&p->s, p->c, &opt);
    rep->lr = opt.lr;
    GP_TRY(gp_compute_check(p->c, err));
    if (!isfinite(rep->norm))
        return gp_fail(err, GOPRO_E_NUMERIC, "step %" PRIu64 ": a gradient is not finite; lower pretrain.lr or raise pretrain.warmup",
                       p->s.step);
    gp_model_repack(p->model);
    return GOPRO_OK;
}
