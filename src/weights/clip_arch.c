/* clip_arch.c - the geometry of a CLIP from tensor shapes, metadata, config.json and preprocessor_config.json, each checked against the
 * others.
 * SPDX-License-Identifier: Apache-2.0 */
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "weights/clip_internal.h"

#define MAX_CONFIG_BYTES (16u << 20)

typedef struct reader {
    const gp_safetensors *f;
    const char *file; /* for messages */
    gopro_error *err;
} reader;

gopro_status gp_clip_arch_check(const gp_clip_arch *a, gopro_status code, const char *label, gopro_error *err)
{
    const struct {
        const char *name;
        size_t value, max;
    } bound[] = {
        {"image width", a->v.width, 65536},    {"image layers", a->v.layers, 1024},
        {"image heads", a->v.heads, 4096},     {"image hidden size", a->v.hidden, 1u << 20},
        {"text width", a->t.width, 65536},     {"text layers", a->t.layers, 1024},
        {"text heads", a->t.heads, 4096},      {"text hidden size", a->t.hidden, 1u << 20},
        {"image size", a->image, 16384},       {"patch size", a->patch, 1024},
        {"context length", a->context, 65536}, {"vocabulary", a->vocab, 1u << 24},
        {"embedding size", a->embed, 65536},
    };
    for (size_t i = 0; i < GP_COUNT(bound); i++) {
        if (bound[i].value < 1 || bound[i].value > bound[i].max)
            return gp_fail(err, code, "%s: %s is %zu, expected 1 to %zu", label, bound[i].name, bound[i].value, bound[i].max);
    }
    for (int i = 0; i < 2; i++) {
        const gp_tower_arch *t = i ? &a->t : &a->v;
        const char *name = i ? "text" : "image";
        if (t->width % t->heads)
            return gp_fail(err, code, "%s: %s width %zu is not divisible by its %zu heads", label, name, t->width, t->heads);
        if ((unsigned)t->act >= GP_N_ACT) return gp_fail(err, code, "%s: unknown activation of the %s tower", label, name);
        if (!(t->eps > 0.0 && t->eps < 1.0))
            return gp_fail(err, code, "%s: layer norm eps of the %s tower is %g, expected 0 to 1", label, name, t->eps);
    }
    if (a->image % a->patch) return gp_fail(err, code, "%s: image size %zu is not divisible by patch size %zu", label, a->image, a->patch);
    if (a->context < 2) return gp_fail(err, code, "%s: context length %zu holds no more than the start token", label, a->context);
    if (a->sot >= a->vocab || a->eot >= a->vocab || a->sot == a->eot)
        return gp_fail(err, code, "%s: start token %u and end token %u must differ and lie below the vocabulary's %zu", label, a->sot,
                       a->eot, a->vocab);
    for (int i = 0; i < 3; i++) {
        if (!isfinite(a->mean[i]) || !isfinite(a->std[i]) || !(a->std[i] > 0.0f))
            return gp_fail(err, code, "%s: image mean and deviation must be finite, the deviation above 0", label);
    }
    return GOPRO_OK;
}

static gopro_status need(const reader *r, const gp_tensor **t, const char *name, size_t rank)
{
    *t = gp_safetensors_find(r->f, name);
    if (!*t)
        return gp_fail(r->err, GOPRO_E_WEIGHTS, "%s: tensor '%s' is missing; a CLIP with Hugging Face CLIPModel names is expected", r->file,
                       name);
    if ((*t)->rank != rank)
        return gp_fail(r->err, GOPRO_E_WEIGHTS, "%s: tensor '%s' has rank %zu, expected %zu", r->file, name, (*t)->rank, rank);
    return GOPRO_OK;
}

/* One more than the highest block index that any tensor name mentions, so that a missing block in between is found by name. */
static size_t count_layers(const gp_safetensors *f, const char *tower)
{
    char prefix[64];
    size_t layers = 0, n = (size_t)snprintf(prefix, sizeof prefix, "%s.encoder.layers.", tower);
    for (size_t i = 0; i < gp_safetensors_count(f); i++) {
        const char *name = gp_safetensors_at(f, i)->name;
        if (strncmp(name, prefix, n) != 0 || name[n] < '0' || name[n] > '9') continue;
        unsigned long k = strtoul(name + n, NULL, 10);
        layers = gp_max_size(layers, k < 100000 ? (size_t)k + 1 : 100000);
    }
    return layers;
}

