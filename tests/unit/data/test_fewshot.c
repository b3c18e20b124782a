/* test_fewshot.c - the generator, the published few-shot draws (DATASETS.md 4.4) and base/new label sets.
 * SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/sha256.h"
#include "data/dataset_int.h"

static void test_generator(void **state)
{
    (void)state;
    static const uint32_t want[3][4] = {{577090037u, 2444712010u, 3639700191u, 3445702192u},
                                        {4106135923u, 3707026329u, 4070888059u, 3646664648u},
                                        {1022050301u, 2545373330u, 2337446730u, 560161641u}};
    for (uint64_t seed = 1; seed <= 3; seed++) {
        gp_mt19937 m;
        gp_mt_seed(&m, seed);
        for (int i = 0; i < 4; i++) assert_int_equal(gp_mt_next(&m), want[seed - 1][i]);
    }
    /* Two-word key: recorded with CPython, random.seed(2**40 + 7); getrandbits(32). */
    gp_mt19937 m;
    gp_mt_seed(&m, ((uint64_t)1 << 40) + 7);
    static const uint32_t wide[3] = {2635837658u, 3209733218u, 3500038837u};
    for (int i = 0; i < 3; i++) assert_int_equal(gp_mt_next(&m), wide[i]);
    gp_mt_seed(&m, 0);
    static const uint32_t zero[3] = {3626764237u, 1654615998u, 3255389356u};
    for (int i = 0; i < 3; i++) assert_int_equal(gp_mt_next(&m), zero[i]);
}

static void expect_sample(uint64_t seed, uint32_t n, uint32_t k, const char *want)
{
    gp_mt19937 m;
    uint32_t v[16];
    char s[256] = "";
    gp_mt_seed(&m, seed);
    assert_int_equal(gp_mt_sample(&m, v, n, k, NULL), GOPRO_OK);
    for (uint32_t i = 0; i < k; i++) snprintf(s + strlen(s), sizeof s - strlen(s), i ? " %u" : "%u", v[i]);
    assert_string_equal(s, want);
}

static void test_sample(void **state)
{
    (void)state;
    expect_sample(1, 60, 16, "8 36 54 51 48 4 16 7 31 55 28 30 41 24 13 6");
    expect_sample(1, 500, 16, "68 291 433 410 391 32 130 60 253 389 230 241 333 194 403 107");
    expect_sample(1, 20, 4, "4 18 2 8");
    expect_sample(1, 24, 4, "4 18 2 8");
    expect_sample(2, 60, 16, "55 54 3 5 56 23 53 10 47 42 19 16 38 13 51 2");
    expect_sample(2, 500, 16, "489 441 485 434 28 46 43 184 427 86 376 414 342 437 157 128");
    expect_sample(2, 20, 4, "1 2 18 11");
    expect_sample(2, 24, 4, "1 2 11 5");
    expect_sample(3, 60, 16, "15 37 34 8 23 38 30 40 58 4 54 0 53 16 35 14");
    expect_sample(3, 500, 16, "121 303 278 66 189 468 309 242 320 297 33 310 6 465 428 240");
    expect_sample(3, 20, 4, "7 18 17 4");
    expect_sample(3, 24, 4, "7 18 17 4");
    gp_mt19937 m;
    uint32_t v[8];
    gopro_error err;
    gp_mt_seed(&m, 1);
    assert_int_equal(gp_mt_sample(&m, v, 3, 4, &err), GOPRO_E_INVALID);
}

static void test_shuffle(void **state)
{
    (void)state;
    /* CPython: random.seed(5); v = list(range(10)); random.shuffle(v). */
    static const uint32_t want[10] = {2, 3, 1, 0, 8, 7, 6, 5, 4, 9};
    gp_mt19937 m;
    uint32_t v[10];
    for (uint32_t i = 0; i < 10; i++) v[i] = i;
    gp_mt_seed(&m, 5);
    gp_mt_shuffle(&m, v, 10);
    assert_memory_equal(v, want, sizeof v);
}

