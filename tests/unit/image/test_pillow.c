/* test_pillow.c - resampling, colour, blur, geometry and tonal operations give Pillow's bytes.
 * SPDX-License-Identifier: Apache-2.0 */
#include "golden_image.h"

#include "image/views.h"

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

static void test_resize(void **state)
{
    (void)state;
    static const struct {
        const char *from;
        uint32_t box[4], w, h; /* box all zero: the whole image */
        const char *to;
    } c[] = {
        {"a", {0}, 16, 16, "16x16"}, {"a", {0}, 53, 41, "53x41"}, {"a", {0}, 29, 12, "29x12"},
        {"a", {0}, 8, 23, "8x23"},   {"a", {0}, 1, 1, "1x1"},     {"a", {3, 4, 24, 17}, 20, 20, "box.20x20"},
        {"tall", {0}, 9, 7, "9x7"},  {"dot", {0}, 4, 3, "4x3"},
    };
    for (size_t i = 0; i < GP_COUNT(c); i++)
        for (int f = 0; f < 2; f++) {
            gp_image im = golden_copy(&g, c[i].from), out;
            const uint32_t *b = c[i].box;
            char name[64];
            snprintf(name, sizeof name, "%s.%s.%s", c[i].from, f ? "bilinear" : "bicubic", c[i].to);
            assert_int_equal(gp_image_resize(&out, &im, b[0], b[1], b[2] ? b[2] : im.w, b[3] ? b[3] : im.h, c[i].w, c[i].h,
                                             f ? GP_BILINEAR : GP_BICUBIC, NULL),
                             GOPRO_OK);
            golden_expect(&g, name, &out, 0);
            gp_image_free(&im);
            gp_image_free(&out);
        }
}

static void test_center(void **state)
{
    (void)state;
    gp_image im = golden_copy(&g, "big"), out;
    assert_int_equal(gp_image_center(&out, &im, 32, GP_BICUBIC, NULL), GOPRO_OK);
    golden_expect(&g, "big.center.32", &out, 0);
    gp_image_free(&im);
    gp_image_free(&out);
}

static void adjust(const char *what, float f, gp_image *im)
{
    if (strcmp(what, "brightness") == 0) gp_adjust_brightness(im, f);
    if (strcmp(what, "contrast") == 0) gp_adjust_contrast(im, f);
    if (strcmp(what, "saturation") == 0) gp_adjust_saturation(im, f);
    if (strcmp(what, "hue") == 0) gp_adjust_hue(im, f);
    if (strcmp(what, "blur") == 0) assert_int_equal(gp_gaussian_blur(im, f, NULL), GOPRO_OK);
    if (strcmp(what, "posterize") == 0) gp_posterize(im, (int)f);
    if (strcmp(what, "solarize") == 0) gp_solarize(im, (int)f);
    if (strcmp(what, "rotate") == 0) assert_int_equal(gp_rotate(im, (double)f, NULL), GOPRO_OK);
}

static void test_operations(void **state)
{
    (void)state;
    static const char *const ops[] = {
        "brightness 0.6", "brightness 1.0",  "brightness 1.37", "contrast 0.6", "contrast 1.0", "contrast 1.37", "saturation 0.6",
        "saturation 1.0", "saturation 1.37", "hue -0.1",        "hue 0.0",      "hue 0.033",    "hue 0.1",       "hue 0.5",
        "blur 0.03",      "blur 0.3",        "blur 0.57",       "blur 1.0",     "blur 1.9",     "blur 7.5",      "posterize 4",
        "posterize 2",    "solarize 128",    "solarize 240",    "rotate 1",     "rotate -2",    "rotate 2",      "rotate 17",
        "rotate 90",      "rotate 180",      "rotate 359.5",
    };
    for (size_t i = 0; i < GP_COUNT(ops); i++) {
        char what[32], value[16], name[64];
        assert_int_equal(sscanf(ops[i], "%31s %15s", what, value), 2);
        snprintf(name, sizeof name, "a.%s.%s", what, value);
        gp_image im = golden_copy(&g, "a");
        adjust(what, strtof(value, NULL), &im);
        golden_expect(&g, name, &im, 0);
        gp_image_free(&im);
    }
    gp_image im = golden_copy(&g, "tall");
    adjust("blur", 3.0f, &im);
    golden_expect(&g, "tall.blur.3.0", &im, 0);
    gp_image_free(&im);
    im = golden_copy(&g, "a");
    gp_to_grey(&im);
    golden_expect(&g, "a.grey", &im, 0);
    gp_image_free(&im);
}

static void test_tonal(void **state)
{
    (void)state;
    static const char *const from[] = {"a", "dull", "wide"};
    for (size_t i = 0; i < GP_COUNT(from); i++) {
        char name[64];
        gp_image im = golden_copy(&g, from[i]);
        gp_autocontrast(&im);
        snprintf(name, sizeof name, "%s.autocontrast", from[i]);
        golden_expect(&g, name, &im, 0);
        gp_image_free(&im);
        im = golden_copy(&g, from[i]);
        gp_equalize(&im);
        snprintf(name, sizeof name, "%s.equalize", from[i]);
        golden_expect(&g, name, &im, 0);
        gp_image_free(&im);
    }
}

static void test_affine(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        double k[6];
    } c[] = {
        {"shear_x", {1, 0.03, 0, 0, 1, 0}},
        {"shear_y", {1, 0, 0, -0.027, 1, 0}},
        {"right", {1, 0, -5, 0, 1, 0}},
        {"up", {1, 0, 0, 0, 1, 7}},
        {"away", {1, 0, 40, 0, 1, 0}},
        {"half", {1, 0, 0.5, 0, 1, -0.25}},
        {"zoom", {0.7, 0.1, 2.0, -0.05, 0.8, 1.5}},
    };
    for (size_t i = 0; i < GP_COUNT(c); i++) {
        char name[64];
        snprintf(name, sizeof name, "a.affine.%s", c[i].name);
        gp_image im = golden_copy(&g, "a");
        assert_int_equal(gp_affine(&im, c[i].k, NULL), GOPRO_OK);
        golden_expect(&g, name, &im, 0);
        gp_image_free(&im);
    }
}

/* The comparison itself must notice one grey level in one pixel. */
static void test_comparison_can_fail(void **state)
{
    (void)state;
    gp_image im = golden_copy(&g, "a.grey");
    assert_int_equal(golden_distance(&g, "a.grey", &im), 0);
    im.px[im.w * im.h] = (uint8_t)(im.px[im.w * im.h] ^ 1);
    assert_int_equal(golden_distance(&g, "a.grey", &im), 1);
    gp_image_free(&im);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_resize), cmocka_unit_test(test_center), cmocka_unit_test(test_operations),
        cmocka_unit_test(test_tonal),  cmocka_unit_test(test_affine), cmocka_unit_test(test_comparison_can_fail),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
