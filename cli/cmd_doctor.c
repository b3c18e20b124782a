/* cmd_doctor.c - gopro doctor: what the program found on this machine, and how fast it multiplies.
 * SPDX-License-Identifier: Apache-2.0 */
#include <jansson.h>
#include <stdlib.h>

#include "bench/bench.h"
#include "cli.h"

/* GFLOP/s of packed products; 0 if the machine cannot. */
static double measure(gp_compute *c, gp_precision prec)
{
    enum { OUT = 512, IN = 512 };
    gopro_error err;
    double best;
    return gp_bench_gemm(c, prec, OUT, IN, GP_ROW_BLOCK, false, 0.3, &best, &err) == GOPRO_OK ? best : 0.0;
}

int cmd_doctor(cli *c)
{
    gopro_error err = {0};
    gp_compute *compute = NULL;
    gopro_status st = gp_compute_create(&compute, 0, getenv("GOPRO_CPU"), &err);
    if (st != GOPRO_OK) return cli_fail(c, st, &err);
    double f32 = measure(compute, GP_F32), bf16 = measure(compute, GP_BF16);
    const char *gemm = compute->plain_gemm ? "plain C" : "oneDNN";
    if (c->json) {
        json_t *j = json_pack("{s:s,s:s,s:s,s:I,s:f,s:f}", "version", gopro_version(), "kernels", compute->k->name, "gemm", gemm, "threads",
                              (json_int_t)gp_pool_size(compute->pool), "f32_gflops", f32, "bf16_gflops", bf16);
        char *text = json_dumps(j, JSON_INDENT(2));
        if (text) puts(text);
        free(text);
        json_decref(j);
    } else {
        printf("gopro %s\nkernels          %s\nmatrix products  %s\nthreads          %zu\nf32 peak         %.0f GFLOP/s\n", gopro_version(),
               compute->k->name, gemm, gp_pool_size(compute->pool), f32);
        if (bf16 > 0.0)
            printf("bf16 peak        %.0f GFLOP/s\n", bf16);
        else
            printf("bf16             not on this machine\n");
    }
    gp_compute_free(&compute);
    return 0;
}
