/* test_edges.c - operations on tiny, long and odd images and on all colours, and every kind of encoded file, give Pillow's bytes.
 * SPDX-License-Identifier: Apache-2.0 */
#include "golden_image.h"

#include <zlib.h>

#include "image/image_int.h"
#include "image/views.h"

static golden_images g;
static gp_image cube; /* as in scripts/golden/edge_golden.py */

static void make_cube(void)
{
    assert_int_equal(gp_image_alloc(&cube, 2048, 1024, 3, NULL), GOPRO_OK);
    uint8_t *p = cube.px;
    for (unsigned i = 0; i < 128; i++)
        for (unsigned j = 0; j < 128; j++)
            for (unsigned k = 0; k < 128; k++, p += 3) {
                const unsigned odd = (i + j + k) % 2;
                p[0] = (uint8_t)(2 * i + odd), p[1] = (uint8_t)(2 * j + odd), p[2] = (uint8_t)(2 * k + odd);
            }
}

static int setup(void **state)
{
    (void)state;
    enum { MAX = 1 << 21 };
    gzFile f = gzopen(GP_TEST_DIR "/golden/image/edges.gz", "rb");
    if (!f || !(g.bytes = malloc(MAX))) fail_msg("cannot read edges.gz");
    const int n = gzread(f, g.bytes, MAX);
    assert_true(n > 0 && n < MAX);
    g.size = (size_t)n;
    (void)gzclose(f);
    make_cube();
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    free(g.bytes);
    gp_image_free(&cube);
    return 0;
}

typedef struct record {
    char name[160];
    golden_image im;
} record;

static bool next_record(size_t *at, record *r)
{
    const size_t len = (size_t)(unsigned char)g.bytes[*at] | (size_t)(unsigned char)g.bytes[*at + 1] << 8;
    if (len == 0) return false;
    assert_true(len < sizeof r->name);
    memcpy(r->name, g.bytes + *at + 2, len);
    r->name[len] = '\0';
    r->im = golden_get(&g, r->name);
    *at += 2 + len + 16 + r->im.size;
    return true;
}

static gp_image copy_of(const char *name)
{
    if (strcmp(name, "cube") != 0) return golden_copy(&g, name);
    gp_image im = {0};
    assert_int_equal(gp_image_alloc(&im, cube.w, cube.h, 3, NULL), GOPRO_OK);
    memcpy(im.px, cube.px, 3 * (size_t)cube.w * cube.h);
    return im;
}

static gp_filter filter_of(const char *s)
{
    return strcmp(s, "bilinear") == 0 ? GP_BILINEAR : GP_BICUBIC;
}

/* Replaces im by what comes out. */
static void resize(gp_image *im, const char *args)
{
    char f[16];
    uint32_t b[4], ow, oh;
    gp_image out;
    assert_int_equal(sscanf(args, "%15s %u %u %u %u %u %u", f, &b[0], &b[1], &b[2], &b[3], &ow, &oh), 7);
    assert_int_equal(gp_image_resize(&out, im, b[0], b[1], b[2], b[3], ow, oh, filter_of(f), NULL), GOPRO_OK);
    gp_image_free(im);
    *im = out;
}

static void center(gp_image *im, const char *args)
{
    char f[16];
    uint32_t size;
    gp_image out;
    assert_int_equal(sscanf(args, "%15s %u", f, &size), 2);
    assert_int_equal(gp_image_center(&out, im, size, filter_of(f), NULL), GOPRO_OK);
    gp_image_free(im);
    *im = out;
}

static void affine(gp_image *im, const char *args)
{
    double k[6];
    assert_int_equal(sscanf(args, "%lf %lf %lf %lf %lf %lf", &k[0], &k[1], &k[2], &k[3], &k[4], &k[5]), 6);
    assert_int_equal(gp_affine(im, k, NULL), GOPRO_OK);
}

