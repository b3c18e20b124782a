/* transform.c - the test transform, normalisation and the flip (METHODS 1.5).
 * SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <string.h>

#include "image/image_int.h"

gopro_status gp_image_resize(gp_image *out, const gp_image *im, uint32_t x, uint32_t y, uint32_t w, uint32_t h, uint32_t ow, uint32_t oh,
                             gp_filter f, gopro_error *err)
{
    return gp_image_resample(out, im, (gp_box){x, y, w, h}, ow, oh, (gp_box){0, 0, ow, oh}, f, err);
}

gopro_status gp_image_center(gp_image *out, const gp_image *im, uint32_t size, gp_filter f, gopro_error *err)
{
    return gp_image_center_of(out, im, size, size, f, err);
}

gopro_status gp_image_center_of(gp_image *out, const gp_image *im, uint32_t shorter, uint32_t size, gp_filter f, gopro_error *err)
{
    *out = (gp_image){0};
    if (size == 0 || shorter < size || !im->px) return gp_fail(err, GOPRO_E_INVALID, "cannot crop to %u x %u pixels", size, size);
    uint64_t w = shorter, h = shorter;
    if (im->w <= im->h)
        h = (uint64_t)shorter * im->h / im->w;
    else
        w = (uint64_t)shorter * im->w / im->h;
    if (w > UINT32_MAX || h > UINT32_MAX)
        return gp_fail(err, GOPRO_E_DATA, "an image of %u x %u pixels is too narrow to be resized", im->w, im->h);
    /* Half a pixel rounds to even, as torchvision's centre crop does. */
    gp_box win = {(uint32_t)nearbyint((double)(w - size) / 2.0), (uint32_t)nearbyint((double)(h - size) / 2.0), size, size};
    return gp_image_resample(out, im, (gp_box){0, 0, im->w, im->h}, (uint32_t)w, (uint32_t)h, win, f, err);
}

void gp_image_normalise(float *x, const gp_image *im, const float mean[3], const float std[3])
{
    const size_t n = (size_t)im->w * im->h, ch = im->channels;
    for (uint32_t c = 0; c < 3; c++) {
        float lut[256];
        for (int v = 0; v < 256; v++) lut[v] = ((float)v / 255.0f - mean[c]) / std[c];
        const uint8_t *p = im->px + c;
        float *dst = x + c * n;
        for (size_t i = 0; i < n; i++) dst[i] = lut[p[i * ch]];
    }
}

static void flip_row(uint8_t *row, size_t w, size_t ch)
{
    for (uint8_t *a = row, *b = row + (w - 1) * ch; a < b; a += ch, b -= ch)
        for (size_t c = 0; c < ch; c++) {
            const uint8_t t = a[c];
            a[c] = b[c];
            b[c] = t;
        }
}

void gp_image_flip(gp_image *im)
{
    const size_t ch = im->channels, w = im->w;
    for (uint32_t y = 0; y < im->h; y++) {
        if (ch == 3)
            flip_row(im->px + y * w * 3, w, 3);
        else
            flip_row(im->px + y * w * ch, w, ch);
    }
}
