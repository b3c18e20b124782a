/* state.c - sums of an epoch, checkpoints.
 * SPDX-License-Identifier: Apache-2.0 */
#include "train/state.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "weights/safetensors.h"

#define GP_CHECKPOINT_FORMAT "gopro checkpoint 1"

gopro_status gp_train_state_init(gp_train_state *s, size_t shift_dims, gopro_error *err)
{
    memset(s, 0, sizeof *s);
    s->sums.n_shift_dims = shift_dims;
    s->sums.shift = calloc(shift_dims ? shift_dims : 1, sizeof *s->sums.shift);
    return s->sums.shift ? GOPRO_OK : gp_fail_nomem(err, shift_dims * sizeof(double), "training state");
}

void gp_train_state_free(gp_train_state *s)
{
    free(s->sums.shift);
    free(s->best.values);
    s->sums.shift = NULL;
    s->best.values = NULL;
}

gopro_status gp_best_offer(gp_train_state *s, gp_params *p, double accuracy, gopro_error *err)
{
    gp_best *b = &s->best;
    size_t n;
    const gp_real *now = gp_params_values(p, &n);
    b->latest = accuracy;
    if (b->epoch > 0 && !(accuracy > b->accuracy)) return GOPRO_OK;
    if (!b->values) b->values = malloc(n * sizeof *b->values);
    if (!b->values) return gp_fail_nomem(err, n * sizeof *b->values, "the best epoch's parameters");
    memcpy(b->values, now, n * sizeof *now);
    b->n = n;
    b->epoch = s->epoch + 1;
    b->accuracy = accuracy;
    return GOPRO_OK;
}

void gp_best_restore(const gp_train_state *s, gp_params *p)
{
    size_t n;
    gp_real *now = gp_params_values(p, &n);
    if (s->best.values && s->best.n == n) memcpy(now, s->best.values, n * sizeof *now);
}

void gp_epoch_sums_clear(gp_epoch_sums *s)
{
    double *shift = s->shift;
    size_t n = s->n_shift_dims;
    memset(s, 0, sizeof *s);
    memset(shift, 0, n * sizeof *shift);
    s->shift = shift;
    s->n_shift_dims = n;
}

void gp_epoch_sums_shift(gp_epoch_sums *s, const gp_real *shift, size_t B)
{
    for (size_t b = 0; b < B; b++) {
        double n2 = 0.0;
        for (size_t i = 0; i < s->n_shift_dims; i++) {
            double d = (double)shift[b * s->n_shift_dims + i];
            s->shift[i] += d;
            n2 += d * d;
        }
        s->n_shift += 1.0;
        s->shift_norm += sqrt(n2);
        s->shift_norm2 += n2;
    }
}

double gp_epoch_sums_spread(const gp_epoch_sums *s)
{
    if (s->n_shift < 1.0 || s->shift_norm <= 0.0) return 0.0;
    double mean2 = 0.0;
    for (size_t i = 0; i < s->n_shift_dims; i++) mean2 += (s->shift[i] / s->n_shift) * (s->shift[i] / s->n_shift);
    double var = fmax(0.0, s->shift_norm2 / s->n_shift - mean2);
    return sqrt(var) / (s->shift_norm / s->n_shift);
}

/* The numbers of a state in a fixed order, followed by the shift sums. */
#define GP_STATE_FIXED (7 + 2 * GP_MAX_TERMS + 10)

static size_t state_pack(double *v, const gp_train_state *s)
{
    const gp_epoch_sums *e = &s->sums;
    size_t n = 0;
    const double a[7] = {e->steps, e->images, e->correct, e->loss, e->n_shift, e->shift_norm, e->shift_norm2};
    const double b[10] = {s->zs_ce,  s->ln_classes, s->best_scale,         s->final_loss,    s->final_accuracy,
                          s->spread, s->seconds,    (double)s->best.epoch, s->best.accuracy, s->best.latest};
    for (size_t i = 0; i < 7; i++) v[n++] = a[i];
    for (size_t i = 0; i < GP_MAX_TERMS; i++) v[n++] = e->term[i];
    for (size_t i = 0; i < GP_MAX_TERMS; i++) v[n++] = s->term_weight[i];
    for (size_t i = 0; i < 10; i++) v[n++] = b[i];
    for (size_t i = 0; i < e->n_shift_dims; i++) v[n++] = e->shift[i];
    return n;
}

#define MAX_COUNT 1e9 /* epochs and steps that a checkpoint may speak of */

