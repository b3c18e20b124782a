/* step_case.c - running a parity case and writing its results.
 * SPDX-License-Identifier: Apache-2.0 */
#include "train/step_case.h"

#include <stdio.h>
#include <string.h>

#include "train/step_case_impl.h"

typedef struct results {
    gp_st_writer *w;
    gp_arena *a; /* names and values until written */
    bool failed;
} results;

static void put(results *r, const char *name, const size_t *shape, size_t rank, const gp_real *v)
{
    size_t n = 1;
    for (size_t i = 0; i < rank; i++) n *= shape[i];
    gp_real *copy = gp_arena_alloc_raw(r->a, n, sizeof *copy);
    const char *kept = gp_arena_strdup(r->a, name);
    if (!copy || !kept) {
        r->failed = true;
        return;
    }
    memcpy(copy, v, n * sizeof *copy);
    gp_st_writer_add(r->w, kept, GP_DT_F32, shape, rank, copy, sizeof *copy == sizeof(double));
}

static void put_scalar(results *r, const char *name, double v)
{
    const gp_real x = (gp_real)v;
    put(r, name, NULL, 0, &x);
}

static void put_params(results *r, gp_case *c, const char *prefix, bool gradient)
{
    for (size_t i = 0; i < gp_params_count(c->p); i++) {
        const gp_param_info *info = gp_params_info(c->p, i);
        const gp_var x = gp_param_at(c->p, i);
        char name[128];
        snprintf(name, sizeof name, "%s%s", prefix, info->name);
        if (strncmp(info->name, "center.", 7) == 0 || (gradient && info->state)) continue;
        put(r, name, info->shape, info->rank, gradient ? x.g : x.v);
    }
}

/* Batch i through the image tower. */
static gopro_status make_step(gp_case *c, gp_arena *a, size_t i, gp_step *s, gopro_error *err)
{
    const size_t S = gp_model_arch(c->model)->image, per_batch = c->B * 3 * S * S;
    const float *pixels[GP_MAX_VIEWS] = {0};
    for (size_t v = 0; v < GP_MAX_VIEWS; v++)
        if (c->pixels[v]) pixels[v] = c->pixels[v] + i * per_batch;
    *s = (gp_step){
        .setup = &c->setup,
        .p = c->p,
        .plan = c->plan,
        .K = c->K,
        .B = c->B,
        .label = c->label ? c->label + i * c->B : NULL,
        .training = c->label != NULL,
        .logit_scale = gp_model_logit_scale(c->model),
    };
    return gp_step_features(c->model, a, s->view, pixels, c->B, c->stats, err);
}

static gopro_status put_text_features(results *r, gp_case *c, gopro_error *err)
{
    const size_t E = gp_model_arch(c->model)->embed;
    gp_real *x = gp_arena_alloc(r->a, c->K * E, sizeof *x);
    gp_pair *pair = gp_arena_alloc(r->a, c->K, sizeof *pair);
    if (!x || !pair) return gp_fail_nomem(err, c->K * E * sizeof *x, "text features");
    for (size_t k = 0; k < c->K; k++) pair[k].cls = (uint32_t)k;
    GP_TRY(gp_text_fwd(c->model, c->plan, x, NULL, 1, pair, c->K, NULL, NULL, err));
    put(r, "out.text_features", (const size_t[]){c->K, E}, 2, x);
    return GOPRO_OK;
}

/* F_1 .. F_L of the image view, [B, L, Dt] */
static gopro_status put_frg(results *r, gp_case *c, gp_tape *t, const gp_view *view, gopro_error *err)
{
    const gp_frg_config frg = gp_gopro_frg(&c->setup);
    const gp_stats stats = {view->mu, view->sigma};
    const size_t L = frg.L, Dt = frg.Dt;
    gp_var *f = gp_arena_alloc(r->a, L, sizeof *f);
    gp_real *out = gp_arena_alloc(r->a, c->B * L * Dt, sizeof *out);
    if (!f || !out) return gp_fail_nomem(err, c->B * L * Dt * sizeof *out, "features");
    gp_tape_set_recording(t, false);
    gp_frg(t, c->p, &frg, &stats, 1, c->B, f);
    gp_tape_set_recording(t, true);
    GP_TRY(gp_tape_status(t, err));
    for (size_t b = 0; b < c->B; b++)
        for (size_t l = 0; l < L; l++) memcpy(out + (b * L + l) * Dt, f[l].v + b * Dt, Dt * sizeof *out);
    put(r, "out.frg", (const size_t[]){c->B, L, Dt}, 3, out);
    return GOPRO_OK;
}

