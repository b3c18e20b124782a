/* table_transfer.c - cross-dataset and domain generalisation: a line per method; source, targets, their average.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "report/report.h"

typedef struct places {
    size_t average, d, p, cost, n; /* the datasets stand in 1 .. n_data */
} places;

static places place(const gp_results *r)
{
    places p = {.average = r->plan->n_data + 1};
    p.n = p.average + 1;
    if (r->plan->n_entries > 1) {
        p.d = p.n++;
        p.p = p.n++;
    }
    p.cost = p.n;
    p.n += 3;
    return p;
}

static void heads(gp_grid *g, const gp_results *r, const places *p)
{
    static const char *const cost[] = {"s", "MiB", "learnt"};
    char text[96];
    gp_grid_head(g, 0, gp_ablation(r) ? "setting" : "method");
    for (size_t d = 0; d < r->plan->n_data; d++) {
        snprintf(text, sizeof text, "%s%.80s", d == 0 ? "source " : "", r->plan->dataset[d]);
        gp_grid_head(g, 1 + d, text);
    }
    gp_grid_head(g, p->average, "average");
    if (p->d) gp_grid_head(g, p->d, "d");
    if (p->p) gp_grid_head(g, p->p, "p");
    for (size_t i = 0; i < 3; i++) gp_grid_head(g, p->cost + i, cost[i]);
}

/* What the field published for this method on these datasets, in a line of its own. */
static void published(gp_grid *g, const gp_results *r, const places *p, size_t e)
{
    const char *method = r->plan->entry[e].method, *source = r->plan->dataset[0];
    double v;
    bool any = false;
    if (gp_ablation(r) || r->plan->embedded) return;
    for (size_t d = 0; d <= r->plan->n_data; d++) {
        bool known = d < r->plan->n_data
                         ? gp_published_transfer(&v, source, r->plan->dataset[d], method)
                         : gp_published_average(&v, source, (const char *const *)r->plan->dataset + 1, r->plan->n_data - 1, method);
        if (!known) continue;
        if (!any) {
            gp_grid_row(g, false);
            gp_grid_set(g, 0, "  published");
        }
        any = true;
        gp_grid_set(g, d < r->plan->n_data ? 1 + d : p->average, "%.2f", v);
    }
}

static void fill(gp_grid *g, const gp_results *r, const places *p, size_t e)
{
    char text[64];
    gp_row row = {.n = 0};
    for (size_t d = 0; d <= r->plan->n_data; d++) {
        size_t column = d < r->plan->n_data ? 1 + d : p->average;
        double best[3];
        row = gp_results_line(r, d, e);
        gp_results_best(best, r, d);
        gp_cell_text(text, r, e, &row, 0);
        gp_grid_set(g, column, "%s", text);
        if (row.n > 0 && row.v[0].mean >= best[0]) gp_grid_best(g, column);
    }
    gp_rival x = p->d ? gp_results_rival(r, r->plan->n_data, e) : (gp_rival){.any = false};
    if (x.any) {
        gp_p_text(text, x.test.p);
        gp_grid_set(g, p->d, "%+.2f", x.d_hm);
        gp_grid_set(g, p->p, "%s", text);
    }
    row = gp_results_row(r, 0, e); /* the one run that all these tests are of */
    gp_cost_cells(g, p->cost, &row.cost);
}

void gp_table_transfer(gp_str *out, const gp_results *r, gp_table_style style)
{
    places p = place(r);
    gp_grid *g = gp_grid_create(p.n, 1);
    heads(g, r, &p);
    for (size_t e = 0; e < r->plan->n_entries; e++) {
        gp_grid_row(g, false);
        gp_grid_set(g, 0, "%s", r->plan->entry[e].title);
        fill(g, r, &p, e);
        published(g, r, &p, e);
    }
    gp_grid_write(out, g, style, 132, 8);
    gp_grid_free(&g);
    if (style != GP_TABLE_LATEX) return;
    gp_str_add(out, "\n\\medskip\n\n");
    gp_table_measures(out, r, style);
}
