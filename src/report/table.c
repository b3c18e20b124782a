/* table.c - what the tables share: captions, cells, the table of further measures, the list of failures.
 * SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "eval/select.h"
#include "report/report.h"

bool gp_ablation(const gp_results *r)
{
    return strcmp(r->plan->name, gp_protocol_name(r->plan->protocol)) != 0;
}

const char *gp_entry_key(const gp_results *r, size_t entry)
{
    return gp_ablation(r) ? r->plan->entry[entry].title : r->plan->entry[entry].method;
}

bool gp_no_new(const gp_results *r)
{
    for (size_t i = 0; i < r->plan->n_data * r->plan->n_entries * r->plan->n_seeds; i++)
        if (r->cell[i].state == GP_CELL_DONE && r->cell[i].no_new) return true;
    return false;
}

void gp_cell_text(char out[64], const gp_results *r, size_t entry, const gp_row *row, size_t split)
{
    const gp_spread *s = &row->v[split];
    if (row->n == 0 || s->n == 0) {
        snprintf(out, 64, "%s", row->n == 0 && row->failed ? "FAILED" : "-");
        return;
    }
    snprintf(out, 64, "%.2f", s->mean);
    if (s->n > 1 && gp_method_trains(r->plan->entry[entry].method)) gp_cat(out, 64, " ±%.2f", s->sd);
    if (s->n >= r->plan->n_seeds) return; /* the averages have every seed */
    if (row->failed)
        gp_cat(out, 64, " (%zu FAILED)", row->failed);
    else
        gp_cat(out, 64, " (%zu/%zu)", s->n, r->plan->n_seeds);
}

void gp_p_text(char out[16], double p)
{
    if (!isfinite(p))
        snprintf(out, 16, "-");
    else if (p < 0.001)
        snprintf(out, 16, "<0.001");
    else
        snprintf(out, 16, "%.3f", p);
}

void gp_cost_cells(gp_grid *g, size_t column, const gp_cost *c)
{
    if (!c->any) return;
    gp_grid_set(g, column, c->train_s < 100.0 ? "%.1f" : "%.0f", c->train_s);
    gp_grid_set(g, column + 1, "%zu", c->peak_mib);
    gp_grid_set(g, column + 2, "%zu", c->parameters);
}

static void seeds_text(gp_str *out, const gp_plan *p)
{
    gp_str_addf(out, "%zu seed%s (", p->n_seeds, p->n_seeds == 1 ? "" : "s");
    for (size_t s = 0; s < p->n_seeds; s++) gp_str_addf(out, "%s%ju", s ? ", " : "", (uintmax_t)p->seed[s]);
    gp_str_add(out, ")");
}

const char *gp_model_selection(const gp_results *r)
{
    return r->plan->select[0] ? gp_select_words(r->plan->select) : "as the rows say";
}

/* What d and p mean in this table. */
static void comparison_text(gp_str *out, const gp_results *r)
{
    const gp_plan *p = r->plan;
    bool b2n = p->protocol == GP_B2N;
    size_t n = gp_results_complete(r);
    const char *row = gp_ablation(r) ? "row" : "method";
    if (p->n_entries < 2) return;
    gp_str_addf(out, " The best of a column is marked. d: difference to the best other %s by %s; p: its paired two-sided t test, ", row,
                b2n ? "HM" : "the average");
    if (b2n && n > 1)
        gp_str_addf(out, "over the n = %zu seeds of a dataset and, in the average, over the n = %zu datasets (each the mean of its seeds).",
                    p->n_seeds, n);
    else if (n > 1)
        gp_str_addf(out, "over the n = %zu targets (each the mean of its seeds).", n);
    else
        gp_str_addf(out, "over the n = %zu seeds.", p->n_seeds);
}

