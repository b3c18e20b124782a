/* gemm.c - the speed of packed matrix products.
 * SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdlib.h>

#include "bench/subject.h"

typedef struct gemm_job {
    gp_compute *c;
    gp_mat *m;
    gp_real **x, **y; /* of each worker */
    size_t rows;
    bool backward;
} gemm_job;

static void product(void *arg, size_t block, size_t worker)
{
    gemm_job *j = arg;
    (void)block;
    gp_scratch_reset(j->c, worker);
    if (j->backward)
        gp_mat_bwd(j->m, j->c, worker, j->y[worker], j->x[worker], j->rows, false);
    else
        gp_mat_fwd(j->m, j->c, worker, j->y[worker], j->x[worker], NULL, j->rows, false);
}

static size_t aligned(size_t bytes)
{
    return (bytes + GP_ALIGN - 1) / GP_ALIGN * GP_ALIGN;
}

gopro_status gp_bench_gemm(gp_compute *c, gp_precision prec, size_t out, size_t in, size_t rows, bool backward, double limit,
                           double *gflops, gopro_error *err)
{
    const size_t n = gp_pool_size(c->pool), from = backward ? out : in, to = backward ? in : out;
    const size_t rounds = gp_max_size(n, 64 / n * n * GP_ROW_BLOCK / rows);
    gp_real *w = calloc(out * in, sizeof *w);
    gemm_job j = {c, NULL, calloc(n, sizeof *j.x), calloc(n, sizeof *j.y), rows, backward};
    gopro_status st = w && j.x && j.y ? GOPRO_OK : gp_fail_nomem(err, out * in * sizeof *w, "the GEMM benchmark");
    for (size_t i = 0; i < n && st == GOPRO_OK; i++) {
        j.x[i] = aligned_alloc(GP_ALIGN, aligned(rows * from * sizeof(gp_real)));
        j.y[i] = aligned_alloc(GP_ALIGN, aligned(rows * to * sizeof(gp_real)));
        if (!j.x[i] || !j.y[i]) st = gp_fail_nomem(err, rows * (from + to) * sizeof(gp_real), "the GEMM benchmark");
        for (size_t k = 0; st == GOPRO_OK && k < rows * from; k++) j.x[i][k] = (gp_real)1e-3 * (gp_real)(k % 17);
    }
    for (size_t k = 0; st == GOPRO_OK && k < out * in; k++) w[k] = (gp_real)1e-2 * (gp_real)(k % 13);
    if (st == GOPRO_OK) st = gp_mat_create(&j.m, c, w, out, in, prec, backward ? GP_MAT_BWD : GP_MAT_FWD, err);
    *gflops = 0.0;
    for (double t0 = gp_bench_seconds(); st == GOPRO_OK && gp_bench_seconds() - t0 < limit;) {
        const double t = gp_bench_seconds();
        gp_parallel_for(c->pool, rounds, product, &j);
        *gflops = fmax(*gflops, 2e-9 * (double)(rounds * rows) * (double)out * (double)in / (gp_bench_seconds() - t));
    }
    if (st == GOPRO_OK) st = gp_compute_check(c, err);
    gp_mat_free(&j.m);
    for (size_t i = 0; i < n; i++) {
        if (j.x) free(j.x[i]);
        if (j.y) free(j.y[i]);
    }
    free(j.x);
    free(j.y);
    free(w);
    return st;
}
