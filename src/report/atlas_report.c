/* atlas_report.c - see atlas_report.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "report/atlas_report.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "report/svg_chart.h"
#include "report/svg_text.h"

static void settings(gp_str *out, const gp_atlas *m)
{
    bool exact = m->n <= m->tsne.exact_max;
    gp_str_addf(out, "%zu of %zu test images, %zu classes (%s); perplexity %.3g, %zu iterations, %s, seed %ju", m->n, m->available, m->K,
                m->subset, m->perplexity, m->tsne.iterations, exact ? "exact" : "Barnes-Hut", (uintmax_t)m->tsne.seed);
}

void gp_atlas_text(gp_str *out, const gp_atlas *m)
{
    size_t width = 6;
    for (size_t r = 0; r < m->n_runs; r++) width = gp_max_size(width, gp_svg_columns(m->run[r].title));
    gp_str_addf(out, "%s: ", m->dataset);
    settings(out, m);
    gp_str_addf(out, "\n\nmethod%*s  silhouette  in the plane  divergence\n", (int)(width - 6), "");
    for (size_t r = 0; r < m->n_runs; r++) {
        const gp_atlas_run *x = &m->run[r];
        gp_str_addf(out, "%s%*s  %10.4f  %12.4f  %10.4f\n", x->title, (int)(width - gp_svg_columns(x->title)), "", x->silhouette,
                    x->silhouette_plane, x->kl);
    }
}

/* The points of each class as a series; x and y hold them class by class. */
static void fill_panel(gp_panel *p, gp_series *s, double *x, double *y, const gp_atlas *m, const gp_atlas_run *r)
{
    size_t at = 0;
    for (size_t k = 0; k < m->K; k++) {
        s[k] = (gp_series){.name = m->class_name[k], .x = x + at, .y = y + at};
        for (size_t i = 0; i < m->n; i++) {
            if (m->label[i] != k) continue;
            x[at] = r->y[2 * i];
            y[at++] = r->y[2 * i + 1];
            s[k].n++;
        }
    }
    *p = (gp_panel){.series = s, .n_series = m->K, .mark = GP_MARK_POINTS, .no_axes = true};
}

gopro_status gp_atlas_svg(gp_str *out, const gp_atlas *m, gopro_error *err)
{
    gp_panel *panel = calloc(m->n_runs + 1, sizeof *panel);
    gp_series *series = calloc(m->n_runs * m->K + 1, sizeof *series);
    double *xy = malloc((2 * m->n_runs * m->n + 1) * sizeof *xy);
    char(*title)[160] = calloc(m->n_runs + 1, sizeof *title);
    gp_str head = {0}, note = {0};
    gopro_status st = panel && series && xy && title ? GOPRO_OK : gp_fail_nomem(err, m->n * sizeof *xy, "a figure");
    if (st != GOPRO_OK) goto out;
    for (size_t r = 0; r < m->n_runs; r++) {
        fill_panel(&panel[r], series + r * m->K, xy + 2 * r * m->n, xy + (2 * r + 1) * m->n, m, &m->run[r]);
        if (isnan(m->run[r].silhouette))
            snprintf(title[r], sizeof title[r], "%.120s", m->run[r].title);
        else
            snprintf(title[r], sizeof title[r], "%.120s (silhouette %.3f)", m->run[r].title, m->run[r].silhouette);
        panel[r].title = title[r];
    }
    gp_str_addf(&head, "%s: image embeddings by t-SNE", m->dataset);
    settings(&note, m);
    gp_str_add(&note, ".\nThe silhouette is that of the embeddings themselves; distances between far clusters of a t-SNE mean little.");
    if (m->K > GP_FIGURE_LEGEND) gp_str_add(&note, "\nToo many classes for a legend: tsne.csv names them.");
    if (head.failed || note.failed) {
        st = gp_fail_nomem(err, note.len, "a figure");
        goto out;
    }
    gp_figure f = {.title = head.s, .note = note.s, .panel = panel, .n_panels = m->n_runs, .panel_width = 320.0, .panel_height = 320.0};
    f.columns = m->n_runs == 4 ? 2 : 3;
    gp_figure_svg(out, &f);
    if (out->failed) st = gp_fail_nomem(err, out->len, "a figure");
out:
    free(panel);
    free(series);
    free(xy);
    free(title);
    gp_str_free(&head);
    gp_str_free(&note);
    return st;
}

