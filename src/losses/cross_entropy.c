/* cross_entropy.c - softmax cross-entropy over the classes (METHODS 3, 3.11).
 * SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <math.h>
#include <string.h>

#include "losses/losses.h"

typedef struct ce_rec {
    gp_var x, y;
    const uint32_t *label;
    const double *lse; /* [n] log of the sum of exponentials */
    size_t divisor;
} ce_rec;

/* dl += dy (softmax(l) - onehot) / divisor */
static void cross_entropy_bwd(gp_tape *t, const void *record)
{
    const ce_rec *r = record;
    const double d = (double)r->y.g[0] / (double)r->divisor;
    (void)t;
    for (size_t i = 0; i < r->x.rows; i++)
        for (size_t k = 0; k < r->x.cols; k++) {
            const size_t at = i * r->x.cols + k;
            const double p = exp((double)r->x.v[at] - r->lse[i]);
            r->x.g[at] += (gp_real)(d * (p - (k == r->label[i] ? 1 : 0)));
        }
    gp_reach(r->x);
}

gp_var gp_cross_entropy(gp_tape *t, gp_var logits, const uint32_t *label, size_t divisor)
{
    const size_t n = logits.rows, K = logits.cols;
    gp_var y = gp_tape_var(t, 1, 1, logits.g != NULL);
    double *lse = gp_arena_alloc_raw(gp_tape_arena(t), n, sizeof *lse);
    uint32_t *copy = gp_arena_alloc_raw(gp_tape_arena(t), n, sizeof *copy);
    if (!y.v) return y;
    if (!lse || !copy) {
        gp_tape_fail(t, GOPRO_E_NOMEM, "out of memory for a loss");
        return (gp_var){0};
    }
    memcpy(copy, label, n * sizeof *copy);
    double sum = 0;
    for (size_t i = 0; i < n; i++) {
        const gp_real *l = logits.v + i * K;
        double top = (double)l[0], z = 0;
        assert(label[i] < K);
        for (size_t k = 1; k < K; k++) top = fmax(top, (double)l[k]);
        for (size_t k = 0; k < K; k++) z += exp((double)l[k] - top);
        lse[i] = top + log(z);
        sum += lse[i] - (double)l[label[i]];
    }
    y.v[0] = (gp_real)(sum / (double)divisor);
    if (y.g) gp_tape_push(t, cross_entropy_bwd, y, &(ce_rec){logits, y, copy, lse, divisor}, sizeof(ce_rec));
    return y;
}
