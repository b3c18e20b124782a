/* test_tsne.c - t-SNE: the gradient against finite differences, Barnes-Hut against the exact sums, clusters, perplexity, threads.
 * SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "eval/tsne_int.h"

static gp_pool *pool_of(size_t threads)
{
    gp_pool *p = NULL;
    assert_int_equal(gp_pool_create(&p, threads, NULL), GOPRO_OK);
    return p;
}

/* Points around `clusters` centres far apart. */
static float *points(size_t n, size_t d, size_t clusters, double spread, uint64_t seed)
{
    float *x = malloc(n * d * sizeof *x);
    for (size_t i = 0; i < n; i++) {
        gp_rng r = gp_rng_make(seed, GP_RNG_TEST, i, 0), c = gp_rng_make(seed, GP_RNG_TEST, i % clusters, 1);
        for (size_t k = 0; k < d; k++) x[i * d + k] = (float)(gp_rng_normal(&c) + spread * gp_rng_normal(&r));
    }
    return x;
}

static void layout(double *y, size_t n, double scale, uint64_t seed)
{
    gp_rng r = gp_rng_make(seed, GP_RNG_TEST, 7, 7);
    for (size_t i = 0; i < 2 * n; i++) y[i] = scale * gp_rng_normal(&r);
}

static double divergence(const gp_affinity *a, const double *y, double theta, gp_tsne_work *w, gp_pool *pool)
{
    double *g = malloc(2 * a->n * sizeof *g), kl = 0.0;
    assert_int_equal(gp_tsne_gradient(g, &kl, a, y, 1.0, theta, w, pool, NULL), GOPRO_OK);
    free(g);
    return kl;
}

/* neighbours 0: dense; else sparse with theta 0, which is exact in the repulsion too */
static void finite_differences(size_t n, size_t neighbours, double scale)
{
    gp_pool *pool = pool_of(2);
    float *x = points(n, 6, 3, 0.5, 3);
    double *y = malloc(2 * n * sizeof *y), *g = malloc(2 * n * sizeof *g), kl, largest = 0.0;
    gp_affinity a;
    gp_tsne_work w;
    layout(y, n, scale, 5);
    assert_int_equal(gp_affinity_make(&a, x, n, 6, 8.0, neighbours, pool, NULL), GOPRO_OK);
    assert_int_equal(gp_tsne_work_make(&w, n, NULL), GOPRO_OK);
    assert_int_equal(gp_tsne_gradient(g, &kl, &a, y, 1.0, 0.0, &w, pool, NULL), GOPRO_OK);
    for (size_t i = 0; i < 2 * n; i++) largest = fmax(largest, fabs(g[i]));
    for (size_t i = 0; i < 2 * n; i++) {
        double h = 1e-4 * scale, keep = y[i];
        y[i] = keep + h;
        double up = divergence(&a, y, 0.0, &w, pool);
        y[i] = keep - h;
        double down = divergence(&a, y, 0.0, &w, pool);
        y[i] = keep;
        if (fabs((up - down) / (2.0 * h) - g[i]) > 1e-6 * largest)
            fail_msg("coordinate %zu: %.12g by differences, %.12g by formula", i, (up - down) / (2.0 * h), g[i]);
    }
    gp_tsne_work_free(&w);
    gp_affinity_free(&a);
    free(x);
    free(y);
    free(g);
    gp_pool_free(&pool);
}

static void gradient_is_that_of_the_divergence(void **state)
{
    (void)state;
    finite_differences(37, 0, 1.0);
    finite_differences(64, 0, 10.0);
    finite_differences(41, 24, 1.0);
}

