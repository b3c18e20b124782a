/* tsne_affinity.c - conditional probabilities of a given perplexity, made symmetric; the start from principal components.
 * SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "eval/tsne_int.h"

void gp_affinity_free(gp_affinity *a)
{
    free(a->dense);
    free(a->start);
    free(a->col);
    free(a->p);
    *a = (gp_affinity){0};
}

#define LANES 8

/* Squared distance; eight sums, added in a fixed order. */
static double distance2(const float *a, const float *b, size_t d)
{
    double s[LANES] = {0};
    size_t c = 0;
    for (; c + LANES <= d; c += LANES)
        for (size_t k = 0; k < LANES; k++) {
            double t = (double)a[c + k] - (double)b[c + k];
            s[k] += t * t;
        }
    for (; c < d; c++) {
        double t = (double)a[c] - (double)b[c];
        s[0] += t * t;
    }
    return ((s[0] + s[1]) + (s[2] + s[3])) + ((s[4] + s[5]) + (s[6] + s[7]));
}

/* p_j|i over n squared distances with entropy ln(perplexity), by bisection on the precision; d2 becomes p. */
static void conditional(double *d2, size_t n, double perplexity)
{
    double lo = 0.0, hi = HUGE_VAL, beta = 1.0, least = HUGE_VAL, most = 0.0, want = log(perplexity);
    for (size_t j = 0; j < n; j++) least = fmin(least, d2[j]);
    for (size_t j = 0; j < n; j++) most = fmax(most, d2[j] -= least);
    if (!(most > 0.0)) { /* all at the same distance */
        for (size_t j = 0; j < n; j++) d2[j] = 1.0 / (double)n;
        return;
    }
    beta = 1.0 / most;
    for (int i = 0; i < 200; i++) {
        double sum = 0.0, weighted = 0.0;
        for (size_t j = 0; j < n; j++) {
            double e = exp(-beta * d2[j]);
            sum += e;
            weighted += e * d2[j];
        }
        double entropy = log(sum) + beta * weighted / sum;
        if (fabs(entropy - want) < 1e-10) break;
        if (entropy > want)
            lo = beta;
        else
            hi = beta;
        double next = isinf(hi) ? 2.0 * beta : 0.5 * (lo + hi);
        if (!(next > lo && next < hi)) break;
        beta = next;
    }
    double sum = 0.0;
    for (size_t j = 0; j < n; j++) sum += d2[j] = exp(-beta * d2[j]);
    for (size_t j = 0; j < n; j++) d2[j] /= sum;
}

typedef struct near {
    double d2;
    uint32_t j;
} near;

typedef struct job {
    gp_affinity *a;
    const float *x;
    size_t d, k; /* neighbours of each point */
    double perplexity;
    near *neighbour; /* [n, k], sorted by index after its block */
    near *all;       /* [workers, n] */
} job;

static int nearer(const void *a, const void *b)
{
    const near *x = a, *y = b;
    if (x->d2 < y->d2 || x->d2 > y->d2) return x->d2 < y->d2 ? -1 : 1;
    return x->j < y->j ? -1 : x->j > y->j;
}

static int by_index(const void *a, const void *b)
{
    const near *x = a, *y = b;
    return x->j < y->j ? -1 : x->j > y->j;
}

static void dense_block(void *arg, size_t block, size_t worker)
{
    const job *s = arg;
    size_t n = s->a->n, first = block * GP_TSNE_BLOCK, end = gp_min_size(n, first + GP_TSNE_BLOCK);
    (void)worker;
    for (size_t i = first; i < end; i++) {
        double *row = s->a->dense + i * n;
        size_t k = 0;
        for (size_t j = 0; j < n; j++)
            if (j != i) row[k++] = distance2(s->x + i * s->d, s->x + j * s->d, s->d);
        conditional(row, n - 1, s->perplexity);
        memmove(row + i + 1, row + i, (n - 1 - i) * sizeof *row);
        row[i] = 0.0;
    }
}

static void sparse_block(void *arg, size_t block, size_t worker)
{
    const job *s = arg;
    size_t n = s->a->n, first = block * GP_TSNE_BLOCK, end = gp_min_size(n, first + GP_TSNE_BLOCK);
    near *all = s->all + worker * n;
    double p[1024];
    for (size_t i = first; i < end; i++) {
        size_t k = 0;
        for (size_t j = 0; j < n; j++)
            if (j != i) all[k++] = (near){distance2(s->x + i * s->d, s->x + j * s->d, s->d), (uint32_t)j};
        qsort(all, k, sizeof *all, nearer);
        for (size_t j = 0; j < s->k; j++) p[j] = all[j].d2;
        conditional(p, s->k, s->perplexity);
        for (size_t j = 0; j < s->k; j++) all[j].d2 = p[j];
        qsort(all, s->k, sizeof *all, by_index);
        memcpy(s->neighbour + i * s->k, all, s->k * sizeof *all);
    }
}