/* A CSV field: quoted when it must be. */
static void field(gp_str *out, const char *s)
{
    bool quote = strpbrk(s, ",\"\r\n") != NULL;
    if (quote) gp_str_add(out, "\"");
    for (; *s; s++) gp_str_addn(out, *s == '"' ? "\"\"" : s, *s == '"' ? 2 : 1);
    if (quote) gp_str_add(out, "\"");
    gp_str_add(out, ",");
}

void gp_atlas_csv(gp_str *out, const gp_atlas *m)
{
    gp_str_add(out, "run,method,image,label,class,x,y\n");
    for (size_t r = 0; r < m->n_runs; r++)
        for (size_t i = 0; i < m->n; i++) {
            field(out, m->run[r].run);
            field(out, m->run[r].method);
            field(out, m->image[i]);
            gp_str_addf(out, "%u,", m->label[i]);
            field(out, m->class_name[m->label[i]]);
            gp_str_addf(out, "%.9g,%.9g\n", m->run[r].y[2 * i], m->run[r].y[2 * i + 1]);
        }
}

static json_t *real_or_null(double v)
{
    return isfinite(v) ? json_real(v) : json_null();
}

gopro_status gp_atlas_json(gp_str *out, const gp_atlas *m, gopro_error *err)
{
    json_t *runs = json_array();
    for (size_t r = 0; r < m->n_runs; r++) {
        const gp_atlas_run *x = &m->run[r];
        json_array_append_new(runs, json_pack("{s:s,s:s,s:s,s:s,s:o,s:o,s:f}", "title", x->title, "method", x->method, "run", x->run,
                                              "backbone", x->backbone, "silhouette", real_or_null(x->silhouette), "silhouette_plane",
                                              real_or_null(x->silhouette_plane), "kl", x->kl));
    }
    json_t *tsne = json_pack("{s:f,s:I,s:I,s:f,s:s,s:I}", "perplexity", m->perplexity, "iterations", (json_int_t)m->tsne.iterations,
                             "early_iterations", (json_int_t)m->tsne.early, "exaggeration", m->tsne.exaggeration, "algorithm",
                             m->n <= m->tsne.exact_max ? "exact" : "barnes-hut", "seed", (json_int_t)m->tsne.seed);
    json_t *j =
        json_pack("{s:i,s:s,s:s,s:I,s:I,s:I,s:o,s:o}", "schema", 1, "dataset", m->dataset, "subset", m->subset, "images", (json_int_t)m->n,
                  "test_images", (json_int_t)m->available, "classes", (json_int_t)m->K, "tsne", tsne, "runs", runs);
    char *text = j ? json_dumps(j, JSON_INDENT(2)) : NULL;
    if (text) gp_str_addf(out, "%s\n", text);
    free(text);
    json_decref(j);
    return text && !out->failed ? GOPRO_OK : gp_fail_nomem(err, 0, "the results of t-SNE");
}

static gopro_status put(const char *folder, const char *name, const gp_str *text, gopro_error *err)
{
    char *path = gp_path_join(folder, name);
    gopro_status st = path && !text->failed ? gp_write_file(path, text->s, text->len, err) : gp_fail_nomem(err, text->len, "the figure");
    free(path);
    return st;
}

gopro_status gp_atlas_write(const char *folder, const gp_atlas *m, gopro_error *err)
{
    gp_str svg = {0}, csv = {0}, json = {0};
    gopro_status st;
    GP_CHECK(gp_mkdirs(folder, err));
    GP_CHECK(gp_atlas_svg(&svg, m, err));
    GP_CHECK(gp_atlas_json(&json, m, err));
    gp_atlas_csv(&csv, m);
    GP_CHECK(put(folder, "tsne.svg", &svg, err));
    GP_CHECK(put(folder, "tsne.csv", &csv, err));
    GP_CHECK(put(folder, "tsne.json", &json, err));
out:
    gp_str_free(&svg);
    gp_str_free(&csv);
    gp_str_free(&json);
    return st;
}
