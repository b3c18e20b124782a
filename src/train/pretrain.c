/* pretrain.c - the pretraining loop: batches of distinct concepts, both towers, CLIP's symmetric loss, validation, calibration.
 * SPDX-License-Identifier: Apache-2.0 */
#include "train/pretrain.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/file.h"
#include "base/sha256.h"
#include "encoders/text.h"
#include "encoders/vision.h"
#include "losses/clip_loss.h"
#include "text/tokenizer.h"
#include "train/pretrain_pairs.h"
#include "train/pretrain_state.h"
#include "weights/safetensors.h"

enum { CAPTION_IDS = 128, PREPARE_BLOCK = 8, CALIBRATION_CLASSES = 24, CALIBRATION_GROUPS = 64 };

typedef struct pretrain {
    gp_compute *c;
    const gp_options *o;
    const gp_log *log;
    const char *out;
    gp_clip_arch arch;
    gp_pairs train, val;
    gp_tokenizer *tok;
    gp_pt_state s;
    gp_model *model;
    gp_arena *arena;
    gp_view_config view;
    uint64_t seed, steps;
    size_t B;
    double crop_min;
    /* the current batch */
    uint32_t *drawing, *ids;
    uint64_t *caption_hash;
    gp_prompt *prompt;
    float *pixels;
    gopro_status *st;
    gopro_error *err;
    FILE *jsonl;
} pretrain;

/* ---- batches ---- */

static gopro_status tokenize_caption(const pretrain *p, gp_prompt *prompt, uint32_t *ids, const char *text, gopro_error *err)
{
    size_t n = 0, cap = gp_min_size(p->arch.context, CAPTION_IDS) - 2;
    GP_TRY(gp_tokenize(p->tok, text, ids + 1, cap, &n, err));
    n = gp_min_size(n, cap); /* alt-texts are cut, the end token kept */
    ids[0] = p->arch.sot;
    ids[n + 1] = p->arch.eot;
    *prompt = (gp_prompt){.ids = ids, .n = n + 2};
    return GOPRO_OK;
}

static void prepare_block(void *arg, size_t block, size_t worker)
{
    pretrain *p = arg;
    size_t pixels = 3 * p->arch.image * p->arch.image, end = gp_min_size((block + 1) * PREPARE_BLOCK, p->B);
    (void)worker;
    for (size_t i = block * PREPARE_BLOCK; i < end && p->st[block] == GOPRO_OK; i++) {
        const gp_drawing *d = &p->train.d[p->drawing[i]];
        gp_rng r = gp_rng_make(p->seed, GP_RNG_PRETRAIN, p->s.step, 1 + i);
        gp_str text = {0};
        gp_pairs_caption(&text, d, &r);
        gopro_status st = text.failed ? gp_fail_nomem(&p->err[block], 0, "a caption") : GOPRO_OK;
        if (st == GOPRO_OK) p->caption_hash[i] = gp_hash_str(text.s);
        if (st == GOPRO_OK) st = tokenize_caption(p, &p->prompt[i], p->ids + i * CAPTION_IDS, text.s, &p->err[block]);
        if (st == GOPRO_OK) st = gp_pairs_view(p->pixels + i * pixels, d, &p->view, p->crop_min, &r, &p->err[block]);
        p->st[block] = st;
        gp_str_free(&text);
    }
}

static gopro_status prepare(pretrain *p, gopro_error *err)
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

static double learning_rate(const pretrain *p)
{
    double lr0 = gp_opt_real(p->o, "pretrain.lr"), warm = (double)gp_opt_int(p->o, "pretrain.warmup"), t = (double)p->s.step;
    if (t < warm) return lr0 * (t + 1.0) / warm;
    double u = (t - warm) / fmax(1.0, (double)p->steps - warm);
    return 1e-5 + (lr0 - 1e-5) * 0.5 * (1.0 + cos(3.14159265358979323846 * u));
}

