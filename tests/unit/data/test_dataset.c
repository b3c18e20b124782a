/* test_dataset.c - folders, split files and the messages about what is wrong with them.
 * SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "data/dataset_int.h"
#include "image_folder.h"
#include "scratch.h"

typedef struct heard {
    int n;
    char all[2048];
} heard;

static void hear(void *user, gp_log_level level, const char *text)
{
    heard *h = user;
    (void)level;
    h->n++;
    snprintf(h->all + strlen(h->all), sizeof h->all - strlen(h->all), "%s\n", text);
}

static char root[64];

static int setup(void **state)
{
    (void)state;
    scratch_make(root);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    scratch_remove(root);
    return 0;
}

static void put(const char *folder, int n)
{
    for (int i = 0; i < n; i++) {
        char rel[128];
        snprintf(rel, sizeof rel, "%s/%02d.png", folder, i);
        folder_image(root, rel, 4, 3, (uint64_t)i);
    }
}

static gp_dataset *open_ok(const gp_data_rules *r, heard *h)
{
    gp_dataset *d = NULL;
    gopro_error err = {0};
    gp_log log = {.write = hear, .user = h};
    if (gp_dataset_open(&d, root, r, h ? &log : NULL, &err) != GOPRO_OK) fail_msg("%s", err.msg);
    return d;
}

static void expect_error(const char *path, const char *word)
{
    gp_dataset *d = NULL;
    gopro_error err = {0};
    gopro_status st = gp_dataset_open(&d, path, NULL, NULL, &err);
    if (st != GOPRO_E_DATA) fail_msg("status %d, expected a data error with '%s': %s", (int)st, word, err.msg);
    assert_null(d);
    if (!strstr(err.msg, word)) fail_msg("'%s' does not contain '%s'", err.msg, word);
}

static void expect_split_error(const char *json, const char *word)
{
    folder_text(root, "split.json", json);
    expect_error(root, word);
}

static size_t count(const gp_split *s, uint32_t label)
{
    size_t n = 0;
    for (size_t i = 0; i < s->n; i++) n += s->item[i].label == label;
    return n;
}

static void test_flat(void **state)
{
    (void)state;
    put("dog", 10);
    put("Cat", 5);
    put("eel", 1);
    folder_text(root, "README.txt", "files above the classes are ignored");
    folder_text(root, "dog/.hidden", "x");
    folder_text(root, ".git/config", "x");
    /* What systems leave behind is neither a class nor a fault. */
    static const char *const left[] = {"Thumbs.db",  "dog/thumbs.db",  "dog/Desktop.ini",  "dog/0.png:Zone.Identifier",
                                       "dog/Icon\r", "__MACOSX/0.png", "dog/@eaDir/0.png", "lost+found/0.png"};
    for (size_t i = 0; i < GP_COUNT(left); i++) folder_text(root, left[i], "x");
    gp_dataset *d = open_ok(NULL, NULL);
    assert_int_equal(d->n_classes, 3);
    assert_string_equal(d->class_name[0], "Cat"); /* bytewise */
    assert_string_equal(d->class_name[1], "dog");
    assert_string_equal(d->template_text, "a photo of a {}.");
    assert_string_equal(d->name, strrchr(root, '/') + 1);
    /* 50/20/30 with halves to even: 5 -> 2, 1, 2; 10 -> 5, 2, 3; 1 -> 1, 0, 0. */
    static const size_t want[3][3] = {{2, 1, 2}, {5, 2, 3}, {1, 0, 0}};
    for (uint32_t k = 0; k < 3; k++) {
        assert_int_equal(count(&d->train, k), want[k][0]);
        assert_int_equal(count(&d->val, k), want[k][1]);
        assert_int_equal(count(&d->test, k), want[k][2]);
    }
    /* No image twice, all paths relative. */
    for (size_t i = 0; i < d->train.n; i++) {
        assert_true(d->train.item[i].path[0] != '/');
        for (size_t j = 0; j < d->test.n; j++) assert_string_not_equal(d->train.item[i].path, d->test.item[j].path);
    }
    gp_dataset *again = open_ok(NULL, NULL), *other = open_ok(&(gp_data_rules){.split_seed = 2}, NULL);
    int differ = 0;
    for (size_t i = 0; i < d->train.n; i++) {
        assert_string_equal(d->train.item[i].path, again->train.item[i].path);
        differ += strcmp(d->train.item[i].path, other->train.item[i].path) != 0;
    }
    assert_true(differ > 0);
    gp_dataset_free(&d);
    gp_dataset_free(&again);
    gp_dataset_free(&other);
    assert_null(d);
}

