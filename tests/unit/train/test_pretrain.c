/* test_pretrain.c - pretraining on drawings the test makes, both objectives: losses fall, same bytes for any threads and after an
 * interruption; captions, views.
 * SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/file.h"
#include "half_cpu.h"
#include "image/image.h"
#include "scratch.h"
#include "train/pretrain.h"
#include "train/pretrain_pairs.h"
#include "weights/safetensors.h"

enum { SIZE = 16, CONCEPTS = 12, EACH = 3 };

static const char *const noun[CONCEPTS] = {"cat", "dog", "sun", "moon", "tree", "house", "boat", "key", "cup", "fish", "star", "ball"};

static char *join(const char *a, const char *b)
{
    char *p = gp_path_join(a, b);
    assert_non_null(p);
    return p;
}

/* Concept c is a bar at a place and of a colour of its own; drawing e moves it a little. */
static void draw(const char *path, unsigned c, unsigned e)
{
    gp_image im;
    assert_int_equal(gp_image_alloc(&im, SIZE, SIZE, 4, NULL), GOPRO_OK);
    memset(im.px, 0, (size_t)4 * SIZE * SIZE);
    for (unsigned y = 0; y < SIZE; y++)
        for (unsigned x = 0; x < SIZE; x++)
            if ((c & 1 ? x : y) / 4 == (c / 2) % 4 && (c & 1 ? y : x) > e) {
                uint8_t *p = im.px + 4 * (y * SIZE + x);
                p[0] = (uint8_t)(20 * c), p[1] = (uint8_t)(255 - 20 * c), p[2] = (uint8_t)(90 * (c % 3)), p[3] = 255;
            }
    assert_int_equal(gp_image_write_png(&im, path, NULL), GOPRO_OK);
    gp_image_free(&im);
}

static char *make_pairs(const char *folder)
{
    char *list = join(folder, "pairs.tsv");
    FILE *f = fopen(list, "w");
    assert_non_null(f);
    for (unsigned c = 0; c < CONCEPTS; c++)
        for (unsigned e = 0; e < EACH; e++) {
            char name[64];
            snprintf(name, sizeof name, "%u-%u.png", c, e);
            char *path = join(folder, name);
            draw(path, c, e);
            free(path);
            fprintf(f, "%s\t%s\t%s\tthing|shape %u\t%s\n", name, noun[c], noun[c], c % 4, e ? "emoji" : "line");
        }
    fclose(f);
    return list;
}

typedef struct log_state {
    double first, last, ssl_first, ssl_last;
    int polls, stop_at;
} log_state;

static void log_line(void *user, gp_log_level level, const char *text)
{
    log_state *s = user;
    double loss, ssl;
    (void)level;
    if (sscanf(text, "step %*u/%*u loss %lf", &loss) == 1) {
        if (s->first == 0.0) s->first = loss;
        s->last = loss;
    }
    if (sscanf(text, "step %*u/%*u loss %*f acc %*f %% ssl %lf", &ssl) == 1) {
        if (s->ssl_first == 0.0) s->ssl_first = ssl;
        s->ssl_last = ssl;
    }
}

static bool cancelled(void *user)
{
    log_state *s = user;
    return s->stop_at > 0 && ++s->polls > s->stop_at;
}

/* more: further options as key, value, ..., NULL */
static gopro_status run(const char *list, const char *out, size_t threads, const char *const *more, log_state *s)
{
    static const char *const set[][2] = {{"pretrain.image", "16"},     {"pretrain.patch", "8"},     {"pretrain.v_width", "32"},
                                         {"pretrain.v_layers", "2"},   {"pretrain.v_heads", "2"},   {"pretrain.t_width", "32"},
                                         {"pretrain.t_layers", "2"},   {"pretrain.t_heads", "2"},   {"pretrain.context", "32"},
                                         {"pretrain.embed", "16"},     {"pretrain.vocab", "560"},   {"pretrain.batch", "8"},
                                         {"pretrain.warmup", "10"},    {"pretrain.lr", "0.005"},    {"pretrain.label_smoothing", "0"},
                                         {"pretrain.crop_min", "0.8"}, {"pretrain.val_every", "60"}};
    gp_options *o = gp_options_create();
    gp_compute *c = NULL;
    gopro_error err = {0};
    gp_log log = {log_line, cancelled, s};
    assert_non_null(o);
    for (size_t i = 0; i < GP_COUNT(set); i++) assert_int_equal(gp_options_set(o, set[i][0], set[i][1], "test", &err), GOPRO_OK);
    assert_int_equal(gp_options_set(o, "pretrain.steps", "150", "test", &err), GOPRO_OK);
    for (; *more; more += 2) assert_int_equal(gp_options_set(o, more[0], more[1], "test", &err), GOPRO_OK);
    assert_int_equal(gp_compute_create(&c, threads, gp_opt_is(o, "precision", "bf16") ? half_cpu() : NULL, &err), GOPRO_OK);
    gopro_status st = gp_pretrain(c, o, list, list, out, &log, &err);
    if (st != GOPRO_OK && st != GOPRO_E_CANCELLED) print_error("%s\n", err.msg);
    gp_compute_free(&c);
    gp_options_free(&o);
    return st;
}

