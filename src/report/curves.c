/* curves.c - see curves.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "report/curves.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "report/svg_chart.h"

#define MAX_TERMS 8
#define MAX_LOG   ((size_t)1 << 28)

/* What metrics.jsonl of a run says. */
typedef struct curve {
    double *epoch, *loss, *accuracy, *term[MAX_TERMS]; /* [n] */
    char *name[MAX_TERMS];
    size_t n, n_terms;
} curve;

static void curve_free(curve *c)
{
    free(c->epoch);
    free(c->loss);
    free(c->accuracy);
    for (size_t t = 0; t < MAX_TERMS; t++) {
        free(c->term[t]);
        free(c->name[t]);
    }
}

static double real_of(const json_t *o, const char *key)
{
    const json_t *v = json_object_get(o, key);
    return json_is_number(v) ? json_number_value(v) : (double)NAN;
}

/* The place of a loss term, made when it is new; its earlier epochs have no value. */
static double *term_of(curve *c, const char *name, size_t cap)
{
    for (size_t t = 0; t < c->n_terms; t++)
        if (strcmp(c->name[t], name) == 0) return c->term[t];
    if (c->n_terms == MAX_TERMS) return NULL;
    size_t t = c->n_terms;
    c->name[t] = gp_strdup(name);
    c->term[t] = malloc(cap * sizeof *c->term[t]);
    if (!c->name[t] || !c->term[t]) return NULL;
    for (size_t i = 0; i < cap; i++) c->term[t][i] = (double)NAN;
    c->n_terms++;
    return c->term[t];
}

static gopro_status read_line(curve *c, const char *line, size_t len, const char *path, size_t number, size_t cap, gopro_error *err)
{
    json_error_t je;
    json_t *j = gp_json_load(line, len, GP_JSON_FEW, &je);
    const char *name;
    json_t *v;
    if (!j || !json_is_object(j)) {
        json_decref(j);
        return gp_fail(err, GOPRO_E_DATA, "%s:%zu: %s", path, number, j ? "not an object" : je.text);
    }
    c->epoch[c->n] = real_of(j, "epoch");
    c->loss[c->n] = real_of(j, "loss");
    c->accuracy[c->n] = real_of(j, "accuracy");
    json_object_foreach(json_object_get(j, "terms"), name, v)
    {
        double *t = json_is_number(v) ? term_of(c, name, cap) : NULL;
        if (t) t[c->n] = json_number_value(v);
    }
    c->n++;
    json_decref(j);
    return GOPRO_OK;
}

static gopro_status read_curve(curve *c, const char *run, gopro_error *err)
{
    char *path = gp_path_join(run, "metrics.jsonl"), *text = NULL;
    size_t size = 0, lines = 1, number = 0;
    gopro_status st = path ? GOPRO_OK : gp_fail_nomem(err, 0, "a path");
    if (st == GOPRO_OK && !gp_path_exists(path))
        st = gp_fail(err, GOPRO_E_DATA, "'%s' holds no metrics.jsonl; it is no run that has trained", run);
    if (st == GOPRO_OK) st = gp_read_file(&text, &size, path, MAX_LOG, err);
    for (size_t i = 1; i < size; i++) lines += text[i] == '\n' && text[i - 1] != '\n'; /* records, not blank lines */
    c->epoch = malloc(lines * sizeof *c->epoch);
    c->loss = malloc(lines * sizeof *c->loss);
    c->accuracy = malloc(lines * sizeof *c->accuracy);
    if (st == GOPRO_OK && (!c->epoch || !c->loss || !c->accuracy)) st = gp_fail_nomem(err, lines * sizeof *c->loss, "a training log");
    for (const char *p = text; st == GOPRO_OK && p && *p;) {
        size_t len = strcspn(p, "\n");
        number++;
        if (len > 0) st = read_line(c, p, len, path, number, lines, err);
        p += len + (p[len] == '\n');
    }
    if (st == GOPRO_OK && c->n == 0) st = gp_fail(err, GOPRO_E_DATA, "%s holds no finished epoch yet", path);
    free(text);
    free(path);
    return st;
}

