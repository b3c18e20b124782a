/* chart.c - an ablation over its axis: the numbers as CSV, and drawn.
 * SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "report/report.h"
#include "report/svg_chart.h"

enum { N_VALUES = 6 }; /* base (or accuracy), new, HM and their deviations */

/* The averages of every series at every value of the axis; NaN where there is none. */
typedef struct chart {
    size_t n, n_series; /* values of the axis, series */
    double *x;          /* [n] ascending */
    const char **name;  /* [n_series] */
    double *v;          /* [n_series][N_VALUES][n] */
} chart;

static void chart_free(chart *c)
{
    free(c->x);
    free(c->name);
    free(c->v);
}

static gp_row headline(const gp_results *r, size_t e)
{
    bool average = r->plan->n_data - gp_results_first(r) > 1;
    return gp_results_line(r, r->plan->n_data - !average, e);
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static size_t find_x(const chart *c, double x)
{
    size_t i = 0;
    while (i < c->n && c->x[i] != x) i++;
    return i;
}

static size_t find_series(const chart *c, const char *name)
{
    size_t i = 0;
    while (i < c->n_series && strcmp(c->name[i], name) != 0) i++;
    return i;
}

static void place(chart *c, const gp_results *r, size_t e)
{
    gp_row row = headline(r, e);
    if (row.n == 0 || !isfinite(r->plan->entry[e].x)) return;
    double *v = c->v + find_series(c, r->plan->entry[e].series) * N_VALUES * c->n + find_x(c, r->plan->entry[e].x);
    const double value[N_VALUES] = {row.v[0].mean, row.v[1].mean, row.hm, row.v[0].sd, row.v[1].sd, (double)NAN};
    for (size_t i = 0; i < N_VALUES; i++) v[i * c->n] = value[i];
}

static bool chart_make(chart *c, const gp_results *r)
{
    const gp_plan *p = r->plan;
    *c = (chart){.x = calloc(p->n_entries, sizeof *c->x), .name = calloc(p->n_entries, sizeof *c->name)};
    if (!c->x || !c->name) return false;
    for (size_t e = 0; e < p->n_entries; e++) {
        if (!isfinite(p->entry[e].x) || headline(r, e).n == 0) continue;
        if (find_x(c, p->entry[e].x) == c->n) c->x[c->n++] = p->entry[e].x;
        if (find_series(c, p->entry[e].series) == c->n_series) c->name[c->n_series++] = p->entry[e].series;
    }
    qsort(c->x, c->n, sizeof *c->x, ascending);
    size_t cells = c->n_series * N_VALUES * c->n;
    c->v = calloc(cells + 1, sizeof *c->v);
    if (!c->v) return false;
    for (size_t i = 0; i < cells; i++) c->v[i] = (double)NAN;
    for (size_t e = 0; e < p->n_entries; e++) place(c, r, e);
    return true;
}

static void draw_study(gp_str *out, const chart *c, const gp_results *r, const char *note)
{
    gp_study_line *line = calloc(c->n_series, sizeof *line);
    for (size_t i = 0; line && i < c->n_series; i++) {
        const double *v = c->v + i * N_VALUES * c->n;
        line[i] = (gp_study_line){.name = c->name[i], .base = v, .novel = v + c->n, .hm = v + 2 * c->n};
        line[i].base_sd = v + 3 * c->n;
        line[i].novel_sd = v + 4 * c->n;
    }
    gp_study s = {.title = r->plan->title, .setting = r->plan->axis, .note = note, .value = c->x, .n = c->n, .line = line};
    s.n_lines = c->n_series;
    if (line)
        gp_study_svg(out, &s);
    else
        out->failed = true;
    free(line);
}

/* One panel of the headline number, for protocols without new classes and for axes that reach 0. */
static void draw_panel(gp_str *out, const chart *c, const gp_results *r, const char *note)
{
    bool b2n = r->plan->protocol == GP_B2N;
    gp_series *series = calloc(c->n_series, sizeof *series);
    for (size_t i = 0; series && i < c->n_series; i++) {
        const double *v = c->v + i * N_VALUES * c->n;
        series[i] = (gp_series){.name = c->name[i], .x = c->x, .y = v + (b2n ? 2 * c->n : 0), .sd = b2n ? NULL : v + 3 * c->n, .n = c->n};
    }
    gp_panel panel = {.x_label = r->plan->axis, .y_label = b2n ? "HM, %" : "accuracy, %", .series = series, .n_series = c->n_series};
    panel.ticks_at_x = true;
    panel.log2_x = c->x[0] > 0.0;
    gp_figure f = {.title = r->plan->title, .note = note, .panel = &panel, .n_panels = 1};
    if (series)
        gp_figure_svg(out, &f);
    else
        out->failed = true;
    free(series);
}

void gp_report_chart_svg(gp_str *out, const gp_results *r)
{
    chart c;
    gp_str note = {0};
    if (r->plan->axis[0] == '\0') return;
    bool ok = chart_make(&c, r);
    gp_str_addf(&note, "%s; mean and deviation over %zu seed%s; backbone %s", r->plan->protocol == GP_B2N ? "Base-to-new" : "All classes",
                r->plan->n_seeds, r->plan->n_seeds == 1 ? "" : "s", r->plan->backbone_path);
    if (!ok || note.failed)
        out->failed = true;
    else if (c.n > 0 && r->plan->protocol == GP_B2N && c.x[0] > 0.0)
        draw_study(out, &c, r, note.s);
    else if (c.n > 0)
        draw_panel(out, &c, r, note.s);
    gp_str_free(&note);
    chart_free(&c);
}

void gp_report_chart_csv(gp_str *out, const gp_results *r)
{
    const gp_plan *p = r->plan;
    bool b2n = p->protocol == GP_B2N;
    if (p->axis[0] == '\0') return;
    gp_str_add(out, "series,");
    gp_csv_field(out, p->axis);
    gp_str_add(out, b2n ? ",setting,base,base_sd,new,new_sd,hm,datasets,seeds\n" : ",setting,accuracy,accuracy_sd,datasets,seeds\n");
    for (size_t e = 0; e < p->n_entries; e++) {
        bool average = p->n_data - gp_results_first(r) > 1;
        gp_row row = headline(r, e);
        if (row.n == 0 || !isfinite(p->entry[e].x)) continue;
        gp_csv_field(out, p->entry[e].series);
        gp_str_addf(out, ",%.10g,", p->entry[e].x);
        gp_csv_field(out, p->entry[e].title);
        const double v[5] = {row.v[0].mean, row.v[0].sd, row.v[1].mean, row.v[1].sd, row.hm};
        for (size_t i = 0; i < (b2n ? 5 : 2); i++) gp_csv_number(out, v[i]);
        gp_str_addf(out, ",%zu,%zu\n", average ? row.n : 1, row.v[0].n);
    }
}
