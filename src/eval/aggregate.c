/* aggregate.c - averages over seeds and datasets (METHODS 3.10, 5.6).
 * SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "eval/protocol.h"

const gp_b2n_cell *gp_b2n_at(const gp_b2n *t, size_t dataset, size_t method)
{
    return &t->cell[dataset * t->n_methods + method];
}

gp_b2n_row gp_b2n_cell_row(const gp_b2n_cell *c)
{
    gp_b2n_row r = {.base = gp_over_seeds(c->base, c->n), .novel = gp_over_seeds(c->novel, c->n), .any = c->n > 0};
    r.hm = gp_harmonic_mean(r.base.mean, r.novel.mean);
    return r;
}

/* Every method has every seed of the dataset. */
static bool complete(const gp_b2n *t, size_t d)
{
    for (size_t m = 0; m < t->n_methods; m++)
        if (gp_b2n_at(t, d, m)->n != t->n_seeds) return false;
    return true;
}

size_t gp_b2n_complete(const gp_b2n *t)
{
    size_t n = 0;
    for (size_t d = 0; d < t->n_data; d++) n += complete(t, d);
    return n;
}

gp_b2n_row gp_b2n_average(const gp_b2n *t, size_t method)
{
    /* per seed the mean over datasets, then over seeds: the same mean, and a deviation that says how the average moves */
    double base[GP_MAX_SEEDS] = {0}, novel[GP_MAX_SEEDS] = {0};
    size_t n = gp_b2n_complete(t);
    gp_b2n_row r;
    memset(&r, 0, sizeof r);
    if (n == 0) return r;
    for (size_t d = 0; d < t->n_data; d++) {
        if (!complete(t, d)) continue;
        const gp_b2n_cell *c = gp_b2n_at(t, d, method);
        for (size_t s = 0; s < t->n_seeds; s++) {
            base[s] += c->base[s] / (double)n;
            novel[s] += c->novel[s] / (double)n;
        }
    }
    r.base = gp_over_seeds(base, t->n_seeds);
    r.novel = gp_over_seeds(novel, t->n_seeds);
    r.hm = gp_harmonic_mean(r.base.mean, r.novel.mean);
    r.any = true;
    return r;
}
