/* test_layout.c - geometry, heads, activation and preprocessing by each layout's own evidence (METHODS 1.1, 1.7), on files written here.
 * SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "scratch.h"
#include "weights/clip_internal.h"

static char dir[64];

static int setup(void **state)
{
    (void)state;
    scratch_make(dir);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    scratch_remove(dir);
    return 0;
}

/* ---- METHODS 1.1 ---- */

typedef struct sums {
    size_t image, text, all;
} sums;

static gopro_status add_slot(void *user, const gp_clip_slot *s, gopro_error *err)
{
    sums *x = user;
    (void)err;
    if (s->optional) return GOPRO_OK;
    x->all += s->count;
    if (strncmp(s->name, "vision_model", 12) == 0 || strncmp(s->name, "visual_", 7) == 0) x->image += s->count;
    if (strncmp(s->name, "text_", 5) == 0) x->text += s->count;
    return GOPRO_OK;
}

static void test_totals(void **state)
{
    (void)state;
    static const struct {
        size_t v_width, v_layers, patch, t_width, embed, image, text, all;
    } vit[] = {{768, 12, 32, 512, 512, 87849216, 63428096, 151277313},
               {768, 12, 16, 512, 512, 86192640, 63428096, 149620737},
               {1024, 24, 14, 768, 768, 303966208, 123650304, 427616513}};
    for (size_t i = 0; i < GP_COUNT(vit); i++) {
        gp_clip_arch a = {.v = {.width = vit[i].v_width, .layers = vit[i].v_layers, .hidden = 4 * vit[i].v_width},
                          .t = {.width = vit[i].t_width, .layers = 12, .hidden = 4 * vit[i].t_width},
                          .image = 224,
                          .patch = vit[i].patch,
                          .context = 77,
                          .vocab = 49408,
                          .embed = vit[i].embed};
        gp_clip_weights *w;
        sums s = {0};
        assert_int_equal(gp_clip_create(&w, &a, NULL), GOPRO_OK);
        assert_int_equal(gp_clip_each(w, add_slot, &s, NULL), GOPRO_OK);
        assert_int_equal(s.image, vit[i].image);
        assert_int_equal(s.text, vit[i].text);
        assert_int_equal(s.all, vit[i].all);
        gp_clip_free(&w);
    }
}

/* ---- checkpoints of a given geometry, every number 1/8 ---- */

typedef struct geometry {
    size_t width, patch, grid, text;
    bool slip, merged, empty; /* empty: a projection without numbers */
    const char *prefix;
} geometry;

static void put(gp_st_writer *w, const geometry *g, const char *name, size_t a, size_t b, size_t c, size_t d)
{
    static float eighth[1 << 20];
    const size_t shape[] = {a, b, c, d};
    char full[160];
    size_t rank = d ? 4 : c ? 3 : b ? 2 : a ? 1 : 0;
    eighth[0] = 0.125f;
    for (size_t i = 1; i < GP_COUNT(eighth) && eighth[i] == 0.0f; i++) eighth[i] = 0.125f;
    snprintf(full, sizeof full, "%s%s", g->prefix ? g->prefix : "", name);
    gp_st_writer_add(w, full, GP_DT_F32, shape, rank, eighth, false);
}

static void block(gp_st_writer *w, const geometry *g, const char *at, size_t d, bool timm)
{
    static const char *const openai[] = {"ln_1", "attn.in_proj_", "attn.out_proj", "ln_2", "mlp.c_fc", "mlp.c_proj"};
    static const char *const names[] = {"norm1", "attn.qkv.", "attn.proj", "norm2", "mlp.fc1", "mlp.fc2"};
    const char *const *n = timm ? names : openai;
    const struct {
        size_t out, in;
    } shape[] = {{d, 0}, {3 * d, d}, {d, d}, {d, 0}, {8, d}, {d, 8}};
    for (size_t i = 0; i < GP_COUNT(shape); i++) {
        char name[120];
        bool merged = i == 1;
        if (merged && !g->merged && !timm) {
            for (int k = 0; k < 3; k++) {
                snprintf(name, sizeof name, "%sattn.%c_proj_weight", at, "qkv"[k]);
                put(w, g, name, d, d, 0, 0);
            }
        } else {
            snprintf(name, sizeof name, "%s%s%sweight", at, n[i], merged ? "" : ".");
            put(w, g, name, shape[i].out, shape[i].in, 0, 0);
        }
        snprintf(name, sizeof name, "%s%s%sbias", at, n[i], merged ? "" : ".");
        put(w, g, name, shape[i].out, 0, 0, 0);
    }
}