typedef struct step_report {
    double loss, accuracy, norm, lr;
} step_report;

static gopro_status train_step(pretrain *p, step_report *rep, gopro_error *err)
{
    size_t B = p->B, E = p->arch.embed;
    gp_arena_mark mark = gp_arena_mark_get(p->arena);
    gp_vision_save *vs = NULL;
    gp_text_train_save *ts = NULL;
    GP_TRY(prepare(p, err));
    gp_real *fi = gp_arena_alloc(p->arena, B * E, sizeof *fi), *ft = gp_arena_alloc(p->arena, B * E, sizeof *ft);
    gp_real *di = gp_arena_alloc(p->arena, B * E, sizeof *di), *dt = gp_arena_alloc(p->arena, B * E, sizeof *dt);
    if (gp_arena_failed(p->arena)) return gp_fail_nomem(err, 4 * B * E * sizeof *fi, "features of a batch");
    GP_TRY(gp_vision_train_fwd(p->model, p->arena, &vs, fi, p->pixels, B, err));
    GP_TRY(gp_text_train_fwd(p->model, p->arena, &ts, ft, p->prompt, B, err));
    gp_pt_zero_grad(&p->s, p->c);
    gp_clip_loss l = {.smoothing = gp_opt_real(p->o, "pretrain.label_smoothing"), .same = p->caption_hash};
    GP_TRY(gp_clip_loss_run(&l, p->c, p->arena, di, dt, p->s.g->logit_scale, fi, ft, *p->s.w->logit_scale, B, E, err));
    if (!isfinite(l.loss))
        return gp_fail(err, GOPRO_E_NUMERIC, "step %" PRIu64 ": the loss is not finite; lower pretrain.lr or raise pretrain.warmup",
                       p->s.step);
    GP_TRY(gp_vision_train_bwd(p->model, vs, di, p->s.g, err));
    GP_TRY(gp_text_train_bwd(p->model, ts, dt, p->s.g, err));
    gp_pt_adamw opt = {.lr = learning_rate(p),
                       .beta1 = gp_opt_real(p->o, "pretrain.beta1"),
                       .beta2 = gp_opt_real(p->o, "pretrain.beta2"),
                       .eps = 1e-8,
                       .weight_decay = gp_opt_real(p->o, "pretrain.weight_decay"),
                       .clip = gp_opt_real(p->o, "pretrain.clip"),
                       .ema = gp_opt_real(p->o, "pretrain.ema")};
    *rep = (step_report){l.loss, l.accuracy, gp_pt_update(&p->s, p->c, &opt), opt.lr};
    GP_TRY(gp_compute_check(p->c, err));
    if (!isfinite(rep->norm))
        return gp_fail(err, GOPRO_E_NUMERIC, "step %" PRIu64 ": a gradient is not finite; lower pretrain.lr or raise pretrain.warmup",
                       p->s.step);
    gp_model_repack(p->model);
    gp_arena_pop(p->arena, mark);
    return GOPRO_OK;
}

/* ---- validation on held-out concepts ---- */

