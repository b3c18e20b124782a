/* unit.c - running one unit of a plan: training and its own tests, then the tests on targets; what fails is written down beside it.
 * SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/str.h"
#include "data/bytes.h"
#include "eval/plan.h"
#include "train/fixed_views.h"

static bool exists(char *path) /* takes the path */
{
    bool yes = path && gp_path_exists(path);
    free(path);
    return yes;
}

bool gp_unit_done(const gp_plan *p, const gp_unit *u)
{
    if (!exists(gp_unit_file(p, u, "DONE"))) return false;
    for (size_t d = 1; p->protocol != GP_B2N && d < p->n_data; d++)
        if (!exists(gp_test_file(p, u, d, false))) return false;
    return true;
}

/* failed.json: why the last attempt has no result. */
static gopro_status note_failure(char *path, gopro_status why, const char *message, gopro_error *err) /* takes the path */
{
    gopro_status st = path ? GOPRO_OK : gp_fail_nomem(err, 0, "a path");
    char *slash = path ? strrchr(path, '/') : NULL, *text = NULL;
    json_t *j = json_pack("{s:i,s:i,s:s}", "schema", 1, "status", (int)why, "message", message);
    if (st == GOPRO_OK && (!j || !(text = json_dumps(j, JSON_INDENT(2))))) st = gp_fail_nomem(err, 0, "a record");
    if (st == GOPRO_OK && slash) {
        *slash = '\0';
        st = gp_mkdirs(path, err);
        *slash = '/';
    }
    if (st == GOPRO_OK) st = gp_write_file(path, text, strlen(text), err);
    json_decref(j);
    free(text);
    free(path);
    return st;
}

static void forget_failure(char *path) /* takes the path */
{
    if (path) unlink(path);
    free(path);
}

static bool stops(gopro_status st)
{
    return st == GOPRO_E_CANCELLED || st == GOPRO_E_NOMEM;
}

static void tell_scores(const gp_watch *w, const gp_plan *p, const gp_run_result *r)
{
    if (!w) return;
    const char *done = r->was_done ? " (already done)" : "";
    if (p->protocol == GP_B2N && !r->tested[GP_NEW])
        gp_logf(&w->log, GP_LOG_INFO, "%s: base %.2f%s", w->run, r->test[GP_BASE].accuracy, done);
    else if (p->protocol == GP_B2N)
        gp_logf(&w->log, GP_LOG_INFO, "%s: base %.2f, new %.2f, HM %.2f%s", w->run, r->test[GP_BASE].accuracy, r->test[GP_NEW].accuracy,
                r->hm, done);
    else
        gp_logf(&w->log, GP_LOG_INFO, "%s: source %.2f%s", w->run, r->test[GP_ALL].accuracy, done);
}

/* Said once for an entry: by its first run. */
static void tell_no_new(const gp_watch *w, const gp_plan *p, const gp_unit *u, const gp_run_result *r)
{
    if (!w || p->protocol != GP_B2N || r->tested[GP_NEW] || r->was_done || u != gp_plan_unit(p, 0, u->entry, 0)) return;
    gp_logf(&w->log, GP_LOG_WARN, "%s: what is learnt class by class has no accuracy on new classes; the table has its base accuracy only",
            p->entry[u->entry].title);
}

/* A run in a folder that other processes may want too. */
typedef struct attempt {
    const gp_plan *p;
    const gp_unit *u;
    bool begun;
} attempt;

/* A process that is killed writes nothing more: until there is a result, this is what is known. */
static gopro_status begin(void *of, gopro_error *err)
{
    attempt *a = of;
    a->begun = true;
    return note_failure(gp_unit_file(a->p, a->u, "failed.json"), GOPRO_E_NOMEM, "ended without a result (killed, or not enough memory)",
                        err);
}

