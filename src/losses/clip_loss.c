/* clip_loss.c - the contrastive loss of pretraining and the fit of a logit scale.
 * SPDX-License-Identifier: Apache-2.0 */
#include "losses/clip_loss.h"

#include <math.h>
#include <string.h>

static gp_real unit_row(gp_real *y, const gp_real *x, size_t n)
{
    double sum = 0.0;
    for (size_t i = 0; i < n; i++) sum += (double)x[i] * (double)x[i];
    gp_real len = (gp_real)fmax(sqrt(sum), 1e-12);
    for (size_t i = 0; i < n; i++) y[i] = x[i] / len;
    return len;
}

void gp_clip_unit_rows(gp_real *x, size_t rows, size_t cols)
{
    for (size_t r = 0; r < rows; r++) unit_row(x + r * cols, x + r * cols, cols);
}

typedef struct side_job {
    const gp_clip_loss *l;
    const gp_real *s; /* scores [B, B] */
    gp_real *g;       /* (softmax - target) / 2B */
    double *loss, *hit;
    size_t B;
} side_job;

/* One row of a direction: -sum_j Y_j log softmax_j and its gradient. */
static void row_ce(void *arg, size_t i, size_t worker)
{
    side_job *j = arg;
    size_t B = j->B, equal = 0, arg_max = 0;
    const gp_real *s = j->s + i * B;
    gp_real *g = j->g + i * B;
    double sum = 0.0, loss = 0.0, base = j->l->smoothing / (double)B;
    const uint64_t *same = j->l->same;
    (void)worker;
    for (size_t k = 0; k < B; k++) {
        if (s[k] > s[arg_max]) arg_max = k;
        equal += same ? same[k] == same[i] : k == i;
    }
    double top = (double)s[arg_max], share = (1.0 - j->l->smoothing) / (double)equal;
    for (size_t k = 0; k < B; k++) sum += (double)(g[k] = (gp_real)exp((double)s[k] - top));
    double lse = top + log(sum);
    for (size_t k = 0; k < B; k++) {
        bool hit = same ? same[k] == same[i] : k == i;
        double y = base + (hit ? share : 0.0);
        if (y > 0.0) loss -= y * ((double)s[k] - lse);
        g[k] = (gp_real)(((double)g[k] / sum - y) / (2.0 * (double)B));
    }
    j->loss[i] = loss;
    j->hit[i] = same ? same[arg_max] == same[i] : arg_max == i;
}

/* dx = (dn - n <n, dn>) / len, added */
static void add_unit_bwd(gp_real *dx, const gp_real *dn, const gp_real *n, gp_real len, size_t cols)
{
    double d = 0.0;
    for (size_t i = 0; i < cols; i++) d += (double)n[i] * (double)dn[i];
    for (size_t i = 0; i < cols; i++) dx[i] += (dn[i] - n[i] * (gp_real)d) / len;
}

gopro_status gp_clip_loss_run(gp_clip_loss *l, gp_compute *c, gp_arena *a, gp_real *di, gp_real *dt, gp_real *dlog_scale, const gp_real *fi,
                              const gp_real *ft, gp_real log_scale, size_t B, size_t E, gopro_error *err)
{
    gp_arena_mark mark = gp_arena_mark_get(a);
    gp_real *ni = gp_arena_alloc_raw(a, B * E, sizeof *ni), *nt = gp_arena_alloc_raw(a, B * E, sizeof *nt);
    gp_real *li = gp_arena_alloc_raw(a, B, sizeof *li), *lt = gp_arena_alloc_raw(a, B, sizeof *lt);
    gp_real *s = gp_arena_alloc_raw(a, B * B, sizeof *s), *st = gp_arena_alloc_raw(a, B * B, sizeof *st);
    gp_real *g = gp_arena_alloc_raw(a, B * B, sizeof *g), *gt = gp_arena_alloc_raw(a, B * B, sizeof *gt);
    gp_real *dn = gp_arena_alloc_raw(a, B * E, sizeof *dn);
    double *loss = gp_arena_alloc(a, 4 * B, sizeof *loss);
    if (gp_arena_failed(a)) return gp_fail_nomem(err, 4 * B * B * sizeof *s, "the contrastive loss");
    for (size_t b = 0; b < B; b++) {
        li[b] = unit_row(ni + b * E, fi + b * E, E);
        lt[b] = unit_row(nt + b * E, ft + b * E, E);
    }
    gp_real scale = (gp_real)exp((double)log_scale);
    gp_gemm(c, false, true, B, B, E, scale, ni, E, nt, E, 0, s, B);
    for (size_t b = 0; b < B; b++)
        for (size_t k = 0; k < B; k++) st[b * B + k] = s[k * B + b];
    side_job ji = {l, s, g, loss, loss + B, B}, jt = {l, st, gt, loss + 2 * B, loss + 3 * B, B};
    gp_parallel_for(c->pool, B, row_ce, &ji);
    gp_parallel_for(c->pool, B, row_ce, &jt);
    l->loss = l->accuracy = 0.0;
    double dls = 0.0;
    for (size_t b = 0; b < B; b++) {
        l->loss += (loss[b] + loss[2 * B + b]) / (2.0 * (double)B);
        l->accuracy += 100.0 * loss[B + b] / (double)B;
        for (size_t k = 0; k < B; k++) {
            g[b * B + k] += gt[k * B + b];
            dls += (double)g[b * B + k] * (double)s[b * B + k];
        }
    }
    *dlog_scale += (gp_real)dls;
    gp_gemm(c, false, false, B, E, B, scale, g, B, nt, E, 0, dn, E);
    for (size_t b = 0; b < B; b++) add_unit_bwd(di + b * E, dn + b * E, ni + b * E, li[b], E);
    gp_gemm(c, true, false, B, E, B, scale, g, B, ni, E, 0, dn, E);
    for (size_t b = 0; b < B; b++) add_unit_bwd(dt + b * E, dn + b * E, nt + b * E, lt[b], E);
    gp_arena_pop(a, mark);
    return GOPRO_OK;
}

double gp_clip_group_loss(const gp_real *cosine, size_t n, size_t K, double s, double *accuracy)
{
    double total = 0.0, hits = 0.0;
    for (size_t i = 0; i < n; i++) {
        const gp_real *x = cosine + i * K;
        size_t best = 0;
        double sum = 0.0;
        for (size_t k = 1; k < K; k++)
            if (x[k] > x[best]) best = k;
        for (size_t k = 0; k < K; k++) sum += exp(s * ((double)x[k] - (double)x[best]));
        total += log(sum) + s * ((double)x[best] - (double)x[i % K]);
        hits += best == i % K;
    }
    if (accuracy) *accuracy = 100.0 * hits / (double)n;
    return total / (double)n;
}

double gp_clip_fit_scale(const gp_real *cosine, size_t n, size_t K)
{
    const double ratio = 0.6180339887498949;
    double lo = log(0.1), hi = log(200.0);
    double a = hi - ratio * (hi - lo), b = lo + ratio * (hi - lo);
    double fa = gp_clip_group_loss(cosine, n, K, exp(a), NULL), fb = gp_clip_group_loss(cosine, n, K, exp(b), NULL);
    while (hi - lo > 1e-4) {
        if (fa < fb) {
            hi = b, b = a, fb = fa, a = hi - ratio * (hi - lo);
            fa = gp_clip_group_loss(cosine, n, K, exp(a), NULL);
        } else {
            lo = a, a = b, fa = fb, b = lo + ratio * (hi - lo);
            fb = gp_clip_group_loss(cosine, n, K, exp(b), NULL);
        }
    }
    return exp(0.5 * (lo + hi));
}
