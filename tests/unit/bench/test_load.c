/* test_load.c - the benchmarks of loading and augmentation: what they report is there, positive, in order; bad requests are refused.
 * SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "bench/load.h"
#include "image_folder.h"
#include "scratch.h"

enum { IMAGES = 14, SIZE = 32 };

static char root[64];
static uint64_t bytes; /* of all files */

static int setup(void **state)
{
    (void)state;
    scratch_make(root);
    for (uint32_t i = 0; i < IMAGES; i++) {
        char name[64], path[512];
        size_t n;
        char *data;
        snprintf(name, sizeof name, "%s/%02u.png", i % 2 ? "cat" : "dog", i);
        folder_image(root, name, 40 + i, 36, i);
        folder_must(gp_read_file(&data, &n, folder_path(path, root, name), (size_t)1 << 20, NULL), &(gopro_error){0});
        bytes += n;
        free(data);
    }
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    scratch_remove(root);
    return 0;
}

static void expect_rate(const gp_bench_rate *r)
{
    assert_true(r->min > 0.0 && r->min <= r->median && r->median <= r->max);
    assert_true(r->max < 1e9);
}

static gopro_status load(gp_bench_load_result *r, const char *data, const char *method, size_t images, size_t threads, gopro_error *err)
{
    gp_options *o = gp_options_create();
    assert_non_null(o);
    assert_int_equal(gp_options_set(o, "method", method, "test", NULL), GOPRO_OK);
    assert_int_equal(gp_options_set(o, "data.split_seed", "3", "test", NULL), GOPRO_OK);
    const gp_bench_load_config c = {.data = data, .options = o, .size = SIZE, .images = images, .threads = threads, .repeats = 3};
    gopro_status st = gp_bench_load(&c, r, NULL, err);
    gp_options_free(&o);
    return st;
}

static void test_load(void **state)
{
    (void)state;
    static const struct {
        const char *method;
        size_t n;
        const char *view[3];
    } c[] = {{"coop", 1, {"crop"}}, {"gopro", 3, {"crop", "moco", "augmix"}}, {"slip", 3, {"crop", "ssl_a", "ssl_b"}}};
    for (size_t i = 0; i < GP_COUNT(c); i++) {
        gp_bench_load_result r;
        gopro_error err = {0};
        if (load(&r, root, c[i].method, 1000, 2, &err) != GOPRO_OK) fail_msg("%s", err.msg);
        assert_string_equal(r.method, c[i].method);
        assert_int_equal(r.n_views, c[i].n);
        for (size_t v = 0; v < r.n_views; v++) assert_string_equal(r.view[v], c[i].view[v]);
        assert_true(r.images >= 4 && r.images < IMAGES); /* the rest is validation and test */
        assert_true(r.bytes > 0 && r.bytes < bytes);
        assert_int_equal(r.n_rows, 2);
        for (size_t t = 0; t < 2; t++) {
            assert_int_equal(r.row[t].threads, t + 1);
            expect_rate(&r.row[t].decode);
            expect_rate(&r.row[t].transform);
            expect_rate(&r.row[t].loader);
            expect_rate(&r.row[t].fresh);
        }
        gp_bench_load_free(&r);
        assert_null(r.row);
    }
}

static void test_load_limits(void **state)
{
    (void)state;
    gp_bench_load_result r;
    gopro_error err = {0};
    assert_int_equal(load(&r, root, "coop", 3, 1, &err), GOPRO_OK);
    assert_int_equal(r.images, 3);
    assert_int_equal(r.batch, 3);
    gp_bench_load_free(&r);
    assert_int_equal(load(&r, root, "coop", 3, 0, &err), GOPRO_E_INVALID);
    assert_int_equal(load(&r, root, "coop", 0, 1, &err), GOPRO_E_INVALID);
    assert_int_not_equal(load(&r, "/nonexistent/folder", "coop", 3, 1, &err), GOPRO_OK);
    assert_non_null(strstr(err.msg, "/nonexistent/folder"));
    assert_null(r.row);
}

static const gp_bench_op *find(const gp_bench_augment_result *r, const char *name)
{
    for (size_t i = 0; i < r->n; i++)
        if (strcmp(r->op[i].name, name) == 0) return &r->op[i];
    fail_msg("no operation '%s'", name);
    return NULL;
}

static void test_augment(void **state)
{
    (void)state;
    gp_bench_augment_config c = {.width = 90, .height = 70, .size = SIZE, .repeats = 5};
    gp_bench_augment_result r;
    gopro_error err = {0};
    if (gp_bench_augment(&c, &r, &err) != GOPRO_OK) fail_msg("%s", err.msg);
    assert_int_equal(r.width, 90);
    assert_int_equal(r.height, 70);
    assert_true(r.jpeg_bytes > 500 && r.png_bytes > r.jpeg_bytes);
    assert_int_equal(r.n_augmix, 9);
    assert_true(r.n > r.n_augmix + 10 && r.n <= GP_BENCH_MAX_OPS);
    for (size_t i = 0; i < r.n; i++) {
        const gp_bench_op *o = &r.op[i];
        assert_true(o->min_us > 0.0 && o->min_us <= o->median_us && o->median_us <= o->max_us);
    }
    /* A whole takes longer than its part, whatever the machine does. */
    assert_true(find(&r, "three_views")->min_us > find(&r, "normalise")->min_us);
    assert_string_equal(r.op[r.n - 1].name, "translate_y");
    char path[512];
    c.image = folder_path(path, root, "dog/00.png");
    if (gp_bench_augment(&c, &r, &err) != GOPRO_OK) fail_msg("%s", err.msg);
    assert_int_equal(r.width, 40);
    assert_int_equal(r.height, 36);
    c.image = "/nonexistent.jpg";
    assert_int_not_equal(gp_bench_augment(&c, &r, &err), GOPRO_OK);
    assert_non_null(strstr(err.msg, "/nonexistent.jpg"));
    c.image = NULL;
    c.repeats = 0;
    assert_int_equal(gp_bench_augment(&c, &r, &err), GOPRO_E_INVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_load),
        cmocka_unit_test(test_load_limits),
        cmocka_unit_test(test_augment),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
