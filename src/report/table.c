/* table.c - the base-to-new table: a block per dataset, a line per method, differences to zero-shot CLIP.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "report/report.h"

const char *gp_method_title(const char *method)
{
    const gp_method *m = gp_method_find(method);
    return m ? m->title : method;
}

/* Display width of UTF-8 text, one column per code point. */
static size_t columns(const char *s)
{
    size_t n = 0;
    for (; *s; s++) n += ((unsigned char)*s & 0xC0) != 0x80;
    return n;
}

static void pad(gp_str *out, const char *s, size_t width, bool right)
{
    size_t n = columns(s);
    if (right)
        for (; n < width; n++) gp_str_add(out, " ");
    gp_str_add(out, s);
    if (!right)
        for (; n < width; n++) gp_str_add(out, " ");
}

#define N_COLUMNS 8
static const char *const head[N_COLUMNS] = {"dataset", "method", "base", "new", "HM", "d base", "d new", "d HM"};

static void line(gp_str *out, const char *const cell[N_COLUMNS], const size_t width[N_COLUMNS], gp_table_style style)
{
    const char *sep = style == GP_TABLE_MARKDOWN ? " | " : "  ";
    if (style == GP_TABLE_MARKDOWN) gp_str_add(out, "| ");
    for (size_t c = 0; c < N_COLUMNS; c++) {
        bool last = c + 1 == N_COLUMNS;
        pad(out, cell[c], width[c], c >= 2);
        gp_str_add(out, !last ? sep : style == GP_TABLE_MARKDOWN ? " |\n" : "\n");
    }
}

static void rule(gp_str *out, const size_t width[N_COLUMNS], gp_table_style style)
{
    if (style == GP_TABLE_MARKDOWN) gp_str_add(out, "|");
    for (size_t c = 0; c < N_COLUMNS; c++) {
        bool md = style == GP_TABLE_MARKDOWN;
        for (size_t i = 0; i < width[c] + 2 && (md || c + 1 < N_COLUMNS || i < width[c]); i++)
            gp_str_add(out, md && c >= 2 && i == width[c] + 1 ? ":" : "-");
        if (md) gp_str_add(out, "|");
    }
    gp_str_add(out, "\n");
}

static void number(char out[40], const gp_spread *s, bool with_sd)
{
    if (with_sd && s->n > 1)
        snprintf(out, 40, "%.2f ±%.2f", s->mean, s->sd);
    else
        snprintf(out, 40, "%.2f", s->mean);
}

static size_t clip_method(const gp_b2n *t)
{
    for (size_t m = 0; m < t->n_methods; m++)
        if (strcmp(t->method[m], "zeroshot") == 0) return m;
    return t->n_methods;
}

static void row(gp_str *out, const char *dataset, const char *method, const gp_b2n_row *r, const gp_b2n_row *clip, bool sd,
                const size_t width[N_COLUMNS], gp_table_style style)
{
    char v[6][40] = {"-", "-", "-", "", "", ""};
    if (r->any) {
        number(v[0], &r->base, sd);
        number(v[1], &r->novel, sd);
        snprintf(v[2], sizeof v[2], "%.2f", r->hm);
    }
    if (r->any && clip && clip->any) {
        snprintf(v[3], sizeof v[3], "%+.2f", r->base.mean - clip->base.mean);
        snprintf(v[4], sizeof v[4], "%+.2f", r->novel.mean - clip->novel.mean);
        snprintf(v[5], sizeof v[5], "%+.2f", r->hm - clip->hm);
    }
    const char *cell[N_COLUMNS] = {dataset, method, v[0], v[1], v[2], v[3], v[4], v[5]};
    line(out, cell, width, style);
}