/* Normalised features of n drawings in the test view (step == 0) or in training views, and of their names in `tmpl` words. */
static gopro_status val_features(pretrain *p, const uint32_t *which, size_t n, bool plain, const char *before, float *fi, float *ft,
                                 gopro_error *err)
{
    size_t pixels = 3 * p->arch.image * p->arch.image, E = p->arch.embed;
    gopro_status st = GOPRO_OK;
    gp_text_plan *plan = NULL;
    float *x = malloc(n * pixels * sizeof *x);
    gp_prompt *prompt = calloc(n, sizeof *prompt);
    uint32_t *ids = calloc(n, CAPTION_IDS * sizeof *ids);
    gp_pair *pair = calloc(n, sizeof *pair);
    gp_str text = {0};
    if (!x || !prompt || !ids || !pair) st = gp_fail_nomem(err, n * pixels * sizeof *x, "validation");
    for (size_t i = 0; i < n && st == GOPRO_OK; i++) {
        const gp_drawing *d = &p->val.d[which[i]];
        gp_rng r = gp_rng_make(p->seed, GP_RNG_TEST, 0, which[i]);
        text.len = 0;
        gp_str_addf(&text, "%s%s.", before, d->name);
        pair[i] = (gp_pair){0, (uint32_t)i};
        st = tokenize_caption(p, &prompt[i], ids + i * CAPTION_IDS, text.s, err);
        if (st == GOPRO_OK && plain)
            st = gp_pairs_plain(x + i * pixels, d, &p->view, err);
        else if (st == GOPRO_OK)
            st = gp_pairs_view(x + i * pixels, d, &p->view, p->crop_min, &r, err);
    }
    if (st == GOPRO_OK) st = gp_text_plan_create(&plan, p->model, prompt, n, 0, GP_POS_END, err);
    if (st == GOPRO_OK) st = gp_text_fwd(p->model, plan, ft, NULL, 1, pair, n, NULL, NULL, err);
    if (st == GOPRO_OK) st = gp_vision_fwd(p->model, fi, NULL, NULL, x, n, err);
    if (st == GOPRO_OK) gp_clip_unit_rows(fi, n, E), gp_clip_unit_rows(ft, n, E);
    gp_text_plan_free(&plan);
    gp_str_free(&text);
    free(x);
    free(prompt);
    free(ids);
    free(pair);
    return st;
}

typedef struct val_report {
    double loss,
        accuracy; /* of matching a drawing among CALIBRATION_CLASSES names, at the fitted scale: the model gets that scale in the end */
    double fitted_scale;
} val_report;

/* CALIBRATION_GROUPS groups of distinct held-out concepts stand in for small label sets. */
static gopro_status validate(pretrain *p, bool plain, val_report *rep, gopro_error *err)
{
    size_t K = gp_min_size(CALIBRATION_CLASSES, p->val.n_concepts), n = K * CALIBRATION_GROUPS, E = p->arch.embed;
    uint32_t *which = calloc(n, sizeof *which);
    float *fi = calloc(n, E * sizeof *fi), *ft = calloc(n, E * sizeof *ft), *cosine = calloc(n, K * sizeof *cosine);
    gopro_status st = which && fi && ft && cosine ? GOPRO_OK : gp_fail_nomem(err, n * E * sizeof *fi, "validation");
    for (size_t g = 0; g < CALIBRATION_GROUPS && st == GOPRO_OK; g++)
        st = gp_pairs_draw(&p->val, which + g * K, K, p->seed, UINT64_C(1) << 40 | g, err);
    if (st == GOPRO_OK) st = val_features(p, which, n, plain, "", fi, ft, err);
    if (st == GOPRO_OK) {
        for (size_t g = 0; g < CALIBRATION_GROUPS; g++)
            gp_gemm_ref(false, true, K, K, E, 1.0f, fi + g * K * E, E, ft + g * K * E, E, 0.0f, cosine + g * K * K, K);
        rep->fitted_scale = gp_clip_fit_scale(cosine, n, K);
        rep->loss = gp_clip_group_loss(cosine, n, K, rep->fitted_scale, &rep->accuracy);
    }
    free(which);
    free(fi);
    free(ft);
    free(cosine);
    return st;
}

/* ---- the run ---- */