void gp_table_caption(gp_str *out, const gp_results *r, gp_table_style style)
{
    const gp_plan *p = r->plan;
    size_t n = gp_results_complete(r), of = p->n_data - gp_results_first(r);
    gp_str b = {0};
    if (style == GP_TABLE_MARKDOWN) /* the title is the heading above */
        gp_str_add(&b, "A");
    else
        gp_str_addf(&b, "%s: a", p->title);
    if (p->protocol == GP_B2N)
        gp_str_add(&b, "ccuracy in per cent, trained on the base classes, tested on base and on new ones apart; mean");
    else
        gp_str_addf(&b, "ccuracy in per cent, trained on all classes of %s, tested on it and on all classes of the targets; mean",
                    p->dataset[0]);
    gp_str_add(&b, " ±population deviation over ");
    seeds_text(&b, p);
    gp_str_add(&b, p->protocol == GP_B2N ? "; HM is the harmonic mean of the averaged base and new." : ".");
    if (gp_no_new(r))
        gp_str_add(&b,
                   " New and HM are '-' where what is learnt class by class can classify no other classes; such rows take no part in the "
                   "comparison by HM.");
    comparison_text(&b, r);
    gp_str_add(&b, " s: seconds of training of one run, MiB: its peak memory, learnt: its learnable parameters.");
    gp_str_addf(&b, " Backbone: %s, weights %.12s. Model selection: %s.", p->backbone_path, p->backbone,
                strcmp(p->select, "last") == 0 ? "the last epoch; no test image chooses anything" : gp_model_selection(r));
    if (strcmp(p->select, "best_test") == 0)
        gp_str_add(&b, " WARNING: select=best_test chose every epoch on the test images of the classes trained on; those accuracies are no "
                       "results but show what choosing so would leak.");
    if (p->embedded)
        gp_str_add(&b, " Data: the embedded drawings, not the photographs of the field; these numbers compare methods with each other and "
                       "say nothing about published figures.");
    if (n < of && of > 1) gp_str_addf(&b, " The average is over the %zu of %zu datasets where every run finished.", n, of);
    gp_paragraph(out, b.s ? b.s : "", style);
    out->failed = out->failed || b.failed;
    gp_str_free(&b);
}

static void measure_row(gp_grid *g, const gp_results *r, const gp_row *row, size_t first, bool trains)
{
    if (row->n == 0) {
        gp_grid_set(g, first, "%s", row->failed ? "FAILED" : "-");
        return;
    }
    size_t c = first;
    gp_grid_set(g, c++, "%zu", row->v[0].n);
    for (size_t i = 0; i < (r->plan->protocol == GP_B2N ? 2 : 1); i++)
        if (trains && row->v[i].n > 1)
            gp_grid_set(g, c++, "±%.2f", row->v[i].ci95);
        else
            gp_grid_set(g, c++, "-"); /* nothing varies */
    gp_grid_set(g, c++, "%.2f", row->f1.mean);
    gp_grid_set(g, c++, "%.2f", row->ece.mean);
    gp_grid_set(g, c++, "%.3f", row->nll.mean);
    gp_grid_set(g, c, "%.4f", row->brier.mean);
}