static size_t loss_series(gp_series *s, const curve *c, const char *const *run, size_t n)
{
    size_t k = 0;
    for (size_t r = 0; r < n; r++) s[k++] = (gp_series){.name = n > 1 ? run[r] : "loss", .x = c[r].epoch, .y = c[r].loss, .n = c[r].n};
    for (size_t t = 0; n == 1 && c->n_terms > 1 && t < c->n_terms; t++)
        s[k++] = (gp_series){.name = c->name[t], .x = c->epoch, .y = c->term[t], .n = c->n};
    return k;
}

gopro_status gp_curves_svg(gp_str *out, const char *const *run, size_t n, gopro_error *err)
{
    curve *c = calloc(n + 1, sizeof *c);
    gp_series *loss = calloc(n + MAX_TERMS + 1, sizeof *loss), *accuracy = calloc(n + 1, sizeof *accuracy);
    gopro_status st = c && loss && accuracy ? GOPRO_OK : gp_fail_nomem(err, n * sizeof *c, "training curves");
    for (size_t r = 0; st == GOPRO_OK && r < n; r++) st = read_curve(&c[r], run[r], err);
    if (st == GOPRO_OK) {
        for (size_t r = 0; r < n; r++)
            accuracy[r] = (gp_series){.name = n > 1 ? run[r] : NULL, .x = c[r].epoch, .y = c[r].accuracy, .n = c[r].n};
        gp_panel p[2] = {{.title = "training loss", .x_label = "epoch", .series = loss, .n_series = loss_series(loss, c, run, n)},
                         {.title = "training accuracy, %", .x_label = "epoch", .series = accuracy, .n_series = n}};
        p[0].whole_x = p[1].whole_x = true;
        gp_figure f = {.title = n == 1 ? run[0] : "Training", .panel = p, .n_panels = 2, .panel_width = 380.0, .panel_height = 260.0};
        gp_figure_svg(out, &f);
        if (out->failed) st = gp_fail_nomem(err, out->len, "training curves");
    }
    for (size_t r = 0; c && r < n; r++) curve_free(&c[r]);
    free(c);
    free(loss);
    free(accuracy);
    return st;
}

void gp_reliability_svg(gp_str *out, const gp_metrics *m, const char *title)
{
    double at[GP_ECE_BINS], accuracy[GP_ECE_BINS], confidence[GP_ECE_BINS], share[GP_ECE_BINS], ece = 0.0;
    for (size_t b = 0; b < GP_ECE_BINS; b++) {
        double n = m->bin_n[b];
        at[b] = ((double)b + 0.5) / GP_ECE_BINS;
        accuracy[b] = n > 0.0 ? m->bin_correct[b] / n : (double)NAN;
        confidence[b] = n > 0.0 ? m->bin_confidence[b] / n : (double)NAN;
        share[b] = 100.0 * n / (double)gp_max_size(1, m->n);
        if (n > 0.0) ece += share[b] * fabs(accuracy[b] - confidence[b]);
    }
    gp_str note = {0};
    gp_str_addf(&note, "%zu images, %d bins of equal width, expected calibration error %.2f %%.\nBars: accuracy; strokes: mean confidence.",
                m->n, GP_ECE_BINS, ece);
    gp_series s[2] = {{.x = at, .y = accuracy, .bar_base = confidence, .n = GP_ECE_BINS}, {.x = at, .y = share, .n = GP_ECE_BINS}};
    gp_panel p[2] = {{.title = "accuracy", .x_label = "confidence", .series = &s[0], .n_series = 1, .mark = GP_MARK_BARS, .diagonal = true},
                     {.title = "images, %", .x_label = "confidence", .series = &s[1], .n_series = 1, .mark = GP_MARK_BARS}};
    for (size_t i = 0; i < 2; i++) {
        p[i].fixed_x = true;
        p[i].x_range[1] = 1.0;
    }
    p[0].fixed_y = true;
    p[0].y_range[1] = 1.0;
    gp_figure f = {.title = title, .note = note.s, .panel = p, .n_panels = 2, .panel_width = 280.0, .panel_height = 280.0};
    if (note.failed)
        out->failed = true;
    else
        gp_figure_svg(out, &f);
    gp_str_free(&note);
}