static gopro_status learn_tokenizer(pretrain *p, gopro_error *err)
{
    size_t n = 0, cap = 4 * p->train.n + 64, vocab = (size_t)gp_opt_int(p->o, "pretrain.vocab");
    char **text = calloc(cap, sizeof *text);
    gopro_status st = text ? GOPRO_OK : gp_fail_nomem(err, cap * sizeof *text, "the captions");
    gp_rng r = gp_rng_make(p->seed, GP_RNG_PRETRAIN, UINT64_MAX, 0);
    for (size_t i = 0; i < p->train.n && st == GOPRO_OK; i++) {
        gp_str s = {0};
        gp_pairs_caption(&s, &p->train.d[i], &r);
        if (s.failed) st = gp_fail_nomem(err, 0, "a caption");
        text[n++] = s.s;
    }
    if (st == GOPRO_OK) st = gp_bpe_learn((const char *const *)text, n, vocab, p->out, err);
    for (size_t i = 0; i < n; i++) free(text[i]);
    free(text);
    if (st == GOPRO_OK) st = gp_tokenizer_load(&p->tok, p->out, 0, err);
    return st;
}

static gp_clip_arch read_arch(const gp_options *o)
{
    gp_clip_arch a = {0};
    a.v = (gp_tower_arch){(size_t)gp_opt_int(o, "pretrain.v_width"),
                          (size_t)gp_opt_int(o, "pretrain.v_layers"),
                          (size_t)gp_opt_int(o, "pretrain.v_heads"),
                          4 * (size_t)gp_opt_int(o, "pretrain.v_width"),
                          GP_ACT_QUICKGELU,
                          1e-5};
    a.t = (gp_tower_arch){(size_t)gp_opt_int(o, "pretrain.t_width"),
                          (size_t)gp_opt_int(o, "pretrain.t_layers"),
                          (size_t)gp_opt_int(o, "pretrain.t_heads"),
                          4 * (size_t)gp_opt_int(o, "pretrain.t_width"),
                          GP_ACT_QUICKGELU,
                          1e-5};
    a.image = (size_t)gp_opt_int(o, "pretrain.image");
    a.patch = (size_t)gp_opt_int(o, "pretrain.patch");
    a.context = (size_t)gp_opt_int(o, "pretrain.context");
    a.embed = (size_t)gp_opt_int(o, "pretrain.embed");
    static const float mean[3] = {0.48145466f, 0.4578275f, 0.40821073f}, std[3] = {0.26862954f, 0.26130258f, 0.27577711f};
    memcpy(a.mean, mean, sizeof mean);
    memcpy(a.std, std, sizeof std);
    return a;
}

static gopro_status check_arch(const gp_clip_arch *a, gopro_error *err)
{
    if (a->image % a->patch != 0)
        return gp_fail(err, GOPRO_E_INVALID, "pretrain.image=%zu is no multiple of pretrain.patch=%zu", a->image, a->patch);
    if (a->v.width % a->v.heads != 0 || a->t.width % a->t.heads != 0)
        return gp_fail(err, GOPRO_E_INVALID, "a tower's width is no multiple of its heads (v %zu/%zu, t %zu/%zu)", a->v.width, a->v.heads,
                       a->t.width, a->t.heads);
    return GOPRO_OK;
}

