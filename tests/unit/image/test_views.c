/* test_views.c - invariants of the transforms and the random views (METHODS 4, 6.2, 6.18).
 * SPDX-License-Identifier: Apache-2.0 */
#include "golden_image.h"

#include <math.h>

#include "image/views.h"

static const float mean[3] = {0.48145466f, 0.4578275f, 0.40821073f}, std[3] = {0.26862954f, 0.26130258f, 0.27577711f};
static const gp_view_config config = {.size = 32,
                                      .mean = {0.48145466f, 0.4578275f, 0.40821073f},
                                      .std = {0.26862954f, 0.26130258f, 0.27577711f},
                                      .scale_min = 0.08,
                                      .scale_max = 1.0,
                                      .moco_recipe = 1,
                                      .augmix_severity = 1};

static gp_image noise(uint32_t w, uint32_t h, uint64_t seed)
{
    gp_image im;
    gp_rng r = gp_rng_make(seed, GP_RNG_TEST, 1, 2);
    assert_int_equal(gp_image_alloc(&im, w, h, 3, NULL), GOPRO_OK);
    for (size_t i = 0; i < (size_t)3 * w * h; i++) im.px[i] = (uint8_t)gp_rng_below(&r, 256);
    return im;
}

static gp_image constant(uint32_t w, uint32_t h, uint8_t v)
{
    gp_image im;
    assert_int_equal(gp_image_alloc(&im, w, h, 3, NULL), GOPRO_OK);
    memset(im.px, v, (size_t)3 * w * h);
    return im;
}

static bool same(const gp_image *a, const gp_image *b)
{
    return a->w == b->w && a->h == b->h && memcmp(a->px, b->px, (size_t)3 * a->w * a->h) == 0;
}

static void test_resize_invariants(void **state)
{
    (void)state;
    static const uint32_t sizes[][2] = {{1, 1}, {7, 3}, {64, 64}, {200, 9}};
    gp_image flat = constant(23, 31, 201), out;
    for (size_t i = 0; i < GP_COUNT(sizes); i++)
        for (int f = 0; f < 2; f++) {
            assert_int_equal(gp_image_resize(&out, &flat, 0, 0, 23, 31, sizes[i][0], sizes[i][1], f ? GP_BICUBIC : GP_BILINEAR, NULL),
                             GOPRO_OK);
            for (size_t k = 0; k < (size_t)3 * out.w * out.h; k++) assert_int_equal(out.px[k], 201);
            gp_image_free(&out);
        }
    gp_image im = noise(23, 31, 1);
    assert_int_equal(gp_image_resize(&out, &im, 0, 0, 23, 31, 23, 31, GP_BICUBIC, NULL), GOPRO_OK);
    assert_true(same(&im, &out));
    gp_image_free(&out);
    gopro_error err;
    assert_int_equal(gp_image_resize(&out, &im, 20, 0, 4, 31, 8, 8, GP_BICUBIC, &err), GOPRO_E_INVALID);
    assert_int_equal(gp_image_resize(&out, &im, UINT32_MAX, 0, 4, 31, 8, 8, GP_BICUBIC, &err), GOPRO_E_INVALID);
    assert_int_equal(gp_image_resize(&out, &im, 0, 0, 0, 31, 8, 8, GP_BICUBIC, &err), GOPRO_E_INVALID);
    assert_int_equal(gp_image_resize(&out, &im, 0, 0, 23, 31, 0, 8, GP_BICUBIC, &err), GOPRO_E_INVALID);
    gp_image_free(&im);
    gp_image_free(&flat);
}

