/* aggregate.c - averages over seeds and datasets, and the comparison with the best rival.
 * SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <string.h>

#include "eval/results.h"

static size_t splits(const gp_results *r)
{
    return r->plan->protocol == GP_B2N ? 2 : 1;
}

size_t gp_results_first(const gp_results *r)
{
    return r->plan->protocol == GP_B2N ? 0 : 1;
}

/* The headline number of a cell. */
static double headline(const gp_results *r, const double v[2])
{
    return splits(r) == 2 ? gp_harmonic_mean(v[0], v[1]) : v[0];
}

/* Sums over seeds (or datasets) as they come, and what they come to. */
typedef struct collected {
    double v[2][GP_MAX_SEEDS], f1[GP_MAX_SEEDS], ece[GP_MAX_SEEDS], nll[GP_MAX_SEEDS], brier[GP_MAX_SEEDS];
    gp_scores sum[2];
    size_t n;
    bool no_new;
} collected;

static void add_scores(gp_scores *sum, const gp_scores *s, double share)
{
    sum->accuracy += share * s->accuracy;
    sum->class_mean += share * s->class_mean;
    sum->macro_f1 += share * s->macro_f1;
    sum->ece += share * s->ece;
    sum->nll += share * s->nll;
    sum->brier += share * s->brier;
}

static void collect(collected *c, size_t at, const gp_results *r, const gp_cell *x, double share)
{
    size_t n = x->no_new ? 1 : splits(r);
    c->no_new = c->no_new || x->no_new;
    for (size_t i = 0; i < n; i++) {
        double part = share / (double)n;
        add_scores(&c->sum[i], &x->score[i], share);
        c->v[i][at] += share * x->score[i].accuracy;
        c->f1[at] += part * x->score[i].macro_f1;
        c->ece[at] += part * x->score[i].ece;
        c->nll[at] += part * x->score[i].nll;
        c->brier[at] += part * x->score[i].brier;
    }
}

static void add_cost(gp_cost *sum, const gp_cost *c, double share)
{
    if (!c->any) return;
    sum->any = true;
    sum->train_s += share * c->train_s;
    sum->test_s += share * c->test_s;
    sum->peak_mib = gp_max_size(sum->peak_mib, c->peak_mib);
    sum->parameters = gp_max_size(sum->parameters, c->parameters);
}

static void finish(gp_row *row, const gp_results *r, const collected *c)
{
    const double none = (double)NAN;
    for (size_t i = 0; i < splits(r); i++) row->v[i] = gp_over_seeds(c->v[i], c->n);
    for (size_t i = 0; i < splits(r); i++) {
        add_scores(&row->mean[i], &c->sum[i], 1.0 / (double)c->n);
        row->mean[i].accuracy = row->v[i].mean;
    }
    row->no_new = c->no_new;
    if (c->no_new) row->v[1] = (gp_spread){.mean = none, .sd = none, .ci95 = none, .n = 0};
    double v[2] = {row->v[0].mean, row->v[1].mean};
    row->hm = c->no_new ? none : headline(r, v);
    row->f1 = gp_over_seeds(c->f1, c->n);
    row->ece = gp_over_seeds(c->ece, c->n);
    row->nll = gp_over_seeds(c->nll, c->n);
    row->brier = gp_over_seeds(c->brier, c->n);
}

gp_row gp_results_row(const gp_results *r, size_t data, size_t entry)
{
    collected c = {.n = 0};
    gp_row row;
    memset(&row, 0, sizeof row);
    for (size_t s = 0; s < r->plan->n_seeds; s++) {
        const gp_cell *x = gp_results_at(r, data, entry, s);
        row.failed += x->state == GP_CELL_FAILED;
        if (x->state == GP_CELL_DONE) collect(&c, c.n++, r, x, 1.0);
    }
    row.n = c.n;
    for (size_t s = 0; s < r->plan->n_seeds; s++) {
        const gp_cell *x = gp_results_at(r, data, entry, s);
        if (x->state == GP_CELL_DONE) add_cost(&row.cost, &x->cost, 1.0 / (double)c.n);
    }
    if (c.n > 0) finish(&row, r, &c);
    return row;
}

size_t gp_results_complete(const gp_results *r)
{
    size_t n = 0;
    for (size_t d = gp_results_first(r); d < r->plan->n_data; d++) n += r->whole[d];
    return n;
}

