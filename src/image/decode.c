/* decode.c - gp_image storage, and decoding by content: the bytes decide which decoder runs.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/file.h"
#include "image/image_int.h"

void gp_image_free(gp_image *im)
{
    free(im->px);
    *im = (gp_image){0};
}

gopro_status gp_image_alloc_max(gp_image *im, uint32_t w, uint32_t h, uint32_t channels, size_t max_bytes, gopro_error *err)
{
    *im = (gp_image){0};
    if (w == 0 || h == 0) return gp_fail(err, GOPRO_E_FORMAT, "the image is %u x %u pixels; expected at least 1 x 1", w, h);
    size_t bytes;
    if (!gp_mul_size(&bytes, w, h) || !gp_mul_size(&bytes, bytes, channels) || bytes > max_bytes)
        return gp_fail(err, GOPRO_E_FORMAT, "the image is %u x %u pixels, more than the limit of %zu MiB decoded; make it smaller", w, h,
                       max_bytes >> 20);
    im->px = malloc(bytes);
    if (!im->px) return gp_fail_nomem(err, bytes, "an image");
    im->w = w, im->h = h, im->channels = channels;
    return GOPRO_OK;
}

gopro_status gp_image_alloc(gp_image *im, uint32_t w, uint32_t h, uint32_t channels, gopro_error *err)
{
    return gp_image_alloc_max(im, w, h, channels, GP_IMAGE_MAX_BYTES, err);
}

typedef enum kind { KIND_UNKNOWN, KIND_JPEG, KIND_PNG, KIND_WEBP, KIND_GIF } kind;

typedef struct magic {
    size_t at, len;
    const char *bytes, *name;
    kind kind;
    const char *to_do; /* about what we do not decode */
} magic;

/* What we decode comes first; the rest only serves the message. */
static const magic magics[] = {
    {0, 3, "\xff\xd8\xff", "JPEG", KIND_JPEG, NULL},
    {0, 8, "\x89PNG\r\n\x1a\n", "PNG", KIND_PNG, NULL},
    {8, 4, "WEBP", "WebP", KIND_WEBP, NULL},
    {0, 4, "GIF8", "GIF", KIND_GIF, NULL},
    {0, 4, "II*\0", "a TIFF image", KIND_UNKNOWN, "convert it"},
    {0, 4, "MM\0*", "a TIFF image", KIND_UNKNOWN, "convert it"},
    {0, 2, "BM", "a BMP image", KIND_UNKNOWN, "convert it"},
    {4, 8, "ftypavif", "an AVIF image", KIND_UNKNOWN, "convert it"},
    {4, 7, "ftyphei", "a HEIC image", KIND_UNKNOWN, "convert it"},
    {4, 8, "ftypmif1", "a HEIF image", KIND_UNKNOWN, "convert it"},
    {4, 4, "ftyp", "an MP4-like file", KIND_UNKNOWN, "convert it"},
    {0, 12, "\0\0\0\x0cjP  \r\n\x87\n", "a JPEG 2000 image", KIND_UNKNOWN, "convert it"},
    {0, 2, "\xff\x0a", "a JPEG XL image", KIND_UNKNOWN, "convert it"},
    {0, 4, "8BPS", "a Photoshop file", KIND_UNKNOWN, "convert it"},
    {0, 4, "%PDF", "a PDF file", KIND_UNKNOWN, "convert it"},
    {0, 4, "PK\3\4", "a zip archive", KIND_UNKNOWN, "unpack it"},
    {0, 2, "\x1f\x8b", "gzip-compressed data", KIND_UNKNOWN, "unpack it"},
    {0, 4, "<svg", "an SVG drawing", KIND_UNKNOWN, "convert it"},
    {0, 5, "<?xml", "XML or SVG text", KIND_UNKNOWN, "convert it"},
    {0, 9, "<!DOCTYPE", "a web page", KIND_UNKNOWN, "fetch the image again"},
    {0, 9, "<!doctype", "a web page", KIND_UNKNOWN, "fetch the image again"},
    {0, 5, "<html", "a web page", KIND_UNKNOWN, "fetch the image again"},
    {0, 23, "version https://git-lfs", "a Git LFS pointer instead of the file", KIND_UNKNOWN, "fetch it with git lfs pull"},
};

static const magic *find_magic(const uint8_t *data, size_t size)
{
    for (size_t i = 0; i < GP_COUNT(magics); i++) {
        const magic *m = &magics[i];
        if (size >= m->at + m->len && memcmp(data + m->at, m->bytes, m->len) == 0) return m;
    }
    return NULL;
}