/* False if a number is none that state_pack writes. */
static bool state_unpack(gp_train_state *s, const double *v)
{
    gp_epoch_sums *e = &s->sums;
    double *a[7] = {&e->steps, &e->images, &e->correct, &e->loss, &e->n_shift, &e->shift_norm, &e->shift_norm2};
    double best_epoch = 0.0;
    double *b[10] = {&s->zs_ce,  &s->ln_classes, &s->best_scale, &s->final_loss,    &s->final_accuracy,
                     &s->spread, &s->seconds,    &best_epoch,    &s->best.accuracy, &s->best.latest};
    for (size_t i = 0; i < 7; i++) *a[i] = *v++;
    for (size_t i = 0; i < GP_MAX_TERMS; i++) e->term[i] = *v++;
    for (size_t i = 0; i < GP_MAX_TERMS; i++) s->term_weight[i] = *v++;
    for (size_t i = 0; i < 10; i++) *b[i] = *v++;
    for (size_t i = 0; i < e->n_shift_dims; i++) e->shift[i] = *v++;
    if (!(best_epoch >= 0.0 && best_epoch <= MAX_COUNT)) return false;
    s->best.epoch = (size_t)best_epoch;
    return true;
}

static bool read_count(size_t *n, const char *text)
{
    char *end;
    const unsigned long long v = strtoull(text, &end, 10);
    *n = (size_t)v;
    return *text >= '0' && *text <= '9' && *end == '\0' && v <= (unsigned long long)MAX_COUNT;
}

static void add_tensors(gp_st_writer *w, const gp_learner *l, gp_str *stepped)
{
    char name[128];
    for (size_t i = 0; i < gp_params_count(l->p); i++) {
        const gp_param_info *in = gp_params_info(l->p, i);
        gp_param_state ps = gp_params_state(l->p, i);
        snprintf(name, sizeof name, "value.%s", in->name);
        gp_st_writer_add(w, name, GP_DT_F32, in->shape, in->rank, ps.value, false);
        if (ps.momentum && !in->state) {
            snprintf(name, sizeof name, "momentum.%s", in->name);
            gp_st_writer_add(w, name, GP_DT_F32, in->shape, in->rank, ps.momentum, false);
        }
        gp_str_add(stepped, ps.stepped && *ps.stepped ? "1" : "0");
    }
}

gopro_status gp_checkpoint_write(const char *path, const gp_learner *l, const gp_train_state *s, const char *identity, gopro_error *err)
{
    gp_st_writer *w = gp_st_writer_create();
    size_t n = GP_STATE_FIXED + s->sums.n_shift_dims;
    double *v = malloc(n * sizeof *v);
    gp_str stepped = {0}, terms = {0};
    char number[32], reading[GP_CLIP_READING];
    gopro_status st;
    if (!w || !v) {
        st = gp_fail_nomem(err, n * sizeof *v, "a checkpoint");
        goto out;
    }
    state_pack(v, s);
    gp_st_writer_meta(w, "format", GP_CHECKPOINT_FORMAT);
    gp_st_writer_meta(w, "identity", identity);
    gp_clip_reading(reading, &l->bb->weights->arch);
    gp_st_writer_meta(w, "reading", reading);
    snprintf(number, sizeof number, "%zu", s->epoch);
    gp_st_writer_meta(w, "epoch", number);
    snprintf(number, sizeof number, "%zu", s->iter);
    gp_st_writer_meta(w, "iter", number);
    gp_real_text(number, l->logit_scale, 17);
    gp_st_writer_meta(w, "logit_scale", number);
    for (size_t i = 0; i < s->n_terms; i++) gp_str_addf(&terms, "%s%s", i ? "," : "", s->term_name[i]);
    add_tensors(w, l, &stepped);
    gp_st_writer_meta(w, "terms", terms.s ? terms.s : "");
    gp_st_writer_meta(w, "stepped", stepped.s ? stepped.s : "");
    gp_st_writer_add(w, "train.state", GP_DT_F64, &n, 1, v, true);
    if (s->best.epoch > 0) gp_st_writer_add(w, "best.values", GP_DT_F32, &s->best.n, 1, s->best.values, false);
    st = terms.failed || stepped.failed ? gp_fail_nomem(err, 0, "a checkpoint") : gp_st_writer_commit(w, path, err);
out:
    gp_st_writer_free(&w);
    free(v);
    gp_str_free(&stepped);
    gp_str_free(&terms);
    return st;
}

static gopro_status take(gp_real *out, const gp_safetensors *f, const char *prefix, const gp_param_info *in, const char *path,
                         gopro_error *err)
{
    char name[128];
    snprintf(name, sizeof name, "%s.%s", prefix, in->name);
    const gp_tensor *t = gp_safetensors_find(f, name);
    bool same = t && t->rank == in->rank && t->dtype == GP_DT_F32;
    for (size_t d = 0; same && d < in->rank; d++) same = t->shape[d] == in->shape[d];
    if (!same)
        return gp_fail(err, GOPRO_E_FORMAT, "%s: tensor '%s' is missing or has another shape; remove the file to start anew", path, name);
    GP_TRY(gp_tensor_to_f32(out, t, err));
    if (gp_all_finite(out, in->count)) return GOPRO_OK;
    return gp_fail(err, GOPRO_E_FORMAT, "%s: tensor '%s' holds numbers that are not finite; remove the file to start anew", path, name);
}

