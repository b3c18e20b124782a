/* pretrain_state.c - the state of a pretraining run: creation, the AdamW step, checkpoints.
 * SPDX-License-Identifier: Apache-2.0 */
#include "train/pretrain_state.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/str.h"
#include "weights/safetensors.h"

typedef struct visit {
    gp_pt_state *s;
    size_t i;
    bool grads;
} visit;

static gopro_status count_one(void *user, const char *name, gp_real *data, const size_t *shape, size_t rank, gopro_error *err)
{
    gp_pt_state *s = user;
    (void)name, (void)data, (void)err;
    size_t n = 1;
    for (size_t i = 0; i < rank; i++) n *= shape[i];
    s->n++;
    s->total += n;
    return GOPRO_OK;
}

static gopro_status take_one(void *user, const char *name, gp_real *data, const size_t *shape, size_t rank, gopro_error *err)
{
    visit *v = user;
    gp_pt_tensor *t = &v->s->t[v->i++];
    (void)err;
    if (v->grads) {
        t->g = data;
        return GOPRO_OK;
    }
    snprintf(t->name, sizeof t->name, "%s", name);
    t->w = data;
    t->rank = rank;
    t->n = 1;
    for (size_t i = 0; i < rank; i++) t->shape[i] = shape[i], t->n *= shape[i];
    /* METHODS 5.4: matrices, embeddings, class token and positions decay; gains, biases and the logit scale do not */
    t->decay = rank >= 2 || strstr(name, "class_embedding") != NULL;
    return GOPRO_OK;
}

static void take_head(gp_pt_tensor *t, gp_params *head, size_t i)
{
    const gp_param_info *info = gp_params_info(head, i);
    const gp_var x = gp_param_at(head, i);
    snprintf(t->name, sizeof t->name, "%s", info->name);
    t->w = x.v;
    t->g = x.g;
    t->n = info->count;
    t->rank = info->rank;
    memcpy(t->shape, info->shape, info->rank * sizeof *info->shape);
    t->decay = info->rank >= 2;
}

/* m and v of whatever is trained, then averages and best of the model. */
static void share_out(gp_pt_state *s)
{
    float *at = s->flat;
    for (size_t i = 0; i < s->n; i++) {
        gp_pt_tensor *t = &s->t[i];
        if (!t->g) continue;
        t->m = at;
        t->v = at + t->n;
        at += 2 * t->n;
        if (i >= s->n_model) continue;
        t->ema = at;
        t->best = at + t->n;
        at += 2 * t->n;
        memcpy(t->ema, t->w, t->n * sizeof *t->w);
    }
}

gopro_status gp_pt_create(gp_pt_state *s, const gp_clip_arch *arch, uint64_t seed, gp_params *head, gopro_error *err)
{
    *s = (gp_pt_state){.best_loss = DBL_MAX};
    GP_TRY(gp_clip_init(&s->w, arch, seed, err));
    GP_TRY(gp_clip_init(&s->g, arch, seed, err));
    GP_TRY(gp_clip_visit(s->w, count_one, s, err));
    s->n_model = s->n;
    s->n += head ? gp_params_count(head) : 0;
    const size_t numbers = 4 * s->total + (head ? 2 * gp_params_total(head) : 0);
    s->t = calloc(s->n, sizeof *s->t);
    s->flat = calloc(numbers, sizeof *s->flat);
    if (!s->t || !s->flat) return gp_fail_nomem(err, numbers * sizeof *s->flat, "the optimiser's state");
    visit v = {s, 0, false};
    GP_TRY(gp_clip_visit(s->w, take_one, &v, err));
    v = (visit){s, 0, true};
    GP_TRY(gp_clip_visit(s->g, take_one, &v, err));
    for (size_t i = s->n_model; i < s->n; i++) take_head(&s->t[i], head, i - s->n_model);
    share_out(s);
    return GOPRO_OK;
}

void gp_pt_free(gp_pt_state *s)
{
    gp_clip_free(&s->w);
    gp_clip_free(&s->g);
    free(s->t);
    free(s->flat);
    *s = (gp_pt_state){0};
}

typedef struct update_job {
    gp_pt_state *s;
    gp_pt_adamw o;
    double scale, c1, c2; /* gradient scale; 1 / (1 - beta^t) */
    double *norm2;        /* per tensor */
} update_job;

static void zero_tensor(void *arg, size_t i, size_t worker)
{
    gp_pt_state *s = arg;
    (void)worker;
    if (s->t[i].g) memset(s->t[i].g, 0, s->t[i].n * sizeof *s->t[i].g);
}

void gp_pt_zero_grad(gp_pt_state *s, gp_compute *c)
{
    gp_parallel_for(c->pool, s->n, zero_tensor, s);
}

static void norm_tensor(void *arg, size_t i, size_t worker)
{
    update_job *j = arg;
    (void)worker;
    if (j->s->t[i].g) j->norm2[i] = gp_kernels_ref.dot(j->s->t[i].g, j->s->t[i].g, j->s->t[i].n);
}

/* p *= 1 - lr wd; m, v moments; p -= lr m_hat / (sqrt(v_hat) + eps) (METHODS 5.4) */
static void update_tensor(void *arg, size_t i, size_t worker)
{
    update_job *j = arg;
    gp_pt_tensor *t = &j->s->t[i];
    (void)worker;
    if (!t->g) return;
    const float b1 = (float)j->o.beta1, b2 = (float)j->o.beta2, eps = (float)j->o.eps, sc = (float)j->scale, ema = (float)j->o.ema;
    const float keep = (float)(1.0 - (t->decay ? j->o.lr * j->o.weight_decay : 0.0)), step = (float)(j->o.lr * j->c1), c2 = (float)j->c2;
    float *restrict w = t->w, *restrict m = t->m, *restrict v = t->v, *restrict e = t->ema;
    const float *restrict gr = t->g;
    for (size_t k = 0; k < t->n; k++) {
        float g = gr[k] * sc;
        m[k] = b1 * m[k] + (1.0f - b1) * g;
        v[k] = b2 * v[k] + (1.0f - b2) * g * g;
        w[k] = w[k] * keep - step * m[k] / (sqrtf(v[k] * c2) + eps);
        if (e) e[k] = ema * e[k] + (1.0f - ema) * w[k];
    }
}