static bool looks_like_text(const uint8_t *data, size_t size)
{
    size_t n = gp_min_size(size, 64);
    for (size_t i = 0; i < n; i++)
        if (data[i] < 9 || (data[i] > 13 && data[i] < 32) || data[i] > 126) return false;
    return true;
}

static gopro_status fail_unknown(gopro_error *err, const uint8_t *data, size_t size, const magic *m)
{
    if (size == 0) return gp_fail(err, GOPRO_E_FORMAT, "the file is empty; expected a JPEG, PNG, WebP or GIF image");
    if (m) return gp_fail(err, GOPRO_E_FORMAT, "the bytes look like %s; expected JPEG, PNG, WebP or GIF: %s", m->name, m->to_do);
    if (looks_like_text(data, size))
        return gp_fail(err, GOPRO_E_FORMAT, "the bytes look like text; expected a JPEG, PNG, WebP or GIF image");
    return gp_fail(err, GOPRO_E_FORMAT, "not an image: the bytes begin with %02x %02x %02x %02x; expected JPEG, PNG, WebP or GIF", data[0],
                   size > 1 ? data[1] : 0u, size > 2 ? data[2] : 0u, size > 3 ? data[3] : 0u);
}

static gopro_status decode(gp_image *im, const uint8_t *data, size_t size, size_t max_bytes, uint32_t least, gopro_error *err)
{
    *im = (gp_image){0};
    const magic *m = find_magic(data, size);
    switch (m ? m->kind : KIND_UNKNOWN) {
    case KIND_JPEG:
        return gp_jpeg_decode(im, data, size, max_bytes, least, err);
    case KIND_PNG:
        return gp_png_decode(im, data, size, 3, max_bytes, err);
    case KIND_WEBP:
        return gp_webp_decode(im, data, size, max_bytes, err);
    case KIND_GIF:
        return gp_gif_decode(im, data, size, max_bytes, err);
    default:
        return fail_unknown(err, data, size, m);
    }
}

gopro_status gp_image_decode_max(gp_image *im, const uint8_t *data, size_t size, size_t max_bytes, gopro_error *err)
{
    return decode(im, data, size, max_bytes, 0, err);
}

gopro_status gp_image_decode_least(gp_image *im, const uint8_t *data, size_t size, uint32_t least, gopro_error *err)
{
    return decode(im, data, size, GP_IMAGE_MAX_BYTES, least, err);
}

gopro_status gp_image_decode_rgba_max(gp_image *im, const uint8_t *data, size_t size, size_t max_bytes, gopro_error *err)
{
    *im = (gp_image){0};
    const magic *m = find_magic(data, size);
    if (m && m->kind == KIND_PNG) return gp_png_decode(im, data, size, 4, max_bytes, err);
    if (m && m->kind != KIND_UNKNOWN)
        return gp_fail(err, GOPRO_E_UNSUPPORTED, "%s has no transparency here; expected a PNG drawing", m->name);
    return fail_unknown(err, data, size, m);
}

gopro_status gp_image_decode(gp_image *im, const uint8_t *data, size_t size, gopro_error *err)
{
    return gp_image_decode_max(im, data, size, GP_IMAGE_MAX_BYTES, err);
}

gopro_status gp_image_decode_rgba(gp_image *im, const uint8_t *data, size_t size, gopro_error *err)
{
    return gp_image_decode_rgba_max(im, data, size, GP_IMAGE_MAX_BYTES, err);
}

gopro_status gp_image_read(gp_image *im, const char *path, gopro_error *err)
{
    *im = (gp_image){0};
    char *data = NULL;
    size_t size = 0;
    gopro_status st = gp_read_file(&data, &size, path, GP_IMAGE_MAX_BYTES, err);
    if (st != GOPRO_OK) return gp_fail_in(err, GOPRO_E_DATA, "image");
    st = gp_image_decode(im, (const uint8_t *)data, size, err);
    free(data);
    return st == GOPRO_OK ? GOPRO_OK : gp_fail_in(err, GOPRO_E_DATA, "image '%s'", path);
}

bool gp_image_known_name(const char *name)
{
    static const char *const ext[] = {".jpg", ".jpeg", ".png", ".webp", ".gif"};
    const char *dot = strrchr(name, '.');
    if (!dot || dot == name) return false;
    for (size_t i = 0; i < GP_COUNT(ext); i++)
        if (strcasecmp(dot, ext[i]) == 0) return true;
    return false;
}
