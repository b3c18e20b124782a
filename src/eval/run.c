/* run.c - see run.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "eval/run.h"

#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/sha256.h"
#include "base/str.h"
#include "eval/select.h"
#include "train/prompt_file.h"

typedef struct run {
    const gp_run_request *q;
    const gp_watch *w;
    gp_options *opt;
    gp_dataset *data;
    gp_draw draw;
    gp_labelset labels, novel;
    gp_learner *l;
    gp_rundir dir;
    gp_train_state state;
    gp_testset test;
    gp_selection selection; /* of the epoch that is kept; open unless select=last */
    gp_metrics m[3];
    gp_cost cost; /* of earlier attempts and this one */
} run;

static void run_close(run *x)
{
    for (size_t s = 0; s < 3; s++) gp_metrics_free(&x->m[s]);
    gp_testset_close(&x->test);
    gp_selection_close(&x->selection);
    gp_train_state_free(&x->state);
    gp_rundir_close(&x->dir);
    gp_learner_free(&x->l);
    gp_labelset_free(&x->labels);
    gp_labelset_free(&x->novel);
    gp_draw_free(&x->draw);
    gp_dataset_free(&x->data);
    gp_options_free(&x->opt);
}

/* A shortage of shots is told by the run that trains on them, not again by one that is done or learns nothing. */
static const gp_log *shots_log(const run *x, const gp_log *log)
{
    char *done = x->q->out ? gp_path_join(x->q->out, "DONE") : NULL;
    bool quiet = (done && gp_path_exists(done)) || gp_opt_is(x->opt, "method", "zeroshot");
    free(done);
    return quiet ? NULL : log;
}

static gopro_status run_open(run *x, gopro_error *err)
{
    const gp_run_request *q = x->q;
    const gp_log *log = x->w ? &x->w->log : NULL;
    x->dir.lock = -1;
    x->opt = gp_options_clone(q->opt);
    if (!x->opt) return gp_fail_nomem(err, 0, "options");
    GP_TRY(gp_options_settle(x->opt, q->bb->tok, q->subset != GP_BASE, err));
    const gp_data_rules rules = gp_data_rules_of(x->opt);
    GP_TRY(gp_dataset_open(&x->data, q->data, &rules, log, err));
    GP_TRY(gp_draw_of(&x->draw, x->data, x->opt, shots_log(x, log), err));
    GP_TRY(gp_labelset_make(&x->labels, x->data, &x->draw, q->subset, err));
    if (q->subset == GP_BASE) GP_TRY(gp_labelset_make(&x->novel, x->data, &x->draw, GP_NEW, err));
    return gp_learner_create(&x->l, q->bb, x->opt, x->labels.class_name, x->labels.K, err);
}

static gopro_status write_config(const run *x, gopro_error *err)
{
    char *path = gp_rundir_file(&x->dir, "config.yaml"), *model = gp_strdup(x->q->bb->path), *data = gp_strdup(x->q->data);
    gp_str b = {0};
    gopro_status st = model && data ? GOPRO_OK : GOPRO_E_NOMEM;
    if (st == GOPRO_OK) {
        gp_plain_text(model); /* a line's end would end the comment */
        gp_plain_text(data);
        gp_str_addf(&b, "# model: %s\n# data: %s\n# subset: %s\n", model, data, gp_subset_name(x->q->subset));
        st = gp_options_to_yaml(x->l->opt, &b);
    }
    if (!path || b.failed || st != GOPRO_OK)
        st = gp_fail_nomem(err, b.len, "config.yaml");
    else
        st = gp_write_file(path, b.s, b.len, err);
    gp_str_free(&b);
    free(path);
    free(model);
    free(data);
    return st;
}

static gopro_status write_draw(const run *x, gopro_error *err)
{
    const char *from = gp_opt_string(x->opt, "data.draw");
    char *path = gp_rundir_file(&x->dir, "draw.json");
    char *text = gp_draw_json(&x->draw, x->data, (size_t)gp_opt_int(x->opt, "shots"), (uint64_t)gp_opt_int(x->opt, "seed"),
                              from[0] ? from : NULL, true);
    gopro_status st = path && text ? gp_write_file(path, text, strlen(text), err) : gp_fail_nomem(err, 0, "draw.json");
    free(text);
    free(path);
    return st;
}