/* A dataset of contiguous classes of the given sizes, without files. */
static gp_split contiguous(const uint32_t *sizes, size_t n_classes)
{
    gp_split s = {0};
    for (size_t k = 0; k < n_classes; k++) s.n += sizes[k];
    s.item = calloc(s.n, sizeof *s.item);
    size_t n = 0;
    for (size_t k = 0; k < n_classes; k++)
        for (uint32_t i = 0; i < sizes[k]; i++) s.item[n++] = (gp_item){.path = "x.jpg", .label = (uint32_t)k};
    return s;
}

static void hash_of(char hex[65], const uint32_t *v, size_t n)
{
    gp_sha256 c;
    gp_sha256_init(&c);
    for (size_t i = 0; i < n; i++) {
        char s[16];
        gp_sha256_add(&c, s, (size_t)snprintf(s, sizeof s, i ? ",%u" : "%u", v[i]));
    }
    gp_sha256_hex(&c, hex);
}

static void test_published_draws(void **state)
{
    (void)state;
    static const uint32_t eurosat_train[] = {1500, 1500, 1500, 1250, 1250, 1000, 1250, 1500, 1250, 1500};
    static const uint32_t eurosat_val[] = {600, 600, 600, 500, 500, 400, 500, 600, 500, 600};
    static const struct {
        const char *name;
        size_t classes;
        uint32_t train, val; /* 0: EuroSAT's own */
        const char *t[3], *v[3];
    } c[] = {
        {"dtd",
         47,
         60,
         24,
         {"6aa4d669856a3f3b", "68595428c5c9a568", "1a91bd3b5e6f50d8"},
         {"884be17ce4087a26", "ee5bdff8013a572b", "43114ad34354d4c0"}},
        {"food101",
         101,
         500,
         200,
         {"cefcf523a76efd9e", "5b5b486ec8c0cbbf", "0f534b4082576f57"},
         {"892fda665784a827", "3945531b0320242c", "af55490c414475f5"}},
        {"sun397",
         397,
         40,
         10,
         {"79b0e313e24aac07", "1c63049ba3d7b2f9", "16fc485aeacb8397"},
         {"ebf342dea4b7edb8", "877994df0089e46e", "99fb12f9d945ae58"}},
        {"eurosat",
         10,
         0,
         0,
         {"d0eded86733d4201", "8cdddbc39a1af0d4", "05ff8da9bfd82a50"},
         {"ee2120ce82344d7d", "5997ed4727c8cf59", "a7952bb2f6b3c8e1"}},
    };
    for (size_t i = 0; i < GP_COUNT(c); i++) {
        uint32_t train[400], val[400];
        for (size_t k = 0; k < c[i].classes; k++) {
            train[k] = c[i].train ? c[i].train : eurosat_train[k];
            val[k] = c[i].val ? c[i].val : eurosat_val[k];
        }
        gp_dataset d = {.n_classes = c[i].classes, .train = contiguous(train, c[i].classes), .val = contiguous(val, c[i].classes)};
        for (uint64_t seed = 1; seed <= 3; seed++) {
            gp_draw dr;
            char hex[65];
            assert_int_equal(gp_draw_make(&dr, &d, 16, seed, NULL, NULL), GOPRO_OK);
            assert_int_equal(dr.n_train, 16 * c[i].classes);
            assert_int_equal(dr.n_val, 4 * c[i].classes);
            assert_memory_equal(dr.hash, c[i].t[seed - 1], 16);
            hash_of(hex, dr.val, dr.n_val);
            assert_memory_equal(hex, c[i].v[seed - 1], 16);
            gp_draw_free(&dr);
        }
        free(d.train.item);
        free(d.val.item);
    }
}

typedef struct heard {
    int n;
    char last[256];
} heard;

static void hear(void *user, gp_log_level level, const char *text)
{
    heard *h = user;
    (void)level;
    h->n++;
    snprintf(h->last, sizeof h->last, "%s", text);
}