static gopro_status run_itself(const gp_plan *p, const gp_unit *u, const gp_options *o, const char *cache, const gp_watch *w,
                               gopro_error *err)
{
    gp_run_result r;
    gopro_error e = {0};
    attempt a = {.p = p, .u = u};
    char *folder = gp_unit_folder(p, u);
    if (!folder) return gp_fail_nomem(err, 0, "a path");
    gp_run_request q = {.bb = p->bb, .opt = o, .data = p->data[u->data], .out = folder, .cache = cache, .begin = begin, .of = &a};
    q.subset = p->protocol == GP_B2N ? GP_BASE : GP_ALL;
    q.base_will_do = true;
    gopro_status st = gp_run(&r, &q, w, &e);
    free(folder);
    if (st == GOPRO_OK || (st == GOPRO_E_CANCELLED && a.begun))
        forget_failure(gp_unit_file(p, u, "failed.json"));
    else if (st != GOPRO_E_CANCELLED && !r.in_use) /* the process that has the folder says how it ends */
        note_failure(gp_unit_file(p, u, "failed.json"), st, e.msg, NULL);
    if (st == GOPRO_OK) {
        tell_no_new(w, p, u, &r);
        tell_scores(w, p, &r);
    }
    return st == GOPRO_OK ? GOPRO_OK : gp_fail(err, st, "%s: %s", w->run, e.msg);
}

static gopro_status test_on(const gp_plan *p, const gp_unit *u, size_t target, const gp_options *o, const char *cache, const gp_watch *w,
                            gopro_error *err)
{
    gp_run_result r;
    gp_metrics m;
    gp_dataset *d = NULL;
    gopro_error e = {0};
    char *folder = gp_unit_folder(p, u), *file = gp_test_file(p, u, target, false), *tests = gp_unit_file(p, u, "tests");
    gopro_status st = folder && file && tests ? gp_mkdirs(tests, &e) : gp_fail_nomem(&e, 0, "a path");
    if (st == GOPRO_OK) {
        gp_test_request q = {.bb = p->bb, .opt = o, .run = folder, .data = p->data[target], .cache = cache, .subset = GP_ALL};
        q.same_classes = p->protocol == GP_DG;
        q.result = file;
        st = gp_test(&r, &m, &d, &q, w, &e);
        if (st == GOPRO_OK) gp_metrics_free(&m);
        gp_dataset_free(&d);
    }
    free(folder);
    free(file);
    free(tests);
    if (st == GOPRO_OK && w)
        gp_logf(&w->log, GP_LOG_INFO, "%s: %s %.2f%s", w->run, p->dataset[target], r.test[GP_ALL].accuracy,
                r.was_done ? " (already done)" : "");
    if (st == GOPRO_OK || st == GOPRO_E_CANCELLED)
        forget_failure(gp_test_file(p, u, target, true));
    else
        note_failure(gp_test_file(p, u, target, true), st, e.msg, NULL);
    return st == GOPRO_OK ? GOPRO_OK : gp_fail(err, st, "%s on %s: %s", w->run, p->dataset[target], e.msg);
}

gopro_status gp_unit_run(const gp_plan *p, const gp_unit *u, const gp_watch *w, gopro_error *err)
{
    char what[256], *cache = gp_path_join(p->out, "cache");
    gp_options *o = NULL;
    gp_watch own = w ? *w : (gp_watch){.run = NULL};
    gp_unit_text(what, sizeof what, p, u);
    own.run = what;
    gopro_error e = {0};
    gopro_status first = GOPRO_OK, st = cache ? gp_unit_options(&o, p, u, err) : gp_fail_nomem(err, 0, "a path");
    if (st == GOPRO_OK) st = run_itself(p, u, o, cache, &own, err);
    for (size_t d = 1; st == GOPRO_OK && p->protocol != GP_B2N && d < p->n_data; d++) {
        gopro_status t = test_on(p, u, d, o, cache, &own, &e);
        if (t == GOPRO_OK) continue;
        if (stops(t)) st = gp_fail(err, t, "%s", e.msg);
        if (stops(t) || first != GOPRO_OK) continue;
        first = gp_fail(err, t, "%s", e.msg);
    }
    gp_options_free(&o);
    free(cache);
    return st != GOPRO_OK ? st : first;
}

