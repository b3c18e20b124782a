/* ops.c - autocontrast, equalize, posterize and solarize: one look-up table per channel (METHODS 4.4).
 * SPDX-License-Identifier: Apache-2.0 */
#include "image/views.h"

#include <string.h>

static size_t n_pixels(const gp_image *im)
{
    return (size_t)im->w * im->h;
}

/* One table per channel. */
typedef struct tables {
    uint8_t v[3][256];
} tables;

static void histograms(uint32_t h[3][256], const gp_image *im)
{
    memset(h, 0, 3 * sizeof *h);
    const size_t n = n_pixels(im);
    const uint8_t *p = im->px;
    for (size_t i = 0; i < n; i++, p += 3)
        for (size_t c = 0; c < 3; c++) h[c][p[c]]++;
}

static void apply(gp_image *im, const tables *t)
{
    const size_t n = n_pixels(im);
    uint8_t *restrict p = im->px;
    for (size_t i = 0; i < n; i++, p += 3)
        for (size_t c = 0; c < 3; c++) p[c] = t->v[c][p[c]];
}

static void autocontrast_table(uint8_t lut[256], const uint32_t h[256])
{
    int lo = 0, hi = 255;
    while (lo < 255 && h[lo] == 0) lo++;
    while (hi > 0 && h[hi] == 0) hi--;
    if (hi <= lo) {
        for (int v = 0; v < 256; v++) lut[v] = (uint8_t)v;
        return;
    }
    const double sc = 255.0 / (double)(hi - lo), off = (double)-lo * sc;
    for (int v = 0; v < 256; v++) {
        int i = (int)((double)v * sc + off);
        lut[v] = (uint8_t)(i < 0 ? 0 : i > 255 ? 255 : i);
    }
}

static void equalize_table(uint8_t lut[256], const uint32_t h[256], uint32_t total)
{
    uint32_t last = 0, present = 0;
    for (int v = 0; v < 256; v++)
        if (h[v] > 0) last = h[v], present++;
    const uint32_t step = (total - last) / 255;
    const bool flat = present <= 1 || step == 0;
    uint32_t n = step / 2;
    for (int v = 0; v < 256; v++) {
        const uint32_t level = flat ? (uint32_t)v : n / step;
        lut[v] = (uint8_t)(level < 255 ? level : 255);
        n += h[v];
    }
}

void gp_autocontrast(gp_image *im)
{
    uint32_t h[3][256];
    tables t;
    histograms(h, im);
    for (int c = 0; c < 3; c++) autocontrast_table(t.v[c], h[c]);
    apply(im, &t);
}

void gp_equalize(gp_image *im)
{
    uint32_t h[3][256];
    tables t;
    histograms(h, im);
    for (int c = 0; c < 3; c++) equalize_table(t.v[c], h[c], (uint32_t)n_pixels(im));
    apply(im, &t);
}

void gp_posterize(gp_image *im, int bits)
{
    const int b = bits < 0 ? 0 : bits > 8 ? 8 : bits;
    const uint8_t mask = (uint8_t)(0xff00u >> b);
    const size_t n = 3 * n_pixels(im);
    uint8_t *px = im->px; /* bytes may alias anything: the pointer is read once */
    for (size_t i = 0; i < n; i++) px[i] &= mask;
}

void gp_solarize(gp_image *im, int threshold)
{
    if (threshold > 255) return;
    const uint8_t from = (uint8_t)(threshold < 0 ? 0 : threshold);
    const size_t n = 3 * n_pixels(im);
    uint8_t *px = im->px;
    for (size_t i = 0; i < n; i++) px[i] = (uint8_t)(px[i] ^ (px[i] >= from ? 255 : 0));
}
