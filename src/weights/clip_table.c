/* clip_table.c - names and shapes of a CLIP's tensors as Hugging Face's CLIPModel has them (METHODS 1.7), and their storage.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "weights/clip_internal.h"

typedef struct storage {
    void **v;
    size_t n, cap;
    gp_tensors *file;
} storage;

typedef struct walk {
    gp_clip_slot_fn *fn;
    void *user;
    gopro_error *err;
    gopro_status st;
    char prefix[64];
    const gp_tower_arch *tower;
} walk;

size_t gp_arch_patches(const gp_clip_arch *a)
{
    size_t g = a->image / a->patch;
    return g * g;
}

/* A whole tensor of the given sides (0 ends the list). */
static void whole(walk *k, const char *name, gp_real **p, gp_clip_role role, size_t a, size_t b)
{
    if (k->st != GOPRO_OK) return;
    gp_clip_slot s = {.p = p, .role = role, .tower = k->tower, .shape = {a, b}, .rank = b ? 2 : 1};
    s.count = s.total = b ? a * b : a;
    s.fan_in = b;
    snprintf(s.name, sizeof s.name, "%s%s", k->prefix, name);
    k->st = k->fn(k->user, &s, k->err);
}

static void mlp_bias(walk *k, const char *name, gp_real **p, size_t out, size_t in)
{
    if (k->st != GOPRO_OK) return;
    gp_clip_slot s = {
        .p = p, .role = GP_ROLE_BIAS_MLP, .tower = k->tower, .shape = {out}, .rank = 1, .count = out, .total = out, .fan_in = in};
    snprintf(s.name, sizeof s.name, "%s%s", k->prefix, name);
    k->st = k->fn(k->user, &s, k->err);
}

/* Rows of q, k, v in one array. */
static void attention_in(walk *k, gp_linear_w *l, size_t d)
{
    static const char letter[] = {'q', 'k', 'v'};
    for (size_t i = 0; i < 3 && k->st == GOPRO_OK; i++) {
        gp_clip_slot w = {.p = &l->w, .role = GP_ROLE_NORMAL_WIDTH, .tower = k->tower, .shape = {d, d}, .rank = 2, .fan_in = d};
        w.count = d * d;
        w.offset = i * w.count;
        w.total = 3 * w.count;
        snprintf(w.name, sizeof w.name, "%sself_attn.%c_proj.weight", k->prefix, letter[i]);
        k->st = k->fn(k->user, &w, k->err);
        if (k->st != GOPRO_OK) return;
        gp_clip_slot b = {.p = &l->b, .role = GP_ROLE_BIAS_ZERO, .tower = k->tower, .shape = {d}, .rank = 1, .count = d, .offset = i * d};
        b.total = 3 * d;
        snprintf(b.name, sizeof b.name, "%sself_attn.%c_proj.bias", k->prefix, letter[i]);
        k->st = k->fn(k->user, &b, k->err);
    }
    *l = (gp_linear_w){l->w, l->b, 3 * d, d};
}

static void blocks(walk *k, const char *tower, gp_block_w *block)
{
    size_t d = k->tower->width, h = k->tower->hidden;
    for (size_t i = 0; i < k->tower->layers && k->st == GOPRO_OK; i++) {
        gp_block_w *b = &block[i];
        snprintf(k->prefix, sizeof k->prefix, "%s.encoder.layers.%zu.", tower, i);
        whole(k, "layer_norm1.weight", &b->ln1_g, GP_ROLE_GAIN, d, 0);
        whole(k, "layer_norm1.bias", &b->ln1_b, GP_ROLE_BIAS_ZERO, d, 0);
        attention_in(k, &b->qkv, d);
        whole(k, "self_attn.out_proj.weight", &b->out.w, GP_ROLE_RESIDUAL, d, d);
        whole(k, "self_attn.out_proj.bias", &b->out.b, GP_ROLE_BIAS_ZERO, d, 0);
        whole(k, "layer_norm2.weight", &b->ln2_g, GP_ROLE_GAIN, d, 0);
        whole(k, "layer_norm2.bias", &b->ln2_b, GP_ROLE_BIAS_ZERO, d, 0);
        whole(k, "mlp.fc1.weight", &b->fc1.w, GP_ROLE_FC1, h, d);
        mlp_bias(k, "mlp.fc1.bias", &b->fc1.b, h, d);
        whole(k, "mlp.fc2.weight", &b->fc2.w, GP_ROLE_RESIDUAL, d, h);
        mlp_bias(k, "mlp.fc2.bias", &b->fc2.b, d, h);
        b->out = (gp_linear_w){b->out.w, b->out.b, d, d};
        b->fc1 = (gp_linear_w){b->fc1.w, b->fc1.b, h, d};
        b->fc2 = (gp_linear_w){b->fc2.w, b->fc2.b, d, h};
    }
    k->prefix[0] = '\0';
}