/* Rows sum to the perplexity asked for; the whole is symmetric and sums to 1. */
static void affinities_have_the_perplexity(void **state)
{
    (void)state;
    enum { N = 120 };
    gp_pool *pool = pool_of(2);
    float *x = points(N, 5, 4, 1.0, 9);
    gp_affinity a, b;
    assert_int_equal(gp_affinity_make(&a, x, N, 5, 15.0, 0, pool, NULL), GOPRO_OK);
    double sum = 0.0;
    for (size_t i = 0; i < N; i++)
        for (size_t j = 0; j < N; j++) {
            sum += a.dense[i * N + j];
            assert_true(!(a.dense[i * N + j] < a.dense[j * N + i]) && !(a.dense[i * N + j] > a.dense[j * N + i]));
        }
    assert_true(fabs(sum - 1.0) < 1e-12);
    /* Two far groups of 5 points on one another: no precision goes below the 4 of the own group, and they count equally. */
    float two[20];
    for (size_t i = 0; i < 10; i++) {
        two[2 * i] = i < 5 ? 0.0F : 100.0F;
        two[2 * i + 1] = 0.0F;
    }
    assert_int_equal(gp_affinity_make(&b, two, 10, 2, 3.0, 0, pool, NULL), GOPRO_OK);
    for (size_t i = 0; i < 10; i++)
        for (size_t j = 0; j < 10; j++)
            if (i != j && (i < 5) == (j < 5)) assert_true(fabs(b.dense[i * 10 + j] - 1.0 / 40.0) < 1e-3);
    gp_affinity_free(&b);
    /* Sparse with all neighbours is the dense one. */
    assert_int_equal(gp_affinity_make(&b, x, N, 5, 15.0, N - 1, pool, NULL), GOPRO_OK);
    for (size_t i = 0; i < N; i++) {
        assert_int_equal(b.start[i + 1] - b.start[i], N - 1);
        for (size_t e = b.start[i]; e < b.start[i + 1]; e++) assert_true(fabs(b.p[e] - a.dense[i * N + b.col[e]]) < 1e-14);
    }
    gp_affinity_free(&a);
    gp_affinity_free(&b);
    free(x);
    gp_pool_free(&pool);
}

static void row_entropy_is_exact(void **state)
{
    (void)state;
    enum { N = 200 };
    gp_pool *pool = pool_of(1);
    /* On a ring every point sees the same distances, so the joint rows are the conditional ones over n. */
    float x[2 * N];
    for (size_t i = 0; i < N; i++) {
        x[2 * i] = (float)cos(2.0 * M_PI * (double)i / N);
        x[2 * i + 1] = (float)sin(2.0 * M_PI * (double)i / N);
    }
    gp_affinity a;
    assert_int_equal(gp_affinity_make(&a, x, N, 2, 30.0, 0, pool, NULL), GOPRO_OK);
    for (size_t i = 0; i < N; i += 17) {
        double h = 0.0;
        for (size_t j = 0; j < N; j++) {
            double p = a.dense[i * N + j] * N;
            if (p > 0.0) h -= p * log(p);
        }
        assert_true(fabs(exp(h) - 30.0) < 1e-2);
    }
    gp_affinity_free(&a);
    gp_pool_free(&pool);
}

static void compare_gradients(size_t n, double theta, double tolerance, bool twins)
{
    gp_pool *pool = pool_of(2);
    float *x = points(n, 4, 5, 0.7, 21);
    double *y = malloc(2 * n * sizeof *y), *g = malloc(2 * n * sizeof *g), *e = malloc(2 * n * sizeof *e), kg, ke, d2 = 0.0, n2 = 0.0;
    gp_affinity sparse, dense;
    gp_tsne_work w;
    layout(y, n, 8.0, 22);
    if (twins) /* points on one another, more than a leaf holds */
        for (size_t i = 0; i < 40; i++) memcpy(y + 2 * i, y, 2 * sizeof *y);
    assert_int_equal(gp_affinity_make(&sparse, x, n, 4, 10.0, 30, pool, NULL), GOPRO_OK);
    dense = (gp_affinity){.n = n, .dense = calloc(n * n, sizeof(double)), .plogp = sparse.plogp};
    for (size_t i = 0; i < n; i++)
        for (size_t k = sparse.start[i]; k < sparse.start[i + 1]; k++) dense.dense[i * n + sparse.col[k]] = sparse.p[k];
    assert_int_equal(gp_tsne_work_make(&w, n, NULL), GOPRO_OK);
    assert_int_equal(gp_tsne_gradient(g, &kg, &sparse, y, 2.0, theta, &w, pool, NULL), GOPRO_OK);
    assert_int_equal(gp_tsne_gradient(e, &ke, &dense, y, 2.0, 0.0, &w, pool, NULL), GOPRO_OK);
    for (size_t i = 0; i < 2 * n; i++) {
        d2 += (g[i] - e[i]) * (g[i] - e[i]);
        n2 += e[i] * e[i];
    }
    if (!(sqrt(d2 / n2) < tolerance)) fail_msg("theta %g: the gradient is off by %g", theta, sqrt(d2 / n2));
    assert_true(fabs(kg - ke) < fmax(1e-10, tolerance * fabs(ke)));
    if (theta > 0.0 && !twins) assert_true(sqrt(d2 / n2) > 1e-9); /* cells were used */
    gp_tsne_work_free(&w);
    gp_affinity_free(&sparse);
    gp_affinity_free(&dense);
    free(x);
    free(y);
    free(g);
    free(e);
    gp_pool_free(&pool);
}

