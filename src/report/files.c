/* files.c - results as CSV and JSON, and the report's files.
 * SPDX-License-Identifier: Apache-2.0 */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "report/report.h"

/* A CSV field: quoted when it must be. */
static void field(gp_str *out, const char *s)
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

static void csv_line(gp_str *out, const char *dataset, const char *method, const char *seed, double base, double novel, double hm)
{
    field(out, dataset);
    gp_str_add(out, ",");
    field(out, method);
    gp_str_addf(out, ",%s,%.10g,%.10g,%.10g\n", seed, base, novel, hm);
}

void gp_report_csv(gp_str *out, const gp_b2n *t)
{
    char seed[32];
    gp_str_add(out, "dataset,method,seed,base,new,hm\n");
    for (size_t d = 0; d < t->n_data; d++)
        for (size_t m = 0; m < t->n_methods; m++) {
            const gp_b2n_cell *c = gp_b2n_at(t, d, m);
            for (size_t s = 0; s < c->n; s++) {
                snprintf(seed, sizeof seed, "%ju", (uintmax_t)t->seed[s]);
                csv_line(out, t->dataset[d], t->method[m], seed, c->base[s], c->novel[s], gp_harmonic_mean(c->base[s], c->novel[s]));
            }
            gp_b2n_row r = gp_b2n_cell_row(c);
            if (r.any) csv_line(out, t->dataset[d], t->method[m], "mean", r.base.mean, r.novel.mean, r.hm);
        }
    for (size_t m = 0; m < t->n_methods; m++) {
        gp_b2n_row r = gp_b2n_average(t, m);
        if (r.any) csv_line(out, "average", t->method[m], "mean", r.base.mean, r.novel.mean, r.hm);
    }
}

static json_t *spread_json(const gp_spread *s)
{
    return json_pack("{s:f,s:f,s:f}", "mean", s->mean, "sd", s->sd, "ci95", s->ci95);
}

static json_t *row_json(const gp_b2n_row *r)
{
    return json_pack("{s:o,s:o,s:f}", "base", spread_json(&r->base), "new", spread_json(&r->novel), "hm", r->hm);
}

static json_t *cell_json(const gp_b2n *t, const gp_b2n_cell *c)
{
    gp_b2n_row r = gp_b2n_cell_row(c);
    json_t *o = r.any ? row_json(&r) : json_object(), *seeds = json_array();
    for (size_t s = 0; s < c->n; s++)
        json_array_append_new(seeds, json_pack("{s:I,s:f,s:f}", "seed", (json_int_t)t->seed[s], "base", c->base[s], "new", c->novel[s]));
    json_object_set_new(o, "seeds", seeds);
    return o;
}

gopro_status gp_report_json(gp_str *out, const gp_b2n *t, gopro_error *err)
{
    json_t *sets = json_object(), *average = json_object(), *failed = json_array();
    for (size_t d = 0; d < t->n_data; d++) {
        json_t *methods = json_object();
        for (size_t m = 0; m < t->n_methods; m++) json_object_set_new(methods, t->method[m], cell_json(t, gp_b2n_at(t, d, m)));
        json_object_set_new(sets, t->dataset[d], methods);
    }
    for (size_t m = 0; m < t->n_methods; m++) {
        gp_b2n_row r = gp_b2n_average(t, m);
        if (r.any) json_object_set_new(average, t->method[m], row_json(&r));
    }
    for (size_t i = 0; i < t->n_failed; i++) json_array_append_new(failed, json_string(t->failure[i] ? t->failure[i] : ""));
    json_t *j = json_pack("{s:i,s:s,s:s,s:s,s:b,s:s,s:o,s:o,s:o}", "schema", 1, "protocol", "base-to-new", "backbone", t->backbone,
                          "backbone_path", t->backbone_path, "embedded_drawings", (int)t->embedded, "model_selection", "last epoch",
                          "datasets", sets, "average", average, "failed", failed);
    char *text = j ? json_dumps(j, JSON_INDENT(2)) : NULL;
    if (text) {
        gp_str_add(out, text);
        gp_str_add(out, "\n");
    }
    json_decref(j);
    free(text);
    return text && !out->failed ? GOPRO_OK : gp_fail_nomem(err, 0, "the report");
}

static gopro_status put(const char *folder, const char *name, gp_str *text, gopro_error *err)
{
    char *path = gp_path_join(folder, name);
    gopro_status st = path && !text->failed ? gp_write_file(path, text->s, text->len, err) : gp_fail_nomem(err, text->len, "the report");
    free(path);
    gp_str_free(text);
    return st;
}

gopro_status gp_report_write(const char *folder, const gp_b2n *t, gopro_error *err)
{
    gp_str b = {0};
    gp_report_table(&b, t, GP_TABLE_TEXT);
    GP_TRY(put(folder, "report.txt", &b, err));
    gp_report_table(&b, t, GP_TABLE_MARKDOWN);
    GP_TRY(put(folder, "report.md", &b, err));
    gp_report_csv(&b, t);
    GP_TRY(put(folder, "report.csv", &b, err));
    gopro_status st = gp_report_json(&b, t, err);
    if (st != GOPRO_OK) {
        gp_str_free(&b);
        return st;
    }
    return put(folder, "result.json", &b, err);
}
