/* image_int.h - what the files of this folder share: the decoders behind gp_image_decode, size limits, windowed resampling.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef GP_IMAGE_INT_H
#define GP_IMAGE_INT_H

#include "image/image.h"

#define GP_IMAGE_MAX_BYTES ((size_t)1 << 30)

/* gp_image_decode with a limit of its own on w * h * channels; the fuzzers use a small one. */
gopro_status gp_image_decode_max(gp_image *im, const uint8_t *data, size_t size, size_t max_bytes, gopro_error *err);
gopro_status gp_image_decode_rgba_max(gp_image *im, const uint8_t *data, size_t size, size_t max_bytes, gopro_error *err);

/* FORMAT error for an empty image or one above max_bytes; allocates otherwise. */
gopro_status gp_image_alloc_max(gp_image *im, uint32_t w, uint32_t h, uint32_t channels, size_t max_bytes, gopro_error *err);

/* One decoder each; im is empty before and, after an error, afterwards. */
gopro_status gp_jpeg_decode(gp_image *im, const uint8_t *data, size_t size, size_t max_bytes, uint32_t least, gopro_error *err);
gopro_status gp_png_decode(gp_image *im, const uint8_t *data, size_t size, uint32_t channels, size_t max_bytes, gopro_error *err);
gopro_status gp_gif_decode(gp_image *im, const uint8_t *data, size_t size, size_t max_bytes, gopro_error *err);
gopro_status gp_webp_decode(gp_image *im, const uint8_t *data, size_t size, size_t max_bytes, gopro_error *err);

typedef struct gp_box {
    uint32_t x, y, w, h;
} gp_box;

/* Cuts box out of im, resizes it to ow x oh (METHODS 1.5) and keeps only `win` of the result; nothing outside win is computed. */
gopro_status gp_image_resample(gp_image *out, const gp_image *im, gp_box box, uint32_t ow, uint32_t oh, gp_box win, gp_filter f,
                               gopro_error *err);

#endif
