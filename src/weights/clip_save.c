/* clip_save.c - a CLIP as a Hugging Face folder: model.safetensors, config.json, preprocessor_config.json.
 * SPDX-License-Identifier: Apache-2.0 */
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "weights/clip_internal.h"

typedef struct gp_clip_waiting {
    char name[128];
    gp_real *data;
    size_t size;
} gp_clip_waiting;

typedef struct save_arg {
    gp_st_writer *writer;
    gp_dtype dtype;
    gp_clip_waiting waiting[2];
    size_t n_waiting, next_waiting;
} save_arg;

static gopro_status save_tensor(void *user, const char *name, gp_real *data, const size_t *shape, size_t rank, gopro_error *err)
{
    const save_arg *a = user;
    (void)err;
    /* The one scalar keeps its precision: in 16 bits it would scale every logit by up to 0.1 % more or less. */
    gp_dtype dtype = rank == 0 && a->dtype != GP_DT_F64 ? GP_DT_F32 : a->dtype;
    gp_st_writer_add(a->writer, name, dtype, shape, rank, data, sizeof(gp_real) == sizeof(double));
    return GOPRO_OK;
}

/* The biases of q and k after the weights of v, so that the three matrices lie side by side. */
static gopro_status save_side_by_side(void *user, const char *name, gp_real *data, const size_t *shape, size_t rank, gopro_error *err)
{
    save_arg *a = user;
    if (strstr(name, ".self_attn.q_proj.bias") || strstr(name, ".self_attn.k_proj.bias")) {
        gp_clip_waiting *x = &a->waiting[a->n_waiting++ % 2];
        snprintf(x->name, sizeof x->name, "%s", name);
        x->data = data;
        x->size = shape[0];
        return GOPRO_OK;
    }
    for (; strstr(name, ".self_attn.v_proj.bias") && a->next_waiting < a->n_waiting; a->next_waiting++) {
        const gp_clip_waiting *x = &a->waiting[a->next_waiting % 2];
        GP_TRY(save_tensor(a, x->name, x->data, &x->size, 1, err));
    }
    return save_tensor(a, name, data, shape, rank, err);
}

static gopro_status save_tensors(gp_clip_weights *w, const char *folder, gp_dtype dtype, bool side_by_side, const char *const *meta,
                                 gopro_error *err)
{
    char heads[24], *path = gp_path_join(folder, "model.safetensors");
    save_arg a = {.writer = gp_st_writer_create(), .dtype = dtype};
    gopro_status st = GOPRO_OK;
    if (!path || !a.writer) {
        st = gp_fail_nomem(err, 1024, "a weights file");
        goto out;
    }
    gp_st_writer_meta(a.writer, "format", "pt"); /* readers in Python insist on it */
    snprintf(heads, sizeof heads, "%zu", w->arch.v.heads);
    gp_st_writer_meta(a.writer, "v_heads", heads);
    snprintf(heads, sizeof heads, "%zu", w->arch.t.heads);
    gp_st_writer_meta(a.writer, "t_heads", heads);
    for (; meta && meta[0] && meta[1]; meta += 2) gp_st_writer_meta(a.writer, meta[0], meta[1]);
    if (w->arch.no_ln_pre) gp_st_writer_meta(a.writer, "ln_pre", "none");
    GP_CHECK(gp_clip_visit(w, side_by_side ? save_side_by_side : save_tensor, &a, err));
    GP_CHECK(gp_st_writer_commit(a.writer, path, err));
out:
    gp_st_writer_free(&a.writer);
    free(path);
    return st;
}

/* Takes over o. */
static gopro_status save_json(json_t *o, const char *folder, const char *name, gopro_error *err)
{
    char *text = json_dumps(o, JSON_INDENT(2) | JSON_REAL_PRECISION(9)); /* NULL for NULL */
    char *path = gp_path_join(folder, name);
    gopro_status st = text && path ? gp_write_file(path, text, strlen(text), err) : gp_fail_nomem(err, 4096, name);
    json_decref(o);
    free(text);
    free(path);
    return st;
}

static json_t *tower_json(const gp_tower_arch *t, const char *type, const gp_clip_arch *a)
{
    return json_pack("{s:s, s:I, s:I, s:I, s:I, s:s, s:f, s:I}", "model_type", type, "hidden_size", (json_int_t)t->width,
                     "num_hidden_layers", (json_int_t)t->layers, "num_attention_heads", (json_int_t)t->heads, "intermediate_size",
                     (json_int_t)t->hidden, "hidden_act", t->act == GP_ACT_GELU ? "gelu" : "quick_gelu", "layer_norm_eps", t->eps,
                     "projection_dim", (json_int_t)a->embed);
}

