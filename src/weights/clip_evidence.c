/* clip_evidence.c - activation, eps, heads and preprocessing of a checkpoint by its own evidence (METHODS 1.7), with the reasons in words.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/str.h"
#include "weights/clip_internal.h"

static const char *act_name(gp_act act)
{
    return act == GP_ACT_GELU ? "exact GELU" : "QuickGELU";
}

static void set_act(gp_clip_arch *a, gp_clip_found *f, gp_act act, const char *why)
{
    a->v.act = a->t.act = act;
    snprintf(f->activation, sizeof f->activation, "%s (%s)", act_name(act), why);
}

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

/* OpenAI's and open_clip's checkpoints have the same names; which of the two it is decides between QuickGELU and GELU. */
static void openai_without_config(gp_clip_arch *a, gp_clip_found *f, const gp_tensors *t, const gp_clip_files *files)
{
    const char *name = base_name(t->n_file ? t->file[0] : files->weights);
    bool open_clip = strcasestr(name, "open_clip") || strcasestr(name, "openclip") || strcasestr(name, "laion");
    bool quick = strcasestr(name, "quickgelu") != NULL;
    if (t->script) {
        snprintf(f->format, sizeof f->format, "OpenAI TorchScript");
        set_act(a, f, GP_ACT_QUICKGELU, "a TorchScript archive, as OpenAI publishes them");
    } else if (t->openai_marks) {
        snprintf(f->format, sizeof f->format, "OpenAI state dict, %s", t->container);
        set_act(a, f, GP_ACT_QUICKGELU, "input_resolution, context_length and vocab_size, as in OpenAI's files");
    } else if (quick || open_clip || t->training) {
        snprintf(f->format, sizeof f->format, "open_clip, %s", t->container);
        set_act(a, f, quick ? GP_ACT_QUICKGELU : GP_ACT_GELU,
                quick ? "the file's name says so" : "open_clip's default; it keeps no setting in a checkpoint");
        if (!quick)
            snprintf(f->warning, sizeof f->warning,
                     "no open_clip_config.json beside '%.120s', so exact GELU is assumed, open_clip's default; if it was trained with "
                     "QuickGELU (a model called ...-quickgelu, or fine-tuned from OpenAI's weights), say model.activation=quickgelu",
                     name);
    } else {
        snprintf(f->format, sizeof f->format, "state dict with OpenAI's names, %s", t->container);
        set_act(a, f, GP_ACT_QUICKGELU, "assumed, nothing in the file says; OpenAI's weights have it");
        snprintf(f->warning, sizeof f->warning,
                 "nothing in '%.120s' says whether its activation is QuickGELU (OpenAI's weights) or exact GELU (most of open_clip's); "
                 "QuickGELU is assumed; if it is the other, say model.activation=gelu",
                 name);
    }
}

static gopro_status read_openai(gp_clip_arch *a, gp_clip_found *f, const gp_tensors *t, const gp_clip_files *files, gopro_error *err)
{
    if (!files->open_clip) {
        openai_without_config(a, f, t, files);
        return GOPRO_OK;
    }
    GP_TRY(gp_clip_config_read(a, GP_CONFIG_OPEN_CLIP, files->open_clip, err));
    snprintf(f->format, sizeof f->format, "open_clip, %s", t->container);
    set_act(a, f, a->v.act,
            a->v.act == GP_ACT_QUICKGELU ? "quick_gelu in open_clip_config.json" : "open_clip_config.json without quick_gelu");
    snprintf(f->heads, sizeof f->heads, "open_clip_config.json");
    return GOPRO_OK;
}

static void read_slip(gp_clip_arch *a, gp_clip_found *f, const gp_tensors *t)
{
    static const float mean[3] = {0.485f, 0.456f, 0.406f}, std[3] = {0.229f, 0.224f, 0.225f};
    static const struct {
        size_t width, heads;
    } vit[] = {{384, 12}, {768, 12}, {1024, 16}};
    memcpy(a->mean, mean, sizeof mean);
    memcpy(a->std, std, sizeof std);
    a->bilinear = true;
    a->no_ln_pre = true;
    a->v.eps = 1e-6;
    a->v.act = GP_ACT_GELU;
    a->t.act = GP_ACT_QUICKGELU;
    snprintf(f->format, sizeof f->format, "SLIP%s%s, %s", t->model_arg[0] ? " " : "", t->model_arg, t->container);
    snprintf(f->activation, sizeof f->activation,
             "exact GELU and eps 1e-6 in the image tower, QuickGELU in the text tower (SLIP's towers)");
    for (size_t i = 0; i < GP_COUNT(vit); i++)
        if (a->v.width == vit[i].width) {
            a->v.heads = vit[i].heads;
            snprintf(f->heads, sizeof f->heads, "SLIP's ViT of width %zu", vit[i].width);
        }
}