/* A centre crop computes only its window: it must equal the crop of the whole resized image, also for extreme shapes. */
static void test_center_window(void **state)
{
    (void)state;
    static const uint32_t sizes[][2] = {{50, 40}, {40, 50}, {224, 227}, {33, 33}, {32, 99}, {10, 11}};
    for (size_t i = 0; i < GP_COUNT(sizes); i++) {
        const uint32_t w = sizes[i][0], h = sizes[i][1], s = 32, rw = w <= h ? s : s * w / h, rh = w <= h ? s * h / w : s;
        gp_image im = noise(w, h, i), whole, crop;
        assert_int_equal(gp_image_resize(&whole, &im, 0, 0, w, h, rw, rh, GP_BICUBIC, NULL), GOPRO_OK);
        assert_int_equal(gp_image_center(&crop, &im, s, GP_BICUBIC, NULL), GOPRO_OK);
        const size_t x = (size_t)nearbyint((rw - s) / 2.0), y = (size_t)nearbyint((rh - s) / 2.0);
        for (size_t k = 0; k < s; k++) assert_memory_equal(crop.px + 3 * k * s, whole.px + 3 * ((y + k) * rw + x), 3 * s);
        gp_image_free(&im);
        gp_image_free(&whole);
        gp_image_free(&crop);
    }
    gp_image thin = constant(1, 60000, 9), out;
    assert_int_equal(gp_image_center(&out, &thin, 224, GP_BICUBIC, NULL), GOPRO_OK);
    assert_int_equal(out.w, 224);
    assert_int_equal(out.px[5], 9);
    gp_image_free(&thin);
    gp_image_free(&out);
}

static void test_normalise_and_flip(void **state)
{
    (void)state;
    gp_image im = noise(5, 4, 3), orig = noise(5, 4, 3);
    float x[60];
    gp_image_normalise(x, &im, mean, std);
    for (size_t c = 0; c < 3; c++)
        for (size_t i = 0; i < 20; i++) assert_true(x[c * 20 + i] == ((float)im.px[3 * i + c] / 255.0f - mean[c]) / std[c]);
    gp_image_flip(&im);
    assert_false(same(&im, &orig));
    for (size_t y = 0; y < 4; y++)
        for (size_t k = 0; k < 5; k++) assert_memory_equal(im.px + 3 * (y * 5 + k), orig.px + 3 * (y * 5 + 4 - k), 3);
    gp_image_flip(&im);
    assert_true(same(&im, &orig));
    gp_image_free(&im);
    gp_image_free(&orig);
}

static void test_blur_invariants(void **state)
{
    (void)state;
    static const float sigmas[] = {0.0f, 0.01f, 0.4f, 2.0f, 33.0f, 100.0f};
    for (size_t i = 0; i < GP_COUNT(sigmas); i++) {
        gp_image flat = constant(9, 5, 143), want = constant(9, 5, 143);
        assert_int_equal(gp_gaussian_blur(&flat, sigmas[i], NULL), GOPRO_OK);
        assert_true(same(&flat, &want));
        gp_image_free(&flat);
        gp_image_free(&want);
    }
    gp_image im = noise(9, 5, 4);
    assert_int_equal(gp_gaussian_blur(&im, -1.0f, NULL), GOPRO_E_INVALID);
    assert_int_equal(gp_gaussian_blur(&im, 101.0f, NULL), GOPRO_E_INVALID);
    assert_int_equal(gp_gaussian_blur(&im, NAN, NULL), GOPRO_E_INVALID);
    gp_image_free(&im);
}

/* Areas and ratios of accepted crops: recovered from a ramp image whose pixel value is its position. */
static void test_crop_statistics(void **state)
{
    (void)state;
    gp_image im = constant(200, 160, 0);
    for (uint32_t y = 0; y < im.h; y++)
        for (uint32_t x = 0; x < im.w; x++) {
            im.px[3 * (y * im.w + x)] = (uint8_t)x;
            im.px[3 * (y * im.w + x) + 1] = (uint8_t)y;
        }
    double area_sum = 0.0;
    int corners = 0;
    gp_rng r = gp_rng_make(5, GP_RNG_TEST, 0, 0);
    for (int t = 0; t < 2000; t++) {
        gp_image out;
        assert_int_equal(gp_random_resized_crop(&out, &im, 8, 0.08, 1.0, GP_BILINEAR, &r, NULL), GOPRO_OK);
        const uint8_t *a = out.px, *z = out.px + 3 * 63;
        double w = (z[0] - a[0]) * 8.0 / 7.0, h = (z[1] - a[1]) * 8.0 / 7.0, ratio = w / h;
        assert_true(w * h > 0.06 * 32000.0 && w * h < 1.05 * 32000.0);
        assert_true(ratio > 0.70 && ratio < 1.42);
        area_sum += w * h / 32000.0;
        corners += a[0] < 15;
        gp_image_free(&out);
    }
    /* U(0.08, 1) cut short where the box does not fit. */
    assert_true(area_sum / 2000.0 > 0.40 && area_sum / 2000.0 < 0.56);
    assert_true(corners > 100 && corners < 1900);
    gp_image_free(&im);
    /* No box of the wanted ratio fits: the centred fallback. */
    gp_image thin = constant(3, 300, 7), out;
    for (int t = 0; t < 50; t++) {
        assert_int_equal(gp_random_resized_crop(&out, &thin, 8, 0.9, 1.0, GP_BICUBIC, &r, NULL), GOPRO_OK);
        gp_image_free(&out);
    }
    assert_int_equal(gp_random_resized_crop(&out, &thin, 8, 0.0, 1.0, GP_BICUBIC, &r, NULL), GOPRO_E_INVALID);
    gp_image_free(&thin);
}

