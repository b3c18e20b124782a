/* color.c - brightness, contrast, saturation, hue and grey with Pillow's arithmetic, and their random mixture (METHODS 4.2).
 * SPDX-License-Identifier: Apache-2.0 */
#include "image/views.h"

static inline uint32_t luma(const uint8_t *p)
{
    return (19595u * p[0] + 38470u * p[1] + 7471u * p[2] + 32768u) >> 16;
}

/* trunc(clip(d + f (x - d))) in fp32. */
static inline uint8_t blend(int d, int x, float f)
{
    float v = (float)d + f * (float)(x - d);
    return (uint8_t)(v <= 0.0f ? 0.0f : v >= 255.0f ? 255.0f : v);
}

static size_t n_pixels(const gp_image *im)
{
    return (size_t)im->w * im->h;
}

#define RUN 128 /* pixels treated at a time */

/* px = blend(d, px, f) */
GP_INLINE void blend_constant_body(uint8_t *restrict px, size_t n, int d, float f)
{
    for (size_t i = 0; i < n; i++) px[i] = blend(d, px[i], f);
}
GP_TWICE(blend_constant, (uint8_t *restrict px, size_t n, int d, float f), (px, n, d, f))

GP_INLINE void blend_bytes_body(uint8_t *restrict px, const uint8_t *restrict d, size_t n, float f)
{
    for (size_t i = 0; i < n; i++) px[i] = blend(d[i], px[i], f);
}
GP_TWICE(blend_bytes, (uint8_t *restrict px, const uint8_t *restrict d, size_t n, float f), (px, d, n, f))

void gp_adjust_brightness(gp_image *im, float f)
{
    blend_constant(im->px, 3 * n_pixels(im), 0, f);
}

void gp_adjust_contrast(gp_image *im, float f)
{
    const size_t n = n_pixels(im);
    uint64_t sum = 0;
    for (size_t i = 0; i < n; i++) sum += luma(im->px + 3 * i);
    blend_constant(im->px, 3 * n, (int)((double)sum / (double)n + 0.5), f);
}

void gp_adjust_saturation(gp_image *im, float f)
{
    const size_t n = n_pixels(im);
    for (size_t at = 0; at < n; at += RUN) {
        uint8_t grey[3 * RUN], *px = im->px + 3 * at;
        const size_t m = gp_min_size(RUN, n - at);
        for (size_t i = 0; i < m; i++) grey[3 * i] = grey[3 * i + 1] = grey[3 * i + 2] = (uint8_t)luma(px + 3 * i);
        blend_bytes(px, grey, 3 * m, f);
    }
}

void gp_to_grey(gp_image *im)
{
    const size_t n = n_pixels(im);
    for (size_t i = 0; i < n; i++) {
        uint8_t *p = im->px + 3 * i;
        p[0] = p[1] = p[2] = (uint8_t)luma(p);
    }
}

/* A run of pixels, a channel or a component each. */
typedef struct planes {
    uint8_t a[RUN], b[RUN], c[RUN];
} planes;

/* Hue, saturation and value of red, green and blue.  fp32 intermediates where Pillow keeps them: the hue is rounded to float before and
 * after the wrap to [0, 1).  Greys come out with hue and saturation 0. */
GP_INLINE void to_hsv_body(planes *restrict out, const planes *restrict in)
{
    for (size_t i = 0; i < RUN; i++) {
        const int r = in->a[i], g = in->b[i], b = in->c[i];
        const int rg = r > g ? r : g, max = rg > b ? rg : b, gr = r < g ? r : g, min = gr < b ? gr : b;
        const float cr = (float)(max > min ? max - min : 1), s = (float)(max - min) / (float)(max > 0 ? max : 1);
        const float rc = (float)(max - r) / cr, gc = (float)(max - g) / cr, bc = (float)(max - b) / cr;
        const double of_g = 2.0 + (double)rc - (double)bc, of_b = 4.0 + (double)gc - (double)rc, of_r = (double)(bc - gc);
        const float sixth = (float)(r == max ? of_r : g == max ? of_g : of_b);
        const double turn = (double)sixth / 6.0 + 1.0; /* in [5/6, 2): the remainder of 1 is one exact subtraction */
        const float h = (float)(turn >= 1.0 ? turn - 1.0 : turn);
        out->a[i] = (uint8_t)(int)((double)h * 255.0);
        out->b[i] = (uint8_t)(int)((double)s * 255.0);
        out->c[i] = (uint8_t)max;
    }
}
GP_TWICE(to_hsv, (planes *restrict out, const planes *restrict in), (out, in))