static void patch_embedding(walk *k, gp_clip_weights *w)
{
    const gp_clip_arch *a = &w->arch;
    size_t fan_in = 3 * a->patch * a->patch;
    gp_clip_slot s = {.name = "vision_model.embeddings.patch_embedding.weight",
                      .p = &w->v_patch,
                      .role = GP_ROLE_PATCH,
                      .tower = &a->v,
                      .shape = {a->v.width, 3, a->patch, a->patch},
                      .rank = 4,
                      .count = a->v.width * fan_in,
                      .total = a->v.width * fan_in,
                      .fan_in = fan_in};
    if (k->st == GOPRO_OK) k->st = k->fn(k->user, &s, k->err);
    gp_clip_slot b = {.name = "vision_model.embeddings.patch_embedding.bias",
                      .p = &w->v_patch_b,
                      .role = GP_ROLE_PATCH_BIAS,
                      .tower = &a->v,
                      .shape = {a->v.width},
                      .rank = 1,
                      .count = a->v.width,
                      .total = a->v.width,
                      .fan_in = fan_in,
                      .optional = true};
    if (k->st == GOPRO_OK) k->st = k->fn(k->user, &b, k->err);
}

gopro_status gp_clip_each(gp_clip_weights *w, gp_clip_slot_fn *fn, void *user, gopro_error *err)
{
    const gp_clip_arch *a = &w->arch;
    walk k = {.fn = fn, .user = user, .err = err, .tower = &a->v};
    size_t d = a->v.width;
    patch_embedding(&k, w);
    whole(&k, "vision_model.embeddings.class_embedding", &w->v_cls, GP_ROLE_NORMAL_WIDTH, d, 0);
    whole(&k, "vision_model.embeddings.position_embedding.weight", &w->v_pos, GP_ROLE_NORMAL_WIDTH, gp_arch_patches(a) + 1, d);
    if (!a->no_ln_pre) {
        whole(&k, "vision_model.pre_layrnorm.weight", &w->v_ln_pre_g, GP_ROLE_GAIN, d, 0);
        whole(&k, "vision_model.pre_layrnorm.bias", &w->v_ln_pre_b, GP_ROLE_BIAS_ZERO, d, 0);
    }
    blocks(&k, "vision_model", w->v_block);
    whole(&k, "vision_model.post_layernorm.weight", &w->v_ln_post_g, GP_ROLE_GAIN, d, 0);
    whole(&k, "vision_model.post_layernorm.bias", &w->v_ln_post_b, GP_ROLE_BIAS_ZERO, d, 0);
    whole(&k, "visual_projection.weight", &w->v_proj, GP_ROLE_NORMAL_WIDTH, a->embed, d);
    k.tower = &a->t;
    d = a->t.width;
    whole(&k, "text_model.embeddings.token_embedding.weight", &w->t_tok, GP_ROLE_TOKENS, a->vocab, d);
    whole(&k, "text_model.embeddings.position_embedding.weight", &w->t_pos, GP_ROLE_TEXT_POSITIONS, a->context, d);
    blocks(&k, "text_model", w->t_block);
    whole(&k, "text_model.final_layer_norm.weight", &w->t_ln_final_g, GP_ROLE_GAIN, d, 0);
    whole(&k, "text_model.final_layer_norm.bias", &w->t_ln_final_b, GP_ROLE_BIAS_ZERO, d, 0);
    whole(&k, "text_projection.weight", &w->t_proj, GP_ROLE_NORMAL_WIDTH, a->embed, d);
    gp_clip_slot s = {.name = "logit_scale", .p = &w->logit_scale, .role = GP_ROLE_SCALE, .tower = &a->t, .count = 1, .total = 1};
    if (k.st == GOPRO_OK) k.st = fn(user, &s, err);
    return k.st;
}

