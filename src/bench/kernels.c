/* kernels.c - see kernels.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "bench/kernels.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "bench/subject.h"
#include "kernels/bf16.h"

#define ROWS        128 /* of the blocks that a GOPro step at ViT-B/16 has, 148 */
#define WIDTH       768
#define HIDDEN      (4 * WIDTH)
#define COPY_BYTES  ((size_t)64 << 20)
#define COPY_ROUNDS 8 /* at least: the first ones wait for pages */
#define MAX_ITEMS   32

typedef struct job {
    gp_compute *c;
    const gp_kernels *k;
    gp_mat *m;
    gp_act act;
    size_t n;
    gp_real *x, *y, *z, *stat, *scratch; /* [ROWS, HIDDEN] or more, all of them */
    uint16_t *h, *ho;
    gp_attn a;
    gp_attn_grad g;
    gp_seg *seg;
} job;

typedef void job_fn(job *j);

static void f_norm(job *j)
{
    j->k->layernorm_fwd(j->y, j->stat, j->stat + ROWS, j->x, j->z, j->z + WIDTH, (gp_real)1e-5, ROWS, WIDTH);
}
static void f_norm_half(job *j)
{
    j->k->layernorm_half(j->ho, j->stat, j->stat + ROWS, j->x, j->z, j->z + WIDTH, (gp_real)1e-5, ROWS, WIDTH);
}
static void f_norm_bwd(job *j)
{
    j->k->layernorm_bwd(j->y, NULL, NULL, j->x, j->x, j->z, j->stat, j->stat + ROWS, ROWS, WIDTH);
}
static void f_act(job *j)
{
    j->k->act_fwd[j->act](j->y, j->x, j->n);
}
static void f_act_half(job *j)
{
    j->k->act_half[j->act](j->ho, j->x, j->n);
}
static void f_act_bwd(job *j)
{
    j->k->act_bwd[j->act](j->y, j->z, j->x, j->n);
}
static void f_act_bwd_half(job *j)
{
    j->k->act_bwd_half[j->act](j->ho, j->z, j->x, j->n);
}
static void f_stats(job *j)
{
    j->k->row_stats(j->y, j->y + WIDTH, j->x, ROWS, WIDTH);
}
static void f_add(job *j)
{
    j->k->add(j->y, j->x, (size_t)ROWS * WIDTH);
}
static void f_attention(job *j)
{
    j->k->attention_fwd(&j->a, j->scratch);
}
static void f_attention_half(job *j)
{
    j->k->attention_fwd_half(&j->a, j->scratch);
}
static void f_attention_bwd(job *j)
{
    j->k->attention_bwd(&j->a, &j->g, j->scratch);
}
static void f_product(job *j)
{
    gp_mat_fwd(j->m, j->c, 0, j->y, j->x, NULL, ROWS, false);
}
static void f_product_half(job *j)
{
    gp_mat_fwd_rows(j->m, j->c, 0, (gp_operand){.h = j->ho}, (gp_operand){.h = j->h}, NULL, ROWS, false);
}

/* Seconds of one call: the least of the rounds that fit into `limit`, at least one. */
static double time_of(job_fn *fn, job *j, double limit)
{
    double best = HUGE_VAL;
    fn(j);
    const double t0 = gp_bench_seconds();
    do {
        const double t = gp_bench_seconds();
        fn(j);
        best = fmin(best, gp_bench_seconds() - t);
    } while (gp_bench_seconds() - t0 < limit);
    return best;
}

typedef struct run {
    gp_bench_kernels *out;
    job *j;
    double limit;
} run;

static void measure(const run *r, const char *name, const char *shape, job_fn *fn, bool has_ref, double flop, double bytes, bool bf16)
{
    gp_bench_kernel *k = &r->out->item[r->out->n++];
    *k = (gp_bench_kernel){.name = name, .shape = shape, .gflop = 1e-9 * flop, .gbyte = 1e-9 * bytes, .bf16 = bf16};
    r->j->k = r->j->c->k;
    k->us = 1e6 * time_of(fn, r->j, r->limit);
    if (!has_ref) return;
    r->j->k = &gp_kernels_ref;
    k->ref_us = 1e6 * time_of(fn, r->j, r->limit / 2);
}