static void test_small_classes(void **state)
{
    (void)state;
    static const size_t want[][3] = {{1, 0, 1}, {2, 0, 1}, {2, 1, 1}};
    put("two", 2);
    put("three", 3);
    put("zfour", 4);
    gp_dataset *d = open_ok(NULL, NULL);
    static const uint32_t label[] = {1, 0, 2}; /* two, three, zfour in bytewise order of three, two, zfour */
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(count(&d->train, label[i]), want[i][0]);
        assert_int_equal(count(&d->val, label[i]), want[i][1]);
        assert_int_equal(count(&d->test, label[i]), want[i][2]);
    }
    gp_dataset_free(&d);
}

static void test_levels(void **state)
{
    (void)state;
    put("train/a", 3);
    put("train/b", 2);
    put("val/b", 1);
    put("test/a", 2);
    put("test/b", 1);
    folder_text(root, "dataset.json", "{\"name\": \"letters\", \"template\": \"a scan of the letter {}.\"}");
    gp_dataset *d = open_ok(NULL, NULL);
    assert_int_equal(d->train.n, 5);
    assert_int_equal(d->val.n, 1);
    assert_int_equal(d->test.n, 3);
    assert_int_equal(d->val.item[0].label, 1);
    assert_string_equal(d->train.item[0].path, "train/a/00.png");
    assert_string_equal(d->test.item[2].path, "test/b/00.png");
    assert_string_equal(d->name, "letters");
    assert_string_equal(d->template_text, "a scan of the letter {}.");
    gp_dataset_free(&d);
    put("test/c", 1);
    expect_error(root, "class 'c'");
}

/* A class may be called "train". */
static void test_class_named_train(void **state)
{
    (void)state;
    put("train", 4);
    put("test", 4);
    gp_dataset *d = open_ok(NULL, NULL);
    assert_int_equal(d->n_classes, 2);
    assert_string_equal(d->class_name[1], "train");
    gp_dataset_free(&d);
}

static void test_test_only(void **state)
{
    (void)state;
    put("test/a", 2);
    put("test/b", 2);
    gp_dataset *d = open_ok(NULL, NULL);
    assert_int_equal(d->n_classes, 2);
    assert_int_equal(d->train.n, 0);
    assert_int_equal(d->test.n, 4);
    gp_dataset_free(&d);
}

static void test_folder_errors(void **state)
{
    (void)state;
    char path[512];
    expect_error(folder_path(path, root, "missing"), "does not exist");
    expect_error(root, "no images");
    folder_text(root, "file.txt", "x");
    expect_error(folder_path(path, root, "file.txt"), "expected a folder");
    put("dog", 4);
    expect_error(root, "only one class");
    folder_must(gp_mkdirs(folder_path(path, root, "cat"), NULL), NULL);
    expect_error(root, "cat' has no images");
    put("cat", 4);
    folder_text(root, "cat/notes.txt", "x");
    expect_error(root, "cat/notes.txt' is not an image");
    heard h = {0};
    gp_dataset *d = open_ok(&(gp_data_rules){.skip_bad_images = true, .split_seed = 1}, &h);
    assert_int_equal(d->train.n + d->val.n + d->test.n, 8);
    assert_non_null(strstr(h.all, "notes.txt"));
    assert_non_null(strstr(h.all, "1 file"));
    gp_dataset_free(&d);
    folder_must(gp_mkdirs(folder_path(path, root, "dog/puppies"), NULL), NULL);
    remove(folder_path(path, root, "cat/notes.txt"));
    expect_error(root, "a folder inside a class folder");
    remove(folder_path(path, root, "dog/puppies"));
    put("Dog", 4);
    expect_error(root, "duplicates");
    scratch_remove(folder_path(path, root, "Dog"));
    put("big_cat", 4);
    put("big cat", 4);
    expect_error(root, "duplicates");
}

static void test_info_errors(void **state)
{
    (void)state;
    put("a", 2);
    put("b", 2);
    folder_text(root, "dataset.json", "{\"template\": \"a photo\"}");
    expect_error(root, "no {}");
    folder_text(root, "dataset.json", "{\"name\": 3}");
    expect_error(root, "\"name\" must be");
    folder_text(root, "dataset.json", "[]");
    expect_error(root, "expected an object");
    folder_text(root, "dataset.json", "{\n\"name\": ");
    expect_error(root, "line 2");
}