/* Two towers, each of which config.json may have told of or not. */
static void hf_activation(gp_clip_arch *a, gp_clip_found *f, const char *name)
{
    const bool v = a->v.act != GP_N_ACT, t = a->t.act != GP_N_ACT;
    static const char told[] = "hidden_act in config.json", untold[] = "no hidden_act in config.json; CLIPModel's default";
    if (!v) a->v.act = GP_ACT_QUICKGELU;
    if (!t) a->t.act = GP_ACT_QUICKGELU;
    if (v == t && a->v.act == a->t.act)
        set_act(a, f, a->v.act, v ? told : untold);
    else if (v && t)
        snprintf(f->activation, sizeof f->activation, "image tower %s, text tower %s (%s)", act_name(a->v.act), act_name(a->t.act), told);
    else
        snprintf(f->activation, sizeof f->activation, "image tower %s (%s), text tower %s (%s)", act_name(a->v.act), v ? told : untold,
                 act_name(a->t.act), t ? told : untold);
    if (!v || !t)
        snprintf(f->warning, sizeof f->warning,
                 "config.json of '%.120s' has no hidden_act for %s, so QuickGELU is assumed there, CLIPModel's default; if it was trained "
                 "with exact GELU, say model.activation=gelu",
                 name,
                 v   ? "the text tower"
                 : t ? "the image tower"
                     : "either tower");
}

static gopro_status read_hf(gp_clip_arch *a, gp_clip_found *f, const gp_tensors *t, const gp_clip_files *files, gopro_error *err)
{
    const char *pre = gp_tensors_meta(t, "ln_pre");
    a->no_ln_pre = pre && strcmp(pre, "none") == 0;
    snprintf(f->format, sizeof f->format, "Hugging Face, %s%s", t->container, t->n_file > 1 ? ", sharded" : "");
    const char *name = base_name(files->weights);
    if (!files->config) {
        set_act(a, f, GP_ACT_QUICKGELU, "no config.json; CLIPModel's default");
        snprintf(f->warning, sizeof f->warning,
                 "no config.json belongs to '%.120s', so QuickGELU is assumed, CLIPModel's default; if it was trained with exact GELU, say "
                 "model.activation=gelu",
                 name);
    } else {
        a->v.act = a->t.act = GP_N_ACT; /* until it says */
        GP_TRY(gp_clip_config_read(a, GP_CONFIG_HF, files->config, err));
        if (a->v.heads && a->t.heads) snprintf(f->heads, sizeof f->heads, "config.json");
        hf_activation(a, f, name);
    }
    return files->preprocessor ? gp_clip_config_read(a, GP_CONFIG_PREPROCESSOR, files->preprocessor, err) : GOPRO_OK;
}

gopro_status gp_clip_choose(gp_clip_arch *a, gp_clip_found *f, const gp_clip_choice *c, const char *file, gopro_error *err)
{
    if (c->activation && strcmp(c->activation, "checkpoint") != 0) {
        bool gelu = strcmp(c->activation, "gelu") == 0;
        if (!gelu && strcmp(c->activation, "quickgelu") != 0)
            return gp_fail(err, GOPRO_E_INVALID, "activation is '%.40s', expected checkpoint, quickgelu or gelu", c->activation);
        set_act(a, f, gelu ? GP_ACT_GELU : GP_ACT_QUICKGELU, "as asked for");
        f->warning[0] = '\0';
    }
    const struct {
        size_t asked;
        gp_tower_arch *t;
        const char *name;
    } tower[] = {{c->v_heads, &a->v, "image"}, {c->t_heads, &a->t, "text"}};
    for (size_t i = 0; i < GP_COUNT(tower); i++) {
        if (!tower[i].asked) continue;
        if (tower[i].t->width % tower[i].asked)
            return gp_fail(err, GOPRO_E_WEIGHTS, "%s: %zu heads do not divide the %s tower's width %zu", file, tower[i].asked,
                           tower[i].name, tower[i].t->width);
        tower[i].t->heads = tower[i].asked;
        snprintf(f->heads, sizeof f->heads, "request");
    }
    return GOPRO_OK;
}

gopro_status gp_clip_evidence(gp_clip_arch *a, gp_clip_found *f, const gp_tensors *t, const gp_clip_files *files, gopro_error *err)
{
    switch (t->layout) {
    case GP_LAYOUT_HF:
        GP_TRY(read_hf(a, f, t, files, err));
        break;
    case GP_LAYOUT_OPENAI:
        GP_TRY(read_openai(a, f, t, files, err));
        break;
    case GP_LAYOUT_SLIP:
        read_slip(a, f, t);
        break;
    }
    gp_plain_text(f->warning); /* it names a file */
    return GOPRO_OK;
}