static void both(gp_st_writer *w, const geometry *g, const char *name, size_t d)
{
    char full[120];
    snprintf(full, sizeof full, "%s.weight", name);
    put(w, g, full, d, 0, 0, 0);
    snprintf(full, sizeof full, "%s.bias", name);
    put(w, g, full, d, 0, 0, 0);
}

static char *write_file(const geometry *g, const char *folder, const char *name, const char *extra)
{
    gp_st_writer *w = gp_st_writer_create();
    size_t d = g->width, n = g->grid * g->grid + 1, p = g->patch, t = g->text;
    char *in = gp_path_join(dir, folder), *path = gp_path_join(in, name);
    assert_int_equal(gp_mkdirs(in, NULL), GOPRO_OK);
    if (g->slip) {
        put(w, g, "visual.cls_token", 1, 1, d, 0);
        put(w, g, "visual.pos_embed", 1, n, d, 0);
        put(w, g, "visual.patch_embed.proj.weight", d, 3, p, p);
        put(w, g, "visual.patch_embed.proj.bias", d, 0, 0, 0);
        put(w, g, "image_projection", d, 5, 0, 0);
        both(w, g, "visual.norm", d);
    } else {
        put(w, g, "visual.class_embedding", d, 0, 0, 0);
        put(w, g, "visual.positional_embedding", n, d, 0, 0);
        put(w, g, "visual.conv1.weight", d, 3, p, p);
        if (g->empty)
            gp_st_writer_add(w, "visual.proj", GP_DT_F32, (const size_t[]){(size_t)1 << 61, 0}, 2, w, false);
        else
            put(w, g, "visual.proj", d, 5, 0, 0);
        both(w, g, "visual.ln_pre", d);
        both(w, g, "visual.ln_post", d);
    }
    block(w, g, g->slip ? "visual.blocks.0." : "visual.transformer.resblocks.0.", d, g->slip);
    block(w, g, "transformer.resblocks.0.", t, false);
    put(w, g, "token_embedding.weight", 600, t, 0, 0);
    put(w, g, "positional_embedding", 9, t, 0, 0);
    put(w, g, "text_projection", t, 5, 0, 0);
    both(w, g, "ln_final", t);
    put(w, g, "logit_scale", 0, 0, 0, 0);
    if (extra) put(w, g, extra, 1, 0, 0, 0);
    gopro_error err;
    if (gp_st_writer_commit(w, path, &err) != GOPRO_OK) fail_msg("%s", err.msg);
    gp_st_writer_free(&w);
    free(in);
    return path;
}

static gp_clip_weights *load(char *path, const gp_clip_choice *choice)
{
    gp_clip_weights *w;
    gopro_error err;
    if (gp_clip_load_as(&w, path, choice, &err) != GOPRO_OK) fail_msg("%s", err.msg);
    free(path);
    return w;
}

static void refuse(char *path, const gp_clip_choice *choice, const char *what)
{
    gp_clip_weights *w;
    gopro_error err;
    gopro_status st = gp_clip_load_as(&w, path, choice, &err);
    if (st == GOPRO_OK || st == GOPRO_E_FORMAT || !strstr(err.msg, what))
        fail_msg("status %d, '%s', expected '%s'", (int)st, st ? err.msg : "", what);
    assert_null(w);
    free(path);
}

