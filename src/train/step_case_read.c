/* step_case_read.c - reading a parity case: its metadata, inputs and parameters, each checked against the weights.
 * SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "train/step_case_impl.h"

#define DATA_ERROR(...) gp_fail(err, GOPRO_E_DATA, __VA_ARGS__)

static gopro_status meta_number(const gp_case *c, const char *key, double lo, double hi, bool whole, double *v, gopro_error *err)
{
    const char *text = gp_safetensors_meta(c->file, key);
    if (!text) return DATA_ERROR("%s: metadata '%s' is missing", c->path, key);
    if (!gp_parse_real(v, text) || !(*v >= lo && *v <= hi) || (whole && *v != floor(*v)))
        return DATA_ERROR("%s: metadata '%s' is '%s', expected a %s from %g to %g", c->path, key, text, whole ? "whole number" : "number",
                          lo, hi);
    return GOPRO_OK;
}

static gopro_status meta_size(const gp_case *c, const char *key, double lo, double hi, size_t *v, gopro_error *err)
{
    double x;
    GP_TRY(meta_number(c, key, lo, hi, true, &x, err));
    *v = (size_t)x;
    return GOPRO_OK;
}

static gopro_status find_kind(gp_case *c, gopro_error *err)
{
    const char *name = gp_safetensors_meta(c->file, "method");
    char known[256] = "";
    if (!name) return DATA_ERROR("%s: metadata 'method' is missing; is this a case file?", c->path);
    for (size_t i = 0, at = 0; i < gp_n_case_kinds; i++) {
        if (strcmp(name, gp_case_kinds[i]->name) == 0) c->kind = gp_case_kinds[i];
        if (at < sizeof known) at += (size_t)snprintf(known + at, sizeof known - at, "%s%s", i ? ", " : "", gp_case_kinds[i]->name);
    }
    if (c->kind) return GOPRO_OK;
    return gp_fail(err, GOPRO_E_UNSUPPORTED, "%s: unknown method '%s', expected one of %s", c->path, name, known);
}

static gopro_status read_method(gp_case *c, gopro_error *err)
{
    GP_TRY(find_kind(c, err));
    for (const gp_case_option *o = c->kind->option; o && o->key; o++) {
        const char *given = gp_safetensors_meta(c->file, o->key), *value = given ? given : o->absent;
        const gopro_status st = value ? gp_options_set(c->opt, o->option, value, "metadata", err) : GOPRO_OK;
        if (st != GOPRO_OK) return gp_fail_in(err, GOPRO_E_DATA, "%s", c->path);
    }
    if (c->kind->method->wants & GP_WANT_TEMPLATES) return GOPRO_OK;
    return meta_size(c, "n_ctx", 1, (double)gp_model_arch(c->model)->context, &c->M, err);
}

static gopro_status check_geometry(const gp_case *c, gopro_error *err)
{
    const gp_clip_arch *a = gp_model_arch(c->model);
    const struct {
        const char *key;
        size_t value;
    } of_weights[] = {
        {"cfg.image", a->image},     {"cfg.patch", a->patch},     {"cfg.v_width", a->v.width},   {"cfg.v_layers", a->v.layers},
        {"cfg.v_heads", a->v.heads}, {"cfg.t_width", a->t.width}, {"cfg.t_layers", a->t.layers}, {"cfg.t_heads", a->t.heads},
        {"cfg.context", a->context}, {"cfg.vocab", a->vocab},     {"cfg.embed", a->embed},
    };
    for (size_t i = 0; i < GP_COUNT(of_weights); i++) {
        size_t v;
        if (!gp_safetensors_meta(c->file, of_weights[i].key)) continue;
        GP_TRY(meta_size(c, of_weights[i].key, 0, 1e9, &v, err));
        if (v != of_weights[i].value)
            return DATA_ERROR("%s: made for weights with %s = %zu, these have %zu", c->path, of_weights[i].key + 4, v, of_weights[i].value);
    }
    return GOPRO_OK;
}

static gopro_status read_schedule(gp_case *c, gopro_error *err)
{
    gp_schedule *s = &c->schedule;
    c->training = gp_safetensors_meta(c->file, "steps") != NULL;
    if (!c->training) return GOPRO_OK;
    if (!c->kind->method->declare) return DATA_ERROR("%s: a training file of a method that learns nothing", c->path);
    GP_TRY(meta_size(c, "steps", 1, 1e6, &s->steps, err));
    GP_TRY(meta_size(c, "epochs", 1, 1e6, &s->epochs, err));
    GP_TRY(meta_size(c, "epoch_steps", 1, 1e6, &s->epoch_steps, err));
    GP_TRY(meta_number(c, "lr", 0, 1e6, false, &s->lr, err));
    GP_TRY(meta_number(c, "momentum", 0, 1, false, &s->sgd.momentum, err));
    return meta_number(c, "weight_decay", 0, 1e6, false, &s->sgd.weight_decay, err);
}

static gopro_status find_tensor(const gp_case *c, const char *name, const size_t *shape, size_t rank, const gp_tensor **t, gopro_error *err)
{
    *t = gp_safetensors_find(c->file, name);
    if (!*t) return DATA_ERROR("%s: tensor '%s' is missing", c->path, name);
    bool same = (*t)->rank == rank;
    for (size_t i = 0; same && i < rank; i++) same = (*t)->shape[i] == shape[i];
    if (same) return GOPRO_OK;
    char found[128] = "", expected[128] = "";
    for (size_t i = 0, n = 0; i < (*t)->rank && n < 100; i++) n += (size_t)snprintf(found + n, sizeof found - n, " %zu", (*t)->shape[i]);
    for (size_t i = 0, n = 0; i < rank && n < 100; i++) n += (size_t)snprintf(expected + n, sizeof expected - n, " %zu", shape[i]);
    return DATA_ERROR("%s: tensor '%s' has shape [%s ], expected [%s ]", c->path, name, found, expected);
}

static gopro_status read_f32(const gp_case *c, const gp_tensor *t, float **v, gopro_error *err)
{
    *v = gp_arena_alloc_raw(c->a, t->count, sizeof **v);
    if (!*v) return gp_fail_nomem(err, t->count * sizeof **v, t->name);
    if (gp_tensor_to_f32(*v, t, err) != GOPRO_OK) return gp_fail_in(err, GOPRO_E_DATA, "%s", c->path);
    for (size_t i = 0; i < t->count; i++)
        if (!isfinite((*v)[i])) return DATA_ERROR("%s: tensor '%s' holds a number that is not finite", c->path, t->name);
    return GOPRO_OK;
}

static gopro_status read_i32(const gp_case *c, const gp_tensor *t, int64_t below, uint32_t **v, gopro_error *err)
{
    int32_t *x = gp_arena_alloc_raw(c->a, t->count, sizeof *x);
    *v = gp_arena_alloc_raw(c->a, t->count, sizeof **v);
    if (!x || !*v) return gp_fail_nomem(err, t->count * sizeof *x, t->name);
    if (gp_tensor_to_i32(x, t, err) != GOPRO_OK) return gp_fail_in(err, GOPRO_E_DATA, "%s", c->path);
    for (size_t i = 0; i < t->count; i++) {
        if (x[i] < 0 || x[i] >= below)
            return DATA_ERROR("%s: tensor '%s' holds %d, expected 0 to %lld", c->path, t->name, x[i], (long long)below - 1);
        (*v)[i] = (uint32_t)x[i];
    }
    return GOPRO_OK;
}

/* The prompts, each cut behind its end token, laid out for the text tower. */
static gopro_status read_prompts(gp_case *c, gopro_error *err)
{
    const gp_clip_arch *arch = gp_model_arch(c->model);
    const gp_tensor *t = gp_safetensors_find(c->file, "in.tokens");
    if (!t || t->rank != 2 || t->shape[0] == 0) return DATA_ERROR("%s: tensor 'in.tokens' [classes, context] is missing", c->path);
    c->K = t->shape[0];
    GP_TRY(find_tensor(c, "in.tokens", (const size_t[]){c->K, arch->context}, 2, &t, err));
    uint32_t *ids;
    GP_TRY(read_i32(c, t, (int64_t)arch->vocab, &ids, err));
    c->setup = gp_setup_make(c->kind->method, c->model, c->opt, c->M, c->K, NULL);
    c->setup.case_file = true;
    uint32_t *name_len = NULL;
    if (c->setup.pos != GP_POS_END) {
        GP_TRY(find_tensor(c, "in.name_len", &c->K, 1, &t, err));
        GP_TRY(read_i32(c, t, (int64_t)arch->context, &name_len, err));
    }
    gp_prompt *prompt = gp_arena_alloc(c->a, c->K, sizeof *prompt);
    if (!prompt) return gp_fail_nomem(err, c->K * sizeof *prompt, "prompts");
    for (size_t k = 0; k < c->K; k++) {
        const uint32_t *row = ids + k * arch->context;
        size_t n = 0;
        while (n < arch->context && row[n] != arch->eot) n++;
        if (n == arch->context) return DATA_ERROR("%s: prompt %zu of 'in.tokens' has no end token %u", c->path, k, arch->eot);
        prompt[k] = (gp_prompt){.ids = row, .n = n + 1, .name_len = name_len ? name_len[k] : 0};
    }
    if (gp_text_plan_create(&c->plan, c->model, prompt, c->K, c->setup.M, c->setup.pos, err) != GOPRO_OK)
        return gp_fail_in(err, GOPRO_E_DATA, "%s: 'in.tokens'", c->path);
    return GOPRO_OK;
}

