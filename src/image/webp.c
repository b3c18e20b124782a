/* webp.c - still WebP images, lossy and lossless, alpha dropped.
 * SPDX-License-Identifier: Apache-2.0 */
#include <webp/decode.h>

#include "image/image_int.h"

gopro_status gp_webp_decode(gp_image *im, const uint8_t *data, size_t size, size_t max_bytes, gopro_error *err)
{
    WebPBitstreamFeatures f;
    if (WebPGetFeatures(data, size, &f) != VP8_STATUS_OK || f.width <= 0 || f.height <= 0)
        return gp_fail(err, GOPRO_E_FORMAT, "WebP: the header cannot be read; the file is damaged or truncated");
    if (f.has_animation) return gp_fail(err, GOPRO_E_UNSUPPORTED, "WebP: animations are not supported; expected a still image");
    GP_TRY(gp_image_alloc_max(im, (uint32_t)f.width, (uint32_t)f.height, 3, max_bytes, err));
    size_t stride = 3 * (size_t)im->w;
    if (!WebPDecodeRGBInto(data, size, im->px, stride * im->h, (int)stride)) {
        gp_image_free(im);
        return gp_fail(err, GOPRO_E_FORMAT, "WebP: the image cannot be decoded; the file is damaged or truncated");
    }
    return GOPRO_OK;
}
