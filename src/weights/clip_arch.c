/* clip_arch.c - the geometry of a CLIP from its tensors' shapes, and what the layout and the metadata say beside it.
 * SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "weights/clip_internal.h"

typedef struct reader {
    const gp_tensors *f;
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
    for (int i = 0; i < 3; i++) { /* of pixels from 0 to 1, or to 255: what lies far outside ends in features that are not finite */
        if (!(fabsf(a->mean[i]) <= 1e3f))
            return gp_fail(err, code, "%s: the image mean is %g, expected -1000 to 1000 (image_mean of the preprocessing)", label,
                           (double)a->mean[i]);
        if (!(a->std[i] >= 1e-3f && a->std[i] <= 1e3f))
            return gp_fail(err, code, "%s: the image deviation is %g, expected 0.001 to 1000 (image_std of the preprocessing)", label,
                           (double)a->std[i]);
    }
    return GOPRO_OK;
}

static gopro_status need(const reader *r, const gp_tensor **t, const char *name, size_t rank)
{
    static const char *const names[] = {
        [GP_LAYOUT_HF] = "Hugging Face CLIPModel", [GP_LAYOUT_OPENAI] = "OpenAI", [GP_LAYOUT_SLIP] = "SLIP"};
    char buf[160];
    const char *own = gp_layout_source_name(r->f, name, buf, sizeof buf);
    *t = gp_tensors_find(r->f, name);
    if (!*t)
        return gp_fail(r->err, GOPRO_E_WEIGHTS, "%s: tensor '%s' is missing; a CLIP with %s names is expected", r->file, own,
                       names[r->f->layout]);
    if ((*t)->rank != rank)
        return gp_fail(r->err, GOPRO_E_WEIGHTS, "%s: tensor '%s' has rank %zu, expected %zu", r->file, own, (*t)->rank, rank);
    if ((*t)->count == 0) return gp_fail(r->err, GOPRO_E_WEIGHTS, "%s: tensor '%s' holds no numbers", r->file, own);
    return GOPRO_OK;
}

/* One more than the highest block index that any tensor name mentions, so that a missing block in between is found by name. */
static size_t count_layers(const gp_tensors *f, const char *tower)
{
    char prefix[64];
    size_t layers = 0, n = (size_t)snprintf(prefix, sizeof prefix, "%s.encoder.layers.", tower);
    for (size_t i = 0; i < f->n; i++) {
        const char *name = f->v[i].name;
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

/* ---- heads ---- */

/* Image towers of open_clip that are not divided into heads of 64: ViT-H/14 (80 columns), g/14 (88), bigG/14 (104). */
static bool sixteen_heads(const gp_tower_arch *t, const char *key)
{
    return key[0] == 'v' && (t->width == 1280 || t->width == 1408 || t->width == 1664);
}

static gopro_status heads_without_config(const reader *r, gp_tower_arch *t, const char *key)
{
    const char *s = gp_tensors_meta(r->f, key);
    if (s) {
        char *end;
        unsigned long v = strtoul(s, &end, 10);
        if (s[0] < '0' || s[0] > '9' || *end || v == 0 || v > 65536 || t->width % v)
            return gp_fail(r->err, GOPRO_E_WEIGHTS, "%s: metadata %s is '%.40s', expected a number that divides the width %zu", r->file,
                           key, s, t->width);
        t->heads = (size_t)v;
    } else if (sixteen_heads(t, key)) {
        t->heads = 16;
    } else if (t->width % 64) {
        return gp_fail(r->err, GOPRO_E_WEIGHTS,
                       "%s: width %zu is no multiple of 64, so the number of heads is unknown; give model.%s=N, config.json or metadata %s",
                       r->file, t->width, key, key);
    } else {
        t->heads = t->width / 64;
    }
    return GOPRO_OK;
}

/* Where the user chooses, the checkpoint need not know. */
static gopro_status heads(const reader *r, gp_tower_arch *t, const char *key, bool chosen)
{
    if (t->heads) return GOPRO_OK;
    reader quiet = {r->f, r->file, NULL};
    gopro_status st = heads_without_config(chosen ? &quiet : r, t, key);
    return chosen ? GOPRO_OK : st;
}

gopro_status gp_clip_arch_read(gp_clip_arch *a, gp_clip_arch *own, gp_clip_found *found, const gp_tensors *t, const gp_clip_files *files,
                               const gp_clip_choice *choice, gopro_error *err)
{
    reader r = {t, files->weights, err};
    *a = (gp_clip_arch){.v = {.act = GP_ACT_QUICKGELU, .eps = 1e-5},
                        .t = {.act = GP_ACT_QUICKGELU, .eps = 1e-5},
                        .mean = {0.48145466f, 0.4578275f, 0.40821073f},
                        .std = {0.26862954f, 0.26130258f, 0.27577711f}};
    GP_TRY(shapes(&r, a));
    if (a->vocab < 2 || a->vocab > 1u << 24)
        return gp_fail(err, GOPRO_E_WEIGHTS, "%s: vocabulary is %zu, expected 2 to %u", files->weights, a->vocab, 1u << 24);
    a->eot = (uint32_t)(a->vocab - 1);
    a->sot = (uint32_t)(a->vocab - 2);
    GP_TRY(gp_clip_evidence(a, found, t, files, err));
    if (!found->heads[0])
        snprintf(found->heads, sizeof found->heads, "%s",
                 gp_tensors_meta(t, "v_heads")     ? "metadata"
                 : sixteen_heads(&a->v, "v_heads") ? "width / 64, but 16 in the image tower as in open_clip's H, g and bigG"
                                                   : "width / 64");
    GP_TRY(heads(&r, &a->v, "v_heads", choice && choice->v_heads));
    GP_TRY(heads(&r, &a->t, "t_heads", choice && choice->t_heads));
    *own = *a;
    if (choice) GP_TRY(gp_clip_choose(a, found, choice, files->weights, err));
    return gp_clip_arch_check(a, GOPRO_E_WEIGHTS, files->weights, err);
}