static gopro_status read_view(gp_case *c, size_t i, gopro_error *err)
{
    const size_t S = gp_model_arch(c->model)->image;
    const size_t shape[] = {c->n_batches, c->B, 3, S, S};
    const size_t skip = c->training ? 0 : 1;
    const gp_tensor *t;
    char name[64];
    float *v;
    snprintf(name, sizeof name, "in.%s", c->kind->view[i]);
    GP_TRY(find_tensor(c, name, shape + skip, 5 - skip, &t, err));
    GP_TRY(read_f32(c, t, &v, err));
    c->pixels[i] = v;
    return GOPRO_OK;
}

static gopro_status read_batches(gp_case *c, gopro_error *err)
{
    const gp_tensor *t = gp_safetensors_find(c->file, "in.image");
    const size_t skip = c->training ? 0 : 1;
    if (!t || t->rank != 5 - skip || t->count == 0)
        return DATA_ERROR("%s: tensor 'in.image' is missing or does not have rank %zu", c->path, 5 - skip);
    c->n_batches = c->training ? t->shape[0] : 1;
    c->B = t->shape[1 - skip];
    gp_view_kind kind[GP_MAX_VIEWS];
    c->kind->method->views(&c->setup, kind);
    for (size_t i = 0; i < GP_MAX_VIEWS; i++)
        if (kind[i] != GP_VIEW_NONE) GP_TRY(read_view(c, i, err));
    if (c->kind->stats)
        c->kind->stats(c, c->stats);
    else
        c->stats[0] = (c->kind->method->wants & GP_WANT_STATS) != 0;
    if (!c->kind->method->declare) return GOPRO_OK;
    GP_TRY(find_tensor(c, "in.label", (const size_t[]){c->n_batches, c->B} + skip, 2 - skip, &t, err));
    return read_i32(c, t, (int64_t)c->K, &c->label, err);
}