static void change(gp_image *im, const char *what, const char *args)
{
    const float f = strtof(args, NULL);
    if (strcmp(what, "resize") == 0)
        resize(im, args);
    else if (strcmp(what, "center") == 0)
        center(im, args);
    else if (strcmp(what, "affine") == 0)
        affine(im, args);
    else if (strcmp(what, "flip") == 0)
        gp_image_flip(im);
    else if (strcmp(what, "brightness") == 0)
        gp_adjust_brightness(im, f);
    else if (strcmp(what, "contrast") == 0)
        gp_adjust_contrast(im, f);
    else if (strcmp(what, "saturation") == 0)
        gp_adjust_saturation(im, f);
    else if (strcmp(what, "hue") == 0)
        gp_adjust_hue(im, f);
    else if (strcmp(what, "grey") == 0)
        gp_to_grey(im);
    else if (strcmp(what, "blur") == 0)
        assert_int_equal(gp_gaussian_blur(im, f, NULL), GOPRO_OK);
    else if (strcmp(what, "solarize") == 0)
        gp_solarize(im, (int)f);
    else if (strcmp(what, "posterize") == 0)
        gp_posterize(im, (int)f);
    else if (strcmp(what, "autocontrast") == 0)
        gp_autocontrast(im);
    else if (strcmp(what, "equalize") == 0)
        gp_equalize(im);
    else if (strcmp(what, "rotate") == 0)
        assert_int_equal(gp_rotate(im, strtod(args, NULL), NULL), GOPRO_OK);
    else
        fail_msg("no operation '%s'", what);
}

static bool as_recorded(const record *r, const gp_image *im)
{
    if (r->im.channels != 0) return golden_distance(&g, r->name, im) == 0;
    return crc32(0, im->px, (uInt)(3 * im->w * im->h)) == golden_u32((const char *)r->im.data);
}

static void test_operations(void **state)
{
    (void)state;
    record r;
    size_t n = 0, bad = 0;
    for (size_t at = 0; next_record(&at, &r);) {
        char source[32], what[32];
        int end = 0;
        if (sscanf(r.name, "%31[^/]/%31s%n", source, what, &end) != 2) continue;
        gp_image im = copy_of(source);
        change(&im, what, r.name + end);
        if (!as_recorded(&r, &im)) {
            print_error("%s: not the recorded pixels\n", r.name);
            bad++;
        }
        gp_image_free(&im);
        n++;
    }
    assert_int_equal(bad, 0);
    assert_true(n > 1000);
}

/* Of JPEG and lossy WebP the decoding library's version decides the last bit. */
static void test_files(void **state)
{
    (void)state;
    record r;
    size_t n = 0, bad = 0;
    for (size_t at = 0; next_record(&at, &r);) {
        char *suffix = strstr(r.name, ".file");
        if (!suffix) continue;
        *suffix = '\0';
        gopro_error err = {0};
        gp_image im;
        const bool lossy = strncmp(r.name, "jpeg", 4) == 0 || strstr(r.name, "lossy");
        n++;
        if (gp_image_decode(&im, r.im.data, r.im.size, &err) != GOPRO_OK) {
            print_error("%s: %s\n", r.name, err.msg);
            bad++;
            continue;
        }
        const int d = golden_distance(&g, r.name, &im);
        if (d > (lossy ? 2 : 0)) {
            print_error("%s: differs by %d grey levels\n", r.name, d);
            bad++;
        }
        gp_image_free(&im);
    }
    assert_int_equal(bad, 0);
    assert_true(n > 180);
}

/* An animation cut off is accepted only with its first frame whole; changed bytes do no harm. */
static void test_damaged_animation(void **state)
{
    (void)state;
    static const char *const names[] = {"webp.animated.alpha", "webp.animated.lossy", "webp.animated.inset"};
    gp_rng r = gp_rng_make(9, GP_RNG_TEST, 0, 0);
    for (size_t i = 0; i < GP_COUNT(names); i++) {
        char name[64];
        (void)snprintf(name, sizeof name, "%s.file", names[i]);
        const golden_image f = golden_get(&g, name);
        size_t accepted = 0;
        for (size_t n = 0; n < f.size + 3000; n++) {
            const size_t size = n < f.size ? n : f.size;
            uint8_t *copy = malloc(size + 1);
            gp_image im;
            memcpy(copy, f.data, size);
            for (int k = 0; n >= f.size && k < 3; k++) copy[gp_rng_below(&r, (uint32_t)size)] = (uint8_t)gp_rng_below(&r, 256);
            const bool ok = gp_image_decode_max(&im, copy, size, (size_t)1 << 20, NULL) == GOPRO_OK;
            if (ok && n < f.size) {
                golden_expect(&g, names[i], &im, 2);
                accepted++;
            }
            gp_image_free(&im);
            free(copy);
        }
        assert_true(accepted < f.size * 3 / 4);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_operations), cmocka_unit_test(test_files),
                                       cmocka_unit_test(test_damaged_animation)};
    return cmocka_run_group_tests(tests, setup, teardown);
}
