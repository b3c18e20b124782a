/* test_gif.c - first frames of GIFs against Pillow (tests/golden/image/gif.bin, written by scripts/golden/gif_golden.py).
 * SPDX-License-Identifier: Apache-2.0 */
#include "golden_image.h"

static golden_images g;

static int setup(void **state)
{
    (void)state;
    gopro_error err = {0};
    if (gp_read_file(&g.bytes, &g.size, GP_TEST_DIR "/golden/image/gif.bin", (size_t)1 << 20, &err) != GOPRO_OK) fail_msg("%s", err.msg);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    free(g.bytes);
    return 0;
}

static const char *const names[] = {
    "noise", "large", "flat", "grey", "two", "interlaced", "plain", "transparent", "animated", "inset", "inset_transparent"};

static golden_image file_of(const char *name)
{
    char file[64];
    snprintf(file, sizeof file, "%s.file", name);
    return golden_get(&g, file);
}

static void test_pixels(void **state)
{
    (void)state;
    for (size_t i = 0; i < GP_COUNT(names); i++) {
        golden_image f = file_of(names[i]);
        gp_image im;
        gopro_error err = {0};
        if (gp_image_decode(&im, f.data, f.size, &err) != GOPRO_OK) fail_msg("%s: %s", names[i], err.msg);
        golden_expect(&g, names[i], &im, 0);
        gp_image_free(&im);
    }
}

/* What lacks pixels is refused; no prefix and no changed byte does harm. */
static void test_damage(void **state)
{
    (void)state;
    golden_image f = file_of("plain");
    gp_rng r = gp_rng_make(5, GP_RNG_TEST, 0, 0);
    for (size_t n = 0; n < f.size; n++) {
        uint8_t *copy = malloc(n + 1);
        gp_image im;
        memcpy(copy, f.data, n);
        if (gp_image_decode(&im, copy, n, NULL) == GOPRO_OK && f.size - n > 8) fail_msg("%zu of %zu bytes were accepted", n, f.size);
        gp_image_free(&im);
        free(copy);
    }
    for (int i = 0; i < 3000; i++) {
        uint8_t *copy = malloc(f.size);
        gp_image im;
        memcpy(copy, f.data, f.size);
        for (int k = 0; k < 3; k++) copy[gp_rng_below(&r, (uint32_t)f.size)] = (uint8_t)gp_rng_below(&r, 256);
        if (gp_image_decode(&im, copy, f.size, NULL) == GOPRO_OK) assert_true(im.w > 0 && im.h > 0 && im.channels == 3);
        gp_image_free(&im);
        free(copy);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_pixels), cmocka_unit_test(test_damage)};
    return cmocka_run_group_tests(tests, setup, teardown);
}
