/* test_clip.c - init, save, load: equal numbers; and every way a checkpoint can be wrong named in the message.
 * SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "scratch.h"
#include "weights/clip.h"
#include "weights/safetensors.h"

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

static gp_clip_arch small_arch(void)
{
    return (gp_clip_arch){.v = {.width = 12, .layers = 2, .heads = 3, .hidden = 20, .act = GP_ACT_GELU, .eps = 1e-6},
                          .t = {.width = 8, .layers = 3, .heads = 2, .hidden = 16, .act = GP_ACT_QUICKGELU, .eps = 1e-5},
                          .image = 12,
                          .patch = 4,
                          .context = 7,
                          .vocab = 30,
                          .embed = 6,
                          .sot = 27,
                          .eot = 28,
                          .mean = {0.1f, 0.2f, 0.3f},
                          .std = {0.25f, 0.5f, 0.7f}};
}

static void same_arch(const gp_clip_arch *a, const gp_clip_arch *b)
{
    const gp_tower_arch *t[2][2] = {{&a->v, &b->v}, {&a->t, &b->t}};
    for (int i = 0; i < 2; i++) {
        assert_int_equal(t[i][0]->width, t[i][1]->width);
        assert_int_equal(t[i][0]->layers, t[i][1]->layers);
        assert_int_equal(t[i][0]->heads, t[i][1]->heads);
        assert_int_equal(t[i][0]->hidden, t[i][1]->hidden);
        assert_int_equal(t[i][0]->act, t[i][1]->act);
        assert_true(t[i][0]->eps == t[i][1]->eps);
    }
    assert_int_equal(a->image, b->image);
    assert_int_equal(a->patch, b->patch);
    assert_int_equal(a->context, b->context);
    assert_int_equal(a->vocab, b->vocab);
    assert_int_equal(a->embed, b->embed);
    assert_int_equal(a->sot, b->sot);
    assert_int_equal(a->eot, b->eot);
    assert_memory_equal(a->mean, b->mean, sizeof a->mean);
    assert_memory_equal(a->std, b->std, sizeof a->std);
}

/* All numbers of a model behind each other, rounded as a file of this type would hold them. */
typedef struct dump {
    float *v;
    size_t n, n_tensors;
    gp_dtype dtype;
} dump;

static gopro_status dump_tensor(void *user, const char *name, gp_real *data, const size_t *shape, size_t rank, gopro_error *err)
{
    (void)name;
    (void)err;
    dump *d = user;
    size_t n = 1;
    for (size_t i = 0; i < rank; i++) n *= shape[i];
    d->v = realloc(d->v, (d->n + n) * sizeof *d->v);
    for (size_t i = 0; i < n; i++) {
        float f = data[i];
        if (rank && d->dtype == GP_DT_F16) f = gp_f16_to_f32(gp_f32_to_f16(f));
        if (rank && d->dtype == GP_DT_BF16) f = gp_bf16_to_f32(gp_f32_to_bf16(f));
        d->v[d->n++] = f;
    }
    d->n_tensors++;
    return GOPRO_OK;
}

static dump dump_model(gp_clip_weights *w, gp_dtype dtype)
{
    dump d = {.dtype = dtype};
    assert_int_equal(gp_clip_visit(w, dump_tensor, &d, NULL), GOPRO_OK);
    return d;
}

static gp_clip_weights *fresh(uint64_t seed)
{
    gp_clip_weights *w;
    gopro_error err;
    gp_clip_arch a = small_arch();
    assert_int_equal(gp_clip_init(&w, &a, seed, &err), GOPRO_OK);
    return w;
}

