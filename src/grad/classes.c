/* classes.c - logits of classes from what was learnt per class: columns by class, and the affinity to the shots of each class.
 * SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <math.h>
#include <string.h>

#include "grad/ops.h"

typedef struct columns_rec {
    gp_var x, y;
    const uint32_t *col;
} columns_rec;

static void columns_bwd(gp_tape *t, const void *record)
{
    const columns_rec *r = record;
    (void)t;
    for (size_t i = 0; i < r->y.rows; i++)
        for (size_t k = 0; k < r->y.cols; k++)
            if (r->col[k] != GP_NO_ROW) r->x.g[i * r->x.cols + r->col[k]] += r->y.g[i * r->y.cols + k];
    gp_reach(r->x);
}

gp_var gp_columns(gp_tape *t, gp_var x, const uint32_t *col, size_t K)
{
    gp_var y = gp_tape_var(t, x.rows, K, x.g != NULL);
    uint32_t *kept = gp_arena_alloc(gp_tape_arena(t), K + 1, sizeof *kept);
    if (!y.v) return y;
    if (!kept) {
        gp_tape_fail(t, GOPRO_E_NOMEM, "out of memory for the columns of a label set");
        return (gp_var){0};
    }
    for (size_t k = 0; k < K; k++) {
        kept[k] = col ? col[k] : (uint32_t)k;
        assert(kept[k] == GP_NO_ROW || kept[k] < x.cols);
        for (size_t i = 0; i < x.rows; i++) y.v[i * K + k] = kept[k] == GP_NO_ROW ? 0 : x.v[i * x.cols + kept[k]];
    }
    if (y.g) gp_tape_push(t, columns_bwd, y, &(columns_rec){x, y, kept}, sizeof(columns_rec));
    return y;
}

typedef struct affinity_rec {
    gp_var a, y;
    const gp_real *used;
    gp_real beta;
} affinity_rec;

/* da = beta exp(beta (a - 1)) dy of its group */
static void affinity_bwd(gp_tape *t, const void *record)
{
    const affinity_rec *r = record;
    const size_t n = r->a.cols, S = n / r->y.cols;
    (void)t;
    for (size_t i = 0; i < r->a.rows; i++)
        for (size_t j = 0; j < n; j++)
            if (r->used[j] > 0) {
                const double e = exp((double)r->beta * ((double)r->a.v[i * n + j] - 1));
                r->a.g[i * n + j] += (gp_real)((double)r->beta * e * (double)r->y.g[i * r->y.cols + j / S]);
            }
    gp_reach(r->a);
}

gp_var gp_affinity(gp_tape *t, gp_var a, const gp_real *used, size_t groups, gp_real beta)
{
    gp_var y = gp_tape_var(t, a.rows, groups, a.g != NULL);
    if (!y.v) return y;
    assert(a.cols % groups == 0);
    const size_t n = a.cols, S = n / groups;
    for (size_t i = 0; i < a.rows; i++)
        for (size_t g = 0; g < groups; g++) {
            double sum = 0;
            for (size_t j = g * S; j < (g + 1) * S; j++)
                if (used[j] > 0) sum += exp((double)beta * ((double)a.v[i * n + j] - 1));
            y.v[i * groups + g] = (gp_real)sum;
        }
    if (y.g) gp_tape_push(t, affinity_bwd, y, &(affinity_rec){a, y, used, beta}, sizeof(affinity_rec));
    return y;
}
