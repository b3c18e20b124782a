/* steptest.h - a step of a method on a small random model, for the tests of the methods.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef GP_STEPTEST_H
#define GP_STEPTEST_H

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "methods/methods.h"
#include "tiny_model.h"

typedef struct steptest {
    tiny_model model;
    const gp_method *method;
    gp_options *opt;
    gp_setup setup;
    gp_params *p;
    gp_text_plan *plan;
    gp_prompt *prompt;
    gp_tape *t;
    gp_arena *a;
    gp_step s;
    size_t K, B, M;
} steptest;

static inline gp_clip_arch steptest_arch(void)
{
    gp_clip_arch a = tiny_arch();
    a.v = (gp_tower_arch){.width = 8, .layers = 2, .heads = 2, .hidden = 16, .act = GP_ACT_QUICKGELU, .eps = 1e-5};
    a.t = (gp_tower_arch){.width = 32, .layers = 2, .heads = 2, .hidden = 48, .act = GP_ACT_QUICKGELU, .eps = 1e-5};
    return a;
}

/* What a steptest is made of; options are name, value pairs, NULL-terminated. */
typedef struct steptest_config {
    const char *method, *const *options;
    size_t K, B, M, threads;
    bool random_start; /* every tensor N(0, 0.3), also those that start at zero */
    const gp_real *word_ctx;
    const gp_clip_arch *arch; /* NULL: steptest_arch */
} steptest_config;

static inline void steptest_prompts(steptest *x, size_t M)
{
    const gp_clip_arch *arch = gp_model_arch(x->model.m);
    x->prompt = gp_arena_alloc(x->a, x->K, sizeof *x->prompt);
    for (size_t k = 0; k < x->K; k++) {
        uint32_t *ids = gp_arena_alloc(x->a, 16, sizeof *ids);
        x->prompt[k] = tiny_prompt(ids, M + 3 + k % 3, 1 + (k % 3 != 0), arch, 100 + k);
        for (size_t m = 1; m <= M; m++) ids[m] = (uint32_t)m; /* the same words before every name */
    }
}

static inline void steptest_views(steptest *x)
{
    const gp_clip_arch *arch = gp_model_arch(x->model.m);
    const size_t n = x->B * 3 * arch->image * arch->image;
    const float *pixels[GP_MAX_VIEWS];
    const bool stats[GP_MAX_VIEWS] = {true, true, true};
    for (size_t v = 0; v < GP_MAX_VIEWS; v++) {
        float *px = gp_arena_alloc(x->a, n, sizeof *px);
        gp_rng r = gp_rng_make(30 + v, GP_RNG_TEST, 0, 0);
        for (size_t i = 0; i < n; i++) px[i] = (float)gp_rng_normal(&r);
        pixels[v] = px;
    }
    gopro_error e = {0};
    if (gp_step_views(x->method, x->model.m, x->a, x->s.view, pixels, x->B, stats, &e) != GOPRO_OK) fail_msg("%s", e.msg);
}

static inline void steptest_make(steptest *x, const steptest_config *c)
{
    const gp_clip_arch arch = c->arch ? *c->arch : steptest_arch();
    gopro_error e = {0};
    *x = (steptest){.method = gp_method_find(c->method), .K = c->K, .B = c->B, .M = c->M};
    tiny_make(&x->model, &arch, c->threads ? c->threads : 1, NULL, GP_F32, false, &e);
    if (!x->model.m) fail_msg("%s", e.msg);
    x->a = gp_arena_create(1 << 20);
    x->opt = gp_options_create();
    for (size_t i = 0; c->options && c->options[i]; i += 2)
        if (gp_options_set(x->opt, c->options[i], c->options[i + 1], "test", &e) != GOPRO_OK) fail_msg("%s", e.msg);
    x->setup = gp_setup_make(x->method, x->model.m, x->opt, c->M, c->K, c->word_ctx);
    x->M = x->setup.M;
    x->p = gp_params_create();
    if (x->method->declare && x->method->declare(x->p, &x->setup, &e) != GOPRO_OK) fail_msg("%s", e.msg);
    assert_int_equal(gp_params_finish(x->p, 1, &e), GOPRO_OK);
    for (size_t i = 0; c->random_start && i < gp_params_count(x->p); i++) {
        const gp_param_info *info = gp_params_info(x->p, i);
        gp_rng r = gp_rng_make(9, GP_RNG_TEST, gp_hash_str(info->name), 0);
        gp_real *v = gp_params_state(x->p, i).value;
        for (size_t j = 0; j < info->count; j++) v[j] = (gp_real)(0.3 * gp_rng_normal(&r));
    }
    steptest_prompts(x, c->M);
    if (gp_text_plan_create(&x->plan, x->model.m, x->prompt, x->K, x->M, x->setup.pos, &e) != GOPRO_OK) fail_msg("%s", e.msg);
    assert_int_equal(gp_tape_create(&x->t, x->model.c, NULL), GOPRO_OK);
    uint32_t *label = gp_arena_alloc(x->a, c->B, sizeof *label);
    for (size_t b = 0; b < c->B; b++) label[b] = (uint32_t)((3 * b + 1) % c->K);
    x->s = (gp_step){.setup = &x->setup, .p = x->p, .plan = x->plan, .K = c->K, .B = c->B, .label = label, .training = true};
    x->s.logit_scale = gp_model_logit_scale(x->model.m);
    x->s.logits = gp_arena_alloc(x->a, c->B * c->K, sizeof *x->s.logits);
    steptest_views(x);
}

static inline void steptest_free(steptest *x)
{
    gp_tape_free(&x->t);
    gp_text_plan_free(&x->plan);
    gp_params_free(&x->p);
    gp_options_free(&x->opt);
    gp_arena_free(&x->a);
    tiny_free(&x->model);
}

static inline double steptest_run(steptest *x)
{
    gopro_error e = {0};
    gp_params_zero_grad(x->p);
    if (gp_step_run(x->method, x->t, &x->s, &e) != GOPRO_OK) fail_msg("%s", e.msg);
    return x->s.loss;
}

/* Value of a loss term; NAN if it was not computed. */
static inline double steptest_term(const steptest *x, const char *name)
{
    for (size_t i = 0; i < x->s.n_terms; i++)
        if (strcmp(x->s.term[i].name, name) == 0) return x->s.term[i].value;
    return (double)NAN;
}

#endif