static json_t *config_json(const gp_clip_arch *a)
{
    json_t *v = tower_json(&a->v, "clip_vision_model", a), *t = tower_json(&a->t, "clip_text_model", a);
    json_object_set_new(v, "image_size", json_integer((json_int_t)a->image));
    json_object_set_new(v, "patch_size", json_integer((json_int_t)a->patch));
    json_object_set_new(v, "num_channels", json_integer(3));
    json_object_set_new(t, "vocab_size", json_integer((json_int_t)a->vocab));
    json_object_set_new(t, "max_position_embeddings", json_integer((json_int_t)a->context));
    json_object_set_new(t, "bos_token_id", json_integer(a->sot));
    json_object_set_new(t, "eos_token_id", json_integer(a->eot));
    return json_pack("{s:[s], s:s, s:I, s:o, s:o}", "architectures", "CLIPModel", "model_type", "clip", "projection_dim",
                     (json_int_t)a->embed, "vision_config", v, "text_config", t);
}

static json_t *preprocessor_json(const gp_clip_arch *a)
{
    json_int_t size = (json_int_t)a->image, shorter = a->resize ? (json_int_t)a->resize : size;
    double m[3], s[3];
    for (int i = 0; i < 3; i++) {
        m[i] = (double)a->mean[i];
        s[i] = (double)a->std[i];
    }
    return json_pack("{s:s, s:b, s:{s:I}, s:i, s:b, s:{s:I, s:I}, s:b, s:b, s:b, s:[f, f, f], s:[f, f, f]}", "image_processor_type",
                     "CLIPImageProcessor", "do_resize", 1, "size", "shortest_edge", shorter, "resample", a->bilinear ? 2 : 3,
                     "do_center_crop", 1, "crop_size", "height", size, "width", size, "do_rescale", 1, "do_convert_rgb", 1, "do_normalize",
                     1, "image_mean", m[0], m[1], m[2], "image_std", s[0], s[1], s[2]);
}

typedef struct range {
    const char *from;
    gp_dtype dtype;
} range;

/* A finite number that its stored type would make infinite; what is not finite already is not this function's to find. */
static gopro_status check_range(void *user, const char *name, gp_real *data, const size_t *shape, size_t rank, gopro_error *err)
{
    const range *r = user;
    const bool half = r->dtype == GP_DT_F16;
    size_t count = 1;
    if (rank == 0) return GOPRO_OK; /* stored as F32 */
    for (size_t i = 0; i < rank; i++) count *= shape[i];
    for (size_t i = 0; i < count; i++) {
        const float f = (float)data[i], stored = half ? gp_f16_to_f32(gp_f32_to_f16(f)) : gp_bf16_to_f32(gp_f32_to_bf16(f));
        if (isfinite(f) && !isfinite(stored))
            return gp_fail(err, GOPRO_E_WEIGHTS,
                           "%s: tensor '%s': element %zu is %g, too large for %s, whose largest number is %s; store it as %s (--dtype %s)",
                           r->from, name, i, (double)f, gp_dtype_name(r->dtype), half ? "65504" : "3.38953e+38",
                           half ? "BF16 or F32" : "F32", half ? "bf16 or f32" : "f32");
    }
    return GOPRO_OK;
}

static gopro_status save(gp_clip_weights *w, const char *folder, int dtype, bool side_by_side, const char *const *meta, gopro_error *err)
{
    if (dtype < GP_DT_F64 || dtype > GP_DT_BF16) return gp_fail(err, GOPRO_E_INVALID, "weights are saved as F32, F16, BF16 or F64 only");
    range r = {w->path[0] ? w->path : folder, (gp_dtype)dtype};
    if (dtype == GP_DT_F16 || dtype == GP_DT_BF16) GP_TRY(gp_clip_visit(w, check_range, &r, err));
    GP_TRY(gp_mkdirs(folder, err));
    GP_TRY(save_json(config_json(&w->arch), folder, "config.json", err));
    GP_TRY(save_json(preprocessor_json(&w->arch), folder, "preprocessor_config.json", err));
    return save_tensors(w, folder, (gp_dtype)dtype, side_by_side, meta, err);
}

gopro_status gp_clip_save(gp_clip_weights *w, const char *folder, int dtype, const char *const *meta, gopro_error *err)
{
    return save(w, folder, dtype, false, meta, err);
}

gopro_status gp_clip_save_side_by_side(gp_clip_weights *w, const char *folder, int dtype, const char *const *meta, gopro_error *err)
{
    return save(w, folder, dtype, true, meta, err);
}