static void make(float *x, float *x1, float *x2, const gp_image *im, const gp_view_config *c, uint64_t seed, uint64_t epoch,
                 uint64_t sample)
{
    assert_int_equal(gp_views_make(x, x1, x2, im, c, seed, epoch, sample, NULL), GOPRO_OK);
}

enum { VIEW = 3 * 32 * 32 };

static void test_views_are_keyed(void **state)
{
    (void)state;
    gp_image im = noise(40, 50, 6);
    float *v = malloc(9 * VIEW * sizeof *v), *x = v, *x1 = v + VIEW, *x2 = v + 2 * VIEW, *y = v + 3 * VIEW;
    make(x, x1, x2, &im, &config, 1, 2, 3);
    /* A view does not depend on which others are made. */
    make(NULL, y, NULL, &im, &config, 1, 2, 3);
    assert_memory_equal(y, x1, VIEW * sizeof *y);
    make(NULL, NULL, y, &im, &config, 1, 2, 3);
    assert_memory_equal(y, x2, VIEW * sizeof *y);
    make(y, NULL, NULL, &im, &config, 1, 2, 3);
    assert_memory_equal(y, x, VIEW * sizeof *y);
    /* Seed, epoch and sample all matter. */
    static const uint64_t keys[][3] = {{2, 2, 3}, {1, 3, 3}, {1, 2, 4}};
    for (size_t i = 0; i < GP_COUNT(keys); i++) {
        make(y, y + VIEW, y + 2 * VIEW, &im, &config, keys[i][0], keys[i][1], keys[i][2]);
        assert_memory_not_equal(y, x, VIEW * sizeof *y);
        assert_memory_not_equal(y + VIEW, x1, VIEW * sizeof *y);
        assert_memory_not_equal(y + 2 * VIEW, x2, VIEW * sizeof *y);
    }
    gp_view_config own = config;
    own.augmix_own_crop = true;
    make(y, NULL, y + VIEW, &im, &own, 1, 2, 3);
    assert_memory_equal(y, x, VIEW * sizeof *y);
    assert_memory_not_equal(y + VIEW, x2, VIEW * sizeof *y);
    free(v);
    gp_image_free(&im);
}

/* METHODS 6.13: negative numbers and those above 1 wrap around. */
static void test_wrapped_bytes(void **state)
{
    (void)state;
    static const float x[] = {-2.1f, -0.5f, 0.999f, 1.1f, 2.1f, 0.0f, 1.0f, -0.003f};
    static const uint8_t byte[] = {233, 129, 254, 24, 23, 0, 255, 0};
    for (size_t i = 0; i < GP_COUNT(x); i++) assert_int_equal(gp_wrapped_byte(x[i]), byte[i]);
    /* An image wraps as its normalised tensor does. */
    gp_image im = noise(9, 7, 12), orig = noise(9, 7, 12);
    float v[3 * 63];
    size_t moved = 0;
    gp_image_normalise(v, &orig, mean, std);
    gp_image_wrap(&im, mean, std);
    for (size_t c = 0; c < 3; c++)
        for (size_t i = 0; i < 63; i++) {
            assert_int_equal(im.px[3 * i + c], (int)fmodf(truncf(255.0f * v[c * 63 + i]) + 1024.0f, 256.0f));
            moved += im.px[3 * i + c] != orig.px[3 * i + c];
        }
    assert_true(moved > 150);
    gp_image_free(&im);
    gp_image_free(&orig);
}

