/* pretrain_val.c - pretraining tested on held-out concepts, the best average kept, the logit scale fitted, the model written.
 * SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "encoders/vision.h"
#include "losses/clip_loss.h"
#include "train/pretrain_impl.h"
#include "weights/safetensors.h"

enum { CALIBRATION_CLASSES = 24, CALIBRATION_GROUPS = 64 };

/* ---- validation on held-out concepts ---- */

/* Normalised features of n drawings in the test view (step == 0) or in training views, and of their names in `tmpl` words. */
static gopro_status val_features(gp_pretrain_run *p, const uint32_t *which, size_t n, bool plain, const char *before, float *fi, float *ft,
                                 gopro_error *err)
{
    size_t pixels = 3 * p->arch.image * p->arch.image, E = p->arch.embed;
    gopro_status st = GOPRO_OK;
    gp_text_plan *plan = NULL;
    float *x = malloc(n * pixels * sizeof *x);
    gp_prompt *prompt = calloc(n, sizeof *prompt);
    uint32_t *ids = calloc(n, GP_CAPTION_IDS * sizeof *ids);
    gp_pair *pair = calloc(n, sizeof *pair);
    gp_str text = {0};
    if (!x || !prompt || !ids || !pair) st = gp_fail_nomem(err, n * pixels * sizeof *x, "validation");
    for (size_t i = 0; i < n && st == GOPRO_OK; i++) {
        const gp_drawing *d = &p->val.d[which[i]];
        gp_rng r = gp_rng_make(p->seed, GP_RNG_TEST, 0, which[i]);
        text.len = 0;
        gp_str_addf(&text, "%s%s.", before, d->name);
        pair[i] = (gp_pair){0, (uint32_t)i};
        st = gp_pretrain_tokens(p, &prompt[i], ids + i * GP_CAPTION_IDS, text.s, err);
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
static gopro_status validate(gp_pretrain_run *p, bool plain, val_report *rep, gopro_error *err)
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
static gopro_status save_snapshot(gp_pretrain_run *p, gopro_error *err)
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

gopro_status gp_pretrain_validate(gp_pretrain_run *p, gopro_error *err)
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
gopro_status gp_pretrain_finish(gp_pretrain_run *p, gopro_error *err)
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
    const char *meta[] = {"format",
                          "pt",
                          "made_by",
                          "gopro pretrain",
                          "objective",
                          gp_opt_string(p->o, "pretrain.objective"),
                          "steps",
                          steps,
                          "pairs_seen",
                          pairs,
                          "seed",
                          seed,
                          "learnt_scale",
                          scale,
                          NULL};
    GP_TRY(gp_clip_save(p->s.w, p->out, GP_DT_F16, meta, err));
    gp_logf(p->log, GP_LOG_INFO, "logit scale %.2f (learnt %.2f); model written to %s", exp((double)*p->s.w->logit_scale), learnt, p->out);
    return GOPRO_OK;
}
