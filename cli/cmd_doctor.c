/* cmd_doctor.c - gopro doctor: what the program found on this machine, and how fast it multiplies.
 * SPDX-License-Identifier: Apache-2.0 */
#include <jansson.h>
#include <stdlib.h>
#include <time.h>

#include "cli.h"
#include "kernels/gemm.h"

enum { ROWS = GP_ROW_BLOCK, OUT = 512, IN = 512, BLOCKS = 8 };

typedef struct speed {
    gp_compute *c;
    gp_mat *m;
    gp_real *x, *y;
} speed;

static double now(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (double)ts.tv_sec + 1e-9 * (double)ts.tv_nsec;
}

static void block(void *arg, size_t b, size_t worker)
{
    speed *s = arg;
    gp_scratch_reset(s->c, worker);
    gp_mat_fwd(s->m, s->c, worker, s->y + b * ROWS * OUT, s->x + b * ROWS * IN, NULL, ROWS, false);
}

/* GFLOP/s of packed products; 0 if the machine cannot. */
static double measure(gp_compute *c, gp_precision prec)
{
    gopro_error err;
    speed s = {.c = c};
    gp_real *w = calloc((size_t)OUT * IN, sizeof *w);
    s.x = calloc((size_t)BLOCKS * ROWS * IN, sizeof *s.x);
    s.y = calloc((size_t)BLOCKS * ROWS * OUT, sizeof *s.y);
    double best = 0.0;
    if (w && s.x && s.y) {
        for (size_t i = 0; i < (size_t)OUT * IN; i++) w[i] = (gp_real)(i % 7) * (gp_real)0.1;
        for (size_t i = 0; i < (size_t)BLOCKS * ROWS * IN; i++) s.x[i] = (gp_real)(i % 5) * (gp_real)0.1;
    }
    if (w && s.x && s.y && gp_mat_create(&s.m, c, w, OUT, IN, prec, GP_MAT_FWD, &err) == GOPRO_OK) {
        gp_parallel_for(c->pool, BLOCKS, block, &s);
        for (double end = now() + 0.3; now() < end;) {
            double t0 = now();
            for (int i = 0; i < 4; i++) gp_parallel_for(c->pool, BLOCKS, block, &s);
            double g = 4.0 * 2.0 * BLOCKS * ROWS * (double)OUT * IN / (now() - t0) * 1e-9;
            if (g > best) best = g;
        }
        if (gp_compute_check(c, &err) != GOPRO_OK) best = 0.0;
    }
    gp_mat_free(&s.m);
    free(w);
    free(s.x);
    free(s.y);
    return best;
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