static gopro_status tower_shapes(const reader *r, gp_tower_arch *t, const char *tower)
{
    char name[96];
    const gp_tensor *fc1;
    t->layers = count_layers(r->f, tower);
    snprintf(name, sizeof name, "%s.encoder.layers.0.mlp.fc1.weight", tower);
    GP_TRY(need(r, &fc1, name, 2));
    t->hidden = fc1->shape[0];
    return GOPRO_OK;
}

static gopro_status shapes(const reader *r, gp_clip_arch *a)
{
    const gp_tensor *t;
    GP_TRY(need(r, &t, "vision_model.embeddings.patch_embedding.weight", 4));
    a->v.width = t->shape[0];
    a->patch = t->shape[2];
    if (t->shape[1] != 3 || t->shape[2] != t->shape[3] || a->patch < 1 || a->patch > 1024)
        return gp_fail(r->err, GOPRO_E_WEIGHTS, "%s: tensor '%s' has shape [%zu, %zu, %zu, %zu], expected [width, 3, patch, patch]",
                       r->file, t->name, t->shape[0], t->shape[1], t->shape[2], t->shape[3]);
    GP_TRY(need(r, &t, "vision_model.embeddings.position_embedding.weight", 2));
    size_t rows = t->shape[0], g = 1;
    while (rows > 1 && g < 65536 && g * g < rows - 1) g++;
    if (rows < 2 || g * g != rows - 1)
        return gp_fail(r->err, GOPRO_E_WEIGHTS, "%s: tensor '%s' has %zu rows, expected one more than a square number of patches", r->file,
                       t->name, rows);
    a->image = g * a->patch;
    GP_TRY(tower_shapes(r, &a->v, "vision_model"));
    GP_TRY(need(r, &t, "visual_projection.weight", 2));
    a->embed = t->shape[0];
    GP_TRY(need(r, &t, "text_model.embeddings.token_embedding.weight", 2));
    a->vocab = t->shape[0];
    a->t.width = t->shape[1];
    GP_TRY(need(r, &t, "text_model.embeddings.position_embedding.weight", 2));
    a->context = t->shape[0];
    return tower_shapes(r, &a->t, "text_model");
}

/* ---- JSON ---- */

typedef struct config {
    json_t *root;
    const char *path;
    gopro_error *err;
} config;

static gopro_status load_json(config *c, const char *path, gopro_error *err)
{
    char *text;
    size_t size;
    json_error_t je;
    *c = (config){NULL, path, err};
    gopro_status st = gp_read_file(&text, &size, path, MAX_CONFIG_BYTES, err);
    if (st != GOPRO_OK) return gp_fail_in(err, GOPRO_E_WEIGHTS, "could not load CLIP weights");
    c->root = json_loadb(text, size, JSON_REJECT_DUPLICATES, &je);
    free(text);
    if (!c->root) return gp_fail(err, GOPRO_E_WEIGHTS, "%s: line %d, column %d: %s", path, je.line, je.column, je.text);
    if (json_is_object(c->root)) return GOPRO_OK;
    json_decref(c->root);
    c->root = NULL;
    return gp_fail(err, GOPRO_E_WEIGHTS, "%s: not a JSON object", path);
}

/* NULL if absent or null. */
static const json_t *get(const json_t *o, const char *key)
{
    const json_t *v = json_object_get(o, key);
    return json_is_null(v) ? NULL : v;
}

static gopro_status get_number(const config *c, const json_t *o, const char *part, const char *key, int64_t *v, bool *found)
{
    const json_t *j = get(o, key);
    *found = j != NULL;
    if (!j) return GOPRO_OK;
    if (!json_is_integer(j) || json_integer_value(j) < 0)
        return gp_fail(c->err, GOPRO_E_WEIGHTS, "%s: %s%s must be a whole number of at least 0", c->path, part, key);
    *v = json_integer_value(j);
    return GOPRO_OK;
}

