/* clip_config.c - what config.json, open_clip_config.json and preprocessor_config.json say about a CLIP, checked against its tensors.
 * SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "weights/clip_internal.h"

#define MAX_CONFIG_BYTES (16u << 20)

typedef struct config {
    json_t *root;
    const char *path;
    gopro_error *err;
} config;

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

/* `usual`: CLIPModel's own number of heads, which newer versions leave out of the file. */
static gopro_status tower_config(const config *c, const json_t *o, const char *part, size_t usual, gp_tower_arch *t)
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
    } else if (o && t->width % usual == 0) {
        t->heads = usual;
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

static gopro_status check_type(const config *c)
{
    const json_t *type = get(c->root, "model_type");
    if (!type || (json_is_string(type) && strcmp(json_string_value(type), "clip") == 0)) return GOPRO_OK;
    return gp_fail(c->err, GOPRO_E_WEIGHTS,
                   "%s: model_type is '%.40s', expected clip: models of other kinds (SigLIP, one tower alone, ...) are not supported",
                   c->path, json_is_string(type) ? json_string_value(type) : "not a string");
}

/* `key`, overruled by `key_dict` as in Hugging Face's library; NULL if neither is there, a new reference otherwise. */
static gopro_status part_of_config(json_t **out, const config *c, const char *key)
{
    char dict[40];
    snprintf(dict, sizeof dict, "%s_dict", key);
    const json_t *part[2] = {get(c->root, key), get(c->root, dict)};
    *out = NULL;
    for (size_t i = 0; i < 2; i++) {
        const char *k;
        json_t *v;
        if (!part[i]) continue;
        if (!json_is_object(part[i])) return gp_fail(c->err, GOPRO_E_WEIGHTS, "%s: %s must be an object", c->path, i ? dict : key);
        if (!*out && !(*out = json_object())) return gp_fail_nomem(c->err, 0, c->path);
        json_object_foreach((json_t *)(uintptr_t)part[i], k,
                            v) if (!json_is_null(v) && json_object_set(*out, k, v) != 0) return gp_fail_nomem(c->err, 0, c->path);
    }
    return GOPRO_OK;
}

static gopro_status apply_parts(const config *c, const json_t *vision, const json_t *text, gp_clip_arch *a)
{
    GP_TRY(agree(c, c->root, "", "projection_dim", a->embed));
    GP_TRY(tower_config(c, vision, "vision_config.", 12, &a->v));
    GP_TRY(agree(c, vision, "vision_config.", "image_size", a->image));
    GP_TRY(agree(c, vision, "vision_config.", "patch_size", a->patch));
    GP_TRY(agree(c, vision, "vision_config.", "num_channels", 3));
    GP_TRY(tower_config(c, text, "text_config.", 8, &a->t));
    GP_TRY(agree(c, text, "text_config.", "vocab_size", a->vocab));
    GP_TRY(agree(c, text, "text_config.", "max_position_embeddings", a->context));
    return special_tokens(c, text, a);
}

static gopro_status apply_config(const config *c, gp_clip_arch *a)
{
    json_t *vision = NULL, *text = NULL;
    GP_TRY(check_type(c));
    gopro_status st = part_of_config(&vision, c, "vision_config");
    if (st == GOPRO_OK) st = part_of_config(&text, c, "text_config");
    if (st == GOPRO_OK) st = apply_parts(c, vision, text, a);
    json_decref(vision);
    json_decref(text);
    return st;
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

/* A number, or the numbers of an object under either key, which must be equal. */
static gopro_status side(const config *c, const char *key, const char *one, size_t *out)
{
    const json_t *v = get(c->root, key), *n = v;
    if (!v) return GOPRO_OK;
    if (json_is_object(v)) {
        const json_t *h = get(v, "height"), *w = get(v, "width");
        if (h && w && !json_equal(h, w)) return gp_fail(c->err, GOPRO_E_WEIGHTS, "%s: %s must be square", c->path, key);
        n = one ? get(v, one) : h;
        if (one && !n)
            return gp_fail(c->err, GOPRO_E_WEIGHTS,
                           "%s: %s without %s stretches images to a square, which is not supported; CLIP resizes the short side", c->path,
                           key, one);
    }
    if (!json_is_integer(n) || json_integer_value(n) < 1 || json_integer_value(n) > 16384)
        return gp_fail(c->err, GOPRO_E_WEIGHTS, "%s: %s must be a number of pixels from 1 to 16384", c->path, key);
    *out = (size_t)json_integer_value(n);
    return GOPRO_OK;
}

static gopro_status apply_preprocessor(const config *c, gp_clip_arch *a)
{
    static const char *const steps[] = {"do_resize", "do_center_crop", "do_normalize", "do_rescale"};
    size_t resize = a->image, crop = a->image;
    GP_TRY(three(c, "image_mean", a->mean));
    GP_TRY(three(c, "image_std", a->std));
    GP_TRY(side(c, "size", "shortest_edge", &resize));
    GP_TRY(side(c, "crop_size", NULL, &crop));
    if (crop != a->image) return gp_fail(c->err, GOPRO_E_WEIGHTS, "%s: crop_size is %zu, but the tensors say %zu", c->path, crop, a->image);
    if (resize < crop) return gp_fail(c->err, GOPRO_E_WEIGHTS, "%s: size is %zu, smaller than the crop of %zu", c->path, resize, crop);
    a->resize = resize == crop ? 0 : resize;
    for (size_t i = 0; i < GP_COUNT(steps); i++)
        if (json_is_false(get(c->root, steps[i])))
            return gp_fail(c->err, GOPRO_E_WEIGHTS, "%s: %s is false; images are always resized, cropped and normalised", c->path,
                           steps[i]);
    const json_t *factor = get(c->root, "rescale_factor"), *resample = get(c->root, "resample");
    if (factor && !(fabs(json_number_value(factor) * 255.0 - 1.0) < 1e-4))
        return gp_fail(c->err, GOPRO_E_WEIGHTS, "%s: rescale_factor is %g, expected 1/255 (0.00392156862745098), the only one supported",
                       c->path, json_number_value(factor));
    json_int_t filter = json_is_integer(resample) ? json_integer_value(resample) : -1;
    if (resample && filter != 2 && filter != 3)
        return gp_fail(c->err, GOPRO_E_WEIGHTS, "%s: resample must be 3 (bicubic) or 2 (bilinear), other filters are not supported",
                       c->path);
    a->bilinear = filter == 2;
    return GOPRO_OK;
}

/* ---- open_clip ---- */

/* Settings of open_clip that change what a tower computes, and the only value that is understood; NULL: none. */
static const struct {
    const char *part, *key, *value;
} fixed[] = {
    {"vision_cfg", "timm_model_name", NULL}, {"vision_cfg", "attentional_pool", NULL},    {"vision_cfg", "ls_init_value", NULL},
    {"vision_cfg", "pool_type", "tok"},      {"vision_cfg", "final_ln_after_pool", NULL}, {"text_cfg", "hf_model_name", NULL},
    {"text_cfg", "ls_init_value", NULL},     {"text_cfg", "pool_type", "argmax"},         {"text_cfg", "no_causal_mask", NULL},
    {"text_cfg", "embed_cls", NULL},         {"vision_cfg", "act_kwargs", NULL},          {"text_cfg", "act_kwargs", NULL},
    {"text_cfg", "proj_bias", NULL},         {"vision_cfg", "global_average_pool", NULL},
};

/* Not there, or there without effect. */
static bool is_off(const json_t *v)
{
    if (json_is_object(v)) {
        const char *s = json_string_value(get(v, "approximate")); /* of the GELU; this is its default */
        return json_object_size(v) == (s && strcmp(s, "none") == 0);
    }
    return !v || json_is_false(v) || (json_is_number(v) && json_number_value(v) <= 0.0);
}

static gopro_status check_fixed(const config *c, const json_t *model)
{
    for (size_t i = 0; i < GP_COUNT(fixed); i++) {
        const json_t *v = get(get(model, fixed[i].part), fixed[i].key);
        const char *s = json_string_value(v);
        if (is_off(v) || (s && fixed[i].value && strcmp(s, fixed[i].value) == 0)) continue;
        char shown[32] = "an object";
        if (json_is_true(v)) snprintf(shown, sizeof shown, "true");
        if (json_is_number(v)) snprintf(shown, sizeof shown, "%g", json_number_value(v));
        return gp_fail(c->err, GOPRO_E_WEIGHTS,
                       "%s: %s.%s is set ('%.60s'), which is not supported; bring a CLIP with open_clip's own towers and their defaults",
                       c->path, fixed[i].part, fixed[i].key, s ? s : shown);
    }
    if (json_is_array(get(get(model, "vision_cfg"), "layers")))
        return gp_fail(c->err, GOPRO_E_WEIGHTS, "%s: its image tower is a ResNet, which is not supported; bring a ViT checkpoint", c->path);
    return GOPRO_OK;
}

static gopro_status open_clip_tower(const config *c, const json_t *o, const char *part, gp_tower_arch *t)
{
    const json_t *eps = get(get(o, "norm_kwargs"), "eps");
    GP_TRY(agree(c, o, part, "width", t->width));
    GP_TRY(agree(c, o, part, "layers", t->layers));
    if (!eps) return GOPRO_OK;
    t->eps = json_number_value(eps);
    if (t->eps > 0.0 && t->eps < 1.0) return GOPRO_OK;
    return gp_fail(c->err, GOPRO_E_WEIGHTS, "%s: %snorm_kwargs.eps must be a number between 0 and 1", c->path, part);
}

/* Its defaults: 64 columns a head in the image tower, 8 heads in the text tower. */
static gopro_status open_clip_heads(const config *c, const json_t *vision, const json_t *text, gp_clip_arch *a)
{
    int64_t width = 64, heads = 8;
    bool found;
    GP_TRY(get_number(c, vision, "vision_cfg.", "head_width", &width, &found));
    GP_TRY(get_number(c, text, "text_cfg.", "heads", &heads, &found));
    if (width < 1 || a->v.width % (size_t)width)
        return gp_fail(c->err, GOPRO_E_WEIGHTS, "%s: vision_cfg.head_width is %lld, which does not divide the width %zu", c->path,
                       (long long)width, a->v.width);
    if (heads < 1 || a->t.width % (size_t)heads)
        return gp_fail(c->err, GOPRO_E_WEIGHTS, "%s: text_cfg.heads is %lld, which does not divide the width %zu", c->path,
                       (long long)heads, a->t.width);
    a->v.heads = a->v.width / (size_t)width;
    a->t.heads = (size_t)heads;
    return GOPRO_OK;
}

static gopro_status open_clip_model(const config *c, const json_t *model, gp_clip_arch *a)
{
    const json_t *vision = get(model, "vision_cfg"), *text = get(model, "text_cfg"), *quick = get(model, "quick_gelu");
    if (!json_is_object(vision) || !json_is_object(text))
        return gp_fail(c->err, GOPRO_E_WEIGHTS, "%s: model_cfg.vision_cfg and text_cfg must be objects", c->path);
    if (quick && !json_is_boolean(quick))
        return gp_fail(c->err, GOPRO_E_WEIGHTS, "%s: model_cfg.quick_gelu must be true or false", c->path);
    GP_TRY(check_fixed(c, model));
    GP_TRY(agree(c, model, "model_cfg.", "embed_dim", a->embed));
    GP_TRY(open_clip_tower(c, vision, "vision_cfg.", &a->v));
    GP_TRY(open_clip_tower(c, text, "text_cfg.", &a->t));
    GP_TRY(agree(c, vision, "vision_cfg.", "image_size", a->image));
    GP_TRY(agree(c, vision, "vision_cfg.", "patch_size", a->patch));
    GP_TRY(agree(c, text, "text_cfg.", "vocab_size", a->vocab));
    GP_TRY(agree(c, text, "text_cfg.", "context_length", a->context));
    a->no_ln_pre = json_is_true(get(vision, "no_ln_pre"));
    a->v.act = a->t.act = json_is_true(quick) ? GP_ACT_QUICKGELU : GP_ACT_GELU;
    return open_clip_heads(c, vision, text, a);
}

/* preprocess_cfg.size: a number, or height and width. */
static gopro_status open_clip_size(const config *c, const json_t *size, size_t image)
{
    const size_t n = json_is_array(size) ? json_array_size(size) : 1;
    for (size_t i = 0; size && i < n; i++) {
        const json_t *v = json_is_array(size) ? json_array_get(size, i) : size;
        if (n > 2 || !json_is_integer(v))
            return gp_fail(c->err, GOPRO_E_WEIGHTS, "%s: preprocess_cfg.size must be a number of pixels, or height and width", c->path);
        if (json_integer_value(v) != (json_int_t)image)
            return gp_fail(c->err, GOPRO_E_WEIGHTS, "%s: preprocess_cfg.size is %lld, but the tensors say %zu", c->path,
                           (long long)json_integer_value(v), image);
    }
    return GOPRO_OK;
}

static gopro_status apply_open_clip(config *c, gp_clip_arch *a)
{
    json_t *root = c->root;
    const json_t *model = get(root, "model_cfg"), *pre = get(root, "preprocess_cfg");
    GP_TRY(open_clip_model(c, model ? model : root, a));
    if (!pre) return GOPRO_OK;
    const char *filter = json_string_value(get(pre, "interpolation")), *mode = json_string_value(get(pre, "resize_mode"));
    if (mode && strcmp(mode, "shortest") != 0)
        return gp_fail(c->err, GOPRO_E_WEIGHTS, "%s: preprocess_cfg.resize_mode is '%.40s', only 'shortest' is supported", c->path, mode);
    if (filter && strcmp(filter, "bicubic") != 0 && strcmp(filter, "bilinear") != 0)
        return gp_fail(c->err, GOPRO_E_WEIGHTS, "%s: preprocess_cfg.interpolation is '%.40s', expected bicubic or bilinear", c->path,
                       filter);
    a->bilinear = filter && strcmp(filter, "bilinear") == 0;
    GP_TRY(open_clip_size(c, get(pre, "size"), a->image));
    config inner = {json_object_get(root, "preprocess_cfg"), c->path, c->err};
    GP_TRY(three(&inner, "mean", a->mean));
    return three(&inner, "std", a->std);
}

/* ---- from files ---- */

typedef gopro_status apply_fn(config *c, gp_clip_arch *a);

static gopro_status hf(config *c, gp_clip_arch *a)
{
    return apply_config(c, a);
}

/* preprocessor_config.json, or processor_config.json that holds it. */
static gopro_status preprocessor(config *c, gp_clip_arch *a)
{
    json_t *inside = json_object_get(c->root, "image_processor");
    config inner = {json_is_object(inside) ? inside : c->root, c->path, c->err};
    c = &inner;
    return apply_preprocessor(c, a);
}

static gopro_status model_type(config *c, gp_clip_arch *a)
{
    (void)a;
    return check_type(c);
}

static apply_fn *const readers[] = {
    [GP_CONFIG_HF] = hf, [GP_CONFIG_OPEN_CLIP] = apply_open_clip, [GP_CONFIG_PREPROCESSOR] = preprocessor, [GP_CONFIG_TYPE] = model_type};

gopro_status gp_clip_config_parse(gp_clip_arch *a, gp_config_kind kind, const char *text, size_t size, const char *label, gopro_error *err)
{
    json_error_t je;
    config c = {gp_json_load(text, size, GP_JSON_FEW, &je), label, err};
    if (!c.root) return gp_fail(err, GOPRO_E_WEIGHTS, "%s: line %d, column %d: %s", label, je.line, je.column, je.text);
    gopro_status st = json_is_object(c.root) ? readers[kind](&c, a) : gp_fail(err, GOPRO_E_WEIGHTS, "%s: not a JSON object", label);
    json_decref(c.root);
    return st;
}

gopro_status gp_clip_config_read(gp_clip_arch *a, gp_config_kind kind, const char *path, gopro_error *err)
{
    char *text;
    size_t size;
    if (gp_read_file(&text, &size, path, MAX_CONFIG_BYTES, err) != GOPRO_OK)
        return gp_fail_in(err, GOPRO_E_WEIGHTS, "could not load CLIP weights");
    gopro_status st = gp_clip_config_parse(a, kind, text, size, path, err);
    free(text);
    return st;
}
