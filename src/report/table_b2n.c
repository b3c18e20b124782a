/* table_b2n.c - base-to-new: a block per dataset with a line per method; in LaTeX the small tables of the paper.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "report/report.h"

/* Columns after dataset and method; those that are not used have no place. */
typedef struct places {
    size_t base, novel, hm, d, p, published, cost, n;
} places;

static bool of_losses(const gp_results *r)
{
    return strcmp(r->plan->name, "ablate-losses") == 0;
}

static bool of_field(const gp_results *r)
{
    return gp_published_field((const char *const *)r->plan->dataset, r->plan->n_data);
}

/* Base, new and HM that the field published for this cell. */
static bool published(double v[3], const gp_results *r, size_t d, size_t e)
{
    const gp_plan *p = r->plan;
    if (p->embedded) return false;
    if (of_losses(r)) return d == p->n_data && of_field(r) && gp_published_losses(v, p->entry[e].title);
    if (gp_ablation(r)) return false;
    if (d == p->n_data) return gp_published_b2n_average(v, (const char *const *)p->dataset, p->n_data, p->entry[e].method);
    if (!gp_published_b2n(&v[0], &v[1], p->dataset[d], p->entry[e].method)) return false;
    v[2] = gp_harmonic_mean(v[0], v[1]);
    return true;
}

static bool any_published(const gp_results *r, size_t d)
{
    double v[3];
    for (size_t e = 0; e < r->plan->n_entries; e++)
        if (published(v, r, d, e)) return true;
    return false;
}

static bool published_anywhere(const gp_results *r)
{
    for (size_t d = 0; d <= r->plan->n_data; d++)
        if (any_published(r, d)) return true;
    return false;
}

static void published_cell(gp_grid *g, size_t column, const gp_results *r, size_t d, size_t e)
{
    double v[3];
    if (column && published(v, r, d, e)) gp_grid_set(g, column, "%.2f %.2f %.2f", v[0], v[1], v[2]);
}

/* What the published numbers are; the paper's table of losses also where it was made on other data. */
static void published_note(gp_str *out, const gp_results *r, gp_table_style style)
{
    gp_str b = {0};
    double v[3];
    if (published_anywhere(r)) {
        gp_str_addf(&b, "published: base, new, HM%s with CLIP ViT-B/16, 16 shots; another backbone than ours unless the caption names it%s",
                    of_losses(r) ? " of the paper's Table 3, averages over these 11 datasets," : "",
                    of_field(r) && !of_losses(r) ? "; in the average, the published average over these 11 datasets" : "");
    } else if (of_losses(r)) {
        gp_str_add(&b,
                   "published, other data (the paper's Table 3: base, new, HM, averages over the field's 11 datasets, CLIP ViT-B/16, 16 "
                   "shots): ");
        for (size_t e = 0, n = 0; e < r->plan->n_entries; e++)
            if (gp_published_losses(v, r->plan->entry[e].title))
                gp_str_addf(&b, "%s%s %.2f %.2f %.2f", n++ ? "; " : "", r->plan->entry[e].title, v[0], v[1], v[2]);
    }
    if (b.len > 0) {
        gp_str_add(out, style == GP_TABLE_LATEX ? "\n\\smallskip\n\n" : style == GP_TABLE_MARKDOWN ? "\n" : "");
        gp_paragraph(out, b.s, style);
        if (style == GP_TABLE_LATEX) gp_str_add(out, "\n");
    }
    out->failed = out->failed || b.failed;
    gp_str_free(&b);
}

static places place(const gp_results *r)
{
    places p = {.base = 2, .novel = 3, .hm = 4, .n = 5};
    if (r->plan->n_entries > 1) {
        p.d = p.n;
        p.p = p.n + 3;
        p.n += 4;
    }
    if (published_anywhere(r)) p.published = p.n++;
    p.cost = p.n;
    p.n += 3;
    return p;
}

