/* result.c - writing and reading result.json.
 * SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/str.h"
#include "eval/run.h"
#include "eval/select.h"
#include "train/json_file.h"

#define GP_RESULT_SCHEMA 1

static json_t *scores_json(const gp_scores *s, const gp_metrics *m, const gp_labelset *labels)
{
    json_t *per = json_array(), *names = json_array(), *images = json_array();
    for (size_t k = 0; k < m->K; k++) {
        double a = gp_metrics_class_accuracy(m, k);
        json_array_append_new(per, isnan(a) ? json_null() : json_real(a));
        json_array_append_new(names, json_string(labels->class_name[k]));
        json_array_append_new(images, json_integer((json_int_t)m->truth[k]));
    }
    return json_pack("{s:I,s:I,s:I,s:f,s:f,s:f,s:f,s:f,s:f,s:o,s:o,s:o}", "images", (json_int_t)s->n, "classes", (json_int_t)s->K,
                     "correct", (json_int_t)s->correct, "accuracy", s->accuracy, "macro_f1", s->macro_f1, "class_mean", s->class_mean,
                     "ece", s->ece, "nll", s->nll, "brier", s->brier, "per_class", per, "class_names", names, "class_images", images);
}

static gopro_status write_json(const char *path, json_t *j, const char *what, gopro_error *err)
{
    char *text = j ? json_dumps(j, JSON_INDENT(2)) : NULL;
    gopro_status st = text && path ? gp_write_file(path, text, strlen(text), err) : gp_fail_nomem(err, 0, what);
    free(text);
    json_decref(j);
    return st;
}

gopro_status gp_result_write(const char *path, const gp_run_result *r, const gp_learner *l, const gp_metrics m[3],
                             const gp_labelset *const labels[3], const char *draw_hash, gopro_error *err)
{
    json_t *test = json_object();
    for (int s = GP_ALL; s <= GP_NEW; s++)
        if (r->tested[s]) json_object_set_new(test, gp_subset_name((gp_subset)s), scores_json(&r->test[s], &m[s], labels[s]));
    if (r->tested[GP_BASE] && r->tested[GP_NEW]) json_object_set_new(test, "hm", json_real(r->hm));
    json_t *train = json_pack("{s:I,s:I,s:f,s:f,s:f,s:f,s:f,s:f,s:f,s:f}", "images", (json_int_t)r->train_images, "parameters",
                              (json_int_t)r->parameters, "loss", r->final_loss, "accuracy", r->final_accuracy, "logit_scale",
                              r->logit_scale, "zero_shot_cross_entropy", r->zs_ce, "ln_classes", r->ln_classes, "best_logit_scale",
                              r->best_scale, "shift_spread", r->spread, "context_drift", r->drift);
    if (train && r->left_out) json_object_set_new(train, "left_out", json_integer((json_int_t)r->left_out));
    json_t *j = json_pack("{s:i,s:s,s:s,s:s,s:s,s:I,s:s,s:s,s:s,s:s,s:o,s:o}", "schema", GP_RESULT_SCHEMA, "version", GOPRO_VERSION,
                          "method", r->method, "dataset", r->dataset, "subset", r->subset, "seed", (json_int_t)r->seed, "backbone",
                          r->backbone, "draw", draw_hash, "precision", gp_opt_string(l->opt, "precision"), "model_selection",
                          gp_select_words(r->select), "train", train, "test", test);
    if (j && r->selected_epoch > 0)
        json_object_set_new(j, "selection",
                            json_pack("{s:s,s:I,s:f,s:f,s:b}", "rule", r->select, "epoch", (json_int_t)r->selected_epoch, "accuracy",
                                      r->selection_accuracy, "last_epoch_accuracy", r->last_selection, "on_test_images",
                                      (int)(strcmp(r->select, "best_test") == 0)));
    return write_json(path, j, "result.json", err);
}

/* A number from 0 to `most`. */
static bool within(const json_t *o, const char *key, double most)
{
    const json_t *v = json_object_get(o, key);
    return json_is_number(v) && json_number_value(v) >= 0.0 && json_number_value(v) <= most;
}