/* Groups in order of first appearance; a small class is taken whole, in file order, without random numbers. */
static void test_order_and_small_classes(void **state)
{
    (void)state;
    static const uint32_t label[] = {2, 0, 0, 2, 1, 0, 0, 2, 2};
    gp_item item[9];
    char *names[] = {(char[]){"cat"}, (char[]){"dog"}, (char[]){"eel"}};
    for (int i = 0; i < 9; i++) item[i] = (gp_item){.path = "p", .label = label[i]};
    gp_dataset d = {.n_classes = 3, .class_name = names, .train = {item, 9}};
    heard h = {0};
    gp_log log = {.write = hear, .user = &h};
    gp_draw dr;
    assert_int_equal(gp_draw_make(&dr, &d, 4, 1, &log, NULL), GOPRO_OK);
    assert_int_equal(dr.n_train, 9);
    assert_int_equal(dr.n_val, 0);
    assert_int_equal(h.n, 1);
    assert_non_null(strstr(h.last, "dog"));
    for (int i = 0; i < 4; i++) assert_int_equal(label[dr.train[i]], 2);
    for (int i = 4; i < 8; i++) assert_int_equal(label[dr.train[i]], 0);
    assert_int_equal(dr.train[8], 4);
    gp_draw_free(&dr);
    assert_int_equal(gp_draw_make(&dr, &d, 9, 1, NULL, NULL), GOPRO_OK);
    static const uint32_t whole[] = {0, 3, 7, 8, 1, 2, 5, 6, 4};
    assert_memory_equal(dr.train, whole, sizeof whole);
    gp_draw_free(&dr);
    gopro_error err;
    assert_int_equal(gp_draw_make(&dr, &d, 0, 1, NULL, &err), GOPRO_E_INVALID);
    item[3].label = 3;
    assert_int_equal(gp_draw_make(&dr, &d, 1, 1, NULL, &err), GOPRO_E_INVALID);
    gp_dataset empty = {.n_classes = 3};
    assert_int_equal(gp_draw_make(&dr, &empty, 1, 1, NULL, &err), GOPRO_E_DATA);
}

static void test_labelsets(void **state)
{
    (void)state;
    char *names[] = {(char[]){"a"}, (char[]){"b"}, (char[]){"c"}, (char[]){"d"}, (char[]){"e"}};
    static const uint32_t sizes[] = {3, 4, 5, 6, 7}, test_sizes[] = {1, 2, 1, 2, 2};
    gp_dataset d = {
        .name = names[0], .class_name = names, .n_classes = 5, .train = contiguous(sizes, 5), .test = contiguous(test_sizes, 5)};
    gp_draw dr;
    gp_labelset l;
    assert_int_equal(gp_draw_make(&dr, &d, 2, 1, NULL, NULL), GOPRO_OK);
    assert_int_equal(gp_labelset_make(&l, &d, &dr, GP_BASE, NULL), GOPRO_OK);
    assert_int_equal(l.K, 3);
    assert_int_equal(l.n_train, 6);
    assert_int_equal(l.n_test, 4);
    assert_string_equal(l.class_name[2], "c");
    for (size_t i = 0; i < 6; i++) assert_int_equal(l.train[i].label, i / 2);
    gp_labelset_free(&l);
    assert_int_equal(gp_labelset_make(&l, &d, NULL, GP_NEW, NULL), GOPRO_OK);
    assert_int_equal(l.K, 2);
    assert_int_equal(l.n_train, 13);
    assert_int_equal(l.n_test, 4);
    assert_string_equal(l.class_name[0], "d");
    assert_int_equal(l.train[0].label, 0);
    assert_int_equal(l.train[12].label, 1);
    gp_labelset_free(&l);
    assert_int_equal(gp_labelset_make(&l, &d, &dr, GP_ALL, NULL), GOPRO_OK);
    assert_int_equal(l.K, 5);
    assert_int_equal(l.n_train, 10);
    assert_int_equal(l.n_test, 8);
    gp_labelset_free(&l);
    dr.train[0] = 25;
    gopro_error err;
    assert_int_equal(gp_labelset_make(&l, &d, &dr, GP_ALL, &err), GOPRO_E_INVALID);
    gp_draw_free(&dr);
    free(d.train.item);
    free(d.test.item);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_generator),
        cmocka_unit_test(test_sample),
        cmocka_unit_test(test_shuffle),
        cmocka_unit_test(test_published_draws),
        cmocka_unit_test(test_order_and_small_classes),
        cmocka_unit_test(test_labelsets),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