static void heads(gp_grid *g, const gp_results *r, const places *p)
{
    static const char *const d[] = {"d base", "d new", "d HM", "p"}, *const cost[] = {"s", "MiB", "learnt"};
    gp_grid_head(g, 0, "dataset");
    gp_grid_head(g, 1, gp_ablation(r) ? "setting" : "method");
    gp_grid_head(g, p->base, "base");
    gp_grid_head(g, p->novel, "new");
    gp_grid_head(g, p->hm, "HM");
    for (size_t i = 0; p->d && i < 4; i++) gp_grid_head(g, p->d + i, d[i]);
    if (p->published) gp_grid_head(g, p->published, "published");
    for (size_t i = 0; i < 3; i++) gp_grid_head(g, p->cost + i, cost[i]);
}

/* Base and new with their deviations; HM. */
static void number_cell(gp_grid *g, size_t column, const gp_results *r, size_t e, const gp_row *row, size_t which)
{
    char text[64];
    if (which < 2)
        gp_cell_text(text, r, e, row, which);
    else if (row->n > 0 && !row->no_new)
        snprintf(text, sizeof text, "%.2f", row->hm);
    else
        snprintf(text, sizeof text, "-");
    gp_grid_set(g, column, "%s", text);
}

static void fill(gp_grid *g, const gp_results *r, const places *p, size_t d, size_t e, const double best[3])
{
    const size_t column[3] = {p->base, p->novel, p->hm};
    gp_row row = gp_results_line(r, d, e);
    char text[16];
    for (size_t i = 0; i < 3; i++) {
        number_cell(g, column[i], r, e, &row, i);
        if (row.n > 0 && gp_row_number(&row, i) >= best[i]) gp_grid_best(g, column[i]);
    }
    gp_rival x = p->d ? gp_results_rival(r, d, e) : (gp_rival){.any = false};
    if (x.any) {
        gp_p_text(text, x.test.p);
        gp_grid_set(g, p->d, "%+.2f", x.d[0]);
        gp_grid_set(g, p->d + 1, "%+.2f", x.d[1]);
        gp_grid_set(g, p->d + 2, "%+.2f", x.d_hm);
        gp_grid_set(g, p->p, "%s", text);
    }
    published_cell(g, p->published, r, d, e);
    gp_cost_cells(g, p->cost, &row.cost);
}

void gp_table_b2n(gp_str *out, const gp_results *r, gp_table_style style)
{
    places p = place(r);
    bool average = r->plan->n_data > 1;
    gp_grid *g = gp_grid_create(p.n, 2);
    heads(g, r, &p);
    for (size_t d = 0; d < r->plan->n_data + average; d++) {
        double best[3];
        gp_results_best(best, r, d);
        for (size_t e = 0; e < r->plan->n_entries; e++) {
            gp_grid_row(g, e == 0 && d == r->plan->n_data);
            if (e == 0) gp_grid_set(g, 0, "%s", d < r->plan->n_data ? r->plan->dataset[d] : "average");
            gp_grid_set(g, 1, "%s", r->plan->entry[e].title);
            fill(g, r, &p, d, e, best);
        }
    }
    gp_grid_write(out, g, style, 140, 0);
    gp_grid_free(&g);
    published_note(out, r, style);
}

static void small_table(gp_str *out, const gp_results *r, size_t d, size_t number_of)
{
    double best[3];
    gp_results_best(best, r, d);
    static const char *const head[] = {"", "Base", "New", "HM", "Published"};
    size_t n = any_published(r, d) ? 5 : 4;
    gp_grid *g = gp_grid_create(n, 1);
    for (size_t c = 0; c < n; c++) gp_grid_head(g, c, head[c]);
    gp_grid_head(g, 0, gp_ablation(r) ? "Setting" : "Method");
    for (size_t e = 0; e < r->plan->n_entries; e++) {
        gp_row row = gp_results_line(r, d, e);
        gp_grid_row(g, false);
        gp_grid_set(g, 0, "%s", r->plan->entry[e].title);
        for (size_t i = 0; i < 3; i++) {
            number_cell(g, 1 + i, r, e, &row, i);
            if (row.n > 0 && gp_row_number(&row, i) >= best[i]) gp_grid_best(g, 1 + i);
        }
        published_cell(g, n == 5 ? 4 : 0, r, d, e);
    }
    gp_str_add(out, "\\begin{tabular}[t]{c}\n(");
    if (number_of >= 26) gp_str_addf(out, "%c", (int)('a' + number_of / 26 - 1));
    gp_str_addf(out, "%c) ", (int)('a' + number_of % 26));
    gp_latex_escape(out, d < r->plan->n_data ? r->plan->dataset[d] : "Average");
    gp_str_add(out, "\\\\[2pt]\n");
    gp_grid_write(out, g, GP_TABLE_LATEX, 0, 0);
    gp_str_add(out, "\\end{tabular}\n");
    gp_grid_free(&g);
}

