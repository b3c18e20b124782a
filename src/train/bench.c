/* bench.c - times a training step of a method and the GEMM peak in one run.
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
    gp_options *opt; /* settled */
    gp_view_kind kind[GP_MAX_VIEWS];
    float *pixels[GP_MAX_VIEWS];
    uint32_t *label;
    gp_real *word, *text; /* [M, Dt] the start of the context; [K, E] features of hand-written prompts, or NULL */
} bench;

#define WORDS 4 /* "a photo of a" */

static gopro_status make_plan(bench *s, gopro_error *err)
{
    const gp_bench_config *b = s->b;
    /* Words stand in every prompt alike; the context takes the place of the first M of them. */
    size_t words = gp_max_size(s->setup.M, s->method->keeps_words || (s->method->wants & GP_WANT_TEMPLATES) ? WORDS : 0);
    size_t n = words + b->name_tokens + 3;
    uint32_t *ids = calloc(b->classes * n, sizeof *ids);
    gp_prompt *prompt = calloc(b->classes, sizeof *prompt);
    gopro_status st = ids && prompt ? GOPRO_OK : gp_fail_nomem(err, b->classes * n * sizeof *ids, "the prompts");
    gp_rng r = gp_rng_make(1, GP_RNG_TEST, 1, 0);
    for (size_t k = 0; st == GOPRO_OK && k < b->classes; k++) {
        uint32_t *id = ids + k * n;
        id[0] = b->arch.sot;
        for (size_t i = 1; i < n - 1; i++) id[i] = i <= words ? (uint32_t)i : gp_rng_below(&r, b->arch.sot);
        id[n - 1] = b->arch.eot;
        prompt[k] = (gp_prompt){id, n, b->name_tokens};
    }
    if (st == GOPRO_OK) st = gp_text_plan_create(&s->plan, s->model, prompt, b->classes, s->setup.M, s->setup.pos, err);
    free(ids);
    free(prompt);
    return st;
}

static gopro_status one_step(bench *s, double *loss, gopro_error *err)
{
    const gp_bench_config *b = s->b;
    gp_tape_mark mark = gp_tape_mark_get(s->tape);
    const bool wants_stats = (s->method->wants & GP_WANT_STATS) != 0;
    bool stats[GP_MAX_VIEWS] = {wants_stats, wants_stats, wants_stats};
    const float *px[GP_MAX_VIEWS] = {s->pixels[0], s->pixels[1], s->pixels[2]};
    gp_step step = {.setup = &s->setup,
                    .p = s->params,
                    .plan = s->plan,
                    .K = b->classes,
                    .B = b->batch,
                    .label = s->label,
                    .class_feat = s->text,
                    .training = true,
                    .logit_scale = gp_model_logit_scale(s->model)};
    GP_TRY(gp_step_views(s->method, s->model, gp_tape_arena(s->tape), step.view, px, b->batch, stats, err));
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

static gopro_status settle(bench *s, const gp_bench_config *b, gopro_error *err)
{
    const char *name = gp_opt_string(b->options, "method");
    s->method = gp_method_find(name);
    if (!s->method || !s->method->declare)
        return gp_fail(err, GOPRO_E_INVALID, "method '%s' trains nothing, so it has no step to time", name);
    s->opt = gp_options_clone(b->options);
    if (!s->opt) return gp_fail_nomem(err, 0, "options");
    return gp_method_apply_defaults(s->method, s->opt, false, err);
}

static gopro_status make_inputs(bench *s, gopro_error *err)
{
    const gp_bench_config *b = s->b;
    const size_t px = 3 * b->arch.image * b->arch.image;
    s->method->views(&s->setup, s->kind);
    s->label = calloc(b->batch, sizeof *s->label);
    if (!s->label) return gp_fail_nomem(err, b->batch, "the labels");
    for (size_t i = 0; i < b->batch; i++) s->label[i] = (uint32_t)(i % b->classes);
    for (size_t v = 0; v < GP_MAX_VIEWS; v++) {
        if (s->kind[v] == GP_VIEW_NONE) continue;
        gp_rng g = gp_rng_make(2, GP_RNG_TEST, v, 0);
        s->pixels[v] = malloc(b->batch * px * sizeof(float));
        if (!s->pixels[v]) return gp_fail_nomem(err, b->batch * px * sizeof(float), "the images");
        for (size_t i = 0; i < b->batch * px; i++) s->pixels[v][i] = (float)gp_rng_normal(&g);
    }
    return GOPRO_OK;
}

/* Text features of hand-written prompts are known before the first step. */
static gopro_status template_text(bench *s, gopro_error *err)
{
    const size_t n = s->b->classes * s->b->arch.embed;
    if (!(s->method->wants & GP_WANT_TEMPLATES)) return GOPRO_OK;
    s->text = malloc(n * sizeof *s->text);
    if (!s->text) return gp_fail_nomem(err, n * sizeof *s->text, "text features");
    return gp_class_features(s->model, (const gp_text_plan *const *)&s->plan, 1, s->text, err);
}

static gopro_status prepare(bench *s, gp_compute *c, gopro_error *err)
{
    const gp_bench_config *b = s->b;
    const size_t M = (size_t)gp_opt_int(s->opt, "M");
    uint32_t ids[64] = {0};
    s->word = calloc(M * b->arch.t.width, sizeof *s->word);
    s->params = gp_params_create();
    if (!s->word || !s->params) return gp_fail_nomem(err, M * b->arch.t.width * sizeof *s->word, "the benchmark");
    gp_text_embed(s->model, s->word, ids, gp_min_size(M, GP_COUNT(ids)));
    s->setup = gp_setup_make(s->method, s->model, s->opt, M, b->classes, s->word);
    GP_TRY(make_inputs(s, err));
    GP_TRY(make_plan(s, err));
    GP_TRY(template_text(s, err));
    GP_TRY(s->method->declare(s->params, &s->setup, err));
    GP_TRY(gp_params_finish(s->params, 1, err));
    return gp_tape_create(&s->tape, c, err);
}

gopro_status gp_bench_step(gp_compute *c, const gp_bench_config *b, gp_bench_result *r, const gp_log *log, gopro_error *err)
{
    bench s = {.b = b};
    gp_clip_weights *w = NULL;
    *r = (gp_bench_result){0};
    gopro_status st = settle(&s, b, err);
    if (st == GOPRO_OK) st = gp_clip_init(&w, &b->arch, 1, err);
    if (st == GOPRO_OK) st = gp_model_create(&s.model, c, w, b->precision, false, err);
    if (st == GOPRO_OK) st = prepare(&s, c, err);
    if (st == GOPRO_OK) st = run(&s, c, r, log, err);
    if (s.method) {
        r->method = s.method->name;
        r->title = s.method->title;
    }
    gp_tape_free(&s.tape);
    gp_params_free(&s.params);
    gp_text_plan_free(&s.plan);
    gp_model_free(&s.model);
    gp_clip_free(&w);
    gp_options_free(&s.opt);
    for (size_t v = 0; v < GP_MAX_VIEWS; v++) free(s.pixels[v]);
    free(s.label);
    free(s.word);
    free(s.text);
    return st;
}
