/* webp.c - WebP images, lossy and lossless, alpha dropped; of an animation its first frame, on a black canvas.
 * SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include <webp/decode.h>

#include "image/image_int.h"

static gopro_status damaged(gopro_error *err)
{
    return gp_fail(err, GOPRO_E_FORMAT, "WebP: the image cannot be decoded; the file is damaged or truncated");
}

/* Little-endian, n bytes. */
static size_t number(const uint8_t *p, size_t n)
{
    size_t v = 0;
    while (n-- > 0) v = v << 8 | p[n];
    return v;
}

/* The first animation frame's chunk, without its head of 8 bytes; NULL if there is none. */
static const uint8_t *first_frame(const uint8_t *data, size_t size, size_t *len)
{
    for (size_t at = 12; at <= size && size - at >= 8;) {
        const uint8_t *c = data + at;
        *len = number(c + 4, 4);
        if (*len > size - at - 8) return NULL;
        if (memcmp(c, "ANMF", 4) == 0) return c + 8;
        at += 8 + *len + (*len & 1);
    }
    return NULL;
}

enum { FRAME_HEAD = 16 }; /* x / 2, y / 2, width - 1, height - 1, duration: 3 bytes each; flags */

/* im is the canvas. */
static gopro_status decode_frame(gp_image *im, const uint8_t *data, size_t size, gopro_error *err)
{
    size_t len;
    const uint8_t *f = first_frame(data, size, &len);
    if (!f || len <= FRAME_HEAD) return damaged(err);
    const size_t x = 2 * number(f, 3), y = 2 * number(f + 3, 3), w = number(f + 6, 3) + 1, h = number(f + 9, 3) + 1;
    int fw, fh;
    if (!WebPGetInfo(f + FRAME_HEAD, len - FRAME_HEAD, &fw, &fh) || (size_t)fw != w || (size_t)fh != h || x + w > im->w || y + h > im->h)
        return damaged(err);
    const size_t stride = 3 * (size_t)im->w, all = stride * im->h, from = y * stride + 3 * x;
    memset(im->px, 0, all);
    return WebPDecodeRGBInto(f + FRAME_HEAD, len - FRAME_HEAD, im->px + from, all - from, (int)stride) ? GOPRO_OK : damaged(err);
}

gopro_status gp_webp_decode(gp_image *im, const uint8_t *data, size_t size, size_t max_bytes, gopro_error *err)
{
    WebPBitstreamFeatures f;
    if (WebPGetFeatures(data, size, &f) != VP8_STATUS_OK || f.width <= 0 || f.height <= 0)
        return gp_fail(err, GOPRO_E_FORMAT, "WebP: the header cannot be read; the file is damaged or truncated");
    GP_TRY(gp_image_alloc_max(im, (uint32_t)f.width, (uint32_t)f.height, 3, max_bytes, err));
    const size_t stride = 3 * (size_t)im->w;
    gopro_status st = GOPRO_OK;
    if (f.has_animation)
        st = decode_frame(im, data, size, err);
    else if (!WebPDecodeRGBInto(data, size, im->px, stride * im->h, (int)stride))
        st = damaged(err);
    if (st != GOPRO_OK) gp_image_free(im);
    return st;
}