gp_row gp_results_average(const gp_results *r, size_t entry)
{
    /* per seed the mean over datasets, then over seeds: the same mean, and a deviation that says how the average moves */
    collected c = {.n = r->plan->n_seeds};
    size_t n = gp_results_complete(r);
    gp_row row;
    memset(&row, 0, sizeof row);
    for (size_t d = gp_results_first(r); d < r->plan->n_data; d++)
        for (size_t s = 0; s < r->plan->n_seeds; s++) row.failed += gp_results_at(r, d, entry, s)->state == GP_CELL_FAILED;
    if (n == 0 || !r->any[entry]) return row;
    row.n = n;
    for (size_t d = gp_results_first(r); d < r->plan->n_data; d++) {
        if (!r->whole[d]) continue;
        for (size_t s = 0; s < r->plan->n_seeds; s++) {
            const gp_cell *x = gp_results_at(r, d, entry, s);
            collect(&c, s, r, x, 1.0 / (double)n);
            add_cost(&row.cost, &x->cost, 1.0 / (double)(n * r->plan->n_seeds));
        }
    }
    finish(&row, r, &c);
    return row;
}

gp_row gp_results_line(const gp_results *r, size_t data, size_t entry)
{
    return data == r->plan->n_data ? gp_results_average(r, entry) : gp_results_row(r, data, entry);
}

double gp_row_number(const gp_row *row, size_t which)
{
    return which < 2 ? row->v[which].mean : row->hm;
}

void gp_results_best(double best[3], const gp_results *r, size_t data)
{
    double least[3];
    for (size_t i = 0; i < 3; i++) {
        best[i] = -(double)INFINITY;
        least[i] = (double)INFINITY;
    }
    for (size_t e = 0; e < r->plan->n_entries; e++) {
        gp_row row = gp_results_line(r, data, e);
        for (size_t i = 0; i < 3 && row.n > 0; i++) {
            best[i] = fmax(best[i], gp_row_number(&row, i));
            least[i] = fmin(least[i], gp_row_number(&row, i));
        }
    }
    for (size_t i = 0; i < 3; i++)
        if (least[i] >= best[i]) best[i] = (double)INFINITY;
}

/* Pairs of headline numbers over seeds: of one dataset, or of the averages over datasets. */
static gp_paired over_seeds(const gp_results *r, size_t data, size_t a, size_t b)
{
    double va[GP_MAX_SEEDS], vb[GP_MAX_SEEDS];
    size_t n = 0;
    for (size_t s = 0; s < r->plan->n_seeds; s++) {
        const gp_cell *x = gp_results_at(r, data, a, s), *y = gp_results_at(r, data, b, s);
        if (x->state != GP_CELL_DONE || y->state != GP_CELL_DONE) continue;
        va[n] = headline(r, (const double[2]){x->score[0].accuracy, x->score[1].accuracy});
        vb[n++] = headline(r, (const double[2]){y->score[0].accuracy, y->score[1].accuracy});
    }
    return gp_paired_test(va, vb, n);
}

/* The same over datasets; more than fit are left out of the test, never of the averages. */
static gp_paired over_data(const gp_results *r, size_t a, size_t b, size_t *last)
{
    enum { MOST = 256 };
    double va[MOST], vb[MOST];
    size_t n = 0;
    for (size_t d = gp_results_first(r); d < r->plan->n_data && n < MOST; d++) {
        if (!r->whole[d]) continue;
        va[n] = gp_results_row(r, d, a).hm;
        vb[n++] = gp_results_row(r, d, b).hm;
        *last = d;
    }
    return gp_paired_test(va, vb, n);
}

gp_rival gp_results_rival(const gp_results *r, size_t data, size_t entry)
{
    gp_rival x = {.any = false};
    gp_row mine = gp_results_line(r, data, entry), best = {.n = 0};
    for (size_t e = 0; e < r->plan->n_entries; e++) {
        gp_row row = gp_results_line(r, data, e);
        if (e == entry || row.n == 0 || row.no_new || (x.any && row.hm <= best.hm)) continue;
        x.any = true;
        x.entry = e;
        best = row;
    }
    x.any = x.any && mine.n > 0 && !mine.no_new;
    if (!x.any) return x;
    for (size_t i = 0; i < 2; i++) x.d[i] = mine.v[i].mean - best.v[i].mean;
    x.d_hm = mine.hm - best.hm;
    if (data < r->plan->n_data) {
        x.test = over_seeds(r, data, entry, x.entry);
        return x;
    }
    size_t last = 0;
    x.test = over_data(r, entry, x.entry, &last);
    x.over_data = x.test.n > 1;
    if (!x.over_data) x.test = over_seeds(r, last, entry, x.entry);
    return x;
}
