/* subject.c - see subject.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "bench/subject.h"

#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "methods/methods.h"
#include "train/step_case_impl.h"

#define WORDS 4 /* "a photo of a" */

typedef struct own {
    gp_case kase; /* open if from_case */
    bool from_case;
    gp_clip_weights *weights;
    gp_options *opt;
    float *pixels[GP_MAX_VIEWS];
    uint32_t *label;
    gp_real *word; /* [M, Dt] the start of the context */
} own;

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

static gopro_status make_plan(gp_subject *s, const gp_bench_config *b, gopro_error *err)
{
    /* Words stand in every prompt alike; the context takes the place of the first M of them. */
    const size_t words = gp_max_size(s->setup.M, s->method->keeps_words || (s->method->wants & GP_WANT_TEMPLATES) ? WORDS : 0);
    const size_t n = words + b->name_tokens + 3;
    uint32_t *ids = calloc(s->K * n, sizeof *ids);
    gp_prompt *prompt = calloc(s->K, sizeof *prompt);
    gopro_status st = ids && prompt ? GOPRO_OK : gp_fail_nomem(err, s->K * n * sizeof *ids, "the prompts");
    gp_rng r = gp_rng_make(1, GP_RNG_TEST, 1, 0);
    for (size_t k = 0; st == GOPRO_OK && k < s->K; k++) {
        uint32_t *id = ids + k * n;
        id[0] = b->arch.sot;
        for (size_t i = 1; i < n - 1; i++) id[i] = i <= words ? (uint32_t)i : gp_rng_below(&r, b->arch.sot);
        id[n - 1] = b->arch.eot;
        prompt[k] = (gp_prompt){id, n, b->name_tokens};
    }
    if (st == GOPRO_OK) st = gp_text_plan_create(&s->plan, s->model, prompt, s->K, s->setup.M, s->setup.pos, err);
    free(ids);
    free(prompt);
    return st;
}

static gopro_status make_inputs(gp_subject *s, own *o, gopro_error *err)
{
    const gp_clip_arch *a = gp_model_arch(s->model);
    const size_t px = 3 * a->image * a->image;
    gp_view_kind kind[GP_MAX_VIEWS];
    s->method->views(&s->setup, kind);
    s->label = o->label = calloc(s->B, sizeof *o->label);
    if (!o->label) return gp_fail_nomem(err, s->B, "the labels");
    for (size_t i = 0; i < s->B; i++) o->label[i] = (uint32_t)(i % s->K);
    for (size_t v = 0; v < GP_MAX_VIEWS; v++) {
        if (kind[v] == GP_VIEW_NONE) continue;
        gp_rng g = gp_rng_make(2, GP_RNG_TEST, v, 0);
        s->pixels[v] = o->pixels[v] = malloc(s->B * px * sizeof(float));
        if (!o->pixels[v]) return gp_fail_nomem(err, s->B * px * sizeof(float), "the images");
        for (size_t i = 0; i < s->B * px; i++) o->pixels[v][i] = i < px ? (float)gp_rng_normal(&g) : -o->pixels[v][i - px];
        s->stats[v] = (s->method->wants & GP_WANT_STATS) != 0;
    }
    return GOPRO_OK;
}

#define PERIOD 65521 /* numbers drawn for a tensor; a prime, so that its rows differ */

