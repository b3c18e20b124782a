/* files.c - results as CSV, and the report's files.
 * SPDX-License-Identifier: Apache-2.0 */
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "report/report.h"
#include "train/json_file.h"

void gp_csv_field(gp_str *out, const char *s)
{
    if (!strpbrk(s, ",\"\r\n")) {
        gp_str_add(out, s);
        return;
    }
    gp_str_add(out, "\"");
    for (; *s; s++) {
        if (*s == '"') gp_str_add(out, "\"");
        gp_str_addn(out, s, 1);
    }
    gp_str_add(out, "\"");
}

void gp_csv_number(gp_str *out, double v)
{
    if (isfinite(v))
        gp_str_addf(out, ",%.10g", v);
    else
        gp_str_add(out, ",");
}

/* "dataset,entry,seed" */
static void line_head(gp_str *out, const gp_results *r, size_t d, size_t e, const char *seed)
{
    gp_csv_field(out, d < r->plan->n_data ? r->plan->dataset[d] : "average");
    gp_str_add(out, ",");
    gp_csv_field(out, gp_entry_key(r, e));
    gp_str_addf(out, ",%s", seed);
}

static const char *entry_column(const gp_results *r)
{
    return gp_ablation(r) ? "setting" : "method";
}

/* Accuracies, HM and measures; s NULL: nothing is known. */
static void score_fields(gp_str *out, const gp_results *r, const gp_scores *s, double hm, bool no_new)
{
    bool b2n = r->plan->protocol == GP_B2N;
    size_t n = b2n ? 2 : 1, have = !s ? 0 : no_new ? 1 : n;
    for (size_t i = 0; i < n; i++) gp_csv_number(out, i < have ? s[i].accuracy : (double)NAN);
    if (b2n) gp_csv_number(out, have == 2 ? hm : (double)NAN);
    for (size_t i = 0; i < n; i++) {
        if (i >= have) {
            gp_str_add(out, ",,,,,");
            continue;
        }
        const double v[] = {s[i].class_mean, s[i].macro_f1, s[i].ece, s[i].nll, s[i].brier};
        for (size_t k = 0; k < GP_COUNT(v); k++) gp_csv_number(out, v[k]);
    }
}

static void seed_line(gp_str *out, const gp_results *r, size_t d, size_t e, size_t s)
{
    const gp_cell *c = gp_results_at(r, d, e, s);
    char seed[32];
    snprintf(seed, sizeof seed, "%ju", (uintmax_t)r->plan->seed[s]);
    line_head(out, r, d, e, seed);
    score_fields(out, r, c->state == GP_CELL_DONE ? c->score : NULL, gp_harmonic_mean(c->score[0].accuracy, c->score[1].accuracy),
                 c->no_new);
    gp_str_addf(out, ",%s%s\n", gp_cell_state_name(c->state), r->plan->protocol == GP_B2N ? ",,,,,,,,,," : ",,,,,,");
}

/* done: the mean is over all that it should be over. */
static const char *mean_state(const gp_results *r, size_t d, const gp_row *row)
{
    size_t of = d < r->plan->n_data ? r->plan->n_seeds : r->plan->n_data - gp_results_first(r);
    return gp_cell_state_name(row->failed ? GP_CELL_FAILED : row->n < of ? GP_CELL_MISSING : GP_CELL_DONE);
}

/* Seeds, deviations and intervals (of what varies), the best rival, differences to it, p. */
static void spread_fields(gp_str *out, const gp_results *r, size_t d, size_t e, const gp_row *row)
{
    bool b2n = r->plan->protocol == GP_B2N;
    size_t n = b2n ? 2 : 1;
    gp_rival x = gp_results_rival(r, d, e);
    gp_str_addf(out, ",%zu", row->v[0].n);
    for (size_t i = 0; i < n; i++) {
        bool varies = row->v[i].n > 1 && gp_method_trains(r->plan->entry[e].method);
        gp_csv_number(out, varies ? row->v[i].sd : (double)NAN);
        gp_csv_number(out, varies ? row->v[i].ci95 : (double)NAN);
    }
    gp_str_add(out, ",");
    if (x.any) gp_csv_field(out, gp_entry_key(r, x.entry));
    for (size_t i = 0; i < n; i++) gp_csv_number(out, x.any ? x.d[i] : (double)NAN);
    if (b2n) gp_csv_number(out, x.any ? x.d_hm : (double)NAN);
    gp_csv_number(out, x.any ? x.test.p : (double)NAN);
}

static void mean_line(gp_str *out, const gp_results *r, size_t d, size_t e)
{
    gp_row row = gp_results_line(r, d, e);
    line_head(out, r, d, e, "mean");
    score_fields(out, r, row.n > 0 ? row.mean : NULL, row.hm, row.no_new);
    gp_str_addf(out, ",%s", mean_state(r, d, &row));
    spread_fields(out, r, d, e, &row);
    gp_str_add(out, "\n");
}