static void barnes_hut_agrees_with_exact(void **state)
{
    (void)state;
    compare_gradients(600, 0.0, 1e-11, false);
    compare_gradients(600, 0.5, 0.02, false);
    compare_gradients(3000, 0.5, 0.02, false);
    compare_gradients(600, 0.5, 0.02, true);
}

/* Share of points whose nearest neighbour in y has the same label. */
static double purity(const double *y, size_t n, size_t clusters)
{
    size_t good = 0;
    for (size_t i = 0; i < n; i++) {
        double best = HUGE_VAL;
        size_t at = 0;
        for (size_t j = 0; j < n; j++) {
            double dx = y[2 * i] - y[2 * j], dy = y[2 * i + 1] - y[2 * j + 1];
            if (j == i || dx * dx + dy * dy >= best) continue;
            best = dx * dx + dy * dy;
            at = j;
        }
        good += at % clusters == i % clusters;
    }
    return (double)good / (double)n;
}

static void clusters(size_t n, size_t exact_max)
{
    gp_pool *pool = pool_of(2);
    enum { D = 16, C = 5 };
    float *x = points(n, D, C, 0.2, 31);
    double *y = malloc(2 * n * sizeof *y), kl, score;
    uint32_t *label = malloc(n * sizeof *label);
    for (size_t i = 0; i < n; i++) label[i] = (uint32_t)(i % C);
    gp_tsne_config c = gp_tsne_defaults();
    c.exact_max = exact_max;
    assert_int_equal(gp_tsne(y, &kl, x, n, D, &c, pool, NULL, NULL), GOPRO_OK);
    assert_true(purity(y, n, C) > 0.999);
    assert_int_equal(gp_silhouette(&score, y, n, 2, label, pool, NULL), GOPRO_OK);
    assert_true(score > 0.6);
    assert_true(kl > 0.0 && kl < 3.0);
    free(x);
    free(y);
    free(label);
    gp_pool_free(&pool);
}

static void separated_clusters_stay_separated(void **state)
{
    (void)state;
    clusters(300, 2000);
    clusters(300, 100); /* Barnes-Hut */
}

static void same_bytes_for_any_threads(void **state)
{
    (void)state;
    enum { N = 230, D = 9 };
    float *x = points(N, D, 6, 0.8, 41);
    double first[2 * N], y[2 * N], kl0 = 0.0, kl;
    for (int exact = 0; exact < 2; exact++) {
        gp_tsne_config c = gp_tsne_defaults();
        c.iterations = 300;
        c.exact_max = exact ? 2000 : 50;
        for (size_t threads = 1; threads <= 4; threads++) {
            gp_pool *pool = pool_of(threads);
            assert_int_equal(gp_tsne(y, &kl, x, N, D, &c, pool, NULL, NULL), GOPRO_OK);
            if (threads == 1) {
                memcpy(first, y, sizeof y);
                kl0 = kl;
            }
            assert_memory_equal(first, y, sizeof y);
            assert_memory_equal(&kl0, &kl, sizeof kl);
            gp_pool_free(&pool);
        }
    }
    free(x);
}

