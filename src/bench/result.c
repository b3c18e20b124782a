/* result.c - what the benchmarks have in common: the clock, the median, memory, the peak they are compared with.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>

#include "bench/subject.h"

#define PEAK_OUT     3072
#define PEAK_IN      768
#define PEAK_SECONDS 2.0

double gp_bench_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static int by_value(const void *a, const void *b)
{
    const double *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

double gp_bench_median(double *t, size_t n)
{
    qsort(t, n, sizeof *t, by_value);
    return n % 2 ? t[n / 2] : (t[n / 2 - 1] + t[n / 2]) / 2;
}

gopro_status gp_bench_finish(gp_bench_result *r, double *t, size_t n, gp_compute *c, gp_precision prec, gopro_error *err)
{
    struct rusage u;
    r->median_s = gp_bench_median(t, n);
    r->min_s = t[0];
    r->max_s = t[n - 1];
    getrusage(RUSAGE_SELF, &u);
    r->rss_mib = (double)u.ru_maxrss / 1024.0;
    GP_TRY(gp_bench_gemm(c, prec, PEAK_OUT, PEAK_IN, GP_ROW_BLOCK, false, PEAK_SECONDS, &r->peak_gflops, err));
    r->fraction = r->gflop / r->median_s / r->peak_gflops;
    return GOPRO_OK;
}

void gp_bench_describe(gp_bench_result *r, const gp_subject *s)
{
    r->method = s->method->name;
    r->title = s->method->title;
    r->arch = *gp_model_arch(s->model);
    r->classes = s->K;
    r->batch = s->B;
    r->M = s->setup.M;
}
