/* test_pretrain.c - pretraining on drawings the test makes: loss falls, same bytes for any threads and after an interruption, captions.
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
#include "image/image.h"
#include "train/pretrain.h"
#include "train/pretrain_pairs.h"

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
    double first, last;
    int polls, stop_at;
} log_state;

static void log_line(void *user, gp_log_level level, const char *text)
{
    log_state *s = user;
    double loss;
    (void)level;
    if (sscanf(text, "step %*u/%*u loss %lf", &loss) == 1) {
        if (s->first == 0.0) s->first = loss;
        s->last = loss;
    }
}

static bool cancelled(void *user)
{
    log_state *s = user;
    return s->stop_at > 0 && ++s->polls > s->stop_at;
}

static gopro_status run(const char *list, const char *out, size_t threads, const char *steps, log_state *s)
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
    assert_int_equal(gp_options_set(o, "pretrain.steps", steps, "test", &err), GOPRO_OK);
    assert_int_equal(gp_compute_create(&c, threads, NULL, &err), GOPRO_OK);
    gopro_status st = gp_pretrain(c, o, list, list, out, &log, &err);
    if (st != GOPRO_OK && st != GOPRO_E_CANCELLED) print_error("%s\n", err.msg);
    gp_compute_free(&c);
    gp_options_free(&o);
    return st;
}

static void assert_same_model(const char *a, const char *b)
{
    char *pa = join(a, "model.safetensors"), *pb = join(b, "model.safetensors"), *da, *db;
    size_t na, nb;
    assert_int_equal(gp_read_file(&da, &na, pa, 1 << 24, NULL), GOPRO_OK);
    assert_int_equal(gp_read_file(&db, &nb, pb, 1 << 24, NULL), GOPRO_OK);
    assert_int_equal(na, nb);
    assert_memory_equal(da, db, na);
    free(da), free(db), free(pa), free(pb);
}

static void test_runs(void **state)
{
    char folder[] = "/tmp/gopro-pretrain-XXXXXX";
    (void)state;
    assert_non_null(mkdtemp(folder));
    char *list = make_pairs(folder), *a = join(folder, "a"), *b = join(folder, "b"), *c = join(folder, "c");
    log_state one = {0}, two = {0}, stop = {.stop_at = 75}, go_on = {0};
    assert_int_equal(run(list, a, 1, "150", &one), GOPRO_OK);
    print_message("loss %.3f -> %.3f\n", one.first, one.last);
    assert_true(one.last < 0.9 * one.first);
    assert_int_equal(run(list, b, 2, "150", &two), GOPRO_OK);
    assert_same_model(a, b);
    assert_int_equal(run(list, c, 2, "150", &stop), GOPRO_E_CANCELLED);
    char *early = join(c, "model.safetensors");
    assert_false(gp_path_exists(early));
    assert_int_equal(run(list, c, 1, "150", &go_on), GOPRO_OK);
    assert_same_model(a, c);
    char command[256];
    snprintf(command, sizeof command, "rm -rf %s", folder);
    assert_int_equal(system(command), 0);
    free(list), free(a), free(b), free(c), free(early);
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
    char folder[] = "/tmp/gopro-pretrain-XXXXXX";
    gopro_error err = {0};
    gp_pool *pool = NULL;
    gp_pairs p;
    (void)state;
    assert_non_null(mkdtemp(folder));
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
    unlink(png), unlink(list), rmdir(folder);
    free(png), free(list);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_captions), cmocka_unit_test(test_bad_list), cmocka_unit_test(test_runs)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
