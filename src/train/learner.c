/* learner.c - see learner.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "train/learner.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "train/embed.h"

#define GP_MAX_CONTEXT 64

void gp_learner_free(gp_learner **l)
{
    if (!l || !*l) return;
    gp_tape_free(&(*l)->tape);
    gp_params_free(&(*l)->p);
    gp_options_free(&(*l)->opt);
    free((*l)->word_ctx);
    free((*l)->ctx0);
    free((*l)->tmpl);
    for (size_t k = 0; (*l)->class_name && k < (*l)->setup.K; k++) free((*l)->class_name[k]);
    free((*l)->class_name);
    free(*l);
    *l = NULL;
}

gopro_status gp_options_settle(gp_options *o, const gp_tokenizer *t, bool all_classes, gopro_error *err)
{
    GP_TRY(gp_options_resolve(o, err));
    const gp_method *m = gp_method_find(gp_opt_string(o, "method"));
    if (m) GP_TRY(gp_method_apply_defaults(m, o, all_classes, err));
    const char *words = gp_opt_string(o, "ctx_init");
    if (gp_opt_real(o, "views.scale_min") > gp_opt_real(o, "views.scale_max"))
        return gp_fail(err, GOPRO_E_INVALID, "views.scale_min is %g, above views.scale_max, %g", gp_opt_real(o, "views.scale_min"),
                       gp_opt_real(o, "views.scale_max"));
    if (!m || (m->wants & GP_WANT_TEMPLATES) || words[0] == '\0') return GOPRO_OK;
    size_t n = 0, M = (size_t)gp_opt_int(o, "M");
    GP_TRY(gp_tokenize(t, words, NULL, 0, &n, err));
    if (n == M || (m->keeps_words && n > M)) return GOPRO_OK;
    if (gp_opt_is_set(o, "ctx_init"))
        return gp_fail(err, GOPRO_E_INVALID,
                       "ctx_init '%s' has %zu tokens but M is %zu; set M=%zu, or ctx_init= (nothing) for a random start", words, n, M, n);
    return gp_options_set(o, "ctx_init", "", "M", err);
}

/* "a photo of a {}." or "X X X X {}." */
static gopro_status make_template(gp_learner *l, size_t M, gopro_error *err)
{
    const char *words = gp_opt_string(l->opt, "ctx_init");
    gp_str b = {0};
    if (words[0])
        gp_str_addf(&b, "%s ", words);
    else
        for (size_t m = 0; m < M; m++) gp_str_add(&b, "X ");
    gp_str_add(&b, "{}.");
    l->tmpl = b.failed ? NULL : b.s;
    if (b.failed) gp_str_free(&b);
    return l->tmpl ? GOPRO_OK : gp_fail_nomem(err, 8 * M, "the template");
}

static gopro_status word_context(gp_learner *l, size_t M, gopro_error *err)
{
    const char *words = gp_opt_string(l->opt, "ctx_init");
    if (!words[0]) return GOPRO_OK;
    uint32_t ids[GP_MAX_CONTEXT];
    size_t n = 0, w = gp_model_arch(l->bb->model)->t.width;
    GP_TRY(gp_tokenize(l->bb->tok, words, ids, GP_MAX_CONTEXT, &n, err));
    if (n > GP_MAX_CONTEXT || n < M || (n > M && !l->method->keeps_words))
        return gp_fail(err, GOPRO_E_INVALID, "ctx_init '%s' has %zu tokens but M is %zu", words, n, M);
    l->word_ctx = malloc(M * w * sizeof *l->word_ctx);
    if (!l->word_ctx) return gp_fail_nomem(err, M * w * sizeof *l->word_ctx, "the initial context");
    gp_text_embed(l->bb->model, l->word_ctx, ids, M);
    return GOPRO_OK;
}

static gopro_status start_parameters(gp_learner *l, gp_learner_fits *fits, void *user, gopro_error *err)
{
    l->p = gp_params_create();
    if (!l->p) return gp_fail_nomem(err, 0, "parameters");
    GP_TRY(l->method->declare(l->p, &l->setup, err));
    if (fits) GP_TRY(fits(user, l, err));
    GP_TRY(gp_params_finish(l->p, (uint64_t)gp_opt_int(l->opt, "seed"), err));
    if (!gp_param_exists(l->p, "ctx")) return GOPRO_OK;
    gp_var ctx = gp_param(l->p, "ctx");
    size_t bytes = ctx.rows * ctx.cols * sizeof *l->ctx0;
    l->ctx0 = malloc(bytes);
    if (!l->ctx0) return gp_fail_nomem(err, bytes, "parameters");
    memcpy(l->ctx0, ctx.v, bytes);
    return GOPRO_OK;
}

static gopro_status start_scale(gp_learner *l, gopro_error *err)
{
    const char *s = gp_opt_string(l->opt, "logit_scale");
    l->logit_scale = gp_model_logit_scale(l->bb->model);
    if (strcmp(s, "checkpoint") == 0 || strcmp(s, "fit") == 0) return GOPRO_OK; /* fit: training finds it */
    double v;
    if (!gp_parse_real(&v, s) || !(v > 0.0) || !(v <= 1e4))
        return gp_fail(err, GOPRO_E_INVALID, "logit_scale '%s' is neither 'checkpoint', 'fit' nor a number in (0, 10000]", s);
    l->logit_scale = v;
    return GOPRO_OK;
}

bool gp_learner_trains(const gp_learner *l)
{
    return l->p != NULL;
}

size_t gp_learner_epochs(const gp_learner *l)
{
    return l->p && gp_params_total(l->p) > 0 ? (size_t)gp_opt_int(l->opt, "optim.epochs") : 0;
}