static void test_split_file(void **state)
{
    (void)state;
    folder_text(root, "split.json",
                "{\"train\": [[\"x/1.jpg\", 1, \"dog\"], [\"x/2.jpg\", 0, \"cat\"]], \"val\": [], \"test\": [[\"y.jpg\", 1, \"dog\"]]}");
    gp_dataset *d = open_ok(NULL, NULL);
    assert_int_equal(d->n_classes, 2);
    assert_string_equal(d->class_name[0], "cat");
    assert_int_equal(d->train.n, 2);
    assert_int_equal(d->val.n, 0);
    assert_int_equal(d->test.n, 1);
    assert_string_equal(d->train.item[0].path, "x/1.jpg"); /* file order is kept */
    assert_int_equal(d->train.item[0].label, 1);
    assert_string_equal(d->root, root);
    gp_dataset_free(&d);
    char path[512];
    gopro_error err = {0};
    folder_must(gp_dataset_open(&d, folder_path(path, root, "split.json"), NULL, NULL, &err), &err);
    assert_string_equal(d->root, root);
    gp_dataset_free(&d);
    /* Published lists hold one name twice: said, not refused.  So are repeated images. */
    folder_text(root, "split.json",
                "{\"train\": [[\"1.jpg\", 0, \"missile\"], [\"2.jpg\", 1, \"missile\"]], \"test\": [[\"1.jpg\", 0, \"missile\"]]}");
    heard h = {0};
    d = open_ok(NULL, &h);
    assert_int_equal(h.n, 2);
    assert_non_null(strstr(h.all, "missile"));
    assert_non_null(strstr(h.all, "more than once"));
    gp_dataset_free(&d);
}

static void test_split_errors(void **state)
{
    (void)state;
    expect_split_error("{\"train\": [[\"a\", 0, \"x\"], [\"b\", 2, \"y\"]]}", "label 1 does not occur");
    expect_split_error("{\"train\": [[\"a\", 0, \"x\"], [\"b\", 0, \"y\"]]}", "two names");
    expect_split_error("{\"train\": [[\"a\", 0, \"x\"]]}", "only one class");
    expect_split_error("{\"train\": [[\"a\", 0, \"x\"], [\"/etc/b\", 1, \"y\"]]}", "entry 1");
    expect_split_error("{\"train\": [[\"a\", 0, \"x\"], [\"/etc/b\", 1, \"y\"]]}", "not allowed");
    expect_split_error("{\"train\": [[\"a\", 0, \"x\"], [\"c/../../b\", 1, \"y\"]]}", "not allowed");
    expect_split_error("{\"train\": [[\"a\", 0, \"x\"], [\"..\", 1, \"y\"]]}", "not allowed");
    expect_split_error("{\"train\": [[\"a\", 0, \"x\"], [\"\", 1, \"y\"]]}", "not allowed");
    expect_split_error("{\"train\": [[\"a\", -1, \"x\"]]}", "negative");
    expect_split_error("{\"train\": [[\"a\", 4000000000000, \"x\"]]}", "too large");
    expect_split_error("{\"train\": [[\"a\", 0.5, \"x\"]]}", "an integer");
    expect_split_error("{\"train\": [[\"a\", 0, \"\"]]}", "empty");
    expect_split_error("{\"train\": [[\"a\", 0]]}", "expected [path");
    expect_split_error("{\"train\": 3}", "must be an array");
    expect_split_error("{\"val\": []}", "train, val and test");
    expect_split_error("[]", "train, val and test");
    expect_split_error("{\"train\": [], \"test\": []}", "no images");
    expect_split_error("{\"train\":\n[[\"a\", 0, \"x\"\n", "line");
    expect_split_error("", "line");
    /* Two dots inside a name are no way out. */
    folder_text(root, "split.json", "{\"train\": [[\"a..b/..c\", 0, \"x\"], [\"b\", 1, \"y\"]]}");
    gp_dataset *d = open_ok(NULL, NULL);
    gp_dataset_free(&d);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(test_flat),          T(test_small_classes), T(test_levels),     T(test_class_named_train), T(test_test_only),
        T(test_folder_errors), T(test_info_errors),   T(test_split_file), T(test_split_errors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