static void symmetric_dense(gp_affinity *a)
{
    size_t n = a->n;
    for (size_t i = 0; i < n; i++)
        for (size_t j = i + 1; j < n; j++) {
            double v = (a->dense[i * n + j] + a->dense[j * n + i]) / (2.0 * (double)n);
            a->dense[i * n + j] = a->dense[j * n + i] = v;
            if (v > 0.0) a->plogp += 2.0 * v * log(v);
        }
}

/* p_ij = (p_j|i + p_i|j) / 2n over the union of both neighbourhoods. */
static gopro_status symmetric_sparse(gp_affinity *a, const near *nb, size_t k, gopro_error *err)
{
    size_t n = a->n, total = 0;
    a->start = calloc(n + 2, sizeof *a->start);
    a->col = malloc(2 * n * k * sizeof *a->col);
    a->p = malloc(2 * n * k * sizeof *a->p);
    size_t *in = calloc(n + 2, sizeof *in);    /* who names i as a neighbour: [in[i], in[i + 1]) of from */
    near *from = malloc(n * k * sizeof *from); /* ascending, as they are entered in order */
    gopro_status st = a->start && a->col && a->p && in && from ? GOPRO_OK : gp_fail_nomem(err, 4 * n * k * sizeof *a->p, "affinities");
    if (st != GOPRO_OK) goto out;
    for (size_t e = 0; e < n * k; e++) in[nb[e].j + 2]++;
    for (size_t i = 2; i < n + 2; i++) in[i] += in[i - 1];
    for (size_t e = 0; e < n * k; e++) from[in[nb[e].j + 1]++] = (near){nb[e].d2, (uint32_t)(e / k)};
    for (size_t i = 0; i < n; i++) {
        const near *x = nb + i * k, *x_end = x + k, *y = from + in[i], *y_end = from + in[i + 1];
        while (x < x_end || y < y_end) {
            bool take_x = y == y_end || (x < x_end && x->j <= y->j), take_y = x == x_end || (y < y_end && y->j <= x->j);
            a->col[total] = take_x ? x->j : y->j;
            double v = ((take_x ? x->d2 : 0.0) + (take_y ? y->d2 : 0.0)) / (2.0 * (double)n);
            a->p[total++] = v;
            if (v > 0.0) a->plogp += v * log(v);
            x += take_x;
            y += take_y;
        }
        a->start[i + 1] = total;
    }
out:
    free(in);
    free(from);
    return st;
}

gopro_status gp_affinity_make(gp_affinity *a, const float *x, size_t n, size_t d, double perplexity, size_t neighbours, gp_pool *pool,
                              gopro_error *err)
{
    size_t blocks = (n + GP_TSNE_BLOCK - 1) / GP_TSNE_BLOCK, bytes;
    gopro_status st = GOPRO_OK;
    *a = (gp_affinity){.n = n, .effective = fmin(perplexity, (double)(n - 1) / 3.0)};
    job s = {.a = a, .x = x, .d = d, .k = gp_min_size(neighbours, n - 1), .perplexity = a->effective};
    if (s.k > 1024) s.k = 1024;
    if (neighbours == 0) {
        if (gp_mul_size(&bytes, n * sizeof *a->dense, n)) a->dense = malloc(bytes);
        if (!a->dense) return gp_fail_nomem(err, n * n * sizeof *a->dense, "affinities");
        gp_parallel_for(pool, blocks, dense_block, &s);
        symmetric_dense(a);
        return GOPRO_OK;
    }
    s.neighbour = malloc(n * s.k * sizeof *s.neighbour);
    s.all = malloc(gp_pool_size(pool) * n * sizeof *s.all);
    if (!s.neighbour || !s.all) {
        st = gp_fail_nomem(err, n * s.k * sizeof *s.neighbour, "affinities");
    } else {
        gp_parallel_for(pool, blocks, sparse_block, &s);
        st = symmetric_sparse(a, s.neighbour, s.k, err);
    }
    free(s.neighbour);
    free(s.all);
    if (st != GOPRO_OK) gp_affinity_free(a);
    return st;
}

/* ---- start ---- */

