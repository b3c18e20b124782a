/* protocol.c - the list of runs, the estimate before them, running what is not done.
 * SPDX-License-Identifier: Apache-2.0 */
#include "eval/protocol.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/str.h"

void gp_b2n_free(gp_b2n **t)
{
    if (!t || !*t) return;
    gp_b2n *x = *t;
    for (size_t i = 0; x->method && i < x->n_methods; i++) free(x->method[i]);
    for (size_t i = 0; x->dataset && i < x->n_data; i++) free(x->dataset[i]);
    for (size_t i = 0; x->failure && i < x->n_failed; i++) free(x->failure[i]);
    free(x->method);
    free(x->dataset);
    free(x->failure);
    free(x->cell);
    free(x->backbone_path);
    free(x);
    *t = NULL;
}

/* The last component of a path: a dataset's name in the tables and its folder among the runs. */
static char *base_name(const char *path)
{
    size_t n = strlen(path);
    while (n > 1 && path[n - 1] == '/') n--;
    size_t i = n;
    while (i > 0 && path[i - 1] != '/') i--;
    return gp_sprintf("%.*s", (int)(n - i), path + i);
}

/* The embedded drawings lie beside their index. */
static bool is_embedded(const char *data)
{
    char *index = gp_sprintf("%s/../index.tsv", data);
    bool yes = index && gp_path_exists(index);
    free(index);
    return yes;
}

static gopro_status check_request(const gp_protocol_request *q, gopro_error *err)
{
    if (q->n_seeds == 0 || q->n_seeds > GP_MAX_SEEDS)
        return gp_fail(err, GOPRO_E_INVALID, "%zu seeds, expected 1 to %d", q->n_seeds, GP_MAX_SEEDS);
    if (q->n_methods == 0 || q->n_data == 0) return gp_fail(err, GOPRO_E_INVALID, "no %s given", q->n_methods == 0 ? "method" : "dataset");
    for (size_t i = 0; i < q->n_seeds; i++)
        for (size_t k = 0; k < i; k++)
            if (q->seed[i] == q->seed[k]) return gp_fail(err, GOPRO_E_INVALID, "seed %ju is given twice", (uintmax_t)q->seed[i]);
    for (size_t i = 0; i < q->n_methods; i++) {
        if (!gp_method_find(q->method[i])) {
            const char *names[32];
            size_t n = 0;
            for (; n < gp_n_methods && n < GP_COUNT(names); n++) names[n] = gp_methods[n]->name;
            const char *near = gp_nearest(q->method[i], names, n);
            return gp_fail(err, GOPRO_E_INVALID, "method '%s' is unknown%s%s%s", q->method[i], near ? "; did you mean '" : "",
                           near ? near : "", near ? "'?" : "");
        }
        for (size_t k = 0; k < i; k++)
            if (strcmp(q->method[i], q->method[k]) == 0) return gp_fail(err, GOPRO_E_INVALID, "method '%s' is given twice", q->method[i]);
    }
    return GOPRO_OK;
}

static gopro_status b2n_new(gp_b2n **t, const gp_protocol_request *q, gopro_error *err)
{
    gp_b2n *x = calloc(1, sizeof *x);
    *t = x;
    if (!x) return gp_fail_nomem(err, sizeof *x, "the results");
    x->n_methods = q->n_methods;
    x->n_data = q->n_data;
    x->n_seeds = q->n_seeds;
    memcpy(x->seed, q->seed, q->n_seeds * sizeof *x->seed);
    x->method = calloc(q->n_methods, sizeof *x->method);
    x->dataset = calloc(q->n_data, sizeof *x->dataset);
    x->cell = calloc(q->n_data * q->n_methods, sizeof *x->cell);
    x->failure = calloc(q->n_data * q->n_methods * q->n_seeds, sizeof *x->failure);
    x->backbone_path = gp_strdup(q->bb->path);
    memcpy(x->backbone, q->bb->weights->hash, sizeof x->backbone);
    bool ok = x->method && x->dataset && x->cell && x->failure && x->backbone_path;
    for (size_t i = 0; ok && i < q->n_methods; i++) ok = (x->method[i] = gp_strdup(q->method[i])) != NULL;
    for (size_t i = 0; ok && i < q->n_data; i++) {
        ok = (x->dataset[i] = base_name(q->data[i])) != NULL;
        x->embedded = x->embedded || is_embedded(q->data[i]);
        for (size_t k = 0; ok && k < i; k++)
            if (strcmp(x->dataset[i], x->dataset[k]) == 0)
                return gp_fail(err, GOPRO_E_INVALID, "two datasets are called '%s' (%s, %s)", x->dataset[i], q->data[k], q->data[i]);
    }
    return ok ? GOPRO_OK : gp_fail_nomem(err, sizeof *x, "the results");
}