static gopro_status of_random_numbers(gp_subject *s, own *o, gp_compute *c, const gp_bench_config *b, gopro_error *err)
{
    const char *name = gp_opt_string(b->options, "method");
    s->method = gp_method_find(name);
    if (!s->method) return gp_fail(err, GOPRO_E_INVALID, "there is no method '%s'", name);
    s->K = b->classes;
    s->B = b->batch;
    o->opt = gp_options_clone(b->options);
    if (!o->opt) return gp_fail_nomem(err, 0, "options");
    GP_TRY(gp_method_apply_defaults(s->method, o->opt, false, err));
    const size_t M = (size_t)gp_opt_int(o->opt, "M");
    uint32_t ids[64] = {0};
    o->word = calloc(M * b->arch.t.width, sizeof *o->word);
    if (!o->word) return gp_fail_nomem(err, M * b->arch.t.width * sizeof *o->word, "the benchmark");
    GP_TRY(gp_clip_init_repeating(&o->weights, &b->arch, 1, PERIOD, err));
    GP_TRY(gp_model_create(&s->model, c, o->weights, b->precision, false, err));
    gp_text_embed(s->model, o->word, ids, gp_min_size(M, GP_COUNT(ids)));
    s->setup = gp_setup_make(s->method, s->model, o->opt, M, s->K, o->word);
    GP_TRY(make_inputs(s, o, err));
    GP_TRY(make_plan(s, b, err));
    if (!s->method->declare) return GOPRO_OK;
    if (!(s->params = gp_params_create())) return gp_fail_nomem(err, 0, "parameters");
    GP_TRY(s->method->declare(s->params, &s->setup, err));
    return gp_params_finish(s->params, 1, err);
}

static gopro_status of_case(gp_subject *s, own *o, gp_compute *c, const gp_bench_config *b, gopro_error *err)
{
    gp_case *k = &o->kase;
    o->from_case = true;
    GP_TRY(gp_case_open(k, b->weights, b->case_file, c, b->precision, err));
    s->method = k->kind->method;
    s->model = k->model;
    s->params = k->p;
    s->plan = k->plan;
    s->setup = k->setup;
    s->K = k->K;
    s->B = k->B;
    s->label = k->label;
    for (size_t v = 0; v < GP_MAX_VIEWS; v++) {
        s->pixels[v] = k->pixels[v]; /* of the first batch */
        s->stats[v] = k->stats[v];
    }
    return GOPRO_OK;
}

/* Text features of hand-written prompts are known before the first step. */
static gopro_status template_text(gp_subject *s, gopro_error *err)
{
    const size_t n = s->K * gp_model_arch(s->model)->embed;
    if (!(s->method->wants & GP_WANT_TEMPLATES)) return GOPRO_OK;
    s->text = malloc(n * sizeof *s->text);
    if (!s->text) return gp_fail_nomem(err, n * sizeof *s->text, "text features");
    return gp_class_features(s->model, (const gp_text_plan *const *)&s->plan, 1, s->text, err);
}

gopro_status gp_subject_open(gp_subject *s, gp_compute *c, const gp_bench_config *b, gopro_error *err)
{
    own *o = calloc(1, sizeof *o);
    *s = (gp_subject){.own = o};
    if (!o) return gp_fail_nomem(err, sizeof *o, "the benchmark");
    if (b->case_file)
        GP_TRY(of_case(s, o, c, b, err));
    else
        GP_TRY(of_random_numbers(s, o, c, b, err));
    GP_TRY(template_text(s, err));
    return gp_tape_create(&s->tape, c, err);
}

gp_step gp_subject_step(const gp_subject *s, bool training)
{
    return (gp_step){.setup = &s->setup,
                     .p = s->params,
                     .plan = s->plan,
                     .K = s->K,
                     .B = s->B,
                     .label = training ? s->label : NULL,
                     .class_feat = s->text,
                     .training = training,
                     .logit_scale = gp_model_logit_scale(s->model)};
}

void gp_subject_close(gp_subject *s)
{
    own *o = s->own;
    gp_tape_free(&s->tape);
    free(s->text);
    if (o && o->from_case) gp_case_close(&o->kase);
    if (o && !o->from_case) {
        gp_params_free(&s->params);
        gp_text_plan_free(&s->plan);
        gp_model_free(&s->model);
        gp_clip_free(&o->weights);
        gp_options_free(&o->opt);
        for (size_t v = 0; v < GP_MAX_VIEWS; v++) free(o->pixels[v]);
        free(o->label);
        free(o->word);
    }
    free(o);
    *s = (gp_subject){0};
}