static void rows(const run *r)
{
    const double n = (double)ROWS * WIDTH, f = (double)ROWS * HIDDEN;
    static const char *const wide = "128 x 768", *const hidden = "128 x 3072";
    measure(r, "layer norm", wide, f_norm, true, 8 * n, 8 * n, false);
    measure(r, "layer norm into bf16", wide, f_norm_half, true, 8 * n, 6 * n, true);
    measure(r, "layer norm backward", wide, f_norm_bwd, true, 14 * n, 16 * n, false);
    measure(r, "statistics", wide, f_stats, true, 4 * n, 4 * n, false);
    measure(r, "residual sum", wide, f_add, true, n, 12 * n, false);
    r->j->n = (size_t)ROWS * HIDDEN;
    static const char *const name[GP_N_ACT][4] = {
        {"QuickGELU", "QuickGELU into bf16", "QuickGELU backward", "QuickGELU backward into bf16"},
        {"GELU", "GELU into bf16", "GELU backward", "GELU backward into bf16"}};
    for (int a = 0; a < GP_N_ACT; a++) {
        const double work = a == GP_ACT_QUICKGELU ? 16 : 28;
        r->j->act = (gp_act)a;
        measure(r, name[a][0], hidden, f_act, true, work * f, 8 * f, false);
        measure(r, name[a][1], hidden, f_act_half, true, work * f, 6 * f, true);
        measure(r, name[a][2], hidden, f_act_bwd, true, (work + 4) * f, 16 * f, false);
        measure(r, name[a][3], hidden, f_act_bwd_half, true, (work + 4) * f, 10 * f, true);
    }
}

/* n segments of nq queries, n_own keys and a prefix of n_pre keys that all of them see. */
static void shape(job *j, size_t n, uint32_t n_own, uint32_t n_pre, size_t width, size_t heads, bool causal)
{
    const size_t ld = 3 * width, prefix = n * n_own * ld;
    for (uint32_t i = 0; i < n; i++) j->seg[i] = (gp_seg){.q = i * n_own, .nq = n_own, .kv = i * n_own, .n = n_own, .n_pre = n_pre};
    j->a = (gp_attn){
        .width = width, .heads = heads, .causal = causal, .seg = j->seg, .n_seg = n, .ldq = ld, .ldkv = ld, .ldp = ld, .ldo = width};
    j->a.q = j->x;
    j->a.k = j->x + width;
    j->a.v = j->x + 2 * width;
    j->a.pk = j->x + prefix + width;
    j->a.pv = j->x + prefix + 2 * width;
    j->a.o = j->y;
    j->a.hq = j->h;
    j->a.hk = j->h + width;
    j->a.hv = j->h + 2 * width;
    j->a.hpk = j->h + prefix + width;
    j->a.hpv = j->h + prefix + 2 * width;
    j->a.ho = j->ho;
    j->g = (gp_attn_grad){.dout = j->z,
                          .lddo = width,
                          .dq = j->y,
                          .lddq = ld,
                          .dk = j->y + width,
                          .dv = j->y + 2 * width,
                          .lddkv = ld,
                          .dpk = j->y + prefix + width,
                          .dpv = j->y + prefix + 2 * width,
                          .lddp = ld};
}

enum { IMAGE = 197, CLASSES = 50, NAME = 4, PREFIX = 5, TEXT_WIDTH = 512 };

static void attention(const run *r)
{
    /* A product of queries and keys, one of probabilities and values, and about 16 for each softmax entry. */
    const double pairs = (double)IMAGE * IMAGE, image = pairs * (4 * WIDTH + 16 * 12), rows_i = (double)IMAGE * WIDTH;
    shape(r->j, 1, IMAGE, 0, WIDTH, 12, false);
    measure(r, "attention of an image", "197 x 197, 12 heads", f_attention, true, image, 16 * rows_i, false);
    measure(r, "attention of an image, bf16", "197 x 197, 12 heads", f_attention_half, true, image, 8 * rows_i, true);
    const double keys = PREFIX * NAME + NAME * (NAME + 1) / 2.0, work = CLASSES * keys * (4 * TEXT_WIDTH + 16 * 8);
    const double rows_t = (double)(CLASSES * NAME + PREFIX) * TEXT_WIDTH;
    static const char *const names = "50 names of 4 tokens after 5";
    shape(r->j, CLASSES, NAME, PREFIX, TEXT_WIDTH, 8, true);
    measure(r, "attention of names", names, f_attention, true, work, 16 * rows_t, false);
    measure(r, "attention of names, bf16", names, f_attention_half, true, work, 8 * rows_t, true);
    measure(r, "attention of names, backward", names, f_attention_bwd, true, CLASSES * keys * (10 * TEXT_WIDTH + 24 * 8), 44 * rows_t,
            false);
}

