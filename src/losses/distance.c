/* distance.c - how far apart two sets of text features are (METHODS 3.7 step 6, 3.8).
 * SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <math.h>

#include "losses/losses.h"

#define SMALLEST_DISTANCE 1e-12

typedef struct pair_rec {
    gp_var a, b, y;
    size_t divisor;
} pair_rec;

static double row_distance(const gp_real *a, const gp_real *b, size_t n)
{
    double sum = 0;
    for (size_t j = 0; j < n; j++) sum += ((double)a[j] - (double)b[j]) * ((double)a[j] - (double)b[j]);
    return sqrt(sum);
}

/* with d = a - b: da += dy d/||d||/divisor, db -= the same; nothing where ||d|| < 1e-12 */
static void l2_distance_bwd(gp_tape *t, const void *record)
{
    const pair_rec *r = record;
    const size_t cols = r->a.cols;
    (void)t;
    for (size_t i = 0; i < r->a.rows; i++) {
        const gp_real *a = r->a.v + i * cols, *b = r->b.v + i * cols;
        const double dist = row_distance(a, b, cols);
        if (dist < SMALLEST_DISTANCE) continue;
        const double f = (double)r->y.g[0] / (dist * (double)r->divisor);
        for (size_t j = 0; j < cols; j++) {
            const gp_real d = (gp_real)(f * ((double)a[j] - (double)b[j]));
            if (r->a.g) r->a.g[i * cols + j] += d;
            if (r->b.g) r->b.g[i * cols + j] -= d;
        }
    }
    gp_reach(r->a);
    gp_reach(r->b);
}

gp_var gp_l2_distance(gp_tape *t, gp_var a, gp_var b, size_t divisor)
{
    gp_var y = gp_tape_var(t, 1, 1, a.g || b.g);
    if (!y.v) return y;
    assert(a.rows == b.rows && a.cols == b.cols);
    double sum = 0;
    for (size_t i = 0; i < a.rows; i++) {
        const double d = row_distance(a.v + i * a.cols, b.v + i * a.cols, a.cols);
        if (!(d < SMALLEST_DISTANCE)) sum += d;
    }
    y.v[0] = (gp_real)(sum / (double)divisor);
    if (y.g) gp_tape_push(t, l2_distance_bwd, y, &(pair_rec){a, b, y, divisor}, sizeof(pair_rec));
    return y;
}

/* da += dy 2 (a - b)/divisor, db -= the same */
static void mse_bwd(gp_tape *t, const void *record)
{
    const pair_rec *r = record;
    const double f = 2 * (double)r->y.g[0] / (double)r->divisor;
    (void)t;
    for (size_t i = 0; i < r->a.rows * r->a.cols; i++) {
        const gp_real d = (gp_real)(f * ((double)r->a.v[i] - (double)r->b.v[i]));
        if (r->a.g) r->a.g[i] += d;
        if (r->b.g) r->b.g[i] -= d;
    }
    gp_reach(r->a);
    gp_reach(r->b);
}

gp_var gp_mse(gp_tape *t, gp_var a, gp_var b, size_t divisor)
{
    gp_var y = gp_tape_var(t, 1, 1, a.g || b.g);
    if (!y.v) return y;
    assert(a.rows == b.rows && a.cols == b.cols);
    double sum = 0;
    for (size_t i = 0; i < a.rows * a.cols; i++) sum += ((double)a.v[i] - (double)b.v[i]) * ((double)a.v[i] - (double)b.v[i]);
    y.v[0] = (gp_real)(sum / (double)divisor);
    if (y.g) gp_tape_push(t, mse_bwd, y, &(pair_rec){a, b, y, divisor}, sizeof(pair_rec));
    return y;
}