/* The configuration may leave a size out, but not contradict the tensors. */
static gopro_status agree(const config *c, const json_t *o, const char *part, const char *key, size_t from_tensors)
{
    int64_t v = 0;
    bool found;
    GP_TRY(get_number(c, o, part, key, &v, &found));
    if (found && (uint64_t)v != from_tensors)
        return gp_fail(c->err, GOPRO_E_WEIGHTS, "%s: %s%s is %lld, but the tensors say %zu", c->path, part, key, (long long)v,
                       from_tensors);
    return GOPRO_OK;
}

static gopro_status tower_config(const config *c, const json_t *o, const char *part, gp_tower_arch *t)
{
    int64_t v = 0;
    bool found;
    GP_TRY(agree(c, o, part, "hidden_size", t->width));
    GP_TRY(agree(c, o, part, "num_hidden_layers", t->layers));
    GP_TRY(agree(c, o, part, "intermediate_size", t->hidden));
    GP_TRY(get_number(c, o, part, "num_attention_heads", &v, &found));
    if (found) {
        if (v == 0 || t->width % (uint64_t)v)
            return gp_fail(c->err, GOPRO_E_WEIGHTS, "%s: %snum_attention_heads is %lld, which does not divide the width %zu", c->path, part,
                           (long long)v, t->width);
        t->heads = (size_t)v;
    }
    const json_t *act = get(o, "hidden_act"), *eps = get(o, "layer_norm_eps");
    if (act) {
        const char *s = json_string_value(act);
        if (s && strcmp(s, "quick_gelu") == 0)
            t->act = GP_ACT_QUICKGELU;
        else if (s && strcmp(s, "gelu") == 0)
            t->act = GP_ACT_GELU;
        else
            return gp_fail(c->err, GOPRO_E_WEIGHTS, "%s: %shidden_act is '%.40s', expected quick_gelu or gelu", c->path, part,
                           s ? s : "not a string");
    }
    if (eps) {
        t->eps = json_number_value(eps); /* 0 if it is no number */
        if (!(t->eps > 0.0 && t->eps < 1.0))
            return gp_fail(c->err, GOPRO_E_WEIGHTS, "%s: %slayer_norm_eps must be a number between 0 and 1", c->path, part);
    }
    return GOPRO_OK;
}

/* Old configurations carry the ids 0 and 2 of another tokenizer; there the end token is the largest id and the start token the one before
 * it. */
static gopro_status special_tokens(const config *c, const json_t *text, gp_clip_arch *a)
{
    int64_t bos = 0, eos = 0;
    bool has_bos, has_eos;
    GP_TRY(get_number(c, text, "text_config.", "bos_token_id", &bos, &has_bos));
    GP_TRY(get_number(c, text, "text_config.", "eos_token_id", &eos, &has_eos));
    if (!has_eos || eos == 2) return GOPRO_OK;
    if ((uint64_t)eos >= a->vocab || (has_bos && (uint64_t)bos >= a->vocab))
        return gp_fail(c->err, GOPRO_E_WEIGHTS, "%s: text_config: bos_token_id and eos_token_id must lie below the vocabulary's %zu",
                       c->path, a->vocab);
    a->eot = (uint32_t)eos;
    if (has_bos) a->sot = (uint32_t)bos;
    return GOPRO_OK;
}

static gopro_status apply_config(const config *c, gp_clip_arch *a)
{
    const json_t *type = get(c->root, "model_type"), *vision = get(c->root, "vision_config"), *text = get(c->root, "text_config");
    if (type && (!json_is_string(type) || strcmp(json_string_value(type), "clip") != 0))
        return gp_fail(c->err, GOPRO_E_WEIGHTS, "%s: model_type is '%.40s', expected clip", c->path,
                       json_is_string(type) ? json_string_value(type) : "not a string");
    if ((vision && !json_is_object(vision)) || (text && !json_is_object(text)))
        return gp_fail(c->err, GOPRO_E_WEIGHTS, "%s: vision_config and text_config must be objects", c->path);
    GP_TRY(agree(c, c->root, "", "projection_dim", a->embed));
    GP_TRY(tower_config(c, vision, "vision_config.", &a->v));
    GP_TRY(agree(c, vision, "vision_config.", "image_size", a->image));
    GP_TRY(agree(c, vision, "vision_config.", "patch_size", a->patch));
    GP_TRY(agree(c, vision, "vision_config.", "num_channels", 3));
    GP_TRY(tower_config(c, text, "text_config.", &a->t));
    GP_TRY(agree(c, text, "text_config.", "vocab_size", a->vocab));
    GP_TRY(agree(c, text, "text_config.", "max_position_embeddings", a->context));
    return special_tokens(c, text, a);
}