static void test_init(void **state)
{
    (void)state;
    gp_clip_weights *w = fresh(1), *same = fresh(1), *other = fresh(2);
    dump a = dump_model(w, GP_DT_F32), b = dump_model(same, GP_DT_F32), c = dump_model(other, GP_DT_F32);
    assert_int_equal(a.n, b.n);
    assert_memory_equal(a.v, b.v, a.n * sizeof *a.v);
    assert_memory_not_equal(a.v, c.v, a.n * sizeof *a.v);
    assert_string_equal(w->hash, same->hash);
    assert_string_not_equal(w->hash, other->hash);
    assert_int_equal(gp_arch_patches(&w->arch), 9);
    /* 5 + 3 + 2 + 1 named arrays outside the blocks (no patch bias), 16 in each of 5 blocks. */
    assert_int_equal(a.n_tensors, 8 + 5 + 1 + 16 * 5);
    assert_null(w->v_patch_b);
    assert_true(fabsf((float)*w->logit_scale - 2.6592600f) < 1e-6f);
    assert_true(w->v_ln_pre_g[3] == 1 && w->t_block[1].ln2_b[2] == 0 && w->v_block[0].qkv.b[35] == 0);
    assert_int_equal(w->v_block[1].qkv.out, 36);
    assert_int_equal(w->v_block[1].fc2.in, 20);
    double s = 0;
    for (size_t i = 0; i < 3 * 144; i++) s += (double)(w->v_block[0].qkv.w[i] * w->v_block[0].qkv.w[i]) / (3 * 144);
    assert_true(fabs(s * 12 - 1) < 0.35); /* variance 1 / width; five standard errors */
    free(a.v);
    free(b.v);
    free(c.v);
    gp_clip_free(&w);
    assert_null(w);
    gp_clip_free(&w);
    gp_clip_free(&same);
    gp_clip_free(&other);
}

static void round_trip(gp_dtype dtype)
{
    gopro_error err;
    const char *meta[] = {"note", "hello", NULL};
    char *folder = gp_path_join(dir, gp_dtype_name(dtype));
    gp_clip_weights *w = fresh(3), *r;
    assert_int_equal(gp_clip_save(w, folder, (int)dtype, meta, &err), GOPRO_OK);
    gopro_status st = gp_clip_load(&r, folder, &err);
    if (st != GOPRO_OK) fail_msg("%s", err.msg);
    same_arch(&w->arch, &r->arch);
    dump a = dump_model(w, dtype), b = dump_model(r, GP_DT_F32);
    assert_int_equal(a.n, b.n);
    assert_memory_equal(a.v, b.v, a.n * sizeof *a.v);
    assert_int_equal(strlen(r->hash), 64);
    assert_non_null(strstr(r->path, "model.safetensors"));
    char *file = gp_path_join(folder, "model.safetensors");
    gp_safetensors *f;
    assert_int_equal(gp_safetensors_open(&f, file, &err), GOPRO_OK);
    assert_string_equal(gp_safetensors_meta(f, "note"), "hello");
    assert_string_equal(gp_safetensors_meta(f, "v_heads"), "3");
    /* q, k and v lie behind each other in that order. */
    const gp_tensor *t = gp_safetensors_find(f, "text_model.encoder.layers.2.self_attn.k_proj.weight");
    float k[64];
    assert_int_equal(gp_tensor_to_f32(k, t, &err), GOPRO_OK);
    for (int i = 0; i < 64; i++) assert_true(k[i] == (float)r->t_block[2].qkv.w[64 + i]);
    gp_safetensors_close(&f);
    free(a.v);
    free(b.v);
    free(file);
    free(folder);
    gp_clip_free(&w);
    gp_clip_free(&r);
}

static void test_round_trip_f32(void **state)
{
    (void)state;
    round_trip(GP_DT_F32);
}

static void test_round_trip_f16(void **state)
{
    (void)state;
    round_trip(GP_DT_F16);
}

static void test_round_trip_bf16(void **state)
{
    (void)state;
    round_trip(GP_DT_BF16);
}

/* ---- damaged checkpoints ---- */

typedef struct damage {
    gp_st_writer *w;
    const char *drop, *reshape, *retype, *poison;
} damage;

static gopro_status copy_damaged(void *user, const char *name, gp_real *data, const size_t *shape, size_t rank, gopro_error *err)
{
    (void)err;
    static const int32_t zeros[4096];
    damage *d = user;
    size_t s[4] = {1, 1, 1, 1};
    memcpy(s, shape, rank * sizeof *s);
    if (d->drop && strcmp(name, d->drop) == 0) return GOPRO_OK;
    if (d->reshape && strcmp(name, d->reshape) == 0) s[0]--;
    if (d->poison && strcmp(name, d->poison) == 0) data[1] = (gp_real)NAN;
    if (d->retype && strcmp(name, d->retype) == 0)
        gp_st_writer_add(d->w, name, GP_DT_I32, s, rank, zeros, false);
    else
        gp_st_writer_add(d->w, name, GP_DT_F32, s, rank, data, false);
    return GOPRO_OK;
}