static void test_geometries(void **state)
{
    (void)state;
    const struct {
        geometry g;
        size_t image, heads;
        gp_act v, t;
    } c[] = {
        {{.width = 128, .patch = 14, .grid = 24, .text = 64, .merged = true}, 336, 2, GP_ACT_QUICKGELU, GP_ACT_QUICKGELU},
        {{.width = 192, .patch = 32, .grid = 7, .text = 64, .merged = false}, 224, 3, GP_ACT_QUICKGELU, GP_ACT_QUICKGELU},
        {{.width = 384, .patch = 16, .grid = 3, .text = 128, .slip = true, .prefix = "module."}, 48, 12, GP_ACT_GELU, GP_ACT_QUICKGELU},
        {{.width = 128, .patch = 16, .grid = 3, .text = 64, .slip = true}, 48, 2, GP_ACT_GELU, GP_ACT_QUICKGELU},
    };
    for (size_t i = 0; i < GP_COUNT(c); i++) {
        gp_clip_weights *w = load(write_file(&c[i].g, "geometry", "x.safetensors", c[i].g.slip ? "image_mlp.layer1.weight" : NULL), NULL);
        const gp_clip_arch *a = &w->arch;
        assert_int_equal(a->image, c[i].image);
        assert_int_equal(a->patch, c[i].g.patch);
        assert_int_equal(a->v.heads, c[i].heads);
        assert_int_equal(a->t.heads, c[i].g.text / 64);
        assert_int_equal(a->v.hidden, 8);
        assert_int_equal(a->v.act, c[i].v);
        assert_int_equal(a->t.act, c[i].t);
        assert_int_equal(a->embed, 5);
        assert_int_equal(a->eot, 599);
        assert_true(a->v.eps == (c[i].g.slip ? 1e-6 : 1e-5) && a->t.eps == 1e-5);
        assert_int_equal(a->no_ln_pre, c[i].g.slip);
        assert_int_equal(a->bilinear, c[i].g.slip);
        assert_true(fabsf(a->mean[0] - (c[i].g.slip ? 0.485f : 0.48145466f)) < 1e-7f);
        assert_int_equal(w->v_ln_pre_g == NULL, c[i].g.slip);
        assert_int_equal(w->v_patch_b != NULL, c[i].g.slip);
        assert_true(w->v_block[0].qkv.w[3 * c[i].g.width * c[i].g.width - 1] == 0.125f);
        gp_clip_free(&w);
    }
}

