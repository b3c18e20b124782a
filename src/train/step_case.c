/* step_case.c - running a parity case and writing its results.
 * SPDX-License-Identifier: Apache-2.0 */
#include "train/step_case.h"

#include <stdio.h>
#include <string.h>

#include "train/step_case_impl.h"

struct gp_case_results {
    gp_st_writer *w;
    gp_arena *a; /* names and values until written */
    bool failed;
};
typedef gp_case_results results;

void gp_case_put(results *r, const char *name, const size_t *shape, size_t rank, const gp_real *v)
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
    gp_case_put(r, name, NULL, 0, &x);
}

/* Intermediate values as the step shows them. */
#define MAX_SHOWN 8
typedef struct shown {
    const gp_case *c;
    gp_real *v[MAX_SHOWN]; /* of c->kind->output[i], all numbers */
    size_t have[MAX_SHOWN], count[MAX_SHOWN];
} shown;

static size_t shape_of(const gp_case *c, const char *letters, size_t shape[GP_MAX_RANK])
{
    const gp_clip_arch *a = gp_model_arch(c->model);
    size_t n = 0;
    for (; letters[n] && n < GP_MAX_RANK; n++) switch (letters[n]) {
        case 'N':
            shape[n] = c->B;
            break;
        case 'K':
            shape[n] = c->K;
            break;
        case 'M':
            shape[n] = c->M;
            break;
        case 'E':
            shape[n] = a->embed;
            break;
        case 'D':
            shape[n] = a->v.width;
            break;
        case 'L':
            shape[n] = a->v.layers;
            break;
        default:
            shape[n] = a->t.width;
        }
    return n;
}

static gopro_status shown_open(shown *x, const gp_case *c, gp_arena *a, gopro_error *err)
{
    const gp_case_output *o = c->kind->output;
    *x = (shown){.c = c};
    for (size_t i = 0; o && o[i].name && i < MAX_SHOWN; i++) {
        size_t shape[GP_MAX_RANK], rank = shape_of(c, o[i].shape, shape);
        x->count[i] = 1;
        for (size_t d = 0; d < rank; d++) x->count[i] *= shape[d];
        x->v[i] = gp_arena_alloc(a, x->count[i], sizeof(gp_real));
        if (!x->v[i]) return gp_fail_nomem(err, x->count[i] * sizeof(gp_real), o[i].name);
    }
    return GOPRO_OK;
}

static void show(void *to, const char *name, const gp_real *v, size_t rows, size_t cols)
{
    shown *x = to;
    const gp_case_output *o = x->c->kind->output;
    for (size_t i = 0; o && o[i].name && i < MAX_SHOWN; i++) {
        if (strcmp(o[i].name, name) != 0) continue;
        const size_t n = gp_min_size(rows * cols, x->count[i] - x->have[i]);
        memcpy(x->v[i] + x->have[i], v, n * sizeof *v);
        x->have[i] += n;
    }
}

static void put_shown(const shown *x, results *r)
{
    const gp_case_output *o = x->c->kind->output;
    for (size_t i = 0; o && o[i].name && i < MAX_SHOWN; i++) {
        size_t shape[GP_MAX_RANK], rank = shape_of(x->c, o[i].shape, shape);
        char name[64];
        snprintf(name, sizeof name, "out.%s", o[i].name);
        if (x->have[i] == x->count[i]) gp_case_put(r, name, shape, rank, x->v[i]);
    }
}

static void put_params(results *r, gp_case *c, const char *prefix, bool gradient)
{
    for (size_t i = 0; i < gp_params_count(c->p); i++) {
        const gp_param_info *info = gp_params_info(c->p, i);
        const gp_var x = gp_param_at(c->p, i);
        char name[128];
        snprintf(name, sizeof name, "%s%s", prefix, info->name);
        if (strncmp(info->name, "center.", 7) == 0 || (gradient && info->state)) continue;
        gp_case_put(r, name, info->shape, info->rank, gradient ? x.g : x.v);
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
    return gp_step_views(c->kind->method, c->model, a, s->view, pixels, c->B, c->stats, err);
}

static gopro_status run_case(gp_case *c, gp_tape *t, results *r, gopro_error *err)
{
    const gp_case_kind *kind = c->kind;
    const size_t E = gp_model_arch(c->model)->embed;
    gp_step s;
    shown seen;
    GP_TRY(make_step(c, r->a, 0, &s, err));
    GP_TRY(shown_open(&seen, c, r->a, err));
    s.logits = gp_arena_alloc(r->a, c->B * c->K, sizeof *s.logits);
    if (!s.logits) return gp_fail_nomem(err, c->B * c->K * sizeof *s.logits, "logits");
    s.show = show;
    s.show_to = &seen;
    if (c->p) gp_params_zero_grad(c->p);
    GP_TRY(gp_step_run(kind->method, t, &s, err));
    gp_case_put(r, "out.logits", (const size_t[]){c->B, c->K}, 2, s.logits);
    if (!kind->own_image_features) gp_case_put(r, "out.image_features", (const size_t[]){c->B, E}, 2, s.view[0].raw);
    put_shown(&seen, r);
    if (!kind->method->declare) return GOPRO_OK;
    put_scalar(r, "out.loss", s.loss);
    for (size_t i = 0; kind->terms && i < s.n_terms; i++) {
        char name[64];
        snprintf(name, sizeof name, "out.loss.%s", s.term[i].name);
        put_scalar(r, name, s.term[i].value);
    }
    if (kind->extra) GP_TRY(kind->extra(c, t, &s, r, r->a, err));
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
        if (gp_step_run(c->kind->method, t, s, err) != GOPRO_OK) return gp_fail_in(err, GOPRO_E_INVALID, "step %zu", i);
        gp_sgd_step(c->p, &o->sgd, rate);
        loss[i] = (gp_real)s->loss;
        lr[i] = (gp_real)rate;
    }
    gp_case_put(r, "out.loss", &o->steps, 1, loss);
    gp_case_put(r, "out.lr", &o->steps, 1, lr);
    put_params(r, c, "final.", false);
    return GOPRO_OK;
}

gopro_status gp_step_case(const char *weights, const char *case_file, const char *out, gp_compute *compute, gp_precision precision,
                          gopro_error *err)
{
    gp_case c;
    gp_tape *t = NULL;
    results r = {.w = gp_st_writer_create(), .a = gp_arena_create((size_t)1 << 20)};
    gopro_status st = gp_case_open(&c, weights, case_file, compute, precision, err);
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