/* What the shots take once decoded, from the size of a few of them; no more than is kept. */
static size_t shots_mib(const gp_dataset *d, const gp_labelset *ls, const gp_options *o)
{
    const size_t limit = (size_t)gp_opt_int(o, "data.cache_mib"), look = gp_min_size(ls->n_train, 8);
    size_t read = 0;
    double bytes = 0.0;
    for (size_t i = 0; i < look; i++) {
        gp_image im = {0};
        if (gp_item_read(&im, d->root, &ls->train[i * ls->n_train / look], NULL) != GOPRO_OK) continue;
        bytes += (double)im.w * im.h * im.channels;
        read++;
        gp_image_free(&im);
    }
    return read ? gp_min_size(limit, (size_t)(bytes / (double)read * (double)ls->n_train / (1 << 20)) + 1) : 0;
}

/* A step on the classes that the unit trains on. */
static gopro_status probe(gp_estimate *e, const gp_plan *p, const gp_unit *u, const gp_options *o, const gp_log *log, gopro_error *err)
{
    gp_learner *l = NULL;
    gp_dataset *data = NULL;
    gp_draw draw = {0};
    gp_labelset ls = {0};
    double step = 0.0, tower = 0.0;
    gopro_status st;
    gp_data_rules rules = gp_data_rules_of(o);
    rules.skip_bad_images = true;
    GP_CHECK(gp_dataset_open(&data, p->data[u->data], &rules, log, err));
    GP_CHECK(gp_draw_of(&draw, data, o, log, err));
    GP_CHECK(gp_labelset_make(&ls, data, &draw, p->protocol == GP_B2N ? GP_BASE : GP_ALL, err));
    gp_peak_rss_reset();
    GP_CHECK(gp_learner_create(&l, p->bb, o, ls.class_name, ls.K, err));
    GP_CHECK(gp_train_probe(&step, &tower, l, ls.class_name, ls.K, err));
    e->mib = gp_peak_rss_mib() + shots_mib(data, &ls, o);
    const double batch = (double)gp_opt_int(o, "optim.batch");
    const size_t sets = gp_fixed_views_possible(l) ? gp_fixed_views_sets(l) : 0;
    if (sets) {
        e->mib += gp_fixed_views_bytes(l, ls.n_train) >> 20;
        e->seconds = tower / batch * (double)(sets * ls.n_train);
        step -= tower;
    }
    e->seconds += step * (double)gp_loader_iters(ls.n_train, (size_t)batch) * (double)gp_learner_epochs(l);
out:
    gp_learner_free(&l);
    gp_labelset_free(&ls);
    gp_draw_free(&draw);
    gp_dataset_free(&data);
    return st;
}

/* What is in the unit's folder must be this unit's. */
static gopro_status check_unit(const gp_plan *p, const gp_unit *u, gopro_error *err)
{
    gp_options *o = NULL;
    char *folder = gp_unit_folder(p, u);
    gopro_status st = folder ? gp_unit_options(&o, p, u, err) : gp_fail_nomem(err, 0, "a path");
    if (st == GOPRO_OK) st = gp_rundir_check(folder, p->bb, o, err);
    free(folder);
    gp_options_free(&o);
    return st;
}