static gopro_status start(pretrain *p, const char *pairs, const char *val, gopro_error *err)
{
    const gp_options *o = p->o;
    p->arch = read_arch(o);
    GP_TRY(check_arch(&p->arch, err));
    p->seed = (uint64_t)gp_opt_int(o, "seed");
    p->steps = (uint64_t)gp_opt_int(o, "pretrain.steps");
    p->B = (size_t)gp_opt_int(o, "pretrain.batch");
    p->crop_min = gp_opt_real(o, "pretrain.crop_min");
    p->view = (gp_view_config){
        .size = (uint32_t)p->arch.image, .scale_min = p->crop_min, .scale_max = 1.0, .moco_recipe = 1, .augmix_severity = 1};
    memcpy(p->view.mean, p->arch.mean, sizeof p->view.mean);
    memcpy(p->view.std, p->arch.std, sizeof p->view.std);
    GP_TRY(gp_mkdirs(p->out, err));
    double line = gp_opt_real(o, "pretrain.line_weight");
    GP_TRY(gp_pairs_load(&p->train, pairs, line, p->c->pool, err));
    if (val) GP_TRY(gp_pairs_load(&p->val, val, 1.0, p->c->pool, err));
    GP_TRY(learn_tokenizer(p, err));
    p->arch.vocab = gp_tokenizer_vocab(p->tok);
    p->arch.sot = gp_tokenizer_sot(p->tok);
    p->arch.eot = gp_tokenizer_eot(p->tok);
    GP_TRY(gp_pt_create(&p->s, &p->arch, p->seed, err));
    GP_TRY(gp_model_create(&p->model, p->c, p->s.w, gp_opt_is(o, "precision", "bf16") ? GP_BF16 : GP_F32, true, err));
    size_t pixels = 3 * p->arch.image * p->arch.image, blocks = (p->B + PREPARE_BLOCK - 1) / PREPARE_BLOCK;
    p->arena = gp_arena_create((size_t)64 << 20);
    p->drawing = calloc(p->B, sizeof *p->drawing);
    p->ids = calloc(p->B, CAPTION_IDS * sizeof *p->ids);
    p->caption_hash = calloc(p->B, sizeof *p->caption_hash);
    p->prompt = calloc(p->B, sizeof *p->prompt);
    p->pixels = calloc(p->B, pixels * sizeof *p->pixels);
    p->st = calloc(blocks, sizeof *p->st);
    p->err = calloc(blocks, sizeof *p->err);
    if (!p->arena || !p->drawing || !p->ids || !p->caption_hash || !p->prompt || !p->pixels || !p->st || !p->err)
        return gp_fail_nomem(err, p->B * pixels * sizeof *p->pixels, "a pretraining batch");
    gp_logf(p->log, GP_LOG_INFO,
            "%zu drawings of %zu concepts, %zu held out; vocabulary %zu; %.2f M parameters; %" PRIu64 " steps of %zu pairs", p->train.n,
            p->train.n_concepts, p->val.n, p->arch.vocab, (double)p->s.total / 1e6, p->steps, p->B);
    return GOPRO_OK;
}

static gopro_status copy_file(const char *from, const char *to, const char *name, gopro_error *err)
{
    char *a = gp_path_join(from, name), *b = gp_path_join(to, name), *data = NULL;
    size_t n = 0;
    gopro_status st = a && b ? GOPRO_OK : gp_fail_nomem(err, 0, "a path");
    if (st == GOPRO_OK) st = gp_read_file(&data, &n, a, (size_t)1 << 30, err);
    if (st == GOPRO_OK) st = gp_write_file(b, data, n, err);
    free(data);
    free(a);
    free(b);
    return st;
}

/* The best average so far, usable while the run goes on. */
static gopro_status save_snapshot(pretrain *p, gopro_error *err)
{
    char *folder = gp_path_join(p->out, "snapshot");
    if (!folder) return gp_fail_nomem(err, strlen(p->out), "a path");
    static const char *const meta[] = {"format", "pt", "made_by", "gopro pretrain, unfinished", NULL};
    gopro_status st = gp_mkdirs(folder, err);
    if (st == GOPRO_OK) st = gp_clip_save(p->s.w, folder, GP_DT_F16, meta, err);
    if (st == GOPRO_OK) st = copy_file(p->out, folder, "merges.txt", err);
    if (st == GOPRO_OK) st = copy_file(p->out, folder, "vocab.json", err);
    free(folder);
    return st;
}

