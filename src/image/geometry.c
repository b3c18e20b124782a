/* geometry.c - bilinear affine maps and rotation with Pillow's conventions (METHODS 4.4).
 * SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "image/views.h"

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

gopro_status gp_affine(gp_image *im, const double k[6], gopro_error *err)
{
    const int w = (int)im->w, h = (int)im->h;
    const size_t bytes = 3 * (size_t)im->w * im->h;
    uint8_t *out = malloc(bytes);
    if (!out) return gp_fail_nomem(err, bytes, "a transformed image");
    if (k[0] == 1.0 && k[1] == 0.0 && k[3] == 0.0 && k[4] == 1.0 && whole(k[2], w) && whole(k[5], h)) {
        shift(out, im->px, w, h, (int)k[2], (int)k[5]);
    } else {
        uint8_t *p = out;
        for (int Y = 0; Y < h; Y++) {
            const double yc = (double)Y + 0.5;
            for (int X = 0; X < w; X++, p += 3) {
                const double xc = (double)X + 0.5;
                const double x = k[0] * xc + k[1] * yc + k[2], y = k[3] * xc + k[4] * yc + k[5];
                if (x >= 0.0 && x < (double)w && y >= 0.0 && y < (double)h)
                    sample(p, im->px, w, h, x, y);
                else
                    p[0] = p[1] = p[2] = 0;
            }
        }
    }
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
