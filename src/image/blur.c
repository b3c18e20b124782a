/* blur.c - Pillow's Gaussian blur: three extended box passes along rows, three along columns (METHODS 4.2).
 * SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "image/views.h"

#define PASSES    3
#define MAX_SIGMA 100.0f /* box radius 100: sums of 201 bytes fit into 16 bits */

/* The box of radius r + fraction: weight ww inside, fw for the two pixels at its ends, times 2^24. */
typedef struct box {
    size_t r;
    uint32_t ww, fw;
} box;

static box box_of(float sigma)
{
    const float s2 = sigma * sigma / (float)PASSES;
    const float len = (float)sqrt(12.0 * (double)s2 + 1.0);
    const float l = (float)floor(((double)len - 1.0) / 2.0);
    float a = (2.0f * l + 1.0f) * (l * (l + 1.0f) - 3.0f * s2);
    a /= 6.0f * (s2 - (l + 1.0f) * (l + 1.0f));
    const float radius = l + a;
    box b = {.r = (size_t)radius};
    b.ww = (uint32_t)(16777216.0f / (radius * 2.0f + 1.0f));
    b.fw = (uint32_t)((16777216u - (uint32_t)(2 * b.r + 1) * b.ww) / 2u);
    return b;
}

/* out = (ww sum + fw (a + c) + 2^23) >> 24.  The weights are split into 12-bit halves because baseline vector units multiply 16 bits
 * much faster than 32; sums fit into 16 bits. */
GP_INLINE void mix_body(uint8_t *restrict out, const uint16_t *restrict sum, const uint8_t *restrict a, const uint8_t *restrict c, size_t n,
                        box b)
{
    const uint16_t wh = (uint16_t)(b.ww >> 12), wl = b.ww & 0xfff, fh = (uint16_t)(b.fw >> 12), fl = b.fw & 0xfff;
    for (size_t i = 0; i < n; i++) {
        const uint16_t s = sum[i], e = (uint16_t)(a[i] + c[i]);
        const uint32_t high = (uint32_t)s * wh + (uint32_t)e * fh, low = (uint32_t)s * wl + (uint32_t)e * fl;
        out[i] = (uint8_t)(((high << 12) + low + (1u << 23)) >> 24);
    }
}

GP_TWICE(mix, (uint8_t *restrict out, const uint16_t *restrict sum, const uint8_t *restrict a, const uint8_t *restrict c, size_t n, box b),
         (out, sum, a, c, n, b))

/* Sums of the 2 r + 1 pixels around each of a row; from: the first of them for the first pixel. */
static void row_sums(uint16_t *restrict sum, const uint8_t *restrict from, size_t n, size_t r)
{
    if (r == 0) { /* nearly every blur of a view has radius 0 or 1 */
        for (size_t i = 0; i < n; i++) sum[i] = from[i];
    } else if (r == 1) {
        for (size_t i = 0; i < n; i++) sum[i] = (uint16_t)(from[i] + from[i + 3] + from[i + 6]);
    } else {
        for (size_t c = 0; c < 3; c++) {
            sum[c] = 0;
            for (size_t d = 0; d <= 2 * r; d++) sum[c] = (uint16_t)(sum[c] + from[3 * d + c]);
        }
        for (size_t i = 3; i < n; i++) sum[i] = (uint16_t)(sum[i - 3] + from[i + 6 * r] - from[i - 3]);
    }
}

/* pad: (w + 2 (r + 1)) pixels; sum: w pixels.  One row, all passes, in place. */
static void blur_row(uint8_t *row, uint8_t *pad, uint16_t *sum, size_t w, box b)
{
    const size_t edge = b.r + 1, n = 3 * w;
    uint8_t *mid = pad + 3 * edge;
    for (int pass = 0; pass < PASSES; pass++) {
        memcpy(mid, row, n);
        for (size_t i = 0; i < edge; i++) {
            memcpy(pad + 3 * i, row, 3);
            memcpy(mid + n + 3 * i, row + n - 3, 3);
        }
        row_sums(sum, pad + 3, n, b.r);
        mix(row, sum, pad, mid + 3 * edge, n, b);
    }
}

/* Row y of an image whose rows repeat beyond its edges. */
static const uint8_t *row_at(const uint8_t *px, ptrdiff_t y, size_t h, size_t n)
{
    size_t k = y < 0 ? 0 : (size_t)y >= h ? h - 1 : (size_t)y;
    return px + k * n;
}

/* One pass along columns, row by row: sum[i] holds the column sums of rows y-r .. y+r. */
static void blur_columns(uint8_t *restrict dst, const uint8_t *restrict src, uint16_t *restrict sum, size_t n, size_t h, box b)
{
    const ptrdiff_t r = (ptrdiff_t)b.r;
    memset(sum, 0, n * sizeof *sum);
    for (ptrdiff_t d = -r; d <= r; d++) {
        const uint8_t *p = row_at(src, d, h, n);
        for (size_t i = 0; i < n; i++) sum[i] = (uint16_t)(sum[i] + p[i]);
    }
    for (size_t k = 0; k < h; k++) {
        const ptrdiff_t y = (ptrdiff_t)k;
        const uint8_t *before = row_at(src, y - r - 1, h, n), *after = row_at(src, y + r + 1, h, n);
        const uint8_t *oldest = row_at(src, y - r, h, n);
        mix(dst + k * n, sum, before, after, n, b);
        for (size_t i = 0; i < n; i++) sum[i] = (uint16_t)(sum[i] + after[i] - oldest[i]);
    }
}

gopro_status gp_gaussian_blur(gp_image *im, float sigma, gopro_error *err)
{
    if (!(sigma >= 0.0f && sigma <= MAX_SIGMA))
        return gp_fail(err, GOPRO_E_INVALID, "blur sigma %g is out of range; expected 0 to %g pixels", (double)sigma, (double)MAX_SIGMA);
    const box b = box_of(sigma);
    const size_t w = im->w, h = im->h, n = 3 * w, pad = 3 * (w + 2 * (b.r + 1));
    const size_t bytes = n * sizeof(uint16_t) + pad + n * h;
    uint16_t *sum = malloc(bytes);
    if (!sum) return gp_fail_nomem(err, bytes, "a blurred image");
    uint8_t *padded = (uint8_t *)(sum + n), *other = padded + pad;
    for (size_t y = 0; y < h; y++) blur_row(im->px + y * n, padded, sum, w, b);
    blur_columns(other, im->px, sum, n, h, b);
    blur_columns(im->px, other, sum, n, h, b);
    blur_columns(other, im->px, sum, n, h, b);
    memcpy(im->px, other, n * h);
    free(sum);
    return GOPRO_OK;
}