/* The bytes of a normalised tensor. */
static gp_image bytes_of(const float *x)
{
    gp_image im = constant(32, 32, 0);
    for (size_t c = 0; c < 3; c++)
        for (size_t i = 0; i < 1024; i++) im.px[3 * i + c] = (uint8_t)lrintf(255.0f * (x[c * 1024 + i] * std[c] + mean[c]));
    return im;
}

/* METHODS 3.8 R6: the views of the crop are those that an image of the crop's bytes would give; of the wrapped crop, of its wrapped bytes.
 */
static void test_view_sources(void **state)
{
    (void)state;
    gp_view_config c = config, whole = config;
    c.augmix_own_crop = c.augmix_bilinear = whole.augmix_own_crop = whole.augmix_bilinear = true;
    gp_image im = noise(40, 50, 6);
    float *v = malloc(5 * VIEW * sizeof *v), *x = v, *x1 = v + VIEW, *x2 = v + 2 * VIEW, *y1 = v + 3 * VIEW, *y2 = v + 4 * VIEW;
    make(x, y1, y2, &im, &whole, 1, 2, 3);
    gp_image bytes = bytes_of(x);
    for (int source = GP_VIEW_OF_CROP; source <= GP_VIEW_OF_WRAPPED; source++) {
        c.source = (gp_view_source)source;
        make(x, x1, x2, &im, &c, 1, 2, 3);
        assert_memory_not_equal(x1, y1, VIEW * sizeof *x1); /* those of the image, then those of the source before */
        assert_memory_not_equal(x2, y2, VIEW * sizeof *x2);
        if (source == GP_VIEW_OF_WRAPPED) gp_image_wrap(&bytes, mean, std);
        make(NULL, y1, y2, &bytes, &whole, 1, 2, 3);
        assert_memory_equal(x1, y1, VIEW * sizeof *x1);
        assert_memory_equal(x2, y2, VIEW * sizeof *x2);
        /* each alone is the same, and none needs the train view */
        memset(x1, 0, 2 * VIEW * sizeof *x1);
        make(NULL, x1, NULL, &im, &c, 1, 2, 3);
        make(NULL, NULL, x2, &im, &c, 1, 2, 3);
        assert_memory_equal(x1, y1, VIEW * sizeof *x1);
        assert_memory_equal(x2, y2, VIEW * sizeof *x2);
    }
    c.augmix_bilinear = false;
    make(NULL, NULL, x2, &im, &c, 1, 2, 3);
    assert_memory_not_equal(x2, y2, VIEW * sizeof *x2);
    /* without a crop of its own AugMix takes the train view's, whatever the source */
    c.augmix_own_crop = false;
    make(NULL, NULL, x2, &im, &c, 1, 2, 3);
    make(NULL, NULL, y2, &im, &config, 1, 2, 3);
    assert_memory_equal(x2, y2, VIEW * sizeof *x2);
    free(v);
    gp_image_free(&im);
    gp_image_free(&bytes);
}

/* METHODS 3.8 R7: only the constants of the MoCo view change. */
static void test_moco_constants(void **state)
{
    (void)state;
    static const float m[3] = {0.485f, 0.456f, 0.406f}, s[3] = {0.229f, 0.224f, 0.225f};
    gp_view_config c = config;
    c.moco_imagenet = true;
    gp_image im = noise(40, 50, 6);
    float *v = malloc(6 * VIEW * sizeof *v), *w = v + 3 * VIEW;
    make(v, v + VIEW, v + 2 * VIEW, &im, &config, 1, 2, 3);
    make(w, w + VIEW, w + 2 * VIEW, &im, &c, 1, 2, 3);
    assert_memory_equal(v, w, VIEW * sizeof *v);
    assert_memory_equal(v + 2 * VIEW, w + 2 * VIEW, VIEW * sizeof *v);
    for (size_t i = 0; i < VIEW; i++) {
        const size_t k = i / 1024;
        assert_true(fabsf((v[VIEW + i] * std[k] + mean[k]) - (w[VIEW + i] * s[k] + m[k])) < 1e-5f);
    }
    assert_memory_not_equal(v + VIEW, w + VIEW, VIEW * sizeof *v);
    free(v);
    gp_image_free(&im);
}