static char *write_damaged(damage d, const char *extra, bool heads)
{
    gopro_error err;
    char *path = gp_path_join(dir, "damaged.safetensors");
    gp_clip_weights *w = fresh(4);
    static const float one[3] = {1, 1, 1};
    const size_t three = 3;
    d.w = gp_st_writer_create();
    if (heads) {
        gp_st_writer_meta(d.w, "v_heads", "3");
        gp_st_writer_meta(d.w, "t_heads", "2");
    }
    assert_int_equal(gp_clip_visit(w, copy_damaged, &d, NULL), GOPRO_OK);
    if (extra) gp_st_writer_add(d.w, extra, GP_DT_F32, &three, 1, one, false);
    assert_int_equal(gp_st_writer_commit(d.w, path, &err), GOPRO_OK);
    gp_st_writer_free(&d.w);
    gp_clip_free(&w);
    return path;
}

static void expect_failure(const char *path, const char *a, const char *b)
{
    gopro_error err;
    gp_clip_weights *w;
    gopro_status st = gp_clip_load(&w, path, &err);
    assert_null(w);
    if (st != GOPRO_E_WEIGHTS || !strstr(err.msg, a) || !strstr(err.msg, b))
        fail_msg("status %d, message '%s', expected '%s' and '%s'", (int)st, st ? err.msg : "", a, b);
    assert_int_equal(gp_clip_load(&w, path, NULL), GOPRO_E_WEIGHTS);
}

static void expect_damage(damage d, const char *extra, bool heads, const char *a, const char *b)
{
    char *path = write_damaged(d, extra, heads);
    expect_failure(path, a, b);
    free(path);
}

static void test_damaged_tensors(void **state)
{
    (void)state;
    static const char k[] = "text_model.encoder.layers.1.self_attn.k_proj.weight",
                      patch[] = "vision_model.embeddings.patch_embedding.weight";
    static const char pos[] = "vision_model.embeddings.position_embedding.weight", scale[] = "logit_scale";
    expect_damage((damage){.drop = k}, NULL, true, k, "missing");
    expect_damage((damage){.drop = patch}, NULL, true, patch, "missing");
    expect_damage((damage){.drop = scale}, NULL, true, scale, "missing");
    expect_damage((damage){.drop = "vision_model.encoder.layers.0.layer_norm1.bias"}, NULL, true, "layers.0.layer_norm1.bias", "missing");
    expect_damage((damage){.reshape = k}, NULL, true, k, "has shape [7, 8], expected [8, 8]");
    expect_damage((damage){.reshape = "vision_model.post_layernorm.weight"}, NULL, true, "[11], expected [12]", "post_layernorm.weight");
    expect_damage((damage){.reshape = pos}, NULL, true, pos, "square number of patches");
    expect_damage((damage){.reshape = "text_projection.weight"}, NULL, true, "text_projection.weight", "[5, 8], expected [6, 8]");
    expect_damage((damage){.retype = k}, NULL, true, k, "is I32, expected F32");
    expect_damage((damage){.poison = k}, NULL, true, k, "element 1 is not a finite number");
    expect_damage((damage){0}, "visual.trunk.norm", true, "visual.trunk.norm", "not part of a CLIP");
    expect_damage((damage){0}, "text_model.encoder.layers.3.extra", true, "layers.3.layer_norm1.weight", "missing");
    expect_damage((damage){0}, "text_model.encoder.layers.99999999999.x", true, "text layers", "expected 1 to 1024");
    expect_damage((damage){0}, NULL, false, "no multiple of 64", "v_heads");
    /* Undamaged, and with a tensor that is ignored, it loads from the bare file. */
    gopro_error err;
    gp_clip_weights *w;
    char *path = write_damaged((damage){0}, "text_model.embeddings.position_ids", true);
    assert_int_equal(gp_clip_load(&w, path, &err), GOPRO_OK);
    assert_int_equal(w->arch.v.heads, 3);
    assert_int_equal(w->arch.t.heads, 2);
    assert_int_equal(w->arch.eot, 29);
    assert_int_equal(w->arch.sot, 28);
    assert_int_equal(w->arch.v.act, GP_ACT_QUICKGELU);
    gp_clip_free(&w);
    free(path);
}