static gopro_status keep_names(gp_learner *l, const char *const *class_name, size_t K, gopro_error *err)
{
    l->class_name = calloc(K + 1, sizeof *l->class_name);
    if (!l->class_name) return gp_fail_nomem(err, K * sizeof *l->class_name, "class names");
    l->setup.K = K;
    for (size_t k = 0; k < K; k++)
        if (!(l->class_name[k] = gp_strdup(class_name[k]))) return gp_fail_nomem(err, strlen(class_name[k]), "class names");
    return GOPRO_OK;
}

gopro_status gp_learner_create(gp_learner **l, gp_backbone *b, const gp_options *o, const char *const *class_name, size_t K,
                               gopro_error *err)
{
    return gp_learner_create_if(l, b, o, class_name, K, NULL, NULL, err);
}

gopro_status gp_learner_create_if(gp_learner **l, gp_backbone *b, const gp_options *o, const char *const *class_name, size_t K,
                                  gp_learner_fits *fits, void *user, gopro_error *err)
{
    *l = NULL;
    gopro_status st;
    gp_learner *x = calloc(1, sizeof *x);
    if (!x || !(x->opt = gp_options_clone(o))) {
        st = gp_fail_nomem(err, sizeof *x, "a method");
        goto out;
    }
    x->bb = b;
    GP_CHECK(gp_options_resolve(x->opt, err));
    x->method = gp_method_find(gp_opt_string(x->opt, "method"));
    if (!x->method) {
        st = gp_fail(err, GOPRO_E_INVALID, "method '%s' is unknown", gp_opt_string(x->opt, "method"));
        goto out;
    }
    GP_CHECK(start_scale(x, err));
    size_t M = (size_t)gp_opt_int(x->opt, "M");
    if (!(x->method->wants & GP_WANT_TEMPLATES)) {
        GP_CHECK(make_template(x, M, err));
        GP_CHECK(word_context(x, M, err));
    }
    GP_CHECK(keep_names(x, class_name, K, err));
    x->setup = gp_setup_make(x->method, b->model, x->opt, M, K, x->word_ctx);
    if (x->method->declare) GP_CHECK(start_parameters(x, fits, user, err));
    GP_CHECK(gp_tape_create(&x->tape, b->compute, err));
out:
    if (st == GOPRO_OK)
        *l = x;
    else
        gp_learner_free(&x);
    return st;
}

/* A copy in the tape's arena: a method reads its views there, never from a file mapping. */
static gp_real *arena_copy(gp_arena *a, const float *x, size_t n)
{
    gp_real *y = x ? gp_arena_alloc_raw(a, n, sizeof *y) : NULL;
    if (y) memcpy(y, x, n * sizeof *y);
    return y;
}

gopro_status gp_learner_logits(gp_learner *l, const gp_classes *c, gp_real *logits, const float *feat, const float *mu, const float *sigma,
                               size_t B, gopro_error *err)
{
    const gp_clip_arch *a = gp_model_arch(l->bb->model);
    size_t stat = a->v.layers * a->v.width;
    gp_tape_mark mark = gp_tape_mark_get(l->tape);
    gp_arena *mem = gp_tape_arena(l->tape);
    gp_step s = gp_learner_step(l, c, B);
    s.logits = logits;
    s.view[0].feat = gp_arena_alloc_raw(mem, B * a->embed, sizeof(gp_real));
    s.view[0].raw = arena_copy(mem, feat, B * a->embed);
    s.view[0].mu = arena_copy(mem, mu, B * stat);
    s.view[0].sigma = arena_copy(mem, sigma, B * stat);
    gopro_status st = GOPRO_OK;
    if (gp_arena_failed(mem)) st = gp_fail_nomem(err, B * (a->embed + stat) * sizeof(gp_real), "a batch of features");
    if (st == GOPRO_OK) {
        gp_normalise_rows(s.view[0].feat, feat, B, a->embed);
        st = gp_step_run(l->method, l->tape, &s, err);
    }
    gp_tape_pop(l->tape, mark);
    return st;
}

gopro_status gp_learner_encode(gp_learner *l, float *feat, float *mu, float *sigma, const float *pixels, size_t B, gopro_error *err)
{
    if (!(l->method->wants & GP_WANT_PIXELS)) return gp_vision_fwd(l->bb->model, feat, mu, sigma, pixels, B, err);
    const bool recording = gp_tape_set_recording(l->tape, false);
    const gp_tape_mark mark = gp_tape_mark_get(l->tape);
    gp_step s = {.setup = &l->setup, .p = l->p, .B = B, .view[0].pixels = pixels};
    l->method->embed(l->tape, &s, feat);
    const gopro_status st = gp_tape_status(l->tape, err);
    gp_tape_pop(l->tape, mark);
    gp_tape_set_recording(l->tape, recording);
    return st;
}

double gp_learner_drift(const gp_learner *l)
{
    if (!l->p || !l->ctx0) return 0.0;
    gp_var ctx = gp_param(l->p, "ctx");
    double d2 = 0.0, n2 = 0.0;
    for (size_t i = 0; i < ctx.rows * ctx.cols; i++) {
        double d = (double)ctx.v[i] - (double)l->ctx0[i];
        d2 += d * d;
        n2 += (double)l->ctx0[i] * (double)l->ctx0[i];
    }
    return n2 > 0.0 ? sqrt(d2 / n2) : 0.0;
}

bool gp_logit_scale_parse(double *scale, const char *text)
{
    double v;
    if (!text || !gp_parse_real(&v, text) || !(v > 0.0 && v < 1e6)) return false;
    *scale = v;
    return true;
}

bool gp_all_finite(const gp_real *v, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!isfinite(v[i])) return false;
    return true;
}
