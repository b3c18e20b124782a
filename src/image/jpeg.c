/* jpeg.c - JPEG through libturbojpeg: accurate inverse DCT, CMYK converted here, truncated files refused.
 * SPDX-License-Identifier: Apache-2.0 */
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include <turbojpeg.h>

#include "image/image_int.h"

#define FLAGS (TJFLAG_ACCURATEDCT | TJFLAG_LIMITSCANS)

/* 255-complement arithmetic of Pillow's CMYK -> RGB for inverted (Adobe) samples: every CMYK JPEG is taken to hold 255 - ink, as
 * Pillow does, so r = k - (255 - c) k / 255 with the rounded division by 255. */
static void cmyk_to_rgb(uint8_t *rgb, const uint8_t *cmyk, size_t n)
{
    for (size_t i = 0; i < n; i++, rgb += 3, cmyk += 4) {
        uint32_t k = cmyk[3];
        for (int c = 0; c < 3; c++) {
            uint32_t t = (255u - cmyk[c]) * k + 128u;
            rgb[c] = (uint8_t)(k - (((t >> 8) + t) >> 8));
        }
    }
}

static bool ends_early(tjhandle tj)
{
    return strstr(tjGetErrorStr2(tj), "remature end of JPEG file") != NULL;
}

/* A missing end marker is harmless and common; missing pixels are not.  The library gives both the same warning, so decode once more
 * with the marker added: only missing pixels still warn. */
static gopro_status check_truncated(tjhandle tj, uint8_t *px, int w, int h, int format, const uint8_t *data, size_t size, gopro_error *err)
{
    uint8_t *whole = malloc(size + 2);
    if (!whole) return gp_fail_nomem(err, size + 2, "a JPEG file");
    memcpy(whole, data, size);
    whole[size] = 0xff;
    whole[size + 1] = 0xd9;
    int rc = tjDecompress2(tj, whole, (unsigned long)(size + 2), px, w, 0, h, format, FLAGS);
    free(whole);
    if (rc != 0) return gp_fail(err, GOPRO_E_FORMAT, "JPEG: the file is truncated; copy it again");
    return GOPRO_OK;
}

/* Bytes no photograph ends with, by position. */
static uint8_t mark(size_t i)
{
    return (uint8_t)(((uint32_t)i + 1u) * 2654435761u >> 24);
}

/* The library reports a fatal error that follows a warning as a warning.  The last row tells: it still holds the marks then. */
static bool row_unwritten(const uint8_t *row, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (row[i] != mark(i)) return false;
    return true;
}

static gopro_status decode_pixels(tjhandle tj, gp_image *im, int format, const uint8_t *data, size_t size, gopro_error *err)
{
    const int w = (int)im->w, h = (int)im->h;
    const size_t n = (size_t)im->w * im->channels;
    uint8_t *last = im->px + n * (im->h - 1);
    for (size_t i = 0; i < n; i++) last[i] = mark(i);
    if (tjDecompress2(tj, data, (unsigned long)size, im->px, w, 0, h, format, FLAGS) == 0) return GOPRO_OK;
    if (tjGetErrorCode(tj) != TJERR_WARNING || row_unwritten(last, n))
        return gp_fail(err, GOPRO_E_FORMAT, "JPEG: %s; the file is damaged", tjGetErrorStr2(tj));
    return ends_early(tj) ? check_truncated(tj, im->px, w, h, format, data, size, err) : GOPRO_OK;
}

/* 8, 4 or 2 if it divides both sides, so that boxes cut out of the smaller image are the same part of the picture, and leaves them at least
 * `least`; else 1.  What is too large stays so, to be refused. */
static int divisor(int w, int h, uint32_t least, size_t max_bytes)
{
    const size_t shorter = (size_t)(w < h ? w : h);
    if (least == 0 || 3 * (size_t)w * (size_t)h > max_bytes) return 1;
    for (int d = 8; d > 1; d /= 2)
        if (w % d == 0 && h % d == 0 && shorter / (size_t)d >= least) return d;
    return 1;
}

#define MAX_SCANNED      ((uint64_t)1 << 33) /* pixels times scans: some ten seconds */
#define MAX_COEFFICIENTS ((uint64_t)1 << 30)