/* The start: the two directions of largest variance, scaled. */
static void starts_from_principal_components(void **state)
{
    (void)state;
    enum { N = 400, D = 7 };
    gp_pool *pool = pool_of(2);
    float x[N * D];
    double y[2 * N], dot = 0.0, sd = 0.0, corr[2] = {0}, norm[2] = {0}, y2[2] = {0};
    const double scale[D] = {0.1, 5.0, 0.2, 3.0, 0.3, 0.1, 0.5};
    gp_rng r = gp_rng_make(1, GP_RNG_TEST, 0, 0);
    for (size_t i = 0; i < N * D; i++) x[i] = (float)(scale[i % D] * gp_rng_normal(&r) + 2.0);
    assert_int_equal(gp_tsne_start(y, x, N, D, 1, pool, NULL), GOPRO_OK);
    for (size_t i = 0; i < N; i++) {
        dot += y[2 * i] * y[2 * i + 1];
        sd += y[2 * i] * y[2 * i] / N;
        for (size_t k = 0; k < 2; k++) {
            double v = (double)x[i * D + (k ? 3 : 1)] - 2.0;
            corr[k] += v * y[2 * i + k];
            norm[k] += v * v;
            y2[k] += y[2 * i + k] * y[2 * i + k];
        }
    }
    assert_true(fabs(sqrt(sd) - 1e-4) < 1e-10);
    assert_true(fabs(dot) / sqrt(y2[0] * y2[1]) < 1e-6);
    for (size_t k = 0; k < 2; k++) assert_true(fabs(corr[k]) / sqrt(norm[k] * y2[k]) > 0.99);
    /* Points without any spread start at random, not on one another. */
    for (size_t i = 0; i < N * D; i++) x[i] = 1.0F;
    assert_int_equal(gp_tsne_start(y, x, N, D, 1, pool, NULL), GOPRO_OK);
    assert_true(fabs(y[0] - y[2]) > 0.0);
    gp_pool_free(&pool);
}

static void few_points(void **state)
{
    (void)state;
    gp_pool *pool = pool_of(1);
    gopro_error err = {0};
    float x[15] = {1, 0, 0, 0, 1, 0, 0, 0, 1, 1, 1, 0, 1, 0, 1};
    double y[10], kl;
    gp_tsne_config c = gp_tsne_defaults();
    assert_int_equal(gp_tsne(y, &kl, x, 3, 3, &c, pool, NULL, &err), GOPRO_E_INVALID);
    assert_non_null(strstr(err.msg, "at least 4"));
    assert_int_equal(gp_tsne(y, &kl, x, 5, 3, &c, pool, NULL, &err), GOPRO_OK);
    for (size_t i = 0; i < 10; i++) assert_true(isfinite(y[i]));
    gp_pool_free(&pool);
}

static void silhouette_by_hand(void **state)
{
    (void)state;
    gp_pool *pool = pool_of(2);
    double x[5] = {0.0, 1.0, 10.0, 12.0, 30.0}, score;
    uint32_t label[5] = {0, 0, 1, 1, 2};
    assert_int_equal(gp_silhouette(&score, x, 5, 1, label, pool, NULL), GOPRO_OK);
    /* a = 1, b = 11; 1, 10; 2, 9.5; 2, 11.5; alone */
    double want = (10.0 / 11.0 + 9.0 / 10.0 + 7.5 / 9.5 + 9.5 / 11.5 + 0.0) / 5.0;
    assert_true(fabs(score - want) < 1e-12);
    uint32_t one[5] = {0};
    assert_int_equal(gp_silhouette(&score, x, 5, 1, one, pool, NULL), GOPRO_OK);
    assert_true(isnan(score));
    gp_pool_free(&pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(gradient_is_that_of_the_divergence),
                                       cmocka_unit_test(affinities_have_the_perplexity),
                                       cmocka_unit_test(row_entropy_is_exact),
                                       cmocka_unit_test(barnes_hut_agrees_with_exact),
                                       cmocka_unit_test(separated_clusters_stay_separated),
                                       cmocka_unit_test(same_bytes_for_any_threads),
                                       cmocka_unit_test(starts_from_principal_components),
                                       cmocka_unit_test(few_points),
                                       cmocka_unit_test(silhouette_by_hand)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
