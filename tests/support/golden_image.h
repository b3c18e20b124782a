/* golden_image.h - reads tests/golden/image/pillow.bin, written by scripts/golden/image_golden.py.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef GP_TEST_GOLDEN_IMAGE_H
#define GP_TEST_GOLDEN_IMAGE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/file.h"
#include "image/image.h"

typedef struct golden_image {
    const uint8_t *data;
    uint32_t w, h, channels;
    size_t size;
} golden_image;

typedef struct golden_images {
    char *bytes;
    size_t size;
} golden_images;

static inline void golden_images_open(golden_images *g)
{
    gopro_error err = {0};
    if (gp_read_file(&g->bytes, &g->size, GP_TEST_DIR "/golden/image/pillow.bin", (size_t)1 << 20, &err) != GOPRO_OK)
        fail_msg("%s", err.msg);
}

static inline uint32_t golden_u32(const char *p)
{
    const unsigned char *u = (const unsigned char *)p;
    return (uint32_t)u[0] | (uint32_t)u[1] << 8 | (uint32_t)u[2] << 16 | (uint32_t)u[3] << 24;
}

static inline golden_image golden_get(const golden_images *g, const char *name)
{
    size_t at = 0, want = strlen(name);
    for (;;) {
        size_t len = (size_t)(unsigned char)g->bytes[at] | (size_t)(unsigned char)g->bytes[at + 1] << 8;
        if (len == 0) break;
        const char *rec = g->bytes + at + 2 + len;
        golden_image r = {(const uint8_t *)rec + 16, golden_u32(rec), golden_u32(rec + 4), golden_u32(rec + 8), golden_u32(rec + 12)};
        if (len == want && memcmp(g->bytes + at + 2, name, len) == 0) return r;
        at += 2 + len + 16 + r.size;
    }
    fail_msg("no golden record named '%s'", name);
    return (golden_image){0};
}

static inline gp_image golden_copy(const golden_images *g, const char *name)
{
    golden_image r = golden_get(g, name);
    gp_image im = {0};
    assert_int_equal(gp_image_alloc(&im, r.w, r.h, r.channels, NULL), GOPRO_OK);
    memcpy(im.px, r.data, r.size);
    return im;
}

/* Largest difference of a pixel; the sizes must agree. */
static inline int golden_distance(const golden_images *g, const char *name, const gp_image *im)
{
    golden_image r = golden_get(g, name);
    int worst = 0;
    if (im->w != r.w || im->h != r.h || im->channels != r.channels)
        fail_msg("%s: %u x %u x %u, expected %u x %u x %u", name, im->w, im->h, im->channels, r.w, r.h, r.channels);
    for (size_t i = 0; i < r.size; i++) worst = abs(im->px[i] - r.data[i]) > worst ? abs(im->px[i] - r.data[i]) : worst;
    return worst;
}

static inline void golden_expect(const golden_images *g, const char *name, const gp_image *im, int tolerance)
{
    int d = golden_distance(g, name, im);
    if (d > tolerance) fail_msg("%s: differs by %d grey levels, expected at most %d", name, d, tolerance);
}

#endif
