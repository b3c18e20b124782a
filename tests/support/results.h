/* results.h - results made by hand, for tests of averages and tables.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef GP_TEST_RESULTS_H
#define GP_TEST_RESULTS_H

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "eval/results.h"

/* entry[n_entries] "title|method"; every cell is missing. */
static inline gp_results *results_make(gp_protocol protocol, const char *const *entry, size_t n_entries, const char *const *dataset,
                                       size_t n_data, size_t n_seeds)
{
    gp_results *r = calloc(1, sizeof *r);
    gp_plan *p = calloc(1, sizeof *p);
    assert(r && p);
    r->plan = p;
    p->protocol = protocol;
    p->name = gp_strdup(gp_protocol_name(protocol));
    p->title = gp_strdup("Title");
    snprintf(p->select, sizeof p->select, "last");
    p->axis = gp_strdup("");
    p->out = gp_strdup("out");
    p->backbone_path = gp_strdup("models/small");
    memcpy(p->backbone, "0123456789abcdef", 17);
    p->entry = calloc(n_entries, sizeof *p->entry);
    p->dataset = calloc(n_data, sizeof *p->dataset);
    r->cell = calloc(n_data * n_entries * n_seeds, sizeof *r->cell);
    r->any = calloc(n_entries, sizeof *r->any);
    r->whole = calloc(n_data, sizeof *r->whole);
    assert(p->entry && p->dataset && r->cell && r->any && r->whole);
    for (; p->n_entries < n_entries; p->n_entries++) {
        const char *bar = strchr(entry[p->n_entries], '|');
        gp_entry *e = &p->entry[p->n_entries];
        *e = (gp_entry){.title = gp_sprintf("%.*s", (int)(bar - entry[p->n_entries]), entry[p->n_entries]), .method = gp_strdup(bar + 1)};
        e->series = gp_strdup("");
        e->x = (double)NAN;
    }
    for (; p->n_data < n_data; p->n_data++) p->dataset[p->n_data] = gp_strdup(dataset[p->n_data]);
    for (; p->n_seeds < n_seeds; p->n_seeds++) p->seed[p->n_seeds] = p->n_seeds + 1;
    size_t n = gp_plan_trained(p) * n_entries * n_seeds;
    p->unit = calloc(n, sizeof *p->unit);
    p->index = calloc(n, sizeof *p->index);
    assert(p->unit && p->index);
    for (; p->n_units < n; p->n_units++) {
        p->index[p->n_units] = p->n_units;
        p->unit[p->n_units].folder = gp_sprintf("runs/%zu", p->n_units);
    }
    return r;
}

static inline gp_cell *results_cell(gp_results *r, size_t d, size_t e, size_t s)
{
    return &r->cell[(d * r->plan->n_entries + e) * r->plan->n_seeds + s];
}

static inline void results_set(gp_results *r, size_t d, size_t e, size_t s, double base, double novel)
{
    gp_cell *c = results_cell(r, d, e, s);
    c->state = GP_CELL_DONE;
    c->score[0] =
        (gp_scores){.n = 10, .K = 2, .accuracy = base, .class_mean = base, .macro_f1 = base - 1, .ece = 5, .nll = 1, .brier = 0.5};
    c->score[1] =
        (gp_scores){.n = 10, .K = 2, .accuracy = novel, .class_mean = novel, .macro_f1 = novel - 1, .ece = 7, .nll = 2, .brier = 0.7};
    c->cost = (gp_cost){.any = true, .train_s = 10.0 * (double)e, .test_s = 1, .peak_mib = 100 + e, .parameters = 1000 * e};
    gp_results_look_over(r);
}

#endif