/* Another draw is another view of the same crop. */
static void test_augmix_draws(void **state)
{
    (void)state;
    gp_image im = noise(40, 50, 6);
    float *v = malloc(3 * VIEW * sizeof *v), *x2 = v + VIEW, *y = v + 2 * VIEW;
    gp_view_config c = config;
    for (int own = 0; own < 2; own++) {
        c.augmix_own_crop = own;
        make(NULL, NULL, x2, &im, &c, 1, 2, 3);
        assert_int_equal(gp_views_augmix(y, &im, &c, 1, 2, 3, 3, NULL), GOPRO_OK);
        assert_memory_equal(y, x2, VIEW * sizeof *y);
        assert_int_equal(gp_views_augmix(y, &im, &c, 1, 2, 3, 4, NULL), GOPRO_OK);
        assert_memory_not_equal(y, x2, VIEW * sizeof *y);
    }
    im.channels = 4;
    gopro_error err = {0};
    assert_int_equal(gp_views_augmix(y, &im, &c, 1, 2, 3, 4, &err), GOPRO_E_INVALID);
    im.channels = 3;
    free(v);
    gp_image_free(&im);
}

/* Recipe 1 blurs always, recipe 2 rarely: a hard edge survives only unblurred.  At 224 pixels sigma is at least 0.1. */
static void test_recipes(void **state)
{
    (void)state;
    gp_view_config c = config;
    c.size = 224, c.scale_min = c.scale_max = 1.0;
    gp_image im = constant(224, 224, 40);
    for (size_t y = 0; y < 224; y++) memset(im.px + 3 * 224 * y, 200, 3 * 112);
    float *x = malloc((size_t)3 * 224 * 224 * sizeof *x);
    int hard[3] = {0};
    for (int recipe = 1; recipe <= 2; recipe++) {
        c.moco_recipe = recipe;
        for (uint64_t s = 0; s < 40; s++) {
            make(NULL, x, NULL, &im, &c, 9, 0, s);
            /* Number of distinct values along the middle row of the first channel. */
            int changes = 0;
            for (size_t i = 1; i < 224; i++) changes += x[112 * 224 + i] != x[112 * 224 + i - 1];
            hard[recipe] += changes == 1;
        }
    }
    assert_true(hard[1] <= 6); /* small sigmas leave 8-bit values untouched */
    assert_true(hard[2] >= 28);
    free(x);
    gp_image_free(&im);
}

/* SLIP's recipe blurs every second view; its two views and those of other images are drawn apart; CLIP's constants. */
static void test_ssl_views(void **state)
{
    (void)state;
    enum { N = 224 * 224 };
    gp_view_config c = config;
    c.size = 224, c.scale_min = c.scale_max = 1.0;
    gp_image im = constant(224, 224, 40), black = constant(224, 224, 0);
    for (size_t y = 0; y < 224; y++) memset(im.px + 3 * 224 * y, 200, 3 * 112);
    float *x = malloc((size_t)3 * N * sizeof *x), *y = malloc((size_t)3 * N * sizeof *y);
    int hard = 0, alike = 0;
    for (uint64_t s = 0; s < 40; s++) {
        int changes = 0;
        assert_int_equal(gp_ssl_view_make(x, &im, &c, 9, 0, s, 0, NULL), GOPRO_OK);
        assert_int_equal(gp_ssl_view_make(y, &im, &c, 9, 0, s, 1, NULL), GOPRO_OK);
        for (size_t i = 1; i < 224; i++) changes += x[112 * 224 + i] != x[112 * 224 + i - 1];
        hard += changes == 1;
        alike += memcmp(x, y, (size_t)3 * N * sizeof *x) == 0;
        assert_int_equal(gp_ssl_view_make(y, &im, &c, 9, 0, s, 0, NULL), GOPRO_OK);
        assert_memory_equal(x, y, (size_t)3 * N * sizeof *x);
    }
    assert_true(hard >= 10 && hard <= 30); /* neither MoCo's recipe 1 nor 2 */
    assert_true(alike <= 4);
    assert_int_equal(gp_ssl_view_make(x, &black, &c, 9, 0, 0, 0, NULL), GOPRO_OK); /* black stays black in any colours */
    for (size_t k = 0; k < 3; k++) assert_true(fabsf(x[k * N] + mean[k] / std[k]) < 1e-5f);
    free(x);
    free(y);
    gp_image_free(&im);
    gp_image_free(&black);
}