static void test_damaged_files(void **state)
{
    (void)state;
    char *path = write_damaged((damage){0}, NULL, true);
    gp_map m;
    assert_int_equal(gp_map_open(&m, path, NULL), GOPRO_OK);
    char *cut = gp_path_join(dir, "cut.safetensors");
    assert_int_equal(gp_write_file(cut, m.data, m.size - 10, NULL), GOPRO_OK);
    expect_failure(cut, "outside the file", "truncated");
    assert_int_equal(gp_write_file(cut, m.data, 100, NULL), GOPRO_OK);
    expect_failure(cut, "cut.safetensors", "runs past the end of the file");
    static const char pointer[] = "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 5\n";
    assert_int_equal(gp_write_file(cut, pointer, sizeof pointer - 1, NULL), GOPRO_OK);
    expect_failure(cut, "a pointer of git-lfs", "git lfs pull");
    gp_map_close(&m);
    expect_failure("no/such/file.safetensors", "no/such/file", "No such file");
    expect_failure(dir, dir, "holds no model.safetensors");
    char *bin = gp_path_join(dir, "pytorch_model.bin");
    assert_int_equal(gp_write_file(bin, "x", 1, NULL), GOPRO_OK);
    expect_failure(dir, "pytorch_model.bin", "neither as a PyTorch file");
    unlink(bin);
    free(bin);
    free(cut);
    free(path);
}

/* ---- configuration files ---- */

static const struct {
    const char *file, *text, *a, *b;
} configs[] = {
    {"config.json", "{", "config.json", "line 1"},
    {"config.json", "[]", "config.json", "not a JSON object"},
    {"config.json", "{\"model_type\":\"siglip\"}", "model_type is 'siglip'", "expected clip"},
    {"config.json", "{\"vision_config\":[]}", "vision_config", "must be an object"},
    {"config.json", "{\"projection_dim\":512}", "projection_dim is 512", "tensors say 6"},
    {"config.json", "{\"vision_config\":{\"hidden_size\":768}}", "vision_config.hidden_size is 768", "tensors say 12"},
    {"config.json", "{\"vision_config\":{\"hidden_size\":\"a\"}}", "vision_config.hidden_size", "whole number"},
    {"config.json", "{\"vision_config\":{\"image_size\":16}}", "vision_config.image_size is 16", "tensors say 12"},
    {"config.json", "{\"vision_config\":{\"patch_size\":16}}", "vision_config.patch_size is 16", "tensors say 4"},
    {"config.json", "{\"vision_config\":{\"num_attention_heads\":5}}", "num_attention_heads is 5", "divide the width 12"},
    {"config.json", "{\"vision_config\":{\"num_attention_heads\":0}}", "num_attention_heads is 0", "divide the width 12"},
    {"config.json", "{\"text_config\":{\"num_hidden_layers\":12}}", "text_config.num_hidden_layers is 12", "tensors say 3"},
    {"config.json", "{\"text_config\":{\"intermediate_size\":1}}", "text_config.intermediate_size is 1", "tensors say 16"},
    {"config.json", "{\"text_config\":{\"hidden_act\":\"relu\"}}", "hidden_act is 'relu'", "quick_gelu or gelu"},
    {"config.json", "{\"text_config\":{\"layer_norm_eps\":-1}}", "text_config.layer_norm_eps", "between 0 and 1"},
    {"config.json", "{\"text_config\":{\"vocab_size\":49408}}", "vocab_size is 49408", "tensors say 30"},
    {"config.json", "{\"text_config\":{\"max_position_embeddings\":77}}", "max_position_embeddings is 77", "tensors say 7"},
    {"config.json", "{\"text_config\":{\"eos_token_id\":49407}}", "eos_token_id", "vocabulary's 30"},
    {"config.json", "{\"text_config\":{\"eos_token_id\":5,\"bos_token_id\":5}}", "start token 5", "must differ"},
    {"preprocessor_config.json", "{\"image_mean\":[1,2]}", "image_mean", "three numbers"},
    {"preprocessor_config.json", "{\"image_std\":[1,\"a\",2]}", "image_std", "three numbers"},
    {"preprocessor_config.json", "{\"image_std\":[1,0,2]}", "image deviation is 0", "expected 0.001"},
    {"preprocessor_config.json", "{\"image_std\":[1,1e-40,2]}", "image deviation is 9.99995e-41", "expected 0.001 to 1000"},
    {"preprocessor_config.json", "{\"image_mean\":[1,-1e30,2]}", "image mean is -1e+30", "expected -1000 to 1000"},
    {"preprocessor_config.json", "{\"rescale_factor\":0.0078}", "rescale_factor is 0.0078", "expected 1/255"},
    {"preprocessor_config.json", "{\"rescale_factor\":\"1\"}", "rescale_factor", "expected 1/255"},
    {"preprocessor_config.json", "{\"do_rescale\":false}", "do_rescale is false", "always"},
    {"preprocessor_config.json", "{\"resample\":1}", "resample", "bicubic"},
    {"preprocessor_config.json", "{\"crop_size\":{\"height\":16,\"width\":16}}", "crop_size is 16", "tensors say 12"},
    {"preprocessor_config.json", "{\"crop_size\":{\"height\":12,\"width\":10}}", "crop_size", "square"},
    {"preprocessor_config.json", "{\"size\":{\"height\":12,\"width\":12}}", "size without shortest_edge", "stretches"},
    {"preprocessor_config.json", "{\"size\":8}", "size is 8", "smaller than the crop of 12"},
    {"preprocessor_config.json", "{\"do_center_crop\":false}", "do_center_crop is false", "always"},
};