/* What is wrong with the results of one label set; NULL: nothing. */
static const char *scores_fault(const json_t *o)
{
    static const char *const percent[] = {"accuracy", "macro_f1", "class_mean", "ece"};
    for (size_t i = 0; i < GP_COUNT(percent); i++)
        if (!within(o, percent[i], 100.0)) return percent[i];
    static const char *const whole[] = {"images", "classes", "correct"};
    for (size_t i = 0; i < GP_COUNT(whole); i++)
        if (!json_is_integer(json_object_get(o, whole[i])) || !within(o, whole[i], 1e12)) return whole[i];
    if (!within(o, "correct", json_number_value(json_object_get(o, "images")))) return "correct";
    if (!within(o, "nll", 1e30)) return "nll";
    return within(o, "brier", 2.0 + 1e-6) ? NULL : "brier";
}

static gopro_status check(const json_t *j, const char *path, gopro_error *err)
{
    static const char *const text[] = {"method", "dataset", "subset"};
    const json_t *test = json_object_get(j, "test");
    size_t n = 0;
    for (size_t i = 0; i < GP_COUNT(text); i++) {
        const char *s = json_string_value(json_object_get(j, text[i]));
        if (!s) return gp_fail(err, GOPRO_E_FORMAT, "%s: '%s' is missing or no text; test the run again", path, text[i]);
    }
    for (int s = GP_ALL; s <= GP_NEW; s++) {
        const json_t *o = json_object_get(test, gp_subset_name((gp_subset)s));
        const char *fault = o ? scores_fault(o) : NULL;
        if (fault)
            return gp_fail(err, GOPRO_E_FORMAT, "%s: '%s' of the %s classes is missing or out of its range; test the run again", path,
                           fault, gp_subset_name((gp_subset)s));
        n += o != NULL;
    }
    if (json_object_get(test, "hm") && !within(test, "hm", 100.0))
        return gp_fail(err, GOPRO_E_FORMAT, "%s: 'hm' is out of its range; test the run again", path);
    return n ? GOPRO_OK : gp_fail(err, GOPRO_E_FORMAT, "%s: holds no results under 'test'; test the run again", path);
}

static double number(const json_t *o, const char *key)
{
    return json_number_value(json_object_get(o, key));
}

static size_t count(const json_t *o, const char *key)
{
    json_int_t v = json_integer_value(json_object_get(o, key));
    return v > 0 ? (size_t)v : 0;
}

static void text_of(char *out, size_t cap, const json_t *o, const char *key)
{
    const char *s = json_string_value(json_object_get(o, key));
    snprintf(out, cap, "%s", s ? s : "");
    gp_plain_text(out); /* goes into tables */
}

static void scores_read(gp_scores *s, const json_t *o)
{
    s->n = count(o, "images");
    s->K = count(o, "classes");
    s->correct = count(o, "correct");
    s->accuracy = number(o, "accuracy");
    s->macro_f1 = number(o, "macro_f1");
    s->class_mean = number(o, "class_mean");
    s->ece = number(o, "ece");
    s->nll = number(o, "nll");
    s->brier = number(o, "brier");
}

/* A JSON file of our schema. */
static gopro_status load(json_t **j, const char *path, gopro_error *err)
{
    GP_TRY(gp_json_read(j, path, err));
    if (json_integer_value(json_object_get(*j, "schema")) == GP_RESULT_SCHEMA) return GOPRO_OK;
    json_decref(*j);
    *j = NULL;
    return gp_fail(err, GOPRO_E_FORMAT, "%s: schema is not %d; it was written by another version", path, GP_RESULT_SCHEMA);
}

