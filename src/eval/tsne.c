/* tsne.c - see tsne.h: gradients and the descent; the silhouette score.
 * SPDX-License-Identifier: Apache-2.0 */
#include "eval/tsne.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "eval/tsne_int.h"

#define LANES 8

gp_tsne_config gp_tsne_defaults(void)
{
    return (gp_tsne_config){.perplexity = 30.0,
                            .iterations = 1000,
                            .early = 250,
                            .exaggeration = 12.0,
                            .momentum = {0.5, 0.8},
                            .theta = 0.5,
                            .exact_max = 2000,
                            .seed = 1};
}

gopro_status gp_tsne_work_make(gp_tsne_work *w, size_t n, gopro_error *err)
{
    *w = (gp_tsne_work){.n = n};
    w->x = calloc(n + LANES, sizeof *w->x);
    w->y = calloc(n + LANES, sizeof *w->y);
    w->attract = calloc(2 * n, sizeof *w->attract);
    w->repel = calloc(2 * n, sizeof *w->repel);
    w->z = calloc(n, sizeof *w->z);
    w->kl = calloc(n, sizeof *w->kl);
    w->order = calloc(n, sizeof *w->order);
    w->spare = calloc(n, sizeof *w->spare);
    bool ok = w->x && w->y && w->attract && w->repel && w->z && w->kl && w->order && w->spare;
    if (!ok) gp_tsne_work_free(w);
    return ok ? GOPRO_OK : gp_fail_nomem(err, 9 * n * sizeof *w->x, "t-SNE");
}

void gp_tsne_work_free(gp_tsne_work *w)
{
    free(w->x);
    free(w->y);
    free(w->attract);
    free(w->repel);
    free(w->z);
    free(w->kl);
    free(w->order);
    free(w->spare);
    free(w->cell);
    *w = (gp_tsne_work){0};
}

/* ---- gradients ---- */

typedef struct pass {
    const gp_affinity *a;
    gp_tsne_work *w;
    double theta;
    bool want_kl;
} pass;

static double add_lanes(const double s[LANES])
{
    return ((s[0] + s[1]) + (s[2] + s[3])) + ((s[4] + s[5]) + (s[6] + s[7]));
}

/* One point against all, itself included: there the difference is 0 and q is 1. */
static void exact_point(const pass *s, size_t i)
{
    gp_tsne_work *w = s->w;
    size_t n = w->n, j = 0;
    const double *p = s->a->dense + i * n, *x = w->x, *y = w->y, xi = x[i], yi = y[i];
    double ax[LANES] = {0}, ay[LANES] = {0}, rx[LANES] = {0}, ry[LANES] = {0}, z[LANES] = {0};
    for (; j + LANES <= n; j += LANES)
        for (size_t k = 0; k < LANES; k++) {
            double dx = xi - x[j + k], dy = yi - y[j + k], q = 1.0 / (1.0 + dx * dx + dy * dy), pq = p[j + k] * q, qq = q * q;
            ax[k] += pq * dx;
            ay[k] += pq * dy;
            rx[k] += qq * dx;
            ry[k] += qq * dy;
            z[k] += q;
        }
    for (; j < n; j++) {
        double dx = xi - x[j], dy = yi - y[j], q = 1.0 / (1.0 + dx * dx + dy * dy), pq = p[j] * q, qq = q * q;
        ax[0] += pq * dx;
        ay[0] += pq * dy;
        rx[0] += qq * dx;
        ry[0] += qq * dy;
        z[0] += q;
    }
    w->attract[2 * i] = add_lanes(ax);
    w->attract[2 * i + 1] = add_lanes(ay);
    w->repel[2 * i] = add_lanes(rx);
    w->repel[2 * i + 1] = add_lanes(ry);
    w->z[i] = add_lanes(z) - 1.0;
}

/* Sum over j of p_ij ln(1 + |y_i - y_j|^2), the part of the divergence that Z does not cover. */
static double kl_of(const pass *s, size_t i)
{
    const gp_affinity *a = s->a;
    const gp_tsne_work *w = s->w;
    size_t first = a->dense ? i * a->n : a->start[i], n = a->dense ? a->n : a->start[i + 1] - first;
    double sum = 0.0;
    for (size_t e = 0; e < n; e++) {
        size_t j = a->dense ? e : a->col[first + e];
        double p = a->dense ? a->dense[first + e] : a->p[first + e], dx = w->x[i] - w->x[j], dy = w->y[i] - w->y[j];
        sum += p * log1p(dx * dx + dy * dy);
    }
    return sum;
}

