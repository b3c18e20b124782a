/* run.c - training, testing and prediction of the public interface: arguments are checked, results copied, nothing else.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "api/api.h"
#include "base/str.h"
#include "eval/predict.h"
#include "eval/select.h"
#include "train/run_record.h"

static gopro_status null_argument(gopro_error *err, const char *names)
{
    return gp_fail(err, GOPRO_E_INVALID, "%s must not be NULL", names);
}

void gopro_result_free(gopro_result **result)
{
    if (!result || !*result) return;
    gp_metrics_free(&(*result)->m);
    for (size_t k = 0; (*result)->class_name && k < (*result)->K; k++) free((*result)->class_name[k]);
    free((*result)->class_name);
    free(*result);
    *result = NULL;
}

int gopro_result_scores(const gopro_result *result, gopro_subset subset, gopro_scores *scores)
{
    if ((int)subset < 0 || subset > GOPRO_NEW || !result->r.tested[subset]) return 0;
    const gp_scores *s = &result->r.test[subset];
    *scores = (gopro_scores){s->n, s->K, s->correct, s->accuracy, s->macro_f1, s->class_mean, s->ece, s->nll, s->brier};
    return 1;
}

double gopro_result_harmonic_mean(const gopro_result *result)
{
    return result->r.hm;
}

int gopro_result_was_done(const gopro_result *result)
{
    return result->r.was_done;
}

const char *gopro_result_method(const gopro_result *result)
{
    return result->r.method;
}

const char *gopro_result_dataset(const gopro_result *result)
{
    return result->r.dataset;
}

size_t gopro_result_parameters(const gopro_result *result)
{
    return result->r.parameters;
}

const char *gopro_result_model_selection(const gopro_result *result)
{
    return gp_select_words(result->r.select);
}

size_t gopro_result_class_count(const gopro_result *result)
{
    return result->K;
}

const char *gopro_result_class_name(const gopro_result *result, size_t k)
{
    return k < result->K ? result->class_name[k] : NULL;
}

double gopro_result_class_accuracy(const gopro_result *result, size_t k)
{
    return k < result->K ? gp_metrics_class_accuracy(&result->m, k) : 0.0;
}

gopro_status gopro_train(gopro_result **result, gopro_context *context, gopro_model *model, const gopro_config *config, const char *data,
                         gopro_subset subset, const char *out, const char *cache, gopro_error *err)
{
    if (!result || !model || !config || !data || !out) return null_argument(err, "result, model, config, data and out");
    *result = NULL;
    if (subset == GOPRO_NEW) return gp_fail(err, GOPRO_E_INVALID, "training takes the subset 'all' or 'base', not 'new'");
    gopro_result *r = calloc(1, sizeof *r);
    if (!r) return gp_fail_nomem(err, sizeof *r, "a result");
    gp_run_request q = {.bb = model->bb, .opt = config->o, .data = data, .subset = (gp_subset)subset, .out = out, .cache = cache};
    gopro_status st = gp_run(&r->r, &q, context ? &context->watch : NULL, err);
    if (st == GOPRO_OK)
        *result = r;
    else
        gopro_result_free(&r);
    return st;
}

/* The label set's names, for the per-class results. */
static gopro_status keep_names(gopro_result *r, const gp_dataset *d, gp_subset subset, gopro_error *err)
{
    uint32_t *label = NULL;
    size_t K = 0;
    gopro_status st = gp_subset_labels(&label, &K, d, subset, err);
    if (st == GOPRO_OK && !(r->class_name = calloc(K, sizeof *r->class_name)))
        st = gp_fail_nomem(err, K * sizeof *r->class_name, "class names");
    for (size_t k = 0; k < K && st == GOPRO_OK; k++, r->K = k)
        if (!(r->class_name[k] = gp_strdup(d->class_name[label[k]]))) st = gp_fail_nomem(err, 0, "class names");
    free(label);
    return st;
}