gopro_status gp_result_read(gp_run_result *r, const char *path, gopro_error *err)
{
    json_t *j = NULL;
    memset(r, 0, sizeof *r);
    GP_TRY(load(&j, path, err));
    const gopro_status st = check(j, path, err);
    if (st != GOPRO_OK) {
        json_decref(j);
        return st;
    }
    const json_t *test = json_object_get(j, "test"), *train = json_object_get(j, "train");
    text_of(r->method, sizeof r->method, j, "method");
    text_of(r->dataset, sizeof r->dataset, j, "dataset");
    text_of(r->subset, sizeof r->subset, j, "subset");
    text_of(r->backbone, sizeof r->backbone, j, "backbone");
    r->seed = (uint64_t)json_integer_value(json_object_get(j, "seed"));
    for (int s = GP_ALL; s <= GP_NEW; s++) {
        const json_t *o = json_object_get(test, gp_subset_name((gp_subset)s));
        r->tested[s] = o != NULL;
        if (o) scores_read(&r->test[s], o);
    }
    r->hm = number(test, "hm");
    const json_t *selection = json_object_get(j, "selection");
    text_of(r->select, sizeof r->select, selection, "rule");
    if (!selection) snprintf(r->select, sizeof r->select, "last");
    r->selected_epoch = count(selection, "epoch");
    r->selection_accuracy = number(selection, "accuracy");
    r->last_selection = number(selection, "last_epoch_accuracy");
    r->train_images = count(train, "images");
    r->left_out = count(train, "left_out");
    r->parameters = count(train, "parameters");
    r->final_loss = number(train, "loss");
    r->final_accuracy = number(train, "accuracy");
    r->logit_scale = number(train, "logit_scale");
    r->zs_ce = number(train, "zero_shot_cross_entropy");
    r->ln_classes = number(train, "ln_classes");
    r->best_scale = number(train, "best_logit_scale");
    r->spread = number(train, "shift_spread");
    r->drift = number(train, "context_drift");
    json_decref(j);
    return GOPRO_OK;
}

gopro_status gp_test_write(const char *path, const gp_run_result *r, const gp_metrics *m, const gp_labelset *labels, const char *test_hash,
                           gopro_error *err)
{
    json_t *test = json_object();
    for (int s = GP_ALL; s <= GP_NEW; s++)
        if (r->tested[s]) json_object_set_new(test, gp_subset_name((gp_subset)s), scores_json(&r->test[s], m, labels));
    json_t *j = json_pack("{s:i,s:s,s:s,s:s,s:s,s:s,s:o}", "schema", GP_RESULT_SCHEMA, "version", GOPRO_VERSION, "method", r->method,
                          "dataset", r->dataset, "subset", r->subset, "test_set", test_hash, "test", test);
    return write_json(path, j, "test results", err);
}

gopro_status gp_test_read(gp_run_result *r, char test_hash[65], const char *path, gopro_error *err)
{
    GP_TRY(gp_result_read(r, path, err));
    json_t *j = NULL;
    GP_TRY(load(&j, path, err));
    text_of(test_hash, 65, j, "test_set");
    json_decref(j);
    return GOPRO_OK;
}

gopro_status gp_cost_write(const char *folder, const gp_cost *c, gopro_error *err)
{
    char *path = gp_path_join(folder, "cost.json");
    json_t *j = json_pack("{s:i,s:f,s:f,s:I,s:I}", "schema", GP_RESULT_SCHEMA, "train_seconds", c->train_s, "test_seconds", c->test_s,
                          "peak_rss_mib", (json_int_t)c->peak_mib, "parameters", (json_int_t)c->parameters);
    gopro_status st = write_json(path, j, "cost.json", err);
    free(path);
    return st;
}

void gp_cost_read(gp_cost *c, const char *folder)
{
    char *path = gp_path_join(folder, "cost.json");
    json_t *j = NULL;
    *c = (gp_cost){.any = false};
    if (path && gp_path_exists(path) && load(&j, path, NULL) == GOPRO_OK) {
        *c = (gp_cost){true, number(j, "train_seconds"), number(j, "test_seconds"), count(j, "peak_rss_mib"), count(j, "parameters")};
        json_decref(j);
    }
    free(path);
}

gopro_status gp_result_check_classes(const char *run, const gp_labelset *labels, const char *data, gopro_error *err)
{
    json_t *j = NULL, *known = json_object();
    char *path = gp_path_join(run, "result.json");
    gopro_status st = path && known ? load(&j, path, err) : gp_fail_nomem(err, 0, "a path");
    const json_t *names = st == GOPRO_OK ? json_object_get(json_object_get(json_object_get(j, "test"), "all"), "class_names") : NULL;
    for (size_t k = 0; k < json_array_size(names); k++)
        json_object_set_new(known, json_string_value(json_array_get(names, k)), json_true());
    for (size_t k = 0; st == GOPRO_OK && k < labels->K; k++)
        if (!json_object_get(known, labels->class_name[k]))
            st =
                gp_fail(err, GOPRO_E_DATA,
                        "class '%s' of '%s' is none of the source's; domain generalisation takes targets with the source's classes or some "
                        "of them, `xd` takes any",
                        labels->class_name[k], data);
    json_decref(j);
    json_decref(known);
    free(path);
    return st;
}
