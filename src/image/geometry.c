/* geometry.c - bilinear affine maps and rotation with Pillow's conventions (METHODS 4.4).
 * SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "image/views.h"

#if GP_AVX2
#include <immintrin.h>
#endif

static inline double lerp(double a, double b, double d)
{
    return a + (b - a) * d;
}

static inline size_t clamp_index(int i, int n)
{
    return (size_t)(i < 0 ? 0 : i >= n ? n - 1 : i);
}

/* (x, y) inside [0, w) x [0, h).  Below the last row's centre only that row counts. */
static void sample(uint8_t *out, const uint8_t *src, int w, int h, double x, double y)
{
    x -= 0.5;
    y -= 0.5;
    const int ix = x < 0.0 ? -1 : (int)x, iy = y < 0.0 ? -1 : (int)y;
    const double dx = x - (double)ix, dy = y - (double)iy;
    const size_t stride = 3 * (size_t)w, x0 = 3 * clamp_index(ix, w), x1 = 3 * clamp_index(ix + 1, w);
    const uint8_t *upper = src + clamp_index(iy, h) * stride;
    const uint8_t *lower = iy + 1 < h ? src + (size_t)(iy + 1) * stride : upper;
    if (dy == 0.0) { /* shears along x: the lower row has no weight, exactly */
        for (int c = 0; c < 3; c++) out[c] = (uint8_t)lerp((double)upper[x0 + (size_t)c], (double)upper[x1 + (size_t)c], dx);
        return;
    }
    if (dx == 0.0) {
        for (int c = 0; c < 3; c++) out[c] = (uint8_t)lerp((double)upper[x0 + (size_t)c], (double)lower[x0 + (size_t)c], dy);
        return;
    }
    for (int c = 0; c < 3; c++) {
        const double u = lerp((double)upper[x0 + (size_t)c], (double)upper[x1 + (size_t)c], dx);
        const double v = lerp((double)lower[x0 + (size_t)c], (double)lower[x1 + (size_t)c], dx);
        out[c] = (uint8_t)lerp(u, v, dy);
    }
}

/* Whole-pixel shifts are copies: output (X, Y) reads (X + sx, Y + sy). */
static void shift(uint8_t *dst, const uint8_t *src, int w, int h, int sx, int sy)
{
    const int from = sx < 0 ? -sx : 0, to = sx > 0 ? w - sx : w;
    for (int y = 0; y < h; y++) {
        uint8_t *row = dst + 3 * (size_t)y * (size_t)w;
        memset(row, 0, 3 * (size_t)w);
        if (y + sy >= 0 && y + sy < h && to > from)
            memcpy(row + 3 * from, src + 3 * ((size_t)(y + sy) * (size_t)w + (size_t)(from + sx)), 3 * (size_t)(to - from));
    }
}

static bool whole(double v, int limit)
{
    return v > -(double)limit && v < (double)limit && v == floor(v);
}

/* The general map, pixel by pixel. */
static void affine_plain(uint8_t *out, const uint8_t *src, int w, int h, const double k[6])
{
    for (int Y = 0; Y < h; Y++) {
        const double yc = (double)Y + 0.5;
        for (int X = 0; X < w; X++, out += 3) {
            const double xc = (double)X + 0.5;
            const double x = k[0] * xc + k[1] * yc + k[2], y = k[3] * xc + k[4] * yc + k[5];
            if (x >= 0.0 && x < (double)w && y >= 0.0 && y < (double)h)
                sample(out, src, w, h, x, y);
            else
                out[0] = out[1] = out[2] = 0;
        }
    }
}

#if GP_AVX2
/* The channels of a pixel, and one byte more, as doubles. */
static inline GP_FOR_AVX2 __m256d load4(const uint8_t *p)
{
    int32_t v;
    memcpy(&v, p, 4);
    return _mm256_cvtepi32_pd(_mm_cvtepu8_epi32(_mm_cvtsi32_si128(v)));
}

static inline GP_FOR_AVX2 __m256d lerp4(__m256d a, __m256d b, __m256d d)
{
    return _mm256_add_pd(a, _mm256_mul_pd(_mm256_sub_pd(b, a), d));
}