static void assert_same_file(const char *a, const char *b, const char *name)
{
    char *pa = join(a, name), *pb = join(b, name), *da, *db;
    size_t na, nb;
    assert_int_equal(gp_read_file(&da, &na, pa, 1 << 24, NULL), GOPRO_OK);
    assert_int_equal(gp_read_file(&db, &nb, pb, 1 << 24, NULL), GOPRO_OK);
    assert_int_equal(na, nb);
    assert_memory_equal(da, db, na);
    free(da), free(db), free(pa), free(pb);
}

/* Tensors of the models, whatever their metadata; returns how many. */
static size_t compare_models(const char *a, const char *b, bool *same)
{
    char *pa = join(a, "model.safetensors"), *pb = join(b, "model.safetensors");
    gp_safetensors *fa = NULL, *fb = NULL;
    assert_int_equal(gp_safetensors_open(&fa, pa, NULL), GOPRO_OK);
    assert_int_equal(gp_safetensors_open(&fb, pb, NULL), GOPRO_OK);
    const size_t n = gp_safetensors_count(fa);
    *same = gp_safetensors_count(fb) == n;
    for (size_t i = 0; i < n; i++) {
        const gp_tensor *x = gp_safetensors_at(fa, i), *y = gp_safetensors_find(fb, x->name);
        assert_null(strstr(x->name, "image_mlp"));
        *same = *same && y && y->count == x->count && memcmp(x->data, y->data, x->count * gp_dtype_size(x->dtype)) == 0;
    }
    gp_safetensors_close(&fa);
    gp_safetensors_close(&fb);
    free(pa), free(pb);
    return n;
}

static const char *const clip[] = {NULL}, *const slip[] = {"pretrain.objective", "slip", "pretrain.ssl_mlp_dim", "24", NULL};

/* Runs with one and two threads, and interrupted; the log of the first one. */
static log_state three_runs(const char *list, const char *folder, const char *const *more)
{
    char *a = join(folder, "a"), *b = join(folder, "b"), *c = join(folder, "c");
    log_state one = {0}, two = {0}, stop = {.stop_at = 75}, go_on = {0};
    assert_int_equal(run(list, a, 1, more, &one), GOPRO_OK);
    print_message("loss %.3f -> %.3f, ssl %.3f -> %.3f\n", one.first, one.last, one.ssl_first, one.ssl_last);
    assert_true(one.last < 0.9 * one.first);
    assert_int_equal(run(list, b, 2, more, &two), GOPRO_OK);
    assert_same_file(a, b, "model.safetensors");
    assert_same_file(a, b, "pretrain.jsonl");
    assert_int_equal(run(list, c, 2, more, &stop), GOPRO_E_CANCELLED);
    char *early = join(c, "model.safetensors");
    assert_false(gp_path_exists(early));
    assert_int_equal(run(list, c, 1, more, &go_on), GOPRO_OK);
    assert_same_file(a, c, "model.safetensors");
    assert_same_file(a, c, "checkpoint.safetensors");
    free(a), free(b), free(c), free(early);
    return one;
}

static void test_runs(void **state)
{
    char folder[64];
    (void)state;
    scratch_make(folder);
    char *list = make_pairs(folder);
    assert_true(three_runs(list, folder, clip).ssl_first == 0.0);
    scratch_remove(folder);
    free(list);
}

static void test_slip(void **state)
{
    static const char *const bf16[] = {"pretrain.objective", "slip", "pretrain.ssl_mlp_dim", "24", "precision", "bf16", NULL};
    static const char *const none[] = {"pretrain.objective", "slip", "pretrain.ssl_scale", "0", NULL};
    char folder[64];
    bool same = false;
    (void)state;
    scratch_make(folder);
    char *list = make_pairs(folder), *f32 = join(folder, "f32"), *half = join(folder, "half"), *a = join(half, "a"), *x = join(f32, "a");
    char *zero = join(folder, "zero"), *plain = join(folder, "plain");
    log_state quiet = {0}, full = three_runs(list, f32, slip);
    assert_true(full.ssl_last < 0.9 * full.ssl_first);
    full = three_runs(list, half, bf16);
    assert_true(full.ssl_last < 0.9 * full.ssl_first);
    assert_true(compare_models(x, a, &same) > 40 && !same);
    /* with weight 0 the model is CLIP's: the further term has its own random numbers and no other way into the weights */
    assert_int_equal(run(list, zero, 2, none, &quiet), GOPRO_OK);
    assert_int_equal(run(list, plain, 2, clip, &quiet), GOPRO_OK);
    compare_models(zero, plain, &same);
    assert_true(same);
    compare_models(x, plain, &same);
    assert_false(same);
    scratch_remove(folder);
    free(list), free(f32), free(half), free(a), free(x), free(zero), free(plain);
}