static gopro_status write_prompt(const run *x, gopro_error *err)
{
    char *path = gp_rundir_file(&x->dir, "prompt.safetensors");
    if (!path) return gp_fail_nomem(err, 0, "a path");
    gp_prompt_meta m = {.dataset = x->data->name, .subset = gp_subset_name(x->q->subset), .draw_hash = x->draw.hash};
    m.class_name = x->labels.class_name;
    m.K = x->labels.K;
    m.own_template = gp_dataset_template(x->data);
    gopro_status st = gp_prompt_write(path, x->l, &m, err);
    free(path);
    return st;
}

static gopro_status test_one(run *x, gp_run_result *r, gp_subset s, const gp_labelset *ls, gopro_error *err)
{
    GP_TRY(gp_evaluate(&x->m[s], x->l, &x->test, ls, x->w, err));
    gp_metrics_scores(&r->test[s], &x->m[s]);
    r->tested[s] = true;
    return GOPRO_OK;
}

static gopro_status open_test(run *x, gopro_error *err)
{
    if (x->test.features) return GOPRO_OK;
    return gp_testset_open(&x->test, x->l, x->data, x->opt, x->q->cache, x->w, err);
}

static gopro_status test_all(run *x, gp_run_result *r, gopro_error *err)
{
    GP_TRY(open_test(x, err));
    GP_TRY(test_one(x, r, x->q->subset, &x->labels, err));
    if (x->q->subset != GP_BASE) return GOPRO_OK;
    if (x->l->setup.csc && !x->l->setup.open_set) {
        if (x->w && !x->q->base_will_do)
            gp_logf(&x->w->log, GP_LOG_WARN,
                    "what is learnt class by class says nothing about new classes: there is no accuracy on them and no harmonic mean");
        return GOPRO_OK;
    }
    GP_TRY(test_one(x, r, GP_NEW, &x->novel, err));
    r->hm = gp_harmonic_mean(r->test[GP_BASE].accuracy, r->test[GP_NEW].accuracy);
    return GOPRO_OK;
}

/* Cut at a whole character. */
static void name_dataset(char out[512], const gp_dataset *d)
{
    snprintf(out, 512, "%s", d->name);
    gp_whole_text(out);
}

static void fill_result(const run *x, gp_run_result *r)
{
    const gp_train_state *s = &x->state;
    snprintf(r->method, sizeof r->method, "%s", x->l->method->name);
    name_dataset(r->dataset, x->data);
    snprintf(r->subset, sizeof r->subset, "%s", gp_subset_name(x->q->subset));
    snprintf(r->backbone, sizeof r->backbone, "%s", x->q->bb->weights->hash);
    r->seed = (uint64_t)gp_opt_int(x->opt, "seed");
    r->parameters = x->l->p ? gp_params_total(x->l->p) : 0;
    r->left_out = s->left_out;
    r->train_images = x->l->p ? x->labels.n_train - s->left_out : 0;
    r->final_loss = s->final_loss;
    r->final_accuracy = s->final_accuracy;
    r->logit_scale = x->l->logit_scale;
    r->zs_ce = s->zs_ce;
    r->ln_classes = s->ln_classes;
    r->best_scale = s->best_scale;
    r->spread = s->spread;
    r->drift = gp_learner_drift(x->l);
    snprintf(r->select, sizeof r->select, "%s", s->best.epoch > 0 ? gp_opt_string(x->opt, "select") : "last");
    r->selected_epoch = s->best.epoch;
    r->selection_accuracy = s->best.accuracy;
    r->last_selection = s->best.latest;
}

/* Names were cut at 127 bytes once. */
static bool same_dataset(const char *recorded, const char *name)
{
    return strcmp(recorded, name) == 0 || (strlen(recorded) == 127 && strncmp(recorded, name, 127) == 0);
}

static gopro_status read_done(const run *x, gp_run_result *r, gopro_error *err)
{
    char *path = gp_rundir_file(&x->dir, "result.json");
    if (!path) return gp_fail_nomem(err, 0, "a path");
    char name[512];
    name_dataset(name, x->data);
    gopro_status st = gp_result_read(r, path, err);
    r->was_done = true;
    if (st == GOPRO_OK && (strcmp(r->method, gp_opt_string(x->opt, "method")) != 0 || !same_dataset(r->dataset, name)))
        st = gp_fail(err, GOPRO_E_FORMAT, "%s: is of method '%s' on '%s', expected '%s' on '%s'; remove the run folder and train again",
                     path, r->method, r->dataset, gp_opt_string(x->opt, "method"), x->data->name);
    free(path);
    return st;
}