static void caption(gp_str *out, const gp_b2n *t, gp_table_style style)
{
    if (style == GP_TABLE_MARKDOWN) gp_str_add(out, "## Base-to-new generalisation\n\n");
    gp_str_addf(out, "Base-to-new: accuracy in per cent, mean ±population deviation over %zu seed%s (", t->n_seeds,
                t->n_seeds == 1 ? "" : "s");
    for (size_t s = 0; s < t->n_seeds; s++) gp_str_addf(out, "%s%ju", s ? ", " : "", (uintmax_t)t->seed[s]);
    gp_str_addf(
        out, "); HM is the harmonic mean of the averaged base and new; d: difference to CLIP.\nBackbone: %s, weights %.12s; last epoch.\n",
        t->backbone_path, t->backbone);
    if (t->embedded)
        gp_str_add(out,
                   "Data: the embedded drawings, not the photographs of the field; these numbers compare methods with each other and say "
                   "nothing about published figures.\n");
    size_t n = gp_b2n_complete(t);
    if (n < t->n_data && t->n_data > 1)
        gp_str_addf(out, "The average is over the %zu of %zu datasets where every run finished.\n", n, t->n_data);
    gp_str_add(out, "\n");
}

static void widths(size_t width[N_COLUMNS], const gp_b2n *t)
{
    const size_t least[N_COLUMNS] = {7, 6, t->n_seeds > 1 ? 12 : 6, t->n_seeds > 1 ? 12 : 6, 6, 6, 6, 6};
    memcpy(width, least, sizeof least);
    for (size_t d = 0; d < t->n_data; d++) width[0] = gp_max_size(width[0], columns(t->dataset[d]));
    for (size_t m = 0; m < t->n_methods; m++) width[1] = gp_max_size(width[1], columns(gp_method_title(t->method[m])));
}

/* What was published on these datasets, for orientation: another backbone than ours unless the caption says ViT-B/16. */
static void published(gp_str *out, const gp_b2n *t, gp_table_style style)
{
    bool any = false;
    for (size_t d = 0; d < t->n_data; d++)
        for (size_t m = 0; m < t->n_methods; m++) {
            double base, novel;
            if (!gp_published_b2n(&base, &novel, t->dataset[d], t->method[m])) continue;
            if (!any) gp_str_add(out, "\nPublished with CLIP ViT-B/16, 16 shots (base, new, HM):\n");
            if (!any && style == GP_TABLE_MARKDOWN) gp_str_add(out, "\n");
            gp_str_addf(out, "%s%s %s: %.2f, %.2f, %.2f\n", style == GP_TABLE_MARKDOWN ? "* " : "  ", t->dataset[d],
                        gp_method_title(t->method[m]), base, novel, gp_harmonic_mean(base, novel));
            any = true;
        }
}

void gp_report_table(gp_str *out, const gp_b2n *t, gp_table_style style)
{
    size_t width[N_COLUMNS], clip = clip_method(t);
    widths(width, t);
    caption(out, t, style);
    line(out, head, width, style);
    rule(out, width, style);
    for (size_t d = 0; d <= t->n_data; d++) {
        bool average = d == t->n_data;
        if (average && t->n_data < 2) break;
        if (average && style == GP_TABLE_TEXT) rule(out, width, style);
        gp_b2n_row base = {.any = false};
        if (clip < t->n_methods) base = average ? gp_b2n_average(t, clip) : gp_b2n_cell_row(gp_b2n_at(t, d, clip));
        for (size_t m = 0; m < t->n_methods; m++) {
            gp_b2n_row r = average ? gp_b2n_average(t, m) : gp_b2n_cell_row(gp_b2n_at(t, d, m));
            const char *name = m > 0 ? "" : average ? "average" : t->dataset[d];
            row(out, name, gp_method_title(t->method[m]), &r, m == clip ? NULL : &base, m != clip, width, style);
        }
    }
    if (!t->embedded) published(out, t, style);
    if (t->n_failed > 0) gp_str_addf(out, "\n%zu run%s failed:\n", t->n_failed, t->n_failed == 1 ? "" : "s");
    for (size_t i = 0; i < t->n_failed; i++)
        gp_str_addf(out, "%s%s\n", style == GP_TABLE_MARKDOWN ? "* " : "  ", t->failure[i] ? t->failure[i] : "");
}
