/* prompt_file.c - see prompt_file.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "train/prompt_file.h"

#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/str.h"
#include "train/rundir.h"
#include "weights/safetensors.h"

#define GP_PROMPT_FORMAT "gopro prompt 1"

static void add_options(gp_st_writer *w, const gp_options *o)
{
    for (size_t i = 0; i < gp_n_opts; i++) {
        if (!gp_option_matters(i)) continue;
        char key[128], *v = gp_option_text(o, i);
        snprintf(key, sizeof key, "option.%s", gp_opts[i].name);
        gp_st_writer_meta(w, key, v ? v : "");
        free(v);
    }
}

static char *names_json(const char *const *class_name, size_t K)
{
    json_t *a = json_array();
    for (size_t k = 0; a && k < K; k++) json_array_append_new(a, json_string(class_name[k]));
    char *text = a ? json_dumps(a, JSON_COMPACT) : NULL;
    json_decref(a);
    return text;
}

/* Tensors that prediction does not need are not kept. */
static bool kept(const gp_learner *l, const char *name)
{
    const char *prefix = l->method->training_only;
    return !prefix || strncmp(name, prefix, strlen(prefix)) != 0;
}

gopro_status gp_prompt_write(const char *path, const gp_learner *l, const gp_prompt_meta *m, gopro_error *err)
{
    gp_st_writer *w = gp_st_writer_create();
    char *names = names_json(m->class_name, m->K), scale[32], reading[GP_CLIP_READING];
    gopro_status st;
    if (!w || !names) {
        st = gp_fail_nomem(err, 0, "the learnt prompt");
        goto out;
    }
    gp_real_text(scale, l->logit_scale, 17);
    gp_st_writer_meta(w, "format", GP_PROMPT_FORMAT);
    gp_st_writer_meta(w, "version", GOPRO_VERSION);
    gp_st_writer_meta(w, "method", l->method->name);
    gp_st_writer_meta(w, "backbone", l->bb->weights->hash);
    gp_clip_reading(reading, &l->bb->weights->arch);
    gp_st_writer_meta(w, "reading", reading);
    gp_st_writer_meta(w, "dataset", m->dataset);
    gp_st_writer_meta(w, "subset", m->subset);
    gp_st_writer_meta(w, "draw", m->draw_hash);
    gp_st_writer_meta(w, "classes", names);
    gp_st_writer_meta(w, "template", l->tmpl ? l->tmpl : m->own_template.text);
    if (!l->tmpl && m->own_template.not_in_7) gp_st_writer_meta(w, "template.not_in_7", "1");
    gp_st_writer_meta(w, "logit_scale", scale);
    add_options(w, l->opt);
    for (size_t i = 0; l->p && i < gp_params_count(l->p); i++) {
        const gp_param_info *in = gp_params_info(l->p, i);
        if (kept(l, in->name)) gp_st_writer_add(w, in->name, GP_DT_F32, in->shape, in->rank, gp_param_at(l->p, i).v, false);
    }
    st = gp_st_writer_commit(w, path, err);
out:
    gp_st_writer_free(&w);
    free(names);
    return st;
}

void gp_prompt_info_free(gp_prompt_info *i)
{
    free(i->dataset);
    free(i->subset);
    free(i->backbone_hash);
    free(i->template_text);
    for (size_t k = 0; i->class_name && k < i->K; k++) free(i->class_name[k]);
    free(i->class_name);
    memset(i, 0, sizeof *i);
}

static bool plain(const char *s)
{
    return *s && gp_text_is_plain(s, strlen(s));
}