static gopro_status keep_cost(run *x, gopro_error *err)
{
    x->cost.peak_mib = gp_max_size(x->cost.peak_mib, gp_peak_rss_mib());
    x->cost.parameters = x->l->p ? gp_params_total(x->l->p) : 0;
    return gp_cost_write(x->dir.path, &x->cost, err);
}

static gopro_status finish(run *x, const gp_run_result *r, gopro_error *err)
{
    char *path = gp_rundir_file(&x->dir, "result.json");
    if (!path) return gp_fail_nomem(err, 0, "a path");
    const gp_labelset *labels[3] = {&x->labels, &x->labels, &x->novel};
    gopro_status st = gp_result_write(path, r, x->l, x->m, labels, x->draw.hash, err);
    free(path);
    if (st == GOPRO_OK) st = keep_cost(x, err);
    return st == GOPRO_OK ? gp_rundir_finish(&x->dir, err) : st;
}

/* The rule that chooses the epoch, unless it is the last. */
static gopro_status open_selection(run *x, gopro_error *err)
{
    /* features of an image tower of its own change with every step */
    const bool share = gp_opt_is(x->opt, "select", "best_test") && !(x->l->method->wants & GP_WANT_PIXELS);
    if (share) GP_TRY(open_test(x, err));
    return gp_selection_open(&x->selection, x->l, x->data, &x->labels, share ? &x->test : NULL, x->q->cache, x->w, err);
}

/* An option that the user set and that does nothing here. */
static void warn_unfitted(const gp_learner *l, const gp_watch *w)
{
    if (w && !gp_learner_trains(l) && gp_opt_is(l->opt, "logit_scale", "fit"))
        gp_logf(&w->log, GP_LOG_WARN, "logit_scale=fit needs training shots: %s keeps the checkpoint's %.6g", l->method->title,
                l->logit_scale);
}

static gopro_status train(run *x, gopro_error *err)
{
    warn_unfitted(x->l, x->w);
    if (!gp_learner_trains(x->l)) return GOPRO_OK;
    const bool last = gp_opt_is(x->opt, "select", "last") || gp_learner_epochs(x->l) == 0; /* nothing to choose from */
    gp_train_job job = {.learner = x->l, .data = x->data, .labels = &x->labels, .dir = x->q->out ? &x->dir : NULL, .watch = x->w};
    double t0 = gp_seconds();
    if (!last) GP_TRY(open_selection(x, err));
    job.select = last ? NULL : &x->selection.selector;
    gopro_status st = gp_train(&job, &x->state, err);
    x->cost.train_s += gp_seconds() - t0;
    if (st == GOPRO_E_CANCELLED && x->q->out) keep_cost(x, NULL); /* what this attempt took counts when the run goes on */
    return st;
}

static gopro_status test(run *x, gp_run_result *r, gopro_error *err)
{
    double t0 = gp_seconds();
    gopro_status st = test_all(x, r, err);
    x->cost.test_s = gp_seconds() - t0;
    return st;
}

gopro_status gp_run(gp_run_result *r, const gp_run_request *q, const gp_watch *w, gopro_error *err)
{
    run x = {.q = q, .w = w};
    memset(r, 0, sizeof *r);
    gopro_status st;
    gp_peak_rss_reset();
    GP_CHECK(run_open(&x, err));
    gp_run_identity id = {.bb = q->bb, .opt = x.l->opt, .data = x.data, .labels = &x.labels, .draw = &x.draw, .subset = q->subset};
    id.data_path = q->data;
    if (q->out) {
        st = gp_rundir_open(&x.dir, q->out, &id, err);
        r->in_use = x.dir.in_use;
        if (st != GOPRO_OK) goto out;
        if (x.dir.state == GP_RUN_DONE) {
            st = read_done(&x, r, err);
            goto out;
        }
        if (q->begin) GP_CHECK(q->begin(q->of, err));
        gp_cost_read(&x.cost, q->out);
        GP_CHECK(write_config(&x, err));
        GP_CHECK(write_draw(&x, err));
    }
    GP_CHECK(train(&x, err));
    if (q->out) GP_CHECK(write_prompt(&x, err));
    GP_CHECK(test(&x, r, err));
    fill_result(&x, r);
    if (q->out) GP_CHECK(finish(&x, r, err));
out:
    run_close(&x);
    return st;
}