static void test_augmix(void **state)
{
    (void)state;
    gp_image im = noise(32, 32, 8), black = constant(32, 32, 0);
    float *x = malloc(2 * VIEW * sizeof *x), *n = x + VIEW;
    gp_rng r = gp_rng_make(3, GP_RNG_TEST, 0, 0);
    gp_image_normalise(n, &im, mean, std);
    double moved = 0.0;
    for (int t = 0; t < 50; t++) {
        assert_int_equal(gp_augmix(x, &im, mean, std, 1, &r, NULL), GOPRO_OK);
        for (size_t c = 0; c < 3; c++) {
            /* A convex mixture stays within what one image can hold. */
            const float lo = (0.0f - mean[c]) / std[c], hi = (1.0f - mean[c]) / std[c];
            for (size_t i = 0; i < 1024; i++) assert_true(x[c * 1024 + i] >= lo - 1e-4f && x[c * 1024 + i] <= hi + 1e-4f);
        }
        for (size_t i = 0; i < VIEW; i++) moved += fabs((double)(x[i] - n[i])) / (50.0 * VIEW);
    }
    assert_true(moved > 0.02 && moved < 1.5);
    double far = 0.0; /* a higher severity moves further */
    for (int t = 0; t < 50; t++) {
        assert_int_equal(gp_augmix(x, &im, mean, std, 10, &r, NULL), GOPRO_OK);
        for (size_t i = 0; i < VIEW; i++) far += fabs((double)(x[i] - n[i])) / (50.0 * VIEW);
    }
    assert_true(far > 1.2 * moved);
    /* Every operation keeps black black, so the weights of the mixture must sum to one. */
    gp_image_normalise(n, &black, mean, std);
    for (int t = 0; t < 50; t++) {
        assert_int_equal(gp_augmix(x, &black, mean, std, 1, &r, NULL), GOPRO_OK);
        for (size_t i = 0; i < VIEW; i++) assert_true(fabsf(x[i] - n[i]) < 1e-5f);
    }
    assert_int_equal(gp_augmix(x, &im, mean, std, 0, &r, NULL), GOPRO_E_INVALID);
    free(x);
    gp_image_free(&im);
    gp_image_free(&black);
}

static void test_jitter(void **state)
{
    (void)state;
    gp_image im = noise(16, 16, 2), same_im = noise(16, 16, 2);
    gp_rng r = gp_rng_make(1, GP_RNG_TEST, 0, 0);
    gp_color_jitter(&im, 0.0, 0.0, 0.0, 0.0, &r);
    assert_true(same(&im, &same_im));
    gp_color_jitter(&im, 0.4, 0.4, 0.4, 0.1, &r);
    assert_false(same(&im, &same_im));
    /* Neutral factors: the identity up to the HSV round trip. */
    gp_image a = noise(16, 16, 2);
    gp_adjust_brightness(&a, 1.0f);
    gp_adjust_contrast(&a, 1.0f);
    gp_adjust_saturation(&a, 1.0f);
    assert_true(same(&a, &same_im));
    gp_adjust_hue(&a, 0.0f);
    for (size_t i = 0; i < 3 * 256; i++) assert_true(abs(a.px[i] - same_im.px[i]) <= 8);
    gp_image_free(&a);
    gp_image_free(&im);
    gp_image_free(&same_im);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_wrapped_bytes),
        cmocka_unit_test(test_view_sources),
        cmocka_unit_test(test_moco_constants),
        cmocka_unit_test(test_augmix_draws),
        cmocka_unit_test(test_resize_invariants),
        cmocka_unit_test(test_center_window),
        cmocka_unit_test(test_normalise_and_flip),
        cmocka_unit_test(test_blur_invariants),
        cmocka_unit_test(test_crop_statistics),
        cmocka_unit_test(test_views_are_keyed),
        cmocka_unit_test(test_recipes),
        cmocka_unit_test(test_ssl_views),
        cmocka_unit_test(test_augmix),
        cmocka_unit_test(test_jitter),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