/* Two views of a drawing differ in colours and crop, stay finite and follow from the stream alone. */
static void test_ssl_views(void **state)
{
    enum { IMAGE = 24, N = 3 * IMAGE * IMAGE };
    gp_drawing d = {.name = "cat"};
    gp_view_config c = {.size = IMAGE, .scale_min = 0.08, .scale_max = 1, .mean = {0.5f, 0.5f, 0.5f}, .std = {0.5f, 0.5f, 0.5f}};
    static float x[3][N];
    size_t white = 0;
    (void)state;
    assert_int_equal(gp_image_alloc(&d.rgba, SIZE, SIZE, 4, NULL), GOPRO_OK);
    memset(d.rgba.px, 0, (size_t)4 * SIZE * SIZE); /* all background */
    for (uint64_t i = 0; i < 300; i++) {
        gp_rng a = gp_rng_make(1, GP_RNG_VIEW_SSL_A, 0, i), b = gp_rng_make(1, GP_RNG_VIEW_SSL_B, 0, i), again = a;
        assert_int_equal(gp_pairs_ssl_view(x[0], &d, &c, &a, NULL), GOPRO_OK);
        assert_int_equal(gp_pairs_ssl_view(x[1], &d, &c, &b, NULL), GOPRO_OK);
        assert_int_equal(gp_pairs_ssl_view(x[2], &d, &c, &again, NULL), GOPRO_OK);
        assert_memory_equal(x[0], x[2], sizeof x[0]);
        for (size_t k = 0; k < 3; k++) /* an empty drawing gives an empty view: nothing but background comes in */
            for (size_t p = 1; p < (size_t)IMAGE * IMAGE; p++) assert_true(x[0][k * IMAGE * IMAGE + p] == x[0][k * IMAGE * IMAGE]);
        white += x[0][0] == 1.0f && x[1][0] == 1.0f;
    }
    assert_true(white > 0 && white < 200);
    gp_image_free(&d.rgba);
}

static void test_captions(void **state)
{
    const char *words[] = {"pet", "whiskers"};
    gp_drawing d = {.name = "cat", .keyword = words, .n_keywords = 2};
    size_t with_name = 0;
    (void)state;
    for (uint64_t i = 0; i < 2000; i++) {
        gp_str s = {0};
        gp_rng r = gp_rng_make(1, GP_RNG_TEST, 0, i);
        gp_pairs_caption(&s, &d, &r);
        assert_true(s.len > 0);
        assert_null(strstr(s.s, "photo"));                   /* the words of the evaluation templates occur in no caption */
        assert_string_not_equal(s.s, "a drawing of a cat."); /* nor is one equal to the embedded datasets' template */
        with_name += strstr(s.s, "cat") != NULL;
        gp_str_free(&s);
    }
    assert_true(with_name > 1500 && with_name < 2000);
}

static void test_bad_list(void **state)
{
    char folder[64];
    gopro_error err = {0};
    gp_pool *pool = NULL;
    gp_pairs p;
    (void)state;
    scratch_make(folder);
    char *list = join(folder, "pairs.tsv");
    assert_int_equal(gp_pool_create(&pool, 1, NULL), GOPRO_OK);
    assert_int_equal(gp_pairs_load(&p, list, 1, pool, &err), GOPRO_E_DATA);
    assert_int_equal(gp_write_file(list, "a.png\tcat\n", 10, NULL), GOPRO_OK);
    assert_int_equal(gp_pairs_load(&p, list, 1, pool, &err), GOPRO_E_DATA);
    assert_non_null(strstr(err.msg, "pairs.tsv:1"));
    assert_int_equal(gp_write_file(list, "a.png\tcat\tcat\t\tline\n", 21, NULL), GOPRO_OK);
    assert_int_equal(gp_pairs_load(&p, list, 1, pool, &err), GOPRO_E_DATA);
    assert_non_null(strstr(err.msg, "a.png"));
    char *png = join(folder, "a.png");
    draw(png, 1, 1);
    gp_image oblong;
    assert_int_equal(gp_image_alloc(&oblong, 16, 12, 3, NULL), GOPRO_OK);
    memset(oblong.px, 0, 16 * 12 * 3);
    assert_int_equal(gp_image_write_png(&oblong, png, NULL), GOPRO_OK);
    gp_image_free(&oblong);
    assert_int_equal(gp_pairs_load(&p, list, 1, pool, &err), GOPRO_E_DATA);
    assert_non_null(strstr(err.msg, "16 x 12"));
    draw(png, 1, 1);
    assert_int_equal(gp_pairs_load(&p, list, 1, pool, &err), GOPRO_OK);
    gp_pairs_free(&p);
    gp_pool_free(&pool);
    scratch_remove(folder);
    free(png), free(list);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_captions), cmocka_unit_test(test_bad_list), cmocka_unit_test(test_ssl_views),
                                       cmocka_unit_test(test_runs), cmocka_unit_test(test_slip)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
