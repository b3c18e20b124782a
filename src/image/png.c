/* png.c - PNG through libspng: no gamma, no compositing, 16 bits reduced as Pillow does; and writing.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include <spng.h>

#include "base/file.h"
#include "image/image_int.h"

#define MAX_CHUNK_BYTES ((size_t)64 << 20)

static gopro_status fail_png(gopro_error *err, int rc)
{
    if (rc == SPNG_EMEM) return gp_fail_nomem(err, 0, "a PNG image");
    return gp_fail(err, GOPRO_E_FORMAT, "PNG: %s; the file is damaged or truncated", spng_strerror(rc));
}

/* Pillow reads 16-bit grey as integers and its conversion to RGB cuts them off at 255 (all other 16-bit kinds keep the high byte). */
static gopro_status decode_grey16(gp_image *im, spng_ctx *ctx, size_t max_bytes, gopro_error *err)
{
    size_t n = (size_t)im->w * im->h, bytes = 0;
    int rc = spng_decoded_image_size(ctx, SPNG_FMT_PNG, &bytes);
    if (rc != 0) return fail_png(err, rc);
    if (bytes != 2 * n || bytes > max_bytes) return gp_fail(err, GOPRO_E_FORMAT, "PNG: unexpected size of the decoded image");
    uint16_t *v = malloc(bytes);
    if (!v) return gp_fail_nomem(err, bytes, "a PNG image");
    rc = spng_decode_image(ctx, v, bytes, SPNG_FMT_PNG, 0);
    for (size_t i = 0; rc == 0 && i < n; i++) memset(im->px + 3 * i, v[i] < 255 ? v[i] : 255, 3);
    free(v);
    return rc == 0 ? GOPRO_OK : fail_png(err, rc);
}

/* Colour numbers beyond the palette are shades of grey, as in Pillow. */
static gopro_status decode_palette(gp_image *im, spng_ctx *ctx, unsigned depth, size_t max_bytes, gopro_error *err)
{
    uint8_t colour[256][3];
    struct spng_plte plte = {0};
    size_t bytes = 0;
    for (int i = 0; i < 256; i++) memset(colour[i], i, 3);
    int rc = spng_decoded_image_size(ctx, SPNG_FMT_PNG, &bytes);
    if (rc == 0) rc = spng_get_plte(ctx, &plte);
    if (rc != 0) return fail_png(err, rc);
    for (uint32_t i = 0; i < plte.n_entries && i < 256; i++)
        memcpy(colour[i], (uint8_t[3]){plte.entries[i].red, plte.entries[i].green, plte.entries[i].blue}, 3);
    const size_t stride = ((size_t)im->w * depth + 7) / 8;
    if (bytes != stride * im->h || bytes > max_bytes) return gp_fail(err, GOPRO_E_FORMAT, "PNG: unexpected size of the decoded image");
    uint8_t *packed = calloc(bytes, 1), *out = im->px; /* interlaced samples are or-ed into it */
    if (!packed) return gp_fail_nomem(err, bytes, "a PNG image");
    rc = spng_decode_image(ctx, packed, bytes, SPNG_FMT_PNG, 0);
    for (uint32_t y = 0; rc == 0 && y < im->h; y++)
        for (size_t x = 0; x < im->w; x++, out += 3) {
            const size_t bit = x * depth;
            const unsigned i = (unsigned)packed[y * stride + bit / 8] >> (8 - depth - bit % 8) & ((1u << depth) - 1);
            memcpy(out, colour[i], 3);
        }
    free(packed);
    return rc == 0 ? GOPRO_OK : fail_png(err, rc);
}

static gopro_status decode_with(gp_image *im, spng_ctx *ctx, const uint8_t *data, size_t size, uint32_t channels, size_t max_bytes,
                                gopro_error *err)
{
    struct spng_ihdr h;
    int rc = spng_set_png_buffer(ctx, data, size);
    if (rc == 0) rc = spng_set_chunk_limits(ctx, MAX_CHUNK_BYTES, 2 * MAX_CHUNK_BYTES);
    if (rc == 0) rc = spng_get_ihdr(ctx, &h);
    if (rc != 0) return fail_png(err, rc);
    GP_TRY(gp_image_alloc_max(im, h.width, h.height, channels, max_bytes, err));
    if (channels == 3 && h.bit_depth == 16 && h.color_type == SPNG_COLOR_TYPE_GRAYSCALE) return decode_grey16(im, ctx, max_bytes, err);
    if (channels == 3 && h.color_type == SPNG_COLOR_TYPE_INDEXED) return decode_palette(im, ctx, h.bit_depth, max_bytes, err);
    size_t bytes = 0;
    int fmt = channels == 4 ? SPNG_FMT_RGBA8 : SPNG_FMT_RGB8;
    rc = spng_decoded_image_size(ctx, fmt, &bytes);
    if (rc != 0) return fail_png(err, rc);
    if (bytes != (size_t)im->w * im->h * channels) return gp_fail(err, GOPRO_E_FORMAT, "PNG: unexpected size of the decoded image");
    rc = spng_decode_image(ctx, im->px, bytes, fmt, channels == 4 ? SPNG_DECODE_TRNS : 0);
    return rc == 0 ? GOPRO_OK : fail_png(err, rc);
}

gopro_status gp_png_decode(gp_image *im, const uint8_t *data, size_t size, uint32_t channels, size_t max_bytes, gopro_error *err)
{
    spng_ctx *ctx = spng_ctx_new(0);
    if (!ctx) return gp_fail_nomem(err, 0, "a PNG decoder");
    gopro_status st = decode_with(im, ctx, data, size, channels, max_bytes, err);
    if (st != GOPRO_OK) gp_image_free(im);
    spng_ctx_free(ctx);
    return st;
}

gopro_status gp_image_encode_png(uint8_t **data, size_t *size, const gp_image *im, gopro_error *err)
{
    *data = NULL;
    *size = 0;
    if (!im->px || (im->channels != 3 && im->channels != 4))
        return gp_fail(err, GOPRO_E_INVALID, "cannot encode as PNG: expected an image with 3 or 4 channels");
    spng_ctx *ctx = spng_ctx_new(SPNG_CTX_ENCODER);
    if (!ctx) return gp_fail_nomem(err, 0, "a PNG encoder");
    struct spng_ihdr h = {.width = im->w,
                          .height = im->h,
                          .bit_depth = 8,
                          .color_type = im->channels == 4 ? SPNG_COLOR_TYPE_TRUECOLOR_ALPHA : SPNG_COLOR_TYPE_TRUECOLOR};
    int rc = spng_set_option(ctx, SPNG_ENCODE_TO_BUFFER, 1);
    if (rc == 0) rc = spng_set_ihdr(ctx, &h);
    if (rc == 0) rc = spng_encode_image(ctx, im->px, (size_t)im->w * im->h * im->channels, SPNG_FMT_PNG, SPNG_ENCODE_FINALIZE);
    if (rc == 0) *data = spng_get_png_buffer(ctx, size, &rc);
    spng_ctx_free(ctx);
    if (*data) return GOPRO_OK;
    return gp_fail(err, rc == SPNG_EMEM ? GOPRO_E_NOMEM : GOPRO_E_INVALID, "cannot encode as PNG: %s", spng_strerror(rc));
}

gopro_status gp_image_write_png(const gp_image *im, const char *path, gopro_error *err)
{
    uint8_t *data;
    size_t size;
    gopro_status st = gp_image_encode_png(&data, &size, im, err);
    if (st != GOPRO_OK) return gp_fail_in(err, st, "%s", path);
    st = gp_write_file(path, data, size, err);
    free(data);
    return st;
}