static void sparse_attraction(const pass *s, size_t i)
{
    const gp_affinity *a = s->a;
    gp_tsne_work *w = s->w;
    double fx = 0.0, fy = 0.0;
    for (size_t e = a->start[i]; e < a->start[i + 1]; e++) {
        size_t j = a->col[e];
        double dx = w->x[i] - w->x[j], dy = w->y[i] - w->y[j], pq = a->p[e] / (1.0 + dx * dx + dy * dy);
        fx += pq * dx;
        fy += pq * dy;
    }
    w->attract[2 * i] = fx;
    w->attract[2 * i + 1] = fy;
}

static void gradient_block(void *arg, size_t block, size_t worker)
{
    const pass *s = arg;
    gp_tsne_work *w = s->w;
    size_t first = block * GP_TSNE_BLOCK, end = gp_min_size(w->n, first + GP_TSNE_BLOCK);
    (void)worker;
    for (size_t i = first; i < end; i++) {
        if (s->a->dense)
            exact_point(s, i);
        else
            sparse_attraction(s, i);
        if (!s->a->dense) gp_tree_repel(w->repel + 2 * i, &w->z[i], w, i, s->theta);
        if (s->want_kl) w->kl[i] = kl_of(s, i);
    }
}

gopro_status gp_tsne_gradient(double *g, double *kl, const gp_affinity *a, const double *y, double exaggeration, double theta,
                              gp_tsne_work *w, gp_pool *pool, gopro_error *err)
{
    size_t n = a->n;
    double z = 0.0;
    for (size_t i = 0; i < n; i++) {
        w->x[i] = y[2 * i];
        w->y[i] = y[2 * i + 1];
    }
    if (!a->dense) GP_TRY(gp_tree_build(w, err));
    pass s = {.a = a, .w = w, .theta = theta, .want_kl = kl != NULL};
    gp_parallel_for(pool, (n + GP_TSNE_BLOCK - 1) / GP_TSNE_BLOCK, gradient_block, &s);
    for (size_t i = 0; i < n; i++) z += w->z[i];
    for (size_t i = 0; i < 2 * n; i++) g[i] = 4.0 * (exaggeration * w->attract[i] - w->repel[i] / z);
    if (!kl) return GOPRO_OK;
    *kl = a->plogp + log(z);
    for (size_t i = 0; i < n; i++) *kl += w->kl[i];
    return GOPRO_OK;
}

/* ---- descent ---- */

typedef struct descent {
    double *g, *step, *gain; /* [2n] */
} descent;

static void centre(double *y, size_t n)
{
    double m[2] = {0.0, 0.0};
    for (size_t i = 0; i < 2 * n; i++) m[i % 2] += y[i] / (double)n;
    for (size_t i = 0; i < 2 * n; i++) y[i] -= m[i % 2];
}

/* Momentum with the gains of the original: larger while the direction holds, smaller when it turns. */
static void descend(double *y, descent *s, size_t n, double rate, double momentum)
{
    for (size_t i = 0; i < 2 * n; i++) {
        bool turned = (s->g[i] > 0.0) == (s->step[i] > 0.0);
        s->gain[i] = fmax(0.01, turned ? 0.8 * s->gain[i] : s->gain[i] + 0.2);
        s->step[i] = momentum * s->step[i] - rate * s->gain[i] * s->g[i];
        y[i] += s->step[i];
    }
    centre(y, n);
}

static gopro_status run(double *y, double *kl, const gp_affinity *a, const gp_tsne_config *c, descent *s, gp_tsne_work *work, gp_pool *pool,
                        const gp_watch *w, gopro_error *err)
{
    size_t n = a->n;
    double rate = c->rate > 0.0 ? c->rate : fmax((double)n / 48.0, 50.0), t0 = gp_seconds();
    for (size_t i = 0; i < 2 * n; i++) s->gain[i] = 1.0;
    for (size_t it = 0; it < c->iterations; it++) {
        bool early = it < c->early;
        if (w && gp_cancelled(&w->log)) return gp_fail(err, GOPRO_E_CANCELLED, "interrupted while computing t-SNE");
        GP_TRY(gp_tsne_gradient(s->g, NULL, a, y, early ? c->exaggeration : 1.0, c->theta, work, pool, err));
        descend(y, s, n, rate, c->momentum[early ? 0 : 1]);
        if ((it + 1) % 50 != 0) continue;
        gp_progress p = {.what = "t-SNE", .done = it + 1, .total = c->iterations};
        gp_watch_tell(w, &p, t0, 0, it + 1);
    }
    GP_TRY(gp_tsne_gradient(s->g, kl, a, y, 1.0, c->theta, work, pool, err));
    for (size_t i = 0; i < 2 * n; i++)
        if (!isfinite(y[i])) return gp_fail(err, GOPRO_E_NUMERIC, "t-SNE diverged; are the embeddings finite?");
    return GOPRO_OK;
}

