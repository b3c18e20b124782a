/* test_tar.c - images in archives: names, companions, broken headers, archives that change between listing and reading.
 * SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/str.h"
#include "data/bytes.h"
#include "data/dataset_int.h"
#include "image_folder.h"
#include "scratch.h"

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

/* An archive under construction. */
static void add_typed(gp_str *t, char type, const char *name, const char *body, size_t n)
{
    char h[512] = {0};
    unsigned sum = 0;
    snprintf(h, 100, "%.99s", name);
    snprintf(h + 100, 8, "0000644");
    snprintf(h + 124, 12, "%011o", (unsigned)n);
    memset(h + 148, ' ', 8);
    h[156] = type;
    memcpy(h + 257, "ustar\00000", 8);
    for (size_t i = 0; i < 512; i++) sum += (unsigned char)h[i];
    snprintf(h + 148, 8, "%06o", sum);
    gp_str_addn(t, h, 512);
    gp_str_addn(t, body, n);
    static const char zeros[512];
    gp_str_addn(t, zeros, (512 - n % 512) % 512);
}

static void add(gp_str *t, const char *name, const char *body)
{
    add_typed(t, '0', name, body, strlen(body));
}

static void save(const gp_str *t, const char *name)
{
    char path[512];
    gopro_error err = {0};
    folder_must(gp_write_file(folder_path(path, root, name), t->s, t->len, &err), &err);
}

static gopro_status open_tar(gp_dataset **d, gopro_error *err)
{
    char path[512];
    return gp_dataset_open(d, folder_path(path, root, "x.tar"), NULL, NULL, err);
}

static void refuse(gp_str *t, const char *word)
{
    gp_dataset *d = NULL;
    gopro_error err = {0};
    save(t, "x.tar");
    gopro_status st = open_tar(&d, &err);
    if (st != GOPRO_E_DATA || d) fail_msg("status %d, expected a data error with '%s': %s", (int)st, word, err.msg);
    if (!strstr(err.msg, word)) fail_msg("'%s' does not contain '%s'", err.msg, word);
    t->len = 0;
}

static void test_samples(void **state)
{
    (void)state;
    gp_str t = {0};
    add_typed(&t, '5', "train/", "", 0);
    add(&t, "train/a.jpg", "image one");
    add(&t, "train/a.cls", "dog\n");
    add(&t, "train/b.json", "{\"class\": \"cat\", \"split\": \"test\", \"domain\": \"oil\"}");
    add(&t, "train/b.jpg", "image two");
    add(&t, "train/c.txt", "dog\r\n");
    add(&t, "train/c.jpg", "three");
    add(&t, "train/c.json", "{\"caption\": \"no class here\", \"split\": \"train\"}");
    add(&t, "train/cat/._d.jpg", "resource fork");
    add(&t, "train/cat/d.jpg", "four");
    add(&t, "train/notes.md", "not an image");
    add_typed(&t, 'x', "pax", "24 path=train/cat/e.jpg\n", 24);
    add(&t, "short", "five");
    save(&t, "x.tar");
    gp_dataset *d = NULL;
    gopro_error err = {0};
    folder_must(open_tar(&d, &err), &err);
    assert_int_equal(d->n_classes, 2);
    assert_string_equal(d->class_name[0], "cat");
    assert_int_equal(d->train.n, 4);
    assert_int_equal(d->test.n, 1);
    assert_string_equal(d->train.item[0].path, "x.tar/train/a.jpg");
    assert_int_equal(d->train.item[0].label, 1);
    assert_int_equal(d->train.item[1].label, 1);
    assert_string_equal(d->train.item[3].path, "x.tar/train/cat/e.jpg");
    assert_int_equal(d->test.item[0].label, 0);
    char *bytes = NULL;
    size_t n = 0;
    folder_must(gp_item_bytes(&bytes, &n, d->root, &d->test.item[0], &err), &err);
    assert_int_equal(n, 9);
    assert_memory_equal(bytes, "image two", 9);
    free(bytes);
    gp_item_stamp stamp;
    assert_true(gp_item_stat(&stamp, d->root, &d->test.item[0]));
    assert_int_equal(stamp.size, 9);
    /* Packed anew between listing and reading: other bytes stand there now. */
    t.len = 0;
    add(&t, "train/other.txt", "x");
    for (int i = 0; i < 40; i++) add(&t, "train/cat/z.jpg", "something much longer than before");
    save(&t, "x.tar");
    assert_int_equal(gp_item_bytes(&bytes, &n, d->root, &d->test.item[0], &err), GOPRO_E_DATA);
    assert_non_null(strstr(err.msg, "x.tar/train/b.jpg' has changed since it was listed"));
    assert_null(bytes);
    t.len = 600;
    save(&t, "x.tar");
    assert_int_equal(gp_item_bytes(&bytes, &n, d->root, &d->test.item[0], &err), GOPRO_E_DATA);
    assert_false(gp_item_stat(&stamp, d->root, &d->test.item[0]));
    gp_dataset_free(&d);
    gp_str_free(&t);
}

static void test_broken(void **state)
{
    (void)state;
    gp_str t = {0};
    add(&t, "../a/x.jpg", "x");
    refuse(&t, "x.tar': the path '../a/x.jpg' is not allowed");
    add(&t, "/a/x.jpg", "x");
    refuse(&t, "the path '/a/x.jpg' is not allowed");
    add(&t, "x.jpg", "x");
    refuse(&t, "'x.jpg' has no class; expected a .cls, .json or .txt file next to it in the archive");
    add(&t, "a/x.jpg", "");
    refuse(&t, "the image 'a/x.jpg' has 0 bytes");
    add(&t, "a/x.jpg", "x");
    t.s[0] = 'b';
    refuse(&t, "at byte 0: not a tar header");
    add(&t, "a/x.jpg", "x");
    t.len = 300;
    refuse(&t, "the archive ends in a header");
    add(&t, "a/x.jpg", "0123456789");
    t.len = 512;
    refuse(&t, "a member is larger than the archive");
    add_typed(&t, 'S', "a/x.jpg", "x", 1);
    refuse(&t, "a sparse member, which is not supported");
    add_typed(&t, 'x', "p", "99 path=x\n", 10);
    refuse(&t, "a damaged pax header");
    add_typed(&t, 'x', "p", "30 size=99999999999999999999x\n", 30);
    refuse(&t, "a damaged size");
    add_typed(&t, 'x', "p", "28 size=9223372036854775807\n", 28);
    add(&t, "a/x.jpg", "x");
    refuse(&t, "a member is larger than the archive");
    add(&t, "a.json", "{\"label\": ");
    add(&t, "a.jpg", "x");
    refuse(&t, "'a.json': expected a JSON object in which class, split and domain are text or whole numbers");
    add(&t, "a/x.jpg", "x");
    add(&t, "a/x.json", "{\"split\": \"trian\"}");
    refuse(&t, "the split 'trian' of 'a/x.jpg' is none of");
    gp_str_add(&t, "text");
    refuse(&t, "the archive ends in a header");
    gp_str_free(&t);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {T(test_samples), T(test_broken)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
