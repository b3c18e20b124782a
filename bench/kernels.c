/* kernels.c - timings of the matrix products and of the row kernels: kernels [threads] [ref|avx2|avx512|avx512_bf16]
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/rng.h"
#include "kernels/gemm.h"

#define MIN_SECONDS 0.2

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static gp_real *numbers(size_t n)
{
    gp_real *p = aligned_alloc(64, (n * sizeof *p + 63) / 64 * 64);
    gp_rng r = gp_rng_make(1, GP_RNG_TEST, n, 0);
    if (!p) exit(1);
    for (size_t i = 0; i < n; i++) p[i] = (gp_real)gp_rng_range(&r, -1.0, 1.0);
    return p;
}

/* Seconds of one call of fn(arg). */
static double seconds(void (*fn)(void *), void *arg)
{
    fn(arg);
    size_t n = 0;
    const double start = now();
    double t;
    do {
        fn(arg);
        n++;
        t = now() - start;
    } while (t < MIN_SECONDS);
    return t / (double)n;
}

typedef struct job {
    gp_compute *c;
    gp_mat *m;
    gp_precision prec;
    size_t rows, out, in;
    bool bwd;
    gp_real *x, *y, *w, *g, *b, *stat, *scratch;
    gp_attn a;
    gp_attn_grad grad;
} job;

static void mat_block(void *arg, size_t first, size_t n, size_t worker)
{
    const job *j = arg;
    if (j->bwd)
        gp_mat_bwd(j->m, j->c, worker, j->x + first * j->in, j->y + first * j->out, n, false);
    else
        gp_mat_fwd(j->m, j->c, worker, j->y + first * j->out, j->x + first * j->in, j->b, n, false);
}

static void run_mat(void *arg)
{
    job *j = arg;
    gp_parallel_rows(j->c, j->rows, mat_block, j);
}

static void run_repack(void *arg)
{
    job *j = arg;
    gp_mat_repack(j->m, j->c, 0);
}

static void run_dw(void *arg)
{
    job *j = arg;
    gp_gemm_dw(j->c, j->prec, j->w, j->y, j->x, j->rows, j->out, j->in);
}

static void products(gp_compute *c)
{
    static const size_t shapes[][3] = {{8192, 512, 128}, {8192, 128, 512}, {8192, 384, 128},
                                       {8192, 128, 128}, {4096, 512, 512}, {3072, 2048, 512}};
    for (int p = 0; p < 2; p++)
        for (size_t s = 0; s < GP_COUNT(shapes); s++) {
            job j = {.c = c, .prec = (gp_precision)p, .rows = shapes[s][0], .out = shapes[s][1], .in = shapes[s][2]};
            gopro_error err;
            j.x = numbers(j.rows * j.in);
            j.y = numbers(j.rows * j.out);
            j.w = numbers(j.out * j.in);
            j.b = numbers(j.out);
            if (gp_mat_create(&j.m, c, j.w, j.out, j.in, j.prec, GP_MAT_FWD | GP_MAT_BWD, &err) != GOPRO_OK) {
                printf("%s\n", err.msg);
                exit(1);
            }
            const double flop = 2.0 * (double)j.rows * (double)j.out * (double)j.in * 1e-9, fwd = seconds(run_mat, &j);
            j.bwd = true;
            const double bwd = seconds(run_mat, &j), dw = seconds(run_dw, &j), pack = seconds(run_repack, &j);
            printf("%s rows %5zu out %4zu in %4zu: fwd %6.0f  bwd %6.0f  dw %6.0f GFLOP/s  repack %.2f ns/weight\n", p ? "bf16" : "f32 ",
                   j.rows, j.out, j.in, flop / fwd, flop / bwd, flop / dw, 1e9 * pack / (double)(j.out * j.in));
            gp_mat_free(&j.m);
            free(j.x);
            free(j.y);
            free(j.w);
            free(j.b);
        }
}

static void run_ln_fwd(void *arg)
{
    job *j = arg;
    j->c->k->layernorm_fwd(j->y, j->stat, j->stat + j->rows, j->x, j->g, j->b, (gp_real)1e-5, j->rows, j->in);
}

static void run_ln_bwd(void *arg)
{
    job *j = arg;
    j->c->k->layernorm_bwd(j->y, NULL, NULL, j->x, j->x, j->g, j->stat, j->stat + j->rows, j->rows, j->in);
}

static void run_act_fwd(void *arg)
{
    job *j = arg;
    j->c->k->act_fwd[j->out](j->y, j->x, j->rows * j->in);
}

static void run_act_bwd(void *arg)
{
    job *j = arg;
    j->c->k->act_bwd[j->out](j->y, j->x, j->x, j->rows * j->in);
}

static void run_stats(void *arg)
{
    job *j = arg;
    j->c->k->row_stats(j->g, j->b, j->x, j->rows, j->in);
}

static void run_sum(void *arg)
{
    job *j = arg;
    j->c->k->sum_rows(j->g, j->x, j->rows, j->in);
}

