/* calibrate.c - what is computed once before the first step: centring means and how well zero-shot fits the training views.
 * SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "train/train.h"
#include "train/zeroshot.h"

#define GP_CENTER_BATCH 32

static gopro_status add_center(double *mu, double *sigma, gp_learner *l, const char *root, const gp_item *item, size_t n, gp_real *buf,
                               gopro_error *err)
{
    const gp_clip_arch *a = gp_model_arch(l->bb->model);
    size_t per = a->v.layers * a->v.width;
    gp_real *feat = buf, *m = feat + n * a->embed, *s = m + n * per, *x = s + n * per;
    gp_view_config vc;
    gp_backbone_views(&vc, l->bb, l->opt);
    GP_TRY(gp_test_pixels(x, root, item, n, &vc, l->bb->compute->pool, err));
    GP_TRY(gp_vision_fwd(l->bb->model, feat, m, s, x, n, err));
    for (size_t b = 0; b < n; b++)
        for (size_t i = 0; i < per; i++) {
            mu[i] += (double)m[b * per + i];
            sigma[i] += (double)s[b * per + i];
        }
    return GOPRO_OK;
}

gopro_status gp_train_center(gp_learner *l, const char *root, const gp_item *item, size_t n, gopro_error *err)
{
    if (!l->p || !gp_param_exists(l->p, "center.mu") || n == 0) return GOPRO_OK;
    const gp_clip_arch *a = gp_model_arch(l->bb->model);
    size_t per = a->v.layers * a->v.width, one = a->embed + 2 * per + 3 * a->image * a->image;
    double *sum = calloc(2 * per, sizeof *sum);
    gp_real *buf = malloc(one * GP_CENTER_BATCH * sizeof *buf);
    gopro_status st = sum && buf ? GOPRO_OK : gp_fail_nomem(err, one * GP_CENTER_BATCH * sizeof *buf, "centring");
    for (size_t i = 0; st == GOPRO_OK && i < n; i += GP_CENTER_BATCH)
        st = add_center(sum, sum + per, l, root, item + i, gp_min_size(GP_CENTER_BATCH, n - i), buf, err);
    if (st == GOPRO_OK) {
        gp_real *mu = gp_param(l->p, "center.mu").v, *sigma = gp_param(l->p, "center.sigma").v;
        for (size_t i = 0; i < per; i++) {
            mu[i] = (gp_real)(sum[i] / (double)n);
            sigma[i] = (gp_real)(sum[per + i] / (double)n);
        }
    }
    free(sum);
    free(buf);
    return st;
}

/* The loader drops the last incomplete batch: a size that divides n, if there is one of a useful size, keeps every image. */
static size_t whole_batch(size_t n)
{
    for (size_t b = 32; b >= 8; b--)
        if (n % b == 0) return b;
    return gp_min_size(n, 16);
}

typedef struct cosines {
    gp_real *text, *cosine;
    uint32_t *label;
    size_t n, K, embed;
} cosines;

static gopro_status cosine_pass(cosines *c, const gp_train_job *j, gp_image_store *store, const gp_item *item, size_t n, gopro_error *err)
{
    const gp_learner *l = j->learner;
    gp_loader_config lc = {.want = {true, false, false}, .batch = whole_batch(n), .epochs = 1, .threads = 1, .ahead = 2};
    lc.seed = (uint64_t)gp_opt_int(l->opt, "seed");
    lc.threads = gp_max_size(1, (size_t)gp_opt_int(l->opt, "loader.threads"));
    gp_backbone_views(&lc.view, l->bb, l->opt);
    gp_real *feat = malloc(lc.batch * c->embed * sizeof *feat);
    if (!feat) return gp_fail_nomem(err, lc.batch * c->embed * sizeof *feat, "calibration");
    gp_loader *loader = NULL;
    gp_batch *b = NULL;
    gopro_status st = gp_loader_create(&loader, store, item, n, &lc, err);
    while (st == GOPRO_OK && (st = gp_loader_next(loader, &b, err)) == GOPRO_OK && b) {
        st = gp_vision_fwd(l->bb->model, feat, NULL, NULL, b->view[0], b->B, err);
        if (st == GOPRO_OK) {
            gp_zeroshot_logits(c->cosine + c->n * c->K, feat, b->B, c->text, c->K, c->embed, 1.0);
            memcpy(c->label + c->n, b->label, b->B * sizeof *c->label);
            c->n += b->B;
        }
        gp_loader_release(loader, b);
        if (st == GOPRO_OK && j->watch && gp_cancelled(&j->watch->log))
            st = gp_fail(err, GOPRO_E_CANCELLED, "interrupted before the first step");
    }
    gp_loader_free(&loader);
    free(feat);
    return st;
}

static void report(const gp_train_state *s, const gp_train_job *j, double scale)
{
    if (!j->watch) return;
    const gp_log *log = &j->watch->log;
    gp_logf(log, GP_LOG_INFO, "zero-shot on the training views: cross-entropy %.4f at logit scale %.2f, ln K %.4f; best scale %.2f",
            s->zs_ce, scale, s->ln_classes, s->best_scale);
    if (s->zs_ce >= s->ln_classes)
        gp_logf(log, GP_LOG_WARN,
                "the zero-shot cross-entropy is not below ln K: training will first make the classes alike; consider logit_scale=fit");
}

gopro_status gp_train_calibrate(gp_train_state *s, const gp_train_job *j, gp_image_store *store, const gp_item *item, size_t n,
                                gopro_error *err)
{
    gp_learner *l = j->learner;
    size_t K = j->labels->K;
    cosines c = {.K = K, .embed = gp_model_arch(l->bb->model)->embed};
    const char *words = gp_opt_string(l->opt, "ctx_init");
    const char *tmpl = words[0] && l->tmpl ? l->tmpl : j->data->template_text;
    c.text = malloc(K * c.embed * sizeof *c.text);
    c.cosine = malloc(n * K * sizeof *c.cosine);
    c.label = malloc(n * sizeof *c.label);
    gopro_status st = GOPRO_OK;
    if (!c.text || !c.cosine || !c.label) st = gp_fail_nomem(err, n * K * sizeof *c.cosine, "calibration");
    if (st == GOPRO_OK) st = gp_zeroshot_text(c.text, l->bb, j->labels->class_name, K, &tmpl, 1, err);
    if (st == GOPRO_OK) st = cosine_pass(&c, j, store, item, n, err);
    if (st == GOPRO_OK) {
        s->zs_ce = gp_scaled_ce(c.cosine, c.label, c.n, K, l->logit_scale);
        s->ln_classes = log((double)K);
        s->best_scale = gp_best_scale(c.cosine, c.label, c.n, K);
        report(s, j, l->logit_scale);
        if (strcmp(gp_opt_string(l->opt, "logit_scale"), "fit") == 0) l->logit_scale = s->best_scale;
    }
    free(c.text);
    free(c.cosine);
    free(c.label);
    return st;
}