enum { N_VECTORS = 4, POWER_STEPS = 200 }; /* two wanted, two that keep the third component out */

typedef struct power {
    const float *x;
    const double *mean, *v; /* [d], [N_VECTORS, d] */
    double *u;              /* [n, N_VECTORS]: centred x times v */
    size_t n, d;
} power;

static void project_block(void *arg, size_t block, size_t worker)
{
    const power *s = arg;
    size_t first = block * GP_TSNE_BLOCK, end = gp_min_size(s->n, first + GP_TSNE_BLOCK);
    (void)worker;
    for (size_t i = first; i < end; i++)
        for (size_t k = 0; k < N_VECTORS; k++) {
            const float *x = s->x + i * s->d;
            double sum = 0.0;
            for (size_t c = 0; c < s->d; c++) sum += ((double)x[c] - s->mean[c]) * s->v[k * s->d + c];
            s->u[i * N_VECTORS + k] = sum;
        }
}

/* Gram-Schmidt, twice for accuracy; a vector that vanishes stays zero. */
static void orthonormal(double *v, size_t d)
{
    for (size_t k = 0; k < N_VECTORS; k++)
        for (int twice = 0; twice < 2; twice++) {
            double *a = v + k * d, norm = 0.0;
            for (size_t j = 0; j < k; j++) {
                double dot = 0.0;
                for (size_t c = 0; c < d; c++) dot += a[c] * v[j * d + c];
                for (size_t c = 0; c < d; c++) a[c] -= dot * v[j * d + c];
            }
            for (size_t c = 0; c < d; c++) norm += a[c] * a[c];
            double r = norm > 1e-200 ? 1.0 / sqrt(norm) : 0.0;
            for (size_t c = 0; c < d; c++) a[c] *= r;
        }
}

static void transpose_product(double *v, const power *s)
{
    memset(v, 0, N_VECTORS * s->d * sizeof *v);
    for (size_t i = 0; i < s->n; i++)
        for (size_t k = 0; k < N_VECTORS; k++) {
            const float *x = s->x + i * s->d;
            double f = s->u[i * N_VECTORS + k];
            for (size_t c = 0; c < s->d; c++) v[k * s->d + c] += f * ((double)x[c] - s->mean[c]);
        }
}

/* The sign of a component is free: its largest entry is made positive. */
static double sign_of(const double *v, size_t d)
{
    double best = 0.0;
    for (size_t c = 0; c < d; c++)
        if (fabs(v[c]) > fabs(best)) best = v[c];
    return best < 0.0 ? -1.0 : 1.0;
}

gopro_status gp_tsne_start(double *y, const float *x, size_t n, size_t d, uint64_t seed, gp_pool *pool, gopro_error *err)
{
    double *mean = calloc(d, sizeof *mean), *v = malloc(N_VECTORS * d * sizeof *v), *u = malloc(n * N_VECTORS * sizeof *u), sd = 0.0;
    power s = {.x = x, .mean = mean, .v = v, .u = u, .n = n, .d = d};
    gp_rng r = gp_rng_make(seed, GP_RNG_TSNE, 0, 0);
    gopro_status st = mean && v && u ? GOPRO_OK : gp_fail_nomem(err, n * N_VECTORS * sizeof *u, "principal components");
    if (st != GOPRO_OK) goto out;
    for (size_t i = 0; i < n; i++)
        for (size_t c = 0; c < d; c++) mean[c] += (double)x[i * d + c] / (double)n;
    for (size_t i = 0; i < N_VECTORS * d; i++) v[i] = gp_rng_normal(&r);
    orthonormal(v, d);
    for (int step = 0; step < POWER_STEPS; step++) {
        gp_parallel_for(pool, (n + GP_TSNE_BLOCK - 1) / GP_TSNE_BLOCK, project_block, &s);
        transpose_product(v, &s);
        orthonormal(v, d);
    }
    gp_parallel_for(pool, (n + GP_TSNE_BLOCK - 1) / GP_TSNE_BLOCK, project_block, &s);
    double sign[2] = {sign_of(v, d), sign_of(v + d, d)};
    for (size_t i = 0; i < n; i++) sd += u[i * N_VECTORS] * u[i * N_VECTORS] / (double)n;
    sd = sqrt(sd);
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < 2; k++) /* without any spread the start is random */
            y[2 * i + k] = sd > 1e-12 ? sign[k] * u[i * N_VECTORS + k] / sd * 1e-4 : 1e-4 * gp_rng_normal(&r);
out:
    free(mean);
    free(v);
    free(u);
    return st;
}