/* A file of several scans is kept whole as coefficients of 16 bits, and every scan goes over all of them, however few bytes it has. */
static gopro_status check_scans(int w, int h, const uint8_t *data, size_t size, gopro_error *err)
{
    uint64_t scans = 0;
    const uint64_t pixels = (uint64_t)w * (uint64_t)h;
    if (pixels < (uint64_t)1 << 24) return GOPRO_OK; /* bounded by the number of scans that the library allows, 500 */
    for (const uint8_t *p = data, *end = data + size; (p = memchr(p, 0xff, (size_t)(end - p))) != NULL && ++p < end;) scans += *p == 0xda;
    if (scans <= 2) return GOPRO_OK; /* the image and a preview */
    if (scans * pixels <= MAX_SCANNED && pixels * 6 <= MAX_COEFFICIENTS) return GOPRO_OK;
    return gp_fail(err, GOPRO_E_FORMAT,
                   "JPEG: %ju scans of %d x %d pixels would take too much time or memory; save it again without progressive scans",
                   (uintmax_t)scans, w, h);
}

gopro_status gp_jpeg_decode(gp_image *im, const uint8_t *data, size_t size, size_t max_bytes, uint32_t least, gopro_error *err)
{
    if (size > (size_t)INT_MAX) return gp_fail(err, GOPRO_E_FORMAT, "JPEG: the file is larger than 2 GiB");
    tjhandle tj = tjInitDecompress();
    if (!tj) return gp_fail_nomem(err, 0, "a JPEG decoder");
    gp_image ink = {0};
    int w = 0, h = 0, sub = 0, space = 0;
    gopro_status st = GOPRO_OK;
    /* The header is read whole before it fails for a subsampling that TurboJPEG has no name for (-1); decoding does not need the name. */
    if (tjDecompressHeader3(tj, data, (unsigned long)size, &w, &h, &sub, &space) != 0 && tjGetErrorCode(tj) != TJERR_WARNING &&
        !(sub < 0 && space >= 0)) {
        st = gp_fail(err, GOPRO_E_FORMAT, "JPEG: %s", tjGetErrorStr2(tj));
        goto out;
    }
    if (w <= 0 || h <= 0) {
        st = gp_fail(err, GOPRO_E_FORMAT, "JPEG: no image in the file");
        goto out;
    }
    GP_CHECK(check_scans(w, h, data, size, err));
    const tjscalingfactor part = {1, divisor(w, h, least, max_bytes)};
    w = TJSCALED(w, part);
    h = TJSCALED(h, part);
    GP_CHECK(gp_image_alloc_max(im, (uint32_t)w, (uint32_t)h, 3, max_bytes, err));
    if (space == TJCS_CMYK || space == TJCS_YCCK) {
        GP_CHECK(gp_image_alloc_max(&ink, (uint32_t)w, (uint32_t)h, 4, max_bytes, err));
        GP_CHECK(decode_pixels(tj, &ink, TJPF_CMYK, data, size, err));
        cmyk_to_rgb(im->px, ink.px, (size_t)w * (size_t)h);
    } else {
        GP_CHECK(decode_pixels(tj, im, TJPF_RGB, data, size, err));
    }
out:
    gp_image_free(&ink);
    if (st != GOPRO_OK) gp_image_free(im);
    tjDestroy(tj);
    return st;
}

gopro_status gp_image_encode_jpeg(uint8_t **data, size_t *size, const gp_image *im, int quality, gopro_error *err)
{
    *data = NULL;
    *size = 0;
    if (!im->px || im->channels != 3 || im->w > 65535 || im->h > 65535 || quality < 1 || quality > 100)
        return gp_fail(err, GOPRO_E_INVALID, "cannot encode %u x %u pixels of %u channels as JPEG of quality %d", im->w, im->h,
                       im->channels, quality);
    unsigned long n = tjBufSize((int)im->w, (int)im->h, TJSAMP_420);
    unsigned char *out = malloc(n);
    tjhandle tj = tjInitCompress();
    gopro_status st = out && tj ? GOPRO_OK : gp_fail_nomem(err, n, "a JPEG file");
    if (st == GOPRO_OK && tjCompress2(tj, im->px, (int)im->w, 0, (int)im->h, TJPF_RGB, &out, &n, TJSAMP_420, quality,
                                      TJFLAG_NOREALLOC | TJFLAG_ACCURATEDCT) != 0)
        st = gp_fail(err, GOPRO_E_INVALID, "cannot encode as JPEG: %s", tjGetErrorStr2(tj));
    if (tj) tjDestroy(tj);
    if (st == GOPRO_OK) {
        *data = out;
        *size = n;
    } else {
        free(out);
    }
    return st;
}