static gopro_status read_param(gp_case *c, size_t i, gopro_error *err)
{
    const gp_param_info *info = gp_params_info(c->p, i);
    char name[128];
    const gp_tensor *t;
    float *v;
    snprintf(name, sizeof name, "param.%s", info->name);
    if (info->state && strncmp(info->name, "center.", 7) != 0 && !gp_safetensors_find(c->file, name)) return GOPRO_OK;
    GP_TRY(find_tensor(c, name, info->shape, info->rank, &t, err));
    GP_TRY(read_f32(c, t, &v, err));
    gp_real *to = gp_params_state(c->p, i).value;
    for (size_t j = 0; j < info->count; j++) to[j] = (gp_real)v[j];
    return GOPRO_OK;
}

static gopro_status read_params(gp_case *c, gopro_error *err)
{
    c->p = gp_params_create();
    if (!c->p) return gp_fail_nomem(err, 1, "parameters");
    if (c->kind->method->declare) GP_TRY(c->kind->method->declare(c->p, &c->setup, err));
    GP_TRY(gp_params_finish(c->p, 0, err));
    for (size_t i = 0; i < gp_params_count(c->p); i++) GP_TRY(read_param(c, i, err));
    for (size_t i = 0; i < gp_safetensors_count(c->file); i++) {
        const char *name = gp_safetensors_at(c->file, i)->name;
        if (strncmp(name, "param.", 6) == 0 && !gp_param_exists(c->p, name + 6))
            return DATA_ERROR("%s: tensor '%s' is no parameter of this method with these options", c->path, name);
    }
    return GOPRO_OK;
}

gopro_status gp_case_open(gp_case *c, const char *weights, const char *path, gp_compute *compute, gp_precision precision, gopro_error *err)
{
    *c = (gp_case){.path = path};
    c->a = gp_arena_create((size_t)1 << 20);
    c->opt = gp_options_create();
    if (!c->a || !c->opt) return gp_fail_nomem(err, (size_t)1 << 20, "the case");
    const gopro_status st = gp_safetensors_open(&c->file, path, err);
    if (st != GOPRO_OK) return st == GOPRO_E_FORMAT ? gp_fail_in(err, GOPRO_E_DATA, "%s", path) : st;
    GP_TRY(gp_clip_load(&c->weights, weights, err));
    GP_TRY(gp_model_create(&c->model, compute, c->weights, precision, false, err));
    GP_TRY(read_method(c, err));
    GP_TRY(check_geometry(c, err));
    GP_TRY(read_schedule(c, err));
    GP_TRY(read_prompts(c, err));
    GP_TRY(read_batches(c, err));
    return read_params(c, err);
}

void gp_case_close(gp_case *c)
{
    gp_params_free(&c->p);
    gp_text_plan_free(&c->plan);
    gp_model_free(&c->model);
    gp_clip_free(&c->weights);
    gp_safetensors_close(&c->file);
    gp_options_free(&c->opt);
    gp_arena_free(&c->a);
}