static gopro_status read_classes(gp_prompt_info *info, const char *path, const char *json, gopro_error *err)
{
    json_error_t je;
    json_t *a = json ? gp_json_load(json, strlen(json), GP_JSON_MANY, &je) : NULL;
    gopro_status st = GOPRO_OK;
    size_t n = json_array_size(a);
    if (n == 0) {
        st = gp_fail(err, GOPRO_E_WEIGHTS, "%s: the metadata holds no class names", path);
        goto out;
    }
    info->class_name = calloc(n, sizeof *info->class_name);
    if (!info->class_name) {
        st = gp_fail_nomem(err, n * sizeof *info->class_name, "class names");
        goto out;
    }
    info->K = n;
    for (size_t k = 0; k < n && st == GOPRO_OK; k++) {
        const char *s = json_string_value(json_array_get(a, k));
        if (!s || !plain(s))
            st = gp_fail(err, GOPRO_E_WEIGHTS, "%s: class name %zu of the metadata is not plain text", path, k);
        else if (!(info->class_name[k] = gp_strdup(s)))
            st = gp_fail_nomem(err, strlen(s), "class names");
    }
out:
    json_decref(a);
    return st;
}

static gopro_status read_options(gp_options *o, const gp_safetensors *f, const char *path, gopro_error *err)
{
    const char *key, *value;
    for (void *at = NULL; gp_safetensors_meta_next(f, &at, &key, &value);) {
        if (strncmp(key, "option.", 7) != 0) continue;
        gopro_status st = gp_options_set(o, key + 7, value, "metadata", err);
        if (st != GOPRO_OK) return gp_fail_in(err, GOPRO_E_WEIGHTS, "%s", path);
    }
    return GOPRO_OK;
}

static void add_shape(char out[200], const size_t *shape, size_t rank)
{
    for (size_t i = 0; i < rank; i++) gp_cat(out, 200, "%s%zu", i ? ", " : "", shape[i]);
}

static gopro_status other_shape(const size_t *shape, size_t rank, const gp_param_info *in, const char *path, gopro_error *err)
{
    char have[200] = "", want[200] = "";
    add_shape(have, shape, rank);
    add_shape(want, in->shape, in->rank);
    return gp_fail(err, GOPRO_E_WEIGHTS, "%s: tensor '%s' has shape [%s], expected [%s]", path, in->name, have, want);
}

typedef struct source {
    const gp_safetensors *f;
    const char *path;
} source;

#define MAX_UNKEPT ((size_t)1 << 27) /* numbers that only training needs: their size is an option's word, no file's */

/* The options in the file's metadata say what the tensors are like; before they take any memory, the file must have them. */
static gopro_status has_tensors(void *user, const gp_learner *l, gopro_error *err)
{
    const source *s = user;
    size_t unkept = 0;
    for (size_t i = 0; i < gp_params_count(l->p); i++) {
        const gp_param_info *in = gp_params_info(l->p, i);
        if (!kept(l, in->name)) {
            unkept = in->count > MAX_UNKEPT - unkept ? MAX_UNKEPT : unkept + in->count;
            continue;
        }
        const gp_tensor *t = gp_safetensors_find(s->f, in->name);
        if (!t) return gp_fail(err, GOPRO_E_WEIGHTS, "%s: tensor '%s' is missing", s->path, in->name);
        bool same = t->rank == in->rank;
        for (size_t d = 0; same && d < in->rank; d++) same = t->shape[d] == in->shape[d];
        if (!same) return other_shape(t->shape, t->rank, in, s->path, err);
    }
    if (unkept == MAX_UNKEPT)
        return gp_fail(err, GOPRO_E_WEIGHTS, "%s: its options ask for more than %zu numbers that only training needs", s->path, MAX_UNKEPT);
    return GOPRO_OK;
}

static gopro_status read_tensors(gp_learner *l, const source *s, gopro_error *err)
{
    for (size_t i = 0; l->p && i < gp_params_count(l->p); i++) {
        const gp_param_info *in = gp_params_info(l->p, i);
        if (!kept(l, in->name)) continue;
        const gp_var to = gp_param_at(l->p, i);
        gopro_status st = gp_tensor_to_f32(to.v, gp_safetensors_find(s->f, in->name), err);
        if (st != GOPRO_OK) return gp_fail_in(err, GOPRO_E_WEIGHTS, "%s", s->path);
        if (!gp_all_finite(to.v, in->count))
            return gp_fail(err, GOPRO_E_WEIGHTS, "%s: tensor '%s' holds numbers that are not finite", s->path, in->name);
    }
    return GOPRO_OK;
}