static void rows(gp_compute *c)
{
    static const struct {
        const char *name;
        void (*fn)(void *);
        size_t kind;
    } cases[] = {{"layernorm_fwd", run_ln_fwd, 0},
                 {"layernorm_bwd", run_ln_bwd, 0},
                 {"quickgelu_fwd", run_act_fwd, GP_ACT_QUICKGELU},
                 {"quickgelu_bwd", run_act_bwd, GP_ACT_QUICKGELU},
                 {"gelu_fwd", run_act_fwd, GP_ACT_GELU},
                 {"gelu_bwd", run_act_bwd, GP_ACT_GELU},
                 {"row_stats", run_stats, 0},
                 {"sum_rows", run_sum, 0}};
    for (size_t i = 0; i < GP_COUNT(cases); i++) {
        job j = {.c = c, .rows = 128, .in = 512, .out = cases[i].kind};
        j.x = numbers(j.rows * j.in);
        j.y = numbers(j.rows * j.in);
        j.g = numbers(j.in);
        j.b = numbers(j.in);
        j.stat = numbers(2 * j.rows);
        const double t = seconds(cases[i].fn, &j);
        printf("%-14s %6.0f ns/row of 512, %.2f ns/element\n", cases[i].name, 1e9 * t / (double)j.rows, 1e9 * t / (double)(j.rows * j.in));
        free(j.x);
        free(j.y);
        free(j.g);
        free(j.b);
        free(j.stat);
    }
}

static void run_attn_fwd(void *arg)
{
    job *j = arg;
    j->c->k->attention_fwd(&j->a, j->scratch);
}

static void run_attn_bwd(void *arg)
{
    job *j = arg;
    j->c->k->attention_bwd(&j->a, &j->grad, j->scratch);
}

/* n_seg segments of nq queries and n own keys after n_pre prefix keys. */
static void attention(gp_compute *c, const char *name, uint32_t n_seg, uint32_t nq, uint32_t n, uint32_t n_pre, size_t width, size_t heads,
                      bool causal)
{
    gp_seg *seg = calloc(n_seg, sizeof *seg);
    if (!seg) exit(1);
    for (uint32_t i = 0; i < n_seg; i++) seg[i] = (gp_seg){i * nq, nq, i * n, n, 0, n_pre};
    const size_t ld = 3 * width, q_rows = (size_t)n_seg * nq, kv_rows = (size_t)n_seg * n, all = (q_rows > kv_rows ? q_rows : kv_rows) * ld;
    job j = {.c = c};
    j.x = numbers(all);
    j.y = numbers(all);
    j.g = numbers((size_t)(n_pre + 1) * ld);
    j.b = numbers((size_t)(n_pre + 1) * ld);
    j.w = numbers(q_rows * width);
    j.scratch = numbers(gp_attn_scratch(width, heads, (size_t)n + n_pre, nq));
    j.a = (gp_attn){.width = width,
                    .heads = heads,
                    .causal = causal,
                    .seg = seg,
                    .n_seg = n_seg,
                    .q = j.x,
                    .ldq = ld,
                    .k = j.x + width,
                    .v = j.x + 2 * width,
                    .ldkv = ld,
                    .pk = j.g,
                    .pv = j.g + width,
                    .ldp = ld,
                    .o = j.w,
                    .ldo = width};
    j.grad = (gp_attn_grad){.dout = j.w,
                            .lddo = width,
                            .dq = j.y,
                            .lddq = ld,
                            .dk = j.y + width,
                            .dv = j.y + 2 * width,
                            .lddkv = ld,
                            .dpk = n_pre ? j.b : NULL,
                            .dpv = n_pre ? j.b + width : NULL,
                            .lddp = ld};
    const double flop = 4.0 * (double)q_rows * (double)(n + n_pre) * (double)width * 1e-9;
    const double fwd = seconds(run_attn_fwd, &j), bwd = seconds(run_attn_bwd, &j);
    printf("attention %-28s fwd %6.1f GFLOP/s, %6.2f us/segment; bwd %6.1f GFLOP/s, %6.2f us/segment\n", name, flop / fwd,
           1e6 * fwd / n_seg, 2.5 * flop / bwd, 1e6 * bwd / n_seg);
    free(seg);
    free(j.x);
    free(j.y);
    free(j.g);
    free(j.b);
    free(j.w);
    free(j.scratch);
}

int main(int argc, char **argv)
{
    gp_compute *c;
    gopro_error err;
    if (gp_compute_create(&c, argc > 1 ? (size_t)atoi(argv[1]) : 1, argc > 2 ? argv[2] : NULL, &err) != GOPRO_OK) {
        printf("%s\n", err.msg);
        return 1;
    }
    printf("%s, %zu threads\n", c->k->name, gp_pool_size(c->pool));
    if (!c->plain_gemm) products(c);
    rows(c);
    attention(c, "17x17, 4 heads of 32", 256, 17, 17, 0, 128, 4, false);
    attention(c, "65x65, 4 heads of 32", 64, 65, 65, 0, 128, 4, false);
    attention(c, "197x197, 12 heads of 64", 2, 197, 197, 0, 768, 12, false);
    attention(c, "5 queries, 5+5 keys, 8 of 64", 200, 5, 5, 5, 512, 8, true);
    gp_compute_free(&c);
    return 0;
}