gopro_status gp_tsne(double *y, double *kl, const float *x, size_t n, size_t d, const gp_tsne_config *c, gp_pool *pool, const gp_watch *w,
                     gopro_error *err)
{
    gp_affinity a = {0};
    gp_tsne_work work = {0};
    descent s = {0};
    gopro_status st;
    if (n < 4) return gp_fail(err, GOPRO_E_INVALID, "t-SNE needs at least 4 images, there are %zu", n);
    size_t neighbours = n > c->exact_max ? (size_t)(3.0 * c->perplexity) : 0;
    GP_CHECK(gp_affinity_make(&a, x, n, d, c->perplexity, neighbours, pool, err));
    GP_CHECK(gp_tsne_work_make(&work, n, err));
    GP_CHECK(gp_tsne_start(y, x, n, d, c->seed, pool, err));
    s = (descent){calloc(2 * n, sizeof *s.g), calloc(2 * n, sizeof *s.step), calloc(2 * n, sizeof *s.gain)};
    if (!s.g || !s.step || !s.gain) {
        st = gp_fail_nomem(err, 6 * n * sizeof *s.g, "t-SNE");
        goto out;
    }
    st = run(y, kl, &a, c, &s, &work, pool, w, err);
out:
    free(s.g);
    free(s.step);
    free(s.gain);
    gp_tsne_work_free(&work);
    gp_affinity_free(&a);
    return st;
}

/* ---- silhouette ---- */

typedef struct silhouette {
    const double *x;
    size_t n, d, K;
    const uint32_t *label;
    const size_t *count; /* [K] */
    double *sum;         /* [workers, K] */
    double *score;       /* [n] */
} silhouette;

static void silhouette_block(void *arg, size_t block, size_t worker)
{
    const silhouette *s = arg;
    size_t first = block * GP_TSNE_BLOCK, end = gp_min_size(s->n, first + GP_TSNE_BLOCK);
    double *sum = s->sum + worker * s->K;
    for (size_t i = first; i < end; i++) {
        size_t own = s->label[i];
        memset(sum, 0, s->K * sizeof *sum);
        for (size_t j = 0; j < s->n; j++) {
            double d2 = 0.0;
            for (size_t c = 0; c < s->d; c++) d2 += (s->x[i * s->d + c] - s->x[j * s->d + c]) * (s->x[i * s->d + c] - s->x[j * s->d + c]);
            sum[s->label[j]] += sqrt(d2);
        }
        double b = HUGE_VAL, a = s->count[own] > 1 ? sum[own] / (double)(s->count[own] - 1) : 0.0;
        for (size_t k = 0; k < s->K; k++)
            if (k != own && s->count[k] > 0) b = fmin(b, sum[k] / (double)s->count[k]);
        s->score[i] = s->count[own] > 1 && fmax(a, b) > 0.0 ? (b - a) / fmax(a, b) : 0.0;
    }
}

gopro_status gp_silhouette(double *score, const double *x, size_t n, size_t d, const uint32_t *label, gp_pool *pool, gopro_error *err)
{
    size_t K = 0, classes = 0;
    for (size_t i = 0; i < n; i++) K = gp_max_size(K, (size_t)label[i] + 1);
    size_t *count = calloc(K + 1, sizeof *count);
    silhouette s = {.x = x, .n = n, .d = d, .K = K, .label = label, .count = count};
    s.sum = calloc(gp_pool_size(pool) * (K + 1), sizeof *s.sum);
    s.score = calloc(n + 1, sizeof *s.score);
    gopro_status st = count && s.sum && s.score ? GOPRO_OK : gp_fail_nomem(err, n * sizeof *s.score, "silhouettes");
    *score = (double)NAN;
    for (size_t i = 0; st == GOPRO_OK && i < n; i++) classes += count[label[i]]++ == 0;
    if (st == GOPRO_OK && classes > 1) {
        gp_parallel_for(pool, (n + GP_TSNE_BLOCK - 1) / GP_TSNE_BLOCK, silhouette_block, &s);
        *score = 0.0;
        for (size_t i = 0; i < n; i++) *score += s.score[i] / (double)n;
    }
    free(count);
    free(s.sum);
    free(s.score);
    return st;
}