static void split_terms(gp_train_state *s, const char *terms)
{
    s->n_terms = 0;
    while (terms && *terms && s->n_terms < GP_MAX_TERMS) {
        size_t n = strcspn(terms, ",");
        snprintf(s->term_name[s->n_terms++], sizeof s->term_name[0], "%.*s", (int)gp_min_size(n, 23), terms);
        terms += n + (terms[n] == ',');
    }
}

static gopro_status take_state(gp_train_state *s, const gp_safetensors *f, const char *path, gopro_error *err)
{
    const char *epoch = gp_safetensors_meta(f, "epoch"), *iter = gp_safetensors_meta(f, "iter");
    const gp_tensor *t = gp_safetensors_find(f, "train.state");
    size_t n = GP_STATE_FIXED + s->sums.n_shift_dims;
    if (!epoch || !iter || !t || t->count != n || !read_count(&s->epoch, epoch) || !read_count(&s->iter, iter))
        return gp_fail(err, GOPRO_E_FORMAT, "%s: not a checkpoint of this method; remove the file to start anew", path);
    double *v = malloc(n * sizeof *v);
    if (!v) return gp_fail_nomem(err, n * sizeof *v, "a checkpoint");
    gopro_status st = gp_tensor_to_f64(v, t, err);
    if (st == GOPRO_OK && !state_unpack(s, v))
        st = gp_fail(err, GOPRO_E_FORMAT, "%s: numbers of tensor 'train.state' are damaged; remove the file to start anew", path);
    free(v);
    split_terms(s, gp_safetensors_meta(f, "terms"));
    return st;
}

/* The parameters of the best epoch so far, if one was scored. */
static gopro_status take_best(gp_best *b, const gp_safetensors *f, gp_params *p, const char *path, gopro_error *err)
{
    if (b->epoch == 0) return GOPRO_OK;
    const gp_tensor *t = gp_safetensors_find(f, "best.values");
    gp_params_values(p, &b->n);
    if (!t || t->count != b->n || t->dtype != GP_DT_F32)
        return gp_fail(err, GOPRO_E_FORMAT, "%s: tensor 'best.values' is missing or has another size; remove the file to start anew", path);
    free(b->values);
    b->values = malloc(b->n * sizeof *b->values);
    if (!b->values) return gp_fail_nomem(err, b->n * sizeof *b->values, "the best epoch's parameters");
    GP_TRY(gp_tensor_to_f32(b->values, t, err));
    if (gp_all_finite(b->values, b->n)) return GOPRO_OK;
    return gp_fail(err, GOPRO_E_FORMAT, "%s: tensor 'best.values' holds numbers that are not finite; remove the file to start anew", path);
}

gopro_status gp_checkpoint_read(const char *path, gp_learner *l, gp_train_state *s, const char *identity, gopro_error *err)
{
    gp_safetensors *f = NULL;
    char reading[GP_CLIP_READING];
    gopro_status st = gp_safetensors_open(&f, path, err);
    if (st != GOPRO_OK) return st;
    const char *id = gp_safetensors_meta(f, "identity"), *stepped = gp_safetensors_meta(f, "stepped");
    const char *scale = gp_safetensors_meta(f, "logit_scale"), *format = gp_safetensors_meta(f, "format");
    if (!format || strcmp(format, GP_CHECKPOINT_FORMAT) != 0) {
        st = gp_fail(err, GOPRO_E_FORMAT, "%s: not a checkpoint of a run; remove the file to start anew", path);
        goto out;
    }
    if (!id || strcmp(id, identity) != 0 || !scale || !stepped || strlen(stepped) != gp_params_count(l->p)) {
        st = gp_fail(err, GOPRO_E_FORMAT, "%s: a checkpoint of another configuration; remove the file to start anew", path);
        goto out;
    }
    const char *recorded = gp_safetensors_meta(f, "reading");
    gp_clip_reading(reading, &l->bb->weights->arch);
    if (recorded && strcmp(recorded, reading) != 0) {
        st = gp_fail(
            err, GOPRO_E_FORMAT,
            "%s: the run began with the weights read in another way (config.json or preprocessor_config.json): then '%s', now '%s'; "
            "put them back, or remove the run folder",
            path, recorded, reading);
        goto out;
    }
    for (size_t i = 0; i < gp_params_count(l->p); i++) {
        const gp_param_info *in = gp_params_info(l->p, i);
        gp_param_state ps = gp_params_state(l->p, i);
        GP_CHECK(take(ps.value, f, "value", in, path, err));
        if (ps.momentum && !in->state) GP_CHECK(take(ps.momentum, f, "momentum", in, path, err));
        if (ps.stepped) *ps.stepped = stepped[i] == '1';
    }
    if (!gp_logit_scale_parse(&l->logit_scale, scale)) {
        st = gp_fail(err, GOPRO_E_FORMAT, "%s: the metadata's logit_scale '%s' is none; remove the file to start anew", path, scale);
        goto out;
    }
    GP_CHECK(take_state(s, f, path, err));
    GP_CHECK(take_best(&s->best, f, l->p, path, err));
    st = gp_safetensors_check(f, err);
out:
    gp_safetensors_close(&f);
    return st;
}