void gp_table_measures(gp_str *out, const gp_results *r, gp_table_style style)
{
    static const char *const b2n[] = {"dataset", "", "seeds", "95 % base", "95 % new", "macro F1", "ECE", "NLL", "Brier"};
    static const char *const other[] = {"dataset", "", "seeds", "95 %", "macro F1", "ECE", "NLL", "Brier"};
    const gp_plan *p = r->plan;
    bool base = p->protocol == GP_B2N, average = p->n_data - gp_results_first(r) > 1;
    size_t n = base ? GP_COUNT(b2n) : GP_COUNT(other);
    gp_grid *g = gp_grid_create(n, 2);
    for (size_t c = 0; c < n; c++) gp_grid_head(g, c, base ? b2n[c] : other[c]);
    gp_grid_head(g, 1, gp_ablation(r) ? "setting" : "method");
    size_t first = style == GP_TABLE_LATEX && average ? p->n_data : 0; /* a page of LaTeX has no room for every dataset */
    for (size_t d = first; d < p->n_data + average; d++)
        for (size_t e = 0; e < p->n_entries; e++) {
            gp_row row = gp_results_line(r, d, e);
            gp_grid_row(g, e == 0 && d > first && d == p->n_data);
            if (e == 0) gp_grid_set(g, 0, "%s", d < p->n_data ? p->dataset[d] : "average");
            gp_grid_set(g, 1, "%s", p->entry[e].title);
            measure_row(g, r, &row, 2, gp_method_trains(p->entry[e].method));
        }
    gp_paragraph(out,
                 base && gp_no_new(r)
                     ? "Half-width of the 95 % interval over the seeds (1.96 deviation / sqrt n); macro F1 and expected calibration error "
                       "in per cent, negative log-likelihood, Brier score: means of base and new, of base alone in rows without new."
                 : base
                     ? "Half-width of the 95 % interval over the seeds (1.96 deviation / sqrt n); macro F1 and expected calibration error "
                       "in per cent, negative log-likelihood, Brier score: means of base and new."
                     : "Half-width of the 95 % interval over the seeds (1.96 deviation / sqrt n); macro F1 and expected calibration error "
                       "in per cent, negative log-likelihood, Brier score.",
                 style);
    gp_str_add(out, style == GP_TABLE_LATEX ? "\n\\smallskip\n\n" : "\n");
    gp_grid_write(out, g, style, 132, 0);
    gp_grid_free(&g);
}

static void failures(gp_str *out, const gp_results *r, gp_table_style style)
{
    if (r->n_failed == 0) return;
    gp_str_addf(out, "\n%zu run%s failed:%s\n", r->n_failed, r->n_failed == 1 ? "" : "s", style == GP_TABLE_MARKDOWN ? "\n" : "");
    if (style == GP_TABLE_LATEX) gp_str_add(out, "\\begin{itemize}\n");
    for (size_t i = 0; i < r->n_failed; i++) {
        gp_str_add(out, style == GP_TABLE_LATEX ? "\\item " : style == GP_TABLE_MARKDOWN ? "* " : "  ");
        if (style == GP_TABLE_LATEX)
            gp_latex_escape(out, r->failure[i]);
        else
            gp_str_add(out, r->failure[i]);
        gp_str_add(out, "\n");
    }
    if (style == GP_TABLE_LATEX) gp_str_add(out, "\\end{itemize}\n");
}

/* Compiles alone, and can be read with \input: then the surrounding document's class and packages hold. */
static void latex(gp_str *out, const gp_results *r)
{
    gp_str_add(out, "% Compiles alone, or with \\input{report} in a document.\n"
                    "\\expandafter\\ifx\\csname @nodocument\\endcsname\\relax\n\\def\\goproend{}\n\\else\n"
                    "\\documentclass{article}\n\\textwidth 17.5cm \\oddsidemargin -0.8cm \\textheight 24cm \\topmargin -2cm\n"
                    "\\begin{document}\n\\def\\goproend{\\end{document}}\n\\fi\n"
                    "\\begin{table}[p]\\centering\\footnotesize\\tabcolsep 4pt\n\\caption{");
    gp_table_caption(out, r, GP_TABLE_LATEX);
    gp_str_add(out, "}\n\\smallskip\n");
    if (r->plan->protocol == GP_B2N)
        gp_table_b2n_latex(out, r);
    else
        gp_table_transfer(out, r, GP_TABLE_LATEX);
    gp_str_add(out, "\\end{table}\n");
    failures(out, r, GP_TABLE_LATEX);
    gp_str_add(out, "\\goproend\n");
}

void gp_report_tables(gp_str *out, const gp_results *r, gp_table_style style)
{
    if (style == GP_TABLE_LATEX) {
        latex(out, r);
        return;
    }
    if (style == GP_TABLE_MARKDOWN) gp_str_addf(out, "## %s\n\n", r->plan->title);
    gp_table_caption(out, r, style);
    gp_str_add(out, "\n");
    if (r->plan->protocol == GP_B2N)
        gp_table_b2n(out, r, style);
    else
        gp_table_transfer(out, r, style);
    gp_str_add(out, "\n");
    gp_table_measures(out, r, style);
    failures(out, r, style);
}