static void test_choices(void **state)
{
    (void)state;
    const geometry g = {.width = 128, .patch = 4, .grid = 2, .text = 64, .merged = true},
                   odd = {.width = 100, .patch = 4, .grid = 2, .text = 64};
    gp_clip_weights *own = load(write_file(&g, "choice", "x.safetensors", NULL), NULL);
    gp_clip_weights *gelu = load(write_file(&g, "choice", "x.safetensors", NULL), &(gp_clip_choice){.activation = "gelu"});
    gp_clip_weights *same =
        load(write_file(&g, "choice", "x.safetensors", NULL), &(gp_clip_choice){.activation = "quickgelu", .v_heads = 2});
    gp_clip_weights *heads = load(write_file(&g, "choice", "x.safetensors", NULL), &(gp_clip_choice){.v_heads = 4, .t_heads = 8});
    assert_int_equal(gelu->arch.v.act, GP_ACT_GELU);
    assert_int_equal(gelu->arch.t.act, GP_ACT_GELU);
    assert_int_equal(heads->arch.v.heads, 4);
    assert_int_equal(heads->arch.t.heads, 8);
    /* Read in another way it is another model; chosen as it is anyway, it is not. */
    assert_string_equal(own->hash, same->hash);
    assert_string_not_equal(own->hash, gelu->hash);
    assert_string_not_equal(own->hash, heads->hash);
    assert_string_not_equal(gelu->hash, heads->hash);
    assert_true(own->found.warning[0] && !gelu->found.warning[0] && !same->found.warning[0] && heads->found.warning[0]);
    gp_clip_free(&own);
    gp_clip_free(&gelu);
    gp_clip_free(&same);
    gp_clip_free(&heads);
    refuse(write_file(&odd, "choice", "x.safetensors", NULL), NULL, "no multiple of 64");
    own = load(write_file(&odd, "choice", "x.safetensors", NULL), &(gp_clip_choice){.v_heads = 5});
    assert_int_equal(own->arch.v.heads, 5);
    gp_clip_free(&own);
    refuse(write_file(&odd, "choice", "x.safetensors", NULL), &(gp_clip_choice){.v_heads = 3}, "3 heads do not divide the image tower");
    refuse(write_file(&g, "choice", "x.safetensors", NULL), &(gp_clip_choice){.activation = "relu"},
           "expected checkpoint, quickgelu or gelu");
    refuse(write_file(&g, "choice", "x.safetensors", "visual.transformer.resblocks.0.ls_1.gamma"), NULL,
           "ls_1.gamma' is not part of a CLIP");
    refuse(write_file(&g, "choice", "x.safetensors", "visual.transformer.resblocks.1.ln_1.weight"), NULL,
           "'visual.transformer.resblocks.1.ln_1.weight' has shape [1], expected [128]");
    refuse(write_file(&g, "choice", "x.safetensors", "transformer.resblocks.1.ln_2.weight"), NULL,
           "'transformer.resblocks.1.ln_1.weight' is missing");
    /* One name after renaming. */
    refuse(write_file(&g, "choice", "x.safetensors", "module.logit_scale"), NULL, "'logit_scale' is there twice");
    refuse(write_file(&g, "choice", "x.safetensors", "transformer.resblocks.0.attn.q_proj_weight"), NULL,
           "'text_model.encoder.layers.0.self_attn.q_proj.weight' is there twice");
    const geometry empty = {.width = 128, .patch = 4, .grid = 2, .text = 64, .merged = true, .empty = true};
    refuse(write_file(&empty, "choice", "x.safetensors", NULL), NULL, "'visual.proj' holds no numbers");
}

/* ---- open_clip_config.json ---- */

#define VISION "\"image_size\":8,\"width\":128,\"patch_size\":4"
#define TEXT   "\"width\":64,\"heads\":4"