/* Zero-shot does not depend on the seed: one run, its numbers for all. */
static size_t seeds_of(const gp_b2n *t, size_t m)
{
    return gp_method_find(t->method[m])->declare ? t->n_seeds : 1;
}

static char *run_folder(const gp_protocol_request *q, const gp_b2n *t, size_t d, size_t m, size_t s)
{
    return gp_sprintf("%s/%s/%s/seed%ju", q->out, t->dataset[d], t->method[m], (uintmax_t)t->seed[s]);
}

static bool folder_done(const gp_protocol_request *q, const gp_b2n *t, size_t d, size_t m, size_t s)
{
    char *folder = run_folder(q, t, d, m, s), *done = folder ? gp_path_join(folder, "DONE") : NULL;
    bool yes = done && gp_path_exists(done);
    free(folder);
    free(done);
    return yes;
}

static gp_options *run_options(const gp_protocol_request *q, const char *method, uint64_t seed)
{
    char text[32];
    gp_options *o = gp_options_clone(q->opt);
    snprintf(text, sizeof text, "%ju", (uintmax_t)seed);
    if (o && (gp_options_set(o, "method", method, "protocol", NULL) != GOPRO_OK ||
              gp_options_set(o, "seed", text, "protocol", NULL) != GOPRO_OK))
        gp_options_free(&o);
    return o;
}

/* Seconds that training one method on one dataset will take, from a step on blank images. */
static gopro_status probe(double *seconds, const gp_protocol_request *q, size_t d, const char *method, const gp_watch *w, gopro_error *err)
{
    gp_dataset *data = NULL;
    gp_draw draw = {0};
    gp_labelset ls = {0};
    gp_learner *l = NULL;
    double step = 0.0;
    gp_watch silent = {.log = {.cancelled = w ? w->log.cancelled : NULL, .user = w ? w->log.user : NULL}};
    gp_options *o = run_options(q, method, q->seed[0]);
    gopro_status st = o ? GOPRO_OK : gp_fail_nomem(err, 0, "options");
    gp_data_rules rules = {.skip_bad_images = true, .split_seed = (uint64_t)gp_opt_int(q->opt, "data.split_seed")};
    *seconds = 0.0;
    if (st == GOPRO_OK) st = gp_options_settle(o, q->bb->tok, false, err);
    const gp_method *trained = gp_method_find(method);
    if (st != GOPRO_OK || !trained || !trained->declare) goto out;
    GP_CHECK(gp_dataset_open(&data, q->data[d], &rules, &silent.log, err));
    GP_CHECK(gp_draw_make(&draw, data, (size_t)gp_opt_int(o, "shots"), q->seed[0], &silent.log, err));
    GP_CHECK(gp_labelset_make(&ls, data, &draw, GP_BASE, err));
    GP_CHECK(gp_learner_create(&l, q->bb, o, ls.class_name, ls.K, err));
    GP_CHECK(gp_train_probe(&step, l, ls.class_name, ls.K, err));
    *seconds = step * (double)gp_loader_iters(ls.n_train, (size_t)gp_opt_int(o, "optim.batch")) * (double)gp_opt_int(o, "optim.epochs");
out:
    gp_learner_free(&l);
    gp_labelset_free(&ls);
    gp_draw_free(&draw);
    gp_dataset_free(&data);
    gp_options_free(&o);
    return st;
}

/* Settings that no run can accept are found here, before hours of work; a dataset that cannot be read fails only its own runs. */
static gopro_status estimate(const gp_protocol_request *q, const gp_b2n *t, const gp_watch *w, gopro_error *err)
{
    double total = 0.0;
    size_t runs = 0;
    for (size_t m = 0; m < t->n_methods; m++)
        for (size_t d = 0; d < t->n_data; d++) {
            size_t n = 0;
            for (size_t s = 0; s < seeds_of(t, m); s++) n += !folder_done(q, t, d, m, s);
            if (n == 0) continue;
            double seconds = 0.0;
            gopro_error e = {0};
            gopro_status st = probe(&seconds, q, d, t->method[m], w, &e);
            if (st != GOPRO_OK && st != GOPRO_E_DATA && st != GOPRO_E_IO) return gp_fail(err, st, "%s", e.msg);
            total += seconds * (double)n;
            runs += n;
            if (w && gp_cancelled(&w->log)) return gp_fail(err, GOPRO_E_CANCELLED, "interrupted");
        }
    if (w)
        gp_logf(&w->log, GP_LOG_INFO, "%zu runs to do; training will take about %.0f min %02.0f s, memory so far %zu MiB", runs,
                (double)((long)total / 60), total - 60.0 * (double)((long)total / 60), gp_peak_rss_mib());
    return GOPRO_OK;
}