/* The same numbers: x and y side by side, the three channels at once.  The caller sees to the bytes after the last pixels. */
static inline GP_FOR_AVX2 void sample4(uint8_t *out, const uint8_t *src, int w, int h, __m128d at)
{
    const __m128d p = _mm_sub_pd(at, _mm_set1_pd(0.5)), low = _mm_floor_pd(p), d = _mm_sub_pd(p, low);
    const __m128i i = _mm_cvttpd_epi32(low);
    const int ix = _mm_cvtsi128_si32(i), iy = _mm_extract_epi32(i, 1);
    const size_t stride = 3 * (size_t)w, x0 = 3 * clamp_index(ix, w), x1 = 3 * clamp_index(ix + 1, w);
    const uint8_t *upper = src + clamp_index(iy, h) * stride, *lower = src + clamp_index(iy + 1, h) * stride;
    const __m256d dx = _mm256_broadcastsd_pd(d), dy = _mm256_broadcastsd_pd(_mm_unpackhi_pd(d, d));
    __m256d v = lerp4(load4(upper + x0), load4(upper + x1), dx);
    if (_mm_cvtsd_f64(_mm_unpackhi_pd(d, d)) != 0.0) v = lerp4(v, lerp4(load4(lower + x0), load4(lower + x1), dx), dy);
    const __m128i n = _mm256_cvttpd_epi32(v), b = _mm_packus_epi16(_mm_packus_epi32(n, n), n);
    const int32_t bytes = _mm_cvtsi128_si32(b);
    memcpy(out, &bytes, 4);
}

static GP_FOR_AVX2 void affine_avx2(uint8_t *out, const uint8_t *src, int w, int h, const double k[6])
{
    /* Four bytes at the last pixel would pass the end: inputs from here on, and the last output, go the plain way. */
    const double end_x = w - 2, end_y = h - 2;
    const __m128d kx = _mm_set_pd(k[3], k[0]), kc = _mm_set_pd(k[5], k[2]), size = _mm_set_pd((double)h, (double)w),
                  zero = _mm_setzero_pd();
    for (int Y = 0; Y < h; Y++) {
        const double yc = (double)Y + 0.5;
        const __m128d ky = _mm_set_pd(k[4] * yc, k[1] * yc);
        for (int X = 0; X < w; X++, out += 3) {
            const __m128d at = _mm_add_pd(_mm_add_pd(_mm_mul_pd(kx, _mm_set1_pd((double)X + 0.5)), ky), kc);
            if (_mm_movemask_pd(_mm_and_pd(_mm_cmpge_pd(at, zero), _mm_cmplt_pd(at, size))) != 3) {
                out[0] = out[1] = out[2] = 0;
                continue;
            }
            const double x = _mm_cvtsd_f64(at), y = _mm_cvtsd_f64(_mm_unpackhi_pd(at, at));
            if ((x < end_x || y < end_y) && (X + 1 < w || Y + 1 < h))
                sample4(out, src, w, h, at);
            else
                sample(out, src, w, h, x, y);
        }
    }
}
#endif

gopro_status gp_affine(gp_image *im, const double k[6], gopro_error *err)
{
    const int w = (int)im->w, h = (int)im->h;
    const size_t bytes = 3 * (size_t)im->w * im->h;
    uint8_t *out = malloc(bytes);
    if (!out) return gp_fail_nomem(err, bytes, "a transformed image");
    if (k[0] == 1.0 && k[1] == 0.0 && k[3] == 0.0 && k[4] == 1.0 && whole(k[2], w) && whole(k[5], h))
        shift(out, im->px, w, h, (int)k[2], (int)k[5]);
#if GP_AVX2
    else if (GP_HAS_AVX2())
        affine_avx2(out, im->px, w, h, k);
#endif
    else
        affine_plain(out, im->px, w, h, k);
    free(im->px);
    im->px = out;
    return GOPRO_OK;
}

/* Pillow rounds the sine and cosine to 15 decimals, which makes quarter turns exact.  The product's own rounding must not decide: the sine
 * of 45 degrees lies just below the middle of two decimals. */
static double round15(double v)
{
    const double p = v * 1e15, rest = fma(v, 1e15, -p);
    const double r = nearbyint(p), d = (p - r) + rest;
    return (d > 0.5 ? r + 1.0 : d < -0.5 ? r - 1.0 : r) / 1e15;
}

gopro_status gp_rotate(gp_image *im, double degrees, gopro_error *err)
{
    const double pi = 3.14159265358979323846;
    double turn = fmod(degrees, 360.0);
    if (turn < 0.0) turn += 360.0;
    if (!isfinite(turn)) return gp_fail(err, GOPRO_E_INVALID, "cannot rotate by %g degrees", degrees);
    if (turn == 0.0) return GOPRO_OK;
    const double angle = -(turn * (pi / 180.0)), cx = (double)im->w / 2.0, cy = (double)im->h / 2.0;
    const double c = round15(cos(angle)), s = round15(sin(angle));
    const double k[6] = {c, s, -cx * c - cy * s + cx, -s, c, cx * s - cy * c + cy};
    return gp_affine(im, k, err);
}