double gp_pt_update(gp_pt_state *s, gp_compute *c, const gp_pt_adamw *o)
{
    double *norm2 = calloc(s->n, sizeof *norm2), sum = 0.0;
    if (!norm2) {
        gp_compute_fail(c, "out of memory in the optimiser");
        return 0.0;
    }
    s->step++;
    update_job j = {s, *o, 1.0, 1.0 / (1.0 - pow(o->beta1, (double)s->step)), 1.0 / (1.0 - pow(o->beta2, (double)s->step)), norm2};
    /* early on the average follows the weights closely */
    j.o.ema = fmin(o->ema, (1.0 + (double)s->step) / (10.0 + (double)s->step));
    gp_parallel_for(c->pool, s->n, norm_tensor, &j);
    for (size_t i = 0; i < s->n; i++) sum += norm2[i];
    free(norm2);
    double norm = sqrt(sum);
    if (o->clip > 0.0 && norm > o->clip) j.scale = o->clip / norm;
    if (!isfinite(norm)) return norm;
    gp_parallel_for(c->pool, s->n, update_tensor, &j);
    float *ls = s->w->logit_scale;
    *ls = fminf(fmaxf(*ls, 0.0f), 4.6052f);
    return norm;
}

void gp_pt_swap_ema(gp_pt_state *s)
{
    for (size_t i = 0; i < s->n_model; i++)
        for (size_t k = 0; k < s->t[i].n; k++) {
            float x = s->t[i].w[k];
            s->t[i].w[k] = s->t[i].ema[k];
            s->t[i].ema[k] = x;
        }
}

void gp_pt_keep_best(gp_pt_state *s, double loss)
{
    s->best_loss = loss;
    for (size_t i = 0; i < s->n_model; i++) memcpy(s->t[i].best, s->t[i].ema, s->t[i].n * sizeof(float));
}

void gp_pt_take_best(gp_pt_state *s)
{
    for (size_t i = 0; i < s->n_model; i++) memcpy(s->t[i].w, s->t[i].best, s->t[i].n * sizeof(float));
}

static const char *const part_name[] = {"w.", "m.", "v.", "ema.", "best."};

/* NULL: the tensor has no such part. */
static float *part(const gp_pt_tensor *t, size_t k)
{
    float *const p[] = {t->w, t->m, t->v, t->ema, t->best};
    return p[k];
}

gopro_status gp_pt_save(const gp_pt_state *s, const char *path, const char *config, gopro_error *err)
{
    gp_st_writer *w = gp_st_writer_create();
    if (!w) return gp_fail_nomem(err, 0, "a checkpoint");
    char number[64];
    snprintf(number, sizeof number, "%llu", (unsigned long long)s->step);
    gp_st_writer_meta(w, "step", number);
    gp_real_text(number, s->best_loss, 17);
    gp_st_writer_meta(w, "best_loss", number);
    gp_st_writer_meta(w, "config", config);
    for (size_t i = 0; i < s->n; i++)
        for (size_t k = 0; k < GP_COUNT(part_name); k++) {
            char name[160];
            if (!part(&s->t[i], k)) continue;
            snprintf(name, sizeof name, "%s%s", part_name[k], s->t[i].name);
            gp_st_writer_add(w, name, GP_DT_F32, s->t[i].shape, s->t[i].rank, part(&s->t[i], k), false);
        }
    gopro_status st = gp_st_writer_commit(w, path, err);
    gp_st_writer_free(&w);
    return st;
}

gopro_status gp_pt_load(gp_pt_state *s, const char *path, const char *config, bool *found, gopro_error *err)
{
    *found = gp_path_exists(path);
    if (!*found) return GOPRO_OK;
    gp_safetensors *f = NULL;
    gopro_status st = gp_safetensors_open(&f, path, err);
    if (st != GOPRO_OK) return st;
    const char *made = gp_safetensors_meta(f, "config"), *step = gp_safetensors_meta(f, "step"),
               *best = gp_safetensors_meta(f, "best_loss");
    if (!made || !step || !best || strcmp(made, config) != 0) {
        st = gp_fail(err, GOPRO_E_INVALID, "%s was made with other settings; give another --out or remove it", path);
        goto out;
    }
    for (size_t i = 0; i < s->n; i++)
        for (size_t k = 0; k < GP_COUNT(part_name); k++) {
            char name[160];
            if (!part(&s->t[i], k)) continue;
            snprintf(name, sizeof name, "%s%s", part_name[k], s->t[i].name);
            const gp_tensor *t = gp_safetensors_find(f, name);
            if (!t || t->count != s->t[i].n) {
                st = gp_fail(err, GOPRO_E_FORMAT, "%s: tensor '%s' missing or of another size", path, name);
                goto out;
            }
            GP_CHECK(gp_tensor_to_f32(part(&s->t[i], k), t, err));
        }
    s->step = strtoull(step, NULL, 10);
    if (!gp_parse_real(&s->best_loss, best)) {
        st = gp_fail(err, GOPRO_E_FORMAT, "%s: best_loss is no number", path);
        goto out;
    }
    st = gp_safetensors_check(f, err);
out:
    gp_safetensors_close(&f);
    return st;
}