gopro_status gp_unit_estimate(gp_estimate *e, const gp_plan *p, const gp_unit *u, const gp_watch *w, gopro_error *err)
{
    gp_options *o = NULL;
    gopro_error mine = {0};
    gp_log silent = {.cancelled = w ? w->log.cancelled : NULL, .user = w ? w->log.user : NULL};
    *e = (gp_estimate){.done = gp_unit_done(p, u), .mib = gp_peak_rss_mib()};
    bool trained = exists(gp_unit_file(p, u, "DONE"));
    gopro_status st = gp_unit_options(&o, p, u, &mine);
    if (st == GOPRO_OK) st = check_unit(p, u, &mine);
    if (st == GOPRO_OK && gp_method_trains(p->entry[u->entry].method) && !trained) {
        gp_estimate *of = &p->probed[u->data * p->n_entries + u->entry]; /* another seed takes as long */
        if (of->mib == 0) st = probe(of, p, u, o, &silent, &mine);
        e->seconds = of->seconds;
        e->mib = gp_max_size(e->mib, of->mib);
    }
    gp_options_free(&o);
    if (st == GOPRO_OK || st == GOPRO_E_DATA || st == GOPRO_E_IO) return GOPRO_OK;
    return gp_fail(err, st, "%s: %s", p->entry[u->entry].title, mine.msg);
}

typedef struct schedule {
    double *seconds; /* [n_units] estimated */
    double left, estimated, taken;
    size_t todo;
} schedule;

/* Estimates every unit; those that are done are only looked at. */
static gopro_status estimate_all(schedule *s, const gp_plan *p, const gp_watch *w, gopro_error *err)
{
    size_t mib = 0;
    for (size_t i = 0; i < p->n_units; i++) {
        gp_estimate e;
        if (w && gp_cancelled(&w->log)) return gp_fail(err, GOPRO_E_CANCELLED, "interrupted");
        GP_TRY(gp_unit_estimate(&e, p, &p->unit[i], w, err));
        s->seconds[i] = e.done ? 0.0 : e.seconds;
        s->left += s->seconds[i];
        s->todo += !e.done;
        mib = gp_max_size(mib, e.mib);
    }
    if (w)
        gp_logf(&w->log, GP_LOG_INFO, "%zu run%s to do; training will take about %.0f min %02.0f s and %zu MiB of memory", s->todo,
                s->todo == 1 ? "" : "s", (double)((long)s->left / 60), s->left - 60.0 * (double)((long)s->left / 60), mib);
    return GOPRO_OK;
}

static void tell_left(schedule *s, size_t done, const gp_watch *w)
{
    double rate = s->estimated > 0.0 ? s->taken / s->estimated : 1.0, left = s->left * rate;
    if (w)
        gp_logf(&w->log, GP_LOG_INFO, "%zu of %zu runs done, about %.0f min %02.0f s left", done, s->todo, (double)((long)left / 60),
                left - 60.0 * (double)((long)left / 60));
}

gopro_status gp_plan_run(const gp_plan *p, const gp_watch *w, gopro_error *err)
{
    schedule s = {.seconds = calloc(p->n_units + 1, sizeof(double))};
    if (!s.seconds) return gp_fail_nomem(err, p->n_units * sizeof(double), "estimates");
    size_t done = 0;
    gopro_status st = estimate_all(&s, p, w, err);
    for (size_t i = 0; st == GOPRO_OK && i < p->n_units; i++) {
        gopro_error e = {0};
        bool todo = !gp_unit_done(p, &p->unit[i]);
        double t0 = gp_seconds();
        gopro_status one = gp_unit_run(p, &p->unit[i], w, &e);
        if (stops(one)) st = gp_fail(err, one, "%s", e.msg);
        if (one != GOPRO_OK && !stops(one) && w) gp_logf(&w->log, GP_LOG_WARN, "failed: %s", e.msg);
        if (st != GOPRO_OK || !todo) continue;
        done++;
        s.left -= s.seconds[i];
        if (s.seconds[i] > 0.0) {
            s.taken += gp_seconds() - t0;
            s.estimated += s.seconds[i];
        }
        if (s.left > 0.0) tell_left(&s, done, w);
    }
    free(s.seconds);
    return st;
}