/* The other levels of a colour with saturation s, value v at position f of its sector: the lowest, the falling and the rising one. */
GP_INLINE void levels_body(planes *restrict out, const planes *restrict hsv, const float *restrict at)
{
    for (size_t i = 0; i < RUN; i++) {
        const double v = (double)hsv->c[i], f = (double)at[i], s = (double)((float)hsv->b[i] / 255.0f);
        out->a[i] = (uint8_t)(int)(v * (1.0 - s) + 0.5);
        out->b[i] = (uint8_t)(int)(v * (1.0 - s * f) + 0.5);
        out->c[i] = (uint8_t)(int)(v * (1.0 - s * (1.0 - f)) + 0.5);
    }
}
GP_TWICE(levels, (planes *restrict out, const planes *restrict hsv, const float *restrict at), (out, hsv, at))

/* Sector and position within it of each of the 256 hues. */
typedef struct sector {
    int i;
    float f;
} sector;

/* n <= RUN pixels; the rest of a run is zeros. */
static void hue_run(uint8_t *px, size_t n, const sector sec[256])
{
    /* Which of value, lowest, falling and rising level red, green and blue are. */
    static const uint8_t pick[6][3] = {{0, 3, 1}, {2, 0, 1}, {1, 0, 3}, {1, 2, 0}, {3, 1, 0}, {0, 1, 2}};
    planes rgb = {{0}, {0}, {0}}, hsv, level;
    float at[RUN];
    for (size_t i = 0; i < n; i++) rgb.a[i] = px[3 * i], rgb.b[i] = px[3 * i + 1], rgb.c[i] = px[3 * i + 2];
    to_hsv(&hsv, &rgb);
    for (size_t i = 0; i < RUN; i++) at[i] = sec[hsv.a[i]].f;
    levels(&level, &hsv, at);
    for (size_t i = 0; i < n; i++) {
        const uint8_t of[4] = {hsv.c[i], level.a[i], level.b[i], level.c[i]}, *k = pick[sec[hsv.a[i]].i % 6];
        for (size_t c = 0; c < 3; c++) px[3 * i + c] = of[k[c]];
    }
}

void gp_adjust_hue(gp_image *im, float f)
{
    const uint8_t shift = (uint8_t)(int)(255.0 * (double)f);
    sector sec[256];
    for (int h = 0; h < 256; h++) {
        double a = (double)((h + shift) & 255) * 6.0 / 255.0;
        sec[h].i = (int)a;
        sec[h].f = (float)(a - (double)sec[h].i);
    }
    const size_t n = n_pixels(im);
    for (size_t at = 0; at < n; at += RUN) hue_run(im->px + 3 * at, gp_min_size(RUN, n - at), sec);
}

static float factor(gp_rng *r, double j)
{
    double lo = 1.0 - j;
    return (float)gp_rng_range(r, lo > 0.0 ? lo : 0.0, 1.0 + j);
}

void gp_color_jitter(gp_image *im, double brightness, double contrast, double saturation, double hue, gp_rng *r)
{
    uint32_t order[4] = {0, 1, 2, 3};
    gp_rng_shuffle(r, order, 4);
    const float fb = factor(r, brightness), fc = factor(r, contrast), fs = factor(r, saturation);
    const float fh = (float)gp_rng_range(r, -hue, hue);
    for (int i = 0; i < 4; i++) {
        if (order[i] == 0 && brightness > 0.0) gp_adjust_brightness(im, fb);
        if (order[i] == 1 && contrast > 0.0) gp_adjust_contrast(im, fc);
        if (order[i] == 2 && saturation > 0.0) gp_adjust_saturation(im, fs);
        if (order[i] == 3 && hue > 0.0) gp_adjust_hue(im, fh);
    }
}