static gopro_status validate_and_keep(pretrain *p, gopro_error *err)
{
    val_report plain = {0}, views = {0};
    if (p->val.n == 0) {
        gp_pt_keep_best(&p->s, -(double)p->s.step); /* nothing to choose by: the last one */
        return GOPRO_OK;
    }
    gp_pt_swap_ema(&p->s);
    gp_model_repack(p->model);
    gopro_status st = validate(p, true, &plain, err);
    if (st == GOPRO_OK) st = validate(p, false, &views, err);
    double learnt = exp((double)*p->s.w->logit_scale);
    bool better = st == GOPRO_OK && plain.loss + views.loss < p->s.best_loss;
    if (better) st = save_snapshot(p, err);
    gp_pt_swap_ema(&p->s);
    gp_model_repack(p->model);
    if (st != GOPRO_OK) return st;
    if (better) gp_pt_keep_best(&p->s, plain.loss + views.loss);
    gp_logf(
        p->log, GP_LOG_INFO,
        "  held out, %d names: plain loss %.3f acc %.1f %% fitted scale %.1f; views loss %.3f acc %.1f %% fitted %.1f; learnt scale %.1f%s",
        CALIBRATION_CLASSES, plain.loss, plain.accuracy, plain.fitted_scale, views.loss, views.accuracy, views.fitted_scale, learnt,
        better ? " (best)" : "");
    fprintf(p->jsonl,
            "{\"step\":%" PRIu64
            ",\"val_loss\":%.6f,\"val_acc\":%.3f,\"val_scale\":%.3f,\"view_loss\":%.6f,\"view_acc\":%.3f,\"view_scale\":%.3f,"
            "\"scale\":%.4f}\n",
            p->s.step, plain.loss, plain.accuracy, plain.fitted_scale, views.loss, views.accuracy, views.fitted_scale, learnt);
    fflush(p->jsonl);
    return GOPRO_OK;
}

/* The best average becomes the model; its scale is the one that fits the held-out concepts, shown in training views among few names, which
 * is how the methods will use it. */
static gopro_status finish(pretrain *p, gopro_error *err)
{
    char steps[32], pairs[32], seed[32], scale[32];
    gp_pt_take_best(&p->s);
    double learnt = exp((double)*p->s.w->logit_scale);
    if (p->val.n > 0) {
        val_report plain, views;
        gp_model_repack(p->model);
        GP_TRY(validate(p, true, &plain, err));
        GP_TRY(validate(p, false, &views, err));
        *p->s.w->logit_scale = (float)log(sqrt(plain.fitted_scale * views.fitted_scale));
    }
    snprintf(steps, sizeof steps, "%" PRIu64, p->s.step);
    snprintf(pairs, sizeof pairs, "%" PRIu64, p->s.step * p->B);
    snprintf(seed, sizeof seed, "%" PRIu64, p->seed);
    snprintf(scale, sizeof scale, "%.4f", learnt);
    const char *meta[] = {"format", "pt",   "made_by", "gopro pretrain", "objective", "clip", "steps", steps, "pairs_seen",
                          pairs,    "seed", seed,      "learnt_scale",   scale,       NULL};
    GP_TRY(gp_clip_save(p->s.w, p->out, GP_DT_F16, meta, err));
    gp_logf(p->log, GP_LOG_INFO, "logit scale %.2f (learnt %.2f); model written to %s", exp((double)*p->s.w->logit_scale), learnt, p->out);
    return GOPRO_OK;
}