void gp_report_csv(gp_str *out, const gp_results *r)
{
    const gp_plan *p = r->plan;
    gp_str_addf(out, "dataset,%s,seed,%s\n", entry_column(r),
                p->protocol == GP_B2N
                    ? "base,new,hm,base_class_mean,base_macro_f1,base_ece,base_nll,base_brier,new_class_mean,new_macro_f1,new_ece,new_nll,"
                      "new_brier,state,seeds,base_sd,base_ci95,new_sd,new_ci95,rival,d_base,d_new,d_hm,p"
                    : "accuracy,class_mean,macro_f1,ece,nll,brier,state,seeds,sd,ci95,rival,d,p");
    for (size_t d = 0; d < p->n_data; d++)
        for (size_t e = 0; e < p->n_entries; e++) {
            for (size_t s = 0; s < p->n_seeds; s++) seed_line(out, r, d, e, s);
            mean_line(out, r, d, e);
        }
    for (size_t e = 0; e < p->n_entries; e++) mean_line(out, r, p->n_data, e);
}

void gp_report_cost_csv(gp_str *out, const gp_results *r)
{
    const gp_plan *p = r->plan;
    char seed[32];
    gp_str_addf(out, "dataset,%s,seed,train_seconds,test_seconds,peak_rss_mib,parameters\n", entry_column(r));
    for (size_t d = 0; d < gp_plan_trained(p); d++)
        for (size_t e = 0; e < p->n_entries; e++)
            for (size_t s = 0; s < p->n_seeds; s++) {
                const gp_cell *c = gp_results_at(r, d, e, s);
                if (c->state != GP_CELL_DONE || !c->cost.any) continue;
                snprintf(seed, sizeof seed, "%ju", (uintmax_t)p->seed[s]);
                line_head(out, r, d, e, seed);
                gp_str_addf(out, ",%.3f,%.3f,%zu,%zu\n", c->cost.train_s, c->cost.test_s, c->cost.peak_mib, c->cost.parameters);
            }
}

static void class_lines(gp_str *out, const gp_results *r, const json_t *test, size_t d, size_t e, size_t s, const char *part)
{
    const json_t *o = json_object_get(test, part), *per = json_object_get(o, "per_class"), *names = json_object_get(o, "class_names");
    const json_t *images = json_object_get(o, "class_images");
    char seed[32];
    snprintf(seed, sizeof seed, "%ju", (uintmax_t)r->plan->seed[s]);
    for (size_t k = 0; k < json_array_size(per); k++) {
        const char *name = json_string_value(json_array_get(names, k));
        const json_t *a = json_array_get(per, k);
        line_head(out, r, d, e, seed);
        gp_str_addf(out, ",%s,", part);
        gp_csv_field(out, name ? name : "");
        gp_str_addf(out, ",%lld,", (long long)json_integer_value(json_array_get(images, k)));
        if (json_is_number(a)) gp_str_addf(out, "%.10g", json_number_value(a));
        gp_str_add(out, "\n");
    }
}

gopro_status gp_report_per_class_csv(gp_str *out, const gp_results *r, gopro_error *err)
{
    const gp_plan *p = r->plan;
    bool b2n = p->protocol == GP_B2N;
    gp_str_addf(out, "dataset,%s,seed,classes,class,images,accuracy\n", entry_column(r));
    for (size_t d = 0; d < p->n_data; d++)
        for (size_t e = 0; e < p->n_entries; e++)
            for (size_t s = 0; s < p->n_seeds; s++) {
                if (gp_results_at(r, d, e, s)->state != GP_CELL_DONE) continue;
                const gp_unit *u = gp_plan_unit(p, d, e, s);
                char *path = b2n || d == 0 ? gp_unit_file(p, u, "result.json") : gp_test_file(p, u, d, false);
                json_t *j = NULL;
                gopro_status st = path ? gp_json_read(&j, path, err) : gp_fail_nomem(err, 0, "a path");
                const json_t *test = json_object_get(j, "test");
                class_lines(out, r, test, d, e, s, b2n ? "base" : "all");
                if (b2n) class_lines(out, r, test, d, e, s, "new");
                json_decref(j);
                free(path);
                if (st != GOPRO_OK) return st;
            }
    return GOPRO_OK;
}

static gopro_status put(const gp_plan *p, const char *name, gp_str *text, gopro_error *err)
{
    char *path = gp_sprintf("%s/%s/%s", p->out, p->name, name);
    gopro_status st =
        path && !text->failed ? gp_write_file(path, text->s ? text->s : "", text->len, err) : gp_fail_nomem(err, text->len, "the report");
    free(path);
    gp_str_free(text);
    return st;
}

gopro_status gp_report_write(const gp_results *r, gopro_error *err)
{
    static const char *const table[] = {"report.txt", "report.md", "report.tex"};
    gp_str b = {0};
    gopro_status st;
    for (size_t i = 0; i < GP_COUNT(table); i++) {
        gp_report_tables(&b, r, (gp_table_style)i);
        GP_CHECK(put(r->plan, table[i], &b, err));
    }
    gp_report_csv(&b, r);
    GP_CHECK(put(r->plan, "report.csv", &b, err));
    gp_report_cost_csv(&b, r);
    GP_CHECK(put(r->plan, "cost.csv", &b, err));
    GP_CHECK(gp_report_per_class_csv(&b, r, err));
    GP_CHECK(put(r->plan, "per_class.csv", &b, err));
    gp_report_chart_csv(&b, r);
    if (b.len > 0) GP_CHECK(put(r->plan, "chart.csv", &b, err));
    gp_report_chart_svg(&b, r);
    if (b.len > 0 || b.failed) GP_CHECK(put(r->plan, "chart.svg", &b, err));
    GP_CHECK(gp_report_json(&b, r, err));
    st = put(r->plan, "result.json", &b, err);
out:
    gp_str_free(&b);
    return st;
}