static gopro_status products(const run *r, gopro_error *err)
{
    static const struct {
        const char *shape;
        size_t out, in;
    } layer[] = {{"128 x 768 -> 2304", 3 * WIDTH, WIDTH}, {"128 x 768 -> 3072", HIDDEN, WIDTH}, {"128 x 3072 -> 768", WIDTH, HIDDEN}};
    gp_real *w = malloc((size_t)HIDDEN * WIDTH * sizeof *w);
    if (!w) return gp_fail_nomem(err, (size_t)HIDDEN * WIDTH * sizeof *w, "the benchmark of kernels");
    for (size_t i = 0; i < (size_t)HIDDEN * WIDTH; i++) w[i] = (gp_real)1e-2 * (gp_real)(i % 13);
    gopro_status st = GOPRO_OK;
    for (size_t i = 0; i < 2 * GP_COUNT(layer) && st == GOPRO_OK; i++) {
        const size_t out = layer[i / 2].out, in = layer[i / 2].in;
        const gp_precision p = i % 2 ? GP_BF16 : GP_F32;
        st = gp_mat_create(&r->j->m, r->j->c, w, out, in, p, GP_MAT_FWD, err);
        if (st == GOPRO_E_UNSUPPORTED && p == GP_BF16) { /* a processor without: the row is left out */
            st = GOPRO_OK;
            continue;
        }
        if (st != GOPRO_OK) break;
        const bool half = gp_mat_half(r->j->m, r->j->c);
        const double n = (double)out * (double)in, xy = (double)ROWS * (double)(out + in);
        measure(r, p == GP_BF16 ? "product, bf16" : "product", layer[i / 2].shape, half ? f_product_half : f_product, false, 2 * ROWS * n,
                (half ? 2 : 4) * (n + xy), p == GP_BF16);
        gp_mat_free(&r->j->m);
    }
    free(w);
    return st == GOPRO_OK ? gp_compute_check(r->j->c, err) : st;
}

static gopro_status copy_speed(gp_bench_kernels *k, double limit, gopro_error *err)
{
    char *from = malloc(COPY_BYTES), *to = malloc(COPY_BYTES);
    if (from && to) {
        double best = 0.0;
        memset(from, 1, COPY_BYTES);
        memset(to, 2, COPY_BYTES);
        const double t0 = gp_bench_seconds();
        for (int i = 0; i < COPY_ROUNDS || gp_bench_seconds() - t0 < limit; i++) {
            const double t = gp_bench_seconds();
            memcpy(to, from, COPY_BYTES);
            best = fmax(best, 2e-9 * (double)COPY_BYTES / (gp_bench_seconds() - t));
        }
        k->copy_gbs = best;
    }
    const bool ok = from && to;
    free(from);
    free(to);
    return ok ? GOPRO_OK : gp_fail_nomem(err, 2 * COPY_BYTES, "the benchmark of memory");
}

static gp_real *numbers(size_t n, uint64_t seed)
{
    gp_real *p = aligned_alloc(GP_ALIGN, (n * sizeof *p + GP_ALIGN - 1) / GP_ALIGN * GP_ALIGN);
    gp_rng g = gp_rng_make(seed, GP_RNG_TEST, n, 0);
    for (size_t i = 0; p && i < n; i++) p[i] = (gp_real)gp_rng_range(&g, -1.0, 1.0);
    return p;
}

gopro_status gp_bench_kernels_run(gp_compute *c, double limit, gp_bench_kernels *k, gopro_error *err)
{
    /* The largest: q, k and v of an image or of the names, the hidden layer. */
    const size_t n = 2 * (size_t)IMAGE * 3 * WIDTH;
    job j = {.c = c};
    *k = (gp_bench_kernels){.item = calloc(MAX_ITEMS, sizeof *k->item)};
    j.x = numbers(n, 1);
    j.y = numbers(n, 2);
    j.z = numbers(n, 3);
    j.stat = numbers(2 * ROWS, 4);
    j.scratch = numbers(gp_attn_scratch(WIDTH, 12, IMAGE, IMAGE), 5);
    j.h = malloc(n * sizeof *j.h);
    j.ho = malloc(n * sizeof *j.ho);
    j.seg = calloc(CLASSES, sizeof *j.seg);
    gopro_status st = k->item && j.x && j.y && j.z && j.stat && j.scratch && j.h && j.ho && j.seg
                          ? GOPRO_OK
                          : gp_fail_nomem(err, 5 * n * sizeof(gp_real), "the benchmark of kernels");
    const run r = {k, &j, limit};
    if (st == GOPRO_OK) {
        for (size_t i = 0; i < n; i++) j.h[i] = gp_bf16_from((float)j.x[i]);
        st = products(&r, err);
    }
    if (st == GOPRO_OK) {
        rows(&r);
        attention(&r);
        st = copy_speed(k, limit, err);
    }
    void *all[] = {j.x, j.y, j.z, j.stat, j.scratch, j.h, j.ho, j.seg};
    for (size_t i = 0; i < GP_COUNT(all); i++) free(all[i]);
    if (st != GOPRO_OK) gp_bench_kernels_free(k);
    return st;
}

void gp_bench_kernels_free(gp_bench_kernels *k)
{
    free(k->item);
    *k = (gp_bench_kernels){0};
}
