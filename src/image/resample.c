/* resample.c - Pillow's two-pass antialiased resampler in fixed point (METHODS 1.5), computing only the wanted window.
 * SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "image/image_int.h"

#if GP_AVX2
#include <immintrin.h>
#endif

#define WEIGHT_BITS 22
#define HALF_BITS   11
#define TILE        16 /* sums kept in registers */
#define ROWS        (TILE / 4)

/* Weights of the outputs o0 .. o0+n-1 of one axis: output i sums w[i*taps + j] * in[lo[i] + j], j < len[i]. */
typedef struct axis {
    int32_t *w;
    uint32_t *lo, *len;
    uint32_t taps;
    void *block;
} axis;

static double bicubic(double x)
{
    const double a = -0.5;
    x = fabs(x);
    if (x < 1.0) return ((a + 2.0) * x - (a + 3.0)) * x * x + 1.0;
    if (x < 2.0) return (((x - 5.0) * x + 8.0) * x - 4.0) * a;
    return 0.0;
}

static double bilinear(double x)
{
    x = fabs(x);
    return x < 1.0 ? 1.0 - x : 0.0;
}

/* k: scratch of ax->taps. */
static void axis_weights(axis *ax, double *k, uint32_t in, uint32_t out, uint32_t o0, uint32_t n, gp_filter filter)
{
    double scale = (double)in / (double)out, f = scale < 1.0 ? 1.0 : scale;
    double support = (filter == GP_BICUBIC ? 2.0 : 1.0) * f, inv = 1.0 / f;
    for (uint32_t i = 0; i < n; i++) {
        double c = ((double)(o0 + i) + 0.5) * scale, sum = 0.0;
        double first = c - support + 0.5, last = c + support + 0.5;
        uint32_t lo = first > 0.0 ? (uint32_t)first : 0, hi = last < (double)in ? (uint32_t)last : in, len = hi - lo;
        for (uint32_t j = 0; j < len; j++) {
            double x = ((double)(lo + j) - c + 0.5) * inv;
            k[j] = filter == GP_BICUBIC ? bicubic(x) : bilinear(x);
            sum += k[j];
        }
        int32_t *w = ax->w + (size_t)i * ax->taps;
        for (uint32_t j = 0; j < len; j++) {
            double v = (sum != 0.0 ? k[j] / sum : k[j]) * (double)(1 << WEIGHT_BITS);
            w[j] = (int32_t)(v < 0.0 ? v - 0.5 : v + 0.5);
        }
        ax->lo[i] = lo, ax->len[i] = len;
    }
}

static gopro_status axis_make(axis *ax, uint32_t in, uint32_t out, uint32_t o0, uint32_t n, gp_filter filter, gopro_error *err)
{
    double f = (double)in / (double)out;
    double support = (filter == GP_BICUBIC ? 2.0 : 1.0) * (f < 1.0 ? 1.0 : f);
    double taps = ceil(support) * 2.0 + 1.0;
    ax->taps = taps < (double)in ? (uint32_t)taps : in;
    size_t nw = 0, bytes = 0;
    if (!gp_mul_size(&nw, n, ax->taps) || !gp_add_size(&bytes, nw, 2 * (size_t)n) || !gp_mul_size(&bytes, bytes, 4) ||
        !gp_add_size(&bytes, bytes, 8 * (size_t)ax->taps) || bytes > GP_IMAGE_MAX_BYTES)
        return gp_fail(err, GOPRO_E_INVALID, "cannot resize %u to %u pixels: too many weights", in, out);
    double *k = malloc(bytes);
    if (!k) return gp_fail_nomem(err, bytes, "resampling weights");
    ax->block = k;
    ax->w = (int32_t *)(void *)(k + ax->taps);
    ax->lo = (uint32_t *)(void *)(ax->w + nw);
    ax->len = ax->lo + n;
    axis_weights(ax, k, in, out, o0, n, filter);
    return GOPRO_OK;
}

static inline uint8_t clip(int32_t acc)
{
    int32_t v = acc >> WEIGHT_BITS;
    return (uint8_t)(v < 0 ? 0 : v > 255 ? 255 : v);
}

/* One row, n outputs of 3 channels. */
static void row3(uint8_t *restrict dst, const uint8_t *restrict src, const axis *ax, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        const int32_t *w = ax->w + (size_t)i * ax->taps;
        const uint8_t *p = src + 3 * (size_t)ax->lo[i];
        int32_t r = 1 << (WEIGHT_BITS - 1), g = r, b = r;
        for (uint32_t j = 0; j < ax->len[i]; j++, p += 3) {
            r += w[j] * p[0];
            g += w[j] * p[1];
            b += w[j] * p[2];
        }
        dst[3 * i] = clip(r);
        dst[3 * i + 1] = clip(g);
        dst[3 * i + 2] = clip(b);
    }
}