/* Means with deviations, intervals and cost of the averages (or of the only dataset). */
static void summary(gp_str *out, const gp_results *r)
{
    static const char *const head[] = {"",   "Base", "95 %", "New",   "95 %", "HM",  "d HM",  "p",
                                       "F1", "ECE",  "NLL",  "Brier", "s",    "MiB", "learnt"};
    size_t d = r->plan->n_data > 1 ? r->plan->n_data : 0;
    double best[3];
    gp_results_best(best, r, d);
    gp_grid *g = gp_grid_create(GP_COUNT(head), 1);
    for (size_t c = 0; c < GP_COUNT(head); c++) gp_grid_head(g, c, head[c]);
    for (size_t e = 0; e < r->plan->n_entries; e++) {
        gp_row row = gp_results_line(r, d, e);
        gp_rival x = gp_results_rival(r, d, e);
        char text[16];
        gp_grid_row(g, false);
        gp_grid_set(g, 0, "%s", r->plan->entry[e].title);
        for (size_t i = 0; i < 3; i++) number_cell(g, 1 + 2 * i, r, e, &row, i);
        for (size_t i = 0; i < 2; i++)
            if (row.v[i].n > 1 && gp_method_trains(r->plan->entry[e].method)) gp_grid_set(g, 2 + 2 * i, "±%.2f", row.v[i].ci95);
        if (x.any) {
            gp_p_text(text, x.test.p);
            gp_grid_set(g, 6, "%+.2f", x.d_hm);
            gp_grid_set(g, 7, "%s", text);
        }
        gp_cost_cells(g, 12, &row.cost);
        if (row.n == 0) continue;
        if (row.hm >= best[2]) gp_grid_best(g, 5);
        gp_grid_set(g, 8, "%.2f", row.f1.mean);
        gp_grid_set(g, 9, "%.2f", row.ece.mean);
        gp_grid_set(g, 10, "%.3f", row.nll.mean);
        gp_grid_set(g, 11, "%.4f", row.brier.mean);
    }
    gp_str_add(out, "\n\\medskip\n\n{\\scriptsize\\tabcolsep 3pt\n");
    gp_grid_write(out, g, GP_TABLE_LATEX, 0, 0);
    gp_str_add(out, "}\n");
    gp_grid_free(&g);
}

void gp_table_b2n_latex(gp_str *out, const gp_results *r)
{
    size_t n = r->plan->n_data, many = n > 1 ? n + 1 : 1;
    bool wide = gp_ablation(r) || r->plan->n_seeds > 1 || published_anywhere(r);
    size_t across = wide ? 2 : 3;
    gp_str_add(out, "{\\scriptsize\\tabcolsep 3pt\n");
    for (size_t i = 0; i < many; i++) {
        size_t d = many == 1 ? 0 : i == 0 ? n : i - 1; /* the average comes first */
        small_table(out, r, d, i);
        if (i + 1 < many) gp_str_add(out, (i + 1) % across == 0 ? "\n\\smallskip\n\n" : "\\hfil\n");
    }
    gp_str_add(out, "}\n");
    summary(out, r);
    published_note(out, r, GP_TABLE_LATEX);
}