typedef struct visit_arg {
    gp_clip_visit_fn *fn;
    void *user;
} visit_arg;

static gopro_status visit_slot(void *user, const gp_clip_slot *s, gopro_error *err)
{
    const visit_arg *v = user;
    return *s->p ? v->fn(v->user, s->name, *s->p + s->offset, s->shape, s->rank, err) : GOPRO_OK;
}

gopro_status gp_clip_visit(gp_clip_weights *w, gp_clip_visit_fn *fn, void *user, gopro_error *err)
{
    visit_arg v = {fn, user};
    return gp_clip_each(w, visit_slot, &v, err);
}

gopro_status gp_clip_create(gp_clip_weights **out, const gp_clip_arch *arch, gopro_error *err)
{
    *out = NULL;
    gp_clip_weights *w = calloc(1, sizeof *w);
    if (!w) return gp_fail_nomem(err, sizeof *w, "CLIP weights");
    w->arch = *arch;
    w->own = calloc(1, sizeof(storage));
    w->v_block = calloc(arch->v.layers, sizeof *w->v_block);
    w->t_block = calloc(arch->t.layers, sizeof *w->t_block);
    if (!w->own || !w->v_block || !w->t_block) {
        gp_clip_free(&w);
        return gp_fail_nomem(err, (arch->v.layers + arch->t.layers) * sizeof *w->v_block, "CLIP weights");
    }
    *out = w;
    return GOPRO_OK;
}

gp_real *gp_clip_own(gp_clip_weights *w, size_t count, gopro_error *err)
{
    storage *s = w->own;
    size_t bytes = 0;
    if (s->n == s->cap) {
        size_t cap = s->cap ? 2 * s->cap : 64;
        void **v = reallocarray(s->v, cap, sizeof *v);
        if (!v) {
            gp_fail_nomem(err, cap * sizeof *v, "CLIP weights");
            return NULL;
        }
        s->v = v;
        s->cap = cap;
    }
    bool fits = gp_mul_size(&bytes, count, sizeof(gp_real)) && bytes <= SIZE_MAX - GP_ALIGN;
    void *p = fits ? aligned_alloc(GP_ALIGN, (bytes + GP_ALIGN - 1) / GP_ALIGN * GP_ALIGN) : NULL;
    if (!p)
        gp_fail_nomem(err, bytes, "CLIP weights");
    else
        s->v[s->n++] = p;
    return p;
}

void gp_clip_own_file(gp_clip_weights *w, gp_tensors *t)
{
    storage *s = w->own;
    s->file = t;
}

void gp_clip_drop_pages(const gp_clip_weights *w)
{
    const storage *s = w->own;
    if (s && s->file) gp_tensors_drop_pages(s->file);
}

gopro_status gp_clip_check(const gp_clip_weights *w, gopro_error *err)
{
    const storage *s = w->own;
    return s && s->file ? gp_tensors_check(s->file, err) : GOPRO_OK;
}

gopro_status gp_clip_intact(const gp_clip_weights *w, gopro_error *err)
{
    const storage *s = w->own;
    return s && s->file ? gp_tensors_intact(s->file, err) : GOPRO_OK;
}

void gp_clip_free(gp_clip_weights **pw)
{
    if (!pw || !*pw) return;
    gp_clip_weights *w = *pw;
    storage *s = w->own;
    if (s) {
        for (size_t i = 0; i < s->n; i++) free(s->v[i]);
        free(s->v);
        gp_tensors_close(&s->file);
        free(s);
    }
    free(w->v_block);
    free(w->t_block);
    free(w);
    *pw = NULL;
}
