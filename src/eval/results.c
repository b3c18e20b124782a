/* results.c - reading the results of a plan's runs.
 * SPDX-License-Identifier: Apache-2.0 */
#include "eval/results.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/str.h"
#include "train/json_file.h"

void gp_results_free(gp_results **r)
{
    if (!r || !*r) return;
    for (size_t i = 0; i < (*r)->n_failed; i++) free((*r)->failure[i]);
    free((*r)->failure);
    free((*r)->cell);
    free((*r)->any);
    free((*r)->whole);
    gp_plan_free(&(*r)->plan);
    free(*r);
    *r = NULL;
}

const char *gp_cell_state_name(gp_cell_state s)
{
    static const char *const name[] = {"missing", "done", "failed"};
    return name[s];
}

const gp_cell *gp_results_at(const gp_results *r, size_t data, size_t entry, size_t seed)
{
    return &r->cell[(data * r->plan->n_entries + entry) * r->plan->n_seeds + seed];
}

/* Adds what a failure's record says to the list, once. */
static gopro_status add_failure(gp_results *r, const char *path, const gp_unit *u, const char *target, gopro_error *err)
{
    char what[256], *text = NULL;
    json_t *j = NULL;
    gp_json_read(&j, path, NULL);
    const char *message = json_string_value(json_object_get(j, "message"));
    json_int_t code = json_integer_value(json_object_get(j, "status"));
    gp_unit_text(what, sizeof what, r->plan, u);
    text = gp_sprintf("%s%s%s: %s", what, target ? " on " : "", target ? target : "", message ? message : "the record cannot be read");
    json_decref(j);
    if (!text) return gp_fail_nomem(err, 0, "a message");
    for (size_t i = 0; i < r->n_failed; i++)
        if (strcmp(r->failure[i], text) == 0) {
            free(text);
            return GOPRO_OK;
        }
    char **more = realloc(r->failure, (r->n_failed + 1) * sizeof *more);
    if (!more) {
        free(text);
        return gp_fail_nomem(err, 0, "a message");
    }
    r->failure = more;
    if (r->n_failed == 0) r->first_failure = code > GOPRO_OK && code <= GOPRO_E_WEIGHTS ? (gopro_status)code : GOPRO_E_INVALID;
    r->failure[r->n_failed++] = text;
    return GOPRO_OK;
}

/* The run a cell belongs to: done, failed or not there. */
static gopro_status read_run(gp_results *r, gp_cell *c, const gp_unit *u, gp_run_result *x, gopro_error *err)
{
    char *done = gp_unit_file(r->plan, u, "DONE"), *file = gp_unit_file(r->plan, u, "result.json");
    char *failed = gp_unit_file(r->plan, u, "failed.json"), *folder = gp_unit_folder(r->plan, u);
    gopro_status st = done && file && failed && folder ? GOPRO_OK : gp_fail_nomem(err, 0, "a path");
    c->state = GP_CELL_MISSING;
    if (st == GOPRO_OK && gp_path_exists(failed)) { /* also beside DONE: what is there is of other data than the plan's */
        c->state = GP_CELL_FAILED;
        st = add_failure(r, failed, u, NULL, err);
    } else if (st == GOPRO_OK && gp_path_exists(done)) {
        c->state = GP_CELL_DONE;
        st = gp_result_read(x, file, err);
        gp_cost_read(&c->cost, folder);
    }
    free(done);
    free(file);
    free(failed);
    free(folder);
    return st;
}

static gopro_status read_target(gp_results *r, gp_cell *c, const gp_unit *u, size_t target, gopro_error *err)
{
    gp_run_result x;
    char hash[65], *file = gp_test_file(r->plan, u, target, false), *failed = gp_test_file(r->plan, u, target, true);
    gopro_status st = file && failed ? GOPRO_OK : gp_fail_nomem(err, 0, "a path");
    if (st == GOPRO_OK && gp_path_exists(failed)) {
        c->state = GP_CELL_FAILED;
        st = add_failure(r, failed, u, r->plan->dataset[target], err);
    } else if (st == GOPRO_OK && gp_path_exists(file)) {
        st = gp_test_read(&x, hash, file, err);
        c->score[0] = x.test[GP_ALL];
    } else {
        c->state = GP_CELL_MISSING;
    }
    free(file);
    free(failed);
    return st;
}

static gopro_status read_cell(gp_results *r, size_t d, size_t e, size_t s, gopro_error *err)
{
    const gp_plan *p = r->plan;
    gp_cell *c = &r->cell[(d * p->n_entries + e) * p->n_seeds + s];
    const gp_unit *u = gp_plan_unit(p, d, e, s);
    gp_run_result x;
    GP_TRY(read_run(r, c, u, &x, err));
    if (c->state != GP_CELL_DONE) return GOPRO_OK;
    if (p->protocol != GP_B2N && d > 0) return read_target(r, c, u, d, err);
    c->score[0] = x.test[p->protocol == GP_B2N ? GP_BASE : GP_ALL];
    c->score[1] = x.test[GP_NEW];
    c->no_new = p->protocol == GP_B2N && !x.tested[GP_NEW];
    return GOPRO_OK;
}

static size_t finished(const gp_results *r, size_t data, size_t entry)
{
    size_t n = 0;
    for (size_t s = 0; s < r->plan->n_seeds; s++) n += gp_results_at(r, data, entry, s)->state == GP_CELL_DONE;
    return n;
}

void gp_results_look_over(gp_results *r)
{
    const gp_plan *p = r->plan;
    memset(r->any, 0, p->n_entries * sizeof *r->any);
    for (size_t e = 0; e < p->n_entries; e++)
        for (size_t d = 0; d < p->n_data; d++) r->any[e] = r->any[e] || finished(r, d, e) > 0;
    for (size_t d = 0; d < p->n_data; d++) {
        bool some = false, all = true;
        for (size_t e = 0; e < p->n_entries; e++) {
            some = some || r->any[e];
            all = all && (!r->any[e] || finished(r, d, e) == p->n_seeds);
        }
        r->whole[d] = some && all;
    }
}

#define MAX_CELLS ((size_t)1 << 19)

gopro_status gp_results_load(gp_results **r, const char *out, const char *name, gopro_error *err)
{
    gp_results *x = calloc(1, sizeof *x);
    *r = x;
    gopro_status st = x ? gp_plan_read(&x->plan, out, name, err) : gp_fail_nomem(err, sizeof *x, "results");
    const gp_plan *p = st == GOPRO_OK ? x->plan : NULL;
    if (p && p->n_data > MAX_CELLS / p->n_entries / p->n_seeds)
        st = gp_fail(err, GOPRO_E_INVALID, "%s/%s/plan.json: %zu datasets, %zu entries and %zu seeds are more than %zu results", out, name,
                     p->n_data, p->n_entries, p->n_seeds, MAX_CELLS);
    if (st == GOPRO_OK) {
        x->cell = calloc(p->n_data * p->n_entries * p->n_seeds, sizeof *x->cell);
        x->any = calloc(p->n_entries, sizeof *x->any);
        x->whole = calloc(p->n_data, sizeof *x->whole);
        if (!x->cell || !x->any || !x->whole) st = gp_fail_nomem(err, 0, "results");
    }
    for (size_t d = 0; st == GOPRO_OK && d < p->n_data; d++)
        for (size_t e = 0; st == GOPRO_OK && e < p->n_entries; e++)
            for (size_t s = 0; st == GOPRO_OK && s < p->n_seeds; s++) st = read_cell(x, d, e, s, err);
    if (st == GOPRO_OK)
        gp_results_look_over(x);
    else
        gp_results_free(r);
    return st;
}