static gopro_status three(const config *c, const char *key, float out[3])
{
    const json_t *v = get(c->root, key);
    if (!v) return GOPRO_OK;
    for (size_t i = 0; i < 3; i++) {
        const json_t *x = json_array_get(v, i);
        if (json_array_size(v) != 3 || !json_is_number(x))
            return gp_fail(c->err, GOPRO_E_WEIGHTS, "%s: %s must be a list of three numbers", c->path, key);
        out[i] = (float)json_number_value(x);
    }
    return GOPRO_OK;
}

static gopro_status apply_preprocessor(const config *c, gp_clip_arch *a)
{
    GP_TRY(three(c, "image_mean", a->mean));
    GP_TRY(three(c, "image_std", a->std));
    const json_t *resample = get(c->root, "resample");
    if (resample && (!json_is_integer(resample) || json_integer_value(resample) != 3))
        return gp_fail(c->err, GOPRO_E_WEIGHTS, "%s: resample must be 3 (bicubic), other filters are not supported", c->path);
    return GOPRO_OK;
}

/* ---- heads ---- */

static gopro_status heads_without_config(const reader *r, gp_tower_arch *t, const char *key)
{
    const char *s = gp_safetensors_meta(r->f, key);
    if (s) {
        char *end;
        unsigned long v = strtoul(s, &end, 10);
        if (s[0] < '0' || s[0] > '9' || *end || v == 0 || v > 65536 || t->width % v)
            return gp_fail(r->err, GOPRO_E_WEIGHTS, "%s: metadata %s is '%.40s', expected a number that divides the width %zu", r->file,
                           key, s, t->width);
        t->heads = (size_t)v;
    } else if (t->width % 64) {
        return gp_fail(r->err, GOPRO_E_WEIGHTS,
                       "%s: width %zu is no multiple of 64, so the number of heads is unknown; give config.json or metadata %s", r->file,
                       t->width, key);
    } else {
        t->heads = t->width / 64;
    }
    return GOPRO_OK;
}

gopro_status gp_clip_arch_read(gp_clip_arch *a, const gp_safetensors *f, const char *file, const char *config_path,
                               const char *preprocessor, gopro_error *err)
{
    reader r = {f, file, err};
    config c = {0};
    gopro_status st = GOPRO_OK;
    *a = (gp_clip_arch){.v = {.act = GP_ACT_QUICKGELU, .eps = 1e-5},
                        .t = {.act = GP_ACT_QUICKGELU, .eps = 1e-5},
                        .mean = {0.48145466f, 0.4578275f, 0.40821073f},
                        .std = {0.26862954f, 0.26130258f, 0.27577711f}};
    GP_TRY(shapes(&r, a));
    if (a->vocab < 2 || a->vocab > 1u << 24)
        return gp_fail(err, GOPRO_E_WEIGHTS, "%s: vocabulary is %zu, expected 2 to %u", file, a->vocab, 1u << 24);
    a->eot = (uint32_t)(a->vocab - 1);
    a->sot = (uint32_t)(a->vocab - 2);
    if (config_path) {
        GP_CHECK(load_json(&c, config_path, err));
        GP_CHECK(apply_config(&c, a));
        json_decref(c.root);
        c.root = NULL;
    }
    if (preprocessor) {
        GP_CHECK(load_json(&c, preprocessor, err));
        GP_CHECK(apply_preprocessor(&c, a));
    }
    if (!a->v.heads) GP_CHECK(heads_without_config(&r, &a->v, "v_heads"));
    if (!a->t.heads) GP_CHECK(heads_without_config(&r, &a->t, "t_heads"));
    st = gp_clip_arch_check(a, GOPRO_E_WEIGHTS, file, err);
out:
    json_decref(c.root);
    return st;
}