static void fail_run(gp_b2n *t, size_t d, size_t m, size_t s, gopro_status st, const gopro_error *e, const gp_watch *w)
{
    char *text = gp_sprintf("%s %s seed %ju: %s", t->dataset[d], t->method[m], (uintmax_t)t->seed[s], e->msg);
    if (w && text) gp_logf(&w->log, GP_LOG_WARN, "failed: %s", text);
    if (t->n_failed == 0) t->first_failure = st;
    t->failure[t->n_failed++] = text;
}

static gopro_status one_run(gp_b2n *t, const gp_protocol_request *q, size_t d, size_t m, size_t s, const char *cache, const gp_watch *w,
                            gopro_error *err)
{
    gopro_error e = {0};
    char *folder = run_folder(q, t, d, m, s);
    gp_options *o = run_options(q, t->method[m], t->seed[s]);
    gp_run_result r;
    gopro_status st;
    if (!folder || !o) {
        st = gp_fail_nomem(err, 0, "a run");
        goto out;
    }
    char what[256];
    snprintf(what, sizeof what, "%.80s %.40s seed %ju", t->dataset[d], t->method[m], (uintmax_t)t->seed[s]);
    gp_watch own = w ? *w : (gp_watch){.run = NULL};
    own.run = what;
    gp_run_request rq = {.bb = q->bb, .opt = o, .data = q->data[d], .subset = GP_BASE, .out = folder, .cache = cache};
    st = gp_run(&r, &rq, &own, &e);
    if (st == GOPRO_OK && !r.tested[GP_NEW])
        st = gp_fail(&e, GOPRO_E_INVALID, "class-specific contexts have no accuracy on new classes; set coop.csc=0");
    if (st == GOPRO_E_CANCELLED || st == GOPRO_E_NOMEM) {
        gp_fail(err, st, "%s: %s", what, e.msg);
        goto out;
    }
    if (st != GOPRO_OK) {
        fail_run(t, d, m, s, st, &e, w);
        st = GOPRO_OK;
        goto out;
    }
    gp_b2n_cell *c = &t->cell[d * t->n_methods + m];
    c->base[c->n] = r.test[GP_BASE].accuracy;
    c->novel[c->n++] = r.test[GP_NEW].accuracy;
    t->n_done_before += r.was_done;
    t->n_run += !r.was_done;
    if (w)
        gp_logf(&w->log, GP_LOG_INFO, "%s: base %.2f, new %.2f, HM %.2f%s", what, r.test[GP_BASE].accuracy, r.test[GP_NEW].accuracy, r.hm,
                r.was_done ? " (already done)" : "");
out:
    free(folder);
    gp_options_free(&o);
    return st;
}

static void repeat_zeroshot(gp_b2n *t)
{
    for (size_t i = 0; i < t->n_data * t->n_methods; i++) {
        gp_b2n_cell *c = &t->cell[i];
        if (seeds_of(t, i % t->n_methods) != 1 || c->n != 1) continue;
        for (; c->n < t->n_seeds; c->n++) {
            c->base[c->n] = c->base[0];
            c->novel[c->n] = c->novel[0];
        }
    }
}

gopro_status gp_protocol_b2n(gp_b2n **t, const gp_protocol_request *q, const gp_watch *w, gopro_error *err)
{
    *t = NULL;
    char *cache = gp_path_join(q->out, "cache");
    size_t i = 0;
    gopro_status st = cache ? check_request(q, err) : gp_fail_nomem(err, 0, "a path");
    if (st != GOPRO_OK) goto out;
    GP_CHECK(b2n_new(t, q, err));
    GP_CHECK(gp_mkdirs(q->out, err));
    if (q->share == 0) GP_CHECK(estimate(q, *t, w, err));
    for (size_t d = 0; d < q->n_data; d++)
        for (size_t m = 0; m < q->n_methods; m++)
            for (size_t s = 0; s < seeds_of(*t, m); s++, i++) {
                if (q->shares > 1 && i % q->shares != q->share) continue;
                GP_CHECK(one_run(*t, q, d, m, s, cache, w, err));
            }
    repeat_zeroshot(*t);
out:
    free(cache);
    if (st != GOPRO_OK) gp_b2n_free(t);
    return st;
}