static double seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static gopro_status loop(pretrain *p, const char *checkpoint, const char *config, gopro_error *err)
{
    uint64_t val_every = (uint64_t)gp_opt_int(p->o, "pretrain.val_every"), first = p->s.step;
    double t0 = seconds(), loss = 0.0, acc = 0.0;
    size_t n = 0;
    gp_model_repack(p->model);
    while (p->s.step < p->steps) {
        step_report rep = {0};
        if (gp_cancelled(p->log)) {
            GP_TRY(gp_pt_save(&p->s, checkpoint, config, err));
            return gp_fail(err, GOPRO_E_CANCELLED, "interrupted at step %" PRIu64 "; the same command goes on from %s", p->s.step,
                           checkpoint);
        }
        GP_TRY(train_step(p, &rep, err));
        loss += rep.loss, acc += rep.accuracy, n++;
        if (p->s.step % 50 == 0 || p->s.step == p->steps) {
            double rate = (double)(p->s.step - first) / (seconds() - t0);
            gp_logf(p->log, GP_LOG_INFO,
                    "step %" PRIu64 "/%" PRIu64 " loss %.3f acc %.1f %% scale %.1f lr %.2e norm %.2f; %.0f pairs/s, %.0f s left", p->s.step,
                    p->steps, loss / (double)n, acc / (double)n, exp((double)*p->s.w->logit_scale), rep.lr, rep.norm, rate * (double)p->B,
                    (double)(p->steps - p->s.step) / rate);
            fprintf(p->jsonl, "{\"step\":%" PRIu64 ",\"loss\":%.6f,\"acc\":%.4f,\"lr\":%.8g}\n", p->s.step, loss / (double)n,
                    acc / (double)n, rep.lr);
            loss = acc = 0.0;
            n = 0;
        }
        if (p->s.step % val_every == 0 || p->s.step == p->steps) {
            GP_TRY(validate_and_keep(p, err));
            GP_TRY(gp_pt_save(&p->s, checkpoint, config, err));
        }
    }
    return GOPRO_OK;
}

/* What a checkpoint must agree with: the settings that decide the numbers. */
static gopro_status settings_text(const gp_options *o, gp_str *out, gopro_error *err)
{
    gp_str_addf(out, "seed=%lld precision=%s", (long long)gp_opt_int(o, "seed"), gp_opt_string(o, "precision"));
    for (size_t i = 0; i < gp_n_opts; i++) {
        const gp_opt *t = &gp_opts[i];
        if (strncmp(t->name, "pretrain.", 9) != 0) continue;
        if (t->type == GP_OPT_INT) gp_str_addf(out, " %s=%lld", t->name + 9, (long long)gp_opt_int(o, t->name));
        if (t->type == GP_OPT_REAL) gp_str_addf(out, " %s=%.17g", t->name + 9, gp_opt_real(o, t->name));
    }
    return out->failed ? gp_fail_nomem(err, out->cap, "the settings") : GOPRO_OK;
}

gopro_status gp_pretrain(gp_compute *c, const gp_options *o, const char *pairs, const char *val, const char *out, const gp_log *log,
                         gopro_error *err)
{
    pretrain p = {.c = c, .o = o, .log = log, .out = out};
    gp_str config = {0};
    bool found = false;
    char *checkpoint = gp_path_join(out, "checkpoint.safetensors"), *jsonl = gp_path_join(out, "pretrain.jsonl");
    gopro_status st = checkpoint && jsonl ? GOPRO_OK : gp_fail_nomem(err, 0, "a path");
    if (st == GOPRO_OK) st = settings_text(o, &config, err);
    if (st == GOPRO_OK) st = start(&p, pairs, val, err);
    if (st == GOPRO_OK) st = gp_pt_load(&p.s, checkpoint, config.s, &found, err);
    if (st == GOPRO_OK && found) gp_logf(log, GP_LOG_INFO, "going on from step %" PRIu64, p.s.step);
    if (st == GOPRO_OK && !(p.jsonl = fopen(jsonl, found ? "a" : "w"))) st = gp_fail_errno(err, "cannot write", jsonl);
    if (st == GOPRO_OK) st = loop(&p, checkpoint, config.s, err);
    if (st == GOPRO_OK) st = finish(&p, err);
    if (p.jsonl) fclose(p.jsonl);
    gp_model_free(&p.model);
    gp_pt_free(&p.s);
    gp_tokenizer_free(&p.tok);
    gp_pairs_free(&p.train);
    gp_pairs_free(&p.val);
    gp_arena_free(&p.arena);
    free(p.drawing);
    free(p.ids);
    free(p.caption_hash);
    free(p.prompt);
    free(p.pixels);
    free(p.st);
    free(p.err);
    free(checkpoint);
    free(jsonl);
    gp_str_free(&config);
    return st;
}
