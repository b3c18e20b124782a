/* json.c - a protocol's results in full precision.
 * SPDX-License-Identifier: Apache-2.0 */
#include <jansson.h>
#include <math.h>
#include <stdlib.h>

#include "report/report.h"

static json_t *real(double v)
{
    return isfinite(v) ? json_real(v) : json_null();
}

static json_t *spread_json(const gp_spread *s)
{
    if (s->n == 0) return json_null();
    return json_pack("{s:f,s:f,s:f}", "mean", s->mean, "sd", s->sd, "ci95", s->ci95);
}

static json_t *scores_json(const gp_scores *s)
{
    return json_pack("{s:I,s:I,s:f,s:f,s:f,s:f,s:f,s:f}", "images", (json_int_t)s->n, "classes", (json_int_t)s->K, "accuracy", s->accuracy,
                     "class_mean", s->class_mean, "macro_f1", s->macro_f1, "ece", s->ece, "nll", s->nll, "brier", s->brier);
}

static json_t *rival_json(const gp_results *r, size_t d, size_t e)
{
    gp_rival x = gp_results_rival(r, d, e);
    if (!x.any) return json_null();
    json_t *j = json_pack("{s:s,s:s,s:I,s:o,s:o,s:o,s:o}", "entry", gp_entry_key(r, x.entry), "pairs", x.over_data ? "datasets" : "seeds",
                          "n", (json_int_t)x.test.n, "difference", real(x.d_hm), "mean_of_pairs", real(x.test.mean), "t", real(x.test.t),
                          "p", real(x.test.p));
    if (r->plan->protocol == GP_B2N) {
        json_object_set_new(j, "difference_base", real(x.d[0]));
        json_object_set_new(j, "difference_new", real(x.d[1]));
    }
    return j;
}

/* What an entry came to on a dataset, or on average. */
static json_t *row_json(const gp_results *r, size_t d, size_t e)
{
    gp_row row = gp_results_line(r, d, e);
    json_t *j = json_object();
    if (row.n == 0) return j;
    if (r->plan->protocol == GP_B2N) {
        json_object_set_new(j, "base", spread_json(&row.v[0]));
        json_object_set_new(j, "new", spread_json(&row.v[1]));
        json_object_set_new(j, "hm", real(row.hm));
    } else {
        json_object_set_new(j, "accuracy", spread_json(&row.v[0]));
    }
    json_object_set_new(j, "macro_f1", spread_json(&row.f1));
    json_object_set_new(j, "ece", spread_json(&row.ece));
    json_object_set_new(j, "nll", spread_json(&row.nll));
    json_object_set_new(j, "brier", spread_json(&row.brier));
    json_object_set_new(j, "rival", rival_json(r, d, e));
    return j;
}

static json_t *cell_json(const gp_results *r, size_t d, size_t e)
{
    bool b2n = r->plan->protocol == GP_B2N;
    json_t *j = row_json(r, d, e), *seeds = json_array();
    for (size_t s = 0; s < r->plan->n_seeds; s++) {
        const gp_cell *c = gp_results_at(r, d, e, s);
        json_t *o = json_pack("{s:I,s:s,s:s}", "seed", (json_int_t)r->plan->seed[s], "state", gp_cell_state_name(c->state), "run",
                              gp_plan_unit(r->plan, d, e, s)->folder);
        if (c->state == GP_CELL_DONE) {
            json_object_set_new(o, b2n ? "base" : "all", scores_json(&c->score[0]));
            if (b2n) json_object_set_new(o, "new", c->no_new ? json_null() : scores_json(&c->score[1]));
        }
        json_array_append_new(seeds, o);
    }
    json_object_set_new(j, "seeds", seeds);
    return j;
}

static json_t *entries_json(const gp_results *r)
{
    json_t *a = json_array();
    for (size_t e = 0; e < r->plan->n_entries; e++) {
        const gp_entry *x = &r->plan->entry[e];
        json_t *options = json_array();
        for (size_t i = 0; i < x->n_options; i++) json_array_append_new(options, json_string(x->option[i]));
        json_array_append_new(a, json_pack("{s:s,s:s,s:s,s:o,s:s,s:o}", "key", gp_entry_key(r, e), "title", x->title, "method", x->method,
                                           "options", options, "series", x->series, "x", real(x->x)));
    }
    return a;
}

gopro_status gp_report_json(gp_str *out, const gp_results *r, gopro_error *err)
{
    const gp_plan *p = r->plan;
    json_t *sets = json_object(), *average = json_object(), *failed = json_array();
    for (size_t d = 0; d < p->n_data; d++) {
        json_t *entries = json_object();
        for (size_t e = 0; e < p->n_entries; e++) json_object_set_new(entries, gp_entry_key(r, e), cell_json(r, d, e));
        json_object_set_new(sets, p->dataset[d], entries);
    }
    for (size_t e = 0; e < p->n_entries; e++)
        if (gp_results_average(r, e).n > 0) json_object_set_new(average, gp_entry_key(r, e), row_json(r, p->n_data, e));
    for (size_t i = 0; i < r->n_failed; i++) json_array_append_new(failed, json_string(r->failure[i]));
    json_t *j =
        json_pack("{s:i,s:s,s:s,s:s,s:s,s:s,s:b,s:s,s:o,s:o,s:I,s:o,s:o}", "schema", 2, "protocol", gp_protocol_name(p->protocol), "title",
                  p->title, "axis", p->axis, "backbone", p->backbone, "backbone_path", p->backbone_path, "embedded_drawings",
                  (int)p->embedded, "model_selection", gp_model_selection(r), "entries", entries_json(r), "average", average,
                  "datasets_in_average", (json_int_t)gp_results_complete(r), "datasets", sets, "failed", failed);
    if (j && p->protocol != GP_B2N) json_object_set_new(j, "source", json_string(p->dataset[0]));
    char *text = j ? json_dumps(j, JSON_INDENT(2)) : NULL;
    if (text) {
        gp_str_add(out, text);
        gp_str_add(out, "\n");
    }
    json_decref(j);
    free(text);
    return text && !out->failed ? GOPRO_OK : gp_fail_nomem(err, 0, "the report");
}