gopro_status gopro_evaluate(gopro_result **result, gopro_context *context, gopro_model *model, const gopro_config *config, const char *run,
                            const char *data, gopro_subset subset, const char *cache, gopro_error *err)
{
    if (!result || !model || !config || !data) return null_argument(err, "result, model, config and data");
    *result = NULL;
    gp_dataset *d = NULL;
    gp_options *o = gp_options_clone(config->o);
    gopro_result *r = calloc(1, sizeof *r);
    gopro_status st = r && o ? GOPRO_OK : gp_fail_nomem(err, sizeof *r, "a result");
    if (st == GOPRO_OK && !run) st = gp_options_set(o, "method", "zeroshot", "evaluate", err);
    gp_test_request q = {.bb = model->bb, .opt = o, .run = run, .data = data, .cache = cache, .subset = (gp_subset)subset};
    if (st == GOPRO_OK) st = gp_test(&r->r, &r->m, &d, &q, context ? &context->watch : NULL, err);
    if (st == GOPRO_OK) st = keep_names(r, d, (gp_subset)subset, err);
    gp_dataset_free(&d);
    gp_options_free(&o);
    if (st == GOPRO_OK)
        *result = r;
    else
        gopro_result_free(&r);
    return st;
}

struct gopro_predictor {
    gp_predictor *p;
    gp_options *o;
};

gopro_status gopro_predictor_create(gopro_predictor **predictor, gopro_model *model, const gopro_config *config, const char *run,
                                    const char *const *class_names, size_t n_classes, gopro_error *err)
{
    if (!predictor || !model || !config) return null_argument(err, "predictor, model and config");
    gopro_predictor *x = calloc(1, sizeof *x);
    *predictor = NULL;
    gopro_status st = x && (x->o = gp_options_clone(config->o)) ? GOPRO_OK : gp_fail_nomem(err, sizeof *x, "a predictor");
    if (st == GOPRO_OK && !run) {
        st = gp_options_set(x->o, "method", "zeroshot", "predict", err);
        if (st == GOPRO_OK && !class_names) st = gp_fail(err, GOPRO_E_INVALID, "zero-shot prediction needs class names");
    }
    if (st == GOPRO_OK) st = gp_predictor_create(&x->p, model->bb, x->o, run, class_names, n_classes, err);
    if (st == GOPRO_OK)
        *predictor = x;
    else
        gopro_predictor_free(&x);
    return st;
}

void gopro_predictor_free(gopro_predictor **predictor)
{
    if (!predictor || !*predictor) return;
    gp_predictor_free(&(*predictor)->p);
    gp_options_free(&(*predictor)->o);
    free(*predictor);
    *predictor = NULL;
}

size_t gopro_predictor_class_count(const gopro_predictor *predictor)
{
    return predictor->p->K;
}

const char *gopro_predictor_class_name(const gopro_predictor *predictor, size_t k)
{
    return k < predictor->p->K ? predictor->p->class_name[k] : NULL;
}

gopro_status gopro_predict_file(gopro_predictor *predictor, const char *image, double *probability, gopro_error *err)
{
    if (!predictor || !image || !probability) return null_argument(err, "predictor, image and probability");
    gp_image im = {0};
    GP_TRY(gp_image_read(&im, image, err));
    gopro_status st = gp_predict(predictor->p, &im, probability, err);
    gp_image_free(&im);
    return st;
}

gopro_status gopro_predict_memory(gopro_predictor *predictor, const void *image, size_t size, double *probability, gopro_error *err)
{
    if (!predictor || !image || !probability) return null_argument(err, "predictor, image and probability");
    gp_image im = {0};
    gopro_status st = gp_image_decode(&im, image, size, err);
    if (st != GOPRO_OK) return gp_fail_in(err, GOPRO_E_DATA, "image in memory");
    st = gp_predict(predictor->p, &im, probability, err);
    gp_image_free(&im);
    return st;
}

gopro_status gopro_run_paths(char **model, char **data, const char *run, gopro_error *err)
{
    if (!model || !data || !run) return null_argument(err, "model, data and run");
    return gp_run_record_paths(model, data, run, err);
}

gopro_status gopro_config_from_run(gopro_config *config, const char *run, const char *data, gopro_error *err)
{
    if (!config || !run) return null_argument(err, "config and run");
    return gp_run_record_options(config->o, run, data, err);
}
