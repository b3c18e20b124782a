/* bench.c - times a training step and the GEMM peak in one run.
 * SPDX-License-Identifier: Apache-2.0 */
#include "train/bench.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "base/rng.h"
#include "methods/method.h"

static double seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

gp_clip_arch gp_bench_vit_b16(void)
{
    return (gp_clip_arch){.v = {768, 12, 12, 3072, GP_ACT_QUICKGELU, 1e-5},
                          .t = {512, 12, 8, 2048, GP_ACT_QUICKGELU, 1e-5},
                          .image = 224,
                          .patch = 16,
                          .context = 77,
                          .vocab = 49408,
                          .embed = 512,
                          .sot = 49406,
                          .eot = 49407,
                          .mean = {0.5f, 0.5f, 0.5f},
                          .std = {0.25f, 0.25f, 0.25f}};
}

typedef struct gemm_job {
    gp_compute *c;
    gp_mat *m;
    gp_real **x, **y;
} gemm_job;

static void gemm_block(void *arg, size_t block, size_t worker)
{
    gemm_job *j = arg;
    (void)block;
    gp_scratch_reset(j->c, worker);
    gp_mat_fwd(j->m, j->c, worker, j->y[worker], j->x[worker], NULL, GP_ROW_BLOCK, false);
}

gopro_status gp_bench_gemm(gp_compute *c, gp_precision prec, size_t out, size_t in, double limit, double *gflops, gopro_error *err)
{
    size_t n = gp_pool_size(c->pool);
    gp_real *w = calloc(out * in, sizeof *w);
    gemm_job j = {c, NULL, calloc(n, sizeof *j.x), calloc(n, sizeof *j.y)};
    gopro_status st = w && j.x && j.y ? GOPRO_OK : gp_fail_nomem(err, out * in * sizeof *w, "the GEMM benchmark");
    for (size_t i = 0; i < n && st == GOPRO_OK; i++) {
        j.x[i] = aligned_alloc(GP_ALIGN, GP_ROW_BLOCK * in * sizeof(gp_real));
        j.y[i] = aligned_alloc(GP_ALIGN, GP_ROW_BLOCK * out * sizeof(gp_real));
        if (!j.x[i] || !j.y[i]) st = gp_fail_nomem(err, GP_ROW_BLOCK * in * sizeof(gp_real), "the GEMM benchmark");
        for (size_t k = 0; st == GOPRO_OK && k < GP_ROW_BLOCK * in; k++) j.x[i][k] = (gp_real)1e-3 * (gp_real)(k % 17);
    }
    if (st == GOPRO_OK) st = gp_mat_create(&j.m, c, w, out, in, prec, GP_MAT_FWD, err);
    *gflops = 0.0;
    for (double t0 = seconds(); st == GOPRO_OK && seconds() - t0 < limit;) {
        enum { ROUNDS = 64 };
        double t = seconds();
        gp_parallel_for(c->pool, ROUNDS, gemm_block, &j);
        *gflops = fmax(*gflops, 2e-9 * ROUNDS * GP_ROW_BLOCK * (double)out * (double)in / (seconds() - t));
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

typedef struct bench {
    const gp_bench_config *b;
    gp_model *model;
    gp_params *params;
    gp_text_plan *plan;
    gp_tape *tape;
    gp_setup setup;
    const gp_method *method;
    float *pixels[GP_MAX_VIEWS];
    uint32_t *label;
} bench;

static gopro_status make_plan(bench *s, gopro_error *err)
{
    const gp_bench_config *b = s->b;
    size_t n = s->setup.M + b->name_tokens + 3;
    uint32_t *ids = calloc(b->classes * n, sizeof *ids);
    gp_prompt *prompt = calloc(b->classes, sizeof *prompt);
    gopro_status st = ids && prompt ? GOPRO_OK : gp_fail_nomem(err, b->classes * n * sizeof *ids, "the prompts");
    gp_rng r = gp_rng_make(1, GP_RNG_TEST, 1, 0);
    for (size_t k = 0; st == GOPRO_OK && k < b->classes; k++) {
        uint32_t *id = ids + k * n;
        id[0] = b->arch.sot;
        for (size_t i = 1; i < n - 1; i++) id[i] = gp_rng_below(&r, b->arch.sot);
        id[n - 1] = b->arch.eot;
        prompt[k] = (gp_prompt){id, n, b->name_tokens};
    }
    if (st == GOPRO_OK) st = gp_text_plan_create(&s->plan, s->model, prompt, b->classes, s->setup.M, GP_POS_END, err);
    free(ids);
    free(prompt);
    return st;
}

static gopro_status one_step(bench *s, double *loss, gopro_error *err)
{
    const gp_bench_config *b = s->b;
    gp_tape_mark mark = gp_tape_mark_get(s->tape);
    bool stats[GP_MAX_VIEWS] = {true, true, true};
    const float *px[GP_MAX_VIEWS] = {s->pixels[0], s->pixels[1], s->pixels[2]};
    gp_step step = {.setup = &s->setup,
                    .p = s->params,
                    .plan = s->plan,
                    .K = b->classes,
                    .B = b->batch,
                    .label = s->label,
                    .training = true,
                    .logit_scale = gp_model_logit_scale(s->model)};
    GP_TRY(gp_step_features(s->model, gp_tape_arena(s->tape), step.view, px, b->batch, stats, err));
    step.logits = gp_arena_alloc(gp_tape_arena(s->tape), b->batch * b->classes, sizeof *step.logits);
    if (!step.logits) return gp_fail_nomem(err, b->batch * b->classes * sizeof *step.logits, "the logits");
    gp_params_zero_grad(s->params);
    GP_TRY(gp_step_run(s->method, s->tape, &step, err));
    gp_sgd_step(s->params, &(gp_sgd){0.9, 5e-4}, 0.002);
    gp_tape_pop(s->tape, mark);
    *loss = step.loss;
    return GOPRO_OK;
}

static int by_value(const void *a, const void *b)
{
    const double *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

static gopro_status run(bench *s, gp_compute *c, gp_bench_result *r, const gp_log *log, gopro_error *err)
{
    size_t n = s->b->repeats;
    double *t = calloc(n, sizeof *t);
    if (!t) return gp_fail_nomem(err, n * sizeof *t, "the timings");
    gopro_status st = one_step(s, &r->loss, err);
    uint64_t macs = gp_gemm_macs(c);
    for (size_t i = 0; i < n && st == GOPRO_OK; i++) {
        double t0 = seconds();
        st = one_step(s, &r->loss, err);
        t[i] = seconds() - t0;
        gp_logf(log, GP_LOG_INFO, "step %zu of %zu: %.3f s", i + 1, n, t[i]);
    }
    if (st == GOPRO_OK) {
        struct rusage u;
        r->gflop = 2e-9 * (double)(gp_gemm_macs(c) - macs) / (double)n;
        qsort(t, n, sizeof *t, by_value);
        r->median_s = t[n / 2], r->min_s = t[0], r->max_s = t[n - 1];
        getrusage(RUSAGE_SELF, &u);
        r->rss_mib = (double)u.ru_maxrss / 1024.0;
        st = gp_bench_gemm(c, s->b->precision, 3072, 768, 2.0, &r->peak_gflops, err);
        r->fraction = r->gflop / r->median_s / r->peak_gflops;
    }
    free(t);
    return st;
}

gopro_status gp_bench_step(gp_compute *c, const gp_bench_config *b, gp_bench_result *r, const gp_log *log, gopro_error *err)
{
    bench s = {.b = b, .method = gp_method_find("gopro")};
    gp_clip_weights *w = NULL;
    gp_real *word = NULL;
    size_t px = 3 * b->arch.image * b->arch.image;
    *r = (gp_bench_result){0};
    gopro_status st = gp_clip_init(&w, &b->arch, 1, err);
    if (st == GOPRO_OK) st = gp_model_create(&s.model, c, w, b->precision, false, err);
    s.setup = gp_setup_make(s.method, s.model, b->options, (size_t)gp_opt_int(b->options, "M"), b->classes, NULL);
    s.params = gp_params_create();
    s.label = calloc(b->batch, sizeof *s.label);
    word = calloc(s.setup.M * b->arch.t.width, sizeof *word);
    if (st == GOPRO_OK && (!s.params || !s.label || !word)) st = gp_fail_nomem(err, b->batch, "the benchmark");
    for (size_t v = 0; v < GP_MAX_VIEWS && st == GOPRO_OK; v++) {
        gp_rng g = gp_rng_make(2, GP_RNG_TEST, v, 0);
        s.pixels[v] = malloc(b->batch * px * sizeof(float));
        if (!s.pixels[v]) st = gp_fail_nomem(err, b->batch * px * sizeof(float), "the images");
        for (size_t i = 0; st == GOPRO_OK && i < b->batch * px; i++) s.pixels[v][i] = (float)gp_rng_normal(&g);
    }
    for (size_t i = 0; i < b->batch && s.label; i++) s.label[i] = (uint32_t)(i % b->classes);
    if (st == GOPRO_OK) {
        uint32_t ids[64] = {0};
        gp_text_embed(s.model, word, ids, gp_min_size(s.setup.M, GP_COUNT(ids)));
        s.setup.word_ctx = word;
        st = make_plan(&s, err);
    }
    if (st == GOPRO_OK) st = s.method->declare(s.params, &s.setup, err);
    if (st == GOPRO_OK) st = gp_params_finish(s.params, 1, err);
    if (st == GOPRO_OK) st = gp_tape_create(&s.tape, c, err);
    if (st == GOPRO_OK) st = run(&s, c, r, log, err);
    gp_tape_free(&s.tape);
    gp_params_free(&s.params);
    gp_text_plan_free(&s.plan);
    gp_model_free(&s.model);
    gp_clip_free(&w);
    for (size_t v = 0; v < GP_MAX_VIEWS; v++) free(s.pixels[v]);
    free(s.label);
    free(word);
    return st;
}