static gopro_status read_info(gp_prompt_info *info, const gp_safetensors *f, const char *path, gopro_error *err)
{
    const char *format = gp_safetensors_meta(f, "format"), *hash = gp_safetensors_meta(f, "backbone");
    const char *dataset = gp_safetensors_meta(f, "dataset"), *subset = gp_safetensors_meta(f, "subset");
    const char *tmpl = gp_safetensors_meta(f, "template");
    if (!format || strcmp(format, GP_PROMPT_FORMAT) != 0)
        return gp_fail(err, GOPRO_E_WEIGHTS, "%s: not a learnt prompt (metadata 'format' is %s, expected '%s')", path,
                       format ? format : "absent", GP_PROMPT_FORMAT);
    info->dataset = gp_strdup(dataset ? dataset : "");
    info->subset = gp_strdup(subset ? subset : "all");
    info->backbone_hash = gp_strdup(hash ? hash : "");
    info->template_text = gp_strdup(tmpl ? tmpl : "a photo of a {}.");
    info->template_not_in_7 = gp_safetensors_meta(f, "template.not_in_7") != NULL;
    if (!info->dataset || !info->subset || !info->backbone_hash || !info->template_text) return gp_fail_nomem(err, 0, "a learnt prompt");
    return read_classes(info, path, gp_safetensors_meta(f, "classes"), err);
}

gopro_status gp_prompt_read(gp_learner **l, gp_prompt_info *info, gp_backbone *b, const char *path, gopro_error *err)
{
    gp_safetensors *f = NULL;
    char reading[GP_CLIP_READING];
    gp_options *o = gp_options_create();
    *l = NULL;
    memset(info, 0, sizeof *info);
    gopro_status st = gp_safetensors_open(&f, path, err);
    if (st != GOPRO_OK) {
        gp_options_free(&o);
        return gp_fail_in(err, st == GOPRO_E_IO ? st : GOPRO_E_WEIGHTS, "learnt prompt");
    }
    if (!o) {
        st = gp_fail_nomem(err, 0, "options");
        goto out;
    }
    GP_CHECK(read_info(info, f, path, err));
    bool is;
    GP_CHECK(gp_clip_is(&is, b->weights, info->backbone_hash, err));
    if (!is) {
        st = gp_fail(err, GOPRO_E_WEIGHTS, "%s was learnt on weights %.12s, but '%s' has %.12s; give the model it was learnt on", path,
                     info->backbone_hash, b->path, b->weights->hash);
        goto out;
    }
    const char *recorded = gp_safetensors_meta(f, "reading");
    gp_clip_reading(reading, &b->weights->arch);
    if (recorded && strcmp(recorded, reading) != 0) {
        st = gp_fail(
            err, GOPRO_E_WEIGHTS,
            "%s was learnt on the weights of '%s' read in another way (config.json, preprocessor_config.json or model.*): then '%s', "
            "now '%s'",
            path, b->path, recorded, reading);
        goto out;
    }
    GP_CHECK(read_options(o, f, path, err));
    source from = {f, path};
    GP_CHECK(gp_learner_create_if(l, b, o, (const char *const *)info->class_name, info->K, has_tensors, &from, err));
    GP_CHECK(read_tensors(*l, &from, err));
    const char *scale = gp_safetensors_meta(f, "logit_scale");
    if (!gp_logit_scale_parse(&(*l)->logit_scale, scale)) {
        st = gp_fail(err, GOPRO_E_WEIGHTS, "%s: the metadata's logit_scale is %s%s%s, expected a number above 0 and below 1e6", path,
                     scale ? "'" : "", scale ? scale : "missing", scale ? "'" : "");
        goto out;
    }
    st = gp_safetensors_check(f, err);
out:
    if (st != GOPRO_OK) {
        gp_learner_free(l);
        gp_prompt_info_free(info);
    }
    gp_safetensors_close(&f);
    gp_options_free(&o);
    return st;
}