static void row_any(uint8_t *restrict dst, const uint8_t *restrict src, const axis *ax, uint32_t n, uint32_t ch)
{
    for (uint32_t i = 0; i < n; i++)
        for (uint32_t c = 0; c < ch; c++) {
            const int32_t *w = ax->w + (size_t)i * ax->taps;
            const uint8_t *p = src + (size_t)ch * ax->lo[i] + c;
            int32_t acc = 1 << (WEIGHT_BITS - 1);
            for (uint32_t j = 0; j < ax->len[i]; j++) acc += w[j] * p[(size_t)j * ch];
            dst[(size_t)i * ch + c] = clip(acc);
        }
}

/* One output row as a weighted sum of `len` input rows of n bytes each, `stride` apart.  Tiles keep the sums in registers; weights are
 * split into 16-bit halves because baseline vector units multiply those much faster: w p = (high p << 11) + low p. */
static void column_plain(uint8_t *restrict dst, const uint8_t *restrict src, size_t stride, const int32_t *w, uint32_t len, size_t n)
{
    size_t at = 0;
    for (; at + TILE <= n; at += TILE) {
        uint32_t hi[TILE] = {0}, lo[TILE]; /* modulo 2^32: only their combination is small */
        for (int i = 0; i < TILE; i++) lo[i] = 1 << (WEIGHT_BITS - 1);
        for (uint32_t j = 0; j < len; j++) {
            const uint8_t *p = src + (size_t)j * stride + at;
            const int16_t wh = (int16_t)(w[j] >> HALF_BITS), wl = (int16_t)(w[j] & ((1 << HALF_BITS) - 1));
            for (int i = 0; i < TILE; i++) {
                hi[i] += (uint32_t)((int16_t)p[i] * wh);
                lo[i] += (uint32_t)((int16_t)p[i] * wl);
            }
        }
        for (int i = 0; i < TILE; i++) dst[at + (size_t)i] = clip((int32_t)((hi[i] << HALF_BITS) + lo[i]));
    }
    for (; at < n; at++) {
        int32_t acc = 1 << (WEIGHT_BITS - 1);
        for (uint32_t j = 0; j < len; j++) acc += w[j] * src[(size_t)j * stride + at];
        dst[at] = clip(acc);
    }
}

#if GP_AVX2
/* TILE weighted sums of `len` runs of bytes, `stride` apart. */
static inline GP_FOR_AVX2 void tile(uint8_t *dst, const uint8_t *src, size_t stride, const int32_t *w, uint32_t len)
{
    __m256i a = _mm256_set1_epi32(1 << (WEIGHT_BITS - 1)), b = a;
    for (uint32_t j = 0; j < len; j++, src += stride) {
        const __m128i p = _mm_loadu_si128((const __m128i *)(const void *)src);
        const __m256i k = _mm256_set1_epi32(w[j]);
        a = _mm256_add_epi32(a, _mm256_mullo_epi32(k, _mm256_cvtepu8_epi32(p)));
        b = _mm256_add_epi32(b, _mm256_mullo_epi32(k, _mm256_cvtepu8_epi32(_mm_srli_si128(p, 8))));
    }
    const __m256i v = _mm256_packs_epi32(_mm256_srai_epi32(a, WEIGHT_BITS), _mm256_srai_epi32(b, WEIGHT_BITS));
    const __m256i c = _mm256_permute4x64_epi64(v, 0xd8);
    _mm_storeu_si128((__m128i *)(void *)dst, _mm_packus_epi16(_mm256_castsi256_si128(c), _mm256_extracti128_si256(c, 1)));
}

static GP_FOR_AVX2 void column_avx2(uint8_t *dst, const uint8_t *src, size_t stride, const int32_t *w, uint32_t len, size_t n)
{
    size_t at = 0;
    for (; at + TILE <= n; at += TILE) tile(dst + at, src + at, stride, w, len);
    if (at < n) column_plain(dst + at, src + at, stride, w, len, n - at);
}

/* ROWS rows at once: a pixel of 3 or 4 channels takes 4 bytes of `quad`, those of the rows side by side, so that one tile is the same
 * pixel of all of them.  in: pixels from the first that is read to the last. */
static GP_FOR_AVX2 void rows_avx2(uint8_t *const dst[ROWS], const uint8_t *const src[ROWS], uint8_t *quad, const axis *ax, size_t in,
                                  size_t n, size_t ch)
{
    const size_t lo0 = ax->lo[0];
    for (size_t r = 0; r < ROWS; r++) {
        const uint8_t *p = src[r] + ch * lo0;
        uint8_t *q = quad + 4 * r;
        for (size_t x = 0; x + 1 < in; x++, p += ch, q += TILE) memcpy(q, p, 4);
        memcpy(q, p, ch);
    }
    uint8_t *d[ROWS];
    memcpy(d, dst, sizeof d);
    for (size_t i = 0; i < n; i++) {
        uint8_t out[TILE];
        tile(out, quad + TILE * (ax->lo[i] - lo0), TILE, ax->w + i * ax->taps, ax->len[i]);
        for (size_t r = 0; r < ROWS; r++, d[r - 1] += ch) memcpy(d[r], out + 4 * r, i + 1 < n ? 4 : ch);
    }
}

