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

static void blend_constant(gp_image *im, int d, float f)
{
    uint8_t lut[256];
    for (int v = 0; v < 256; v++) lut[v] = blend(d, v, f);
    const size_t n = 3 * n_pixels(im);
    for (size_t i = 0; i < n; i++) im->px[i] = lut[im->px[i]];
}

void gp_adjust_brightness(gp_image *im, float f)
{
    blend_constant(im, 0, f);
}

void gp_adjust_contrast(gp_image *im, float f)
{
    const size_t n = n_pixels(im);
    uint64_t sum = 0;
    for (size_t i = 0; i < n; i++) sum += luma(im->px + 3 * i);
    blend_constant(im, (int)((double)sum / (double)n + 0.5), f);
}

void gp_adjust_saturation(gp_image *im, float f)
{
    const size_t n = n_pixels(im);
    for (size_t i = 0; i < n; i++) {
        uint8_t *p = im->px + 3 * i;
        int d = (int)luma(p);
        for (int c = 0; c < 3; c++) p[c] = blend(d, p[c], f);
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

typedef struct hsv {
    uint8_t h, s, v;
} hsv;

/* fp32 intermediates where Pillow keeps them: the hue is rounded to float before and after the wrap to [0, 1). */
static hsv to_hsv(const uint8_t *p)
{
    uint8_t r = p[0], g = p[1], b = p[2];
    uint8_t max = r > g ? r : g, min = r < g ? r : g;
    if (b > max) max = b;
    if (b < min) min = b;
    if (max == min) return (hsv){0, 0, max};
    float cr = (float)(max - min);
    float s = cr / (float)max;
    float rc = (float)(max - r) / cr, gc = (float)(max - g) / cr, bc = (float)(max - b) / cr;
    float h;
    if (r == max)
        h = bc - gc;
    else if (g == max)
        h = (float)(2.0 + (double)rc - (double)bc);
    else
        h = (float)(4.0 + (double)gc - (double)rc);
    double turn = (double)h / 6.0 + 1.0; /* in [5/6, 2): the remainder of 1 is one exact subtraction */
    h = (float)(turn >= 1.0 ? turn - 1.0 : turn);
    return (hsv){(uint8_t)((double)h * 255.0), (uint8_t)((double)s * 255.0), max};
}

/* Sector and position within it of each of the 256 hues. */
typedef struct sector {
    int i;
    float f;
} sector;

static void from_hsv(uint8_t *px, hsv c, const sector *sec)
{
    if (c.s == 0) {
        px[0] = px[1] = px[2] = c.v;
        return;
    }
    const double v = (double)c.v, f = (double)sec->f, s = (double)((float)c.s / 255.0f);
    const uint8_t p = (uint8_t)(v * (1.0 - s) + 0.5);
    const uint8_t q = (uint8_t)(v * (1.0 - s * f) + 0.5);
    const uint8_t t = (uint8_t)(v * (1.0 - s * (1.0 - f)) + 0.5);
    switch (sec->i % 6) {
    case 0:
        px[0] = c.v, px[1] = t, px[2] = p;
        break;
    case 1:
        px[0] = q, px[1] = c.v, px[2] = p;
        break;
    case 2:
        px[0] = p, px[1] = c.v, px[2] = t;
        break;
    case 3:
        px[0] = p, px[1] = q, px[2] = c.v;
        break;
    case 4:
        px[0] = t, px[1] = p, px[2] = c.v;
        break;
    default:
        px[0] = c.v, px[1] = p, px[2] = q;
        break;
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
    for (size_t i = 0; i < n; i++) {
        hsv c = to_hsv(im->px + 3 * i);
        from_hsv(im->px + 3 * i, c, &sec[c.h]);
    }
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
