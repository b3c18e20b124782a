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
    static const char *const names[] = {"webp.lossy", "jpeg.444",  "jpeg.420",  "jpeg.progressive",
                                        "jpeg.grey",  "jpeg.cmyk", "jpeg.exif", "jpeg.sampling"};
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
    expect_refused((const uint8_t *)"version https://git-lfs.github.com/spec/v1", 42, "git lfs pull");
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

/* The largest and the mean difference of the test transforms of two decodings. */
static void distance(int *most, double *mean, const gp_image *a, const gp_image *b, uint32_t size)
{
    gp_image x, y;
    uint64_t sum = 0;
    assert_int_equal(gp_image_center(&x, a, size, GP_BICUBIC, NULL), GOPRO_OK);
    assert_int_equal(gp_image_center(&y, b, size, GP_BICUBIC, NULL), GOPRO_OK);
    *most = 0;
    for (size_t i = 0; i < 3 * (size_t)size * size; i++) {
        const int d = abs((int)x.px[i] - (int)y.px[i]);
        sum += (uint64_t)d;
        if (d > *most) *most = d;
    }
    *mean = (double)sum / (double)(3 * size * size);
    gp_image_free(&x);
    gp_image_free(&y);
}

/* A JPEG comes out as small as `least` allows, and nearly the same; other files, and least 0, as they are. */
static void test_scaled(void **state)
{
    (void)state;
    enum { W = 408, H = 304 };
    static const struct {
        uint32_t least, w, h;
    } c[] = {{0, W, H}, {304, W, H}, {153, W, H}, {152, 204, 152}, {77, 204, 152}, {76, 102, 76}, {39, 102, 76}, {38, 51, 38}, {1, 51, 38}};
    gp_image im, whole, part;
    uint8_t *jpeg, *png;
    size_t n, n_png;
    assert_int_equal(gp_image_alloc(&im, W, H, 3, NULL), GOPRO_OK);
    for (uint32_t y = 0; y < H; y++)
        for (uint32_t x = 0; x < W; x++) {
            uint8_t *p = im.px + 3 * (y * W + x);
            p[0] = (uint8_t)(x / 2), p[1] = (uint8_t)(y * 5 / 6), p[2] = (uint8_t)((x / 60 + y / 50) % 2 * 120 + 40);
        }
    assert_int_equal(gp_image_encode_jpeg(&jpeg, &n, &im, 92, NULL), GOPRO_OK);
    assert_int_equal(gp_image_encode_png(&png, &n_png, &im, NULL), GOPRO_OK);
    assert_int_equal(gp_image_decode(&whole, jpeg, n, NULL), GOPRO_OK);
    for (size_t i = 0; i < GP_COUNT(c); i++) {
        int most;
        double mean;
        assert_int_equal(gp_image_decode_least(&part, jpeg, n, c[i].least, NULL), GOPRO_OK);
        assert_int_equal(part.w, c[i].w);
        assert_int_equal(part.h, c[i].h);
        if (part.w == W) assert_memory_equal(part.px, whole.px, 3 * (size_t)W * H);
        distance(&most, &mean, &whole, &part, 38);
        assert_true(part.w == W ? most == 0 : most > 0 && most < 48 && mean < 3.0);
        gp_image_free(&part);
    }
    assert_int_equal(gp_image_decode_least(&part, png, n_png, 10, NULL), GOPRO_OK);
    assert_int_equal(part.w, W);
    assert_memory_equal(part.px, im.px, 3 * (size_t)W * H);
    gp_image_free(&part);
    gp_image_free(&whole);
    /* Sides that do not divide: a box of the smaller image would be another part of the picture. */
    uint8_t *odd;
    size_t n_odd;
    im.w = W - 5, im.h = 100;
    assert_int_equal(gp_image_encode_jpeg(&odd, &n_odd, &im, 92, NULL), GOPRO_OK);
    assert_int_equal(gp_image_decode_least(&part, odd, n_odd, 10, NULL), GOPRO_OK);
    assert_int_equal(part.w, W - 5);
    gp_image_free(&part);
    gp_image_free(&im);
    free(odd);
    /* half a file is refused at any size */
    assert_int_equal(gp_image_decode_least(&part, jpeg, n / 2, 38, NULL), GOPRO_E_FORMAT);
    free(jpeg);
    free(png);
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
        cmocka_unit_test(test_scaled),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
