/* table_b2n.c - base-to-new: a block per dataset with a line per method; in LaTeX the small tables of the paper.
 * SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "report/report.h"

/* Columns after dataset and method; those that are not used have no place. */
typedef struct places {
    size_t base, novel, hm, d, p, published, cost, n;
} places;

static bool any_published(const gp_results *r)
{
    double b, n;
    for (size_t d = 0; d < r->plan->n_data; d++)
        for (size_t e = 0; e < r->plan->n_entries; e++)
            if (gp_published_b2n(&b, &n, r->plan->dataset[d], r->plan->entry[e].method)) return true;
    return false;
}

static places place(const gp_results *r)
{
    places p = {.base = 2, .novel = 3, .hm = 4, .n = 5};
    if (r->plan->n_entries > 1) {
        p.d = p.n;
        p.p = p.n + 3;
        p.n += 4;
    }
    if (!gp_ablation(r) && !r->plan->embedded && any_published(r)) p.published = p.n++;
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

static void published_cell(gp_grid *g, const gp_results *r, const places *p, size_t d, size_t e)
{
    double b, n;
    if (!p->published || d == r->plan->n_data || !gp_published_b2n(&b, &n, r->plan->dataset[d], r->plan->entry[e].method)) return;
    gp_grid_set(g, p->published, "%.2f %.2f %.2f", b, n, gp_harmonic_mean(b, n));
}

static void fill(gp_grid *g, const gp_results *r, const places *p, size_t d, size_t e, const double best[3])
{
    const size_t column[3] = {p->base, p->novel, p->hm};
    gp_row row = gp_results_line(r, d, e);
    char text[64];
    for (size_t i = 0; i < 3; i++) {
        gp_cell_text(text, r, e, &row, i % 2);
        if (i < 2)
            gp_grid_set(g, column[i], "%s", text);
        else if (row.n > 0 && !row.no_new)
            gp_grid_set(g, column[i], "%.2f", row.hm);
        else
            gp_grid_set(g, column[i], "-");
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
    published_cell(g, r, p, d, e);
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
    if (p.published)
        gp_str_addf(out,
                    "%spublished: base, new, HM with CLIP ViT-B/16, 16 shots; another backbone than ours unless the caption names it\n",
                    style == GP_TABLE_MARKDOWN ? "\n" : "");
}

static void small_table(gp_str *out, const gp_results *r, size_t d, size_t number_of)
{
    double best[3];
    gp_results_best(best, r, d);
    gp_grid *g = gp_grid_create(4, 1);
    static const char *const head[] = {"", "Base", "New", "HM"};
    for (size_t c = 0; c < 4; c++) gp_grid_head(g, c, head[c]);
    gp_grid_head(g, 0, gp_ablation(r) ? "Setting" : "Method");
    for (size_t e = 0; e < r->plan->n_entries; e++) {
        gp_row row = gp_results_line(r, d, e);
        gp_grid_row(g, false);
        gp_grid_set(g, 0, "%s", r->plan->entry[e].title);
        for (size_t i = 0; i < 3; i++) {
            if (row.n > 0 && isfinite(gp_row_number(&row, i)))
                gp_grid_set(g, 1 + i, "%.2f", gp_row_number(&row, i));
            else
                gp_grid_set(g, 1 + i, i == 0 && row.n == 0 && row.failed ? "FAILED" : "-");
            if (row.n > 0 && gp_row_number(&row, i) >= best[i]) gp_grid_best(g, 1 + i);
        }
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
        char text[64];
        gp_grid_row(g, false);
        gp_grid_set(g, 0, "%s", r->plan->entry[e].title);
        for (size_t i = 0; i < 2; i++) {
            gp_cell_text(text, r, e, &row, i);
            gp_grid_set(g, 1 + 2 * i, "%s", text);
            if (row.v[i].n > 1 && gp_method_trains(r->plan->entry[e].method)) gp_grid_set(g, 2 + 2 * i, "±%.2f", row.v[i].ci95);
        }
        if (x.any) {
            gp_p_text(text, x.test.p);
            gp_grid_set(g, 6, "%+.2f", x.d_hm);
            gp_grid_set(g, 7, "%s", text);
        }
        gp_cost_cells(g, 12, &row.cost);
        if (row.n == 0) continue;
        if (row.no_new)
            gp_grid_set(g, 5, "-");
        else
            gp_grid_set(g, 5, "%.2f", row.hm);
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
    size_t n = r->plan->n_data, many = n > 1 ? n + 1 : 1, across = gp_ablation(r) ? 2 : 3;
    for (size_t i = 0; i < many; i++) {
        size_t d = many == 1 ? 0 : i == 0 ? n : i - 1; /* the average comes first */
        small_table(out, r, d, i);
        if (i + 1 < many) gp_str_add(out, (i + 1) % across == 0 ? "\n\\medskip\n\n" : "\\hfil\n");
    }
    summary(out, r);
}