/* What a test is of: the classes and the test images with their labels. */
static void test_hash(char hex[65], const gp_labelset *ls)
{
    gp_sha256 c;
    gp_sha256_init(&c);
    for (size_t k = 0; k < ls->K; k++) gp_sha256_add(&c, ls->class_name[k], strlen(ls->class_name[k]) + 1);
    for (size_t i = 0; i < ls->n_test; i++) {
        uint8_t label[4] = {(uint8_t)ls->test[i].label, (uint8_t)(ls->test[i].label >> 8), (uint8_t)(ls->test[i].label >> 16),
                            (uint8_t)(ls->test[i].label >> 24)};
        gp_sha256_add(&c, ls->test[i].path, strlen(ls->test[i].path) + 1);
        gp_sha256_add(&c, label, sizeof label);
    }
    gp_sha256_hex(&c, hex);
}

/* Results kept from an earlier call, if they are of these test images. */
static bool kept(gp_run_result *r, const gp_test_request *q, const char *hash, const gp_watch *w)
{
    char old[65];
    if (!q->result || !gp_path_exists(q->result)) return false;
    if (gp_test_read(r, old, q->result, NULL) == GOPRO_OK && strcmp(old, hash) == 0 && r->tested[q->subset]) {
        r->was_done = true;
        return true;
    }
    if (w) gp_logf(&w->log, GP_LOG_WARN, "'%s' is of other test images than '%s' has now; tested again", q->result, q->data);
    memset(r, 0, sizeof *r);
    return false;
}

static gopro_status open_learner(run *x, const gp_test_request *q, gopro_error *err)
{
    gp_prompt_info info = {0};
    if (!q->run) return gp_learner_create(&x->l, q->bb, q->opt, NULL, 0, err);
    char *path = gp_path_join(q->run, "prompt.safetensors");
    gopro_status st = path ? gp_prompt_read(&x->l, &info, q->bb, path, err) : gp_fail_nomem(err, 0, "a path");
    gp_prompt_info_free(&info);
    free(path);
    return st;
}

gopro_status gp_test(gp_run_result *r, gp_metrics *m, gp_dataset **d, const gp_test_request *q, const gp_watch *w, gopro_error *err)
{
    run x = {.w = w};
    char hash[65];
    gopro_status st;
    memset(r, 0, sizeof *r);
    memset(m, 0, sizeof *m);
    *d = NULL;
    x.dir.lock = -1;
    const gp_data_rules rules = gp_data_rules_of(q->opt);
    GP_CHECK(gp_dataset_open(d, q->data, &rules, w ? &w->log : NULL, err));
    GP_CHECK(gp_labelset_make(&x.labels, *d, NULL, q->subset, err));
    if (q->same_classes) GP_CHECK(gp_result_check_classes(q->run, &x.labels, q->data, err));
    test_hash(hash, &x.labels);
    if (kept(r, q, hash, w)) goto out;
    GP_CHECK(open_learner(&x, q, err));
    if (!q->run) warn_unfitted(x.l, w);
    GP_CHECK(gp_testset_open(&x.test, x.l, *d, q->opt, q->cache, w, err));
    GP_CHECK(gp_evaluate(m, x.l, &x.test, &x.labels, w, err));
    gp_metrics_scores(&r->test[q->subset], m);
    r->tested[q->subset] = true;
    snprintf(r->method, sizeof r->method, "%s", x.l->method->name);
    name_dataset(r->dataset, *d);
    snprintf(r->subset, sizeof r->subset, "%s", gp_subset_name(q->subset));
    snprintf(r->backbone, sizeof r->backbone, "%s", q->bb->weights->hash);
    r->seed = (uint64_t)gp_opt_int(x.l->opt, "seed");
    r->logit_scale = x.l->logit_scale;
    r->parameters = x.l->p ? gp_params_total(x.l->p) : 0;
    snprintf(r->select, sizeof r->select, "%s", q->run && gp_learner_epochs(x.l) > 0 ? gp_opt_string(x.l->opt, "select") : "last");
    if (q->result) GP_CHECK(gp_test_write(q->result, r, m, &x.labels, hash, err));
out:
    run_close(&x);
    if (st != GOPRO_OK) gp_dataset_free(d);
    return st;
}