static gp_clip_weights *load_with(const char *folder, const char *file, const char *text)
{
    gopro_error err;
    gp_clip_weights *w;
    char *p = gp_path_join(folder, file);
    assert_int_equal(gp_write_file(p, text, strlen(text), NULL), GOPRO_OK);
    gopro_status st = gp_clip_load(&w, folder, &err);
    if (st != GOPRO_OK) fail_msg("%s", err.msg);
    free(p);
    return w;
}

static void test_configurations(void **state)
{
    (void)state;
    gopro_error err;
    char *folder = gp_path_join(dir, "conf");
    gp_clip_weights *w = fresh(5);
    assert_int_equal(gp_clip_save(w, folder, GP_DT_F32, NULL, &err), GOPRO_OK);
    gp_clip_free(&w);
    for (size_t i = 0; i < GP_COUNT(configs); i++) {
        char *p = gp_path_join(folder, configs[i].file);
        assert_int_equal(gp_write_file(p, configs[i].text, strlen(configs[i].text), NULL), GOPRO_OK);
        expect_failure(folder, configs[i].a, configs[i].b);
        assert_int_equal(gp_write_file(p, "{}", 2, NULL), GOPRO_OK);
        free(p);
    }
    /* An end token of 2 is an old habit and means the largest id. */
    w = load_with(folder, "config.json",
                  "{\"text_config\":{\"eos_token_id\":2,\"bos_token_id\":0,\"hidden_act\":\"gelu\"},\"vision_config\":null}");
    assert_int_equal(w->arch.eot, 29);
    assert_int_equal(w->arch.sot, 28);
    assert_int_equal(w->arch.t.act, GP_ACT_GELU);
    assert_int_equal(w->arch.v.act, GP_ACT_QUICKGELU);
    gp_clip_free(&w);
    w = load_with(folder, "config.json", "{\"text_config\":{\"eos_token_id\":7,\"bos_token_id\":3,\"num_attention_heads\":4}}");
    assert_int_equal(w->arch.eot, 7);
    assert_int_equal(w->arch.sot, 3);
    assert_int_equal(w->arch.t.heads, 4); /* before the metadata */
    assert_non_null(strstr(w->found.warning, "has no hidden_act for either tower"));
    assert_non_null(strstr(w->found.activation, "no hidden_act in config.json"));
    gp_clip_free(&w);
    w = load_with(folder, "config.json", "{\"vision_config\":{\"hidden_act\":\"gelu\"}}");
    assert_int_equal(w->arch.v.act, GP_ACT_GELU);
    assert_int_equal(w->arch.t.act, GP_ACT_QUICKGELU);
    assert_non_null(strstr(w->found.warning, "has no hidden_act for the text tower"));
    assert_non_null(strstr(w->found.activation, "image tower exact GELU (hidden_act in config.json), text tower QuickGELU (no hidden_act"));
    gp_clip_free(&w);
    w = load_with(folder, "preprocessor_config.json", "{\"rescale_factor\":0.00392156862745098,\"image_std\":[0.0039,1,255]}");
    gp_clip_free(&w);
    free(folder);
}