static void test_open_clip(void **state)
{
    (void)state;
    static const struct {
        const char *text, *error;
    } c[] = {
        {"{\"model_cfg\":{\"vision_cfg\":{" VISION ",\"head_width\":32},\"text_cfg\":{" TEXT "}}}", NULL},
        {"{\"embed_dim\":5,\"vision_cfg\":{" VISION ",\"head_width\":32},\"text_cfg\":{" TEXT "}}", NULL}, /* open_clip's model_configs */
        {"{\"model_cfg\":{\"vision_cfg\":{" VISION "},\"text_cfg\":{" TEXT "},\"embed_dim\":6}}", "embed_dim is 6, but the tensors say 5"},
        {"{\"model_cfg\":{\"vision_cfg\":{" VISION ",\"head_width\":60},\"text_cfg\":{" TEXT "}}}", "head_width is 60"},
        {"{\"model_cfg\":{\"vision_cfg\":{" VISION ",\"ls_init_value\":0.1},\"text_cfg\":{" TEXT "}}}", "ls_init_value is set"},
        {"{\"model_cfg\":{\"vision_cfg\":{" VISION ",\"pool_type\":\"avg\"},\"text_cfg\":{" TEXT "}}}", "pool_type is set ('avg')"},
        {"{\"model_cfg\":{\"vision_cfg\":{\"timm_model_name\":\"x\"},\"text_cfg\":{" TEXT "}}}", "timm_model_name is set"},
        {"{\"model_cfg\":{\"vision_cfg\":{\"layers\":[3,4]},\"text_cfg\":{" TEXT "}}}", "ResNet"},
        {"{\"model_cfg\":{\"vision_cfg\":{" VISION "},\"text_cfg\":{\"hf_model_name\":\"x\"}}}", "hf_model_name is set"},
        {"{\"model_cfg\":{\"vision_cfg\":{" VISION "},\"text_cfg\":{" TEXT "},\"quick_gelu\":1}}", "quick_gelu must be true or false"},
        {"{\"model_cfg\":{}}", "must be objects"},
        {"{\"model_cfg\":{\"vision_cfg\":{" VISION "},\"text_cfg\":{" TEXT "}},\"preprocess_cfg\":{\"resize_mode\":\"squash\"}}",
         "'squash'"},
        {"{\"model_cfg\":{\"vision_cfg\":{" VISION "},\"text_cfg\":{" TEXT "}},\"preprocess_cfg\":{\"interpolation\":\"random\"}}",
         "'random'"},
        {"{\"model_cfg\":{\"vision_cfg\":{" VISION ",\"head_width\":32,\"act_kwargs\":{},\"global_average_pool\":false},\"text_cfg\":{" TEXT
         ",\"act_kwargs\":{\"approximate\":\"none\"},\"proj_bias\":false}},\"preprocess_cfg\":{\"size\":[8,8]}}",
         NULL},
        {"{\"model_cfg\":{\"vision_cfg\":{" VISION ",\"act_kwargs\":{\"approximate\":\"tanh\"}},\"text_cfg\":{" TEXT "}}}",
         "vision_cfg.act_kwargs is set"},
        {"{\"model_cfg\":{\"vision_cfg\":{" VISION "},\"text_cfg\":{" TEXT ",\"act_kwargs\":{\"approximate\":\"tanh\"}}}}",
         "text_cfg.act_kwargs is set"},
        {"{\"model_cfg\":{\"vision_cfg\":{" VISION ",\"global_average_pool\":true},\"text_cfg\":{" TEXT "}}}",
         "vision_cfg.global_average_pool is set"},
        {"{\"model_cfg\":{\"vision_cfg\":{" VISION "},\"text_cfg\":{" TEXT ",\"proj_bias\":true}}}", "text_cfg.proj_bias is set"},
        {"{\"model_cfg\":{\"vision_cfg\":{" VISION "},\"text_cfg\":{" TEXT "}},\"preprocess_cfg\":{\"size\":16}}",
         "preprocess_cfg.size is 16, but the tensors say 8"},
        {"{\"model_cfg\":{\"vision_cfg\":{" VISION "},\"text_cfg\":{" TEXT "}},\"preprocess_cfg\":{\"size\":[8,9]}}",
         "preprocess_cfg.size is 9"},
        {"{\"model_cfg\":{\"vision_cfg\":{" VISION "},\"text_cfg\":{" TEXT "}},\"preprocess_cfg\":{\"size\":\"8\"}}",
         "preprocess_cfg.size must be"},
        {"[", "line 1"},
    };
    const geometry g = {.width = 128, .patch = 4, .grid = 2, .text = 64, .merged = true};
    for (size_t i = 0; i < GP_COUNT(c); i++) {
        char *path = write_file(&g, "open", "open_clip_model.safetensors", NULL), *folder = gp_path_join(dir, "open");
        char *config = gp_path_join(folder, "open_clip_config.json");
        assert_int_equal(gp_write_file(config, c[i].text, strlen(c[i].text), NULL), GOPRO_OK);
        free(config);
        free(path);
        if (c[i].error) {
            refuse(folder, NULL, c[i].error);
            continue;
        }
        gp_clip_weights *w = load(folder, NULL);
        assert_int_equal(w->arch.v.heads, 4);
        assert_int_equal(w->arch.t.heads, 4);
        assert_int_equal(w->arch.v.act, GP_ACT_GELU);
        assert_string_equal(w->found.warning, "");
        gp_clip_free(&w);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_totals), cmocka_unit_test(test_geometries), cmocka_unit_test(test_choices),
                                       cmocka_unit_test(test_open_clip)};
    return cmocka_run_group_tests(tests, setup, teardown);
}
