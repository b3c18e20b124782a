/* test_decode.c - PNG, JPEG and WebP files give the pixels Pillow gives; damaged and foreign bytes are refused.
 * SPDX-License-Identifier: Apache-2.0 */
#include "golden_image.h"

#include <unistd.h>

#include "image/image_int.h"
#include "scratch.h"

static golden_images g;

static int setup(void **state)
{
    (void)state;
    golden_images_open(&g);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    free(g.bytes);
    return 0;
}

static golden_image file_of(const char *name)
{
    char s[64];
    snprintf(s, sizeof s, "%s.file", name);
    return golden_get(&g, s);
}

static void expect_decoded(const char *name, int tolerance)
{
    golden_image f = file_of(name);
    gp_image im;
    gopro_error err = {0};
    if (gp_image_decode(&im, f.data, f.size, &err) != GOPRO_OK) fail_msg("%s: %s", name, err.msg);
    golden_expect(&g, name, &im, tolerance);
    gp_image_free(&im);
}

static void test_lossless(void **state)
{
    (void)state;
    static const char *const names[] = {"png.rgb",          "png.palette",    "png.palette.trns", "png.grey",           "png.one_bit",
                                        "png.alpha",        "png.grey_alpha", "png.rgb16",        "png.grey16",         "png.grey2",
                                        "png.grey_alpha16", "png.gamma",      "webp.lossless",    "webp.lossless.alpha"};
    for (size_t i = 0; i < GP_COUNT(names); i++) expect_decoded(names[i], 0);
}

static void test_lossy(void **state)
{
    (void)state;
    static const char *const names[] = {"webp.lossy", "jpeg.444", "jpeg.420", "jpeg.progressive", "jpeg.grey", "jpeg.cmyk", "jpeg.exif"};
    for (size_t i = 0; i < GP_COUNT(names); i++) expect_decoded(names[i], 2);
}

static void test_rgba(void **state)
{
    (void)state;
    golden_image f = file_of("png.alpha.rgba");
    gp_image im;
    assert_int_equal(gp_image_decode_rgba(&im, f.data, f.size, NULL), GOPRO_OK);
    golden_expect(&g, "png.alpha.rgba", &im, 0);
    gp_image_free(&im);
    gopro_error err;
    f = file_of("jpeg.444");
    assert_int_equal(gp_image_decode_rgba(&im, f.data, f.size, &err), GOPRO_E_UNSUPPORTED);
    assert_null(im.px);
}

static void expect_refused(const uint8_t *data, size_t size, const char *word)
{
    gp_image im;
    gopro_error err = {0};
    gopro_status st = gp_image_decode(&im, data, size, &err);
    if (st != GOPRO_E_FORMAT && st != GOPRO_E_UNSUPPORTED) fail_msg("expected a refusal with '%s', got status %d", word, (int)st);
    assert_null(im.px);
    if (!strstr(err.msg, word)) fail_msg("'%s' does not contain '%s'", err.msg, word);
}

static void test_foreign_bytes(void **state)
{
    (void)state;
    golden_image f = golden_get(&g, "gif.file");
    expect_refused(f.data, 40, "GIF");
    expect_refused((const uint8_t *)"", 0, "empty");
    expect_refused((const uint8_t *)"hello, world", 12, "text");
    expect_refused((const uint8_t *)"<!DOCTYPE html>", 15, "web page");
    expect_refused((const uint8_t *)"\x01\x02\x03\x04\x05", 5, "01 02 03 04");
    expect_refused((const uint8_t *)"\xff", 1, "not an image");
    expect_refused((const uint8_t *)"version https://git-lfs.github.com/spec/v1", 42, "LFS");
}

/* Every proper prefix is refused (of lossy files: of those that lack pixels), and no prefix crashes. */
static void test_truncation(void **state)
{
    (void)state;
    static const char *const names[] = {"png.rgb",  "png.grey16", "webp.lossless",   "webp.lossy",
                                        "jpeg.420", "jpeg.cmyk",  "jpeg.progressive"};
    for (size_t i = 0; i < GP_COUNT(names); i++) {
        golden_image f = file_of(names[i]);
        for (size_t n = 0; n < f.size; n++) {
            uint8_t *copy = malloc(n + 1);
            gp_image im;
            memcpy(copy, f.data, n);
            if (gp_image_decode(&im, copy, n, NULL) == GOPRO_OK) {
                /* Only the end marker may be missing (and, of PNG, the trailing chunk); of a progressive file whole scans. */
                if (f.size - n > 16 && !strstr(names[i], "progressive"))
                    fail_msg("%s: %zu of %zu bytes were accepted", names[i], n, f.size);
            }
            gp_image_free(&im);
            free(copy);
        }
    }
}