static void test_bad_architectures(void **state)
{
    (void)state;
    gopro_error err;
    gp_clip_weights *w;
    gp_clip_arch a = small_arch();
    a.patch = 5;
    assert_int_equal(gp_clip_init(&w, &a, 1, &err), GOPRO_E_INVALID);
    assert_non_null(strstr(err.msg, "not divisible by patch size 5"));
    a = small_arch();
    a.t.heads = 3;
    assert_int_equal(gp_clip_init(&w, &a, 1, &err), GOPRO_E_INVALID);
    assert_non_null(strstr(err.msg, "text width 8"));
    a = small_arch();
    a.vocab = 1u << 30;
    assert_int_equal(gp_clip_init(&w, &a, 1, &err), GOPRO_E_INVALID);
    assert_non_null(strstr(err.msg, "vocabulary"));
    a = small_arch();
    a.v.layers = 0;
    assert_int_equal(gp_clip_init(&w, &a, 1, &err), GOPRO_E_INVALID);
    assert_null(w);
}

/* Numbers repeat after the period and are the drawn ones before it. */
static void repeating(void **state)
{
    (void)state;
    gopro_error err = {0};
    gp_clip_weights *w = NULL, *r = NULL;
    const gp_clip_arch a = small_arch();
    enum { PERIOD = 7 };
    assert_int_equal(gp_clip_init(&w, &a, 3, &err), GOPRO_OK);
    assert_int_equal(gp_clip_init_repeating(&r, &a, 3, PERIOD, &err), GOPRO_OK);
    assert_memory_equal(w->t_proj, r->t_proj, PERIOD * sizeof(gp_real));
    for (size_t i = PERIOD; i < a.embed * a.t.width; i++) assert_true(r->t_proj[i] == r->t_proj[i - PERIOD]);
    assert_true(w->t_proj[PERIOD] != r->t_proj[PERIOD]);
    gp_clip_free(&w);
    gp_clip_free(&r);
}

/* Weights that are used where they lie in a file are said to be others once it is written to. */
static void changed_in_use(void **state)
{
    (void)state;
    gopro_error err = {0};
    gp_clip_weights *w = NULL;
    char *path = write_damaged((damage){0}, NULL, true);
    assert_int_equal(gp_clip_load(&w, path, &err), GOPRO_OK);
    assert_int_equal(gp_clip_check(w, &err), GOPRO_OK);
    FILE *f = fopen(path, "r+b");
    assert_non_null(f);
    assert_int_equal(fseek(f, -4, SEEK_END), 0);
    assert_int_equal(fwrite("\0\0\0\0", 1, 4, f), 4);
    assert_int_equal(fclose(f), 0);
    const struct timespec t[2] = {{0, UTIME_NOW}, {1700000000, 0}};
    assert_int_equal(utimensat(AT_FDCWD, path, t, 0), 0);
    assert_int_equal(gp_clip_check(w, &err), GOPRO_E_WEIGHTS);
    assert_non_null(strstr(err.msg, "was changed while it was in use"));
    gp_clip_free(&w);
    free(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_init),
        cmocka_unit_test(repeating),
        cmocka_unit_test(test_round_trip_f32),
        cmocka_unit_test(test_round_trip_f16),
        cmocka_unit_test(test_round_trip_bf16),
        cmocka_unit_test(test_damaged_tensors),
        cmocka_unit_test(test_damaged_files),
        cmocka_unit_test(test_configurations),
        cmocka_unit_test(test_bad_architectures),
        cmocka_unit_test(changed_in_use),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
