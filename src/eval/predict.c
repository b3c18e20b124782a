/* predict.c - see predict.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "eval/predict.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/str.h"

void gp_predictor_free(gp_predictor **p)
{
    if (!p || !*p) return;
    gp_predictor *x = *p;
    gp_classifier_free(&x->c);
    gp_learner_free(&x->l);
    for (size_t k = 0; x->class_name && k < x->K; k++) free(x->class_name[k]);
    free(x->class_name);
    free(x->pixels);
    free(x->feat);
    free(x->mu);
    free(x->sigma);
    free(x->logits);
    free(x);
    *p = NULL;
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static gopro_status check_twice(const char *const *class_name, size_t K, gopro_error *err)
{
    const char **sorted = malloc(K * sizeof *sorted);
    gopro_status st = sorted ? GOPRO_OK : gp_fail_nomem(err, K * sizeof *sorted, "class names");
    if (sorted) {
        memcpy(sorted, class_name, K * sizeof *sorted);
        qsort(sorted, K, sizeof *sorted, by_text);
    }
    for (size_t k = 1; st == GOPRO_OK && k < K; k++)
        if (strcmp(sorted[k - 1], sorted[k]) == 0) st = gp_fail(err, GOPRO_E_INVALID, "class '%s' is given twice", sorted[k]);
    free(sorted);
    return st;
}

static gopro_status take_classes(gp_predictor *p, const char *const *class_name, size_t K, gopro_error *err)
{
    if (K == 0) return gp_fail(err, GOPRO_E_INVALID, "no class names given");
    p->class_name = calloc(K, sizeof *p->class_name);
    if (!p->class_name) return gp_fail_nomem(err, K * sizeof *p->class_name, "class names");
    p->K = K;
    GP_TRY(check_twice(class_name, K, err));
    for (size_t k = 0; k < K; k++) {
        if (!(p->class_name[k] = gp_strdup(class_name[k]))) return gp_fail_nomem(err, strlen(class_name[k]), "class names");
    }
    return GOPRO_OK;
}

static gopro_status open_learner(gp_predictor *p, const gp_options *opt, const char *run, gp_prompt_info *info, gopro_error *err)
{
    if (!run) return gp_learner_create(&p->l, p->bb, opt, NULL, 0, err);
    char *path = gp_path_join(run, "prompt.safetensors");
    if (!path) return gp_fail_nomem(err, 0, "a path");
    gopro_status st = gp_prompt_read(&p->l, info, p->bb, path, err);
    free(path);
    return st;
}

static gopro_status buffers(gp_predictor *p, gopro_error *err)
{
    const gp_clip_arch *a = gp_model_arch(p->bb->model);
    size_t per = a->v.layers * a->v.width;
    gp_backbone_views(&p->view, p->bb, p->l->opt);
    p->pixels = malloc(3 * a->image * a->image * sizeof *p->pixels);
    p->feat = malloc(a->embed * sizeof *p->feat);
    p->logits = malloc(p->K * sizeof *p->logits);
    bool ok = p->pixels && p->feat && p->logits;
    if (gp_classifier_wants_stats(p->c)) {
        p->mu = malloc(per * sizeof *p->mu);
        p->sigma = malloc(per * sizeof *p->sigma);
        ok = ok && p->mu && p->sigma;
    }
    return ok ? GOPRO_OK : gp_fail_nomem(err, per * sizeof(float), "a predictor");
}

gopro_status gp_predictor_create(gp_predictor **p, gp_backbone *b, const gp_options *opt, const char *run, const char *const *class_name,
                                 size_t K, gopro_error *err)
{
    gp_prompt_info info = {0};
    gp_predictor *x = calloc(1, sizeof *x);
    *p = NULL;
    gopro_status st;
    if (!x) return gp_fail_nomem(err, sizeof *x, "a predictor");
    x->bb = b;
    GP_CHECK(open_learner(x, opt, run, &info, err));
    if (class_name)
        GP_CHECK(take_classes(x, class_name, K, err));
    else
        GP_CHECK(take_classes(x, (const char *const *)info.class_name, info.K, err));
    const gp_own_template own = {.text = info.template_text ? info.template_text : "a photo of a {}.", .not_in_7 = info.template_not_in_7};
    GP_CHECK(gp_classifier_create(&x->c, x->l, (const char *const *)x->class_name, x->K, own, err));
    GP_CHECK(buffers(x, err));
out:
    gp_prompt_info_free(&info);
    if (st == GOPRO_OK)
        *p = x;
    else
        gp_predictor_free(&x);
    return st;
}

gopro_status gp_predict(gp_predictor *p, const gp_image *im, double *probability, gopro_error *err)
{
    gp_image crop = {0};
    GP_TRY(gp_view_test(&crop, im, &p->view, err));
    gp_image_normalise(p->pixels, &crop, p->view.mean, p->view.std);
    gp_image_free(&crop);
    GP_TRY(gp_learner_encode(p->l, p->feat, p->mu, p->sigma, p->pixels, 1, err));
    GP_TRY(gp_classifier_logits(p->c, p->logits, p->feat, p->mu, p->sigma, 1, err));
    double best = -HUGE_VAL, sum = 0.0;
    for (size_t k = 0; k < p->K; k++) best = fmax(best, (double)p->logits[k]);
    for (size_t k = 0; k < p->K; k++) sum += probability[k] = exp((double)p->logits[k] - best);
    for (size_t k = 0; k < p->K; k++) probability[k] /= sum;
    return gp_clip_check(p->bb->weights, err);
}