/* The horizontal pass over `count` rows. */
static gopro_status across_avx2(uint8_t *dst, size_t dst_stride, const uint8_t *src, size_t src_stride, size_t count, const axis *ax,
                                uint32_t n, size_t ch, gopro_error *err)
{
    const uint32_t in = ax->lo[n - 1] + ax->len[n - 1] - ax->lo[0];
    uint8_t *quad = calloc(in, TILE);
    if (!quad) return gp_fail_nomem(err, (size_t)in * TILE, "rows to be resampled");
    for (size_t y = 0; y < count; y += ROWS) {
        uint8_t *to[ROWS];
        const uint8_t *from[ROWS];
        for (size_t r = 0; r < ROWS; r++) { /* what is missing of the last group repeats the last row */
            const size_t k = gp_min_size(y + r, count - 1);
            to[r] = dst + k * dst_stride;
            from[r] = src + k * src_stride;
        }
        rows_avx2(to, from, quad, ax, in, n, ch);
    }
    free(quad);
    return GOPRO_OK;
}
#endif

static void column(uint8_t *dst, const uint8_t *src, size_t stride, const int32_t *w, uint32_t len, size_t n)
{
#if GP_AVX2
    if (GP_HAS_AVX2()) {
        column_avx2(dst, src, stride, w, len, n);
        return;
    }
#endif
    column_plain(dst, src, stride, w, len, n);
}

/* The horizontal pass over `count` rows. */
static gopro_status across(uint8_t *dst, size_t dst_stride, const uint8_t *src, size_t src_stride, size_t count, const axis *ax, uint32_t n,
                           uint32_t ch, gopro_error *err)
{
#if GP_AVX2
    if (GP_HAS_AVX2() && ch >= 3) return across_avx2(dst, dst_stride, src, src_stride, count, ax, n, ch, err);
#endif
    (void)err;
    for (size_t y = 0; y < count; y++) {
        if (ch == 3)
            row3(dst + y * dst_stride, src + y * src_stride, ax, n);
        else
            row_any(dst + y * dst_stride, src + y * src_stride, ax, n, ch);
    }
    return GOPRO_OK;
}

static bool box_inside(gp_box b, uint32_t w, uint32_t h)
{
    return b.w > 0 && b.h > 0 && b.x <= w && b.y <= h && b.w <= w - b.x && b.h <= h - b.y;
}

gopro_status gp_image_resample(gp_image *out, const gp_image *im, gp_box box, uint32_t ow, uint32_t oh, gp_box win, gp_filter f,
                               gopro_error *err)
{
    *out = (gp_image){0};
    if (!im->px || !box_inside(box, im->w, im->h) || !box_inside(win, ow, oh))
        return gp_fail(err, GOPRO_E_INVALID, "cannot resize a box of %u x %u at (%u, %u) of an image of %u x %u to %u x %u", box.w, box.h,
                       box.x, box.y, im->w, im->h, ow, oh);
    const uint32_t ch = im->channels;
    const size_t stride = (size_t)im->w * ch, row = (size_t)win.w * ch;
    const uint8_t *src = im->px + box.y * stride + (size_t)box.x * ch;
    axis ax = {0}, ay = {0};
    gp_image tmp = {0};
    gopro_status st = GOPRO_OK;
    uint32_t y0 = win.y, y1 = win.y + win.h; /* rows of the box that are read */
    if (oh != box.h) {
        GP_CHECK(axis_make(&ay, box.h, oh, win.y, win.h, f, err));
        y0 = ay.lo[0], y1 = ay.lo[win.h - 1] + ay.len[win.h - 1];
    }
    GP_CHECK(gp_image_alloc(out, win.w, win.h, ch, err));
    const uint8_t *mid = src + y0 * stride + (size_t)win.x * ch;
    size_t mid_stride = stride;
    if (ow != box.w) {
        GP_CHECK(axis_make(&ax, box.w, ow, win.x, win.w, f, err));
        uint8_t *dst = out->px;
        if (oh != box.h) {
            GP_CHECK(gp_image_alloc(&tmp, win.w, y1 - y0, ch, err));
            dst = tmp.px;
        }
        GP_CHECK(across(dst, row, src + y0 * stride, stride, y1 - y0, &ax, win.w, ch, err));
        mid = dst, mid_stride = row;
    }
    if (oh != box.h)
        for (uint32_t i = 0; i < win.h; i++)
            column(out->px + i * row, mid + (ay.lo[i] - y0) * mid_stride, mid_stride, ay.w + (size_t)i * ay.taps, ay.len[i], row);
    else if (ow == box.w)
        for (uint32_t i = 0; i < win.h; i++) memcpy(out->px + i * row, mid + i * mid_stride, row);
out:
    free(ax.block);
    free(ay.block);
    gp_image_free(&tmp);
    if (st != GOPRO_OK) gp_image_free(out);
    return st;
}
