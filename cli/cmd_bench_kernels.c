/* cmd_bench_kernels.c - gopro bench kernels: every kernel on one core beside its plain reference.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "bench.h"
#include "bench/bench.h"
#include "bench/kernels.h"

#define ROUND_SECONDS 0.004 /* of calls of one kernel; the fastest call counts */

static void print(const gp_bench_kernels *k, const double peak[2], const gp_compute *c)
{
    printf("one core, kernels %s; peak of matrix products %.0f GFLOP/s in f32", c->k->name, peak[0]);
    if (peak[1] > 0.0) printf(", %.0f in bf16", peak[1]);
    printf("; memory %.1f GB/s\n%-30s %-30s %9s %9s %7s %8s %7s\n", k->copy_gbs, "kernel", "shape", "us", "plain us", "faster", "GFLOP/s",
           "GB/s");
    for (size_t i = 0; i < k->n; i++) {
        const gp_bench_kernel *e = &k->item[i];
        printf("%-30s %-30s %9.1f ", e->name, e->shape, e->us);
        if (e->ref_us > 0.0)
            printf("%9.0f %7.1f", e->ref_us, e->ref_us / e->us);
        else
            printf("%9s %7s", "-", "-");
        printf(" %8.1f %7.1f\n", 1e6 * e->gflop / e->us, 1e6 * e->gbyte / e->us);
    }
}

static json_t *as_json(const gp_bench_kernels *k, const double peak[2], const gp_compute *c)
{
    json_t *list = json_array();
    for (size_t i = 0; i < k->n; i++) {
        const gp_bench_kernel *e = &k->item[i];
        json_array_append_new(list, json_pack("{s:s,s:s,s:f,s:f,s:f,s:f,s:b}", "kernel", e->name, "shape", e->shape, "us", e->us,
                                              "plain_us", e->ref_us, "gflop", e->gflop, "gbyte", e->gbyte, "bf16", (int)e->bf16));
    }
    return json_pack("{s:s,s:s,s:f,s:f,s:f,s:o}", "what", "kernels", "kernels", c->k->name, "peak_f32_gflops", peak[0], "peak_bf16_gflops",
                     peak[1], "copy_gbs", k->copy_gbs, "items", list);
}

int bench_kernels(cli *c)
{
    gopro_error err = {0};
    gp_compute *compute = NULL;
    gp_bench_kernels k = {0};
    double peak[2] = {0};
    size_t repeats = 50;
    if (!bench_count(c, "repeats", &repeats, 1000)) return cli_usage(c, "--repeats is a whole number from 1 to 1000");
    const double limit = ROUND_SECONDS * (double)repeats;
    gopro_status st = gp_compute_create(&compute, 1, getenv("GOPRO_CPU"), &err);
    if (st == GOPRO_OK) st = gp_bench_kernels_run(compute, limit, &k, &err);
    for (int p = GP_F32; st == GOPRO_OK && p <= GP_BF16; p++) {
        st = gp_bench_gemm(compute, (gp_precision)p, 3072, 768, GP_ROW_BLOCK, false, 5 * limit, &peak[p], &err);
        if (st == GOPRO_E_UNSUPPORTED && p == GP_BF16) st = GOPRO_OK; /* the processor has none: 0 */
    }
    if (st == GOPRO_OK && c->json)
        bench_print_json(as_json(&k, peak, compute));
    else if (st == GOPRO_OK)
        print(&k, peak, compute);
    gp_bench_kernels_free(&k);
    gp_compute_free(&compute);
    return st == GOPRO_OK ? 0 : cli_fail(c, st, &err);
}