static void put_stats(results *r, const gp_case *c, const gp_step *s)
{
    const gp_tower_arch *v = &gp_model_arch(c->model)->v;
    const size_t shape[] = {c->B, v->layers, v->width};
    for (size_t i = 0; i < GP_MAX_VIEWS; i++) {
        char name[64];
        if (!s->view[i].mu) continue;
        snprintf(name, sizeof name, "out.stats.%s.mu", gp_case_view[i]);
        put(r, name, shape, 3, s->view[i].mu);
        snprintf(name, sizeof name, "out.stats.%s.sigma", gp_case_view[i]);
        put(r, name, shape, 3, s->view[i].sigma);
    }
}

static gopro_status run_case(gp_case *c, gp_tape *t, results *r, gopro_error *err)
{
    const size_t E = gp_model_arch(c->model)->embed;
    gp_step s;
    GP_TRY(make_step(c, r->a, 0, &s, err));
    s.logits = gp_arena_alloc(r->a, c->B * c->K, sizeof *s.logits);
    if (!s.logits) return gp_fail_nomem(err, c->B * c->K * sizeof *s.logits, "logits");
    gp_params_zero_grad(c->p);
    GP_TRY(gp_step_run(c->method, t, &s, err));
    put(r, "out.logits", (const size_t[]){c->B, c->K}, 2, s.logits);
    put(r, "out.image_features", (const size_t[]){c->B, E}, 2, s.view[0].raw);
    if (c->method == &gp_method_zeroshot) return put_text_features(r, c, err);
    put_scalar(r, "out.loss", s.loss);
    for (size_t i = 0; i < s.n_terms; i++) {
        char name[64];
        snprintf(name, sizeof name, "out.loss.%s", s.term[i].name);
        put_scalar(r, name, s.term[i].value);
    }
    put_stats(r, c, &s);
    GP_TRY(put_frg(r, c, t, &s.view[0], err));
    put_params(r, c, "grad.", true);
    return GOPRO_OK;
}

static gopro_status run_training(gp_case *c, gp_tape *t, results *r, gopro_error *err)
{
    const gp_schedule *o = &c->schedule;
    gp_step *batch = gp_arena_alloc(r->a, c->n_batches, sizeof *batch);
    gp_real *loss = gp_arena_alloc(r->a, o->steps, sizeof *loss), *lr = gp_arena_alloc(r->a, o->steps, sizeof *lr);
    if (!batch || !loss || !lr) return gp_fail_nomem(err, o->steps * sizeof *loss, "a training");
    for (size_t i = 0; i < c->n_batches; i++) GP_TRY(make_step(c, r->a, i, &batch[i], err));
    for (size_t i = 0; i < o->steps; i++) {
        gp_step *s = &batch[i % c->n_batches];
        const double rate = gp_lr_cosine_warmup(o->lr, i / o->epoch_steps, o->epochs, 1e-5, 1);
        gp_params_zero_grad(c->p);
        if (gp_step_run(c->method, t, s, err) != GOPRO_OK) return gp_fail_in(err, GOPRO_E_INVALID, "step %zu", i);
        gp_sgd_step(c->p, &o->sgd, rate);
        loss[i] = (gp_real)s->loss;
        lr[i] = (gp_real)rate;
    }
    put(r, "out.loss", &o->steps, 1, loss);
    put(r, "out.lr", &o->steps, 1, lr);
    put_params(r, c, "final.", false);
    return GOPRO_OK;
}

gopro_status gp_step_case(const char *weights, const char *case_file, const char *out, gp_compute *compute, gopro_error *err)
{
    gp_case c;
    gp_tape *t = NULL;
    results r = {.w = gp_st_writer_create(), .a = gp_arena_create((size_t)1 << 20)};
    gopro_status st = gp_case_open(&c, weights, case_file, compute, err);
    if (st != GOPRO_OK) goto out;
    if (!r.w || !r.a) {
        st = gp_fail_nomem(err, (size_t)1 << 20, "the results");
        goto out;
    }
    GP_CHECK(gp_tape_create(&t, compute, err));
    GP_CHECK(c.training ? run_training(&c, t, &r, err) : run_case(&c, t, &r, err));
    if (r.failed) {
        st = gp_fail_nomem(err, 1, "the results");
        goto out;
    }
    gp_st_writer_meta(r.w, "method", gp_safetensors_meta(c.file, "method"));
    st = gp_st_writer_commit(r.w, out, err);
out:
    gp_tape_free(&t);
    gp_st_writer_free(&r.w);
    gp_arena_free(&r.a);
    gp_case_close(&c);
    return st;
}
