/* render.c - renders SVG with librsvg, writes PNG, makes thumbnails.
 * SPDX-License-Identifier: Apache-2.0 */
#include "render.h"

#include <cairo.h>
#include <librsvg/rsvg.h>
#include <math.h>
#include <spng.h>
#include <stdlib.h>
#include <string.h>

static bool unpremultiply(uint8_t *rgba, const unsigned char *data, size_t stride)
{
    bool ink = false;
    for (size_t y = 0; y < GE_SIZE; y++) {
        for (size_t x = 0; x < GE_SIZE; x++) {
            uint32_t p;
            memcpy(&p, data + y * stride + 4 * x, 4);
            unsigned a = p >> 24;
            uint8_t *o = rgba + 4 * (y * GE_SIZE + x);
            for (unsigned c = 0; c < 3; c++) {
                unsigned v = p >> (16 - 8 * c) & 255;
                o[c] = a ? (uint8_t)(v >= a ? 255 : (v * 255 + a / 2) / a) : 0;
            }
            o[3] = (uint8_t)a;
            ink |= a > 32;
        }
    }
    return ink;
}

bool ge_render(uint8_t *rgba, const char *svg, size_t n)
{
    GError *e = NULL;
    RsvgHandle *h = rsvg_handle_new_from_data((const guint8 *)svg, n, &e);
    if (!h) {
        g_clear_error(&e);
        return false;
    }
    cairo_surface_t *s = cairo_image_surface_create(CAIRO_FORMAT_ARGB32, GE_SIZE, GE_SIZE);
    cairo_t *c = cairo_create(s);
    RsvgRectangle view = {GE_MARGIN, GE_MARGIN, GE_SIZE - 2 * GE_MARGIN, GE_SIZE - 2 * GE_MARGIN};
    bool ok = rsvg_handle_render_document(h, c, &view, &e) && cairo_status(c) == CAIRO_STATUS_SUCCESS;
    cairo_destroy(c);
    cairo_surface_flush(s);
    if (ok) ok = unpremultiply(rgba, cairo_image_surface_get_data(s), (size_t)cairo_image_surface_get_stride(s));
    g_clear_error(&e);
    cairo_surface_destroy(s);
    g_object_unref(h);
    return ok;
}

void ge_on_white(uint8_t *rgb, const uint8_t *rgba)
{
    for (size_t i = 0; i < GE_SIZE * GE_SIZE; i++)
        for (size_t c = 0; c < 3; c++) {
            unsigned a = rgba[4 * i + 3];
            rgb[3 * i + c] = (uint8_t)((rgba[4 * i + c] * a + 255 * (255 - a) + 127) / 255);
        }
}

void ge_write_png(const char *path, const uint8_t *px, uint32_t w, uint32_t h, unsigned channels)
{
    FILE *f = ge_create(path);
    spng_ctx *c = spng_ctx_new(SPNG_CTX_ENCODER);
    struct spng_ihdr ihdr = {
        .width = w, .height = h, .bit_depth = 8, .color_type = channels == 4 ? SPNG_COLOR_TYPE_TRUECOLOR_ALPHA : SPNG_COLOR_TYPE_TRUECOLOR};
    if (!c || spng_set_png_file(c, f) || spng_set_ihdr(c, &ihdr) || spng_set_option(c, SPNG_IMG_COMPRESSION_LEVEL, 6) ||
        spng_encode_image(c, px, (size_t)w * h * channels, SPNG_FMT_PNG, SPNG_ENCODE_FINALIZE))
        ge_die("%s: cannot be written as PNG", path);
    spng_ctx_free(c);
    ge_close(f, path);
}

void ge_thumb(float t[GE_THUMB * GE_THUMB], const uint8_t *rgb)
{
    enum { K = GE_SIZE / GE_THUMB, N = GE_THUMB * GE_THUMB };
    double mean = 0, norm = 0;
    for (size_t i = 0; i < N; i++) {
        unsigned sum = 0;
        for (size_t y = 0; y < K; y++)
            for (size_t x = 0; x < K; x++) {
                const uint8_t *p = rgb + 3 * ((i / GE_THUMB * K + y) * GE_SIZE + i % GE_THUMB * K + x);
                sum += 299u * p[0] + 587u * p[1] + 114u * p[2];
            }
        t[i] = (float)sum / (1000.0f * K * K);
        mean += (double)t[i] / N;
    }
    for (size_t i = 0; i < N; i++) {
        t[i] -= (float)mean;
        norm += (double)t[i] * (double)t[i];
    }
    float scale = norm > 1e-6 ? (float)(1 / sqrt(norm)) : 0.0f;
    for (size_t i = 0; i < N; i++) t[i] *= scale;
}

float ge_cosine(const float *a, const float *b)
{
    float s[8] = {0};
    for (size_t i = 0; i < GE_THUMB * GE_THUMB; i += 8)
        for (size_t k = 0; k < 8; k++) s[k] += a[i + k] * b[i + k];
    return ((s[0] + s[1]) + (s[2] + s[3])) + ((s[4] + s[5]) + (s[6] + s[7]));
}
