/* ops.c - autocontrast, equalize, posterize and solarize: one look-up table per channel (METHODS 4.4).
 * SPDX-License-Identifier: Apache-2.0 */
#include "image/views.h"

static size_t n_pixels(const gp_image *im)
{
    return (size_t)im->w * im->h;
}

static void histogram(uint64_t h[256], const gp_image *im, int c)
{
    for (int v = 0; v < 256; v++) h[v] = 0;
    const size_t n = n_pixels(im);
    for (size_t i = 0; i < n; i++) h[im->px[3 * i + (size_t)c]]++;
}

static void apply(gp_image *im, int c, const uint8_t lut[256])
{
    const size_t n = n_pixels(im);
    for (size_t i = 0; i < n; i++) {
        uint8_t *p = im->px + 3 * i + c;
        *p = lut[*p];
    }
}

void gp_autocontrast(gp_image *im)
{
    for (int c = 0; c < 3; c++) {
        uint64_t h[256];
        histogram(h, im, c);
        int lo = 0, hi = 255;
        while (lo < 255 && h[lo] == 0) lo++;
        while (hi > 0 && h[hi] == 0) hi--;
        if (hi <= lo) continue;
        uint8_t lut[256];
        const double sc = 255.0 / (double)(hi - lo), off = (double)-lo * sc;
        for (int v = 0; v < 256; v++) {
            int i = (int)((double)v * sc + off);
            lut[v] = (uint8_t)(i < 0 ? 0 : i > 255 ? 255 : i);
        }
        apply(im, c, lut);
    }
}

void gp_equalize(gp_image *im)
{
    for (int c = 0; c < 3; c++) {
        uint64_t h[256], total = n_pixels(im), last = 0, present = 0;
        histogram(h, im, c);
        for (int v = 0; v < 256; v++)
            if (h[v] > 0) last = h[v], present++;
        const uint64_t step = (total - last) / 255;
        if (present <= 1 || step == 0) continue;
        uint8_t lut[256];
        uint64_t n = step / 2;
        for (int v = 0; v < 256; v++) {
            lut[v] = (uint8_t)(n / step < 255 ? n / step : 255);
            n += h[v];
        }
        apply(im, c, lut);
    }
}

void gp_posterize(gp_image *im, int bits)
{
    const int b = bits < 0 ? 0 : bits > 8 ? 8 : bits;
    const uint8_t mask = (uint8_t)(0xff00u >> b);
    const size_t n = 3 * n_pixels(im);
    for (size_t i = 0; i < n; i++) im->px[i] &= mask;
}

void gp_solarize(gp_image *im, int threshold)
{
    const size_t n = 3 * n_pixels(im);
    for (size_t i = 0; i < n; i++) {
        uint8_t v = im->px[i];
        im->px[i] = v < threshold ? v : (uint8_t)(255 - v);
    }
}