static void test_missing_end_marker(void **state)
{
    (void)state;
    golden_image f = file_of("jpeg.420");
    gp_image im;
    assert_int_equal(gp_image_decode(&im, f.data, f.size - 2, NULL), GOPRO_OK);
    golden_expect(&g, "jpeg.420", &im, 2);
    gp_image_free(&im);
    gopro_error err;
    assert_int_equal(gp_image_decode(&im, f.data, f.size - 40, &err), GOPRO_E_FORMAT);
    assert_non_null(strstr(err.msg, "truncated"));
}

/* Flipped bytes never crash; what is accepted has the declared size. */
static void test_damage(void **state)
{
    (void)state;
    static const char *const names[] = {"png.palette", "webp.lossy", "jpeg.cmyk", "jpeg.progressive"};
    gp_rng r = gp_rng_make(7, GP_RNG_TEST, 0, 0);
    for (size_t i = 0; i < GP_COUNT(names); i++) {
        golden_image f = file_of(names[i]);
        uint8_t *copy = malloc(f.size);
        for (int t = 0; t < 300; t++) {
            memcpy(copy, f.data, f.size);
            for (int k = 0; k < 4; k++) copy[gp_rng_below(&r, (uint32_t)f.size)] = (uint8_t)gp_rng_below(&r, 256);
            gp_image im;
            if (gp_image_decode_max(&im, copy, f.size, (size_t)1 << 20, NULL) == GOPRO_OK)
                assert_true((size_t)im.w * im.h * im.channels <= (size_t)1 << 20);
            else
                assert_null(im.px);
            gp_image_free(&im);
        }
        free(copy);
    }
}

static void test_bomb(void **state)
{
    (void)state;
    golden_image f = file_of("png.rgb");
    gp_image im;
    gopro_error err;
    assert_int_equal(gp_image_decode_max(&im, f.data, f.size, 19 * 13 * 3 - 1, &err), GOPRO_E_FORMAT);
    assert_non_null(strstr(err.msg, "limit"));
    assert_int_equal(gp_image_decode_max(&im, f.data, f.size, 19 * 13 * 3, NULL), GOPRO_OK);
    gp_image_free(&im);
    assert_int_equal(gp_image_alloc(&im, 65535, 65535, 3, &err), GOPRO_E_FORMAT);
    assert_int_equal(gp_image_alloc(&im, UINT32_MAX, UINT32_MAX, 4, &err), GOPRO_E_FORMAT);
    assert_int_equal(gp_image_alloc(&im, 0, 3, 3, &err), GOPRO_E_FORMAT);
}

static void test_write_and_read(void **state)
{
    (void)state;
    char dir[64], path[80];
    scratch_make(dir);
    snprintf(path, sizeof path, "%s/x.jpg", dir); /* the bytes decide, not the name */
    static const char *const names[] = {"a", "png.alpha.rgba"};
    for (int i = 0; i < 2; i++) {
        gp_image im = golden_copy(&g, names[i]), back = {0};
        assert_int_equal(gp_image_write_png(&im, path, NULL), GOPRO_OK);
        if (i == 0) {
            assert_int_equal(gp_image_read(&back, path, NULL), GOPRO_OK);
        } else {
            char *data;
            size_t size;
            assert_int_equal(gp_read_file(&data, &size, path, (size_t)1 << 20, NULL), GOPRO_OK);
            assert_int_equal(gp_image_decode_rgba(&back, (uint8_t *)data, size, NULL), GOPRO_OK);
            free(data);
        }
        golden_expect(&g, names[i], &back, 0);
        gp_image_free(&im);
        gp_image_free(&back);
    }
    gopro_error err;
    gp_image im;
    assert_int_equal(gp_write_file(path, "nothing", 7, NULL), GOPRO_OK);
    assert_int_equal(gp_image_read(&im, path, &err), GOPRO_E_DATA);
    assert_non_null(strstr(err.msg, "x.jpg"));
    unlink(path);
    assert_int_equal(gp_image_read(&im, path, &err), GOPRO_E_DATA);
    assert_non_null(strstr(err.msg, "x.jpg"));
    scratch_remove(dir);
}

static void test_known_names(void **state)
{
    (void)state;
    assert_true(gp_image_known_name("a.jpg") && gp_image_known_name("b.JPEG") && gp_image_known_name("c.x.png"));
    assert_true(gp_image_known_name("d.WebP"));
    assert_false(gp_image_known_name("a.bmp") || gp_image_known_name("jpg") || gp_image_known_name(".png") ||
                 gp_image_known_name("a.jpg.txt"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lossless),    cmocka_unit_test(test_lossy),
        cmocka_unit_test(test_rgba),        cmocka_unit_test(test_foreign_bytes),
        cmocka_unit_test(test_bomb),        cmocka_unit_test(test_truncation),
        cmocka_unit_test(test_damage),      cmocka_unit_test(test_missing_end_marker),
        cmocka_unit_test(test_known_names), cmocka_unit_test(test_write_and_read),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
